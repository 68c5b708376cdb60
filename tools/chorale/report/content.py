"""What a report says of files: of each its finding, picture, numbers, table, parameters, origin and
how to run it again; of several also what is common and what differs."""

from __future__ import annotations

import contextlib
import os
import re
from io import BytesIO, StringIO
from types import MappingProxyType
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from chorale import again, io
from chorale.command import first_line, plural
from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot import files, kernel, rates, together, verdicts
from chorale.plot.common import LOOK, Picture, Series, style
from chorale.plot.words import incomplete, run_words
from chorale.report.page import (
    Markup,
    alarm,
    details,
    escape,
    formulas,
    picture,
    soft,
    table,
    tip,
    titled,
)

DPI = 100
THEMES = ("light", "dark")
ROWS = 400  # of a table; of a longer one evenly chosen rows are shown
PICTURES = 12  # more files get no picture of their own
FIRST = ("energy", "order", "clusters")  # of the observables
WORDS = {True: "✓ agrees", False: "✗ does not", None: "not decided"}
# HTML of figures that move, of files and of the picture whose place they take.
Moving = Callable[[Sequence[str], str], str]
# Of a picture, when too little is there yet.
TOO_LITTLE = (ValueError, IndexError, KeyError, TypeError, ArithmeticError, np.linalg.LinAlgError)


class Final(NamedTuple):
    """An observable at its last known frame: mean over the realizations, and its interval."""

    unit: str
    time: float
    mean: float
    low: float
    high: float


def anchor(path: str) -> str:
    """The name of a file's section."""
    return escape(re.sub(r"\s", "_", path))


def render(make: Callable[[], Picture]) -> tuple[Picture, dict[str, bytes], list[str]]:
    """The Picture that `make` draws, its PNGs by theme, and what was said on stderr."""
    images = {}
    for theme in THEMES:
        LOOK.use(theme)
        said, out = StringIO(), BytesIO()
        with matplotlib.rc_context(style()), contextlib.redirect_stderr(said):
            drawn = make()
            drawn.figure.suptitle("")  # the page says it
            drawn.figure.savefig(out, dpi=DPI)
        images[theme] = out.getvalue()
        plt.close(drawn.figure)
    return drawn, images, said.getvalue().splitlines()


def draw(make: Callable[[], Picture], path: str) -> tuple[str, str]:
    """(picture with its headline, findings), as HTML, of the Picture that `make` draws, in both
    themes."""
    try:
        drawn, images, said = render(make)
    except BadFile as error:
        return alarm(f"No picture: {error.reason}"), ""
    except TOO_LITTLE as error:
        return alarm(f"No picture of {path}: {first_line(error)}"), ""
    finally:
        plt.close("all")
        LOOK.use("light")
    notes = "".join(soft(escape(line.removeprefix("plot: "))) for line in said)
    listed = "".join(f"<li>{formulas(title)}</li>" for title in drawn.findings)
    head = f'<p class="finding">{formulas(drawn.headline)}</p>\n'
    shown = head + picture(images, drawn.headline) + notes
    return shown, f"<ul>{listed}</ul>\n" if listed else ""


def verdict_table(run: Run) -> str:
    """What was measured beside what theory says, and whether they agree."""
    rows = []
    for found in verdicts.of_run(run):
        numbers = (found.measured, found.error, found.source, found.theory, found.deviation)
        rows.append((found.quantity, *numbers, found.why or WORDS[found.verdict]))
    heads = ("quantity", "measured", "± s.e.", "theory", "its value", "s.e. apart", "verdict")
    return titled("Verdicts", table(heads, rows) if rows else "")


def numbers(run: Run) -> str:
    """Numbers and texts of the study, fits with their 95% intervals."""
    rows = [
        (explained(run, key), value, *(run.interval(key) or ("", "")))
        for key, value in run.scalars.items()
    ]
    return table(("quantity", "value", "95% from", "to"), rows) if rows else ""


def explained(run: Run, name: str) -> Markup:
    """The name of a quantity, whose meaning and unit are shown when it is pointed at."""
    return tip(name, run.meaning(name))


def item(value: Any) -> Any:
    """A plain number or text."""
    return value.item() if hasattr(value, "item") else io.text(value)


