"""Pieces of an HTML page that needs no other file and no network; without JavaScript it only does not sort its tables."""
import base64
import html
import math
import re

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#4d5560;--line:#dfe3e8;--panel:#f5f6f8;--blue:#0b63a3;--good:#00714f;--alarm:#b03a00}
@media(prefers-color-scheme:dark){:root{--paper:#14171c;--ink:#eceef1;--soft:#b4bcc6;--line:#2f363f;--panel:#1e2228;--blue:#6cbcf0;--good:#3fc79a;--alarm:#ff9a4d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.7rem;line-height:1.25;margin:.2em 0}h2{font-size:1.3rem;line-height:1.3;margin:0}h3{font-size:1.05rem;margin:1.6em 0 .5em}
p{max-width:46rem;margin:.6em 0}a{color:var(--blue)}.soft,footer{color:var(--soft);font-size:.92rem}
.run{border-top:2px solid var(--line);margin-top:2.5rem;padding-top:1.2rem}
.finding{font-size:1.15rem;font-weight:600;max-width:none}.alarm{color:var(--alarm);font-weight:700}.good{color:var(--good);font-weight:700}
.figure{overflow-x:auto;border:1px solid var(--line);border-radius:6px;margin:.8rem 0}.figure img{display:block;width:100%;min-width:44rem;height:auto}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px;max-height:34rem;overflow-y:auto;width:fit-content;max-width:100%;overflow-wrap:normal}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .7rem;text-align:left;white-space:nowrap;border-bottom:1px solid var(--line)}
th{position:sticky;top:0;background:var(--panel)}td.n,th.n{text-align:right}tbody tr:last-child td{border-bottom:0}td.t{white-space:normal;min-width:12rem}
th[tabindex]{cursor:pointer;user-select:none}th[aria-sort]::after{content:" \\2191"}th[aria-sort=descending]::after{content:" \\2193"}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.7rem 1rem;overflow-x:auto;font-size:.85rem;line-height:1.45;overflow-wrap:normal}
details{margin:.8em 0}summary{cursor:pointer;font-weight:600}details>*:nth-child(2){margin-top:.5rem}
ul{padding-left:1.2rem;margin:.5em 0}
"""
SORT = """
document.querySelectorAll("table").forEach(function (table) {
  var body = table.tBodies[0], heads = table.tHead.rows[0].cells;
  function value(row, column) {
    var cell = row.cells[column], number = cell.dataset.v;
    return number === undefined ? cell.textContent : Number(number);
  }
  function sort(column) {
    var down = heads[column].getAttribute("aria-sort") === "ascending", sign = down ? -1 : 1;
    Array.from(heads).forEach(function (head) { head.removeAttribute("aria-sort"); });
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a, column), y = value(b, column);
      if (typeof x === "number" && typeof y === "number") return isNaN(x) ? 1 : isNaN(y) ? -1 : sign * (x - y);
      return sign * String(x).localeCompare(String(y), undefined, {numeric: true});
    }).forEach(function (row) { body.appendChild(row); });
  }
  Array.from(heads).forEach(function (head, column) {
    head.tabIndex = 0;
    head.title = "sort by this column";
    head.addEventListener("click", function () { sort(column); });
    head.addEventListener("keydown", function (event) { if (event.key === "Enter") sort(column); });
  });
});
"""
PAPER = "https://arxiv.org/abs/2604.26898"
GREEK = {"lambda": "λ", "beta": "β", "mu": "μ", "sigma": "σ", "epsilon": "ε", "langle": "⟨", "rangle": "⟩", "cdot": "·", "geq": "≥", "leq": "≤", "infty": "∞", "log": "log "}
NUMBER = ' class="n"'
ACCENTS = {"bar": "\u0304", "dot": "\u0307"}


def escape(value):
    return html.escape(str(value))


def formulas(words):
    """HTML of a title of a picture: `$W_2^2$` with indices as they should be, ✓ and ✗ in their colours."""

    def one(match):
        inside = re.sub(r"\\(bar|dot)[ {]*\\?([A-Za-z]+)\}?", lambda m: GREEK.get(m[2], m[2]) + ACCENTS[m[1]], match[1])
        inside = re.sub(r"\\([a-zA-Z]+) ?", lambda m: GREEK.get(m[1], m[1]), inside).replace("\\,", "\u2009").replace("-", "−")
        inside = re.sub(r"_(?:\{([^{}]*)\}|(.))", lambda m: f"<sub>{m[1] or m[2]}</sub>", inside)
        return re.sub(r"\^(?:\{([^{}]*)\}|(.))", lambda m: f"<sup>{m[1] or m[2]}</sup>", inside)

    words = re.sub(r"\$([^$]*)\$", one, escape(words).replace("&#x27;", "’"))
    return words.replace("✓", '<span class="good">✓</span>').replace("✗", '<span class="alarm">✗</span>')


def plain(words):
    return re.sub(r"<[^>]*>", "", formulas(words)).replace('"', "”")


def cell(value):
    """Numbers are shown with six digits and carry all of theirs in data-v."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        words = str(value)
        shown = escape(words).replace("✓", '<span class="good">✓</span>').replace("✗", '<span class="alarm">✗</span>')
        return f'<td class="t">{shown}</td>' if len(words) > 40 else f"<td>{shown}</td>"
    shown = "–" if math.isnan(value) else f"{value:.6g}".replace("inf", "∞").replace("-", "−")
    return f'<td class="n" data-v="{"NaN" if math.isnan(value) else repr(value).replace("inf", "Infinity")}">{shown}</td>'


def table(heads, rows):
    """A table in a container of its own, which scrolls where it is wider than the page."""
    numbers = [bool(rows) and isinstance(rows[0][c], (int, float)) for c in range(len(heads))]
    top = "".join(f'<th scope="col"{NUMBER if n else ""}>{escape(head)}</th>' for head, n in zip(heads, numbers))
    body = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n'


def picture(images, words):
    """PNGs by theme; the reader's browser takes one."""
    data = {theme: "data:image/png;base64," + base64.b64encode(png).decode() for theme, png in images.items()}
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{data["dark"]}">' if "dark" in data else ""
    return f'<div class="figure" tabindex="0"><picture>{dark}<img src="{data["light"]}" alt="{plain(words)}"></picture></div>\n'


def details(summary, body):
    return f"<details><summary>{escape(summary)}</summary>\n{body}</details>\n" if body else ""


def document(title, body):
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n{body}"
            f'<footer class="run">Made by tools/report of chorale. The mathematics: <a href="{PAPER}">arXiv:2604.26898</a>. '
            f"Numbers are rounded to six digits; the files have all of them.</footer>\n<script>{SORT}</script>\n</body>\n</html>\n")
