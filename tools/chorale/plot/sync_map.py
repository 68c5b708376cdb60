"""Study sync with sync_map: the phases over dimension and bias, one panel for each activation."""

from __future__ import annotations

from typing import Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot.common import LOOK, Picture, columns, dress
from chorale.plot.words import energy_beta, number

# meaning of the cells where the theorem proves no rate
PHASES = (
    "$\\lambda_1 \\geq 0$",
    "$\\lambda_1 < 0 \\leq \\bar\\lambda$",
    "$\\bar\\lambda < 0$, no rate proved",
)
PROVED = len(PHASES)  # beyond them: the theorem proves a rate
RATES = matplotlib.colormaps["YlGnBu"]
WIDE = 5  # panels in a row


class Map(NamedTuple):
    """A row for every activation, dimension and bias."""

    activation: np.ndarray
    dim: np.ndarray
    bias: np.ndarray
    rate: np.ndarray
    boundary: np.ndarray
    phase: np.ndarray

    @property
    def dims(self) -> np.ndarray:
        return np.unique(self.dim)

    @property
    def biases(self) -> np.ndarray:
        return np.unique(self.bias)

    def of(self, activation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """phase[d][bias], rate[d][bias] and boundary[d] of an activation."""
        dims, biases = self.dims, self.biases
        phase, rate = np.zeros((2, len(dims), len(biases)))
        boundary = np.full(len(dims), np.nan)
        for i, d in enumerate(dims):
            mine = (self.activation == activation) & (self.dim == d)
            place = np.searchsorted(biases, self.bias[mine])
            phase[i, place], rate[i, place] = self.phase[mine], self.rate[mine]
            boundary[i] = self.boundary[mine][0]
        return phase, rate, boundary


def phases(lambda1: np.ndarray, lambda_bar: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Index into PHASES, or PROVED; bound is one of λ̄'(β) from above."""
    refused = np.where(lambda_bar >= 0, 1, np.where(bound >= 0, 2, PROVED))
    return np.where(lambda1 >= 0, 0, refused)


def read(run: Run) -> Map:
    """The map that a file holds."""
    names = ("dim", "bias_u", "bias_w", "lambda1", "lambda_bar", "lambda_rate_bound", "boundary")
    dim, bias_u, bias_w, lambda1, lambda_bar, rate, boundary = columns(run, *names)
    if (bias_u != bias_w).any():
        raise BadFile(run.path, "the map is drawn for bias_u = bias_w: take kernel_bias")
    activation = np.array(run.study_values["activation"])
    return Map(activation, dim, bias_u, rate, boundary, phases(lambda1, lambda_bar, rate))


def cell_edges(values: np.ndarray) -> np.ndarray:
    """Edges of cells about increasing values."""
    if len(values) == 1:
        return values[0] + np.array([-0.01, 0.01])
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[values[0]], middle, [2 * values[-1] - middle[-1]]])


def draw_boundary(axes: Axes, boundary: np.ndarray, top: float) -> None:
    """The bias at which λ̄ = 0, below which no rate is proved, in every column where the map has
    it."""
    for i, sigma in enumerate(boundary):
        if not np.isfinite(sigma) or sigma > top:
            continue
        axes.plot([i, i + 1], [sigma, sigma], color=LOOK.orange, linewidth=2.6)
        side = -1 if sigma > 0.6 * top else 1  # of the line, where there is room
        look = {
            "ha": "center",
            "va": "top" if side < 0 else "bottom",
            "fontsize": 12,
            "color": LOOK.ink,
            "rotation": 90 if len(boundary) > 4 else 0,
            "path_effects": [withStroke(linewidth=3, foreground=LOOK.paper)],
        }
        axes.text(i + 0.5, sigma + 0.02 * side * top, f"{sigma:.3f}", **look)


