"""Files that a program reads: they are regular files, their texts are UTF-8 with or without a byte
order mark and with the line ends of any system, and none of them is overwritten."""

from __future__ import annotations

import os
import re
import stat
from typing import Iterable

from chorale.errors import BadFile

MARK = b"\xef\xbb\xbf"  # byte order mark of UTF-8
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_inputs: set[str] = set()


def forget() -> None:
    """A program begins."""
    _inputs.clear()


def protect(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Files that are not to be overwritten."""
    _inputs.update(os.path.abspath(path) for path in paths)


def is_input(path: str | os.PathLike[str]) -> bool:
    """Whether this is one of them, by whatever name."""

    def same(other: str) -> bool:
        try:
            return os.path.samefile(other, path)
        except OSError:  # one of them is not there
            return other == os.path.abspath(path)

    return any(map(same, _inputs))


def check(path: str | os.PathLike[str]) -> None:
    """BadFile unless it is a regular file. A pipe would be waited for."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadFile(path, "no such file") from error
    except (OSError, ValueError) as error:
        raise BadFile(path, getattr(error, "strerror", None) or "cannot be read") from error
    if kind != stat.S_IFREG:
        raise BadFile(path, f"is {KINDS.get(kind, 'something else')}, not a file")


def claim(path: str | os.PathLike[str]) -> None:
    """A file to be read, and not to be overwritten."""
    check(path)
    protect([path])


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    check(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from error


def read_text(path: str | os.PathLike[str]) -> str:
    """Its lines end in "\\n"; BadFile names the line of the first byte that is not UTF-8."""
    data = re.sub(rb"\r\n?", b"\n", read_bytes(path).removeprefix(MARK))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"line {line}: is not UTF-8 (byte {data[error.start]:#04x})"
        raise BadFile(path, reason) from error
