"""Study simulate with scheme_levels: how means and variances of the differences of two depths fall,
and what of the steps that is worth."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io import Run
from chorale.plot.common import LOOK, Picture, columns, count_axis, dress, found
from chorale.plot.words import interval
from chorale.plot.common import log_values
from chorale.plot.words import short, with_interval

WATCHED = ("energy", "order", "cosine_mean")  # the columns of level_mean and level_variance


def colours() -> tuple[str, str, str]:
    return LOOK.orange, LOOK.blue, LOOK.green


def draw_falls(run: Run, axes: Axes, name: str, rate: str) -> None:
    """The sizes of a number of all levels with their intervals; of the differences the fitted
    power of the depth, through their middle."""
    depth, value, low, high = columns(
        run, "level_depth", *(name + e for e in ("", "_low", "_high"))
    )
    for w, (watched, colour) in enumerate(zip(WATCHED, colours())):
        size, half = np.abs(value[:, w]), np.nan_to_num((high - low)[:, w] / 2)
        bars = [np.minimum(half, 0.9 * size), half]  # a log axis has no room below 0
        exponent = interval(run.study_values, f"{rate}_{watched}")[0]
        fitted = with_interval(run.study_values, f"{rate}_{watched}")
        label = f"{watched}: $L^{{-a}}$, a = {fitted}"
        if not np.isfinite(exponent):
            label = f"{watched}: power not resolved"
        look = {"fmt": "o", "markersize": 6, "color": colour, "capsize": 2}
        axes.errorbar(depth[1:], size[1:], [b[1:] for b in bars], label=label, **look)
        look = {"fmt": "s", "markersize": 7, "color": colour, "markerfacecolor": "none"}
        axes.errorbar(depth[:1], size[:1], [b[:1] for b in bars], **look)
        if np.isfinite(exponent):
            middle = np.exp(np.mean(np.log(size[1:]) + exponent * np.log(depth[1:])))
            axes.plot(depth[1:], middle * depth[1:] ** -exponent, color=colour, linewidth=1.5)
    log_values(axes)
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** 0.35, high)  # room for the legend
    count_axis(axes, depth, "depth L")
    axes.legend(loc="lower left")


def figure(run: Run) -> Picture:
    (depth,) = columns(run, "level_depth")
    whole, axes = plt.subplots(1, 2, figsize=(14, 7.4), layout="constrained")
    draw_falls(run, axes[0], "level_mean", "rate_mean")
    axes[0].set_ylabel("size of the mean at T")
    draw_falls(run, axes[1], "level_variance", "rate_variance")
    axes[1].set_ylabel("variance of a sample at T")
    a, b = (interval(run.study_values, f"rate_{name}_energy")[0] for name in ("mean", "variance"))
    words = ("Differences to half the depth", "Their variances")
    for panel, word, value in zip(axes, words, (a, b)):
        fall = f" fall as $L^{{-{value:.2f}}}$ (energy)" if np.isfinite(value) else ""
        found(panel, word + fall)
    gain = interval(run.study_values, "gain_energy")[0]
    depths = f"{len(depth)} depths up to {depth[-1]:g}"
    headline = f"{depths} take {short(gain)} times fewer steps than plain realizations"
    if not np.isfinite(gain) or gain <= 1:
        headline = f"{depths} save no steps"
    about = "Squares: the first level itself; dots: differences of two depths along one noise"
    return dress(whole, run, headline, about + ". Bars: 95% intervals; lines: fits")
