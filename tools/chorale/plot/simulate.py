"""Study simulate: energy, order or amplitudes of harmonics, cosines and clusters over time (mean of
the realizations, its 95% confidence band, the realizations behind), and the tokens of the first
recorded trajectory at four times."""

from __future__ import annotations

import sys
from typing import Callable, Optional

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import SubFigure

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot import levels
from chorale.plot.common import LOOK, Picture, Series, borders, dress, found, time_axis
from chorale.plot.words import change, clusters_words, count, energy_beta, error_words, short
from chorale.plot.tokens import Frames, draw_row, of_run

LEAST_SHARE = 1e-5  # of pairs, in the picture of cosines
FEW = 20  # clusters, which have an axis of numbers
MODES = 6  # amplitudes that are drawn: the largest
MODE_COLOURS = ("blue", "orange", "green", "purple", "sky", "yellow")


def mean_exponential(beta: float, dim: int) -> float:
    """E e^{βu} of two independent uniform tokens: the sum of (β²/4)^k / (k! (d/2)_k)."""
    term = total = 1.0
    k = 0
    while term > 1e-17 * total:
        term *= beta * beta / 4 / ((k + 1) * (dim / 2 + k))
        total += term
        k += 1
    return total


def uniform_kernel(beta: float, dim: int) -> float:
    """E e^{β(u-1)} of two independent uniform tokens."""
    return mean_exponential(beta, dim) * np.exp(-beta)


def uniform_energy(run: Run) -> float:
    """Mean energy of N independent uniform tokens, ½ (1 - 1/N) (e^β - E e^{βu}); NaN beyond double
    precision."""
    keys = run.system
    if any(key not in keys for key in ("attention_beta", "tokens_count", "tokens_dim")):
        return np.nan
    beta = float(energy_beta(keys.get))
    count, dim = keys.integer("tokens_count"), keys.integer("tokens_dim")
    if not 0 < beta <= 300 or count < 1 or dim < 2:
        return np.nan
    return 0.5 * (1 - 1 / count) * (np.exp(beta) - mean_exponential(beta, dim))


def draw_energy(run: Run, axes: Axes, energy: Series) -> None:
    """Beside that of independent uniform tokens."""
    energy.draw(axes, LOOK.blue, "measured" if energy.count == 1 else "mean of the realizations")
    level, plain = uniform_energy(run), energy.unit in ("1", "")
    if np.isfinite(level) and plain:
        look = {"color": LOOK.orange, "linestyle": "--", "linewidth": 1.8}
        axes.axhline(level, label=f"independent uniform tokens: {short(level, 3)}", **look)
    axes.set_ylim(0, 1.32 * np.nanmax([np.nanmax(energy.traces), level]))
    letter = "$E_\\beta$" if plain else "$E_\\beta\\,e^{-\\beta}$"
    found(axes, f"Energy  {letter} {change(energy.mean)}")
    axes.legend(loc="upper right")


def draw_order(axes: Axes, order: Series, nematic: Series) -> None:
    """How far the tokens point in one direction, and along one axis."""
    nematic.draw(axes, LOOK.orange, "nematic: top eigenvalue of $\\langle x x^T\\rangle$")
    order.draw(axes, LOOK.blue, "order: length of the mean token")
    axes.set_ylim(0, 1.32)  # room for the legend
    axes.set_yticks(np.arange(6) / 5)
    found(axes, f"Order {change(order.mean)}")
    axes.legend(loc="upper left")


def draw_modes(axes: Axes, modes: Series) -> None:
    """The largest amplitudes of harmonics, and which one leads when the first has grown to a half
    of its largest value."""
    mean = modes.mean  # [time][degree - 1]
    grown = int(np.argmax(mean.max(axis=1) >= 0.5 * np.nanmax(mean)))
    leads = int(np.argmax(mean[grown]))
    shown = np.sort(np.argsort(-np.nanmax(mean[: grown + 1], axis=0))[:MODES])
    for n, colour in zip(shown, MODE_COLOURS):
        width = 3 if n == leads else 1.6
        look = {"color": getattr(LOOK, colour), "linewidth": width}
        axes.plot(modes.time, mean[:, n], label=f"n = {n + 1}", **look)
    axes.set(yscale="log", ylim=(0.5 * np.nanmin(mean[:, shown]), 8))
    found(axes, f"Amplitudes of harmonics: n = {leads + 1} leads")
    axes.legend(loc="lower right", ncols=2)


def draw_clusters(axes: Axes, clusters: Series) -> None:
    """How many there are."""
    clusters.draw(axes, LOOK.green)
    if np.nanmax(clusters.mean) <= FEW:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    else:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.9)
        axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    found(axes, f"{clusters_words(clusters.mean)} (cosine > 0.99)")


def draw_cosines(part: SubFigure, axes: Axes, cosines: Series) -> None:
    """Of all pairs, as a histogram over time."""
    share = cosines.mean  # [time][bin]
    image = axes.pcolormesh(
        borders(cosines.time),
        np.linspace(-1, 1, share.shape[1] + 1),
        np.maximum(share.T, LEAST_SHARE),
        norm=LogNorm(LEAST_SHARE, 1),
        cmap="magma",
        rasterized=True,
    )
    part.colorbar(image, ax=axes, pad=0.015, extend="min", label="share of pairs")
    last, edge = cosines.end, f"{1 - 2 / share.shape[1]:.2f}"
    bottom = f", {100 * last[0]:.0f}% below −{edge}" if last[0] > 0.1 else ""
    found(axes, f"Pairs: {100 * last[-1]:.0f}% end at cosines above {edge}{bottom}")
    axes.set_ylabel("cosine")
    axes.grid(False)


