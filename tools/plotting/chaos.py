"""Study chaos: sup over time of W2^2, MMD^2 and coupling distance against N, mean of the realizations with 95% intervals, their
power laws, the rate of the intrinsic dimension and the paper's bound as the upper envelope; W2^2 over time; and, when there were
restarts, the correlation of two tokens given the noise."""
import matplotlib.pyplot as plt
import numpy as np

from plotting.common import LOOK, bars, columns, count_axis, dress, found, interval, log_values, mark, time_axis, with_interval

# name: colour, marker, label
QUANTITIES = {"w2sq": ("blue", "o", "$W_2^2$"), "mmd2": ("orange", "s", "MMD$^2$"), "coupling": ("green", "^", "coupling")}
BOUND = {2: "N^{-1/2}", 3: "N^{-1/2}", 4: "N^{-1/2}\\,\\log(1+N)"}
INTRINSIC = {2: "N^{-1}", 3: "N^{-1}\\,\\log(1+N)"}


def anchored(rate, values, envelope=False):
    """The rate times a constant: through the values in the mean, or the least one that lies above all of them."""
    factor = values / rate
    return rate * (factor.max() if envelope else np.exp(np.log(factor).mean()))


def draw_rates(run, axes, dim):
    count, w2sq, bound, intrinsic = columns(run, "tokens", "w2sq", "bound", "intrinsic")
    for name, (colour, marker, label) in QUANTITIES.items():
        mean, sem = columns(run, name, f"{name}_sem")
        if not (np.isfinite(mean) & (mean > 0)).all():
            continue
        colour, value = getattr(LOOK, colour), interval(run.study_values, f"slope_{name}")[0]
        fitted = f", slope {with_interval(run.study_values, f'slope_{name}')}" if np.isfinite(value) else ""
        axes.errorbar(count, mean, yerr=None if bars(sem) is None else np.minimum(bars(sem), 0.999 * mean), fmt=marker, color=colour, capsize=3, markersize=6, label=label + fitted)
        if np.isfinite(value):
            axes.plot(count, anchored(count**value, mean), color=colour, linewidth=1.4)
    if not np.isfinite(w2sq).all():  # left out for large N off the circle
        w2sq = columns(run, "mmd2")[0]
    axes.plot(count, anchored(bound, w2sq, True), color=LOOK.ink, linestyle="--", linewidth=1.6,
              label=f"the paper's bound of $W_2^2$, ${BOUND.get(dim, f'N^{{-2/{dim}}}')}$")
    axes.plot(count, anchored(intrinsic, w2sq), color=LOOK.faint, linestyle=":", linewidth=2.2,
              label=f"intrinsic dimension {dim - 1}, ${INTRINSIC.get(dim, f'N^{{-2/{dim - 1}}}')}$")
    count_axis(axes, count, "tokens N")
    axes.set(yscale="log", ylabel="distance", title="Mean of the largest distance to " + target(run))
    axes.legend(loc="lower left")
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** 0.5, high)  # room for the legend
    log_values(axes)


def target(run):
    reference = run.study_values["reference"]
    if reference == "twin":
        return "a twin"
    size = int(run.study_values["reference_tokens"])
    return f"the limit ({size} nodes)" if reference == "quadrature" else f"a system of {size} tokens"


def draw_times(run, axes):
    """A line for each N."""
    count, time, frames = columns(run, "tokens", "time", "w2sq_frames")
    mean = frames.mean(axis=0)
    half = 1.96 * frames.std(axis=0, ddof=1) / np.sqrt(len(frames)) if len(frames) > 1 else np.zeros_like(mean)
    colours = LOOK.sequence(len(count))
    for i, N in enumerate(count):
        if not np.isfinite(mean[:, i]).all():
            continue
        colour = colours[i]
        axes.fill_between(time, np.maximum(mean[:, i] - half[:, i], 1e-3 * mean[:, i]), mean[:, i] + half[:, i], color=colour, alpha=0.25, linewidth=0)
        axes.plot(time, mean[:, i], color=colour, linewidth=2, marker="o" if len(time) < 8 else None, markersize=4, label=f"N = {N:.0f}")
    axes.set(yscale="log", title="Mean of $W_2^2$ over time")
    if decreasing(mean):
        found(axes, "Mean of $W_2^2$ over time: less with every N")
    time_axis(axes, time)
    log_values(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def draw_correlation(run, axes):
    count, mean, sem = columns(run, "tokens", "correlation", "correlation_sem")
    axes.axhline(0, color=LOOK.soft, linewidth=1)
    axes.errorbar(count, count * mean, yerr=bars(count * sem), fmt="o", color=LOOK.blue, capsize=3)
    count_axis(axes, count, "tokens N")
    axes.set(ylabel="N × correlation", title="Two tokens, given the noise: correlation times N")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.1 * high), high)


def decreasing(mean):
    return bool((np.diff(mean[-1]) < 0).all())


def headline(run, dim):
    name = "w2sq" if np.isfinite(interval(run.study_values, "slope_w2sq")[0]) else "mmd2"
    value, low, high = interval(run.study_values, f"slope_{name}")
    if not np.isfinite(value):
        return "N tokens beside their limit along the same noise"
    bound = float(run.study_values.get("slope_bound", np.nan))
    intrinsic = float(run.study_values.get("slope_intrinsic", np.nan))
    label = {"w2sq": "W₂²", "mmd2": "MMD²"}[name]
    seen = "beside" if np.isnan(low + high) else "as fast as" if low <= bound <= high else "faster than" if high < bound else "slower than"
    return (f"{label} falls with slope {value:.2f}, {seen} the paper's bound {bound:.2f}{mark(low <= bound, low, high, bound)} "
            f"(dimension d − 1 = {dim - 1} predicts {intrinsic:.2f})").replace("-", "−")


def figure(run):
    dim = run.parameters.integer("tokens_dim")
    with_correlation = "correlation" in run.study_data
    whole = plt.figure(figsize=(14.5, 9.4 if with_correlation else 8), layout="constrained")
    grid = whole.add_gridspec(2 if with_correlation else 1, 2, width_ratios=[1.3, 1])
    draw_rates(run, whole.add_subplot(grid[:, 0]), dim)
    draw_times(run, whole.add_subplot(grid[0, 1]))
    if with_correlation:
        draw_correlation(run, whole.add_subplot(grid[1, 1]))
    return dress(whole, run, headline(run, dim), "Bars and bands: 95% intervals; lines: fitted power laws")
