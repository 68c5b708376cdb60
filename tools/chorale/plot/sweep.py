"""A sweep of any study: over one key a family of curves in time, over two a map of a quantity at
the end, with the lines where exponents vanish."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm

from chorale.errors import BadFile
from chorale.io import Run, text
from chorale.plot.common import LOOK, Picture, dress, time_axis
from chorale.plot.shown import Sources
from chorale.plot.words import short

# what is drawn of a study, the first that a file has: over time, and at the end
CURVES = ("energy_mean", "order_mean", "energy", "distance", "diameter_mean")
ENDS = ("lambda1", "order_mean", "slope_depth", "slope_w2sq", "energy", "share_one")
ZEROS = {"lambda1": "$\\lambda_1 = 0$", "lambda_bar": "$\\bar\\lambda = 0$"}
LETTERS = {
    "attention_beta": "β",
    "attention_value": "v",
    "tokens_count": "N",
    "tokens_dim": "d",
    "mlp_width": "m",
    "mlp_bias_u": "$\\sigma_U$",
    "mlp_bias_w": "$\\sigma_W$",
    "noise_independent": "κ",
}
MEANINGS = {
    "attention_beta": "sharpness of attention",
    "attention_value": "attraction, below 0 repulsion",
    "tokens_count": "number of tokens",
    "tokens_dim": "dimension",
    "mlp_width": "width of the MLPs",
    "mlp_bias_u": "bias of the hidden units",
    "mlp_bias_w": "bias of the output",
    "noise_independent": "each token's own noise",
    "order_mean": "the length of the mean token",
}
NAMES = {"lambda1": "$\\lambda_1$", "lambda_bar": "$\\bar\\lambda$"}
LABELED = 9  # curves that the legend names


class Axis(NamedTuple):
    """A swept key with its values in the order in which they are drawn; order: where they stand in
    the file."""

    key: str
    values: np.ndarray
    order: np.ndarray

    @property
    def numeric(self) -> bool:
        return self.values.dtype.kind == "f"

    @property
    def letter(self) -> str:
        return LETTERS.get(self.key, self.key)

    @property
    def label(self) -> str:
        """The letter, and what it stands for."""
        return ", ".join(filter(None, (self.letter, MEANINGS.get(self.key))))

    @property
    def in_log(self) -> bool:
        """Are the values positive and about equally far apart in their logarithms?"""
        if not self.numeric or len(self.values) < 3 or self.values[0] <= 0:
            return False
        spread = [np.ptp(step) / step.mean() for step in map(np.diff, self.scales())]
        return bool(spread[1] < spread[0])

    def scales(self) -> tuple[np.ndarray, np.ndarray]:
        return self.values, np.log(self.values)

    def words(self, i: int) -> str:
        return f"{self.letter} = {self.value(i)}"

    def value(self, i: int) -> str:
        """As one writes it."""
        return f"{self.values[i]:.4g}".replace("-", "−") if self.numeric else str(self.values[i])

    @property
    def range(self) -> str:
        """`0.1 … 10`, which stays in one line, or the words."""
        ends = "\u00a0…\u00a0".join(map(self.value, (0, -1)))
        return ends if self.numeric else ", ".join(self.values)


def axes_of(run: Run) -> list[Axis]:
    """Numbers in increasing order, words as they were given."""
    found = []
    for key, values in run.sweep.items():
        order = np.argsort(values) if values.dtype.kind == "f" else np.arange(len(values))
        found.append(Axis(key, values[order], order))
    return found


def quantity(run: Run, name: str) -> Optional[np.ndarray]:
    """A number in every cell: a scalar, or the last that is there of a column of frames."""
    item = run.study_data.get(name)
    extra = None if item is None or item.dtype.kind not in "iuf" else item.ndim - len(run.sweep)
    if extra not in (0, 1):
        return None
    values = np.asarray(item[...], dtype=float)
    if not extra:
        return values
    rows = values.reshape(-1, values.shape[-1])
    known = [row[np.isfinite(row)] for row in rows]
    return np.array([row[-1] if len(row) else np.nan for row in known]).reshape(values.shape[:-1])


def chosen(run: Run, name: Optional[str]) -> tuple[str, np.ndarray]:
    """The quantity that was asked for, or the study's own, with its name."""
    for candidate in (name,) if name else ENDS:
        found = quantity(run, candidate)
        if found is not None and np.isfinite(found).any():
            return candidate, found
    reason = f"has no number {name} in its cells" if name else "has no number of its cells to draw"
    raise BadFile(run.path, reason)


