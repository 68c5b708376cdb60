"""Starts a program of the package by its name: for the few lines in tools/, and for pip's scripts.

Every Python from 3.6 on must understand this file, so that an old one can say what to use instead.
"""

import contextlib
import importlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from functools import partial
from typing import Iterable, Iterator, Optional

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


def settle_pictures() -> None:
    """matplotlib, which is imported later, neither opens a window unasked nor reads a matplotlibrc,
    and keeps its fonts where a home may be read-only."""
    os.environ.pop("MPLBACKEND", None)
    os.environ["MATPLOTLIBRC"] = os.devnull
    folder = os.path.join(tempfile.gettempdir(), f"chorale-matplotlib-{os.getuid()}")
    os.environ["MPLCONFIGDIR"] = folder


def settle() -> None:
    """Makes a program independent of variables that were set for other ones, and of libraries that
    have something to say about the numbers in a file or the age of a font."""
    settle_pictures()
    warnings.simplefilter("ignore")
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="backslashreplace")  # an encoding may have no Greek letters


def why_broken(name: str, error: BaseException) -> str:
    """Why a module that is there cannot be imported; libraries in front of the right ones by their
    paths. The error that began it is asked first: after it a module may have tried another way."""
    lines = [line.strip() for text in history(error) for line in text.splitlines() if line.strip()]
    named = [line for line in lines if ".so" in line] or lines or [type(error).__name__]
    libraries = re.findall(r"[^\s:'\"]*\.so[.\d]*", named[0])
    every = [path for library in libraries for path in [library, *used_by(library)]]
    wrong = [path for path in in_front() if any(is_library(path, one) for one in every)]
    if wrong:
        words = f"{', '.join(wrong)} does not fit {name} ({named[0]})"
        return f"{words}; take its folder out of LD_LIBRARY_PATH"
    return f"{name} of this Python cannot be imported ({named[0]})"


def history(error: Optional[BaseException]) -> Iterable[str]:
    """What was said by the errors that led to this one, the first one first, and by itself."""
    return [*history(error.__cause__ or error.__context__), str(error)] if error else []


def in_front() -> Iterable[str]:
    """All libraries in the folders of LD_LIBRARY_PATH."""
    for folder in filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")):
        with contextlib.suppress(OSError):
            names = [name for name in sorted(os.listdir(folder)) if ".so" in name]
            yield from (os.path.join(folder, name) for name in names)


def used_by(library: str) -> Iterable[str]:
    """Libraries that another one is linked with here: one of them may lack what it asks for."""
    try:
        done = subprocess.run(["ldd", library], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return []
    return re.findall(r"=> (/\S+)", done.stdout.decode(errors="replace"))


def is_library(path: str, name: str) -> bool:
    """Whether a message means this library: by its path, or by the name alone."""
    return os.path.basename(path) == name or os.path.realpath(path) == os.path.realpath(name)


def lacking(needed: Iterable[str]) -> str:
    """What this Python has not of all that a program needs, and what to do."""
    if sys.version_info < OLDEST:
        return f"this Python is older than 3.9; {remedy(needed)}"
    settle()
    missing = []
    with elsewhere():  # a matplotlibrc in this folder would be read
        for name in needed:
            try:
                importlib.import_module(name)
            except Exception as error:  # pylint: disable=broad-except
                if not isinstance(error, ModuleNotFoundError) or error.name != name:
                    return why_broken(name, error)
                missing.append(name)
    return f"this Python has no {', '.join(missing)}; {remedy(needed)}" if missing else ""


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """In the folder of this package."""
    try:
        here = os.open(".", os.O_RDONLY)
    except OSError:  # a folder that nobody may read
        yield
        return
    try:
        os.chdir(os.path.dirname(os.path.abspath(__file__)))
        yield
    finally:
        os.fchdir(here)
        os.close(here)


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
        print(f"{name}: {reason}", file=sys.stderr)
        return 2
    from chorale import command

    return command.run(name, importlib.import_module(module).main)


compare, info, plot, project, report, view, weights = (
    partial(start, name)
    for name in ("compare", "info", "plot", "project", "report", "view", "weights")
)
