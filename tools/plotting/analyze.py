"""Study analyze: the observables of recorded trajectories like those of a run, and what was asked for beside them: distances over time and
histograms of cosines and coordinates."""
import os

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plotting.common import LOOK, Series, dress, found, log_values, short, time_axis
from plotting.simulate import draw_run

REFERENCES = {"first": "first frame", "previous": "frame before", "other": "other file"}
DISTANCES = {"w2sq": ("blue", "$W_2^2$"), "mmd2": ("orange", "MMD$^2$")}


def draw_distances(run, axes, names):
    kept = {name: Series(run, name) for name in names}
    positive = np.concatenate([series.mean[series.mean > 0] for series in kept.values()])
    logarithmic = len(positive) and positive.max() > 50 * positive.min()
    for name, series in kept.items():
        if logarithmic:  # 0, of a frame against itself, is not on the axis
            series.mean, series.traces = (np.where(values > 0, values, np.nan) for values in (series.mean, series.traces))
        series.draw(axes, getattr(LOOK, DISTANCES[name][0]), DISTANCES[name][1])
    if logarithmic:
        log_values(axes)
    last = kept[names[0]].mean[-1]
    found(axes, f"{DISTANCES[names[0]][1]} to the {REFERENCES.get(run.parameters.get('analyze_distance'), 'reference')}: {short(last)} at the end")
    axes.legend(loc="best")
    time_axis(axes, series.time)


def draw_histogram(run, part, axes, name):
    """Over time; of several coordinates the first."""
    series = Series(run, name)
    bins = run.parameters.integer("analyze_bins")
    share = series.mean[:, :bins]
    time = series.time
    edges = np.concatenate([time[:1], (time[1:] + time[:-1]) / 2, time[-1:]]) if len(time) > 1 else np.array([time[0], time[0] + 1])
    image = axes.pcolormesh(edges, np.linspace(-1, 1, share.shape[1] + 1), np.maximum(share.T, 1e-5), norm=LogNorm(1e-5, 1), cmap="magma", rasterized=True)
    part.colorbar(image, ax=axes, pad=0.015, extend="min", label="share")
    axes.set(title={"pair_hist": "Cosines of all pairs", "coordinate_hist": "First coordinate of the tokens"}[name], ylabel="cosine" if name == "pair_hist" else "coordinate")
    axes.grid(False)
    time_axis(axes, time)


def figure(run):
    draw, headline = draw_run(run)
    distances = [name for name in DISTANCES if name in run.observables and np.isfinite(Series(run, name).mean).any()]
    histograms = [name for name in ("pair_hist", "coordinate_hist") if name in run.observables]
    extra = bool(distances) + len(histograms)
    whole = plt.figure(figsize=(13, 13.6 if extra else 9.4), layout="constrained")
    if extra:
        above, below = whole.subfigures(2, 1, height_ratios=[2.2, 1])
        panels = np.atleast_1d(below.subplots(1, extra))
        if distances:
            draw_distances(run, panels[0], distances)
        for axes, name in zip(panels[bool(distances):], histograms):
            draw_histogram(run, below, axes, name)
    else:
        above = whole.subfigures(1, 1)
    draw(above)
    return dress(whole, run, headline, f"Recomputed from the positions in {os.path.basename(run.parameters.get('analyze_file', 'a trajectory'))}")
