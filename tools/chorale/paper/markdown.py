"""The table of claims as Markdown: input/paper/README.md."""

from __future__ import annotations

import textwrap

from chorale.paper.claim import SMALL
from chorale.paper.content import GROUPS, NOTE, TITLE, first_row, groups, origin
from chorale.paper.findings import Finding

WIDTH = 120
HEADS = ("claim", "where it stands", "quantity", "theory", "measured", "verdict", "size", "command")
ABOUT = (
    "Written by `tools/paper` from its results. Equations are those of "
    "[src/THEORY.md](../../src/THEORY.md), [src/NUMERICS.md](../../src/NUMERICS.md) and "
    "[src/NEIGHBOURS.md](../../src/NEIGHBOURS.md), verdicts those of "
    "[src/VERDICTS.md](../../src/VERDICTS.md). Commands begin with `mpirun -n 2 "
    "build/chorale`. What would contradict a claim, its premise, all numbers and pictures "
    "are on the page that `tools/paper` writes; [DETAILS.md](DETAILS.md) has longer tables, "
    "measured by hand."
)


def cell(words: str) -> str:
    """A text in a table."""
    return words.replace("|", "\\|").replace("\n", " ")


def command(finding: Finding) -> str:
    """Study, deck and options of the first run, and how many more there are."""
    claim = finding.claim
    first, *more = claim.runs.values()
    words = " ".join(first.words(finding.size or SMALL, "DIR"))
    return f"`{words}`" + (f" and {len(more)} more" if more else "")


def line(finding: Finding) -> str:
    """A row of the table, with the first row of the claim's data."""
    quantity = finding.rows[0].label if finding.rows else ""
    cells = (finding.claim.title, finding.claim.statement, quantity, *first_row(finding))
    cells = (*cells, finding.words, finding.shown_size, command(finding))
    return "| " + " | ".join(map(cell, cells)) + " |"


def document(found: list[Finding]) -> str:
    """The whole page."""
    parts = [f"# {TITLE}"]
    parts += [textwrap.fill(words, WIDTH) for words in (ABOUT, origin(found), NOTE)]
    for kind, those in groups(found).items():
        head = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
        parts += [f"## {GROUPS[kind]}", "\n".join(head + [line(finding) for finding in those])]
    return "\n\n".join(parts) + "\n"
