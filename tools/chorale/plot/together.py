"""Several runs in one picture: energy and order over time, a curve for each, named by the keys in
which they differ; with output_attention clusters and the entropy of attention, too."""

from __future__ import annotations

import os
from typing import Any, Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io import Run
from chorale.plot.common import (
    LOOK,
    Picture,
    Series,
    Sources,
    dress,
    log_values,
    number,
    short,
    time_axis,
)

COLOURS = ("blue", "orange", "green", "purple", "yellow", "sky")
NAMED = 24  # curves that a legend names
LETTERS = {
    "tokens_count": "N",
    "tokens_dim": "d",
    "layers_depth": "L",
    "layers_horizon": "T",
    "attention_beta": "β",
    "attention_value": "v",
    "attention_weights": "weights",
    "mlp_width": "m",
    "scheme_norm": "norm",
    "scheme_alpha": "α",
    "mlp_bias_u": "σ_U",
    "mlp_bias_w": "σ_W",
    "ensemble_seed": "seed",
    "ensemble_realizations": "realizations",
}
ASIDE = ("output_", "checkpoint_", "progress", "ensemble_groups")  # keys that change no number
LEAST = 1e-12  # of the first energy: below, it is rounding
KNOWN = 0.1  # of a mean: later ones of larger standard error are those of rare realizations


def differing(runs: Sequence[Run]) -> list[str]:
    """Keys that tell the runs apart, in the order of the decks."""
    keys = dict.fromkeys(key for run in runs for key in run.parameters if not key.startswith(ASIDE))
    return [key for key in keys if len({run.parameters.get(key, "") for run in runs}) > 1]


def value_of(run: Run, key: str) -> str:
    """As one writes it: a file by its name, a number without its tail."""
    return number(os.path.basename(run.parameters.get(key, "")))


def labels(runs: Sequence[Run]) -> list[str]:
    """By the keys that differ, or by the files where these say too little or too much."""

    def label(run: Run) -> str:
        values = {key: value_of(run, key) for key in keys}
        return ", ".join(f"{LETTERS.get(key, key)} = {values[key]}" for key in keys if values[key])

    keys = differing(runs)
    names = [label(run) for run in runs]
    stems = [os.path.splitext(os.path.basename(run.path))[0] for run in runs]
    return names if len(set(names)) == len(runs) and max(map(len, names)) < 90 else stems


def decay(series: Series) -> tuple[float, float]:
    """(t, rate): when the mean energy has fallen to a tenth of its first value, and how fast it
    falls from there on, as long as the mean is known; NaN where it does not."""
    known = np.isfinite(series.mean) & (series.mean > LEAST * series.mean[0])
    time, energy = series.time[known], series.mean[known]
    below = np.flatnonzero(energy <= energy[0] / 10) if len(energy) else ()
    if not len(below):
        return np.nan, np.nan
    i = below[0]
    share = np.log(energy[i - 1] / (energy[0] / 10)) / np.log(energy[i - 1] / energy[i])
    lost = np.flatnonzero(series.sem[known][i:] > KNOWN * energy[i:])
    end = i + lost[0] if len(lost) else len(energy)
    rate = -np.polyfit(time[i:end], np.log(energy[i:end]), 1)[0] if end - i > 2 else np.nan
    return time[i - 1] + share * (time[i] - time[i - 1]), rate


def ends(values: Sequence[float], names: Sequence[str], form: Callable[[float], str]) -> str:
    """`0.2 (β = 1) to 0.4 (β = 2)`"""
    if not np.isfinite(values).any():
        return "what is not known yet"
    low, high = np.nanargmin(values), np.nanargmax(values)
    return f"{form(values[low])} ({names[low]}) to {form(values[high])} ({names[high]})"


def headline(energies: Sequence[Series], names: Sequence[str]) -> str:
    """When energies have fallen to a tenth and how fast they go on, or where they end."""
    found = np.array([decay(energy) for energy in energies])
    fell = np.isfinite(found[:, 0])
    if not fell.any():
        return "Energies end from " + ends([energy.end for energy in energies], names, short)
    many = "" if fell.all() else f" in {fell.sum()} of {len(fell)} runs"
    words = f"Energy falls to a tenth{many}: at t = " + ends(found[:, 0], names, "{:.1f}".format)
    rates = found[np.isfinite(found[:, 1]), 1]
    if len(rates) > 1:
        words += f"; from there at rates {rates.min():.2f} to {rates.max():.2f}"
    return words


