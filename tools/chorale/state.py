"""How far a run is: complete, running, stopped, failed, killed or missing, from what it leaves
behind: its results, the lock beside them, and its log."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np

from chorale import io
from chorale.command import of_file
from chorale.errors import BadFile
from chorale.io import Run
from chorale.lock import job_of, lock_of

LAST = 1 << 16  # bytes of a log that are read
# Lines in a log that say nothing: of mpirun and Slurm's launcher, and of progress.
FRAME = re.compile(r"-{20,}|\[[^ ]*:\d+\] |srun: |slurmstepd: ")
SHARE = re.compile(r".*: \d+%, ")


class State(NamedTuple):
    """Of a run whose results are, or were to be, the file of this path."""

    path: str
    state: str
    study: str = ""
    done: Optional[int] = None  # realizations
    wanted: Optional[int] = None
    time: float = float("nan")  # that is reached
    horizon: float = float("nan")
    message: str = ""  # the last one of the log, or why a file cannot be read

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    @property
    def realizations(self) -> str:
        """`3 of 8`"""
        return "" if self.done is None else f"{self.done} of {self.wanted}"

    @property
    def clock(self) -> str:
        """`t = 2.1 of 5`"""
        return "" if np.isnan(self.time) else clock_words(self.time, self.horizon)


def clock_words(time: float, horizon: float) -> str:
    """`t = 2.1 of 5`; never `8 of 8` of a time before 8."""
    for digits in range(3, 17):
        words = f"{time:.{digits}g}"
        if time >= horizon or float(words) < horizon:
            break
    return f"t = {words} of {horizon:.8g}"


def realizations_of(run: Run) -> tuple[int, int]:
    """How many have reached the last frame, and how many there are to be; of a run with
    observables."""
    name = "energy" if "energy" in run.observables else next(iter(run.observables))
    seen = run.observables[name]
    rows, every = seen.value.shape[:2]
    if not 0 < len(seen) == rows:
        return 0, every
    last = seen.value[rows - 1].reshape(every, -1)
    return int(np.isfinite(last).all(axis=1).sum()), every


def tail(log: str | os.PathLike[str], progress: bool = False) -> list[str]:
    """The last lines of a log that say something; those of progress, too."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - LAST))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.split("\r")[-1].strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not FRAME.match(line)]
    return lines if progress else [line for line in lines if not SHARE.match(line)]


def log_of(path: str) -> list[str]:
    """The log of a run: STEM.log beside STEM.h5, or the newest output of a job beside it, or here,
    that names its checkpoint, its results, or the job of its lock."""
    stem = os.path.splitext(path)[0]
    if os.path.isfile(f"{stem}.log"):
        return tail(f"{stem}.log")
    job, name = job_of(path), os.path.basename(stem)
    named = re.compile(rf"(^|[\s/]){re.escape(name)}(\.h5|/checkpoint)")
    folders = dict.fromkeys([os.path.dirname(path) or ".", "."])
    logs = [log for folder in folders for log in Path(folder).glob("*.log") if log.is_file()]
    for log in sorted(logs, key=lambda log: log.stat().st_mtime, reverse=True):
        lines = tail(log)
        if job and log.stem.endswith(f"-{job}") or any(named.search(line) for line in lines):
            return lines
    return []


def last_words(lines: list[str]) -> str:
    """The last line of chorale itself but for warnings, as `chorale: ...`; empty without one."""
    said = [line for line in lines if line.startswith("chorale: ") and ": warning: " not in line]
    return said[-1] if said else ""


def reached(run: Run) -> dict:
    """Realizations that are done and asked for, and the time that is reached."""
    keys = run.system
    found = {"study": run.study, "time": np.nan, "horizon": np.nan}
    if keys.get("ensemble_realizations", "").isdigit():
        found["wanted"] = found["done"] = keys.integer("ensemble_realizations")
    if "layers_horizon" in keys:
        found["horizon"] = keys.real("layers_horizon")
    energy = run.observables.get("energy")
    if energy is not None:
        found["done"], found["wanted"] = realizations_of(run)
        found["time"] = float(energy.time[-1]) if len(energy) else 0.0
    elif run.realizations_done is not None:
        found["done"] = run.realizations_done
    if run.complete and energy is None:
        found["time"] = found["horizon"]
    return found


def state_of(path: str | os.PathLike[str]) -> State:
    """Of the run whose results file this is, or is to be."""
    path = str(path)
    lock, log, known, reason = lock_of(path), log_of(path), {}, ""
    complete = None
    try:
        with of_file(path), io.open(path) as run:
            if run.kind not in ("results", "table"):
                raise BadFile(path, f"is a {run.kind}: name the results of its run")
            complete, known = run.complete, {"study": run.study}
            if run.kind == "results":
                known = reached(run)
    except BadFile as error:
        reason = error.reason if os.path.exists(path) else ""
    if lock == "held":
        return State(path, "running", **known, message=log[-1] if log else "")
    if complete:
        return State(path, "complete", **known)
    said = last_words(log)
    stopped = said.startswith("chorale: stopped") or not said and complete is False
    if said and not said.startswith("chorale: stopped") or reason:
        state = "failed"
    elif lock == "left":
        state = "killed"
    else:
        state = "stopped" if stopped else "missing"
    return State(path, state, **known, message=said or reason or (log[-1] if log else ""))
