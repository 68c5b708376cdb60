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
    "merge": ("chorale.merge", READS),
    "plot": ("chorale.plot.program", DRAWS),
    "project": ("chorale.project", READS),
    "report": ("chorale.report.program", DRAWS),
}
# Warnings that only developers want, whatever PYTHONWARNINGS says.
SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def settle() -> None:
    """Makes a program independent of variables that were set for other ones."""
    os.environ.pop("MPLBACKEND", None)
    if sys.warnoptions:
        warnings.resetwarnings()
        for kind in SILENT:
            warnings.simplefilter("ignore", kind)
    sys.stdout.reconfigure(errors="backslashreplace")  # an encoding may have no Greek letters


def lacking(needed: Iterable[str]) -> str:
    """Why this Python cannot run a program that needs these modules; empty when it can."""
    there = os.path.exists(GOOD) and os.path.realpath(sys.executable) != os.path.realpath(GOOD)
    if sys.version_info < OLDEST:
        return "this Python is older than 3.9" + (f"; use {GOOD}" if there else "")
    from chorale import command  # noqa: F401  says where matplotlib, imported next, keeps its fonts

    missing = []
    for name in needed:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if not missing:
        return ""
    install = "install " + " ".join(f"python3-{name}" for name in missing)
    return (
        f"this Python has no {', '.join(missing)}; "
        + (f"use {GOOD} or " if there else "")
        + install
    )


def start(name: str) -> int:
    """Runs a program with the words of the command line; returns its exit code."""
    module, needed = PROGRAMS[name]
    reason = lacking(needed)
    if reason:
        print(f"{name}: {reason}", file=sys.stderr)
        return 2
    from chorale import command

    return command.run(name, importlib.import_module(module).main)


compare, info, merge, plot, project, report = (
    partial(start, name) for name in ("compare", "info", "merge", "plot", "project", "report")
)
