"""A checkpoint of any study: how far every realization has got. Its results are drawn when they are
there."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from chorale.io import Run
from chorale.plot.common import LOOK, Picture, dress

MOST = 400  # bars


def steps_of(run: Run) -> float:
    """How many steps a realization has: the most of a list of depths."""
    keys = ["layers_depth"] + (["limits_reference"] if run.study == "limits" else [])
    words = [word for key in keys for word in run.parameters.get(key, "").split(",") if word]
    return max([*map(float, words), float(np.max(run.steps_done, initial=0)), 1])


def figure(run: Run) -> Picture:
    done, total = run.steps_done, steps_of(run)
    finished, begun = int((done >= total).sum()), int((done > 0).sum())
    whole, axes = plt.subplots(figsize=(13, 5.6), layout="constrained")
    stride = -(-len(done) // MOST)
    place = np.arange(0, len(done), stride)
    colours = [LOOK.green if done[r] >= total else LOOK.blue for r in place]
    axes.bar(place, 100 * done[place] / total, width=0.8 * stride, color=colours)
    axes.set(ylim=(0, 100), xlim=(-0.6 * stride, len(done) - 1 + 0.6 * stride))
    axes.set(xlabel="realization", ylabel="% of its steps")
    axes.xaxis.set_major_locator(plt.MaxNLocator(integer=True, nbins=12))
    share = 100 * done.sum() / (total * max(len(done), 1))
    headline = (
        f"Checkpoint of {run.study}: {finished} of {len(done)} realizations are done, "
        f"{begun - finished} under way, {share:.0f}% of all steps"
    )
    return dress(whole, run, headline, "-checkpoint_resume goes on from here")
