"""Runs the tools of tools/ inside a test, which starts Python and reads matplotlib's fonts once."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import tempfile

FOLDER = os.path.join(os.environ["CHORALE_SOURCE"], "tools")
os.environ["MPLCONFIGDIR"] = os.environ.get("MPLCONFIGDIR", os.path.join(tempfile.gettempdir(), f"chorale-matplotlib-{os.getuid()}"))
sys.dont_write_bytecode = True
sys.path.insert(0, FOLDER)
import command

loaded = {}


def load(name):
    """A tool as a module, once."""
    if name not in loaded:
        loader = importlib.machinery.SourceFileLoader(f"tool_{name}", os.path.join(FOLDER, name))
        loaded[name] = importlib.util.module_from_spec(importlib.util.spec_from_loader(f"tool_{name}", loader))
        loader.exec_module(loaded[name])
    return loaded[name]


def run(name, *arguments, cwd=None):
    """A tool in this process: (exit code, stdout, stderr)."""
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
