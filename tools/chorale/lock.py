"""The lock that a run takes on the name of its results: STEM.lock beside STEM.h5 and STEM/, where
its checkpoint and trajectories are."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from typing import Optional

FLOCK = "hhqqi"  # struct flock of Linux: type, whence, start, length, process
# What no run writes: pictures and pages of a run that goes on may have its name.
PICTURES = (".png", ".pdf", ".svg", ".gif", ".mp4", ".html")


def lock_of(path: str) -> str:
    """Of the results `path`: `held` by a run that goes on, `left` by one that was killed, else
    empty."""
    name = os.path.splitext(path)[0] + ".lock"
    if not os.path.isfile(name):  # to open a pipe is to wait
        return ""
    try:
        with open(name, "rb") as file:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0]
    except OSError:  # there is none, or this file system has no locks
        return ""
    return "left" if kind == fcntl.F_UNLCK else "held"


def text_of(path: str) -> str:
    """What the lock beside results says of its run; empty without one."""
    name = os.path.splitext(path)[0] + ".lock"
    try:
        if os.path.isfile(name):
            with open(name, encoding="utf-8", errors="replace") as file:
                return file.read().strip()
    except OSError:
        pass
    return ""


def job_of(path: str) -> str:
    """The job of Slurm that the lock beside results names; empty without one."""
    found = re.search(r"Slurm job (\d+)", text_of(path))
    return found[1] if found else ""


def holder(path: str | os.PathLike[str]) -> Optional[str]:
    """Which run is writing a file of this name, as its lock says; None for none. A link counts as
    what it leads to."""
    real = os.path.realpath(path)
    if os.path.splitext(real)[1].lower() in PICTURES:
        return None
    for results in (real, f"{os.path.dirname(real)}.h5"):
        if lock_of(results) == "held":
            return text_of(results)
    return None
