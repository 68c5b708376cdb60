"""The CSV table of study kernel: covariance kernels k(u) from their coefficients (kernel_degree),
and over the dimension what decides on synchronization by noise: λ1, λ̄ and λ̄'(β), each beside 0.
"""

from __future__ import annotations

from typing import Any, Iterator, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io.table import read
from chorale.plot.common import LOOK, Picture, count_axis, dress, found
from chorale.plot.shown import Sources

Table = dict[str, np.ndarray]
# column, name, what it means when it is negative
SIGNS = (
    ("lambda1", "$\\lambda_1$", "two tokens meet"),
    ("lambda_bar", "$\\bar\\lambda$", "the noise is coercive"),
    ("lambda_rate_bound", "$\\bar\\lambda'(\\beta)$", "a rate is proved"),
)
COLOURS = ("blue", "orange", "green", "purple", "yellow", "sky", "ink", "faint")
MARKERS = "os^Dv<>P"
KINDS = ("-", "--", ":")  # lines of the biases
KERNELS = 3  # panels of k(u)


def coefficients_of(table: Table) -> list[str]:
    """Columns of the coefficients c_n, in the order of n."""
    count = sum(name[0] == "c" and name[1:].isdigit() for name in table)
    return [f"c{n}" for n in range(count)]


def zonal(dim: float, coefficients: Sequence[float], u: np.ndarray) -> np.ndarray:
    """Sum of c_n P_n(u), P_n(1) = 1 (Gegenbauer; cos nθ for dim = 2)."""
    before, now = np.ones_like(u), u.copy()
    total = coefficients[0] * before
    for n in range(1, len(coefficients)):
        total += coefficients[n] * now
        before, now = now, ((2 * n + dim - 2) * u * now - n * before) / (n + dim - 2)
    return total


class Curves:
    """A colour and marker for every activation, a line style for every bias."""

    def __init__(self, table: Table):
        self.activations = list(dict.fromkeys(table["activation"]))
        biases = sorted(set(zip(table["bias_u"], table["bias_w"])))
        some = [biases[0], biases[len(biases) // 2], biases[-1]]
        self.biases = biases if len(biases) <= len(KINDS) else some

    def __iter__(self) -> Iterator[tuple[str, tuple[float, float], dict[str, Any]]]:
        for a, activation in enumerate(self.activations):
            for b, bias in enumerate(self.biases):
                look = {
                    "color": getattr(LOOK, COLOURS[a % len(COLOURS)]),
                    "linestyle": KINDS[b],
                    "marker": MARKERS[a % len(MARKERS)],
                }
                yield activation, bias, look

    def handles(self) -> list[plt.Line2D]:
        """For the legend: the activations, then the biases."""
        lines = []
        for activation, bias, look in self:
            if bias == self.biases[0]:
                look = {"color": look["color"], "marker": look["marker"], "linewidth": 2.4}
                lines.append(plt.Line2D([], [], label=activation, **look))
        for (u, w), kind in zip(self.biases, KINDS):
            label = f"$\\sigma_U = {u:g}, \\sigma_W = {w:g}$"
            if u == w:
                label = f"$\\sigma_U = \\sigma_W = {u:g}$"
            look = {"color": LOOK.soft, "linestyle": kind, "linewidth": 2}
            lines.append(plt.Line2D([], [], label=label, **look))
        return lines


def chosen(table: Table, **keys: Any) -> np.ndarray:
    """Which rows have these values."""
    mask = np.ones(len(table["dim"]), bool)
    for key, value in keys.items():
        mask &= table[key] == value
    return mask


def draw_kernels(panels: Sequence[Axes], table: Table, curves: Curves, dims: np.ndarray) -> None:
    """k(u) / k(1), a panel for every dimension."""
    u, names = np.linspace(-1, 1, 401), coefficients_of(table)
    for axes, dim in zip(panels, dims):
        for activation, (bias_u, bias_w), look in curves:
            keys = {"activation": activation, "dim": dim, "bias_u": bias_u, "bias_w": bias_w}
            rows = np.flatnonzero(chosen(table, **keys))
            if len(rows):
                k = zonal(dim, [table[name][rows[0]] for name in names], u)
                look = {**look, "marker": None, "linewidth": 2.4}
                axes.plot(u, k / table["k1"][rows[0]], **look)
        axes.axhline(0, color=LOOK.soft, linewidth=1)
        axes.set(xlim=(-1, 1), xlabel="cosine u of two tokens", title=f"d = {dim:g}")
    panels[0].set_ylabel("k(u) / k(1)")


def draw_signs(
    panels: Sequence[Axes],
    table: Table,
    curves: Curves,
    beta: float,
    signs: Sequence[tuple[str, str, str]] = SIGNS,
) -> None:
    """What decides, against the dimension: negative is shaded."""
    dims = np.unique(table["dim"])
    for axes, (column, name, meaning) in zip(panels, signs):
        for activation, (bias_u, bias_w), look in curves:
            keys = {"activation": activation, "bias_u": bias_u, "bias_w": bias_w, "beta": beta}
            mine = chosen(table, **keys)
            order = np.argsort(table["dim"][mine])
            of_dim, values = table["dim"][mine][order], table[column][mine][order]
            axes.plot(of_dim, values, linewidth=2, markersize=7, **look)
        axes.set_yscale("symlog", linthresh=1e-2, linscale=0.6)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -2e-2), max(high, 2e-2))
        axes.axhspan(axes.get_ylim()[0], 0, color=LOOK.green, alpha=0.1, linewidth=0)
        axes.axhline(0, color=LOOK.ink, linewidth=1.4)
        count_axis(axes, dims, "dimension d")
        found(axes, f"{name} < 0 in {(table[column] < 0).sum()} of {len(table[column])}: {meaning}")
        axes.title.set_fontsize(14)


