"""The page of the paper as HTML: a table of claims, and a section for each."""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Iterable

from chorale.paper.claim import BEYOND, FULL, NEIGHBOURS, PAPER, SMALL
from chorale.paper.drawing import drawn
from chorale.paper.findings import MARKS, Finding, command_of
from chorale.paper.words import number
from chorale.report import page
from chorale.report.page import Markup, coloured, escape, table, titled

GROUPS = {
    PAPER: "Statements of the paper",
    BEYOND: "Beyond the paper",
    NEIGHBOURS: "The models next door",
}
MANY = 12  # lines that are shown at a click
TITLE = "The statements of the paper, measured"
NOTE = (
    "A claim is consistent or violated by four standard deviations of chance; it is not resolved "
    "where the data decide nothing, and does not apply where its premise does not hold. Intervals "
    "are 95%."
)


def groups(found: Iterable[Finding]) -> dict[str, list[Finding]]:
    """By kind, those that there are."""
    kinds: dict[str, list[Finding]] = {kind: [] for kind in GROUPS}
    for finding in found:
        kinds[finding.claim.kind].append(finding)
    return {kind: those for kind, those in kinds.items() if those}


def pretty(words: str) -> Markup:
    """HTML of a text with N^{-1/2}, 10^−9 and X_i as one writes them."""
    words = re.sub(r"\^(?:\{([^}]*)\}|\(([^)]*)\)|(−?\d+|\w)(?!\w))", _power, escape(words))
    return Markup(re.sub(r"(?<=[^\W_])_(?:\{([^}]*)\}|(\w)(?!\w))", _index, words))


def _power(found: re.Match) -> str:
    return "<sup>" + next(filter(None, found.groups())).replace("-", "−") + "</sup>"


def _index(found: re.Match) -> str:
    return "<sub>" + next(filter(None, found.groups())) + "</sub>"


def listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))


def span(dates: list[str]) -> str:
    """Of sorted dates the first and the last."""
    return " to ".join(dict.fromkeys(dates[:1] + dates[-1:]))


def origin(found: list[Finding]) -> str:
    """Dates, revisions and machines of all results, in a sentence each."""
    ran = [finding for finding in found if finding.notes]
    if not ran:
        return "Nothing was run yet."
    when = span(sorted({date for finding in ran for date in finding.dates}))
    revisions = listed(set().union(*(finding.revisions for finding in ran)))
    machines = listed(set().union(*(finding.machines for finding in ran)))
    plural = "s" if "," in revisions else ""
    sizes = [sum(finding.shown_size == size for finding in ran) for size in (SMALL, FULL)]
    return (
        f"Measured {when} at revision{plural} {revisions} on {machines}; "
        f"{sizes[0]} claims at small size, {sizes[1]} at full size."
    )


def count(found: list[Finding]) -> str:
    """`20 ✓ consistent, 2 not resolved`"""
    words = [finding.words for finding in found]
    return ", ".join(f"{words.count(one)} {one}" for one in dict.fromkeys(words))


def first_row(finding: Finding) -> tuple[str, str]:
    """(theory, measured) of the row that matters most, as texts."""
    if not finding.rows:
        return "", finding.why
    row = finding.rows[0]
    return number(row.theory), number(row.measured, row.low, row.high)


def overview(found: list[Finding]) -> str:
    """The table of claims of a group."""
    rows = []
    for finding in found:
        claim = finding.claim
        link = f'<a href="#{claim.name}">{escape(claim.title)}</a>'
        where = f'<br><span class="soft">{escape(claim.statement)}</span>'
        quantity = finding.rows[0].label if finding.rows else ""
        numbers = map(pretty, (quantity, *first_row(finding)))
        rows.append((finding.words, Markup(link + where), *numbers, finding.shown_size))
    heads = ("verdict", "claim", "quantity", "theory", "measured, 95%", "size")
    return table(heads, rows, kind="wide whole")


def about(finding: Finding) -> str:
    """What is claimed, what would contradict it, and what the verdict presupposes."""
    claim = finding.claim
    items = (
        ("Claim", claim.claims),
        ("Contradicted by", claim.contradicted),
        ("Premise", claim.premise),
    )
    inside = "".join(f"<dt>{head}</dt><dd>{pretty(words)}</dd>\n" for head, words in items)
    return f"<dl>\n{inside}</dl>\n"


def data(finding: Finding) -> str:
    """All rows."""
    rows = []
    for row in finding.rows:
        measured = number(row.measured, row.low, row.high)
        verdict = MARKS.get(row.verdict, row.verdict)
        texts = map(pretty, (row.label, number(row.theory), measured))
        rows.append((*texts, verdict, row.why))
    heads = ("quantity", "theory", "measured, 95%", "verdict", "why")
    return titled("Data", table(heads, rows)) if rows else ""


def commands(finding: Finding) -> str:
    """The lines that were run."""
    pairs = zip(finding.jobs, finding.notes, strict=True)
    lines = [command_of(job, note) for job, note in pairs]
    lines.append(f"tools/paper --only {finding.claim.name}" + (" --full" * (finding.size == FULL)))
    shown = "<pre>" + escape("\n".join(lines)) + "</pre>\n"
    if len(lines) > MANY:
        shown = page.details(f"{len(lines) - 1} command lines", shown)
    return titled("Run it again", shown)


def made(finding: Finding) -> str:
    """Size, revision, date, machine and time."""
    if not finding.notes:
        return ""
    parts = [f"{finding.shown_size} size", f"revision {listed(finding.revisions)}"]
    parts += [span(finding.dates), listed(finding.machines)]
    parts += [f"{finding.seconds:.0f} s of runs"] * (finding.size == SMALL)
    return page.soft(escape(", ".join(filter(None, parts))) + ".")


def section(finding: Finding) -> str:
    """A claim as HTML."""
    claim, shown = finding.claim, ""
    if finding.size:
        shown = drawn(finding)
    head = f"<h2>{escape(claim.title)}</h2>\n" + page.soft(escape(claim.statement))
    failed = page.alarm(finding.why) if finding.why else ""
    verdict = f'<p class="finding">{coloured(escape(finding.words))}</p>\n'
    body = about(finding) + verdict + failed + data(finding) + shown
    body += commands(finding) if finding.size else ""
    return f'<section class="run" id="{claim.name}">\n{head}{body}{made(finding)}</section>\n'


def sections(found: list[Finding], cores: int) -> list[str]:
    """Of all claims, drawn by so many processes."""
    if cores < 2 or len(found) < 3:
        return [section(finding) for finding in found]
    with ProcessPoolExecutor(cores, mp_context=get_context("fork")) as pool:
        return list(pool.map(section, found))


def document(found: list[Finding], cores: int) -> str:
    """The whole page."""
    words = page.soft(escape(origin(found))) + page.soft(escape(NOTE))
    head = f"<h1>{TITLE}</h1>\n<p>{coloured(escape(count(found)))}.</p>\n{words}"
    body, made_of = "", dict(zip((f.claim.name for f in found), sections(found, cores)))
    for kind, those in groups(found).items():
        head += f"<h3>{GROUPS[kind]}</h3>\n" + overview(those)
    for kind, those in groups(found).items():
        body += "".join(made_of[finding.claim.name] for finding in those)
    return page.document(f"{TITLE}: chorale", head + body, "tools/paper")
