"""Study chaos: sup over time of W2^2, MMD^2 and coupling distance against N, mean of the realizations with 95% intervals, their
power laws, the rate of the intrinsic dimension and the paper's bound as the upper envelope; W2^2 over time; and, when there were
restarts, the correlation of two tokens given the noise."""
import matplotlib.pyplot as plt
import numpy as np

from plotting.common import BLUE, GREEN, GREY, INK, ORANGE, TOKENS, BadFile, columns, interval, number, parameters, text, title, with_interval

# name: colour, marker, label
QUANTITIES = {"w2sq": (BLUE, "o", "$W_2^2$"), "mmd2": (ORANGE, "s", "MMD$^2$"), "coupling": (GREEN, "^", "coupling")}
BOUND = {2: "N^{-1/2}", 3: "N^{-1/2}", 4: "N^{-1/2}\\,\\log(1+N)"}
INTRINSIC = {2: "N^{-1}", 3: "N^{-1}\\,\\log(1+N)"}


def anchored(rate, values, envelope=False):
    """The rate times a constant: through the values in the mean, or the least one that lies above all of them."""
    factor = values / rate
    return rate * (factor.max() if envelope else np.exp(np.log(factor).mean()))


def draw_rates(axes, group, dim):
    count, w2sq, bound, intrinsic = columns(group, "tokens", "w2sq", "bound", "intrinsic")
    for name, (colour, marker, label) in QUANTITIES.items():
        mean, sem = columns(group, name, f"{name}_sem")
        if not (np.isfinite(mean) & (mean > 0)).all():
            continue
        value = interval(group.attrs, f"slope_{name}")[0]
        fitted = f", slope {with_interval(group.attrs, f'slope_{name}')}" if np.isfinite(value) else ""
        axes.errorbar(count, mean, yerr=np.minimum(1.96 * sem, 0.999 * mean), fmt=marker, color=colour, capsize=3, markersize=6, label=label + fitted)
        if np.isfinite(value):
            axes.plot(count, anchored(count**value, mean), color=colour, linewidth=1.4)
    if not np.isfinite(w2sq).all():  # left out for large N off the circle
        w2sq = columns(group, "mmd2")[0]
    axes.plot(count, anchored(bound, w2sq, True), color=INK, linestyle="--", linewidth=1.6,
              label=f"the paper's bound of $W_2^2$, ${BOUND.get(dim, f'N^{{-2/{dim}}}')}$")
    axes.plot(count, anchored(intrinsic, w2sq), color=GREY, linestyle=":", linewidth=2.2,
              label=f"intrinsic dimension {dim - 1}, ${INTRINSIC.get(dim, f'N^{{-2/{dim - 1}}}')}$")
    axes.set(xscale="log", yscale="log", xlabel="tokens N", title="E sup$_t$ of the distance to " + target(group))
    axes.legend(loc="lower left", framealpha=0.9)
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** 0.25, high)  # room for the legend


def target(group):
    reference = text(group.attrs["reference"])
    if reference == "twin":
        return "a twin"
    size = int(group.attrs["reference_tokens"])
    return f"the limit ({size} nodes)" if reference == "quadrature" else f"a system of {size} tokens"


def draw_times(axes, group):
    """A line for each N."""
    count, time, frames = columns(group, "tokens", "time", "w2sq_frames")
    mean = frames.mean(axis=0)
    half = 1.96 * frames.std(axis=0, ddof=1) / np.sqrt(len(frames)) if len(frames) > 1 else np.zeros_like(mean)
    for i, N in enumerate(count):
        if not np.isfinite(mean[:, i]).all():
            continue
        colour = TOKENS(0.9 * i / max(len(count) - 1, 1))
        axes.fill_between(time, np.maximum(mean[:, i] - half[:, i], 1e-3 * mean[:, i]), mean[:, i] + half[:, i], color=colour, alpha=0.25, linewidth=0)
        axes.plot(time, mean[:, i], color=colour, linewidth=2, marker="o" if len(time) < 8 else None, markersize=4, label=f"N = {N:.0f}")
    axes.set(yscale="log", xlabel="time t", title="Mean of $W_2^2$ to " + target(group))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def draw_correlation(axes, group):
    count, mean, sem = columns(group, "tokens", "correlation", "correlation_sem")
    axes.axhline(0, color=INK, linewidth=1)
    axes.errorbar(count, count * mean, yerr=1.96 * count * sem, fmt="o", color=BLUE, capsize=3)
    axes.set(xscale="log", xlabel="tokens N", title="N × correlation of two tokens given the noise")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.1 * high), high)


def figure(file):
    if "study/chaos" not in file:
        raise BadFile("no study/chaos: not a results file of chorale chaos")
    group, deck = file["study/chaos"], parameters(file)
    dim = int(deck["tokens_dim"])
    with_correlation = "correlation" in group
    whole = plt.figure(figsize=(15, 8.4 if with_correlation else 7.2), layout="constrained")
    grid = whole.add_gridspec(2 if with_correlation else 1, 2, width_ratios=[1.3, 1])
    draw_rates(whole.add_subplot(grid[:, 0]), group, dim)
    draw_times(whole.add_subplot(grid[0, 1]), group)
    if with_correlation:
        draw_correlation(whole.add_subplot(grid[1, 1]), group)
    counts = deck["tokens_count"].split(",")
    shown = {**deck, "tokens_count": f"{number(counts[0])} … {number(counts[-1])}" if len(counts) > 1 else counts[0]}
    whole.suptitle(title(shown), fontsize=15)
    return whole
