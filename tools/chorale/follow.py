"""Runs that go on, looked at again at every checkpoint."""

from __future__ import annotations

import os
import time
from typing import Iterator

import numpy as np

from chorale import io
from chorale.command import of_file
from chorale.errors import BadFile, RunError
from chorale.state import State, state_of

POLL = 0.5  # seconds between two looks
SHOWN = ("energy", "order", "clusters")


def _made(path: str) -> tuple[int, ...]:
    """When results were written, which a checkpoint does under another name first."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns


def checkpoints(path: str) -> Iterator[State]:
    """How far a run is: now, whenever its results are written again, and when it has ended."""
    before = None
    while True:
        found = state_of(path)
        if found.state == "missing":
            raise BadFile(path, "no such run: neither results nor a lock of one that goes on")
        now = (found.state, *_made(path))
        if now != before:
            yield found
        if found.state != "running":
            return
        before = now
        time.sleep(POLL)


def judge(found: State) -> None:
    """Ends the program with code 1 after a run that did not end well."""
    if found.state not in ("complete", "stopped"):
        raise RunError(f"{found.path}: {found.state}: {found.message or 'no message'}")


def numbers(path: str) -> list[str]:
    """Means over the realizations at the last recorded frame."""
    with of_file(path), io.open(path) as run:
        observed = {} if run.kind != "results" else run.observables
        found = []
        for name in SHOWN:
            if name in observed and len(observed[name]):
                last = observed[name].value[len(observed[name]) - 1]
                if np.isfinite(last).any():
                    found.append(f"{name} {np.nanmean(last):.4g}")
        return found


def tell(path: str) -> None:
    """A line for every checkpoint."""
    for found in checkpoints(path):
        last = numbers(path) if os.path.exists(path) else []
        parts = [found.state, found.realizations, found.clock, *last]
        print("  ".join(filter(None, parts)), flush=True)
    judge(found)
