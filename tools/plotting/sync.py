"""Study sync: the energy beside the exact value, the bound of the theorem and the fitted rate; growth of the twins beside the exact Lyapunov
exponent; clusters and order; and the split of an odd field, the pull of attention, or the energy's error. Of a map: the phases over
dimension and bias, one panel for each activation."""
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from chorale_io import BadFile
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from plotting.common import FADED_TRACES, LOOK, change, columns, dress, found, interval, is_chance, mark, number, plus_minus, short, time_axis, with_interval

# meaning of the cells where the theorem proves no rate
PHASES = ("$\\lambda_1 \\geq 0$", "$\\lambda_1 < 0 \\leq \\bar\\lambda$", "$\\bar\\lambda < 0 \\leq \\bar\\lambda'(\\beta)$")
RATES = matplotlib.colormaps["YlGnBu"]


def scalar(run, key):
    return float(run.study_values.get(key, np.nan))


def guaranteed(run):
    """The rate at which the theorem makes the energy fall, -(ε + λ̄'(β)); NaN where it proves none."""
    rate = -(scalar(run, "epsilon") + scalar(run, "lambda_rate"))
    return rate if scalar(run, "lambda_bar") < 0 and rate > 0 else np.nan


def draw_energy(run, axes, time):
    mean, sem, exact, bound = columns(run, "energy_mean", "energy_sem", "energy_exact", "energy_bound")
    traces = run.study_data["energy"][:, :FADED_TRACES]
    axes.plot(time, traces, color=LOOK.faint, alpha=0.25, linewidth=0.6)
    axes.fill_between(time, np.maximum(mean - 1.96 * sem, 1e-300), mean + 1.96 * sem, color=LOOK.blue, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=LOOK.blue, linewidth=2.8, label="measured")
    if np.isfinite(exact).any():
        axes.plot(time, exact, color=LOOK.ink, linewidth=1.6, linestyle=(0, (1, 1.4)), label="exact (two tokens)")
    if np.isfinite(bound).any():
        axes.plot(time, bound, color=LOOK.orange, linewidth=2, linestyle="--", label=f"bound of the theorem, rate {guaranteed(run):.2f}")
    decay = scalar(run, "decay")
    if np.isfinite(decay):
        start, end = scalar(run, "decay_from"), scalar(run, "decay_to")
        inside = (time >= start) & (time <= end)
        level = np.exp(np.log(mean[inside]).mean() + decay * time[inside].mean())
        ends = np.array([start, end])
        axes.plot(ends, level * np.exp(-decay * ends), color=LOOK.green, linewidth=2, zorder=4, label=f"fitted rate {with_interval(run.study_values, 'decay')}")
    shown = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in (mean, exact)])
    if shown.min() < 0.2 * shown.max():
        axes.set(yscale="log", ylim=(0.3 * shown.min(), 2.5 * shown.max()))
    else:
        axes.set_ylim(0, 1.2 * shown.max())
    excess = scalar(run, "bound_excess")
    found(axes, "Energy  $E_\\beta$ " + (change(mean[0], mean[-1]) if not np.isfinite(guaranteed(run) + excess) else
                                        "stays under its bound" if excess <= 2 else f"exceeds its bound by {excess:.1f} standard errors"))
    axes.legend(loc="lower left")


def draw_exponent(run, axes, time):
    mean, sem = columns(run, "growth_mean", "growth_sem")
    measured, error, exact, cluster = (scalar(run, f"lambda1{ending}") for ending in ("", "_sem", "_exact", "_cluster"))
    axes.fill_between(time, mean - 1.96 * sem, mean + 1.96 * sem, color=LOOK.blue, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=LOOK.blue, linewidth=2.8, label=f"twins: $\\lambda_1$ = {plus_minus(measured, error)}")
    axes.plot(time, exact * time, color=LOOK.ink, linewidth=1.6, linestyle=(0, (1, 1.4)), label=f"exact, noise alone: {exact:.4f}".replace("-", "−"))
    if np.isfinite(cluster) and cluster != exact:
        axes.plot(time, cluster * time, color=LOOK.orange, linewidth=1.8, linestyle="--", label=f"once all have met: {cluster:.4f}".replace("-", "−"))
    off = abs(measured - exact) / error if error > 0 else np.nan
    apart = f" ({off:.1f} s.e. off)" if np.isfinite(off) and run.parameters.get("attention_type") == "none" else ""
    found(axes, f"$\\lambda_1$ = {measured:.3f}, exact {exact:.3f}{apart}".replace("-", "−"))
    axes.set_ylabel("mean log distance of twins")
    axes.legend(loc="best")


