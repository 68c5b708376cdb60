"""Files of chorale as arrays with names and units. Needs h5py and numpy.

    with chorale_io.open("simulate.h5") as run:
        run.kind, run.study, run.complete    "results", "trajectory" or "checkpoint"; "simulate"; True
        run.parameters["tokens_count"]       text; also .integer(key), .real(key), .flag(key), .reals(key)
        run.provenance["date"], run.deck     text
        run.observables["energy"]            step[T], time[T], value (h5py dataset [T][R...], read when sliced), unit, description
        run.ensemble["energy"]               mean[T], sem[T] over the realizations
        run.table()                          {column: array} as the study prints it
        run.study_data["samples"]            every array of /study/NAME (h5py dataset)
        run.study_values["slope_depth"]      every number and text of /study/NAME
        run.trajectory(0)                    step[T], time[T], position (h5py dataset [T][N][d]), one frame at a time

Files of running and of killed jobs open too: what was not written yet is left out (T is smaller, see also run.complete). They are
opened without locks, so that a reader never stands in the way of a job; h5py needs locking=False to open the same file at the same time.
What cannot be read raises BadFile, whose text is one line that begins with the file's name.

Energy against time, every realization:

    import chorale_io, matplotlib.pyplot as plt
    with chorale_io.open("simulate.h5") as run:
        energy = run.observables["energy"]
        plt.plot(energy.time, energy.values())
        plt.ylabel(energy.description)

Cosines of all pairs of tokens at a step (record positions with output_trajectories):

    with chorale_io.open("simulate.h5") as run:
        x = run.trajectory(0).at(step=100)
        cosine = x @ x.T

Join of a sweep:

    rows = []
    for path in sorted(glob.glob("sweep/*.h5")):
        with chorale_io.open(path) as run:
            rows.append((run.parameters.real("attention_beta"), run.table()["energy_mean"][-1]))
    beta, energy = np.array(rows).T

For pandas and xarray:

    with chorale_io.open("simulate.h5") as run:
        frame = pandas.DataFrame(run.table())
        energy = run.observables["energy"]
        array = xarray.DataArray(energy.values(), dims=("time", "realization"), coords={"time": energy.time}, name="energy",
                                 attrs={"units": energy.unit, "long_name": energy.description})
"""
import io
import os
import re
from collections import namedtuple
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

Frame = namedtuple("Frame", "step time position")
Ensemble = namedtuple("Ensemble", "mean sem")
SLAB = 1 << 26  # bytes that are read at once
POSITION = "particles/all/position"
# Columns of the printed tables in their order.
COLUMNS = {
    "simulate": ("step", "time", "energy_mean", "energy_sem", "order_mean", "order_sem", "cosine_mean", "cosine_sem"),
    "limits": ("tokens", "depth", "width", "error", "sem"),
    "chaos": ("tokens", "w2sq", "w2sq_sem", "mmd2", "mmd2_sem", "coupling", "coupling_sem"),
    "sync": ("time", "energy_mean", "energy_sem", "energy_exact", "energy_bound"),
    "sync_map": ("activation", "dim", "bias_u", "bias_w", "lambda1", "lambda_bar", "lambda_rate", "boundary"),
    "spde": ("time", "mass", "min_density", "energy", "distance"),
    "analyze": ("step", "time", "energy_mean", "energy_sem", "order_mean", "order_sem", "cosine_mean", "cosine_sem", "w2sq_mean", "w2sq_sem",
                "mmd2_mean", "mmd2_sem"),
}


class BadFile(Exception):
    """A file that cannot be read, or has not what was asked for: "PATH: reason"."""

    def __init__(self, path, reason):
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = str(path), reason


def text(value):
    """An attribute or scalar dataset as str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def open(path):  # pylint: disable=redefined-builtin
    """A file that chorale wrote, to be used in a `with` or closed with close()."""
    return Run(path)


class Parameters(dict):
    """{key: text} of all keys of a run's deck, and the same as numbers; BadFile where the file has none."""

    def __init__(self, path, items):
        super().__init__(items)
        self.path = path

    def __missing__(self, key):
        raise BadFile(self.path, f"has no {key} among its parameters")

    def _number(self, key, word, kind):
        try:
            return kind(word)
        except ValueError as error:
            raise BadFile(self.path, f"its parameter {key} = {self[key]} is not a number") from error

    def integer(self, key):
        return self._number(key, self[key], int)

    def real(self, key):
        return self._number(key, self[key], float)

    def flag(self, key):
        return self[key] == "true"

    def reals(self, key):
        """A key that takes a list."""
        return np.array([self._number(key, word, float) for word in self[key].split(",") if word])


