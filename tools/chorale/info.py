"""Says what is in files of chorale: results, trajectories, checkpoints; whether they are complete,
how they were made, how to run them again."""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

import h5py
import numpy as np

from chorale import again, brief, follow, io
from chorale.command import Parser, columns, of_file, plural
from chorale.errors import BadFile, Refused
from chorale.io import Observable, Run

WIDTH = 98
LABEL = 12
LEAST = 30  # columns for notes beside a table
SHOWN = 24  # numbers of a study
UNLIMITED = 1 << 16  # columns of what is no terminal


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return ""


def wrapped(text: str, wide: int) -> list[str]:
    """Lines that break at blanks."""
    return textwrap.wrap(text, wide, break_long_words=False, break_on_hyphens=False)


def line(label: str, text: str, end: str = "") -> None:
    """`  label      text`, wrapped; lines before the last one end in `end`."""
    indent = " " * (LABEL + 2)
    lines = wrapped(text, columns(WIDTH) - len(indent) - len(end))
    print(f"  {label:<{LABEL}}" + f"{end}\n{indent}".join(lines or [""]).replace("\0", " "))


def shell(label: str, text: str) -> None:
    """A command, which can be pasted: in one line, or as a shell goes on in the next one."""
    if columns(UNLIMITED) < UNLIMITED:
        kept = re.sub(r"'[^']*'", lambda quoted: quoted[0].replace(" ", "\0"), text)
        line(label, kept, " \\")
    else:
        print(f"  {label:<{LABEL}}{text}")


def system(get: Callable[..., Any]) -> list[str]:
    """The parameters that say which experiment this is."""
    attention = (
        f"{get('attention_type')} attention, beta = {get('attention_beta')}, "
        f"v = {get('attention_value')}"
    )
    if get("attention_type") == "none":
        attention = "no attention"
    noise = "no noise"
    if get("noise_type", "mlp") == "mlp":
        noise = f"{get('mlp_activation')} MLP of width {get('mlp_width')}"
    elif get("noise_type") == "values":
        noise = "random values V x"
    elif get("noise_type") != "none":
        noise = f"{get('mlp_activation')} noise ({get('noise_type')})"
    if get("noise_at", "tokens") == "barycentre":
        noise += " at barycentres"
    keys = [key for key in ("mlp_bias_u", "mlp_bias_w") if get(key, "0") != "0"]
    biases = "".join(f", {key[4:]} {get(key)}" for key in keys)
    if get("noise_independent", "0") != "0":
        biases += f", own noise of kappa {get('noise_independent')}"
    return [
        f"N = {get('tokens_count')} tokens in R^{get('tokens_dim')}, {get('tokens_init')}; "
        f"L = {get('layers_depth')}, T = {get('layers_horizon')}, "
        f"scheme {get('scheme_type', 'layer')}",
        f"{attention}; {noise}{biases}",
    ]


def describe_system(run: Run) -> None:
    """What moved, and in how many realizations."""
    keys = run.parameters
    is_map = keys.get("sync_map") == "true"
    if is_map and run.kind == "results":
        line("map", f"of {keys.get('mlp_activation')} in dimensions {keys.get('tokens_dim')}")
    elif "tokens_count" in run.system:
        for i, text in enumerate(system(run.system.get)):
            line("" if i else "system", text)
    if run.study == "analyze":
        line("analyzed", keys.get("analyze_file", "?"))
    if "ensemble_seed" in run.system and not is_map:
        seeds = run.system["ensemble_seed"]
        count = plural(run.system.integer("ensemble_realizations"), "realization")
        line("ensemble", f"{count}, seed{'s' if ',' in seeds else ''} {seeds}")


def describe_origin(run: Run) -> None:
    """How it was made, and how to make it again."""
    describe_system(run)
    made, ranks = run.provenance, run.ranks
    if "merged" in made:
        line("merged", "of " + made["merged"].replace(" ", ", "))
    line(
        "made",
        f"{made.get('date', 'at an unknown time')} on {made.get('host', 'an unknown host')}, "
        f"{plural(ranks, 'rank')}, chorale {made.get('version', '?')} "
        f"({made.get('revision', '?')}), {made.get('compiler', 'unknown compiler')}",
    )
    if again.command(run):
        shell("command", again.command(run))
    if again.going_on(run):
        shell("go on", again.going_on(run))
    if again.commands(run):
        shell("again", " && ".join(again.commands(run)))


def clock(step: np.ndarray, time: np.ndarray) -> str:
    """`4 frames, step 0 to 12, time 0 to 1`"""
    if not len(step):
        return "no frames"
    span = f"step {int(step[0])} to {int(step[-1])}, time {time[0]:.6g} to {time[-1]:.6g}"
    return f"{plural(len(step), 'frame')}, {span}"


