"""Joins results files that differ in their seeds into one with more realizations, with all
statistics and fits computed anew.

Works for simulate, limits, chaos, sync and spde. Files of other physics (any key but seeds, numbers
of realizations, and where and how things are written), of equal seeds, or that are not complete are
refused. Snapshots of spde are those of the first file. For all studies but simulate the program
chorale itself computes what is new, from the realizations in the files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import Sequence

import h5py
import numpy as np

from chorale import io
from chorale.command import Parser, of_file, whole
from chorale.errors import Refused
from chorale.io import Run

Rows = dict[str, np.ndarray]
# Keys that may differ between files: what is joined, and what does not change the numbers.
FREE = (
    "ensemble_seed",
    "ensemble_realizations",
    "ensemble_groups",
    "output_file",
    "output_overwrite",
    "output_table",
    "output_trajectories",
    "output_precision",
    "output_compress",
    "progress",
    "dry_run",
)
COLUMNS = ("energy", "order", "cosine_mean")  # observables that the table has


def check(run: Run, first: Run) -> None:
    """Refuses what cannot be joined with the first file."""
    if run.kind != "results":
        raise Refused(f"{run.path}: a {run.kind}, not results of chorale")
    if not run.complete:
        raise Refused(f"{run.path}: is not complete; resume its run first")
    if run.study != first.study:
        raise Refused(f"{run.path}: of study {run.study}, but {first.study} in the first file")
    for key in sorted(first.parameters.keys() | run.parameters.keys()):
        old, new = (keys.get(key, "missing") for keys in (first.parameters, run.parameters))
        if key not in FREE and not key.startswith("checkpoint_") and old != new:
            raise Refused(f"{run.path}: {key} = {new}, but {old} in the first file")


def statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error over axis 1, in the order of the realizations, as chorale does it (to
    rounding)."""
    count = values.shape[1]
    mean = np.zeros(values.shape[:1] + values.shape[2:])
    for r in range(count):
        mean += values[:, r]
    mean /= count
    squares = np.zeros_like(mean)
    for r in range(count):
        squares += (values[:, r] - mean) ** 2
    return mean, np.sqrt(squares / (count - 1) / count) if count > 1 else np.full_like(mean, np.nan)


def clocks(runs: Sequence[Run], name: str) -> Rows:
    """step and time of an observable, which must be the same in all files."""
    found = {clock: runs[0].file[f"observables/{name}/{clock}"][:] for clock in ("step", "time")}
    for run in runs:
        for clock, values in found.items():
            if not np.array_equal(run.file[f"observables/{name}/{clock}"][:], values):
                raise Refused(f"the frames of observable {name} differ")
    return found


def join_simulate(runs: Sequence[Run], target: str) -> None:
    """Observables of all realizations and their statistics."""
    first = runs[0].file
    with h5py.File(target, "w") as out:
        for name in first["observables"]:
            every = [run.file[f"observables/{name}/value"][:] for run in runs]
            values = np.concatenate(every, axis=1)
            for clock, moments in clocks(runs, name).items():
                out[f"observables/{name}/{clock}"] = moments
                if f"study/simulate/{clock}" not in out:
                    out[f"study/simulate/{clock}"] = moments
            out[f"observables/{name}/value"] = values
            attributes = first[f"observables/{name}/value"].attrs
            out[f"observables/{name}/value"].attrs.update(attributes)
            for what, value in zip(("mean", "sem"), statistics(values)):
                out[f"ensemble/{name}/{what}"] = value
                if name in COLUMNS:
                    out[f"study/simulate/{name.removesuffix('_mean')}_{what}"] = value
        first.copy("provenance", out)


def joined(runs: Sequence[Run], name: str, axis: int) -> np.ndarray:
    """An array of /study over all realizations, which are moved to the first index."""
    for run in runs:
        if name not in run.study_data:
            raise Refused(f"{run.path}: has no {name} of single realizations")
    values = np.concatenate([run.study_data[name][:] for run in runs], axis=axis)
    return np.moveaxis(values, axis, 0)


def joined_or(runs: Sequence[Run], name: str, axis: int, other: np.ndarray) -> np.ndarray:
    """The same; something else where it was not measured."""
    return joined(runs, name, axis) if name in runs[0].study_data else other


def rows_limits(runs: Sequence[Run]) -> Rows:
    return {"errors": joined(runs, "samples", 0)}


