"""Study simulate: energy, order, cosines and clusters over time (mean of the realizations, its 95% confidence band, the
realizations behind), and the tokens of the first recorded trajectory at four times."""
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from chorale_io import BadFile
from matplotlib.colors import LogNorm

from plotting.common import LOOK, Series, change, dress, found, short, time_axis
from plotting.tokens import draw_row, of_run

LEAST_SHARE = 1e-5  # of pairs, in the picture of cosines


def uniform_energy(run):
    """Mean energy of N independent uniform tokens, ½ (1 - 1/N) (e^β - E e^{βu}); NaN beyond double precision."""
    keys = run.system
    if any(key not in keys for key in ("attention_beta", "tokens_count", "tokens_dim")):
        return np.nan
    beta, count, dim = keys.real("attention_beta"), keys.integer("tokens_count"), keys.integer("tokens_dim")
    if not 0 < beta <= 300 or count < 1 or dim < 2:
        return np.nan
    term = total = 1.0
    k = 0
    while term > 1e-17 * total:  # E e^{βu} = sum of (β²/4)^k / (k! (d/2)_k)
        term *= beta * beta / 4 / ((k + 1) * (dim / 2 + k))
        total += term
        k += 1
    return 0.5 * (1 - 1 / count) * (np.exp(beta) - total)


def draw_energy(run, axes, energy):
    energy.draw(axes, LOOK.blue, "measured" if energy.count == 1 else "mean of the realizations")
    level = uniform_energy(run)
    if np.isfinite(level) and energy.unit in ("1", ""):
        axes.axhline(level, color=LOOK.orange, linestyle="--", linewidth=1.8, label=f"independent uniform tokens: {short(level, 3)}")
    axes.set_ylim(0, 1.32 * np.nanmax([np.nanmax(energy.traces), level]))
    found(axes, ("Energy  $E_\\beta$ " if energy.unit in ("1", "") else "Energy  $E_\\beta\\,e^{-\\beta}$ ") + change(energy.mean[0], energy.end))
    axes.legend(loc="upper right")


def draw_order(axes, order, nematic):
    nematic.draw(axes, LOOK.orange, "nematic: top eigenvalue of $\\langle x x^T\\rangle$")
    order.draw(axes, LOOK.blue, "order: length of the mean token")
    axes.set_ylim(0, 1.32)  # room for the legend
    axes.set_yticks(np.arange(6) / 5)
    found(axes, f"Order {change(order.mean[0], order.end)}")
    axes.legend(loc="upper left")


def count(value):
    return short(value, 3 if value >= 10 else 2)


def draw_clusters(axes, clusters):
    clusters.draw(axes, LOOK.green)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.9)
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    found(axes, f"{count(clusters.mean[0])} clusters become {count(clusters.end)} (cosine > 0.99)")


def draw_cosines(part, axes, cosines):
    share, time = cosines.mean, cosines.time  # [time][bin]
    edges = np.concatenate([time[:1], (time[1:] + time[:-1]) / 2, time[-1:]]) if len(time) > 1 else np.array([time[0], time[0] + 1])
    image = axes.pcolormesh(edges, np.linspace(-1, 1, share.shape[1] + 1), np.maximum(share.T, LEAST_SHARE), norm=LogNorm(LEAST_SHARE, 1),
                            cmap="magma", rasterized=True)
    part.colorbar(image, ax=axes, pad=0.015, extend="min", label="share of pairs")
    last = cosines.end
    bottom = f", {100 * last[0]:.0f}% beyond −{1 - 2 / share.shape[1]:.2f}" if last[0] > 0.1 else ""
    found(axes, f"Pairs: {100 * last[-1]:.0f}% end at cosines beyond {1 - 2 / share.shape[1]:.2f}{bottom}")
    axes.set_ylabel("cosine")
    axes.grid(False)


def finding(order, nematic, clusters):
    first, last, left = order.mean[0], order.end, clusters.end
    if last > 0.97:
        return f"The tokens gather in one point: the mean token grows from length {first:.2f} to {last:.2f}"
    if nematic.end > 0.97:
        return f"The tokens gather on one axis, at two opposite points: order {last:.2f}, nematic order {nematic.end:.2f}"
    if last > first + 0.05:
        return f"The tokens draw together: order rises from {first:.2f} to {last:.2f}, {count(left)} clusters are left"
    return f"The tokens do not gather: order goes from {first:.2f} to {last:.2f}, {count(left)} clusters at the end"


def frames_or_none(run):
    try:
        return of_run(run)
    except BadFile as error:
        print(f"plot: {error}; drawn without tokens", file=sys.stderr)
        return None


def draw_run(run):
    """What any file with observables shows: the figure, its upper part and the height of the lower one are the caller's."""
    series = {name: Series(run, name) for name in ("energy", "order", "nematic", "clusters", "cosine_hist")}

    def draw(part):
        (energy, order), (cosines, clusters) = part.subplots(2, 2)
        draw_energy(run, energy, series["energy"])
        draw_order(order, series["order"], series["nematic"])
        draw_cosines(part, cosines, series["cosine_hist"])
        draw_clusters(clusters, series["clusters"])
        for axes in (energy, order, cosines, clusters):
            time_axis(axes, series["energy"].time)

    return draw, finding(series["order"], series["nematic"], series["clusters"])


def figure(run):
    draw, headline = draw_run(run)
    frames = frames_or_none(run)
    whole = plt.figure(figsize=(13, 13.2 if frames else 9.4), layout="constrained")
    about = "Bands: 95% intervals of the mean; thin lines: single realizations" if run.parameters.get("ensemble_realizations") != "1" else ""
    if frames:
        above, below = whole.subfigures(2, 1, height_ratios=[2.2, 1])
        view = draw_row(below, frames, [0, 1 / 8, 3 / 8, 1])
        about += f". Tokens of realization {run.realizations[0]}, coloured by where they started. {frames.drawn()}{view.note}"
    else:
        above = whole.subfigures(1, 1)
    draw(above)
    return dress(whole, run, headline, about.lstrip(". "))
