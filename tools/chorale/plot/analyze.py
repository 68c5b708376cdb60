"""Study analyze: the observables of recorded trajectories like those of a run, and what was asked
for beside them: distances over time and histograms of cosines and coordinates."""

from __future__ import annotations

import os
from typing import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import SubFigure

from chorale.io import Run
from chorale.plot.common import LOOK, Picture, Series, borders, dress, found, log_values, time_axis
from chorale.plot.words import error_words, short
from chorale.plot.simulate import LEAST_SHARE, draw_run

REFERENCES = {"first": "first frame", "previous": "frame before", "other": "other file"}
DISTANCES = {"w2sq": ("blue", "$W_2^2$"), "mmd2": ("orange", "MMD$^2$")}
# title and what is on the axis
HISTOGRAMS = {
    "pair_hist": ("Cosines of all pairs", "cosine"),
    "coordinate_hist": ("First coordinate of the tokens", "coordinate"),
}


def label_of(run: Run, name: str) -> str:
    """Of a distance, as what it is: W2² exact, certified to a part of it, or bounded from one side;
    within 1% in files of version 0.5.0."""
    label, said = DISTANCES[name][1], run.observables[name].description
    if "sliced" in said:
        return f"sliced {label}, below {label}"
    if "w2sq_bounds" in run.observables and name == "w2sq":
        low, high = np.moveaxis(run.observables["w2sq_bounds"].values(), -1, 0)
        apart = high > low  # not of a frame that there is nothing to compare with
        gap = 100 * np.max((1 - low[apart] / high[apart]), initial=0)
        return f"{label} (certified to {short(gap)}%)" if gap > 0 else label
    return f"{label} within 1%" if "(sinkhorn)" in said else label


def draw_distances(run: Run, axes: Axes, names: Sequence[str]) -> None:
    """Against what was asked for, over time."""
    kept = {name: Series(run, name) for name in names}
    positive = np.concatenate([series.mean[series.mean > 0] for series in kept.values()])
    logarithmic = len(positive) and positive.max() > 50 * positive.min()
    for name, series in kept.items():
        if logarithmic:  # 0, of a frame against itself, is not on the axis
            series.mean, series.traces = (
                np.where(values > 0, values, np.nan) for values in (series.mean, series.traces)
            )
        series.draw(axes, getattr(LOOK, DISTANCES[name][0]), label_of(run, name))
    if logarithmic:
        log_values(axes)
    last, label = kept[names[0]].mean[-1], label_of(run, names[0])
    reference = REFERENCES.get(run.parameters.get("analyze_distance"), "reference")
    found(axes, f"{label} to the {reference}: {short(last)} at the end")
    axes.legend(loc="best")
    time_axis(axes, series.time)


def draw_histogram(run: Run, part: SubFigure, axes: Axes, name: str) -> None:
    """Over time; of several coordinates the first."""
    series = Series(run, name)
    share = series.mean[:, : run.parameters.integer("analyze_bins")]
    image = axes.pcolormesh(
        borders(series.time),
        np.linspace(-1, 1, share.shape[1] + 1),
        np.maximum(share.T, LEAST_SHARE),
        norm=LogNorm(LEAST_SHARE, 1),
        cmap="magma",
        rasterized=True,
    )
    part.colorbar(image, ax=axes, pad=0.015, extend="min", label="share")
    title, label = HISTOGRAMS[name]
    axes.set(title=title, ylabel=label)
    axes.grid(False)
    time_axis(axes, series.time)


def known(run: Run, name: str) -> bool:
    """Whether an observable has numbers: a distance that was not asked for is NaN."""
    return name in run.observables and bool(np.isfinite(Series(run, name).mean).any())


def figure(run: Run) -> Picture:
    draw, headline = draw_run(run)
    distances = [name for name in DISTANCES if known(run, name)]
    histograms = [name for name in HISTOGRAMS if name in run.observables]
    extra = bool(distances) + len(histograms)
    whole = plt.figure(figsize=(13, 13.6 if extra else 9.4), layout="constrained")
    if extra:
        above, below = whole.subfigures(2, 1, height_ratios=[2.2, 1])
        panels = np.atleast_1d(below.subplots(1, extra))
        if distances:
            draw_distances(run, panels[0], distances)
        for axes, name in zip(panels[bool(distances) :], histograms):
            draw_histogram(run, below, axes, name)
    else:
        above = whole.subfigures(1, 1)
    draw(above)
    name = os.path.basename(run.parameters.get("analyze_file", "a trajectory"))
    about = f"{error_words(run)}. Recomputed from the positions in {name}"
    return dress(whole, run, headline, about)
