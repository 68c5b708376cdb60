"""Rows of the table of tools/bench: lines of text, the file of a run, a table for a page."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence

from chorale.command import TOP, of_file, whole
from chorale.errors import BadFile

from benching.measure import output

WIDE = 100  # columns of a line of the table
LABEL = 62
OF_LIMIT = 0.95  # where the machine itself allows no more, this share of it is enough
Goal = Optional[tuple[str, float]]


class Row(NamedTuple):
    """A line of the table; the goal, if any, is (">" or "<", number). The limit is what the machine
    itself does of the same kind, measured in the same run."""

    what: str
    value: float
    unit: str = ""
    goal: Goal = None
    limit: Optional[float] = None

    @property
    def wanted(self) -> Goal:
        """The goal, or less of it where the machine's limit asks for that."""
        if self.goal is None or self.limit is None:
            return self.goal
        return self.goal[0], min(self.goal[1], OF_LIMIT * self.limit)

    @property
    def limited(self) -> bool:
        return self.wanted != self.goal

    @property
    def met(self) -> bool:
        if self.wanted is None:
            return True
        sign, number = self.wanted
        return self.value >= number if sign == ">" else self.value <= number

    def notes(self, before: Optional[float] = None) -> str:
        """What is to be said of it; before: its value in another run."""
        words = [] if self.met else ["missed"]
        if self.limited:
            words.append(f"machine {self.limit:.3g}")
        if before:
            words.append(f"{self.value / before:.2f} x before")
        return ", ".join(words)

    def text(self, before: Optional[float] = None) -> str:
        goal = "" if self.wanted is None else f"{self.wanted[0]} {self.wanted[1]:.3g}"
        return line(self.what, f"{self.value:8.3g} {self.unit:9}", goal, self.notes(before))


def line(what: str, value: str, goal: str, notes: str = "") -> str:
    """A line of the table, in two where a terminal has no room for it."""
    narrow = shutil.get_terminal_size((WIDE, 0)).columns < WIDE
    numbers = f"{value:18} {goal:>7}  {notes}".rstrip()
    return f"{what}\n{'':10}{numbers}".lstrip("\n") if narrow else f"{what:{LABEL}} {numbers}"


def machine() -> dict[str, Any]:
    """What the numbers are of."""
    words: dict[str, str] = {}
    try:
        for entry in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = entry.partition(":")
            words.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    flags = words.get("flags", "").split()
    kinds = (("avx512f", "AVX-512"), ("avx2", "AVX2"))
    return {
        "processor": words.get("model name", platform.machine()),
        "vectors": next((name for flag, name in kinds if flag in flags), "other"),
        "cores": len(os.sched_getaffinity(0)),
        "revision": output([TOP / "build/chorale", "--version"], None)
        .split("revision")[1]
        .split()[0],
    }


def date() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def save(path: str, about: Mapping[str, Any], rows: Iterable[Row]) -> None:
    """The file of a run, whole or not at all."""
    found = {**about, "rows": [row._asdict() for row in rows]}
    with whole(path) as temporary:
        Path(temporary).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


class Saved:
    """A run that was saved."""

    def __init__(self, path: str):
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise BadFile(path, error.strerror or "cannot be read") from error
        except ValueError as error:
            raise BadFile(path, "is not a file of tools/bench") from error
        with of_file(path, "tools/bench"):
            self.date, self.machine = str(found["date"]), dict(found["machine"])
            self.rows = {row["what"]: self._row(row) for row in found["rows"]}
            self.name = f"{self.machine['processor']}, {self.machine['vectors']}"

    @staticmethod
    def _row(found: Mapping[str, Any]) -> Row:
        goal, limit = found["goal"], found["limit"]
        return Row(
            str(found["what"]),
            float(found["value"]),
            str(found["unit"]),
            (str(goal[0]), float(goal[1])) if goal else None,
            None if limit is None else float(limit),
        )

    def value(self, what: str) -> Optional[float]:
        return self.rows[what].value if what in self.rows else None

    def about(self) -> str:
        return f"{self.name}, {self.machine['revision']}, {self.date[:10]}"


def page(runs: Sequence[Saved]) -> Iterator[str]:
    """A table in Markdown, with a column for each run."""
    names = dict.fromkeys(what for run in runs for what in run.rows)
    yield f"| | goal | {' | '.join(run.name for run in runs)} |"
    yield "| --- " * (2 + len(runs)) + "|"
    for what in names:
        found = [run.rows.get(what) for run in runs]
        goal = next((row.goal for row in found if row and row.goal), None)
        cells = ["" if goal is None else f"{goal[0]} {goal[1]:g}"]
        for row in found:
            text = "" if row is None else f"{row.value:.3g} {row.unit}".strip()
            notes = "" if row is None else row.notes()
            cells.append(f"{text} ({notes})" if notes else text)
        yield f"| {what} | {' | '.join(cells)} |"