def finding(order: Series, nematic: Series, clusters: Series) -> str:
    """What became of the tokens."""
    first, last, left = order.mean[0], order.end, count(clusters.end)
    if last > 0.97:
        grown = f"the mean token grows from length {first:.2f} to {last:.2f}"
        return f"The tokens gather in one point: {grown}"
    if nematic.end > 0.97:
        orders = f"order {last:.2f}, nematic order {nematic.end:.2f}"
        return f"The tokens gather on one axis, at two opposite points: {orders}"
    if last > first + 0.05:
        risen = f"order rises from {first:.2f} to {last:.2f}"
        return f"The tokens draw together: {risen}, {left} clusters are left"
    gone = f"order goes from {first:.2f} to {last:.2f}"
    return f"The tokens do not gather: {gone}, {left} clusters at the end"


def frames_or_none(run: Run) -> Optional[Frames]:
    """The recorded tokens; says so when they are lost."""
    try:
        return of_run(run)
    except BadFile as error:
        print(f"plot: {error}; drawn without tokens", file=sys.stderr)
        return None


def draw_position(run: Run, axes: Axes) -> None:
    """Cosine to the first token by position, under the causal mask."""
    seen = Series(run, "cosine_position")
    tenths = seen.mean.shape[1]
    for k in (0, 1, 3, 6, tenths - 1):
        label = f"tokens {k * 100 // tenths} to {(k + 1) * 100 // tenths}%"
        axes.plot(seen.time, seen.mean[:, k], color=plt.cm.viridis(0.9 * k / tenths), label=label)
    mean = Series(run, "cosine_first")
    axes.plot(mean.time, mean.mean, color=LOOK.orange, linestyle="--", label="all tokens")
    found(axes, f"Cosine to the first token {change(mean.mean)}")
    axes.legend(loc="best")


def draw_attention(run: Run, axes: Axes) -> None:
    """Entropy of the attention weights beside its end log N, and the largest weight."""
    entropy, largest = Series(run, "attention_entropy"), Series(run, "attention_largest")
    whole = np.log(run.system.integer("tokens_count"))
    share = entropy.mean / whole
    axes.plot(entropy.time, share, color=LOOK.blue, label="entropy over log N")
    axes.plot(largest.time, largest.mean, color=LOOK.orange, label="largest weight")
    axes.set_ylim(0, 1.32)
    axes.set_yticks(np.arange(6) / 5)
    found(axes, f"Attention: entropy over log N {change(share)}")
    axes.legend(loc="upper right")


EXTRAS = {
    "cosine_position": draw_position,
    "attention_entropy": draw_attention,
}  # drawn where they were measured


def draw_run(run: Run) -> tuple[Callable[[SubFigure], None], str]:
    """What any file with observables shows: a function that draws it, and what it finds."""
    names = ["energy", "order", "nematic", "cosine_hist"]
    names.append("clusters_all" if "clusters_all" in run.observables else "clusters")
    names += ["modes"] if "modes" in run.observables else []
    series = {name: Series(run, name) for name in names}
    clusters_of = series[names[4]]
    extras = [name for name in EXTRAS if name in run.observables]

    def draw(part: SubFigure) -> None:
        if extras:
            part, below = part.subfigures(2, 1, height_ratios=[2, 1])
            for name, axes in zip(extras, below.subplots(1, len(extras), squeeze=False)[0]):
                EXTRAS[name](run, axes)
                time_axis(axes, series["energy"].time)
        (energy, order), (cosines, clusters) = part.subplots(2, 2)
        draw_energy(run, energy, series["energy"])
        if "modes" in series:
            draw_modes(order, series["modes"])
        else:
            draw_order(order, series["order"], series["nematic"])
        draw_cosines(part, cosines, series["cosine_hist"])
        draw_clusters(clusters, clusters_of)
        for axes in (energy, order, cosines, clusters):
            time_axis(axes, series["energy"].time)

    return draw, finding(series["order"], series["nematic"], clusters_of)


def figure(run: Run) -> Picture:
    if "level_variance" in run.study_data:
        return levels.figure(run)
    draw, headline = draw_run(run)
    frames = frames_or_none(run)
    extra = 4.5 if any(name in run.observables for name in EXTRAS) else 0
    whole = plt.figure(figsize=(13, extra + (13.2 if frames else 9.4)), layout="constrained")
    about = ""
    if run.parameters.get("ensemble_realizations") != "1":
        about = "Bands: 95% intervals of the mean; thin lines: single realizations"
    if frames:
        above, below = whole.subfigures(2, 1, height_ratios=[2.2, 1])
        view = draw_row(below, frames, [0, 1 / 8, 3 / 8, 1])
        shown = f"Tokens of realization {run.realizations[0]}, coloured by where they started"
        about += f". {shown}. {frames.drawn()}{view.note}"
    else:
        above = whole.subfigures(1, 1)
    draw(above)
    return dress(whole, run, headline, f"{error_words(run)}. {about.lstrip('. ')}")
