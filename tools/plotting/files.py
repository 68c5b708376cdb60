"""From a file to the module that draws it."""
import importlib
from pathlib import Path

import chorale_io
from chorale_io import BadFile

from plotting import kernel


def module_of(run):
    """The module of this folder that draws an open file."""
    name = {"trajectory": "tokens", "checkpoint": "checkpoint"}.get(run.kind, run.study)
    if not (Path(__file__).resolve().parent / f"{name}.py").is_file():
        raise BadFile(run.path, f"study {name} has no picture")
    return importlib.import_module(f"plotting.{name}")


def picture_of(path):
    """Its Picture."""
    if path.endswith(".csv"):
        return kernel.figure(path)
    with chorale_io.open(path) as run:
        return module_of(run).figure(run)
