"""What a report says of files: of each its finding, picture, numbers, table, parameters, origin and how to run it again; of several
also what is common and what differs."""
import contextlib
import io
import os
import re
import shlex

import chorale_io
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from chorale_io import BadFile
from plotting import files, kernel, together
from plotting import verdicts
from plotting.common import LOOK, Series, not_complete, parameters_line, style

from reporting.page import details, escape, formulas, picture, table

DPI = 100
THEMES = ("light", "dark")
ROWS = 400  # of a table; of a longer one evenly chosen rows are shown
PICTURES = 12  # more files get no picture of their own
FIRST = ("energy", "order", "clusters")  # of the observables


def anchor(path):
    return escape(re.sub(r"\s", "_", path))


def note(words):
    return f'<p class="alarm">{escape(words)}</p>\n'


def draw(make, path):
    """(picture with its headline, findings), as HTML, of the Picture that `make` draws, in both themes."""
    images, said = {}, io.StringIO()
    try:
        for theme in THEMES:
            LOOK.use(theme)
            said = io.StringIO()
            with matplotlib.rc_context(style()), contextlib.redirect_stderr(said):
                drawn = make()
                drawn.figure.suptitle("")  # the page says it
                out = io.BytesIO()
                drawn.figure.savefig(out, dpi=DPI)
            images[theme] = out.getvalue()
            plt.close(drawn.figure)
    except BadFile as error:
        return note(f"No picture: {error.reason}"), ""
    except (ValueError, IndexError, KeyError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:  # too little is there yet
        return note(f"No picture of {path}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"), ""
    finally:
        plt.close("all")
        LOOK.use("light")
    notes = "".join(f"<p class=\"soft\">{escape(line.removeprefix('plot: '))}</p>\n" for line in said.getvalue().splitlines())
    listed = "<ul>" + "".join(f"<li>{formulas(title)}</li>" for title in drawn.findings) + "</ul>\n" if drawn.findings else ""
    return f'<p class="finding">{formulas(drawn.headline)}</p>\n' + picture(images, drawn.headline) + notes, listed


def verdict_table(run):
    """What was measured beside what theory says, and whether they agree."""
    rows = [(row.quantity, row.measured, row.error, row.source, row.theory, row.deviation, {True: "✓ agrees", False: "✗ does not", None: "not decided"}[row.verdict])
            for row in verdicts.of_run(run)]
    heads = ("quantity", "measured", "± s.e.", "theory", "its value", "s.e. apart", "verdict")
    return "<h3>Verdicts</h3>\n" + table(heads, rows) if rows else ""


def numbers(run):
    """Numbers and texts of the study, fits with their 95% intervals."""
    values = run.study_values
    rows = []
    for key, value in values.items():
        if isinstance(value, list) or key.startswith("source_") or key.rpartition("_")[2] in ("low", "high") and key.rpartition("_")[0] in values:
            continue
        rows.append((key, value, *(values.get(f"{key}_{end}", "") for end in ("low", "high"))))
    return table(("quantity", "value", "95% from", "to"), rows) if rows else ""


def rows_of(columns):
    """(rows, note) of {name: array}: plain numbers and texts, at most so many, the last among them."""
    count = min((len(values) for values in columns.values()), default=0)
    chosen = np.arange(count) if count <= ROWS else np.unique(np.linspace(0, count - 1, ROWS).round().astype(int))
    rows = [[values[i].item() if hasattr(values[i], "item") else chorale_io.text(values[i]) for values in columns.values()] for i in chosen]
    return rows, f'<p class="soft">{len(chosen)} of {count} rows, evenly chosen.</p>\n' if len(chosen) < count else ""


def data_table(columns):
    columns = {name: values for name, values in columns.items() if np.ndim(values) == 1}
    rows, words = rows_of(columns)
    return "<h3>Table</h3>\n" + table(list(columns), rows) + words if rows else ""


def final_values(run):
    """Observables at the last frame that is known: mean over the realizations and half of its 95% interval."""
    found = {}
    for name, seen in run.observables.items():
        if seen.value.ndim == 2 and len(seen):
            series = Series(run, name)
            last = np.flatnonzero(np.isfinite(series.mean))
            if len(last):
                found[name] = (series.unit, series.time[last[-1]], series.mean[last[-1]], series.half[last[-1]])
    return dict(sorted(found.items(), key=lambda item: FIRST.index(item[0]) if item[0] in FIRST else len(FIRST)))


def observables(run):
    rows = [(name, float(mean), float(half), unit, float(time)) for name, (unit, time, mean, half) in final_values(run).items()]
    return "<h3>At the end</h3>\n" + table(("observable", "mean", "± (95%)", "unit", "time"), rows) if rows else ""


def again(run):
    """How it was made, and the commands that make it again."""
    ranks, command = run.ranks, run.provenance.get("command_line", "")
    launch = f"mpirun -n {ranks} " if ranks > 1 else ""
    if not run.deck or "merged" in run.provenance:
        return '<p class="soft">Merged from several runs, each of which has its own deck.</p>\n' if run.deck else ""
    lines = []
    if command:
        lines += ["# as it was made", launch + command]
        if run.complete is False and "-checkpoint_resume" not in command:
            lines += ["# to go on from the last checkpoint", f"{launch}{command} -checkpoint_resume"]
    lines += ["# from this file alone", f"tools/info --deck {shlex.quote(run.path)} > deck.yaml", f"{launch}chorale {run.study} deck.yaml"]
    return "<h3>Run it again</h3>\n<pre>" + escape("\n".join(lines)) + "</pre>\n" + details("deck.yaml", f"<pre>{escape(run.deck.rstrip())}</pre>\n")


def origin(run):
    """Parameters, provenance and commands; a trajectory has those of the results beside it."""
    if run.kind == "trajectory":
        if not run.results_path:
            return '<p class="soft">No results beside this trajectory, so its parameters are not known.</p>\n'
        with chorale_io.open(run.results_path) as results:
            return f'<p class="soft">Belongs to {escape(run.results_path)}.</p>\n' + origin(results)
    return (again(run) + details("Parameters", table(("key", "value"), list(run.parameters.items())) if run.parameters else "")
            + details("Provenance", table(("attribute", "value"), list(run.provenance.items())) if run.provenance else ""))


def state(run):
    if run.complete is False:
        return f'<span class="alarm">{escape(not_complete(run))}</span>'
    return "complete" if run.complete else "no results beside it"


def clock(run):
    """Of a trajectory: what is recorded."""
    with chorale_io.Trajectory(run.path) as found:
        span = f", t = {found.time[0]:.6g} to {found.time[-1]:.6g}" if len(found) else ""
        return f'<p class="soft">{len(found)} frames of {found.tokens} tokens in R<sup>{found.dim}</sup>{span}.</p>\n'


def section(path, with_picture):
    """A file as HTML; BadFile when it cannot be read at all."""
    identity = f'<section class="run" id="{anchor(path)}">\n<h2>{escape(os.path.basename(path))}</h2>\n'
    drawn, found = draw(lambda: files.picture_of(path), path) if with_picture else ("", "")
    found = "<h3>Findings</h3>\n" + found if found else ""
    if path.endswith(".csv"):
        return identity + '<p class="soft">Table of chorale kernel; a CSV does not keep the run\'s parameters.</p>\n' + drawn + found + data_table(kernel.read(path)) + "</section>\n"
    with chorale_io.open(path) as run:
        what = {"results": f"Results of chorale {run.study}", "trajectory": "Trajectory", "checkpoint": f"Checkpoint of chorale {run.study}"}[run.kind]
        head = f'<p class="soft">{what}, {state(run)}. {escape(parameters_line(run))}</p>\n'
        body = {"results": lambda: verdict_table(run) + observables(run) + titled("Numbers of the study", numbers(run)) + data_table(run.table()), "trajectory": lambda: clock(run),
                "checkpoint": lambda: data_table({"realization": np.arange(len(run.steps_done)), "steps done": run.steps_done})}[run.kind]()
        return identity + head + drawn + found + body + origin(run) + "</section>\n"


def titled(title, body):
    return f"<h3>{title}</h3>\n{body}" if body else ""


def summary_row(run, keys):
    """{column: value} of a file in the table of the sweep."""
    row = {"file": os.path.basename(run.path), "state": "complete" if run.complete else "NOT COMPLETE"}
    for key in keys:
        value = run.parameters.get(key, "")
        try:
            row[key] = float(value)
        except ValueError:
            row[key] = value
    ended = final_values(run)
    if ended:
        row["until t"] = float(max(time for _, time, _, _ in ended.values()))
    for name, (_, _, mean, half) in ended.items():
        row[name], row[f"{name} ±"] = float(mean), float(half)
    if "energy" in ended:
        energy = Series(run, "energy")
        row["t at a tenth of the energy"], row["rate from there"] = map(float, together.decay(energy.time, energy.mean))
    if not run.observables:
        row.update({key: value for key, value in run.study_values.items() if isinstance(value, (int, float))})
    return row


def sweep(study, paths):
    """What results of one study have in common and where they differ, as HTML."""
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(chorale_io.open(path)) for path in paths]
        keys = together.differing(runs)
        rows = [summary_row(run, keys) for run in runs]
        heads = list(dict.fromkeys(key for row in rows for key in row))
        empty = {head: float("nan") if any(isinstance(row.get(head), float) for row in rows) else "" for head in heads}
        body = table(heads, [[row.get(head, empty[head]) for head in heads] for row in rows])
        overlay = [path for path, run in zip(paths, runs) if "energy" in run.observables and len(run.observables["energy"])]
    drawn = draw(lambda: together.figure_of(overlay), "the runs together")[0] if len(overlay) > 1 else ""
    differ = ", ".join(keys) or "nothing but file names"
    return f'<section class="run">\n<h2>{len(paths)} runs of chorale {study}</h2>\n<p class="soft">They differ in {escape(differ)}.</p>\n' + drawn + body + "</section>\n"


def sweeps(paths):
    """Of every study that has several results here."""
    studies = {}
    for path in paths:
        if not path.endswith(".csv"):
            with chorale_io.open(path) as run:
                if run.kind == "results":
                    studies.setdefault((run.study, run.parameters.get("sync_map")), []).append(path)
    return "".join(sweep(study, group) for (study, _), group in studies.items() if len(group) > 1)