def arrays(title: str, rows: Iterable[Sequence[str]]) -> None:
    """Rows of (name, shape, type, note), aligned; long notes go on below."""
    rows = [(title, "shape", "type", ""), *rows]
    if len(rows) == 1:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        text = f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  "
        wide = columns(WIDTH)
        beside = wide - len(text) >= LEAST
        indent = " " * (len(text) if beside else 6)
        notes = wrapped(row[3], wide - len(indent))
        text = text if beside or not notes else f"{text.rstrip()}\n{indent}"
        print((text + f"\n{indent}".join(notes)).rstrip())


def shape(dataset: h5py.Dataset) -> str:
    return " x ".join(map(str, dataset.shape)) or "1"


def kind(dataset: h5py.Dataset) -> str:
    names = {"f8": "double", "f4": "single", "i8": "int64", "i4": "int32"}
    return names.get(
        dataset.dtype.str[1:],
        "text" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype),
    )


def number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)


def describe_values(run: Run) -> None:
    """Numbers and texts that the study says, fits with their intervals."""
    lines = []
    for key, value in sorted(run.scalars.items()):
        if isinstance(value, float) and np.isnan(value):
            continue
        ends = run.interval(key)
        interval = f" [{', '.join(map(number, ends))}]" if ends else ""
        lines.append(f"{key} = {number(value)}{interval}")
    for i, text in enumerate(lines[:SHOWN]):
        line("" if i else "found", text)
    if len(lines) > SHOWN:
        line("", f"and {len(lines) - SHOWN} more: attributes of /study")


def realizations_begun(energy: Observable) -> int:
    """Realizations that have a first frame."""
    return int((~np.isnan(energy.value[0])).sum()) if len(energy) else 0


def describe_progress(run: Run) -> None:
    """What is recorded so far."""
    energy = run.observables.get("energy")
    if energy:
        text = clock(energy.step, energy.time)
        if not run.complete:
            frames, realizations = energy.value.shape[:2]
            text += f", of {plural(frames, 'frame')}; {realizations_begun(energy)} of "
            text += f"{plural(realizations, 'realization')} begun"
        line("recorded", text)
    if not run.complete and run.realizations_done is not None:
        wanted = run.parameters.get("ensemble_realizations", "?")
        line("recorded", f"{run.realizations_done} of {wanted} realizations")
    for r in run.realizations:
        label = "trajectory" if r == run.realizations[0] else ""
        try:
            found = run.trajectory(r)
            line(label, f"{os.path.relpath(found.path)}: {clock(found.step, found.time)}")
        except BadFile as error:
            line(label, str(error))


def row_of(name: str, item: h5py.Dataset) -> tuple[str, str, str, str]:
    """A dataset in the list of arrays, with what the file says of it."""
    unit, note = (io.text(item.attrs.get(key, "")) for key in ("unit", "description"))
    return name, shape(item), kind(item), note + (f" [{unit}]" if unit not in ("", "1") else "")


def describe_sweep(run: Run) -> None:
    """The axes, and arrays that have them in front."""
    for i, (key, values) in enumerate(run.sweep.items()):
        ends = f"from {number(values.flat[0])} to {number(values.flat[-1])}"
        line("" if i else "sweep", f"{key}, {plural(len(values), 'value')} {ends}")
    if run.realizations_done is not None:
        line("recorded", f"{plural(run.realizations_done, 'realization')} of all cells")
    describe_datasets(run)


def describe_results(run: Run) -> None:
    """Results: how far they are, numbers, table and arrays."""
    if run.sweep:
        describe_sweep(run)
        return
    describe_progress(run)
    describe_values(run)
    table = run.table()
    line("table", f"{plural(len(next(iter(table.values()), ())), 'row')} of {', '.join(table)}")
    observed = {name: item.value for name, item in run.observables.items()}
    describe_arrays("/observables/NAME/value", observed)
    if run.ensemble:
        text = "with step and time beside them; over the realizations: /ensemble/NAME/{mean,sem}"
        print("\n".join(f"  {part}" for part in wrapped(text, columns(WIDTH) - 2)))
    others = {name: item for name, item in run.study_data.items() if name not in table}
    describe_arrays(f"/study/{run.study}/NAME", others)


def describe_arrays(title: str, items: dict[str, h5py.Dataset]) -> None:
    """Their names, shapes, types, meanings and units."""
    arrays(title, [row_of(name, item) for name, item in items.items()])


def describe_datasets(run: Run) -> None:
    """All that a trajectory or checkpoint has."""
    describe_arrays("dataset", {f"/{name}": item for name, item in run.datasets().items()})


