"""What a page shows of files: what is found, and figures."""

from __future__ import annotations

import contextlib
import os
from typing import Callable, NamedTuple, Sequence, Union

import numpy as np

from chorale import command, io
from chorale.errors import BadFile
from chorale.io import Run, Table
from chorale.plot import chaos, kernel, limits, simulate, sync, sync_map, together
from chorale.plot import spde as spde_picture
from chorale.plot.common import Series, columns, parameters_line
from chorale.plot.overlay import quantities
from chorale.report.content import TOO_LITTLE, state
from chorale.report.page import escape, formulas, soft
from chorale.view import curves, families, maps, motion, spde
from chorale.view.data import Piece

Opened = Union[Run, Table]
KEPT = "a checkpoint has nothing that moves: take the results or a trajectory of its run"


class Shown(NamedTuple):
    """Of one or several files: a name, what is found and which experiment it is, as HTML, and
    figures."""

    name: str
    finding: str
    about: str
    figures: list[Piece]


def of_simulate(run: Run) -> list[Piece]:
    return [motion.of_run(run), *curves.of_distances(run)]


def of_limits(run: Run) -> list[Piece]:
    return [*curves.of_limits(run), *maps.of_errors(run)]


def of_sync(run: Run) -> list[Piece]:
    if "moment_boundary" in run.study_data:
        return maps.of_moments(run)
    return maps.of_phases(run) if "boundary" in run.study_data else curves.of_sync(run)


FIGURES: dict[str, Callable[[Run], list[Piece]]] = {
    "simulate": of_simulate,
    "analyze": of_simulate,
    "sync": of_sync,
    "chaos": curves.of_chaos,
    "limits": of_limits,
    "spde": spde.of_run,
}


def figures_of(run: Opened) -> list[Piece]:
    """Of an open file; BadFile where nothing of it can be shown."""
    if run.kind == "checkpoint":
        raise BadFile(run.path, KEPT)
    if run.kind == "table":
        return maps.of_kernel(run)
    if run.kind == "trajectory":
        return [motion.of_trajectory(run)]
    if run.sweep:
        return maps.of_sweep(run)
    if run.study not in FIGURES:
        raise BadFile(run.path, f"study {run.study} has no figure that moves")
    return FIGURES[run.study](run)


# ---- what is found ----


def _simulate(run: Run) -> str:
    names = "clusters_all" if "clusters_all" in run.observables else "clusters"
    return simulate.finding(*(Series(run, name) for name in ("order", "nematic", names)))


def _sync(run: Run) -> str:
    if "boundary" in run.study_data:
        return sync_map.headline(sync_map.read(run))
    return sync.headline(run, columns(run, "energy_mean")[0])


FINDINGS: dict[str, Callable[..., str]] = {
    "simulate": _simulate,
    "analyze": _simulate,
    "sync": _sync,
    "chaos": lambda run: chaos.headline(run, run.parameters.integer("tokens_dim")),
    "limits": lambda run: limits.headline(run, limits.Grid(run)),
    "spde": spde_picture.headline,
    "kernel": lambda table: kernel.headline(table.table()),
}


def finding(run: Opened) -> str:
    """In one line of HTML; empty where there is none, or too little yet."""
    if run.kind not in ("results", "table") or getattr(run, "sweep", {}):
        return ""
    with contextlib.suppress(BadFile, *TOO_LITTLE):
        return f'<p class="finding">{formulas(FINDINGS[run.study](run))}</p>\n'
    return ""


# ---- files ----


def about(run: Opened) -> str:
    """Which experiment it is, as HTML."""
    if run.kind == "table":
        return soft("Table of chorale kernel.")
    what = "Trajectory" if run.kind == "trajectory" else f"Results of chorale {run.study}"
    if run.kind == "results" and "boundary" in run.study_data:  # a map has no tokens
        return soft(f"{what}, {state(run)}.")
    keys = parameters_line(run).replace(" = ", "\u00a0=\u00a0")
    return soft(f"{what}, {state(run)}. {escape(keys)}")


def of_run(run: Opened) -> Shown:
    """Of an open file."""
    with np.errstate(all="ignore"):
        return Shown(os.path.basename(run.path), finding(run), about(run), figures_of(run))


def of_file(path: str) -> Shown:
    with command.of_file(path), io.open(path) as run:
        return of_run(run)


def of_family(paths: Sequence[str]) -> Shown:
    """Of several results of one study."""
    with contextlib.ExitStack() as stack, np.errstate(all="ignore"):
        stack.enter_context(command.of_file(paths[0]))
        runs = [stack.enter_context(io.open(path)) for path in paths]
        keys = ", ".join(together.differing(runs)) or "nothing but their names"
        words = soft(f"They differ in {escape(keys)}. A click on a name in a legend switches it.")
        name = f"{len(runs)} runs of chorale {runs[0].study}"
        return Shown(name, "", words, families.of_runs(runs))


def groups_of(paths: Sequence[str]) -> list[list[str]]:
    """Files that are shown together: results of one study that can be drawn over each other."""
    found: dict[str, list[str]] = {}
    for path in paths:
        with command.of_file(path), io.open(path) as run:
            several = run.kind == "results" and not run.sweep and quantities(run)
            found.setdefault(f"study {run.study}" if several else path, []).append(path)
    return list(found.values())


def of_files(paths: Sequence[str]) -> list[Shown]:
    """In the order in which they are given."""
    groups = groups_of(paths)
    return [of_file(group[0]) if len(group) == 1 else of_family(group) for group in groups]
