"""Pieces of an HTML page that needs no other file and no network; without JavaScript it only does
not sort its tables."""

from __future__ import annotations

import base64
import html
import math
import re
from pathlib import Path
from typing import Any, Sequence

HERE = Path(__file__).resolve().parent
PAPER = "https://arxiv.org/abs/2604.26898"
GREEK = {
    "lambda": "λ",
    "beta": "β",
    "mu": "μ",
    "sigma": "σ",
    "epsilon": "ε",
    "langle": "⟨",
    "rangle": "⟩",
    "cdot": "·",
    "geq": "≥",
    "leq": "≤",
    "infty": "∞",
    "log": "log ",
}
NUMBER = ' class="n"'
ACCENTS = {"bar": "\u0304", "dot": "\u0307"}
# Nothing is loaded from anywhere.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}<footer class="run">Made by {maker} of chorale. \
The mathematics: <a href="{paper}">arXiv:2604.26898</a>. \
Numbers are rounded to six digits; the files have all of them.</footer>
<script>
{script}</script>
</body>
</html>
"""


class Markup(str):
    """A cell of a table that is HTML already."""


def escape(value: Any) -> str:
    """Any value as text of a page."""
    return html.escape(str(value))


def coloured(words: str) -> str:
    """✓ and ✗ of a text of a page in their colours."""
    good, bad = '<span class="good">✓</span>', '<span class="alarm">✗</span>'
    return words.replace("✓", good).replace("✗", bad)


def _accent(match: re.Match) -> str:
    return GREEK.get(match[2], match[2]) + ACCENTS[match[1]]


def _formula(match: re.Match) -> str:
    """HTML of what stands between two dollars."""
    inside = re.sub(r"\\(bar|dot)[ {]*\\?([A-Za-z]+)\}?", _accent, match[1])
    inside = re.sub(r"\\([a-zA-Z]+) ?", lambda m: GREEK.get(m[1], m[1]), inside)
    inside = inside.replace("\\,", "\u2009").replace("-", "−")
    inside = re.sub(r"_(?:\{([^{}]*)\}|(.))", lambda m: f"<sub>{m[1] or m[2]}</sub>", inside)
    return re.sub(r"\^(?:\{([^{}]*)\}|(.))", lambda m: f"<sup>{m[1] or m[2]}</sup>", inside)


def formulas(words: str) -> str:
    """HTML of a title of a picture: `$W_2^2$` with indices as they should be, ✓ and ✗ in their
    colours."""
    words = escape(words).replace("&#x27;", "’")
    return coloured(re.sub(r"\$([^$]*)\$", _formula, words))


def plain(words: str) -> str:
    """The same without tags, for an attribute."""
    return re.sub(r"<[^>]*>", "", formulas(words)).replace('"', "”")


def cell(value: Any) -> str:
    """Numbers are shown with six digits and carry all of theirs in data-v."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        words = value if isinstance(value, Markup) else escape(value)
        long = ' class="t"' if len(re.sub("<[^>]*>", "", words)) > 40 else ""
        return f"<td{long}>{coloured(words)}</td>"
    shown, exact = "–", "NaN"
    if not math.isnan(value):
        shown = f"{value:.6g}".replace("inf", "∞").replace("-", "−")
        exact = repr(value).replace("inf", "Infinity")
    return f'<td class="n" data-v="{exact}">{shown}</td>'


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], kind: str = "wide") -> str:
    """A table in a container of its own, which scrolls where it is wider than the page; of kind
    `wide whole` it does not where it is long."""
    top = ""
    for c, head in enumerate(heads):
        number = NUMBER if rows and isinstance(rows[0][c], (int, float)) else ""
        words = head if isinstance(head, Markup) else escape(head)
        top += f'<th scope="col"{number}>{words}</th>'
    body = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    inside = f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="{kind}" tabindex="0">{inside}</div>\n'


def picture(images: dict[str, bytes], words: str) -> str:
    """PNGs by theme; the reader's browser takes one."""
    data = {
        theme: "data:image/png;base64," + base64.b64encode(png).decode()
        for theme, png in images.items()
    }
    dark = ""
    if "dark" in data:
        dark = f'<source media="(prefers-color-scheme: dark)" srcset="{data["dark"]}">'
    light = f'<img src="{data["light"]}" alt="{plain(words)}">'
    return f'<div class="figure" tabindex="0"><picture>{dark}{light}</picture></div>\n'


def tip(words: str, meaning: str) -> Markup:
    """Words whose meaning is shown when they are pointed at, or reached by the keyboard."""
    if not meaning:
        return Markup(escape(words))
    return Markup(f'<abbr title="{escape(meaning)}" tabindex="0">{escape(words)}</abbr>')


def details(summary: str, body: str) -> str:
    """What is shown after a click; nothing of an empty body."""
    return f"<details><summary>{escape(summary)}</summary>\n{body}</details>\n" if body else ""


def titled(title: str, body: str) -> str:
    """Below a heading; nothing of an empty body."""
    return f"<h3>{title}</h3>\n{body}" if body else ""


def soft(words: str) -> str:
    """A paragraph of HTML beside the matter."""
    return f'<p class="soft">{words}</p>\n'


def alarm(words: str) -> str:
    """A text that must not be overlooked."""
    return f'<p class="alarm">{escape(words)}</p>\n'


def document(title: str, body: str, maker: str = "tools/report") -> str:
    """The whole page."""
    style, script = ((HERE / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    keys = {
        "title": escape(title),
        "style": style,
        "script": script,
        "maker": maker,
        "policy": POLICY,
    }
    return DOCUMENT.format(body=body, paper=PAPER, **keys)