def describe_positions(found: io.Trajectory) -> None:
    """Frames, and what one of them takes."""
    room = f"; room for {found.extent}" if len(found) < found.extent else ""
    line("recorded", clock(found.step, found.time) + room)
    value = found.position
    packed = f", deflate {value.compression_opts}" if value.compression else ""
    frame = size(value.dtype.itemsize * found.tokens * found.dim)
    what = f"{plural(found.tokens, 'token')} in R^{found.dim}, {kind(value)}{packed}"
    line("positions", f"{what}, {frame} a frame")
    if found.weights is not None:
        line("weights", "of their own, in /particles/all/mass")


def describe_trajectory(run: Run) -> None:
    """A trajectory, and the results or the checkpoint that it belongs to."""
    with io.Trajectory(run.path) as found:
        describe_positions(found)
    for other in (run.results_path, str(Path(run.path).with_name("checkpoint.h5"))):
        if not other or not os.path.exists(other):
            continue
        try:
            with io.open(other) as origin:
                what = f"{origin.kind} of study {origin.study}"
                line("belongs to", f"{os.path.relpath(other)}, {what}")
                describe_origin(origin)
            break
        except BadFile as error:
            line("belongs to", str(error))
    describe_datasets(run)


def describe_checkpoint(run: Run) -> None:
    """How far every realization has got."""
    done = run.steps_done
    steps = ", ".join(map(str, done)) if len(done) <= 12 else f"{done.min()} to {done.max()}"
    line("steps done", f"{steps} in {plural(len(done), 'realization')}")
    if run.steps_asked is not None:
        going = np.flatnonzero((done > 0) & (done < run.steps_asked))
        named = ": " + ", ".join(map(str, going[:12])) if len(going) else ""
        line("in progress", plural(len(going), "realization") + named)
    describe_datasets(run)


STATES = {
    True: "complete",
    False: "incomplete (running or stopped)",
    None: "no results beside it",
}
DESCRIBE = {
    "results": describe_results,
    "trajectory": describe_trajectory,
    "checkpoint": describe_checkpoint,
}


def describe(path: str, before: str) -> None:
    """Prints `before` and what is in a file."""
    with io.open(path) as run:
        if run.kind == "table":
            rows = f"{plural(len(run.table()['dim']), 'row')} of {', '.join(run.table())}"
            print(f"{before}{path}: table of study kernel, {size(os.path.getsize(path))}")
            line("table", rows)
            return
        state = STATES[run.complete]
        what = {
            "results": f"results of study {run.study}, {state}",
            "trajectory": f"trajectory, {state}",
            "checkpoint": f"checkpoint of study {run.study}",
        }[run.kind]
        print(f"{before}{path}: {what}, {size(os.path.getsize(path))}")
        if run.kind != "trajectory":
            describe_origin(run)
        DESCRIBE[run.kind](run)


def print_deck(path: str) -> None:
    """The deck alone, of a trajectory that of the results beside it."""
    with io.open(path) as run:
        deck = "" if run.kind == "table" else run.deck
        if not deck and run.kind != "table" and run.results_path:
            with io.open(run.results_path) as results:
                deck = results.deck
    if not deck:
        reason = "has no deck" + (
            "" if path.endswith(".csv") else ": ask the results file of its run"
        )
        raise BadFile(path, reason)
    sys.stdout.write(deck)


def parse() -> argparse.Namespace:
    parser = Parser("info", __doc__)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="results, trajectory or checkpoint, also of a running or killed job",
    )
    parser.add_argument(
        "--brief",
        action="store_true",
        help="one line for each run in the FILEs and folders: complete, running, stopped, failed, "
        "killed or missing (of a job array), how far it is, and its last message; "
        "exit code 1 unless all are complete",
    )
    parser.add_argument(
        "--deck",
        action="store_true",
        help="print only the deck that made the (one) FILE, which chorale runs as it stands",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="a line for every checkpoint of the run of the (one) FILE, until it has ended; exit "
        "code 1 when it failed or was killed",
    )
    arguments = parser.parse_args()
    if arguments.follow and (len(arguments.files) > 1 or arguments.brief or arguments.deck):
        raise Refused("--follow takes one FILE, without --brief and --deck")
    if arguments.deck and len(arguments.files) > 1:
        raise Refused("--deck takes one FILE")
    if arguments.deck and arguments.brief:
        raise Refused("--deck prints a deck: take it without --brief")
    return arguments


def main() -> int:
    """Describes every file; one that cannot be read does not stop the others."""
    arguments = parse()
    if arguments.follow:
        follow.tell(arguments.files[0])
        return 0
    if arguments.brief:
        return brief.tell(arguments.files)
    if arguments.deck:
        print_deck(arguments.files[0])
        return 0
    code, before = 0, ""
    for path in arguments.files:
        try:
            with of_file(path):
                describe(path, before)
            before = "\n"
        except BadFile as error:
            sys.stdout.flush()
            print(f"info: {error}", file=sys.stderr)
            code = 2
    return code
