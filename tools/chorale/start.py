"""Starts a program of the package by its name: for the few lines in tools/, and for pip's scripts.

Every Python from 3.6 on must understand this file, so that an old one can say what to use instead.
"""

import importlib
import os
import sys
import warnings
from functools import partial
from typing import Iterable

OLDEST = (3, 9)
GOOD = "/usr/bin/python3"  # of Debian, for which tools/install-deps installs what is needed
READS, DRAWS = ("h5py", "numpy"), ("h5py", "numpy", "matplotlib")
# module, and what it needs beside Python itself
PROGRAMS = {
    "compare": ("chorale.compare", READS),
    "grid": ("chorale.grid", DRAWS),
    "info": ("chorale.info", READS),
    "paper": ("chorale.paper.program", DRAWS),
    "plot": ("chorale.plot.program", DRAWS),
    "project": ("chorale.project", READS),
    "report": ("chorale.report.program", DRAWS),
    "view": ("chorale.view.program", DRAWS),
    "weights": ("chorale.weights.program", READS),
}


def settle() -> None:
    """Makes a program independent of variables that were set for other ones, and of libraries that
    have something to say about the numbers in a file."""
    os.environ.pop("MPLBACKEND", None)
    warnings.simplefilter("ignore")
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="backslashreplace")  # an encoding may have no Greek letters


def lacking(needed: Iterable[str]) -> str:
    """What this Python has not of all that a program needs."""
    if sys.version_info < OLDEST:
        return "this Python is older than 3.9"
    settle()
    from chorale import command  # noqa: F401  says where matplotlib, imported next, keeps its fonts

    missing = []
    for name in needed:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    return f"this Python has no {', '.join(missing)}" if missing else ""


def remedy(needed: Iterable[str]) -> str:
    """What to use instead of this Python, or to install for it."""
    same = os.path.realpath(sys.executable) == os.path.realpath(GOOD)
    in_environment = sys.prefix != sys.base_prefix  # of pip
    if os.path.exists(GOOD) and (in_environment or not same):
        return f"use {GOOD}"
    return "install " + " ".join(f"python3-{name}" for name in needed)


def start(name: str) -> int:
    """Runs a program with the words of the command line; returns its exit code."""
    module, needed = PROGRAMS[name]
    reason = lacking(needed)
    if reason:
        print(f"{name}: {reason}; {remedy(needed)}", file=sys.stderr)
        return 2
    from chorale import command

    return command.run(name, importlib.import_module(module).main)


compare, info, plot, project, report, view, weights = (
    partial(start, name)
    for name in ("compare", "info", "plot", "project", "report", "view", "weights")
)
