"""Study sync: the energy beside the exact value, the bound of the theorem and the fitted rate; growth of the twins beside the exact Lyapunov
exponent; clusters and order; and the split of an odd field, the pull of attention, or the energy's error. Of a map: the phases over
dimension and bias, one panel for each activation."""
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm
from matplotlib.patches import Patch

from plotting.common import BLUE, FADED_TRACES, GREEN, GREY, INK, ORANGE, PURPLE, BadFile, columns, number, parameters, text, title, with_interval

# colour and meaning of the cells where the theorem proves no rate
PHASES = (("#e9d8a6", "$\\lambda_1 \\geq 0$"), ("#e4e7eb", "$\\lambda_1 < 0 \\leq \\bar\\lambda$"), ("#b9c0ca", "$\\bar\\lambda < 0 \\leq \\bar\\lambda'(\\beta)$"))
RATES = matplotlib.colormaps["YlGnBu"]


def scalar(group, key):
    return float(group.attrs.get(key, np.nan))


def draw_energy(axes, group, time):
    mean, sem, exact, bound = columns(group, "energy_mean", "energy_sem", "energy_exact", "energy_bound")
    traces = group["energy"][:, :FADED_TRACES]
    axes.plot(time, traces, color=GREY, alpha=0.2, linewidth=0.6)
    axes.fill_between(time, np.maximum(mean - 1.96 * sem, 1e-300), mean + 1.96 * sem, color=BLUE, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=BLUE, linewidth=2.6, label="measured")
    if np.isfinite(exact).any():
        axes.plot(time, exact, color="black", linewidth=1.3, linestyle=(0, (1, 1.4)), label="exact (two tokens)")
    if np.isfinite(bound).any():
        axes.plot(time, bound, color=ORANGE, linewidth=1.8, linestyle="--", label="bound of the theorem")
    if np.isfinite(scalar(group, "decay")):
        start, end = scalar(group, "decay_from"), scalar(group, "decay_to")
        inside = (time >= start) & (time <= end)
        level = np.exp(np.log(mean[inside]).mean() + scalar(group, "decay") * time[inside].mean())
        ends = np.array([start, end])
        axes.plot(ends, level * np.exp(-scalar(group, "decay") * ends), color=GREEN, linewidth=1.8, zorder=4, label=f"fitted rate {with_interval(group.attrs, 'decay')}")
    shown = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in (mean, exact)])
    if shown.min() < 0.2 * shown.max():
        axes.set(yscale="log", ylim=(0.3 * shown.min(), 2.5 * shown.max()))
    else:
        axes.set_ylim(0, 1.2 * shown.max())
    axes.set_title("Energy  $E_\\beta$")
    axes.legend(loc="lower left", framealpha=0.9)


def draw_exponent(axes, group, time):
    if "growth_mean" not in group:
        axes.text(0.5, 0.5, "no twins", ha="center", va="center", transform=axes.transAxes)
        return
    mean, sem = columns(group, "growth_mean", "growth_sem")
    axes.fill_between(time, mean - 1.96 * sem, mean + 1.96 * sem, color=BLUE, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=BLUE, linewidth=2.6, label=f"twins: $\\lambda_1$ = {scalar(group, 'lambda1'):.4f} ± {scalar(group, 'lambda1_sem'):.4f}")
    exact, cluster = scalar(group, "lambda1_exact"), scalar(group, "lambda1_cluster")
    axes.plot(time, exact * time, color="black", linewidth=1.3, linestyle=(0, (1, 1.4)), label=f"exact, noise alone: {exact:.4f}")
    if np.isfinite(cluster) and cluster != exact:
        axes.plot(time, cluster * time, color=ORANGE, linewidth=1.6, linestyle="--", label=f"once all have met: {cluster:.4f}")
    axes.set_title("Mean log growth of the twins")
    axes.legend(loc="best", framealpha=0.9)