def ordered(values: np.ndarray, axes: list[Axis]) -> np.ndarray:
    """In the order of drawing."""
    return values[np.ix_(*(axis.order for axis in axes))]


def told(run: Run, name: str) -> str:
    """What the file says of a quantity."""
    item = run.study_data[name]
    unit = text(item.attrs.get("unit", "1"))
    words = NAMES.get(name, name.removesuffix("_mean").replace("_", " "))
    return words if unit in ("1", "") else f"{words} [{unit}]"


def at_the_end(run: Run, name: str) -> str:
    """The quantity in words: of a column its last number."""
    clocked = run.study_data[name].ndim > len(run.sweep)
    return told(run, name) + (" at the end" if clocked else "")


def explained(run: Run, name: str) -> str:
    """The same, and what it is."""
    return ": ".join(filter(None, (at_the_end(run, name), MEANINGS.get(name))))


def shown(run: Run) -> Sources:
    """The parameters, of swept keys from where to where."""
    keys = dict(run.parameters)
    for axis in axes_of(run):
        keys[axis.key] = axis.range
        if axis.key.startswith("mlp_bias"):  # told of as a number
            keys[axis.key] = "0"
    return Sources(keys, run.complete)


# ---- one key ----


def colours(axis: Axis) -> list:
    """Of numbers by their order, of words apart."""
    if axis.numeric:
        return list(LOOK.sequence(len(axis.values)))
    words = (LOOK.blue, LOOK.orange, LOOK.green, LOOK.purple, LOOK.yellow, LOOK.sky, LOOK.soft)
    return [words[i % len(words)] for i in range(len(axis.values))]


def draw_curves(panel: Axes, run: Run, axis: Axis, name: str) -> None:
    """A curve over time for every value; an energy, whose unit depends on β, beside its start."""
    values, time = run.study_data[name][...], run.study_data["time"][...]
    label = told(run, name)
    if label == "energy":
        values, label = values / values[:, :1], "energy / energy at the start"
    labeled = set(np.linspace(0, len(axis.order) - 1, min(LABELED, len(axis.order))).astype(int))
    for i, (at, colour) in enumerate(zip(axis.order, colours(axis))):
        words = axis.words(i) if i in labeled else None
        panel.plot(time[at], values[at], color=colour, linewidth=2.2, label=words)
    time_axis(panel, time[0])
    panel.set_ylabel(label)
    finite = values[np.isfinite(values)]
    if len(finite) and (finite > 0).all() and finite.max() > 100 * finite.min():
        panel.set_yscale("log")


def draw_line(panel: Axes, axis: Axis, name: str, values: np.ndarray, run: Run) -> None:
    """A quantity at the end against the key."""
    x = axis.values if axis.numeric else np.arange(len(axis.values))
    sem = quantity(run, name.removesuffix("_mean") + "_sem")
    style = "o-" if axis.numeric else "o"
    panel.plot(x, values[axis.order], style, color=LOOK.blue, linewidth=2.2)
    if sem is not None:
        panel.errorbar(x, values[axis.order], sem[axis.order], fmt="none", color=LOOK.blue)
    if axis.in_log:
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    if not axis.numeric:
        panel.set_xticks(x, axis.values)
    if values[np.isfinite(values)].min() < 0 < values[np.isfinite(values)].max():
        panel.axhline(0, color=LOOK.soft, linewidth=1)
    panel.set(xlabel=axis.label, ylabel=explained(run, name))


