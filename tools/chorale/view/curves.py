"""What a study measured, as charts: sync, chaos, limits, and the distances of analyze."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from chorale.io import Run
from chorale.plot import analyze, chaos, limits, sync
from chorale.plot.common import Series, columns
from chorale.view.data import Piece, axis, chart, intervals, line, shades
from chorale.view.motion import ENDS

TIME = "time t"
MOST = 60  # single realizations of a starting point that are drawn


def known(values: Any) -> bool:
    return bool(np.isfinite(values).any())


def of(run: Run) -> str:
    """How many realizations a mean is over."""
    count = run.parameters.get("ensemble_realizations", "")
    return f"mean of {count} realizations" if count not in ("", "1") else ""


# ---- sync ----


def measured(run: Run, name: str, label: str, colour: str = "blue") -> Piece:
    """A column of means over time with its 95% interval."""
    time, mean, sem = columns(run, "time", f"{name}_mean", f"{name}_sem")
    return line(label, time, mean, colour, intervals(run, mean, sem), about=of(run))


def beside(run: Run, name: str, label: str, colour: str, look: str) -> Optional[Piece]:
    """A column over time of what theory says; None where it says nothing."""
    time, values = columns(run, "time", name)
    return line(label, time, values, colour, look=look) if known(values) else None


def sync_energy(run: Run) -> Piece:
    rate = f"{sync.guaranteed(run):.3g}"
    lines = [
        measured(run, "energy", "measured"),
        beside(run, "energy_exact", "exact (two tokens)", "ink", "dots"),
        beside(run, "energy_bound", f"bound of the theorem, rate {rate}", "orange", "dashes"),
    ]
    return chart("Energy", axis(TIME), axis("energy E_β", "wide"), lines)


def sync_pairs(run: Run) -> Piece:
    lines = [
        measured(run, "pair", "measured"),
        beside(run, "pair_exact", "exact (two tokens)", "ink", "dots"),
        beside(run, "pair_energy", "bound by the energy", "purple", "dashes"),
        beside(run, "pair_bound", "bound of the theorem", "orange", "dashes"),
    ]
    return chart("Pairs of tokens", axis(TIME), axis("mean square distance", "wide"), lines)


def sync_twins(run: Run) -> Piece:
    """Their distance in logarithms, beside what the exponents say."""
    (time,) = columns(run, "time")
    measured_at, exact, cluster = (
        sync.scalar(run, f"lambda1{end}") for end in ("", "_exact", "_cluster")
    )
    title = f"Distance of twins: λ₁ = {measured_at:.4g}, noise alone {exact:.4g}"
    lines = [measured(run, "growth", "twins")]
    if np.isfinite(exact):
        lines.append(line("exact, noise alone", time, exact * time, "ink", look="dots"))
    if np.isfinite(cluster) and cluster != exact:
        lines.append(line("once all have met", time, cluster * time, "orange", look="dashes"))
    return chart(title.replace("-", "−"), axis(TIME), axis("mean log distance"), lines)


def over_time(run: Run, name: str, title: str, label: str, scale: str, colour: str) -> Piece:
    made = chart(title, axis(TIME), axis(label, scale), [measured(run, name, label, colour)])
    return {**made, **ENDS[name]}


def of_starts(run: Run) -> list[Piece]:
    """The random attractor: how far several starts are apart along the same noise."""
    (time,) = columns(run, "time")
    found = []
    for name, label in (("diameter", "diameter"), ("folded", "diameter up to sign")):
        values = np.asarray(run.study_data[name][...])
        shown = np.where(values > 0, values, np.nan)
        lines = []
        for r in range(min(MOST, shown.shape[1])):
            single = {"thin": True, "about": f"noise {r}"}
            lines.append(line("single noise paths", time, shown[:, r], "faint", **single))
        lines.append(line("median", time, np.nanmedian(shown, axis=1)))
        title = f"The union of all starts: {label}"
        found.append(chart(title, axis(TIME), axis(label, "log"), lines))
    return found


def of_sync(run: Run) -> list[Piece]:
    if "attractor" in run.study_data:
        return of_starts(run)
    found = [sync_energy(run)]
    if "growth_mean" in run.study_data:
        found.append(sync_twins(run))
    if "pair_mean" in run.study_data:
        found.append(sync_pairs(run))
    label = "clusters (cosine > 0.99)"
    found.append(over_time(run, "clusters", "Clusters", label, "log", "green"))
    found.append(over_time(run, "order", "Order", "length of the mean token", "linear", "purple"))
    return found


# ---- chaos ----


def chaos_lines(run: Run, name: str, colour: str, label: str) -> list[Piece]:
    """A distance against N with its 95% intervals, and its power law."""
    count, mean, sem = columns(run, "tokens", name, f"{name}_sem")
    if not known(mean):
        return []
    found = [line(label, count, mean, colour, intervals(run, mean, sem), "points", about=of(run))]
    slope = float(run.study_values.get(f"slope_{name}", np.nan))
    if np.isfinite(slope) and (mean > 0).all():
        law = f"{label}: slope {slope:.2f}".replace("-", "−")
        found.append(line(law, count, chaos.anchored(count**slope, mean), colour))
    return found


def of_chaos(run: Run) -> list[Piece]:
    count, w2sq, bound, intrinsic = columns(run, "tokens", "w2sq", "bound", "intrinsic")
    (base,) = [w2sq] if np.isfinite(w2sq).all() else columns(run, "mmd2")
    lines = [
        one
        for name, (colour, _, label) in chaos.QUANTITIES.items()
        for one in chaos_lines(run, name, colour, label)
    ]
    dim = run.parameters.integer("tokens_dim")
    paper, rate = chaos.anchored(bound, base, True), chaos.anchored(intrinsic, base)
    lines.append(line("the paper's bound of W₂²", count, paper, "ink", look="dashes"))
    lines.append(line(f"intrinsic dimension {dim - 1}", count, rate, "faint", look="dots"))
    title = f"Mean of the largest distance to {chaos.target(run)}"
    found = [chart(title, axis("tokens N", "count"), axis("distance", "log"), lines)]
    time, frames = columns(run, "time", "w2sq_frames")
    mean, sem = frames.mean(axis=0), frames.std(axis=0, ddof=1) / np.sqrt(len(frames))
    lines = [
        line(f"N = {n:.0f}", time, mean[:, i], share, intervals(run, mean[:, i], sem[:, i]))
        for i, (n, share) in enumerate(zip(count, shades(len(count))))
    ]
    found.append(chart("Over time, each N", axis(TIME), axis("mean of W₂²", "log"), lines))
    return found


# ---- limits ----


def limits_lines(grid: limits.Grid, across: str) -> list[Piece]:
    """Errors against depth or width, a colour for every value of the other, with the fit."""
    deep = across == "depth"
    x = grid.depth if deep else grid.width[grid.finite]
    others, found = (grid.width if deep else grid.depth), []
    letter = "m" if deep else "L"
    for k, (other, share) in enumerate(zip(others, shades(len(others)))):
        error, sem = (
            values[-1, :, k] if deep else values[-1, k, grid.finite]
            for values in (grid.error, grid.sem)
        )
        name = f"{letter} = {limits.name(other)}"
        ends = intervals(grid.run, error, sem)
        about = ", ".join(filter(None, (f"N = {grid.tokens[-1]:g} tokens", of(grid.run))))
        found.append(line(name, x, error, share, ends, "points", about=about))
        if grid.fitted and len(x) > 1:
            fine = np.geomspace(x[0], x[-1], 40)
            fit = grid.model(fine, other) if deep else grid.model(other, fine)
            found.append(line(f"fit, {name}", fine, fit, share))
    return found


def of_limits(run: Run) -> list[Piece]:
    grid, error = limits.Grid(run), axis("error", "log")
    title = f"Mean of {'sup' if grid.all_times else 'max'} |X − X̄|² against the "
    found = [
        chart(title + "depth", axis("depth L", "count"), error, limits_lines(grid, "depth")),
    ]
    if grid.finite.any():
        found.append(
            chart(title + "width", axis("width m", "count"), error, limits_lines(grid, "width"))
        )
    return found


# ---- analyze ----


def of_distances(run: Run) -> list[Piece]:
    """Distances of trajectories over time, where they were asked for."""
    names = [name for name in analyze.DISTANCES if analyze.known(run, name)]
    lines = []
    for name, colour in zip(names, ("blue", "orange", "green")):
        seen = Series(run, name)
        lines.append(line(name, seen.time, seen.mean, colour, (seen.low, seen.high)))
    return [chart("Distances", axis(TIME), axis("distance", "log"), lines)] if lines else []