class Observable:
    """What was observed at T frames of R realizations; frames that a running job has not reached are left out of step and time."""

    def __init__(self, path, name, group, frames):
        self.name, self.value = name, _dataset(path, group, "value", 2, 3)
        step, time = (_clock(path, group, clock, len(self.value)) for clock in ("step", "time"))
        self.step, self.time = step[:frames], time[:frames]
        self.unit, self.description = (text(self.value.attrs.get(key, "")) for key in ("unit", "description"))

    def __len__(self):
        return len(self.step)

    def values(self):
        """All values, [T][R] or [T][R][k]; NaN where a realization of a running job has not got there."""
        return self.value[: len(self)]


class Trajectory:
    """Positions of N tokens in R^d at T frames, read one frame (or slab of frames) at a time."""

    def __init__(self, path):
        self.path = str(path)
        self.file = _open_hdf5(path)
        try:
            self._find()
        except BadFile:
            self.close()
            raise

    def _find(self):
        group = _group(self.path, self.file, POSITION)
        if group is None or "value" not in group:
            raise BadFile(self.path, "no positions of tokens: not a trajectory of chorale")
        self.position = _dataset(self.path, group, "value", 3)
        self.extent, self.tokens, self.dim = self.position.shape
        if self.tokens < 1 or self.dim < 2:
            raise BadFile(self.path, f"has {self.tokens} tokens in R^{self.dim}: chorale has at least one token, in R^2 or beyond")
        step, time = (_clock(self.path, group, clock, None) for clock in ("step", "time"))
        written = np.asarray(group.attrs.get("frames_valid", len(step)))  # a running job makes room for frames in advance
        if written.shape or written.dtype.kind not in "iu" or written < 0:
            raise BadFile(self.path, f"frames_valid of {POSITION} is not a number of frames")
        count = min(int(written), len(step), len(time), self.extent)
        self.step, self.time = step[:count], time[:count]
        creator = self.file.get("h5md/creator")
        self.version = text(creator.attrs.get("version", "")) if creator else ""  # of the program that wrote it

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
        _translate(self.path, error)

    def close(self):
        self.file.close()

    def __len__(self):
        return len(self.step)

    def __iter__(self):
        for frame in range(len(self)):
            yield Frame(int(self.step[frame]), float(self.time[frame]), self[frame])

    def __getitem__(self, frame):
        """Positions [N][d] of a frame, counted from the end when negative."""
        if not -len(self) <= frame < len(self):
            raise BadFile(self.path, f"has no frame {frame}: {len(self)} are recorded")
        return self._points(frame % len(self), slice(None))

    def _points(self, frame, rows):
        """Positions of some tokens, which must be finite: whatever is computed from others says nothing."""
        found = _read(self.path, self.position, (int(frame), rows))
        if not np.isfinite(found).all():
            raise BadFile(self.path, f"frame {frame} has positions that are not numbers")
        return found

    def at(self, step):
        """Positions [N][d] after so many layers or steps."""
        found = np.flatnonzero(self.step == step)
        if not len(found):
            raise BadFile(self.path, f"no frame is recorded at step {step}")
        return self[found[0]]

    def slabs(self, frame, size=SLAB):
        """(first token, positions [n][d]) of a frame in pieces of at most `size` bytes."""
        rows = max(1, size // (self.dim * self.position.dtype.itemsize))
        for first in range(0, self.tokens, rows):
            yield first, self._points(frame, slice(first, first + rows))

    @property
    def weights(self):
        """Weights of the tokens where they are not 1/N, else None."""
        group = self.file["particles/all"]
        if "mass" not in group:
            return None
        found = _read(self.path, _dataset(self.path, group, "mass", 1), slice(None))
        if len(found) != self.tokens or not np.isfinite(found).all():
            raise BadFile(self.path, f"its weights (particles/all/mass) are not {self.tokens} numbers")
        return found


class Run:
    """An open file: results, trajectory or checkpoint."""

    def __init__(self, path):
        self.path = str(path)
        self.file = _open_hdf5(path)
        self._opened = []
        try:
            self.kind = self._find_kind()
        except BadFile:
            self.close()
            raise

    def _find_kind(self):
        if _group(self.path, self.file, "checkpoint"):
            return "checkpoint"
        if _group(self.path, self.file, "study") is not None and _group(self.path, self.file, "parameters") is not None:
            return "results"
        if "h5md" in self.file and POSITION in self.file:
            return "trajectory"
        raise BadFile(self.path, "an HDF5 file, but neither results, trajectory nor checkpoint of chorale")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
        _translate(self.path, error)

    def close(self):
        for trajectory in self._opened:
            trajectory.close()
        self.file.close()

    @cached_property
    def study(self):
        """simulate, limits, ...; None for a trajectory, which does not know its study."""
        if self.kind == "trajectory":
            return None
        name = self.file["checkpoint"].attrs.get("study") if self.kind == "checkpoint" else next(iter(self.file["study"]), None)
        if name is None or self.kind == "results" and _group(self.path, self.file["study"], name) is None:
            raise BadFile(self.path, f"says no study: not {self.kind} of chorale")
        return text(name)

    @cached_property
    def results_path(self):
        """The results file beside a trajectory or checkpoint, STEM.h5 of STEM/..., or None."""
        folder = Path(os.path.abspath(self.path)).parent
        names = [folder.parent / f"{folder.name}{ending}" for ending in (".h5", ".hdf5")] if self.kind != "results" else ()
        return next((str(name) for name in names if name.is_file()), None)

    @cached_property
    def complete(self):
        """False: of a run that goes on or was stopped; None: not known (a trajectory without results beside it)."""
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

    def _attributes(self, group):
        found = _group(self.path, self.file, group)
        return {key: text(value) for key, value in found.attrs.items()} if found is not None else {}

    @cached_property
    def parameters(self):
        return Parameters(self.path, self._attributes("parameters"))

    @cached_property
    def system(self):
        """The parameters that say what moved: those of the run, of analyze those of the recorded one."""
        source = {key.removeprefix("source_"): text(value) for key, value in self.study_values.items() if key.startswith("source_")}
        return Parameters(self.path, {**source, **self.parameters})

    @property
    def realizations_done(self):
        """How many realizations partial results are made of; None for complete ones and for those of study simulate."""
        word = text(self.provenance.get("realizations_done", ""))
        return int(word) if word.isdigit() else None

    @cached_property
    def provenance(self):
        return self._attributes("provenance")

    @property
    def ranks(self):
        """Number of processes that made it."""
        word = self.provenance.get("ranks", "1")
        if not word.isdigit():
            raise BadFile(self.path, f"its provenance says ranks = {word}, which is not a number")
        return int(word)

    @cached_property
    def deck(self):
        """The deck as text, runnable as it stands; empty for a trajectory."""
        group = _group(self.path, self.file, "parameters")
        if group is None or "deck" not in group:
            return ""
        if not isinstance(group["deck"], h5py.Dataset) or group["deck"].shape != ():
            raise BadFile(self.path, "its deck (parameters/deck) is not a text")
        return text(group["deck"][()])

    @cached_property
    def observables(self):
        """{name: Observable}"""
        groups = _group(self.path, self.file, "observables")
        if groups is None:
            return {}
        members = {name: _group(self.path, groups, name) for name in groups}
        frames = None
        if not self.complete and "energy" in members:  # every number of a frame is recorded at once
            frames = self._frames_of(_dataset(self.path, members["energy"], "value", 2, 3))
        return {name: Observable(self.path, name, group, frames) for name, group in members.items()}

    def _frames_of(self, value):
        """Frames up to the last that any realization has reached, read from the end by slabs."""
        rows = max(1, SLAB // max(1, value.dtype.itemsize * int(np.prod(value.shape[1:], dtype=np.int64))))
        for end in range(len(value), 0, -rows):
            first = max(0, end - rows)
            there = np.flatnonzero(~np.isnan(_read(self.path, value, slice(first, end)).reshape(end - first, -1)).all(axis=1))
            if len(there):
                return first + int(there[-1]) + 1
        return 0

    @cached_property
    def ensemble(self):
        """{name: Ensemble} of the observables, over the frames that are there."""
        groups, found = _group(self.path, self.file, "ensemble"), {}
        for name in groups if groups is not None else ():
            if name not in self.observables:
                raise BadFile(self.path, f"has statistics of {name}, but no observables/{name}")
            seen, group = self.observables[name], _group(self.path, groups, name)
            both = [_dataset(self.path, group, key, 1, 2) for key in ("mean", "sem")]
            if any(one.shape != seen.value.shape[:1] + seen.value.shape[2:] for one in both):
                raise BadFile(self.path, f"ensemble/{name} is not of the shape of observables/{name}")
            found[name] = Ensemble(*(_read(self.path, one, slice(len(seen))) for one in both))
        return found

    @property
    def _study_group(self):
        return self.file["study"][self.study] if self.kind == "results" else {}

    @property
    def study_data(self):
        """{name: dataset} of /study/NAME."""
        return {name: item for name, item in self._study_group.items() if isinstance(item, h5py.Dataset)}

    @property
    def study_values(self):
        """{name: number, text or list of texts} of /study/NAME."""
        attributes = self._study_group.attrs.items() if self.kind == "results" else ()
        return {name: _plain(value) for name, value in attributes}

    def table(self):
        """{column: array} of the study's table, in the order in which it is printed."""
        data, values = self.study_data, self.study_values
        is_map = self.study == "sync" and self.parameters.get("sync_map") == "true"
        columns = COLUMNS.get("sync_map" if is_map else self.study) or [name for name in data if data[name].ndim == 1]
        for name in columns:
            if name in data and data[name].ndim != 1:
                raise BadFile(self.path, f"{data[name].name} is not a column of a table")
        frames = len(self.observables["energy"]) if "energy" in self.observables else None
        return {name: _read(self.path, data[name], slice(frames)) if name in data else np.array(values[name])
                for name in columns if name in data or name in values}

    @property
    def realizations(self):
        """Numbers of the realizations whose positions were recorded."""
        if self.kind == "trajectory":
            return [0]
        group = _group(self.path, self.file, "particles")
        return [int(name[12:]) for name in group if re.fullmatch(r"realization_\d+", name)] if group is not None else []

    def trajectory(self, realization=0):
        """Positions of a realization: of this file, or of the file that it links to."""
        path = self.path
        if self.kind != "trajectory":
            if realization not in self.realizations:
                raise BadFile(self.path, f"no positions of realization {realization}: output_trajectories records them")
            link = self.file["particles"].get(f"realization_{realization:05d}", getlink=True)
            if not isinstance(link, h5py.ExternalLink):
                raise BadFile(self.path, f"particles/realization_{realization:05d} is not a link to a trajectory")
            path = os.path.join(os.path.dirname(self.path), link.filename)
            if not os.path.exists(path):
                raise BadFile(path, f"no such file: positions of realization {realization} "
                              + ("were moved away" if self.complete else "have not been recorded yet"))
        found = Trajectory(path)
        self._opened.append(found)
        return found

    @cached_property
    def steps_done(self):
        """Of a checkpoint: steps of every realization."""
        if self.kind != "checkpoint":
            return None
        group = _group(self.path, self.file, "status")
        if group is None:
            raise BadFile(self.path, "has no status/step: not a checkpoint of chorale")
        return _read(self.path, _dataset(self.path, group, "step", 1), slice(None))

    def datasets(self, skip=("parameters", "provenance")):
        """{path: dataset} of all datasets of this file itself (no links to other files), sorted by path."""
        found = {}

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and name.split("/")[0] not in skip:
                found[name] = item

        self.file.visititems(visit)
        return dict(sorted(found.items()))


def _plain(value):
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.number) else text(value)


def _open_hdf5(path):
    if not os.path.exists(path):
        raise BadFile(path, "no such file")
    if not os.path.isfile(path):
        raise BadFile(path, "is not a file")
    try:
        with io.open(path, "rb") as raw:
            empty = not raw.read(1)
        return h5py.File(path, "r", locking=False)  # a running job may hold the lock
    except OSError as error:
        if error.errno and not isinstance(error, BlockingIOError) and not h5py.is_hdf5(path) and not os.access(path, os.R_OK):
            raise BadFile(path, error.strerror or "cannot be read") from error
        if empty or not h5py.is_hdf5(path):
            raise BadFile(path, "is empty" if empty else "not an HDF5 file") from error
        raise BadFile(path, "is truncated or damaged, or just being written") from error


def _group(path, parent, name):
    """A group, None when there is no such name."""
    try:
        found = parent.get(name)
    except (KeyError, OSError, RuntimeError) as error:
        raise BadFile(path, f"{name} is truncated or damaged, or just being written") from error
    if found is not None and not isinstance(found, h5py.Group):
        raise BadFile(path, f"{found.name} is not a group: not a file of chorale")
    return found


def _dataset(path, group, name, *dimensions):
    """An array of numbers that has so many dimensions."""
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        raise BadFile(path, f"{group.name} has no dataset {name}")
    if found.ndim not in dimensions or found.dtype.kind not in "iuf":
        raise BadFile(path, f"{found.name} is not an array of numbers with {' or '.join(map(str, dimensions))} dimensions")
    return found


def _clock(path, group, name, frames):
    """step[T] or time[T], for so many frames unless None."""
    found = _read(path, _dataset(path, group, name, 1), slice(None))
    if frames not in (None, len(found)) or not np.isfinite(found).all():
        raise BadFile(path, f"{group.name}/{name} does not have a number for each frame")
    return found


def _read(path, dataset, where):
    try:
        return dataset[where]
    except (OSError, RuntimeError) as error:
        raise BadFile(path, f"{dataset.name} cannot be read: truncated or damaged, or just being written") from error


def _translate(path, error):
    """Errors of h5py about what is in the file, inside a `with`, as BadFile; others pass."""
    reason = str(error).lstrip("'\"")
    inside = reason.startswith(("Can't ", "Unable ")) and not reason.startswith(("Unable to open file", "Unable to create file"))
    if isinstance(error, (OSError, RuntimeError, KeyError)) and inside:
        raise BadFile(path, "is truncated or damaged, or just being written") from error
