"""Study chaos: sup over time of W2^2, MMD^2 and coupling distance against N, mean of the
realizations with 95% intervals, their power laws, the rate of the intrinsic dimension and the
paper's bound as the upper envelope; W2^2 over time; and, when there were restarts, the correlation
of two tokens given the noise."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io import Run
from chorale.plot.common import (
    LOOK,
    Picture,
    bars,
    columns,
    count_axis,
    dress,
    factor,
    found,
    log_values,
    time_axis,
)
from chorale.plot.words import decided, interval, mark, short, undecided, with_interval

# name: colour, marker, label
QUANTITIES = {
    "w2sq": ("blue", "o", "$W_2^2$"),
    "mmd2": ("orange", "s", "MMD$^2$"),
    "coupling": ("green", "^", "coupling"),
}
BOUND = {2: "N^{-1/2}", 3: "N^{-1/2}", 4: "N^{-1/2}\\,\\log(1+N)"}
INTRINSIC = {2: "N^{-1}", 3: "N^{-1}\\,\\log(1+N)"}


def bound_of(dim: int) -> str:
    """The paper's rate in R^d, as a formula."""
    return BOUND.get(dim, f"N^{{-2/{dim}}}")


def intrinsic_of(dim: int) -> str:
    """The rate of dimension d - 1, as a formula."""
    return INTRINSIC.get(dim, f"N^{{-2/{dim - 1}}}")


def anchored(rate: np.ndarray, values: np.ndarray, envelope: bool = False) -> np.ndarray:
    """The rate times a constant: through the values in the mean, or the least one that lies above
    all of them."""
    factor = values / rate
    return rate * (factor.max() if envelope else np.exp(np.log(factor).mean()))


def draw_quantity(run: Run, axes: Axes, name: str) -> None:
    """A distance against N with its power law; nothing where it is not known for every N."""
    count, mean, sem = columns(run, "tokens", name, f"{name}_sem")
    if not (np.isfinite(mean) & (mean > 0)).all():
        return
    colour, marker, label = QUANTITIES[name]
    colour, slope = getattr(LOOK, colour), interval(run.study_values, f"slope_{name}")[0]
    fitted = np.isfinite(slope)
    if fitted:
        label += f", slope {with_interval(run.study_values, f'slope_{name}')}"
    half = bars(run, sem)
    half = None if half is None else np.minimum(half, 0.999 * mean)
    look = {"fmt": marker, "color": colour, "capsize": 3, "markersize": 6}
    axes.errorbar(count, mean, yerr=half, label=label, **look)
    if fitted:
        axes.plot(count, anchored(count**slope, mean), color=colour, linewidth=1.4)


def draw_rates(run: Run, axes: Axes, dim: int) -> None:
    """Everything against N, beside what is proved and what is expected."""
    count, w2sq, bound, intrinsic = columns(run, "tokens", "w2sq", "bound", "intrinsic")
    for name in QUANTITIES:
        draw_quantity(run, axes, name)
    if not np.isfinite(w2sq).all():  # version 0.5.0 left it out for large N off the circle
        (w2sq,) = columns(run, "mmd2")
    label = f"the paper's bound of $W_2^2$, ${bound_of(dim)}$"
    look = {"color": LOOK.ink, "linestyle": "--", "linewidth": 1.6}
    axes.plot(count, anchored(bound, w2sq, True), label=label, **look)
    label = f"intrinsic dimension {dim - 1}, ${intrinsic_of(dim)}$"
    look = {"color": LOOK.faint, "linestyle": ":", "linewidth": 2.2}
    axes.plot(count, anchored(intrinsic, w2sq), label=label, **look)
    count_axis(axes, count, "tokens N")
    axes.set(yscale="log", ylabel="distance")
    axes.set_title("Mean of the largest distance to " + target(run))
    axes.legend(loc="lower left")
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** 0.5, high)  # room for the legend
    log_values(axes)


def target(run: Run) -> str:
    """What the tokens were compared with."""
    reference = run.study_values["reference"]
    if reference == "twin":
        return "a twin"
    size = int(run.study_values["reference_tokens"])
    return (
        f"the limit ({size} nodes)" if reference == "quadrature" else f"a system of {size} tokens"
    )


