"""Runs with files of which a 32-bit number cannot count the bytes: ten steps of 10^8 tokens on the
circle and of 3 * 10^7 on the sphere, with a trajectory of more than 4 GiB. What they write is read
back: it is the same from a run that was stopped and went on, chorale measures the same in it, and
so does numpy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator, Mapping, NamedTuple, Optional

import h5py
import numpy as np

from benching import model
from chorale.command import TOP
from chorale.errors import Refused

RANKS = 2
STEPS = 10
GIB = 1 << 30
PIECE = 1 << 16  # tokens that are read at once: memory of this process counts for what it starts
FRAMES = "realization_00000.h5md"
VALUE = "particles/all/position/value"
STOPPED = 85  # exit code
CASES = (  # what, deck, tokens, and steps between frames
    ("sphere", "large-sphere", 30_000_000, 2),
    ("circle", "large-circle", 100_000_000, 5),
)


class Taken(NamedTuple):
    """By a run: memory is that of the rank that took most."""

    seconds: float
    processor: float
    memory: float
    text: str


def run(env: Mapping[str, str], folder: Path, *words: object, code: int = 0) -> Taken:
    """chorale on RANKS ranks, which ends with this exit code."""
    line = ["mpirun", "-n", str(RANKS), str(TOP / "build/chorale"), *map(str, words)]
    with open(folder / "output", "w+", encoding="utf-8") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            line, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        output.seek(0)
        text = output.read()
    if process.returncode != code:
        raise Refused(f"{' '.join(line)}: exit code {process.returncode}:\n{text}", 1)
    return Taken(seconds, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss, text)


def words(deck: str, count: int, every: int, name: str) -> list[object]:
    """A run with a trajectory."""
    keys = {
        "tokens_count": count,
        "layers_depth": STEPS,
        "layers_horizon": 0.02 * STEPS,
        "output_every": every,
        "output_trajectories": 1,
        "output_file": f"{name}.h5",
        "progress": "off",
    }
    more = [word for key, value in keys.items() for word in (f"-{key}", value)]
    return ["simulate", TOP / f"input/{deck}.yaml", *more]


def number(pattern: str, text: str) -> float:
    """What -dry_run tells."""
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise Refused(f"-dry_run tells no {pattern}", 1)
    return float(found[1])


def available() -> float:
    """Bytes of memory that nobody needs."""
    found = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    return 1024 * float(found[1]) if found else float("inf")


def make_room(said: Taken, folder: Path) -> tuple[float, float]:
    """Bytes of memory of a rank and of all files, as told; refused where there are not as many."""
    memory = 1e6 * number(r"^total .* per rank: (\S+) MB memory", said.text)
    files = number(r"^estimate .* bytes=(\S+)", said.text)
    for what, needs, has in (
        ("memory", RANKS * memory, available()),
        (f"room in {folder}", 3 * files, shutil.disk_usage(folder).free),
    ):
        if needs > has:
            raise Refused(f"needs {needs / 1e9:.3g} GB of {what}, has {has / 1e9:.3g} GB", 1)
    return memory, files


def observables(path: Path) -> dict[str, np.ndarray]:
    """Bytes of all that was measured, by name."""
    found = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.frombuffer(item[()].tobytes(), np.uint8)

    with h5py.File(path) as file:
        file["observables"].visititems(visit)
    return found


def same(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def pieces(one: h5py.Dataset, other: Optional[h5py.Dataset] = None) -> Iterator[np.ndarray]:
    """[T][n][d], all tokens after one another. other: has the same bits."""
    for first in range(0, one.shape[1], PIECE):
        rows = one[:, first : first + PIECE]
        if other and rows.tobytes() != other[:, first : first + PIECE].tobytes():
            raise Refused(f"tokens from {first} on differ after a stop", 1)
        yield rows


def check_frames(folder: Path, count: int) -> None:
    """Tokens are on the sphere, no two neighbours are one, and their mean is what was measured."""
    with h5py.File(folder / "whole" / FRAMES) as whole, h5py.File(folder / "on" / FRAMES) as on:
        one, other = whole[VALUE], on[VALUE]
        if one.shape[1] != count or one.shape != other.shape:
            raise Refused(f"{one.shape} and {other.shape} are recorded of {count} tokens", 1)
        total = np.zeros((one.shape[0], one.shape[2]))
        for rows in pieces(one, other):
            if np.abs(np.square(rows).sum(axis=2) - 1).max() > 1e-12:
                raise Refused("tokens are recorded that are not on the sphere", 1)
            if not np.any(rows[:, 1:] != rows[:, :-1], axis=2).all():
                raise Refused("tokens are recorded twice", 1)
            total += rows.sum(axis=1)
    with h5py.File(folder / "whole.h5") as file:
        order = file["observables/order/value"][()].ravel()
    error = np.abs(np.linalg.norm(total / count, axis=1) - order).max()
    if error > 1e-12:
        raise Refused(f"the mean of all tokens is off by {error:.2g} in what is recorded", 1)


def check(env: Mapping[str, str], folder: Path, count: int) -> None:
    """What was written is right."""
    size = (folder / "whole" / FRAMES).stat().st_size
    if count >= CASES[0][2] and size <= 4 * GIB:
        raise Refused(f"the trajectory has {size} bytes, no more than 4 GiB", 1)
    told = ("-analyze_file", "whole.h5", "-output_file", "read.h5", "-progress", "off")
    run(env, folder, "analyze", *told)
    results = [observables(folder / f"{name}.h5") for name in ("whole", "on", "read")]
    if not same(results[0], results[1]):
        raise Refused("results differ after a stop", 1)
    if not same(results[0], results[2]):
        raise Refused("chorale measures something else in what it has recorded", 1)
    check_frames(folder, count)


def case_rows(
    env: Mapping[str, str], folder: Path, deck: str, count: int, every: int
) -> Iterator[str]:
    """The lines of one case: as soon as it is known."""
    said = run(env, folder, *words(deck, count, every, "whole"), "-dry_run")
    memory, files = make_room(said, folder)
    told = number(r"^estimate +seconds=(\S+)", said.text)
    whole = run(env, folder, *words(deck, count, every, "whole"))
    size = sum(path.stat().st_size for path in folder.rglob("*.h5*"))
    yield f"  {RANKS} ranks: {model.time(whole.seconds)}, said {model.time(told)}"
    yield f"  {model.time(whole.processor)} of processor time, start-up and files included"
    yield f"  memory of a rank {whole.memory / 1e9:.2f} GB, said {memory / 1e9:.2f} GB"
    yield f"  files {size / GIB:.2f} GiB, said {files / GIB:.2f} GiB"
    stop = folder / "stop"
    stop.touch()
    on = [*words(deck, count, every, "on"), "-checkpoint_stop_file", stop]
    first = run(env, folder, *on, code=STOPPED)
    size = (folder / "on/checkpoint.h5").stat().st_size
    stop.unlink()
    rest = run(env, folder, *on, "-checkpoint_resume")
    yield f"  stopped after a step: {model.time(first.seconds)}, checkpoint {size / GIB:.2f} GiB"
    yield f"  to the end: {model.time(rest.seconds)}, memory of a rank {rest.memory / 1e9:.2f} GB"
    check(env, folder, count)
    yield "  read back: right"


def rows(env: Mapping[str, str], share: float = 1) -> Iterator[str]:
    """Lines of the table. share: of the tokens."""
    for what, deck, count, every in CASES:
        some = int(share * count)
        yield f"{what}, N = {some}, {STEPS} steps, {STEPS // every + 1} frames"
        with tempfile.TemporaryDirectory(prefix="bench-large-", dir=TOP / "build") as folder:
            yield from case_rows(env, Path(folder), deck, some, every)
