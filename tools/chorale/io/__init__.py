"""Files of chorale as arrays with names and units. Needs h5py and numpy.

    from chorale import io                   with tools/ on PYTHONPATH, or after pip install tools/
    with io.open("simulate.h5") as run:
        run.kind                             "results", "trajectory" or "checkpoint"
        run.study, run.complete              "simulate"; True
        run.parameters["tokens_count"]       text; also .integer(key), .real(key), .flag(key),
                                             .reals(key)
        run.provenance["date"], run.deck     text
        run.observables["energy"]            step[T], time[T], unit, description, and value, an h5py
                                             dataset [T][R...] that is read when it is sliced
        run.ensemble["energy"]               mean[T], sem[T] over the realizations
        run.table()                          {column: array} as the study prints it
        run.study_data["samples"]            every array of /study/NAME (h5py dataset)
        run.study_values["slope_depth"]      every number and text of /study/NAME
        run.trajectory(0)                    step[T], time[T], and position, an h5py dataset
                                             [T][N][d], one frame at a time
        run.to_pandas(), run.to_xarray()     the table; the observables with units, or a study's
                                             arrays
        run.plot()                           a figure of matplotlib; run.plot("energy") one panel
        run.view()                           in a notebook: the page of tools/view

Files of running and of killed jobs open too: what was not written yet is left out (T is smaller,
see also run.complete). They are opened without locks, so that a reader never stands in the way of
a job; h5py needs locking=False to open the same file at the same time. What cannot be read raises
BadFile, whose text is one line that begins with the file's name.

Energy against time, every realization:

    from chorale import io
    import matplotlib.pyplot as plt
    with io.open("simulate.h5") as run:
        energy = run.observables["energy"]
        plt.plot(energy.time, energy.values())
        plt.ylabel(energy.description)

Cosines of all pairs of tokens at a step (record positions with output_trajectories):

    with io.open("simulate.h5") as run:
        x = run.trajectory(0).at(step=100)
        cosine = x @ x.T

A sweep over two keys, {key: values} in the order of the axes; its cells are runs:

    with io.open("sweep.h5") as run:
        beta, value = run.sweep["attention_beta"], run.sweep["attention_value"]
        energy = run.study_data["energy_mean"][:, :, -1]  # [beta][value], at the end
        curve = run.cell(0, 2).table()["energy_mean"]  # over time

Join of several files:

    rows = []
    for path in sorted(glob.glob("sweep/*.h5")):
        with io.open(path) as run:
            rows.append((run.parameters.real("attention_beta"), run.table()["energy_mean"][-1]))
    beta, energy = np.array(rows).T

For pandas and xarray:

    with io.open("simulate.h5") as run:
        frame = run.to_pandas()
        array = run.to_xarray()["energy"]
"""

from __future__ import annotations

import os

from chorale.errors import BadFile
from chorale.io.hdf5 import SLAB, text
from chorale.io.run import Ensemble, Observable, Parameters, Run
from chorale.io.table import Table
from chorale.io.trajectory import POSITION, Frame, Trajectory

__all__ = [
    "BadFile",
    "Ensemble",
    "Frame",
    "Observable",
    "POSITION",
    "Parameters",
    "Run",
    "SLAB",
    "Table",
    "Trajectory",
    "open",
    "text",
]


def open(path: str | os.PathLike[str]) -> Run | Table:
    """A file that chorale wrote, to be used in a `with` or closed with close(); of study kernel the
    CSV table."""
    return Table(path) if str(path).endswith(".csv") else Run(path)
