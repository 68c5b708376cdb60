"""Maps of cells: phases of sync_map, errors of limits, the table of kernel, and sweeps."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from chorale.io import Run, Table
from chorale.plot import kernel, limits, sweep, sync_map, sync_moments
from chorale.plot.common import columns
from chorale.view.data import (
    Piece,
    apart,
    axis,
    cell_curve,
    cells,
    chart,
    heat,
    line,
    panel,
    shades,
    side,
    words,
)

NUMBERS = 400_000  # of the curves of all cells that a page has
QUANTITIES = 12  # numbers of the cells among which the reader chooses
U = 81  # points of a kernel
OVER_TIME = ("energy_mean", "order_mean", "clusters_mean", "energy", "distance", "diameter_mean")
SIGNS = {"lambda1": "λ₁", "lambda_bar": "λ̄", "lambda_rate_bound": "λ̄'(β)"}


# ---- sync_map ----


def of_phases(run: Run) -> list[Piece]:
    """The rate that is proved, by dimension and bias; a click shows the exponents over the bias."""
    found = sync_map.read(run)
    names = list(dict.fromkeys(found.activation))
    lambda1, lambda_bar = columns(run, "lambda1", "lambda_bar")
    dims, biases, panels, shown = found.dims, found.biases, [], []
    for i, name in enumerate(names):
        phase, rate, _ = found.of(name)
        curves = [
            cell_curve(label, down(found, name, values), colour, look)
            for label, values, colour, look in (
                ("λ₁", lambda1, "blue", "line"),
                ("λ̄", lambda_bar, "orange", "dashes"),
                ("λ̄'(β), from above", found.rate, "green", "line"),
                ("0", np.zeros_like(lambda1), "faint", "dots"),
            )
        ]
        shown.append(cells(axis("bias σ"), axis("exponent", "symlog"), biases, curves))
        refused = [[None if p == sync_map.PROVED else int(p) for p in row] for row in phase]
        names_ = [words(one) for one in sync_map.PHASES]
        phases = {"names": names_, "cells": refused}
        label = "proved rate −λ̄'(β)"
        panels.append(panel(name, label, -rate, log=True, phases=phases, cells=i))
    title = "Where the theorem proves that noise alone makes all tokens meet"
    return [heat(title, side("dimension d", dims), side("bias σ", biases), panels, shown)]


def down(found: sync_map.Map, name: str, values: np.ndarray) -> np.ndarray:
    """[d][bias]: the values of every column."""
    dims, biases = found.dims, found.biases
    grid = np.full((len(dims), len(biases)), np.nan)
    mine = found.activation == name
    i, j = np.searchsorted(dims, found.dim[mine]), np.searchsorted(biases, found.bias[mine])
    grid[i, j] = values[mine]
    return grid


def of_moments(run: Run) -> list[Piece]:
    """p* and the boundaries of the moments against the dimension."""
    whole, found = sync_moments.read(run), []
    names = whole.activations
    lines = []
    for name, share in zip(names, shades(len(names))):
        mine = whole.of(name, whole.moments[0])
        lines.append(line(name, mine.dim, mine.pstar, share))
    found.append(
        chart("p*: moments below it decay", axis("dimension d", "count"), axis("p*"), lines)
    )
    for moment in whole.moments:
        lines = []
        for name, share in zip(names, shades(len(names))):
            mine = whole.of(name, moment)
            if np.isfinite(mine.boundary).any():
                lines.append(line(name, mine.dim, mine.boundary, share))
        title = f"The bias beyond which moment {moment:g} decays"
        found.append(chart(title, axis("dimension d", "count"), axis("bias σ", "log"), lines))
    return [one for one in found if one["lines"]]


# ---- limits ----


def of_errors(run: Run) -> list[Piece]:
    """Errors by depth and width; a click shows them over the depth."""
    grid, panels, shown = limits.Grid(run), [], []
    if min(len(grid.depth), len(grid.width)) < 2:
        return []
    for i, count in enumerate(grid.tokens):
        values = grid.error[i].T  # [width][depth]
        curve = cell_curve("error", values, "blue")
        shown.append(cells(axis("depth L", "count"), axis("error", "log"), grid.depth, [curve]))
        panels.append(panel(f"N = {count:g}", "error", values, log=True, cells=i))
    x, y = side("width m", grid.width), side("depth L", grid.depth)
    return [heat("Errors by depth and width", x, y, panels, shown)]


# ---- kernel ----


def of_kernel(table: Table) -> list[Piece]:
    """What decides on synchronization, by dimension and noise; a click shows k(u)."""
    rows = table.table()
    if "opposite" in rows:
        return of_ends(rows)
    dims = np.unique(rows["dim"])
    kinds = list(dict.fromkeys(zip(rows["activation"], rows["bias_u"], rows["bias_w"])))
    betas = np.unique(rows["beta"])
    places = {kind: j for j, kind in enumerate(kinds)}
    i = np.searchsorted(dims, rows["dim"])
    j = np.array(
        [places[kind] for kind in zip(*(rows[n] for n in ("activation", "bias_u", "bias_w")))]
    )
    panels, shown = [], kernel_curves(rows, i, j, (len(dims), len(kinds)))
    clicks = {"cells": 0} if shown else {}
    for name, label in SIGNS.items():
        for beta in betas if name == "lambda_rate_bound" else betas[:1]:
            values, mine = np.full((len(dims), len(kinds)), np.nan), rows["beta"] == beta
            values[i[mine], j[mine]] = rows[name][mine]
            of = f", β = {beta:g}" if name == "lambda_rate_bound" and len(betas) > 1 else ""
            panels.append(panel(label + of, label + of, values, **clicks))
    named = [f"{name}, σ = {u:g}" if u == w else f"{name}, {u:g}/{w:g}" for name, u, w in kinds]
    title = "What decides on synchronization: negative exponents bring tokens together"
    return [heat(title, side("dimension d", dims), side("", named), panels, shown)]


def kernel_curves(rows: kernel.Table, i: Any, j: Any, shape: tuple[int, int]) -> list[Piece]:
    """k(u)/k(1) of every cell from its coefficients, where the table has them."""
    names = kernel.coefficients_of(rows) if "c1" in rows else []
    if not names:
        return []
    u = np.linspace(-1, 1, U)
    values = np.full((*shape, U), np.nan)
    for row, (a, b) in enumerate(zip(i, j)):
        c = [rows[name][row] for name in names]
        values[a, b] = kernel.zonal(rows["dim"][row], c, u) / rows["k1"][row]
    curves = [cell_curve("k(u)/k(1)", values)]
    return [cells(axis("cosine u of two tokens"), axis("k(u)/k(1)"), u, curves)]


def of_ends(rows: kernel.Table) -> list[Piece]:
    """The share of opposite pairs against β, a curve for each dimension."""
    dims, lines = np.unique(rows["dim"]), []
    for dim, share in zip(dims, shades(len(dims))):
        mine = kernel.chosen(rows, dim=dim)
        order = np.argsort(rows["beta"][mine])
        beta, value = rows["beta"][mine][order], rows["opposite"][mine][order]
        lines.append(line(f"d = {dim:g}", beta, value, share))
    title = "Share of pairs that end opposite"
    return [chart(title, axis("β", "log"), axis("share"), lines)]


# ---- sweeps ----


def quantities(run: Run) -> dict[str, np.ndarray]:
    """Numbers of the cells that differ, the study's own first."""
    found = {}
    for name in dict.fromkeys((*sweep.ENDS, *run.study_data)):
        values = sweep.quantity(run, name) if name in run.study_data else None
        known = None if values is None else values[np.isfinite(values)]
        if known is not None and len(known) and np.ptp(known) > 0 and not name.endswith("_sem"):
            if name not in ("time", "step"):
                found[name] = values
    return found


