"""From files to the module that draws them."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from types import ModuleType
from typing import Optional, Sequence

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
            raise BadFile(path, "is no sweep, and --quantity is of sweeps")
        return module_of(run).figure(run)


def together_module(run: Run) -> Optional[ModuleType]:
    """The module that draws several runs of this kind in one picture."""
    if len(run.observables.get("energy", ())):
        return together
    return rates if run.study == "chaos" and "w2sq_frames" in run.study_data else None


def together_of(paths: Sequence[str]) -> Picture:
    """One picture of several results."""
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(io.open(path)) for path in paths]
        module = together_module(runs[0])
        for run in runs:
            if module is None or together_module(run) is not module:
                reason = "together are drawn results of chorale simulate, or of chorale chaos"
                raise BadFile(run.path, reason)
        return module.figure(runs)
