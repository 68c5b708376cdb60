"""Study sync with sync_map and kernel_moments: which activation synchronizes which moment, over
dimension and bias, with the exact boundaries; and p* where there is no bias."""

from __future__ import annotations

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot.common import LOOK, Picture, columns, dress, found
from chorale.plot.words import number

WIDE = 5  # panels in a row
TOP = 2.0  # of the biases that are shown
BELOW = 1e-30  # for 0, on an axis of logarithms
COERCIVE = 2.0  # the moment of the theorem
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


class Map(NamedTuple):
    """A row for every activation, dimension and moment, at the least bias of the file."""

    activation: np.ndarray
    dim: np.ndarray
    bias: np.ndarray
    lambda1: np.ndarray
    pstar: np.ndarray
    limit: np.ndarray
    moment: np.ndarray
    boundary: np.ndarray
    asymptote: np.ndarray

    @property
    def dims(self) -> np.ndarray:
        return np.unique(self.dim)

    @property
    def moments(self) -> np.ndarray:
        return np.unique(self.moment)

    @property
    def activations(self) -> list[str]:
        return list(dict.fromkeys(self.activation))

    def of(self, activation: str, moment: float) -> "Map":
        """The rows of both, by dimension."""
        rows = np.flatnonzero((self.activation == activation) & (self.moment == moment))
        return self.at(rows[np.argsort(self.dim[rows])])

    def at(self, rows: np.ndarray) -> "Map":
        return Map(*(column[rows] for column in self))

    def edge(self) -> np.ndarray:
        """The bias beyond which the moment decays: 0 where it always does, infinite where never."""
        always = np.where(self.pstar > self.moment, 0, np.inf)
        return np.where(np.isnan(self.boundary), always, self.boundary)


def read(run: Run) -> Map:
    """The map that a file holds."""
    names = ("dim", "bias_u", "lambda1", "pstar", "pstar_limit", "moment")
    numbers = columns(run, *names, "moment_boundary", "moment_limit")
    activation = np.array(run.study_values["activation"])
    whole = Map(activation, *numbers)
    if len(whole.dims) < 2:
        raise BadFile(run.path, "the moments are drawn over two dimensions or more: tokens_dim")
    return whole.at(np.flatnonzero(whole.bias == whole.bias.min()))


def colours(whole: Map) -> np.ndarray:
    """Of the moments, in their order."""
    return LOOK.sequence(len(whole.moments))


def floor_of(whole: Map) -> float:
    """The least bias that is shown."""
    square = whole.boundary[(whole.moment == COERCIVE) & (whole.boundary > 0)]
    positive = square if len(square) else whole.boundary[whole.boundary > 0]
    return 0.2 * positive.min() if len(positive) else 1e-3 * TOP


def draw_regions(axes: Axes, whole: Map, activation: str) -> None:
    """For every moment the biases for which it decays, and the boundary of coercivity with its
    asymptote."""
    for moment, colour in zip(whole.moments, colours(whole)):
        mine = whole.of(activation, moment)
        edge = np.clip(mine.edge(), BELOW, None)
        there = np.isfinite(edge)
        axes.fill_between(mine.dim[there], edge[there], TOP, color=colour, linewidth=0)
        if moment == COERCIVE:
            line = {"color": LOOK.ink, "linewidth": 1.5, "linestyle": "--", "zorder": 3}
            around = [withStroke(linewidth=3, foreground=LOOK.paper)]
            axes.plot(mine.dim, mine.asymptote / mine.dim, path_effects=around, **line)
            axes.plot(mine.dim, mine.boundary, color=LOOK.orange, linewidth=2.6, zorder=4)
    axes.set(xscale="log", yscale="log", title=activation)
    axes.set(xlim=(whole.dims[0], whole.dims[-1]), ylim=(floor_of(whole), TOP))
    axes.set_facecolor(LOOK.panel)
    axes.grid(False)


