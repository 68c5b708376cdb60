"""Study sync with sync_starts: the diameters of the union of all starts, where the limit points of
the realizations lie, and how many a noise path has."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io import Run
from chorale.plot.common import FADED_TRACES, LOOK, Picture, columns, dress, found, time_axis
from chorale.plot.words import with_interval

BINS = 16


def draw_diameter(run: Run, axes: Axes, time: np.ndarray, name: str, words: str) -> None:
    """Single realizations, their median, and the decay that the exponent says."""
    values = run.study_data[name][()]
    shown = np.where(values > 0, values, np.nan)
    axes.plot(time, shown[:, :FADED_TRACES], color=LOOK.faint, alpha=0.35, linewidth=0.6)
    median = np.nanmedian(shown, axis=1)
    axes.plot(time, median, color=LOOK.blue, linewidth=2.8, label="median")
    rate, measured = (float(run.study_values[key]) for key in ("lambda1_cluster", "meeting"))
    if name == "folded" and np.isfinite(rate + measured):
        half = len(time) // 2
        label = f"$\\lambda_1$ = {rate:.3f}; measured ".replace("-", "−")
        label += with_interval(run.study_values, "meeting")
        line = median[half] * np.exp(rate * (time - time[half]))
        axes.plot(time, line, color=LOOK.orange, linewidth=2, linestyle="--", label=label)
    axes.set(yscale="log", ylabel=words)
    time_axis(axes, time)
    axes.legend(loc="lower left")


def points_of(run: Run) -> np.ndarray:
    """The limit points [count][d]; of two antipodal ones both."""
    points, attractor = columns(run, "points", "attractor")
    return np.concatenate([attractor[points >= 1], -attractor[points == 2]])


def draw_places(axes: Axes, places: np.ndarray) -> None:
    """The first two coordinates, in the disk."""
    angle = np.linspace(0, 2 * np.pi, 361)
    axes.plot(np.cos(angle), np.sin(angle), color=LOOK.soft, linewidth=1)
    axes.plot(places[:, 0], places[:, 1], ".", color=LOOK.green, markersize=5, alpha=0.7)
    found(axes, f"{len(places)} limit points, seen along the other axes")
    axes.set(xlabel="$a_1$", ylabel="$a_2$", aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))


def draw_coordinate(run: Run, axes: Axes, places: np.ndarray) -> None:
    """The histogram of the first coordinate beside the uniform law (1-u^2)^((d-3)/2), each bin
    with its part of it."""
    d, edges = places.shape[1], np.linspace(-1, 1, BINS + 1)
    fine = np.linspace(0, np.pi, 20001)
    law = np.concatenate([[0], np.cumsum(np.sin(fine[:-1]) ** (d - 2))])
    share = np.diff(np.interp(np.arccos(-edges), fine, law / law[-1]))
    axes.hist(places[:, 0], bins=edges, color=LOOK.green, alpha=0.7, label="limit points")
    look = {"color": LOOK.ink, "linewidth": 1.6}
    axes.stairs(len(places) * share, edges, label="uniform on the sphere", **look)
    off = float(run.study_values["uniform_second"])
    verdict = run.study_values["uniform_verdict"]
    words = f": {verdict} ({off:+.1f} s.d.)" if np.isfinite(off) else ""
    found(axes, f"Uniform by isotropy{words}".replace("-", "−"))
    axes.set(xlabel="first coordinate $a_1$", ylabel="number")
    axes.legend(loc="lower center")


def figure(run: Run) -> Picture:
    (time,) = columns(run, "time")
    one, two = (100 * float(run.study_values[key]) for key in ("share_one", "share_two"))
    places = points_of(run)
    rows = 2 if len(places) else 1
    whole, axes = plt.subplots(
        rows, 2, figsize=(13, 2 + 4 * rows), layout="constrained", squeeze=False
    )
    draw_diameter(run, axes[0, 0], time, "diameter", "diameter of the union")
    found(axes[0, 0], f"{one:.0f}% of the noise paths have met in one point")
    draw_diameter(run, axes[0, 1], time, "folded", "diameter up to the sign of a token")
    found(axes[0, 1], f"{two:.0f}% have met in two antipodal points")
    if len(places):
        draw_places(axes[1, 0], places)
        draw_coordinate(run, axes[1, 1], places)
    starts = run.parameters.integer("sync_starts")
    odd = float(run.study_values["antipodal"]) == 1
    kind = "Odd noise: two antipodal points" if odd else "One point"
    headline = f"{kind} from {starts} starts along each noise path"
    if one + two < 50:
        headline = f"{starts} starts along each noise path, most of which have not met"
    return dress(whole, run, headline, "Thin lines: single noise paths")