def data_table(columns: dict[str, Any], meanings: Mapping[str, str] = MappingProxyType({})) -> str:
    """Of {name: array}: at most ROWS rows, the last among them."""
    columns = {name: values for name, values in columns.items() if np.ndim(values) == 1}
    count = min((len(values) for values in columns.values()), default=0)
    if not count:
        return ""
    chosen, words = np.arange(count), ""
    if count > ROWS:
        chosen = np.unique(np.linspace(0, count - 1, ROWS).round().astype(int))
        words = soft(f"{len(chosen)} of {count} rows, evenly chosen.")
    rows = [[item(values[i]) for values in columns.values()] for i in chosen]
    heads = [tip(name, meanings.get(name, "")) for name in columns]
    return titled("Table", table(heads, rows) + words)


def final_values(run: Run) -> dict[str, Final]:
    """Observables at the last frame that is known."""
    found = {}
    for name, seen in run.observables.items():
        if seen.value.ndim != 2 or not len(seen):
            continue
        series = Series(run, name)
        known = np.flatnonzero(np.isfinite(series.mean))
        if len(known):
            last = known[-1]
            numbers = (series.time, series.mean, series.low, series.high)
            found[name] = Final(series.unit, *(float(values[last]) for values in numbers))
    order = [name for name in FIRST if name in found]
    return {name: found[name] for name in order + [name for name in found if name not in FIRST]}


def observables(run: Run) -> str:
    """Their last values as a table."""
    rows = [
        (explained(run, name), f.mean, f.low, f.high, f.unit, f.time)
        for name, f in final_values(run).items()
    ]
    heads = ("observable", "mean", "95% from", "to", "unit", "time")
    return titled("At the end", table(heads, rows) if rows else "")


def run_again(run: Run) -> str:
    """How it was made, and the commands that make it again."""
    here = again.commands(run)
    if not here:
        return ""
    parts = {
        "as it was made": again.command(run),
        "to go on from the last checkpoint": again.going_on(run),
        "from this file alone" if len(here) > 1 else "from the files": "\n".join(here),
    }
    lines = [f"# {title}\n{command}" for title, command in parts.items() if command]
    commands = "<pre>" + escape("\n".join(lines)) + "</pre>\n"
    deck = f"<pre>{escape(run.deck.rstrip())}</pre>\n"
    return titled("Run it again", commands + details("deck.yaml", deck))


def origin(run: Run) -> str:
    """Parameters, provenance and commands; a trajectory has those of the results beside it."""
    if run.kind == "trajectory":
        if not run.results_path:
            return soft("No results beside this trajectory, so its parameters are not known.")
        with io.open(run.results_path) as results:
            return soft(f"Belongs to {escape(run.results_path)}.") + origin(results)
    keys, made = run.parameters, run.provenance
    parameters = table(("key", "value"), list(keys.items())) if keys else ""
    provenance = table(("attribute", "value"), list(made.items())) if made else ""
    tables = details("Parameters", parameters) + details("Provenance", provenance)
    return run_again(run) + tables


def state(run: Run) -> str:
    """Whether it is complete."""
    if run.complete is False:
        return f'<span class="alarm">{escape(incomplete(run))}</span>'
    return "complete" if run.complete else "no results beside it"


def clock(run: Run) -> str:
    """Of a trajectory: what is recorded."""
    with io.Trajectory(run.path) as found:
        span = f", t = {found.time[0]:.6g} to {found.time[-1]:.6g}" if len(found) else ""
        count = f"{plural(len(found), 'frame')} of {plural(found.tokens, 'token')}"
        return soft(f"{count} in R<sup>{found.dim}</sup>{span}.")


def results(run: Run) -> str:
    """Everything that results say."""
    said, columns = titled("Numbers of the study", numbers(run)), run.table()
    meanings = {name: run.meaning(name) for name in columns}
    return verdict_table(run) + observables(run) + said + data_table(columns, meanings)


def progress(run: Run) -> str:
    """Of a checkpoint: how far it is."""
    done = run.steps_done
    return data_table({"realization": np.arange(len(done)), "steps done": done})


BODIES = {"results": results, "trajectory": clock, "checkpoint": progress}