def headline(table: Table) -> str:
    """In how many cases two tokens meet, and all are proved to."""
    count = len(table["dim"])
    meet, proved = ((table[name] < 0).sum() for name in ("lambda1", "lambda_rate_bound"))
    every = "under every noise here" if meet == count else f"in {meet} of {count} cases"
    rate = f"the theorem proves a rate for all tokens in {proved} of {count}"
    return f"Two tokens meet {every}; {rate}"


def draw_ends(axes: Axes, table: Table, dims: np.ndarray) -> None:
    """The share of opposite pairs against β, a curve for each dimension."""
    for i, dim in enumerate(dims):
        mine = chosen(table, dim=dim)
        order = np.argsort(table["beta"][mine])
        beta, share = table["beta"][mine][order], table["opposite"][mine][order]
        colour = plt.get_cmap("viridis")(0.9 * i / max(1, len(dims) - 1))
        axes.plot(beta, share, color=colour, linewidth=2.4, label=f"d = {dim:g}")
    axes.set(xlabel="β", xscale="log", ylim=(0, 0.52), title="Share of pairs that end opposite")
    axes.legend(frameon=False)


def draw_plane(axes: Axes, table: Table) -> None:
    """Where opposite tokens attract, in the plane of β and d, beside cosh 2β = d - 2."""
    attract = table["lambda_opposite"] < 0
    for mask, colour, label in ((attract, "orange", "attract"), (~attract, "blue", "repel")):
        at = table["beta"][mask], table["dim"][mask]
        axes.plot(*at, "o", color=getattr(LOOK, colour), markersize=5, label=f"opposite {label}")
    beta = np.geomspace(table["beta"].min(), table["beta"].max(), 400)
    edge = np.cosh(np.minimum(2 * beta, 50)) + 2
    inside = edge <= table["dim"].max()
    axes.plot(beta[inside], edge[inside], color=LOOK.ink, linewidth=1.6, label="cosh 2β = d - 2")
    axes.set(xlabel="β", xscale="log", yscale="log", title="Two opposite tokens")
    axes.set_yticks(np.unique(table["dim"]), [f"{d:g}" for d in np.unique(table["dim"])])
    axes.minorticks_off()
    axes.set_ylabel("dimension d")
    axes.legend(loc="upper left", framealpha=1, edgecolor="none", facecolor=axes.get_facecolor())


def figure_of_ends(table: Table) -> Picture:
    """Random values at barycentres (kernel_values)."""
    whole = plt.figure(figsize=(15, 7), layout="constrained")
    shares, plane = whole.subplots(1, 2)
    draw_ends(shares, table, np.unique(table["dim"]))
    draw_plane(plane, table)
    said = "Random values can leave two tokens at opposite points where cosh 2β > d - 2"
    about = (
        "Two uniform tokens under random values at barycentres, without attention. The others meet"
    )
    return dress(whole, Sources(), said, about)


def figure(path: str) -> Picture:
    table = read(path)
    if "opposite" in table:
        return figure_of_ends(table)
    curves, dims, betas = Curves(table), np.unique(table["dim"]), np.unique(table["beta"])
    names = coefficients_of(table) if "c1" in table else []
    whole = plt.figure(figsize=(15, 11 if names else 6.6), layout="constrained")
    parts = whole.subfigures(3 if names else 2, 1, height_ratios=[1] * bool(names) + [1, 0.14])
    if names:
        shown = dims[np.unique(np.linspace(0, len(dims) - 1, KERNELS).round().astype(int))]
        panels = np.atleast_1d(parts[0].subplots(1, len(shown), sharey=True))
        draw_kernels(panels, table, curves, shown)
        said = "Kernels: a flat k moves all tokens alike, a steep one tells them apart"
        parts[0].suptitle(said, fontsize=15)
    draw_signs(parts[-2].subplots(1, 3), table, curves, betas[0])
    handles = curves.handles()
    parts[-1].legend(handles=handles, loc="center", ncols=min(8, len(handles)), frameon=False)
    about = f"{len(curves.activations)} activations, d = {dims[0]:g} … {dims[-1]:g}, "
    about += f"β = {betas[0]:g}. Shaded: negative"
    if names:
        about += f". Above: k(u) from its coefficients up to degree {len(names) - 1}"
    return dress(whole, Sources(), headline(table), about)