def rows_chaos(runs: Sequence[Run]) -> Rows:
    unknown = np.full_like(joined(runs, "w2sq_frames", 0), np.nan)
    names = ("w2sq", "mmd2", "coupling", "correlation")  # no correlation without restarts
    numbers = [joined_or(runs, f"{name}_frames", 0, unknown) for name in names]
    return {"numbers": np.stack(numbers, axis=1)}


def rows_sync(runs: Sequence[Run]) -> Rows:
    energy = joined(runs, "energy", 1)
    names = ("order", "clusters", "growth", "martingale", "attention_push")
    columns = [joined_or(runs, name, 1, np.zeros_like(energy)) for name in names]
    caps = joined_or(runs, "caps", 0, np.zeros((len(energy), 3)))
    rate = joined_or(runs, "attention_rate_realization", 0, np.full(len(energy), np.nan))
    frames = np.stack([energy, *columns], axis=2).reshape(len(energy), -1)
    return {"samples": np.concatenate([frames, caps, rate[:, None]], axis=1)}


def rows_spde(runs: Sequence[Run]) -> Rows:
    names = "mass min_density energy distance entropy tail tokens_energy mmd sobolev".split()
    numbers = [joined(runs, f"{name}_realizations", 1) for name in names]
    return {"numbers": np.stack(numbers, axis=2), "outgrown": joined(runs, "outgrown", 0)}


ROWS = {"limits": rows_limits, "chaos": rows_chaos, "sync": rows_sync, "spde": rows_spde}


def steps(run: Run) -> int:
    """Steps of a realization."""
    get = run.parameters.integer
    if run.study == "limits":
        return get("limits_reference")
    return get("layers_depth") * (get("chaos_restarts") + 1 if run.study == "chaos" else 1)


def frame_steps(run: Run) -> np.ndarray:
    """Steps of the frames with which rows begin."""
    depth, every = run.parameters.integer("layers_depth"), run.parameters.integer("output_every")
    return np.array([*range(0, depth, every), depth], dtype=np.int64)


def shared(run: Run) -> Rows:
    """The snapshots of spde, with room for those that were not taken."""
    data, found = run.study_data, {}
    if run.study != "spde" or "snapshot_time" not in data:
        return found
    most = min(run.parameters.integer("spde_snapshots"), len(data["time"]))
    for name in ("time", "density", "spectrum", "tokens", "weights"):
        values = data[f"snapshot_{name}"][:]
        if name != "weights":
            room = np.full((most,) + values.shape[1:], np.nan)
            room[: len(values)] = values
            values = room
        found[f"snapshot_{name}"] = values.ravel()
    return found


def seal(path: str) -> None:
    """The trailer of a checkpoint (src/run/checkpoint_file.c): its length and a checksum."""
    total, mask = 0, (1 << 64) - 1
    with open(path, "rb") as file:
        for block, data in enumerate(iter(lambda: file.read(1 << 20), b"")):
            z = ((block << 32) + zlib.crc32(data) + 0x9E3779B97F4A7C15) & mask
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            total = (total + (z ^ (z >> 31))) & mask
    length = os.path.getsize(path)
    with open(path, "ab") as file:
        file.write(struct.pack("=16sQQ", b"chorale trailer", length, total))


def set_text(group: h5py.Group, key: str, value: str) -> None:
    """An attribute of the type that chorale reads."""
    group.attrs.create(key, value, dtype=h5py.string_dtype("utf-8", len(value.encode()) + 1))


def checkpoint(runs: Sequence[Run], rows: Rows, path: str) -> int:
    """A checkpoint of a run of all realizations, at its end."""
    count = len(next(iter(rows.values())))
    with h5py.File(path, "w") as out:
        header = out.create_group("checkpoint")
        set_text(header, "format", "2")
        set_text(header, "study", runs[0].study)
        out["status/step"] = np.full(count, steps(runs[0]), dtype=np.int64)
        for name, values in rows.items():
            out[f"rows/{name}"] = values.reshape(count, -1)
        if runs[0].study == "sync":  # whose rows begin with frames
            out["frames/samples"] = frame_steps(runs[0])
        for name, values in shared(runs[0]).items():
            out[f"shared/{name}"] = values[np.newaxis]
        keys = {
            **runs[0].parameters,
            "ensemble_realizations": str(count),
            "ensemble_seed": runs[0].parameters["ensemble_seed"].split(",")[0],
        }
        parameters = out.create_group("parameters")
        for key, value in keys.items():
            set_text(parameters, key, value)
    seal(path)
    return count


