"""What the programs share at the command line: one-line errors with chorale's exit codes (0
success, 1 failure at run time, 2 bad input), and files that are written whole or not at all."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator, NoReturn, Optional

from chorale.errors import BadFile, Refused

TOOLS = Path(__file__).resolve().parents[1]  # the folder of this package and of the programs
TOP = TOOLS.parent  # of the source tree, where this package lies in one

# matplotlib keeps its fonts here: a home may be read-only. Set before it is imported.
os.environ.setdefault(
    "MPLCONFIGDIR",
    os.path.join(os.environ.get("TMPDIR", "/tmp"), f"chorale-matplotlib-{os.getuid()}"),
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, prog: str, about: Optional[str]):
        raw = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=about, formatter_class=raw)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def first_line(error: BaseException) -> str:
    """Of its text, or its kind where it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


@contextlib.contextmanager
def of_file(path: str | os.PathLike[str], writer: str = "chorale") -> Iterator[None]:
    """What goes wrong with names, shapes and numbers while one file is worked on is the file's
    fault: BadFile."""
    try:
        yield
    except (
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        StopIteration,
    ) as error:
        reason = f"not as {writer} writes it ({type(error).__name__}: {first_line(error)})"
        raise BadFile(path, reason) from error


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[str]:
    """A name in the folder of `path` to be written to; in the end it takes the place of `path`,
    after an error nothing is left of it."""
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise Refused(f"{path}: there is no folder {os.path.dirname(path)}")
    if os.path.isdir(path):
        raise Refused(f"{path}: is a folder")
    ending = ".part" + os.path.splitext(name)[1]
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:40]}-", suffix=ending, dir=folder)
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def in_notebook() -> bool:
    """Whether a notebook shows what this process displays."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def mpi_environment() -> dict[str, str]:
    """The variables of tools/mpi-env, for what starts chorale; those that are set where pip has
    installed this package without it."""
    if not (TOOLS / "mpi-env").is_file():
        return dict(os.environ)
    script = f'source "{TOOLS}/mpi-env" && exec env -0'
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def run(prog: str, main: Callable[[], Optional[int]]) -> int:
    """The exit code of main(); its errors end as one line."""
    try:
        code = main()
        print(end="", flush=True)
        return code or 0
    except (BadFile, Refused) as error:
        reason, code = str(error), getattr(error, "code", 2)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        reason, code = "out of memory", 1
    except KeyboardInterrupt:
        reason, code = "interrupted", 1
    except OSError as error:
        reason, code = f"{error.filename or 'a file'}: {error.strerror or first_line(error)}", 1
    print(f"{prog}: {reason}", file=sys.stderr)
    return code
