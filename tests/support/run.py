"""Runs chorale for the end-to-end tests and compares its files."""
import os
import subprocess

import h5py
import numpy as np

CHORALE = os.environ["CHORALE"]


def chorale(arguments, ranks=1, cwd=None, check=True, timeout=240):
    """`chorale ARGUMENTS` on so many ranks; returns the completed process."""
    command = ["mpirun", "-n", str(ranks), CHORALE] + [str(a) for a in arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def options(**keys):
    """{tokens_count: 64} as -tokens_count 64; True is a flag."""
    words = []
    for key, value in keys.items():
        words.append("-" + key)
        if value is not True:
            words.append(str(value))
    return words


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