def find_chorale() -> str:
    """The program: of the environment, of this tree, installed beside this tool, or of PATH."""
    tools = Path(__file__).resolve().parents[1]
    places = (tools.parent / "build/chorale", tools.parents[1] / "bin/chorale")
    built = next((str(path) for path in places if path.is_file()), None)
    found = os.environ.get("CHORALE") or built or shutil.which("chorale")
    if not found:
        where = "build it in build/, put it on PATH or name it in the variable CHORALE"
        raise Refused(f"needs the program chorale: {where}", 1)
    return found


def resume(study: str, count: int, folder: str) -> None:
    """Lets chorale end the run whose checkpoint and deck are in the folder."""
    keys = {
        "ensemble_realizations": count,
        "ensemble_groups": "auto",
        "checkpoint_resume": "true",
        "checkpoint_walltime": 0,
        "checkpoint_stop_file": f"{folder}/none",
        "output_file": f"{folder}/all.h5",
        "output_table": f"{folder}/all.csv",
        "progress": "off",
    }
    command = [find_chorale(), study, f"{folder}/deck.yaml"]
    for key, value in keys.items():
        command += [f"-{key}", str(value)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Refused(f"{command[0]}: {error.strerror}", 1) from error
    if done.returncode:
        lines = done.stderr.splitlines()
        lines = [line for line in lines if line.startswith("chorale")] or lines
        raise Refused(
            f"chorale could not combine the files: {(lines or ['no reason given'])[-1]}", 1
        )


def join_study(runs: Sequence[Run], target: str) -> None:
    """What a study says of all realizations: the program goes on from a checkpoint that has them,
    at the end of all steps."""
    rows = ROWS[runs[0].study](runs)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/all")
        count = checkpoint(runs, rows, f"{folder}/all/checkpoint.h5")
        Path(folder, "deck.yaml").write_text(runs[0].deck, encoding="utf-8")
        resume(runs[0].study, count, folder)
        shutil.copyfile(f"{folder}/all.h5", target)


def label(runs: Sequence[Run], count: int, target: str) -> None:
    """Parameters of the first file, with what was joined."""
    seeds = ",".join(run.parameters["ensemble_seed"] for run in runs)
    with h5py.File(target, "r+") as out:
        if "parameters" in out:
            del out["parameters"]
        runs[0].file.copy("parameters", out)
        set_text(out["parameters"], "ensemble_realizations", str(count))
        set_text(out["parameters"], "ensemble_seed", seeds)
        set_text(out["provenance"], "merged", " ".join(os.path.basename(run.path) for run in runs))


def check_all(runs: Sequence[Run]) -> None:
    """Refuses files that do not fit together."""
    seeds: dict[str, str] = {}
    for run in runs:
        joinable = run.study in ("simulate", *ROWS) if run.kind == "results" else True
        if not joinable or run.parameters.get("sync_map") == "true" and run.kind == "results":
            what = f"of study {run.study}, without realizations of seeds that could be joined"
            raise Refused(f"{run.path}: {what}")
        check(run, runs[0])
        for seed in run.parameters["ensemble_seed"].split(","):
            if seed in seeds:
                what = f"has the seed {seed} of {seeds[seed]}: the same realizations twice"
                raise Refused(f"{run.path}: {what}")
            seeds[seed] = run.path


def merge(target: str, paths: Sequence[str]) -> int:
    """Writes the joined file; returns how many realizations it has."""
    runs: list[Run] = []
    try:
        for path in paths:
            runs.append(io.open(path))
        check_all(runs)
        count = sum(run.parameters.integer("ensemble_realizations") for run in runs)
        with whole(target) as temporary:
            (join_simulate if runs[0].study == "simulate" else join_study)(runs, temporary)
            label(runs, count, temporary)
        return count
    finally:
        for run in runs:
            run.close()


def parse() -> argparse.Namespace:
    parser = Parser("merge", __doc__)
    parser.add_argument("target", metavar="OUT.h5", help="the joined file")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="results files, in the order in which their realizations shall stand",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing OUT.h5")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if os.path.exists(arguments.target) and not arguments.overwrite:
        raise Refused(f"{arguments.target}: exists already; --overwrite replaces it")
    if os.path.abspath(arguments.target) in map(os.path.abspath, arguments.files):
        raise Refused(f"{arguments.target}: is one of the files to be joined")
    with of_file(", ".join(arguments.files)):
        count = merge(arguments.target, arguments.files)
    print(f"{arguments.target}: {count} realizations of {len(arguments.files)} files")