def draw_clusters(run, axes, time):
    clusters, clusters_sem, order, order_sem = columns(run, "clusters_mean", "clusters_sem", "order_mean", "order_sem")
    axes.fill_between(time, clusters - 1.96 * clusters_sem, clusters + 1.96 * clusters_sem, color=LOOK.green, alpha=0.3, linewidth=0)
    axes.plot(time, clusters, color=LOOK.green, linewidth=2.8)
    axes.set(yscale="log", ylim=(0.9, None))
    found(axes, f"{short(clusters[0])} clusters become {short(clusters[-1])}, order {change(order[0], order[-1])}")
    axes.set_ylabel("clusters (cosine > 0.99)", color=LOOK.green)
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    right = axes.twinx()
    right.grid(False)
    right.spines["right"].set_visible(True)
    right.fill_between(time, order - 1.96 * order_sem, order + 1.96 * order_sem, color=LOOK.purple, alpha=0.3, linewidth=0)
    right.plot(time, order, color=LOOK.purple, linewidth=2.8, linestyle="--")
    right.set(ylim=(0, 1.03))
    right.set_ylabel("order $|\\langle x\\rangle|$ (dashed)", color=LOOK.purple)


def draw_split(run, axes, count):
    """Shares of the larger cap; without dependence every token chooses a cap with a fair coin."""
    caps, = columns(run, "caps")
    share = caps[:, 0]
    edges = np.linspace(0.5, 1, 26) if count < 26 else np.arange(np.ceil(count / 2), count + 1, max(1, count // 50)) / count
    axes.hist(share, bins=edges, color=LOOK.blue, alpha=0.85)
    axes.axvline(share.mean(), color=LOOK.orange, linewidth=2, label=f"mean {share.mean():.3f}; opposite {caps[:, 1].mean():.3f}, neither {caps[:, 2].mean():.3f}")
    found(axes, f"Two antipodal points: the larger holds {100 * share.mean():.0f}%")
    axes.set(xlabel="share of the tokens at the larger point", ylabel="realizations")
    axes.legend(loc="upper right")


def draw_push(run, axes, time):
    push, energy = columns(run, "attention_push_mean", "energy_mean")
    largest, noise = scalar(run, "attention_rate"), -scalar(run, "lambda_rate")
    axes.plot(time, push / energy, color=LOOK.blue, linewidth=2.6, label="attention alone: mean of $\\dot E_\\beta$ / mean of $E_\\beta$")
    axes.axhline(largest, color=LOOK.orange, linewidth=2, linestyle="--", label=f"largest in the run: {largest:.4f}")
    axes.axhline(noise, color=LOOK.ink, linewidth=1.6, linestyle=(0, (1, 1.4)), label=f"$-\\bar\\lambda'(\\beta)$ = {noise:.4f}")
    found(axes, f"Attention grows energy {'slower' if largest < noise else 'faster'} than noise shrinks it")
    axes.legend(loc="best")


def deviations(mean, sem, exact):
    """In standard errors; NaN where there is none: of one realization, and of what is the same in all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = (mean - exact) / sem
    return np.where(np.isfinite(off), off, np.nan)


def draw_error(run, axes, time):
    mean, sem, exact = columns(run, "energy_mean", "energy_sem", "energy_exact")
    off = deviations(mean, sem, exact)
    if not np.isfinite(off).any():  # one realization has no standard error
        axes.axhline(0, color=LOOK.soft, linewidth=0.8)
        axes.plot(time, mean - exact, color=LOOK.blue, linewidth=1.6, marker="o", markersize=4)
        axes.set(title="One realization beside the exact mean", ylabel="energy less its exact mean")
        return
    axes.axhspan(-4, 4, color=LOOK.faint, alpha=0.18, linewidth=0)
    axes.axhline(0, color=LOOK.soft, linewidth=0.8)
    axes.plot(time, off, color=LOOK.blue, linewidth=1.6, marker="o", markersize=4)
    most = np.nanmax(np.abs(off))
    chance = is_chance(most, run.study_data["energy"].shape[1])
    found(axes, (f"Energy up to {most:.1f} standard errors off exact" if chance is False else f"Energy within {most:.1f} standard errors of exact") + mark(chance, most))
    axes.set(ylabel="standard errors off", ylim=(-max(5, 1.1 * most), max(5, 1.1 * most)))


def headline(run, energy):
    decay, proved, high = scalar(run, "decay"), guaranteed(run), interval(run.study_values, "decay")[2]
    if np.isfinite(decay) and np.isfinite(proved):
        return f"Energy falls at rate {decay:.2f}; the theorem guarantees {proved:.2f}{mark(high >= proved, high)}"
    if scalar(run, "antipodal") == 1:
        return "Odd noise without bias: the tokens gather at two opposite points, not at one"
    theorem = f"the theorem guarantees rate {proved:.2f}" if np.isfinite(proved) else "the theorem proves no rate here"
    if np.isfinite(decay):
        return f"Energy falls at rate {decay:.2f}; {theorem}"
    return f"Energy {change(energy[0], energy[-1])}; {theorem}"


def run_figure(run):
    time, energy = columns(run, "time", "energy_mean")
    panels = [draw_energy, draw_exponent, draw_clusters] if "growth_mean" in run.study_data else [draw_energy, draw_clusters]
    if "attention_push_mean" in run.study_data:
        panels.append(draw_push)
    elif np.isfinite(columns(run, "energy_exact")[0]).any():
        panels.append(draw_error)
    if scalar(run, "antipodal") == 1:
        panels = panels[:3]
    figure = plt.figure(figsize=(13, 10), layout="constrained")
    places = figure.add_gridspec(2, 2)
    for i, draw in enumerate(panels):
        axes = figure.add_subplot(places[i // 2, i % 2])
        draw(run, axes, time)
        time_axis(axes, time)
    if scalar(run, "antipodal") == 1:
        draw_split(run, figure.add_subplot(places[len(panels) // 2, len(panels) % 2]), run.parameters.integer("tokens_count"))
    several = run.study_data["energy"].shape[1] > 1
    return dress(figure, run, headline(run, energy), "Bands: 95% intervals of the mean; thin lines: single realizations" if several else "")


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
    colours = ListedColormap(LOOK.phases)
    axes.pcolormesh(columns_, edges, np.ma.masked_equal(phase.T, len(PHASES)), cmap=colours, norm=BoundaryNorm(np.arange(-0.5, len(PHASES)), len(PHASES)), rasterized=True)
    image = axes.pcolormesh(columns_, edges, np.ma.masked_where(phase.T < len(PHASES), -rate.T), cmap=RATES, norm=norm, rasterized=True)
    for i, sigma in enumerate(boundary):
        if np.isfinite(sigma) and sigma <= edges[-1]:
            axes.plot([i, i + 1], [sigma, sigma], color=LOOK.orange, linewidth=2.6)
            side = -1 if sigma > 0.6 * edges[-1] else 1  # of the line, where there is room
            axes.text(i + 0.5, sigma + 0.02 * side * edges[-1], f"{sigma:.3f}", ha="center", va="top" if side < 0 else "bottom", fontsize=12, color=LOOK.ink,
                      rotation=90 if len(dims) > 4 else 0, path_effects=[withStroke(linewidth=3, foreground=LOOK.paper)])
    axes.set(ylim=(edges[0], edges[-1]), xlim=(0, len(dims)))
    axes.set_xticks(np.arange(len(dims)) + 0.5, [f"{d:g}" for d in dims])
    axes.grid(False)
    return image


def map_figure(run):
    names = np.array(run.study_values["activation"])
    dim, bias_u, bias_w, lambda1, lambda_bar, rate, boundary = columns(run, "dim", "bias_u", "bias_w", "lambda1", "lambda_bar", "lambda_rate", "boundary")
    if (bias_u != bias_w).any():
        raise BadFile(run.path, "the map is drawn for bias_u = bias_w: take kernel_bias")
    activations, dims, biases = list(dict.fromkeys(names)), np.unique(dim), np.unique(bias_u)
    phase = phases(lambda1, lambda_bar, rate)
    proved = -rate[phase == len(PHASES)]
    norm = LogNorm(max(proved.min(), 1e-3 * proved.max()), proved.max()) if len(proved) else LogNorm(0.1, 1)
    rows = -(-len(activations) // 5)
    wide = -(-len(activations) // rows)
    figure, panels = plt.subplots(rows, wide, figsize=(2.4 + 2.9 * wide, 1.9 + 3.3 * rows), sharey=True, squeeze=False, layout="constrained")
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
    for axes in panels.flat[max(0, len(activations) - wide) : len(activations)]:  # the lowest of every column
        axes.set_xlabel("dimension d")
    figure.colorbar(image, ax=panels, pad=0.01, label="proved rate $-\\bar\\lambda'(\\beta)$")
    handles = [Patch(facecolor=colour, edgecolor=LOOK.soft, label=label) for i, (colour, label) in enumerate(zip(LOOK.phases, PHASES)) if (phase == i).any()]
    handles.append(plt.Line2D([], [], color=LOOK.orange, linewidth=2.6, label="$\\bar\\lambda = 0$: least bias that proves a rate"))
    below, low = figure.get_figheight(), 0.5
    figure.get_layout_engine().set(rect=(0, low / below, 1, 1 - low / below))  # room for the legend
    figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.36 / below), ncol=len(handles), frameon=False)
    proves = sorted({int(d) for d in dim[phase == len(PHASES)]})
    where = f"for d ≥ {proves[0]} once the biases are large enough" if proves else "nowhere on this map"
    picture = dress(figure, run, f"The theorem proves that all tokens meet, {where}", "")
    figure.supxlabel(f"β = {number(run.parameters.get('attention_beta', '?'))}. Yellow to blue: the rate that is proved; other fields: none is. "
                     "λ1: top Lyapunov exponent of the noise.", fontsize=12.5, color=LOOK.soft)
    return picture


def figure(run):
    return map_figure(run) if "boundary" in run.study_data else run_figure(run)