def section(path: str, with_picture: bool, moving: Optional[Moving] = None) -> str:
    """A file as HTML; BadFile when it cannot be read at all."""
    drawn, found = draw(lambda: files.picture_of(path), path) if with_picture else ("", "")
    drawn = moving([path], drawn) if moving and with_picture else drawn
    drawn += titled("Findings", found)
    if path.endswith(".csv"):
        head = soft("Table of chorale kernel; a CSV does not keep the run's parameters.")
        body = data_table(kernel.read(path))
    else:
        with io.open(path) as run:
            what = {
                "results": f"Results of chorale {run.study}",
                "trajectory": "Trajectory",
                "checkpoint": f"Checkpoint of chorale {run.study}",
            }[run.kind]
            head = soft(f"{what}, {state(run)}. {formulas(run_words(run))}")
            body = BODIES[run.kind](run) + origin(run)
    name = f"<h2>{escape(os.path.basename(path))}</h2>"
    return f'<section class="run" id="{anchor(path)}">\n{name}\n{head}{drawn}{body}</section>\n'


def summary_row(run: Run, keys: Sequence[str]) -> dict[str, Any]:
    """{column: value} of a file in the table of the sweep."""
    complete = "complete" if run.complete else "incomplete"
    row: dict[str, Any] = {"file": os.path.basename(run.path), "state": complete}
    for key in keys:
        value = run.parameters.get(key, "")
        try:
            row[key] = float(value)
        except ValueError:
            row[key] = value
    ended = final_values(run)
    if ended:
        row["until t"] = max(final.time for final in ended.values())
    for name, final in ended.items():
        row[name], row[f"{name} from"], row[f"{name} to"] = final.mean, final.low, final.high
    if "energy" in ended:
        tenth, rate = together.decay(Series(run, "energy"))
        row["t at a tenth of the energy"], row["rate from there"] = float(tenth), float(rate)
    if not run.observables:
        values = run.study_values.items()
        row.update({key: value for key, value in values if isinstance(value, (int, float))})
    return row


def summary(runs: Sequence[Run], keys: Sequence[str]) -> str:
    """A row for every file."""
    rows = [summary_row(run, keys) for run in runs]
    heads = list(dict.fromkeys(key for row in rows for key in row))
    real = {head: any(isinstance(row.get(head), float) for row in rows) for head in heads}
    empty = {head: float("nan") if real[head] else "" for head in heads}
    return table(heads, [[row.get(head, empty[head]) for head in heads] for row in rows])


def law_table(runs: Sequence[Run]) -> str:
    """Rates of several runs of study chaos, and how well laws fit."""
    try:
        heads, rows = rates.table(runs)
        found = table(heads, [[Markup(formulas(name)), *row] for name, *row in rows])
    except (BadFile, *TOO_LITTLE) as error:
        return alarm(f"No table of rates: {first_line(error)}")
    return titled("Rates", found + soft(escape(rates.NOTE)))


def sweep(study: str, paths: Sequence[str], moving: Optional[Moving] = None) -> str:
    """What results of one study have in common and where they differ, as HTML."""
    with contextlib.ExitStack() as stack:
        runs = together.ordered([stack.enter_context(io.open(path)) for path in paths])
        keys = together.differing(runs)
        body = summary(runs, keys)
        drawable = [run for run in runs if files.together_module(run)]
        fitted = law_table(drawable) if study == "chaos" and len(drawable) > 1 else ""
    overlay, drawn = [run.path for run in drawable], ""
    if len(overlay) > 1:
        drawn, _ = draw(lambda: files.together_of(overlay), "the runs together")
        drawn = moving(overlay, drawn) if moving else drawn
    head = f"<h2>{len(paths)} runs of chorale {study}</h2>\n"
    head += soft(f"They differ in {escape(', '.join(keys) or 'nothing but file names')}.")
    return f'<section class="run">\n{head}{drawn}{fitted}{body}</section>\n'


def sweeps(paths: Iterable[str], moving: Optional[Moving] = None) -> str:
    """Of every study that has several results here."""
    studies: dict[tuple, list[str]] = {}
    for path in paths:
        if not path.endswith(".csv"):
            with io.open(path) as run:
                if run.kind == "results":
                    group = (
                        run.study,
                        *(run.parameters.get(f"sync_{kind}") for kind in ("map", "starts")),
                    )
                    studies.setdefault(group, []).append(path)
    several = {key: group for key, group in studies.items() if len(group) > 1}
    return "".join(sweep(study, group, moving) for (study, *_), group in several.items())
