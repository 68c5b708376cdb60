"""A file of chorale of whichever kind: what is in it, by name."""

from __future__ import annotations

import os
import re
from collections import namedtuple
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional

import h5py
import numpy as np

from chorale.errors import BadFile
from chorale.io.hdf5 import (
    SLAB,
    clock_of,
    group_of,
    numbers_of,
    open_file,
    plain,
    read,
    text,
    translate,
)
from chorale.io.shown import Shown, cube_of, dataset_of, frame_of
from chorale.io.sweep import cell_of, keys_of
from chorale.io.trajectory import POSITION, Trajectory

if TYPE_CHECKING:
    import pandas
    import xarray

Ensemble = namedtuple("Ensemble", "mean sem")


class Parameters(dict):
    """{key: text} of all keys of a run's deck, and the same as numbers; BadFile where the file has
    none."""

    def __init__(self, path: str, items: dict[str, str]):
        super().__init__(items)
        self.path = path

    def __missing__(self, key: str):
        raise BadFile(self.path, f"has no {key} among its parameters")

    def _number(self, key: str, word: str, kind):
        try:
            return kind(word)
        except ValueError as error:
            reason = f"its parameter {key} = {self[key]} is not a number"
            raise BadFile(self.path, reason) from error

    def integer(self, key: str) -> int:
        return self._number(key, self[key], int)

    def real(self, key: str) -> float:
        return self._number(key, self[key], float)

    def flag(self, key: str) -> bool:
        return self[key] == "true"

    def reals(self, key: str) -> np.ndarray:
        """A key that takes a list."""
        return np.array([self._number(key, word, float) for word in self[key].split(",") if word])


class Observable:
    """What was observed at T frames of R realizations; frames that a running job has not reached
    are left out of step and time."""

    def __init__(self, path: str, name: str, group: h5py.Group, frames: Optional[int]):
        self.name, self.value = name, numbers_of(path, group, "value", 2, 3)
        count = len(self.value)
        step, time = (clock_of(path, group, clock, count) for clock in ("step", "time"))
        self.step, self.time = step[:frames], time[:frames]
        attributes = self.value.attrs
        self.unit, self.description = (
            text(attributes.get(key, "")) for key in ("unit", "description")
        )

    def __len__(self) -> int:
        return len(self.step)

    def values(self) -> np.ndarray:
        """All values, [T][R] or [T][R][k]; NaN where a realization of a running job has not got
        there."""
        return self.value[: len(self)]


