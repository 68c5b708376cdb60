"""What a notebook shows of a run: how far it is, which experiment it was, and its numbers. Colours
are those of the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from chorale.errors import BadFile
from chorale.io import Run, Table
from chorale.plot.words import incomplete, run_words
from chorale.report.page import escape, formulas

if TYPE_CHECKING:
    from chorale.runs.handle import Run as Handle

ROWS = 6  # of the table
CELL = "padding:.15em .6em;text-align:right"
CARD = (
    '<div style="max-width:100%;overflow-x:auto">'
    '<p style="margin:.3em 0"><b>{title}</b>: {state}</p>'
    '<p style="margin:.3em 0;opacity:.75">{about}</p>{body}</div>\n'
)


def cell(value: Any) -> str:
    """A number with six digits, or a text."""
    return f"{value:.6g}" if isinstance(value, float) else escape(value)


def table(run: Union[Run, Table]) -> str:
    """Rows of the table of a study, evenly chosen, the last among them."""
    columns = run.rows()
    long = len(next(iter(columns.values()), ()))
    if not long:
        return ""
    chosen = sorted({round(i * (long - 1) / max(1, ROWS - 1)) for i in range(ROWS)})
    heads = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in columns)
    rows = ""
    for i in chosen:
        cells = (cell(values[i].item()) for values in columns.values())
        rows += "<tr>" + "".join(f'<td style="{CELL}">{one}</td>' for one in cells) + "</tr>"
    few = f'<p style="margin:.3em 0;opacity:.75">{len(chosen)} of {long} rows</p>'
    return f"<table><tr>{heads}</tr>{rows}</table>" + (few if len(chosen) < long else "")


def of_results(run: Union[Run, Table]) -> str:
    """Of results in a file."""
    if run.kind == "table":
        return CARD.format(title="chorale kernel", state="complete", about="", body=table(run))
    state = "complete" if run.complete else escape(incomplete(run))
    what = run.study if run.kind == "results" else f"{run.kind} of {run.study or 'a run'}"
    body = table(run) if run.kind == "results" else ""
    about = formulas(run_words(run))
    return CARD.format(title=f"chorale {escape(what)}", state=state, about=about, body=body)


def of_run(run: Handle) -> str:
    """Of a run in its folder."""
    found = run.status()
    state = escape(", ".join(filter(None, [found.state, found.realizations, found.clock])))
    about, body = escape(run.folder), ""
    try:
        results = run.results
        if results.kind == "results":
            about = f"{formulas(run_words(results))}. {about}"
        body = table(results)
    except BadFile:  # nothing is there yet
        body = f"<p>{escape(found.message)}</p>" if found.message else ""
    return CARD.format(title=f"chorale {escape(run.study)}", state=state, about=about, body=body)