def clocked(run: Run) -> list[str]:
    """Columns over time."""
    if "time" not in run.study_data or run.study_data["time"].ndim != len(run.sweep) + 1:
        return []
    return [name for name in OVER_TIME if name in run.study_data]


def of_sweep(run: Run) -> list[Piece]:
    axes = sweep.axes_of(run)
    return of_family(run, axes[0]) if len(axes) == 1 else of_diagram(run, axes)


def of_family(run: Run, over: sweep.Axis) -> list[Piece]:
    """Of one key: a curve over time for every value, and numbers at the end against it."""
    found = []
    for name in clocked(run):
        time, values = run.study_data["time"][...], run.study_data[name][...]
        label = sweep.told(run, name)
        if label == "energy":  # whose unit depends on β
            values, label = values / values[:, :1], "energy / energy at the start"
        lines = [
            line(over.words(i), time[at], values[at], share if over.numeric else apart(i))
            for i, (at, share) in enumerate(zip(over.order, shades(len(over.order))))
        ]
        found.append(chart(f"{label} over time", axis("time t"), axis(label, "wide"), lines))
    x = over.values if over.numeric else np.arange(len(over.values))
    scale = axis(over.letter, "count" if over.in_log else "linear")
    for name, values in list(quantities(run).items())[:3] if over.numeric else ():
        label = sweep.at_the_end(run, name)
        points = line(label, x, values[over.order], "blue", look="points")
        found.append(chart(label, scale, axis(sweep.told(run, name), "wide"), [points]))
    return found


def of_diagram(run: Run, axes: Sequence[sweep.Axis]) -> list[Piece]:
    """Of two keys a map of each number; of more a panel for each value of the others."""
    others, panels, shown = axes[2:], [], {}
    picks = np.ix_(*(one.order for one in axes))
    for name, values in list(quantities(run).items())[:QUANTITIES]:
        label, grid = words(sweep.at_the_end(run, name)), values[picks]
        for at in np.ndindex(*(len(one.values) for one in others)):
            parts, clicks = [label, *(one.words(i) for one, i in zip(others, at))], {}
            curve = name if name in clocked(run) else next(iter(clocked(run)), None)
            if curve:
                clicks["cells"] = shown.setdefault((curve, at), len(shown))
            panels.append(panel(", ".join(parts), label, grid[(..., *at)], **clicks))
    curves = [over_time(run, name, picks, at, len(shown)) for name, at in shown]
    x, y = (side(one.letter, list(map(one.value, range(len(one.values))))) for one in axes[:2])
    return [heat("The sweep, cell by cell", x, y, panels, curves)]


def over_time(run: Run, name: str, picks: Any, at: tuple[int, ...], count: int) -> Piece:
    """The curves of all cells, one of so many sets of them."""
    where = (slice(None), slice(None), *at)
    time, values = (run.study_data[key][...][picks][where] for key in ("time", name))
    every = -(-2 * count * values.size // NUMBERS)
    label = sweep.told(run, name)
    curve = cell_curve(label, values[..., ::every])
    return cells(axis("time t"), axis(label, "wide"), time[..., ::every], [curve])