class Run(Shown):
    """An open file: results, trajectory or checkpoint."""

    def __init__(self, path, file: Optional[h5py.File] = None):
        self.path = str(path)
        self.file = file or open_file(self.path)
        self._opened: list[Trajectory] = []
        try:
            self.kind = self._find_kind()
        except BadFile:
            self.close()
            raise

    def _group(self, name: str) -> Optional[h5py.Group]:
        return group_of(self.path, self.file, name)

    def _find_kind(self) -> str:
        if self._group("checkpoint"):
            return "checkpoint"
        if self._group("study") is not None and self._group("parameters") is not None:
            return "results"
        if "h5md" in self.file and POSITION in self.file:
            return "trajectory"
        reason = "an HDF5 file, but neither results, trajectory nor checkpoint of chorale"
        raise BadFile(self.path, reason)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close()
        translate(self.path, error)

    def close(self) -> None:
        for trajectory in self._opened:
            trajectory.close()
        self.file.close()

    @cached_property
    def study(self) -> Optional[str]:
        """simulate, limits, ...; None for a trajectory, which does not know its study."""
        if self.kind == "trajectory":
            return None
        if self.kind == "checkpoint":
            name = self.file["checkpoint"].attrs.get("study")
        else:
            name = next(iter(self.file["study"]), None)
            if name is not None and group_of(self.path, self.file["study"], name) is None:
                name = None
        if name is None:
            raise BadFile(self.path, f"says no study: not {self.kind} of chorale")
        return text(name)

    @cached_property
    def results_path(self) -> Optional[str]:
        """The results file beside a trajectory or checkpoint, STEM.h5 of STEM/..., or None."""
        if self.kind == "results":
            return None
        folder = Path(os.path.abspath(self.path)).parent
        names = [folder.parent / f"{folder.name}{ending}" for ending in (".h5", ".hdf5")]
        return next((str(name) for name in names if name.is_file()), None)

    @cached_property
    def complete(self) -> Optional[bool]:
        """False: of an incomplete run (running or stopped); None: not known (a trajectory without
        results beside it)."""
        if self.kind == "checkpoint":
            return False
        if self.kind == "results":
            return self.provenance.get("complete", "true") == "true"
        with Trajectory(self.path) as trajectory:
            if len(trajectory) < trajectory.extent:
                return False
        if not self.results_path:
            return None
        try:
            with Run(self.results_path) as results:
                return results.complete
        except BadFile:
            return None

    def _attributes(self, name: str) -> dict[str, str]:
        found = self._group(name)
        return {key: text(value) for key, value in found.attrs.items()} if found is not None else {}

    @cached_property
    def parameters(self) -> Parameters:
        return Parameters(self.path, self._attributes("parameters"))

    @cached_property
    def system(self) -> Parameters:
        """The parameters that say what moved: those of the run, of analyze those of the recorded
        one."""
        source = {
            key.removeprefix("source_"): text(value)
            for key, value in self.study_values.items()
            if key.startswith("source_")
        }
        return Parameters(self.path, {**source, **self.parameters})

    @property
    def realizations_done(self) -> Optional[int]:
        """How many realizations partial results are made of; None for complete ones and for those
        of study simulate."""
        word = text(self.provenance.get("realizations_done", ""))
        return int(word) if word.isdigit() else None

    @cached_property
    def sweep(self) -> dict[str, np.ndarray]:
        """{key: its values, numbers or texts} of the keys that a sweep goes over, in the order of
        the axes in front of its arrays; empty for any other run."""
        group = self._group("sweep")
        if group is None:
            return {}
        found = {key: group.get(key) for key in keys_of(self.path, group)}
        for key, item in found.items():
            if not isinstance(item, h5py.Dataset) or item.ndim != 1:
                raise BadFile(self.path, f"its axis sweep/{key} is not a list of values")
        numbers = {key: read(self.path, item, slice(None)) for key, item in found.items()}
        return {
            key: values if values.dtype.kind == "f" else np.array([text(v) for v in values])
            for key, values in numbers.items()
        }

    def cell(self, *index: int) -> Run:
        """One cell of a sweep as the run that it is, held in memory: cell(2, 0) has the third value
        of the first key and the first one of the second."""
        shape = tuple(map(len, self.sweep.values()))
        if (
            not shape
            or len(index) != len(shape)
            or not all(0 <= i < n for i, n in zip(index, shape))
        ):
            raise BadFile(self.path, f"has no cell {index} among {shape}")
        return Run(self.path, cell_of(self.file, list(self.sweep), index))

    def cells(self) -> Iterator[tuple[dict[str, Any], Run]]:
        """All cells of a sweep, each with {key: its value}."""
        for index in np.ndindex(*map(len, self.sweep.values())):
            values = {key: value[i] for (key, value), i in zip(self.sweep.items(), index)}
            with self.cell(*index) as cell:
                yield values, cell

    @cached_property
    def provenance(self) -> dict[str, str]:
        return self._attributes("provenance")

    @property
    def ranks(self) -> int:
        """Number of processes that made it."""
        word = self.provenance.get("ranks", "1")
        if not word.isdigit():
            raise BadFile(self.path, f"its provenance says ranks = {word}, which is not a number")
        return int(word)

    @cached_property
    def deck(self) -> str:
        """The deck as text, runnable as it stands; empty for a trajectory."""
        group = self._group("parameters")
        if group is None or "deck" not in group:
            return ""
        if not isinstance(group["deck"], h5py.Dataset) or group["deck"].shape != ():
            raise BadFile(self.path, "its deck (parameters/deck) is not a text")
        return text(group["deck"][()])

    @cached_property
    def observables(self) -> dict[str, Observable]:
        """{name: Observable}; empty for a sweep, whose cells have them."""
        groups = self._group("observables")
        if groups is None or self.sweep:
            return {}
        members = {name: group_of(self.path, groups, name) for name in groups}
        frames = None
        if not self.complete and "energy" in members:  # all numbers of a frame come at once
            frames = self._frames_of(numbers_of(self.path, members["energy"], "value", 2, 3))
        return {name: Observable(self.path, name, group, frames) for name, group in members.items()}

    def _frames_of(self, value: h5py.Dataset) -> int:
        """Frames up to the last that any realization has reached, read from the end by slabs."""
        row = value.dtype.itemsize * int(np.prod(value.shape[1:], dtype=np.int64))
        rows = max(1, SLAB // max(1, row))
        for end in range(len(value), 0, -rows):
            first = max(0, end - rows)
            slab = read(self.path, value, slice(first, end)).reshape(end - first, -1)
            there = np.flatnonzero(~np.isnan(slab).all(axis=1))
            if len(there):
                return first + int(there[-1]) + 1
        return 0

    @cached_property
    def ensemble(self) -> dict[str, Ensemble]:
        """{name: Ensemble} of the observables, over the frames that are there."""
        groups, found = self._group("ensemble"), {}
        for name in groups if groups is not None and not self.sweep else ():
            if name not in self.observables:
                raise BadFile(self.path, f"has statistics of {name}, but no observables/{name}")
            seen, group = self.observables[name], group_of(self.path, groups, name)
            both = [numbers_of(self.path, group, key, 1, 2) for key in ("mean", "sem")]
            if any(one.shape != seen.value.shape[:1] + seen.value.shape[2:] for one in both):
                reason = f"ensemble/{name} is not of the shape of observables/{name}"
                raise BadFile(self.path, reason)
            found[name] = Ensemble(*(read(self.path, one, slice(len(seen))) for one in both))
        return found

    @property
    def _study_group(self):
        return self.file["study"][self.study] if self.kind == "results" else {}

    @property
    def study_data(self) -> dict[str, h5py.Dataset]:
        """{name: dataset} of /study/NAME."""
        items = self._study_group.items()
        return {name: item for name, item in items if isinstance(item, h5py.Dataset)}

    @cached_property
    def study_values(self) -> dict[str, Any]:
        """{name: number, text or list of texts} of /study/NAME."""
        attributes = self._study_group.attrs.items() if self.kind == "results" else ()
        return {name: plain(value) for name, value in attributes if name != "columns"}

    def meaning(self, name: str) -> str:
        """What a number, array or observable is, with its unit; empty where nothing is said."""
        attributes: Any = self._attributes("quantities")
        keys = (name, f"{name}_unit")
        if name in self.study_data:
            attributes, keys = self.study_data[name].attrs, ("description", "unit")
        elif name in self.observables:
            attributes, keys = self.observables[name].value.attrs, ("description", "unit")
        meaning, unit = (text(attributes.get(key, "")) for key in keys)
        return f"{meaning} [{unit}]" if meaning and unit not in ("", "1") else meaning

    def interval(self, key: str) -> Optional[tuple[float, float]]:
        """Ends of the 95% interval of one of the study_values; None where it has none."""
        values = self.study_values
        ends = (f"{key}_low", f"{key}_high")
        return tuple(values[end] for end in ends) if {key, *ends} <= values.keys() else None

    @property
    def scalars(self) -> dict[str, Any]:
        """Those of study_values that stand for themselves: no lists, no ends of intervals, nothing
        of what was analyzed."""

        def is_end(key: str) -> bool:
            stem, _, end = key.rpartition("_")
            return end in ("low", "high") and self.interval(stem) is not None

        return {
            key: value
            for key, value in self.study_values.items()
            if not isinstance(value, list) and not key.startswith("source_") and not is_end(key)
        }

    def _columns(self) -> list[str]:
        """Names of the table's columns. A file of version 0.5.0 does not say them: then its arrays
        of one dimension that are as long as the first."""
        if self.kind == "results" and "columns" in self._study_group.attrs:
            return text(self._study_group.attrs["columns"]).split(",")
        sizes = {name: item.size for name, item in self.study_data.items() if item.ndim == 1}
        return [name for name, size in sizes.items() if size == next(iter(sizes.values()))]

    def table(self) -> dict[str, np.ndarray]:
        """{column: array} of the study's table, in the order in which it is printed; of a sweep
        with the axes of the cells in front."""
        if self.sweep:
            return {
                name: read(self.path, self.study_data[name], ...)
                for name in self._columns()
                if name in self.study_data
            }
        data, values = self.study_data, self.study_values
        frames = len(self.observables["energy"]) if "energy" in self.observables else None
        found = {}
        for name in self._columns():
            if name in data and data[name].ndim != 1:
                raise BadFile(self.path, f"{data[name].name} is not a column of a table")
            if name in data:
                found[name] = read(self.path, data[name], slice(frames))
            elif name in values:
                found[name] = np.array(values[name])
        return found

    def to_pandas(self) -> pandas.DataFrame:
        """The study's table; of a sweep those of all cells, with their keys as first columns."""
        return frame_of(self) if self.sweep else super().to_pandas()

    def to_xarray(self) -> xarray.Dataset:
        """Observables over time and realization, or the arrays of a study without them; numbers of
        the study and parameters are attributes. The keys of a sweep are dimensions of all this."""
        return cube_of(self) if self.sweep else dataset_of(self)

    @property
    def realizations(self) -> list[int]:
        """Numbers of the realizations whose positions were recorded."""
        if self.kind == "trajectory":
            return [0]
        group = self._group("particles")
        names = group if group is not None else ()
        return [int(name[12:]) for name in names if re.fullmatch(r"realization_\d+", name)]

    def _linked(self, realization: int) -> str:
        """The file that holds the positions of a realization."""
        if realization not in self.realizations:
            reason = f"no positions of realization {realization}: output_trajectories records them"
            raise BadFile(self.path, reason)
        name = f"realization_{realization:05d}"
        link = self.file["particles"].get(name, getlink=True)
        if not isinstance(link, h5py.ExternalLink):
            raise BadFile(self.path, f"particles/{name} is not a link to a trajectory")
        path = os.path.join(os.path.dirname(self.path), link.filename)
        if not os.path.exists(path):
            what = "were moved away" if self.complete else "have not been recorded yet"
            raise BadFile(path, f"no such file: positions of realization {realization} {what}")
        return path

    def trajectory(self, realization: int = 0) -> Trajectory:
        """Positions of a realization: of this file, or of the file that it links to."""
        found = Trajectory(self.path if self.kind == "trajectory" else self._linked(realization))
        self._opened.append(found)
        return found

    @cached_property
    def steps_done(self) -> Optional[np.ndarray]:
        """Of a checkpoint: steps that every realization has done."""
        if self.kind != "checkpoint":
            return None
        group = self._group("status")
        if group is None:
            raise BadFile(self.path, "has no status/step: not a checkpoint of chorale")
        return read(self.path, numbers_of(self.path, group, "step", 1), slice(None))

    @cached_property
    def steps_asked(self) -> Optional[np.ndarray]:
        """Of a checkpoint: steps that every realization takes in all; None where an earlier version
        has written it."""
        group = self._group("status") if self.kind == "checkpoint" else None
        if group is None or "steps" not in group:
            return None
        steps = read(self.path, numbers_of(self.path, group, "steps", 1), slice(None))
        if steps.shape != self.steps_done.shape:
            raise BadFile(self.path, "status/steps is not of as many realizations as status/step")
        return steps

    def datasets(
        self, skip: Iterable[str] = ("parameters", "provenance")
    ) -> dict[str, h5py.Dataset]:
        """{path: dataset} of all datasets of this file itself (no links to other files), sorted by
        path. Group.visititems would ask how large the index of each is, and read all of it."""
        names: list[str] = []

        def visit(name: bytes, link: Any) -> None:
            if link.type == h5py.h5l.TYPE_HARD and text(name).split("/")[0] not in skip:
                names.append(text(name))

        self.file.id.links.visit(visit, info=True)
        found = {name: self.file[name] for name in sorted(names)}
        return {name: item for name, item in found.items() if isinstance(item, h5py.Dataset)}