def dimension_axis(axes: Axes, dims: np.ndarray) -> None:
    """Powers of two as ticks."""
    axes.set_xscale("log", base=2)
    powers = 2.0 ** np.arange(np.ceil(np.log2(dims[0])), np.floor(np.log2(dims[-1])) + 1)
    powers = powers[:: -(-len(powers) // 6)]
    axes.set_xticks(powers, [f"{d:g}" for d in powers])
    axes.minorticks_off()


def draw_roots(axes: Axes, whole: Map, bounded: bool) -> None:
    """p* of every activation at the least bias, for those of a limit for large d, or d - p* of the
    others."""
    shades = LOOK.sequence(len(whole.activations))
    for i, (activation, colour) in enumerate(zip(whole.activations, shades)):
        mine = whole.of(activation, whole.moments[0])
        if np.isfinite(mine.limit[0]) != bounded:
            continue
        value = mine.pstar if bounded else mine.dim - mine.pstar
        look = {
            "color": colour,
            "linewidth": 2,
            "marker": MARKS[i % len(MARKS)],
            "markersize": 6,
        }
        axes.plot(mine.dim, value, label=activation, markevery=(i, len(shades)), **look)
        if bounded:
            axes.axhline(mine.limit[0], color=colour, linewidth=1, linestyle="--")
    dimension_axis(axes, whole.dims)
    axes.set(xlabel="dimension d", ylabel="$p^*$" if bounded else "$d - p^*$")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def draw_bottom(figure: SubFigure, whole: Map) -> None:
    """p* against d, in one panel or two."""
    zero = "without bias" if whole.bias[0] == 0 else f"at σ_U = σ_W = {number(whole.bias[0])}"
    words = (
        f"σ(0) = 0, {zero}: $p^*$ has a limit (dashed)",
        f"σ(0) ≠ 0, {zero}: $p^*$ grows like d",
    )
    limited = np.isfinite(whole.limit)
    kinds = [kind for kind in (True, False) if (limited == kind).any()]
    panels = figure.subplots(1, len(kinds), squeeze=False)
    for axes, kind in zip(panels.flat, kinds):
        draw_roots(axes, whole, kind)
        found(axes, words[0 if kind else 1])


def legend(figure: Figure, whole: Map) -> None:
    """What the colours mean, in a strip below the panels."""
    handles = [Patch(facecolor=LOOK.panel, edgecolor=LOOK.soft, label="no moment of these decays")]
    for moment, colour in zip(whole.moments, colours(whole)):
        handles.append(Patch(facecolor=colour, label=f"Λ(p) < 0 up to p = {number(moment)}"))
    if (whole.moment == COERCIVE).any():
        line = {
            "color": LOOK.orange,
            "linewidth": 2.6,
            "label": "$\\bar\\lambda$ = Λ(2) = 0",
        }
        handles.append(plt.Line2D([], [], **line))
        line = {"color": LOOK.ink, "linewidth": 1.5, "linestyle": "--"}
        handles.append(plt.Line2D([], [], label="its limit for large d", **line))
    high, low = figure.get_figheight(), 0.9
    figure.get_layout_engine().set(rect=(0, low / high, 1, 1 - low / high))
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.36 / high)}
    figure.legend(handles=handles, ncol=-(-len(handles) // 2), frameon=False, **place)


def headline(whole: Map) -> str:
    """Where two tokens meet, and what their mean square does."""
    laws = whole.at(np.flatnonzero(whole.moment == whole.moments[0]))
    count = (laws.lambda1 < 0).sum()
    words = f"λ1 < 0 in {'all' if count == len(laws.dim) else f'{count} of'} {len(laws.dim)} cases"
    square = whole.at(np.flatnonzero(whole.moment == COERCIVE))
    large = square.at(np.flatnonzero(square.dim == whole.dims[-1]))
    limited = large.at(np.flatnonzero(large.boundary > 0))
    if len(limited.dim):
        low, high = limited.asymptote.min(), limited.asymptote.max()
        words += f"; the mean square decays beyond biases of {low:.2g}/d to {high:.2g}/d"
        words += ", or for every bias where σ(0) ≠ 0" if len(limited.dim) < len(large.dim) else ""
    return words


def draw_panels(figure: SubFigure, whole: Map) -> None:
    """A panel for each activation."""
    names = whole.activations
    wide = min(WIDE, len(names))
    panels = figure.subplots(-(-len(names) // wide), wide, sharey=True, squeeze=False)
    for axes, activation in zip(panels.flat, names):
        draw_regions(axes, whole, activation)
        dimension_axis(axes, whole.dims)
    for axes in panels.flat[len(names) :]:
        axes.axis("off")
    for axes in panels[:, 0]:
        axes.set_ylabel("$\\sigma_U = \\sigma_W$")


def figure(run: Run) -> Picture:
    whole = read(run)
    rows = -(-len(whole.activations) // WIDE)
    size = (17, 2.2 + 3.0 * rows + 4.2)
    picture = plt.figure(figsize=size, layout="constrained")
    top, bottom = picture.subfigures(2, 1, height_ratios=[3 * rows, 3.8])
    draw_panels(top, whole)
    draw_bottom(bottom, whole)
    legend(picture, whole)
    dressed = dress(picture, run, headline(whole), "")
    below = "Noise alone. Λ(p): growth rate of the p-th moment of the distance of two tokens"
    picture.supxlabel(below + ", negative for 0 < p < p*.", fontsize=12.5, color=LOOK.soft)
    return dressed