def draw_times(run: Run, axes: Axes) -> None:
    """A line for each N."""
    count, time, frames = columns(run, "tokens", "time", "w2sq_frames")
    mean, half = frames.mean(axis=0), np.zeros(frames.shape[1:])
    if len(frames) > 1:
        half = factor(run) * frames.std(axis=0, ddof=1) / np.sqrt(len(frames))
    for i, (N, colour) in enumerate(zip(count, LOOK.sequence(len(count)))):
        if not np.isfinite(mean[:, i]).all():
            continue
        low, high = np.maximum(mean[:, i] - half[:, i], 1e-3 * mean[:, i]), mean[:, i] + half[:, i]
        axes.fill_between(time, low, high, color=colour, alpha=0.25, linewidth=0)
        look = {"linewidth": 2, "marker": "o" if len(time) < 8 else None, "markersize": 4}
        axes.plot(time, mean[:, i], color=colour, label=f"N = {N:.0f}", **look)
    axes.set(yscale="log", title="Mean of $W_2^2$ over time")
    if decreasing(mean):
        found(axes, "Mean of $W_2^2$ over time: less with every N")
    time_axis(axes, time)
    log_values(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def draw_correlation(run: Run, axes: Axes) -> None:
    """Of two tokens given the noise, times N."""
    count, mean, sem = columns(run, "tokens", "correlation", "correlation_sem")
    axes.axhline(0, color=LOOK.soft, linewidth=1)
    half = bars(run, count * sem)
    axes.errorbar(count, count * mean, yerr=half, fmt="o", color=LOOK.blue, capsize=3)
    count_axis(axes, count, "tokens N")
    axes.set(ylabel="N × correlation", title="Two tokens, given the noise: correlation times N")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.1 * high), high)


def decreasing(mean: np.ndarray) -> bool:
    """Whether the last of the means[time][N] fall with every N."""
    return bool((np.diff(mean[-1]) < 0).all())


def headline(run: Run, dim: int) -> str:
    """The measured slope beside the bound's and the intrinsic dimension's."""
    values = run.study_values
    name = "w2sq" if np.isfinite(interval(values, "slope_w2sq")[0]) else "mmd2"
    value, low, high = interval(values, f"slope_{name}")
    if not np.isfinite(value):
        return "N tokens beside their limit along the same noise"
    bound, intrinsic = (float(values.get(f"slope_{key}", np.nan)) for key in ("bound", "intrinsic"))
    label = {"w2sq": "W₂²", "mmd2": "MMD²"}[name]
    seen = "faster than" if high < bound else "slower than"
    if np.isnan(low + high):
        seen = "beside"
    elif low <= bound <= high:
        seen = "as fast as"
    word = values.get("slope_w2sq_verdict") if name == "w2sq" else None
    verdict = mark(decided(word)) + undecided(word)
    words = (
        f"{label} falls with slope {value:.2f}, {seen} the paper's bound {bound:.2f}{verdict} "
        f"(dimension d − 1 = {dim - 1} predicts {intrinsic:.2f})"
    )
    return words.replace("-", "−")


def certified(run: Run) -> str:
    """How well W2² is known."""
    if "w2sq_gap" not in run.study_values:  # of version 0.5.0
        sinkhorn = "sinkhorn" in run.study_values.get("method", "")
        return "; $W_2^2$ of the larger N by Sinkhorn, within 1%" if sinkhorn else ""
    gap = 100 * float(run.study_values["w2sq_gap"])
    if gap == 0:
        return "; $W_2^2$ is exact"
    return f"; $W_2^2$ is certified, the true value at most {short(gap)}% below what is drawn"


def figure(run: Run) -> Picture:
    dim = run.parameters.integer("tokens_dim")
    correlation = "correlation" in run.study_data
    whole = plt.figure(figsize=(14.5, 9.4 if correlation else 8), layout="constrained")
    grid = whole.add_gridspec(2 if correlation else 1, 2, width_ratios=[1.3, 1])
    draw_rates(run, whole.add_subplot(grid[:, 0]), dim)
    draw_times(run, whole.add_subplot(grid[0, 1]))
    if correlation:
        draw_correlation(run, whole.add_subplot(grid[1, 1]))
    about = "Bars and bands: 95% intervals; lines: fitted power laws" + certified(run)
    return dress(whole, run, headline(run, dim), about)
