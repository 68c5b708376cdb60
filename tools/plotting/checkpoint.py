"""A checkpoint of any study: how far every realization has got. Its results are drawn when they are there."""
import matplotlib.pyplot as plt
import numpy as np

from plotting.common import LOOK, dress

MOST = 400  # bars


def figure(run):
    done = run.steps_done
    depth = [float(word) for word in run.parameters.get("limits_reference", "").split(",") if word] if run.study == "limits" else []
    total = max(depth + [float(word) for word in run.parameters.get("layers_depth", "0").split(",") if word] + [float(np.max(done, initial=0)), 1])
    finished, begun = int((done >= total).sum()), int((done > 0).sum())
    whole, axes = plt.subplots(figsize=(13, 5.6), layout="constrained")
    stride = -(-len(done) // MOST)
    place = np.arange(0, len(done), stride)
    axes.bar(place, 100 * done[place] / total, width=0.8 * stride, color=[LOOK.green if done[r] >= total else LOOK.blue for r in place])
    axes.set(ylim=(0, 100), xlim=(-0.6 * stride, len(done) - 1 + 0.6 * stride), xlabel="realization", ylabel="% of its steps")
    axes.xaxis.set_major_locator(plt.MaxNLocator(integer=True, nbins=12))
    return dress(whole, run, f"Checkpoint of {run.study}: {finished} of {len(done)} realizations are done, {begun - finished} under way, "
          f"{100 * done.sum() / (total * max(len(done), 1)):.0f}% of all steps", "-checkpoint_resume goes on from here")
