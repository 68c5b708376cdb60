"""Several runs of a study in one picture: a curve for each, named by the keys in which they differ
and in the order of these; of simulate energy and order over time, with output_attention clusters
and the entropy of attention, too; of other studies what overlay.py says."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from typing import Any, Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.errors import BadFile, Refused
from chorale.io import Run
from chorale.plot import overlay
from chorale.plot.common import (
    DATA_COLOURS,
    LOOK,
    Picture,
    Series,
    count_axis,
    dress,
    log_values,
    time_axis,
)
from chorale.plot.shown import Sources
from chorale.plot.words import number, short
from chorale.plot.overlay import Curve, Quantity

NAMED = 24  # curves that a legend names
WIDE = 90  # signs in a line of it
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
    "mlp_bias_u": "$\\sigma_U$",
    "mlp_bias_w": "$\\sigma_W$",
    "ensemble_seed": "seed",
    "ensemble_realizations": "realizations",
}
ASIDE = ("output_", "checkpoint_", "progress", "ensemble_groups")  # keys that change no number
LEAST = 1e-12  # of the first energy: below, it is rounding
KNOWN = 0.1  # of a mean: later ones of larger standard error are those of rare realizations


def differing(runs: Sequence[Run]) -> list[str]:
    """Keys that tell the runs apart, in the order of the decks; not the energy's β where that is
    attention's."""
    keys = dict.fromkeys(key for run in runs for key in run.parameters if not key.startswith(ASIDE))
    found = [key for key in keys if len({run.parameters.get(key, "") for run in runs}) > 1]
    betas = [[run.parameters.get(key) for run in runs] for key in ("energy_beta", "attention_beta")]
    return [key for key in found if key != "energy_beta" or betas[0] != betas[1]]


def value_of(run: Run, key: str) -> str:
    """As one writes it: a file by its name, a number without its tail."""
    return number(os.path.basename(run.parameters.get(key, ""))) or "none"


def rank(word: str) -> tuple:
    """For sorting: numbers, and lists of them, by their values, before texts."""
    try:
        return (0, [float(part) for part in word.split(",")], "")
    except ValueError:
        return (1, [], word)


def ordered(runs: Sequence[Run]) -> list[Run]:
    """By the values of the keys that differ."""
    keys = differing(runs)
    return sorted(runs, key=lambda run: [rank(run.parameters.get(key, "")) for key in keys])


def labels(runs: Sequence[Run]) -> list[str]:
    """Every key that differs with its value; with the file where these are the same."""

    def label(run: Run) -> str:
        return ", ".join(f"{LETTERS.get(key, key)} = {value_of(run, key)}" for key in keys)

    keys = differing(runs)
    names = [label(run) for run in runs]
    stems = [os.path.splitext(os.path.basename(run.path))[0] for run in runs]
    if len(set(stems)) < len(runs):  # of several folders
        stems = [os.path.splitext(os.path.relpath(run.path))[0] for run in runs]
    many = Counter(names)
    names = [
        name if many[name] == 1 else f"{name} ({stem})" if name else stem
        for name, stem in zip(names, stems)
    ]
    return [textwrap.fill(name, WIDE) for name in names]


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
    if low == high:
        return f"{form(values[low])} ({names[low]})"
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
        values = sorted({value_of(run, key) for run in runs}, key=rank)
        few = " / ".join(filter(None, values))
        parameters[key] = few if len(values) < 4 else f"{values[0]} … {values[-1]}"
    for key in {"mlp_bias_u", "mlp_bias_w"} & set(differing(runs)):
        parameters[key] = "0"  # the labels say them
    return Sources(parameters, not any(run.complete is False for run in runs))


def draw_curves(
    axes: Axes, curves: Sequence[Curve], colours: Sequence[Any], names: Sequence[str]
) -> None:
    """With their 95% intervals."""
    for one, colour, name in zip(curves, colours, names):
        low = np.where(one.low > 0, one.low, 1e-3 * np.abs(one.mean))
        low = low if (one.mean[np.isfinite(one.mean)] > 0).all() else one.low
        axes.fill_between(one.x, low, one.high, color=colour, alpha=0.2, linewidth=0)
        dot = "o" if np.isfinite(one.mean).sum() < 12 else None
        axes.plot(one.x, one.mean, color=colour, linewidth=2.6, marker=dot, label=name)


def scale_values(axes: Axes, curves: Sequence[Curve], scale: str) -> None:
    """The vertical axis of a Quantity."""
    values = np.concatenate([one.mean[np.isfinite(one.mean)] for one in curves])
    positive = values[values > 0]
    if scale == "unit":
        axes.set_ylim(0, 1.03)
    elif scale == "log" and len(positive):
        log_values(axes)
    elif scale == "wide" and len(positive) and positive.min() < 0.2 * values.max():
        axes.set_ylim(max(0.5 * positive.min(), LEAST * values.max()), 2 * values.max())
        log_values(axes)
    elif scale == "wide":
        axes.set_ylim(bottom=0)


