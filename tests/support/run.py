"""Runs chorale for the end-to-end tests, reads its files and compares them."""

import csv
import os
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np

CHORALE = os.environ["CHORALE"]
HOOKED = os.environ["CHORALE_HOOKED"]  # the same, but for what happens at a step (step.c)
DATA = Path(__file__).parent / "data"  # what others computed
PATIENCE = 1800  # seconds until a run that hangs is given up, on any machine


def run(program, arguments, ranks=1, cwd=None, check=True, timeout=PATIENCE, **environment):
    """`PROGRAM ARGUMENTS` on so many ranks; returns the completed process."""
    command = ["mpirun", "-n", str(ranks), program] + [str(a) for a in arguments]
    keys = dict(cwd=cwd, env={**os.environ, **environment}, timeout=timeout, check=False)
    done = subprocess.run(command, capture_output=True, text=True, **keys)
    if check and done.returncode:
        words = " ".join(command)
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def chorale(arguments, ranks=1, cwd=None, check=True, timeout=PATIENCE):
    """`chorale ARGUMENTS` on so many ranks; returns the completed process."""
    return run(CHORALE, arguments, ranks, cwd, check, timeout)


def hooked(hook, arguments, ranks=1, cwd=None, check=True, timeout=PATIENCE):
    """`chorale ARGUMENTS` with what the hook says in the middle of the run."""
    return run(HOOKED, arguments, ranks, cwd, check, timeout, CHORALE_HOOK=hook)


def options(**keys):
    """{tokens_count: 64} as -tokens_count 64; True is a flag."""
    words = []
    for key, value in keys.items():
        words.append("-" + key)
        if value is not True:
            words.append(str(value))
    return words


def refused(arguments, message, ranks=1, cwd=None):
    """Bad input: exit code 2, one line of chorale's that matches the message, and not a file made or lost."""
    before = sorted(os.listdir(cwd or "."))
    command = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    command += [CHORALE] + [str(a) for a in arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("chorale:")]
    assert done.returncode == 2, (command, done.returncode, done.stdout, done.stderr)
    assert len(lines) == 1 and re.search(message, lines[0]), (command, done.stderr)
    assert sorted(os.listdir(cwd or ".")) == before, command


def table(path):
    """Rows of a CSV file as {column: text}."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def study(path, name):
    """Attributes and datasets of /study/NAME, two dicts."""
    with h5py.File(path, "r") as file:
        group = file["study"][name]
        return dict(group.attrs), {key: group[key][()] for key in group}


def trajectory(path):
    """time[T] and position[T][N][d] of one realization's file."""
    with h5py.File(path, "r") as file:
        position = file["particles/all/position"]
        return position["time"][()], position["value"][()]


def trajectories(stem, realizations):
    """time[T] and position[R][T][N][d] of a run whose output_file is STEM.h5."""
    found = [trajectory(f"{stem}/realization_{r:05}.h5md") for r in range(realizations)]
    return found[0][0], np.array([position for _, position in found])


def datasets(path, skip=("provenance", "parameters", "particles")):
    """All datasets of a file outside the skipped top-level groups, by path. Particles are links to other files."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and name.split("/")[0] not in skip:
            found[name] = item[()]

    with h5py.File(path, "r") as file:
        for group in file:
            if group not in skip:
                file[group].visititems(lambda name, item, group=group: visit(f"{group}/{name}", item))
    return found


def same_bits(a, b):
    """Names of the datasets of two {path: array} whose bits differ."""
    if a.keys() != b.keys():
        return sorted(a.keys() ^ b.keys())
    return [name for name in a if np.asarray(a[name]).tobytes() != np.asarray(b[name]).tobytes()]


def with_error(values):
    """Means of values[R][...] over the realizations, and their standard errors."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
