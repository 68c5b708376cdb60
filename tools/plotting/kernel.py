"""The CSV table of study kernel: covariance kernels k(u) from their coefficients (kernel_degree), and over the dimension what decides on
synchronization by noise: λ1, λ̄ and λ̄'(β), each against 0."""
import csv
import types

import matplotlib.pyplot as plt
import numpy as np
from chorale_io import BadFile

from plotting.common import LOOK, count_axis, dress, found

NEEDED = ("activation", "dim", "bias_u", "bias_w", "beta", "k1", "lambda1", "lambda_bar", "lambda_rate")
# column, name, what it means when it is negative
SIGNS = (("lambda1", "$\\lambda_1$", "two tokens meet"), ("lambda_bar", "$\\bar\\lambda$", "the noise is coercive"),
         ("lambda_rate", "$\\bar\\lambda'(\\beta)$", "a rate is proved"))
COLOURS = ("blue", "orange", "green", "purple", "yellow", "sky", "ink", "faint")
MARKERS = "os^Dv<>P"
KERNELS = 3  # panels of k(u)


def read(path):
    """{column: array} of the table."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(path, getattr(error, "strerror", None) or "not a table") from error
    if not rows or any(name not in rows[0] for name in NEEDED):
        raise BadFile(path, "not a table of chorale kernel" if not rows or "lambda1" not in rows[0] else "a table without all columns of chorale kernel")
    try:
        return {name: np.array([row[name] if name == "activation" else float(row[name]) for row in rows]) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise BadFile(path, "a row of the table is not complete") from error


def zonal(dim, coefficients, u):
    """Sum of c_n P_n(u), P_n(1) = 1 (Gegenbauer; cos nθ for dim = 2)."""
    before, now = np.ones_like(u), u.copy()
    total = coefficients[0] * before
    for n in range(1, len(coefficients)):
        total += coefficients[n] * now
        before, now = now, ((2 * n + dim - 2) * u * now - n * before) / (n + dim - 2)
    return total


class Curves:
    """A colour and marker for every activation, a line style for every bias."""

    def __init__(self, table):
        self.activations = list(dict.fromkeys(table["activation"]))
        self.biases = sorted(set(zip(table["bias_u"], table["bias_w"])))
        self.biases = self.biases if len(self.biases) <= 3 else [self.biases[0], self.biases[len(self.biases) // 2], self.biases[-1]]

    def __iter__(self):
        for a, activation in enumerate(self.activations):
            for b, bias in enumerate(self.biases):
                look = {"color": getattr(LOOK, COLOURS[a % len(COLOURS)]), "linestyle": ("-", "--", ":")[b], "marker": MARKERS[a % len(MARKERS)]}
                yield activation, bias, look

    def handles(self):
        lines = [plt.Line2D([], [], color=look["color"], marker=look["marker"], linewidth=2.4, label=activation)
                 for activation, bias, look in self if bias == self.biases[0]]
        for (u, w), kind in zip(self.biases, ("-", "--", ":")):
            same = f"$\\sigma_U = \\sigma_W = {u:g}$" if u == w else f"$\\sigma_U = {u:g}, \\sigma_W = {w:g}$"
            lines.append(plt.Line2D([], [], color=LOOK.soft, linestyle=kind, linewidth=2, label=same))
        return lines


def chosen(table, **keys):
    mask = np.ones(len(table["dim"]), bool)
    for key, value in keys.items():
        mask &= table[key] == value
    return mask


def draw_kernels(panels, table, curves, dims):
    u = np.linspace(-1, 1, 401)
    names = [f"c{n}" for n in range(len([name for name in table if name[0] == "c" and name[1:].isdigit()]))]
    for axes, dim in zip(panels, dims):
        for activation, (bias_u, bias_w), look in curves:
            rows = np.flatnonzero(chosen(table, activation=activation, dim=dim, bias_u=bias_u, bias_w=bias_w))
            if len(rows):
                coefficients = [table[name][rows[0]] for name in names]
                axes.plot(u, zonal(dim, coefficients, u) / table["k1"][rows[0]], color=look["color"], linestyle=look["linestyle"], linewidth=2.4)
        axes.axhline(0, color=LOOK.soft, linewidth=1)
        axes.set(xlim=(-1, 1), xlabel="cosine u of two tokens", title=f"d = {dim:g}")
    panels[0].set_ylabel("k(u) / k(1)")


def draw_signs(panels, table, curves, beta):
    dims = np.unique(table["dim"])
    for axes, (column, name, meaning) in zip(panels, SIGNS):
        for activation, (bias_u, bias_w), look in curves:
            mine = chosen(table, activation=activation, bias_u=bias_u, bias_w=bias_w, beta=beta)
            order = np.argsort(table["dim"][mine])
            axes.plot(table["dim"][mine][order], table[column][mine][order], linewidth=2, markersize=7, **look)
        axes.set_yscale("symlog", linthresh=1e-2, linscale=0.6)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, -2e-2), max(high, 2e-2))
        axes.axhspan(axes.get_ylim()[0], 0, color=LOOK.green, alpha=0.1, linewidth=0)
        axes.axhline(0, color=LOOK.ink, linewidth=1.4)
        count_axis(axes, dims, "dimension d")
        found(axes, f"{name} < 0 in {(table[column] < 0).sum()} of {len(table[column])}: {meaning}")
        axes.title.set_fontsize(14)


def figure(path):
    table = read(path)
    curves, dims, betas = Curves(table), np.unique(table["dim"]), np.unique(table["beta"])
    with_kernels = "c1" in table
    shown = dims[np.unique(np.linspace(0, len(dims) - 1, KERNELS).round().astype(int))]
    whole = plt.figure(figsize=(15, 11 if with_kernels else 6.6), layout="constrained")
    parts = whole.subfigures(3 if with_kernels else 2, 1, height_ratios=([1] if with_kernels else []) + [1, 0.14])
    if with_kernels:
        draw_kernels(np.atleast_1d(parts[0].subplots(1, len(shown), sharey=True)), table, curves, shown)
        parts[0].suptitle("Kernels: a flat k moves all tokens alike, a steep one tells them apart", fontsize=15)
    draw_signs(parts[-2].subplots(1, 3), table, curves, betas[0])
    parts[-1].legend(handles=curves.handles(), loc="center", ncols=min(8, len(curves.handles())), frameon=False)
    meet, proved, all_ = (table["lambda1"] < 0).sum(), (table["lambda_rate"] < 0).sum(), len(table["dim"])
    run = types.SimpleNamespace(complete=True, parameters={}, observables={})
    every = "under every noise here" if meet == all_ else f"in {meet} of {all_} cases"
    about = f"{len(curves.activations)} activations, d = {dims[0]:g} … {dims[-1]:g}, β = {betas[0]:g}. Shaded: negative"
    if with_kernels:
        about += f". Above: k(u) from its coefficients up to degree {sum(n[0] == 'c' and n[1:].isdigit() for n in table) - 1}"
    return dress(whole, run, f"Two tokens meet {every}; the theorem proves a rate for all tokens in {proved} of {all_}", about)