def draw_quantity(
    axes: Axes,
    quantity: Quantity,
    runs: Sequence[Run],
    colours: Sequence[Any],
    names: Sequence[str],
) -> None:
    """A curve for every run."""
    curves = [quantity.curve(run) for run in runs]
    draw_curves(axes, curves, colours, names)
    scale_values(axes, curves, quantity.scale)
    if np.isfinite(quantity.rule(runs[0])):
        axes.axhline(quantity.rule(runs[0]), color=LOOK.faint, linestyle="--", linewidth=1.2)
    if quantity.counts:
        count_axis(axes, np.concatenate([one.x for one in curves]), quantity.across)
    else:
        time_axis(axes, max((one.x for one in curves), key=lambda x: x[-1]))
    axes.set_title(quantity.title)


def colours_of(count: int) -> Sequence[Any]:
    """Of so many curves: by name, or in a row where there are more than names."""
    few = [getattr(LOOK, name) for name in DATA_COLOURS[:count]]
    return few if count <= len(DATA_COLOURS) else LOOK.sequence(count)


def has(run: Run, quantity: Quantity) -> bool:
    """Whether a run has anything of it."""
    try:
        return bool(np.isfinite(quantity.curve(run).mean).any())
    except (BadFile, ValueError, IndexError):  # of what is not written yet
        return False


def shared(runs: Sequence[Run], most: int = 4) -> list[Quantity]:
    """What all of the runs have."""
    every = [overlay.quantities(run) for run in runs]
    names = [name for name in every[0] if all(name in other for other in every)]
    known = [every[0][name] for name in names]
    return [one for one in known if all(has(run, one) for run in runs)][:most]


def said_of(runs: Sequence[Run], names: Sequence[str], quantities: Sequence[Quantity]) -> str:
    """What is found in them."""
    names = [name.replace("\n", " ") for name in names]
    if runs[0].observables:
        return headline([Series(run, "energy") for run in runs], names)
    if runs[0].study == "limits":
        slopes = [float(run.study_values.get("slope_depth", np.nan)) for run in runs]
        return "Slopes in the depth from " + ends(slopes, names, "{:.2f}".format)
    curves = [quantities[0].curve(run).mean for run in runs]
    last = [values[np.isfinite(values)][-1] for values in curves]
    what = "Energies end" if quantities[0].title.startswith("Energy") else "Values end"
    return f"{what} from " + ends(last, names, short)


def figure(runs: Sequence[Run]) -> Picture:
    quantities, names = shared(runs), labels(runs)
    if not quantities:
        raise BadFile(runs[0].path, "has nothing in common with the others that could be drawn")
    colours = colours_of(len(runs))
    lines = max(name.count("\n") + 1 for name in names)
    longest = max(len(line) for name in names for line in name.split("\n"))
    wide = min(len(runs), max(1, 120 // (longest + 6)))
    rows = lines * -(-len(runs) // wide) if len(runs) <= NAMED else 0  # of the legend
    high = 5.2 if len(quantities) < 3 else 9.6  # of the panels
    whole = plt.figure(figsize=(13, high + 1.4 + 0.36 * rows), layout="constrained")
    parts = whole.subfigures(2, 1, height_ratios=[high, 0.2 + 0.36 * rows]) if rows else [whole]
    across = min(2, len(quantities))
    panels = np.ravel(parts[0].subplots(-(-len(quantities) // across), across, squeeze=False))
    for axes, quantity in zip(panels, quantities):
        draw_quantity(axes, quantity, runs, colours, names)
    for axes in panels[len(quantities) :]:
        axes.axis("off")
    if rows:
        handles = panels[0].get_legend_handles_labels()
        parts[1].legend(*handles, loc="center", ncols=wide, frameon=False)
    several = any(run.parameters.get("ensemble_realizations", "1") != "1" for run in runs)
    bands = "Bands: 95% intervals of the mean" if several and runs[0].study != "spde" else ""
    return dress(whole, common(runs), said_of(runs, names, quantities), bands)


def draw_alone(axes: Axes, runs: Sequence[Run], name: str) -> str:
    """One quantity of several runs by its name, with its legend; returns what it shows. Refused
    names those that all have."""
    known = overlay.by_name(runs[0])
    if name not in known or not all(has(run, known[name]) for run in runs):
        there = [one for one, quantity in known.items() if all(has(run, quantity) for run in runs)]
        raise Refused(f"--panel {name}: these runs have in common {', '.join(there) or 'nothing'}")
    draw_quantity(axes, known[name], runs, colours_of(len(runs)), labels(runs))
    if len(runs) <= NAMED:
        axes.legend(loc="best")
    return known[name].title
