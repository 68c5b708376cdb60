"""The figure of the paper's grid of experiments: energy and cosines over the layers, a row for
every activation and a column for every dimension."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from chorale import io
from chorale.grid import ACTIVATIONS, BIASES, DIMS, VALUES, Cell, cells
from chorale.plot.common import DPI, LOOK, Picture, style
from chorale.plot.words import wrapped

OBSERVABLES = {"energy": "Energy $E_\\beta$", "cosine_mean": "Mean cosine of pairs"}
STYLES = {0.0: "-", 0.1: "--"}
WORDS = {1: "attracts", 0: "off", -1: "repels"}
Curve = tuple[np.ndarray, np.ndarray]  # step, mean of the realizations
Curves = dict[Cell, dict[str, Curve]]


def read(paths: Sequence[str | os.PathLike[str]]) -> Curves:
    """The observables of all cells of the grid's sweeps."""
    found: Curves = {}
    with contextlib.ExitStack() as stack:
        for cell, run in cells(stack.enter_context(io.open(path)) for path in paths):
            seen = {key: run.observables[key] for key in OBSERVABLES}
            found[cell] = {key: (one.step, one.values().mean(axis=1)) for key, one in seen.items()}
    return found


def finding(curves: Curves) -> str:
    """What attention does to the synchronization that the noise brings."""

    def last(value: int) -> float:
        """Mean cosine at the last layer, over all noises."""
        ends = [
            curves[cell]["cosine_mean"][1][-1]
            for cell in curves
            if cell.activation and cell.value == value
        ]
        return sum(ends) / len(ends)

    ends = {v: last(v) for v in VALUES}
    listed = ", ".join(f"{ends[v]:.2f} for v = {v}" for v in VALUES)
    words = "Under random MLPs"
    if 0 < ends[-1] < ends[0] < ends[1]:
        words = "Random MLPs draw tokens together, attraction helps and repulsion hinders"
    return f"{words}: mean cosine at the last layer {listed}".replace("-", "−")


def caption(path: str | os.PathLike[str]) -> str:
    """What all runs have in common."""
    with io.open(path) as run:
        keys = run.parameters
    count = keys["ensemble_realizations"]
    each = "one realization each" if count == "1" else f"{count} realizations each"
    return (
        f"N = {keys['tokens_count']}, L = {keys['layers_depth']}, "
        f"T = {keys.real('layers_horizon'):g}, {keys['attention_type']} attention, "
        f"β = {keys.real('attention_beta'):g}, MLP of width {keys['mlp_width']}, {each}"
    )


def colours() -> dict[int, str]:
    """By the value matrix."""
    return {1: LOOK.blue, 0: LOOK.green, -1: LOOK.orange}


def draw_panel(axes: Axes, curves: Curves, key: str, activation: str | None, dim: int) -> None:
    """A curve for every value and bias."""
    for cell, seen in curves.items():
        if (cell.activation, cell.dim) == (activation, dim):
            look = {"color": colours()[cell.value], "linestyle": STYLES[cell.bias]}
            axes.plot(*seen[key], linewidth=2.2, **look)


def draw_half(part: SubFigure, curves: Curves, key: str) -> None:
    """All panels of an observable."""
    part.suptitle(OBSERVABLES[key], fontsize=17)
    rows = ACTIVATIONS + (None,)
    panels = part.subplots(len(rows), len(DIMS), sharex=True, sharey=True)
    for row, activation in zip(panels, rows):
        for axes, dim in zip(row, DIMS):
            draw_panel(axes, curves, key, activation, dim)
        row[0].set_ylabel(activation or "no MLP", fontsize=16)
    for axes, dim in zip(panels[0], DIMS):
        axes.set_title(f"d = {dim}")
    for axes in panels[-1]:
        axes.set_xlabel("layer")


def handles() -> list[Line2D]:
    """Of the legend: values, then biases."""
    lines = []
    for value in VALUES:
        label = f"v = {value} ({WORDS[value]})".replace("-", "−")
        lines.append(Line2D([], [], color=colours()[value], linewidth=2.8, label=label))
    for bias in BIASES:
        look = {"color": LOOK.soft, "linestyle": STYLES[bias], "linewidth": 2.2}
        lines.append(Line2D([], [], label=f"$\\sigma_U = \\sigma_W = {bias:g}$", **look))
    return lines


def figure(paths: Sequence[str | os.PathLike[str]]) -> Picture:
    """Of the sweeps' results files, in the theme and with the settings in use."""
    curves = read(paths)
    whole = plt.figure(figsize=(18, 14.4), layout="constrained")
    body, strip = whole.subfigures(2, 1, height_ratios=[1, 0.035])
    for half, key in zip(body.subfigures(1, 2, wspace=0.03), OBSERVABLES):
        draw_half(half, curves, key)
    lines = handles()
    strip.legend(handles=lines, loc="center", ncols=len(lines), fontsize=15, frameon=False)
    whole.suptitle(wrapped(finding(curves), 120), fontsize=20, fontweight="bold")
    whole.supxlabel(caption(paths[0]), fontsize=14, color=LOOK.soft)
    return Picture(whole, finding(curves), [], True)


def draw(paths: Sequence[os.PathLike], out: str, theme: str) -> None:
    """Writes the figure of the sweeps' results files."""
    LOOK.use(theme)
    with matplotlib.rc_context(style()):
        drawn = figure(paths).figure
        drawn.savefig(out, dpi=DPI if out.endswith(".pdf") else 120)
        plt.close(drawn)
