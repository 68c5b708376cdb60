"""One line for each run of a folder or of a list of results: is it complete, how far has it got,
what did it say last. Tasks of a job array that left nothing are told, too."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Iterable, Sequence

from chorale.command import columns, plural
from chorale.errors import BadFile
from chorale.inputs import read_text
from chorale.state import State, last_words, state_of, tail

TASK = re.compile(r"task_(\d{4,})$")
TASKS = "tasks.txt"  # in the folder of a job array: a line for each task, blank where there is none


def is_part(path: Path) -> bool:
    """Of a run whose results are another file."""
    return path.suffix == ".h5md" or path.name in ("checkpoint.h5", "checkpoint.prev.h5")


def tasks_of(folder: Path, stems: Iterable[str]) -> set[str]:
    """Names of the tasks of a job array: of its lines, or up to the last one that is here."""
    numbers = {int(found[1]) for found in map(TASK.match, stems) if found}
    try:
        lines = read_text(folder / TASKS).split("\n")
        numbers |= {i for i, line in enumerate(lines, 1) if line.strip()}
    except BadFile:
        numbers |= set(range(1, max(numbers, default=0)))
    return {f"task_{number:04d}" for number in numbers}


def told_failure(log: Path) -> bool:
    """Whether this is the log of a run that left no results."""
    numbered = re.search(r"-\d+(_\d+)?$", log.stem)  # of a job: the log of some other name
    return not numbered and bool(last_words(tail(log)))


def runs_in(folder: str) -> list[str]:
    """Results files of a folder and of those below it, and names of those that are missing."""
    found, expected = set(), set()
    paths = [path for path in Path(folder).rglob("*") if not path.is_dir() and not is_part(path)]
    for path in paths:
        if path.suffix in (".h5", ".hdf5"):
            found.add(str(path))
    for path in paths:
        alone = f"{path.with_suffix('')}.h5" not in found
        if alone and (path.suffix == ".lock" or path.suffix == ".log" and told_failure(path)):
            found.add(str(path.with_suffix(".h5")))
    for place in {path.parent for path in paths}:
        stems = {Path(path).stem for path in found if Path(path).parent == place}
        expected |= {str(place / f"{name}.h5") for name in tasks_of(place, stems)}
    return sorted(found | expected)


def lines_of(states: Sequence[State], wide: int) -> list[str]:
    """Aligned, and cut where they are wider."""
    names = [os.path.relpath(state.path) for state in states]
    rows = [
        (name, one.state, one.realizations, one.clock)
        for name, one in zip(names, states, strict=True)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    found = []
    for row, one in zip(rows, states):
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths) if width)
        text = f"{text}  {one.message.removeprefix('chorale: ')}".rstrip()
        found.append(text if len(text) <= wide else text[: wide - 1] + "…")
    return found


def tell(names: Sequence[str]) -> int:
    """Prints a line for each run; 1 when any is not complete."""
    paths = [path for name in names for path in (runs_in(name) if os.path.isdir(name) else [name])]
    states = [state_of(path) for path in dict.fromkeys(paths)]
    for text in lines_of(states, columns(1 << 16)) if states else ():
        print(text)
    counts = Counter(one.state for one in states)
    if len(states) != 1:
        said = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        print(plural(len(states), "run") + (f": {said}" if said else ""))
    return 0 if states and all(one.complete for one in states) else 1