def family(run: Run, axis: Axis, name: Optional[str]) -> Picture:
    """Curves over time where the study has them, and the quantity at the end."""
    name, values = chosen(run, name)
    clocked = "time" in run.study_data and run.study_data["time"].ndim == 2
    curves = [key for key in CURVES if clocked and key in run.study_data][:1]
    if clocked and run.study_data[name].ndim == 2:
        curves = [name]
    figure, panels = plt.subplots(
        1,
        1 + len(curves),
        figsize=(7.5 * (1 + len(curves)), 6.2),
        layout="constrained",
        squeeze=False,
    )
    if curves:
        draw_curves(panels[0, 0], run, axis, curves[0])
        panels[0, 0].legend()
    draw_line(panels[0, -1], axis, name, values, run)
    low, high = np.nanmin(values), np.nanmax(values)
    words = f"{at_the_end(run, name)}: {short(low)} to {short(high)}"
    known = quantity(run, name.removesuffix("_mean") + "_sem")
    bars = known is not None and np.isfinite(known).any()
    errors = "Bars: one standard error over the realizations" if bars else ""
    return dress(figure, shown(run), f"{words}, {axis.letter} = {axis.range}", errors)


# ---- two keys ----


def edges(axis: Axis) -> np.ndarray:
    """Borders of the cells about the values."""
    if not axis.numeric or len(axis.values) == 1:
        return np.arange(len(axis.values) + 1) - 0.5
    x = np.log(axis.values) if axis.in_log else axis.values
    middle = (x[1:] + x[:-1]) / 2
    found = np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])
    return np.exp(found) if axis.in_log else found


def norm_of(values: np.ndarray) -> tuple[Normalize, str]:
    """Colours: of two signs white is 0."""
    low, high = np.nanmin(values), np.nanmax(values)
    if low < 0 < high:
        return TwoSlopeNorm(0, low, high), "RdBu_r"
    return Normalize(low, high if high > low else low + 1), "viridis"


def draw_zeros(panel: Axes, run: Run, axes: list[Axis]) -> list:
    """Lines where exponents vanish; handles for the legend."""
    found = []
    for (name, label), colour in zip(ZEROS.items(), (LOOK.alarm, LOOK.purple)):
        values = quantity(run, name)
        if values is None or not np.nanmin(values) < 0 < np.nanmax(values):
            continue
        grid = ordered(values, axes)
        style = "-" if name == "lambda1" else "--"
        x, y = (axis.values for axis in axes)
        panel.contour(x, y, grid.T, levels=[0], colors=[colour], linewidths=2.8, linestyles=style)
        look = {"color": colour, "linewidth": 2.8, "linestyle": style, "label": label}
        found.append(plt.Line2D([], [], **look))
    return found


def dress_axis(
    axis: Axis, which: matplotlib.axis.Axis, scale: Callable[..., Any], label: Callable[..., Any]
) -> None:
    """A logarithm where the values are spaced so, words at their cells."""
    if axis.in_log:
        scale("log")
        which.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    elif not axis.numeric or len(axis.values) == 1:
        which.set_ticks(np.arange(len(axis.values)), list(map(axis.value, range(len(axis.values)))))
    label(axis.label)


def diagram(run: Run, axes: list[Axis], name: Optional[str]) -> Picture:
    """The quantity over both keys."""
    name, values = chosen(run, name)
    grid = ordered(values, axes)
    figure, panel = plt.subplots(figsize=(9.6, 7.6), layout="constrained")
    norm, colours_ = norm_of(grid)
    image = panel.pcolormesh(
        edges(axes[0]), edges(axes[1]), grid.T, norm=norm, cmap=colours_, rasterized=True
    )
    figure.colorbar(image, ax=panel, label=explained(run, name))
    dress_axis(axes[0], panel.xaxis, panel.set_xscale, panel.set_xlabel)
    dress_axis(axes[1], panel.yaxis, panel.set_yscale, panel.set_ylabel)
    panel.grid(False)
    if all(axis.numeric and len(axis.values) > 1 for axis in axes):
        handles = draw_zeros(panel, run, axes)
        if handles:
            panel.legend(handles=handles, loc="best")
    low, high = np.nanmin(grid), np.nanmax(grid)
    words = f"{at_the_end(run, name)}: {short(low)} to {short(high)} over {grid.size} cells"
    return dress(figure, shown(run), words, "")


def figure(run: Run, name: Optional[str] = None) -> Picture:
    """name: of the quantity; None: the study's own."""
    axes = axes_of(run)
    if len(axes) > 2:
        raise BadFile(run.path, "a sweep over three keys has no picture: draw cells of it")
    return family(run, axes[0], name) if len(axes) == 1 else diagram(run, axes, name)
