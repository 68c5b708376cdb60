"""Runs the programs of tools/ inside a test, which starts Python and reads matplotlib's fonts once."""

import contextlib
import importlib
import io
import os
import sys

from chorale import command
from chorale.start import PROGRAMS

FOLDER = os.path.join(os.environ["CHORALE_SOURCE"], "tools")


def load(name):
    """The module of a program."""
    return importlib.import_module(PROGRAMS[name][0])


def run(name, *arguments, cwd=None):
    """A program in this process: (exit code, stdout, stderr)."""
    main = load(name).main
    out, err, before, argv = io.StringIO(), io.StringIO(), os.getcwd(), sys.argv
    sys.argv = [name, *map(str, arguments)]
    try:
        os.chdir(cwd or before)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = command.run(name, main)
            except SystemExit as end:  # of the parser
                code = end.code
    finally:
        os.chdir(before)
        sys.argv = argv
    return code, out.getvalue(), err.getvalue()
