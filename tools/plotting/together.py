"""Several runs in one picture: energy and order over time, a curve for each, named by the keys in which they differ."""
import contextlib
import os
import types

import chorale_io
import matplotlib.pyplot as plt
import numpy as np
from chorale_io import BadFile

from plotting.common import LOOK, Series, dress, log_values, number, short, time_axis

COLOURS = ("blue", "orange", "green", "purple", "yellow", "sky")
NAMED = 24  # curves that a legend names
LETTERS = {"tokens_count": "N", "tokens_dim": "d", "layers_depth": "L", "layers_horizon": "T", "attention_beta": "β", "attention_value": "v",
           "mlp_width": "m", "mlp_bias_u": "σ_U", "mlp_bias_w": "σ_W", "ensemble_seed": "seed", "ensemble_realizations": "realizations"}
ASIDE = ("output_", "checkpoint_", "progress", "ensemble_groups")  # keys that change no number
LEAST = 1e-12  # of the first energy: below, it is rounding


def differing(runs):
    """Keys that tell the runs apart, in the order of the decks."""
    keys = dict.fromkeys(key for run in runs for key in run.parameters if not key.startswith(ASIDE))
    return [key for key in keys if len({run.parameters.get(key, "") for run in runs}) > 1]


def value_of(run, key):
    """As one writes it: a file by its name, a number without its tail."""
    return number(os.path.basename(run.parameters.get(key, "")))


def labels(runs):
    keys = differing(runs)
    names = [", ".join(f"{LETTERS.get(key, key)} = {value_of(run, key)}" for key in keys if value_of(run, key)) for run in runs]
    stems = [os.path.splitext(os.path.basename(run.path))[0] for run in runs]
    return names if len(set(names)) == len(runs) and max(map(len, names)) < 90 else stems


def decay(time, energy):
    """(t, rate): when the mean energy has fallen to a tenth of its first value, and how fast it falls from there on; NaN where it does not."""
    known = np.isfinite(energy) & (energy > LEAST * energy[0])
    time, energy = time[known], energy[known]
    below = np.flatnonzero(energy <= energy[0] / 10) if len(energy) else ()
    if not len(below):
        return np.nan, np.nan
    i = below[0]
    share = np.log(energy[i - 1] / (energy[0] / 10)) / np.log(energy[i - 1] / energy[i])
    rate = -np.polyfit(time[i:], np.log(energy[i:]), 1)[0] if len(energy) - i > 2 else np.nan
    return time[i - 1] + share * (time[i] - time[i - 1]), rate


def ends(values, names, form):
    """`0.2 (β = 1) to 0.4 (β = 2)`"""
    if not np.isfinite(values).any():
        return "what is not known yet"
    low, high = np.nanargmin(values), np.nanargmax(values)
    return f"{form(values[low])} ({names[low]}) to {form(values[high])} ({names[high]})"


def headline(energies, names):
    found = np.array([decay(energy.time, energy.mean) for energy in energies])
    fell = np.isfinite(found[:, 0])
    if not fell.any():
        return "Energies end from " + ends([energy.end for energy in energies], names, short)
    many = "" if fell.all() else f" in {fell.sum()} of {len(fell)} runs"
    words = f"Energy falls to a tenth{many}: at t = " + ends(found[:, 0], names, "{:.1f}".format)
    rates = found[np.isfinite(found[:, 1]), 1]
    return words + (f"; from there at rates {rates.min():.2f} to {rates.max():.2f}" if len(rates) > 1 else "")


def common(runs):
    """What dress() asks of a run, said of all of them."""
    parameters = dict(runs[0].parameters)
    for key in differing(runs):
        values = list(dict.fromkeys(value_of(run, key) for run in runs))
        parameters[key] = " / ".join(filter(None, values)) if len(values) < 4 else f"{values[0]} … {values[-1]}"
    for key in {"mlp_bias_u", "mlp_bias_w"} & set(differing(runs)):
        parameters[key] = "0"  # the labels say them
    return types.SimpleNamespace(parameters=parameters, observables={}, complete=not any(run.complete is False for run in runs))


def draw_curves(axes, series, colours, names):
    for one, colour, name in zip(series, colours, names):
        low = one.mean - one.half
        axes.fill_between(one.time, np.where(low > 0, low, 1e-3 * one.mean), one.mean + one.half, color=colour, alpha=0.2, linewidth=0)
        axes.plot(one.time, one.mean, color=colour, linewidth=2.6, label=name)
    time_axis(axes, max((one.time for one in series), key=lambda time: time[-1]))


def figure(runs):
    energies, orders = ([Series(run, name) for run in runs] for name in ("energy", "order"))
    names = labels(runs)
    colours = [getattr(LOOK, name) for name in COLOURS[: len(runs)]] if len(runs) <= len(COLOURS) else LOOK.sequence(len(runs))
    named = len(runs) <= NAMED
    columns = min(len(runs), max(1, 120 // (max(map(len, names)) + 6)))
    rows = -(-len(runs) // columns) if named else 0
    whole = plt.figure(figsize=(13, 6.6 + 0.36 * rows), layout="constrained")
    parts = whole.subfigures(2, 1, height_ratios=[5.2, 0.2 + 0.36 * rows]) if rows else [whole]
    left, right = parts[0].subplots(1, 2)
    draw_curves(left, energies, colours, names)
    draw_curves(right, orders, colours, names)
    values = np.concatenate([one.mean[np.isfinite(one.mean) & (one.mean > 0)] for one in energies])
    if len(values) and values.min() < 0.2 * values.max():
        left.set_ylim(max(0.5 * values.min(), LEAST * values.max()), 2 * values.max())
        log_values(left)
    else:
        left.set_ylim(bottom=0)
    left.set_title("Energy  $E_\\beta$")
    right.set_ylim(0, 1.03)
    right.set_title("Order: length of the mean token")
    if rows:
        parts[1].legend(*left.get_legend_handles_labels(), loc="center", ncols=columns, frameon=False)
    bands = "Bands: 95% intervals of the mean" if any(energy.count > 1 for energy in energies) else ""
    return dress(whole, common(runs), headline(energies, names), bands)


def figure_of(paths):
    """Of files that have observables."""
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(chorale_io.open(path)) for path in paths]
        for run in runs:
            if "energy" not in run.observables:
                raise BadFile(run.path, "no energy over time: together are drawn results of chorale simulate")
        return figure(runs)