def common(runs: Sequence[Run]) -> Sources:
    """What is said of all of them."""
    parameters = dict(runs[0].parameters)
    for key in differing(runs):
        values = list(dict.fromkeys(value_of(run, key) for run in runs))
        few = " / ".join(filter(None, values))
        parameters[key] = few if len(values) < 4 else f"{values[0]} … {values[-1]}"
    for key in {"mlp_bias_u", "mlp_bias_w"} & set(differing(runs)):
        parameters[key] = "0"  # the labels say them
    return Sources(parameters, not any(run.complete is False for run in runs))


def draw_curves(
    axes: Axes, series: Sequence[Series], colours: Sequence[Any], names: Sequence[str]
) -> None:
    """A curve with its 95% interval for every run."""
    for one, colour, name in zip(series, colours, names):
        low = np.where(one.low > 0, one.low, 1e-3 * one.mean)
        axes.fill_between(one.time, low, one.high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(one.time, one.mean, color=colour, linewidth=2.6, label=name)
    time_axis(axes, max((one.time for one in series), key=lambda time: time[-1]))


def draw_energies(
    axes: Axes, energies: Sequence[Series], colours: Sequence[Any], names: Sequence[str]
) -> None:
    """On a log axis where they fall far."""
    draw_curves(axes, energies, colours, names)
    values = np.concatenate([one.mean[np.isfinite(one.mean) & (one.mean > 0)] for one in energies])
    if len(values) and values.min() < 0.2 * values.max():
        axes.set_ylim(max(0.5 * values.min(), LEAST * values.max()), 2 * values.max())
        log_values(axes)
    else:
        axes.set_ylim(bottom=0)
    axes.set_title("Energy  $E_\\beta$")


def colours_of(count: int) -> Sequence[Any]:
    """Of so many curves: by name, or in a row where there are more than names."""
    few = [getattr(LOOK, name) for name in COLOURS[:count]]
    return few if count <= len(COLOURS) else LOOK.sequence(count)


def draw_attention(
    panels: Sequence[Axes], runs: Sequence[Run], colours: Sequence[Any], names: Sequence[str]
) -> None:
    """What output_attention adds: how much of the context tokens read, as they gather."""
    clusters, entropies = (
        [Series(run, name) for run in runs] for name in ("clusters", "attention_entropy")
    )
    draw_curves(panels[0], clusters, colours, names)
    panels[0].set_ylim(bottom=0.8)
    log_values(panels[0])
    panels[0].set_title("Clusters at cosine > 0.99")
    draw_curves(panels[1], entropies, colours, names)
    most = np.log(runs[0].parameters.integer("tokens_count"))
    panels[1].axhline(most, color=LOOK.faint, linestyle="--", linewidth=1.2)
    panels[1].set_title("Entropy of attention, at most log N (dashed)")


def figure(runs: Sequence[Run]) -> Picture:
    energies, orders = ([Series(run, name) for run in runs] for name in ("energy", "order"))
    names, colours = labels(runs), colours_of(len(runs))
    wide = min(len(runs), max(1, 120 // (max(map(len, names)) + 6)))
    rows = -(-len(runs) // wide) if len(runs) <= NAMED else 0  # of the legend
    attention = all("attention_entropy" in run.observables for run in runs)
    high = 9.6 if attention else 5.2  # of the panels
    whole = plt.figure(figsize=(13, high + 1.4 + 0.36 * rows), layout="constrained")
    parts = whole.subfigures(2, 1, height_ratios=[high, 0.2 + 0.36 * rows]) if rows else [whole]
    left, right, *others = parts[0].subplots(1 + attention, 2).flat
    draw_energies(left, energies, colours, names)
    draw_curves(right, orders, colours, names)
    right.set_ylim(0, 1.03)
    right.set_title("Order: length of the mean token")
    if attention:
        draw_attention(others, runs, colours, names)
    if rows:
        handles = left.get_legend_handles_labels()
        parts[1].legend(*handles, loc="center", ncols=wide, frameon=False)
    several = any(energy.count > 1 for energy in energies)
    bands = "Bands: 95% intervals of the mean" if several else ""
    return dress(whole, common(runs), headline(energies, names), bands)
