"""What the programs share at the command line: one-line errors with chorale's exit codes (0
success, 1 failure at run time, 2 bad input), and files that are written whole or not at all."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Callable, Iterator, NoReturn, Optional

from chorale import inputs, lock
from chorale.errors import BadFile, Refused

TOOLS = Path(__file__).resolve().parents[1]  # the folder of this package and of the programs
TOP = TOOLS.parent  # of the source tree, where this package lies in one


def columns(most: int) -> int:
    """Of a line of text: those of the terminal or of the variable COLUMNS, at most so many."""
    return max(40, min(most, shutil.get_terminal_size((most, 24)).columns))


def folded(text: str, indent: str = "    ") -> str:
    """Lines as wide as a terminal, where this is one, which break at blanks."""
    how = {"subsequent_indent": indent, "break_long_words": False, "break_on_hyphens": False}
    wide = columns(1 << 16)
    return "\n".join(
        line if len(line) <= wide else textwrap.fill(line, wide, **how) for line in text.split("\n")
    )


def plural(count: int, word: str) -> str:
    """`1 row`, `2 rows`, `2 trajectories`"""
    many = re.sub(r"(?<=[^aeiou])y$", "ie", word) + "s"
    return f"{count} {word if count == 1 else many}"


class Help(argparse.HelpFormatter):
    """Paragraphs of a description are filled one by one."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = text.strip().split("\n\n")
        return "\n\n".join(textwrap.fill(part, width, break_on_hyphens=False) for part in parts)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, prog: str, about: Optional[str]):
        super().__init__(prog=prog, description=about, formatter_class=Help)

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


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuses what is not to be written to, inputs of the program among them."""
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise Refused(f"{path}: there is no folder {os.path.dirname(path)}")
    if os.path.isdir(path):
        raise Refused(f"{path}: is a folder")
    if inputs.is_input(path):
        raise Refused(f"{path}: is an input file, so it is not overwritten; choose another name")
    if os.path.exists(path) and not os.path.isfile(path):
        raise Refused(f"{path}: is not a regular file")
    run = lock.holder(path)
    if run is not None:
        raise Refused(f"{path}: another run is writing it{': ' if run else ''}{run}")


@contextlib.contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[str]:
    """A name in the folder of `path` to be written to; in the end it takes the place of `path`,
    after an error nothing is left of it."""
    check_target(path)
    folder, name = os.path.split(os.path.abspath(path))
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
    """The variables of tools/mpi-env, for what starts chorale, without those of a launcher that has
    started this process; those that are set where pip has installed this package without it."""
    if not (TOOLS / "mpi-env").is_file():
        return dict(os.environ)
    words = ["bash", "-c", 'source "$0" && chorale_alone env -0', str(TOOLS / "mpi-env")]
    lines = os.fsdecode(subprocess.run(words, check=True, capture_output=True).stdout).split("\0")
    return dict(line.split("=", 1) for line in lines if line)


def run(prog: str, main: Callable[[], Optional[int]]) -> int:
    """The exit code of main(); its errors end as one line."""
    inputs.forget()
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
