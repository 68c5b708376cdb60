"""What a claim is: what is said, what would contradict it, runs that measure it, and of their
results the rows with verdicts, in the sense of src/VERDICTS.md."""

from __future__ import annotations

import importlib
import pkgutil
import shlex
from dataclasses import dataclass, replace
from typing import Any, Callable, Iterator, NamedTuple, Optional, Union

import numpy as np

from chorale.io import Run
from chorale.plot import verdicts
from chorale.plot.common import Picture, factor, is_chance
from chorale.plot.words import decided, interval
from chorale.plot.kernel import Table

CONSISTENT, VIOLATED = "consistent", "violated"
UNRESOLVED, DOES_NOT_APPLY = "not resolved", "does not apply"
DID_NOT_RUN, NOT_RUN = "did not run", "not run yet"
PAPER, BEYOND, NEIGHBOURS = "paper", "beyond", "neighbours"
SMALL, FULL = "small", "full"


class Row(NamedTuple):
    """A number beside what theory says of it; low and high are the ends of its 95% interval."""

    label: str
    theory: Union[float, str]
    measured: Union[float, str]
    low: float = np.nan
    high: float = np.nan
    verdict: str = ""  # empty where nothing is decided by it
    why: str = ""


@dataclass(frozen=True)
class Study:
    """A run of chorale, in two sizes."""

    study: str
    deck: str = ""  # from the root of the source tree
    small: str = ""  # options as they are typed
    full: str = ""
    ranks: int = 2
    home: str = ""  # folder of its results where claims share them; else that of the claim
    prepare: Optional[Callable[[str], None]] = None  # makes what it reads, in the folder `here`

    def words(self, size: str, here: str) -> list[str]:
        """Study, deck and options, where `here` is the folder of the claim's results."""
        options = self.small if size == SMALL else self.full
        deck = [self.deck] if self.deck else []
        return [self.study, *deck, *shlex.split(options.replace("{here}", here))]

    @property
    def ending(self) -> str:
        """Of its results."""
        return ".csv" if self.study == "kernel" else ".h5"


class Results:
    """Opened results of a claim's runs by their names; of study kernel the table."""

    def __init__(self, paths: dict[str, str], opened: dict[str, Any]):
        self._paths, self._opened = paths, opened

    def __getitem__(self, name: str) -> Any:
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def path(self, name: str) -> str:
        return self._paths[name]

    @property
    def runs(self) -> dict[str, Run]:
        """Those that are files of HDF5."""
        return {name: one for name, one in self._opened.items() if isinstance(one, Run)}

    @property
    def tables(self) -> dict[str, Table]:
        """Those of study kernel."""
        return {name: one for name, one in self._opened.items() if not isinstance(one, Run)}


def verdict_of(word: Any) -> tuple[str, str]:
    """(verdict, reason) of what chorale says in its results."""
    holds = decided(word)
    if holds is not None:
        return (CONSISTENT, "") if holds else (VIOLATED, "" if word == "does not agree" else word)
    if word == "does not apply":
        return DOES_NOT_APPLY, ""
    return UNRESOLVED, "" if word in (None, "", "not resolved") else str(word)


def of_key(run: Run, key: str, label: str, theory: Union[float, str]) -> Row:
    """A scalar of the study with its interval or standard error, and the file's own verdict."""
    values = run.study_values
    value, low, high = interval(values, key)
    if not np.isfinite(low):
        half = factor(run) * float(values.get(f"{key}_sem", np.nan))
        low, high = value - half, value + half
    word = values.get(f"{key}_verdict")
    return Row(label, theory, value, low, high, *(verdict_of(word) if word else ("", "")))


def beside(label: str, theory: float, measured: float, error: float, run: Run) -> Row:
    """The mean of a run's realizations and its standard error, beside its exact value."""
    off = abs(measured - theory) / error if error > 0 else np.nan
    chance = is_chance(off, run.parameters.integer("ensemble_realizations"))
    verdict, why = UNRESOLVED, "too few realizations"
    if chance is not None:
        verdict, why = (CONSISTENT, "") if chance else (VIOLATED, f"{off:.1f} s.e. apart")
    half = factor(run) * error
    return Row(label, theory, measured, measured - half, measured + half, verdict, why)


def _row(before: str, run: Run, found: verdicts.Verdict) -> Row:
    """Of a verdict of a report."""
    words = {True: CONSISTENT, False: VIOLATED, None: UNRESOLVED}
    theory: Union[float, str] = found.theory if np.isfinite(found.theory) else found.source
    half = factor(run) * found.error
    ends = found.measured - half, found.measured + half
    return Row(
        before + found.quantity, theory, found.measured, *ends, words[found.verdict], found.why
    )


def own_verdicts(results: Results) -> list[Row]:
    """What the results themselves say, as in a report."""
    rows = []
    for name, run in results.runs.items():
        before = f"{name}: " if len(results.runs) > 1 else ""
        rows += [_row(before, run, found) for found in verdicts.of_run(run)]
    return rows


@dataclass(frozen=True)
class Claim:
    """A statement, and how it is measured."""

    title: str
    statement: str
    claims: str
    contradicted: str
    premise: str
    runs: dict[str, Study]
    rows: Callable[[Results], list[Row]] = own_verdicts
    picture: Optional[Callable[[Results], Picture]] = None
    kind: str = PAPER
    place: float = 100
    seconds: float = 30
    name: str = ""  # of its file

    @property
    def one_size(self) -> bool:
        """The small runs are the full ones."""
        return all(run.small == run.full for run in self.runs.values())

    def __reduce__(self) -> Any:
        """By its name: functions of claims need not be of a kind that can be sent elsewhere."""
        return named, (self.name,)


def overall(rows: list[Row]) -> str:
    """The verdict of a claim by those of its rows."""
    said = {row.verdict for row in rows}
    for verdict in (VIOLATED, UNRESOLVED, CONSISTENT, DOES_NOT_APPLY):
        if verdict in said:
            return verdict
    return UNRESOLVED


def named(name: str) -> Claim:
    """The claim of a file."""
    return replace(importlib.import_module(f"chorale.paper.claims.{name}").CLAIM, name=name)


def load() -> dict[str, Claim]:
    """All claims by name, in the order of the page."""
    from chorale.paper import claims

    names = [module.name for module in pkgutil.iter_modules(claims.__path__)]
    found = [named(name) for name in names if not name.startswith("_")]
    order = [PAPER, BEYOND, NEIGHBOURS]
    found.sort(key=lambda claim: (order.index(claim.kind), claim.place, claim.name))
    return {claim.name: claim for claim in found}
