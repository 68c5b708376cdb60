"""From files to the module that draws them."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Iterator, Optional, Sequence

from chorale import io
from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot import kernel, rates, sweep, together
from chorale.plot.common import Picture


def module_of(run: Run) -> ModuleType:
    """The module of this folder that draws an open file."""
    name = {"trajectory": "tokens", "checkpoint": "checkpoint"}.get(run.kind, run.study)
    if run.kind == "results" and run.sweep:
        name = "sweep"
    if not (Path(__file__).resolve().parent / f"{name}.py").is_file():
        raise BadFile(run.path, f"study {name} has no picture")
    return importlib.import_module(f"chorale.plot.{name}")


def picture_of(path: str, quantity: Optional[str] = None) -> Picture:
    """Of a file of whatever kind; quantity: of a sweep."""
    if path.endswith(".csv"):
        return kernel.figure(path)
    with io.open(path) as run:
        if quantity and run.kind == "results" and run.sweep:
            return sweep.figure(run, quantity)
        if quantity:
            raise BadFile(path, "is not a sweep, and --quantity is for sweeps")
        return module_of(run).figure(run)


def together_module(run: Run) -> Optional[ModuleType]:
    """The module that draws several runs of this kind in one picture; None where it has nothing to
    draw."""
    if run.study == "chaos" and "w2sq_frames" in run.study_data:
        return rates
    return together if together.shared([run]) else None


def subject(run: Run) -> Optional[str]:
    """Runs of one subject can be drawn together: of a study, and those of analyze are like those
    of simulate."""
    return "simulate" if run.study == "analyze" else run.study


NOT_TOGETHER = "--together draws results of simulate, analyze, limits, chaos, sync and spde"


@contextlib.contextmanager
def opened(paths: Sequence[str]) -> Iterator[list[Run]]:
    """Runs of several results in the order of what differs. Left out, which is said, are files that
    cannot be read, and those of runs that have nothing to draw yet."""
    with contextlib.ExitStack() as stack:
        runs, skipped = [], []
        for path in paths:
            try:
                run = stack.enter_context(io.open(path))
                if run.kind != "results":
                    raise BadFile(path, NOT_TOGETHER)
                if together_module(run) is None:
                    reason = "nothing to draw yet" if run.complete is False else NOT_TOGETHER
                    raise BadFile(path, reason)
                runs.append(run)
            except BadFile as error:
                skipped.append(error)
        if not runs:
            raise skipped[0]
        for run in runs:
            if subject(run) != subject(runs[0]):
                one = f"--together draws results of one study, here of {runs[0].study}"
                raise BadFile(run.path, f"is of study {run.study}: {one}")
        for error in skipped:
            print(f"plot: skipped {error}", file=sys.stderr)
        yield together.ordered(runs)


def together_of(paths: Sequence[str]) -> Picture:
    """One picture of several results."""
    with opened(paths) as runs:
        modules = {together_module(run) for run in runs}
        module = rates if modules == {rates} else together
        return module.figure(runs)