def draw_clusters(axes, group, time):
    clusters, clusters_sem, order, order_sem = columns(group, "clusters_mean", "clusters_sem", "order_mean", "order_sem")
    axes.fill_between(time, clusters - 1.96 * clusters_sem, clusters + 1.96 * clusters_sem, color=GREEN, alpha=0.3, linewidth=0)
    axes.plot(time, clusters, color=GREEN, linewidth=2.6)
    axes.set(yscale="log", ylim=(0.9, None), title="Clusters (connected at cosine > 0.99) and order")
    axes.set_ylabel("clusters", color=GREEN)
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    right = axes.twinx()
    right.grid(False)
    right.spines["right"].set_visible(True)
    right.fill_between(time, order - 1.96 * order_sem, order + 1.96 * order_sem, color=PURPLE, alpha=0.3, linewidth=0)
    right.plot(time, order, color=PURPLE, linewidth=2.6)
    right.set(ylim=(0, 1.03))
    right.set_ylabel("order $|\\langle x\\rangle|$", color=PURPLE)


def draw_split(axes, group, count):
    """Shares of the larger cap; without dependence every token chooses a cap with a fair coin."""
    caps = group["caps"][:]
    share = caps[:, 0]
    edges = np.linspace(0.5, 1, 26) if count < 26 else np.arange(np.ceil(count / 2), count + 1, max(1, count // 50)) / count
    axes.hist(share, bins=edges, color=BLUE, alpha=0.85)
    axes.axvline(share.mean(), color=ORANGE, linewidth=2, label=f"larger {share.mean():.3f}, opposite {caps[:, 1].mean():.3f}, neither {caps[:, 2].mean():.3f}")
    axes.set(title="Two antipodal points: share of the larger cap", xlabel="share of the tokens", ylabel="realizations")
    axes.legend(loc="upper right", framealpha=0.9)


def draw_push(axes, group, time):
    push, energy = columns(group, "attention_push_mean", "energy_mean")
    axes.plot(time, push / energy, color=BLUE, linewidth=2.4, label="attention alone: mean of $\\dot E_\\beta$ / mean of $E_\\beta$")
    axes.axhline(scalar(group, "attention_rate"), color=ORANGE, linewidth=1.8, linestyle="--", label=f"largest in the run: {scalar(group, 'attention_rate'):.4f}")
    axes.axhline(-scalar(group, "lambda_rate"), color="black", linewidth=1.3, linestyle=(0, (1, 1.4)), label=f"$-\\bar\\lambda'(\\beta)$ = {-scalar(group, 'lambda_rate'):.4f}")
    axes.set_title("Growth rate of the energy by attention")
    axes.legend(loc="best", framealpha=0.9)


def draw_error(axes, group, time):
    mean, sem, exact = columns(group, "energy_mean", "energy_sem", "energy_exact")
    axes.axhspan(-4, 4, color=GREY, alpha=0.18, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(time, (mean - exact) / sem, color=BLUE, linewidth=1.4, marker="o", markersize=4)
    axes.set(title="Measured minus exact energy, in standard errors", ylim=(-5, 5))


def run_figure(file, group):
    time, = columns(group, "time")
    deck = parameters(file)
    figure, ((energy, exponent), (clusters, last)) = plt.subplots(2, 2, figsize=(13, 9.4), layout="constrained")
    draw_energy(energy, group, time)
    draw_exponent(exponent, group, time)
    draw_clusters(clusters, group, time)
    timed = [energy, exponent, clusters]
    if scalar(group, "antipodal") == 1:
        draw_split(last, group, int(deck["tokens_count"]))
    elif "attention_push_mean" in group:
        draw_push(last, group, time)
        timed.append(last)
    elif np.isfinite(group["energy_exact"][:]).any():
        draw_error(last, group, time)
        timed.append(last)
    else:
        last.axis("off")
    for axes in timed:
        axes.set(xlabel="time t", xlim=(time[0], time[-1]))
    figure.suptitle(title(deck), fontsize=15)
    return figure


def phases(lambda1, lambda_bar, rate):
    """Index into PHASES; beyond them, len(PHASES), the theorem proves a rate."""
    return np.where(lambda1 >= 0, 0, np.where(lambda_bar >= 0, 1, np.where(rate >= 0, 2, 3)))


def cell_edges(values):
    """Edges of cells about increasing values."""
    if len(values) == 1:
        return values[0] + np.array([-0.01, 0.01])
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[values[0]], middle, [2 * values[-1] - middle[-1]]])


def draw_phases(axes, dims, biases, phase, rate, boundary, norm):
    """phase and rate[d][sigma] in equal columns for the dimensions; boundary[d]."""
    edges, columns_ = cell_edges(biases), np.arange(len(dims) + 1)
    colours = ListedColormap([colour for colour, _ in PHASES])
    axes.pcolormesh(columns_, edges, np.ma.masked_equal(phase.T, len(PHASES)), cmap=colours, norm=BoundaryNorm(np.arange(-0.5, len(PHASES)), len(PHASES)), rasterized=True)
    image = axes.pcolormesh(columns_, edges, np.ma.masked_where(phase.T < len(PHASES), -rate.T), cmap=RATES, norm=norm, rasterized=True)
    for i, sigma in enumerate(boundary):
        if np.isfinite(sigma) and sigma <= edges[-1]:
            axes.plot([i, i + 1], [sigma, sigma], color=ORANGE, linewidth=2.6)
            axes.text(i + 0.5, sigma + 0.015 * edges[-1], f"{sigma:.4f}", ha="center", va="bottom", fontsize=8.5)
    axes.set(ylim=(edges[0], edges[-1]), xlim=(0, len(dims)))
    axes.set_xticks(np.arange(len(dims)) + 0.5, [f"{d:g}" for d in dims])
    axes.grid(False)
    return image


def map_figure(file, group):
    names = np.array([text(name) for name in group.attrs["activation"]])
    dim, bias_u, bias_w, lambda1, lambda_bar, rate, boundary = columns(group, "dim", "bias_u", "bias_w", "lambda1", "lambda_bar", "lambda_rate", "boundary")
    if (bias_u != bias_w).any():
        raise BadFile("the map is drawn for bias_u = bias_w: take kernel_bias")
    activations, dims, biases = list(dict.fromkeys(names)), np.unique(dim), np.unique(bias_u)
    phase = phases(lambda1, lambda_bar, rate)
    proved = -rate[phase == len(PHASES)]
    norm = LogNorm(max(proved.min(), 1e-3 * proved.max()), proved.max()) if len(proved) else LogNorm(0.1, 1)
    wide = min(5, len(activations))
    rows = -(-len(activations) // wide)
    figure, panels = plt.subplots(rows, wide, figsize=(2.4 + 3 * wide, 1.5 + 3.4 * rows), sharey=True, squeeze=False, layout="constrained")
    for axes, activation in zip(panels.flat, activations):
        of_phase, of_rate, edge = np.zeros((len(dims), len(biases))), np.zeros((len(dims), len(biases))), np.full(len(dims), np.nan)
        for i, d in enumerate(dims):
            mine = (names == activation) & (dim == d)
            place = np.searchsorted(biases, bias_u[mine])
            of_phase[i, place], of_rate[i, place], edge[i] = phase[mine], rate[mine], boundary[mine][0]
        image = draw_phases(axes, dims, biases, of_phase, of_rate, edge, norm)
        axes.set_title(activation)
    for axes in panels.flat[len(activations):]:
        axes.axis("off")
    for axes in panels[:, 0]:
        axes.set_ylabel("$\\sigma = \\sigma_U = \\sigma_W$")
    for axes in panels[-1, :]:
        axes.set_xlabel("dimension d")
    figure.colorbar(image, ax=panels, pad=0.01, label="proved rate $-\\bar\\lambda'(\\beta)$")
    handles = [Patch(facecolor=colour, label=label) for i, (colour, label) in enumerate(PHASES) if (phase == i).any()]
    handles.append(plt.Line2D([], [], color=ORANGE, linewidth=2.6, label="$\\bar\\lambda = 0$"))
    low = 0.55 / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, low, 1, 1 - low))  # room for the legend
    figure.legend(handles=handles, loc="lower center", ncol=len(handles), frameon=False)
    figure.suptitle(f"Synchronization by noise: where the theorem proves a rate,  β = {number(parameters(file).get('attention_beta', '?'))}", fontsize=15)
    return figure


def figure(file):
    group = file["study/sync"]
    return map_figure(file, group) if "boundary" in group else run_figure(file, group)