def draw_phases(axes: Axes, found: Map, activation: str, norm: LogNorm) -> Any:
    """Phases of an activation in equal columns for the dimensions; returns the image of rates."""
    phase, rate, boundary = found.of(activation)
    dims, edges = found.dims, cell_edges(found.biases)
    sides = np.arange(len(dims) + 1)
    colours = {
        "cmap": ListedColormap(LOOK.phases),
        "norm": BoundaryNorm(np.arange(-0.5, PROVED), PROVED),
    }
    refused = np.ma.masked_equal(phase.T, PROVED)
    axes.pcolormesh(sides, edges, refused, rasterized=True, **colours)
    proved = np.ma.masked_where(phase.T < PROVED, -rate.T)
    image = axes.pcolormesh(sides, edges, proved, cmap=RATES, norm=norm, rasterized=True)
    draw_boundary(axes, boundary, edges[-1])
    axes.set(ylim=(edges[0], edges[-1]), xlim=(0, len(dims)), title=activation)
    axes.set_xticks(np.arange(len(dims)) + 0.5, [f"{d:g}" for d in dims])
    axes.grid(False)
    return image


def norm_of(found: Map) -> LogNorm:
    """Colours of the rates that are proved."""
    proved = -found.rate[found.phase == PROVED]
    if not len(proved):
        return LogNorm(0.1, 1)
    return LogNorm(max(proved.min(), 1e-3 * proved.max()), proved.max())


def legend(figure: Figure, found: Map) -> None:
    """What the colours mean, in a strip below the panels."""
    look = {"edgecolor": LOOK.soft}
    handles = [
        Patch(facecolor=colour, label=label, **look)
        for i, (colour, label) in enumerate(zip(LOOK.phases, PHASES))
        if (found.phase == i).any()
    ]
    label = "$\\bar\\lambda = 0$: no rate is proved below"
    handles.append(plt.Line2D([], [], color=LOOK.orange, linewidth=2.6, label=label))
    high, low = figure.get_figheight(), 0.5
    figure.get_layout_engine().set(rect=(0, low / high, 1, 1 - low / high))
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.36 / high)}
    figure.legend(handles=handles, ncol=len(handles), frameon=False, **place)


def headline(found: Map) -> str:
    """Where the theorem proves a rate."""
    proved = found.phase == PROVED
    where = f", from d = {int(found.dim[proved].min())} on" if proved.any() else ""
    count = f"{proved.sum()} of {len(proved)} cases"
    return f"Noise alone: the theorem proves that all tokens meet in {count}{where}"


def figure(run: Run) -> Picture:
    found = read(run)
    activations = list(dict.fromkeys(found.activation))
    rows = -(-len(activations) // WIDE)
    wide = -(-len(activations) // rows)
    size = (2.4 + 2.9 * wide, 1.9 + 3.3 * rows)
    shape = {"sharey": True, "squeeze": False, "layout": "constrained"}
    whole, panels = plt.subplots(rows, wide, figsize=size, **shape)
    norm = norm_of(found)
    for axes, activation in zip(panels.flat, activations):
        image = draw_phases(axes, found, activation, norm)
    for axes in panels.flat[len(activations) :]:
        axes.axis("off")
    for axes in panels[:, 0]:
        axes.set_ylabel("$\\sigma = \\sigma_U = \\sigma_W$")
    lowest = slice(max(0, len(activations) - wide), len(activations))  # of every column
    for axes in panels.flat[lowest]:
        axes.set_xlabel("dimension d")
    whole.colorbar(image, ax=panels, pad=0.01, label="proved rate $-\\bar\\lambda'(\\beta)$")
    legend(whole, found)
    picture = dress(whole, run, headline(found), "")
    beta = number(energy_beta(run.parameters.get) or "?")
    below = (
        f"β = {beta}. Yellow to blue: the rate that is proved; other fields: none is. "
        "λ1: top Lyapunov exponent of the noise."
    )
    whole.supxlabel(below, fontsize=12.5, color=LOOK.soft)
    return picture
