"""From a file to the module that draws it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from chorale import io
from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot import kernel
from chorale.plot.common import Picture


def module_of(run: Run) -> ModuleType:
    """The module of this folder that draws an open file."""
    name = {"trajectory": "tokens", "checkpoint": "checkpoint"}.get(run.kind, run.study)
    if not (Path(__file__).resolve().parent / f"{name}.py").is_file():
        raise BadFile(run.path, f"study {name} has no picture")
    return importlib.import_module(f"chorale.plot.{name}")


def picture_of(path: str) -> Picture:
    """Of a file of whatever kind."""
    if path.endswith(".csv"):
        return kernel.figure(path)
    with io.open(path) as run:
        return module_of(run).figure(run)
