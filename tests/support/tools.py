"""Runs the programs of tools/ inside a test, which starts Python and reads fonts once."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
import warnings

from run import TIMEOUT

from chorale import command
from chorale.start import PROGRAMS, settle_pictures

settle_pictures()
os.environ["MPLBACKEND"] = "Agg"  # pictures need no screen
FOLDER = os.path.join(os.environ["CHORALE_SOURCE"], "tools")


def start(name, *arguments, cwd=None):
    """A program of tools/ as users start it: (exit code, stdout, stderr)."""
    words = [os.path.join(FOLDER, name), *map(str, arguments)]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT)
    return done.returncode, done.stdout, done.stderr


def load(name):
    """The module of a program."""
    return importlib.import_module(PROGRAMS[name][0])


def tell(message, category, filename, lineno, file=None, line=None):
    """A warning, on what stands for stderr."""
    print(f"{filename}:{lineno}: {category.__name__}: {message}", file=sys.stderr)


@contextlib.contextmanager
def told_warnings(shown):
    """Warnings about numbers are told as Python does, or not at all, as the programs do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if shown:
            warnings.simplefilter("default", RuntimeWarning)
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = tell
        yield


def run(name, *arguments, cwd=None, warn=True):
    """A program, in this process where it is one of the package: (exit code, stdout, stderr). What
    libraries warn of is on stderr, unless warn is False."""
    if name not in PROGRAMS:
        return start(name, *arguments, cwd=cwd)
    main = load(name).main
    out, err, before, argv = io.StringIO(), io.StringIO(), os.getcwd(), sys.argv
    sys.argv = [name, *map(str, arguments)]
    try:
        os.chdir(cwd or before)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), told_warnings(warn):
            try:
                code = command.run(name, main)
            except SystemExit as end:  # of the parser
                code = end.code
    finally:
        os.chdir(before)
        sys.argv = argv
    return code, out.getvalue(), err.getvalue()


def prefixes(name):
    """How the one line of a refusal may begin: merge is chorale itself."""
    return (f"{name}: ", "chorale: ") if name == "merge" else (f"{name}: ",)
