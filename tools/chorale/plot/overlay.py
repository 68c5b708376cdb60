"""What several runs of one study are drawn over each other by: for each quantity a curve of every
run, with its 95% interval."""

from __future__ import annotations

from functools import partial
from typing import Callable, NamedTuple

import numpy as np

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot.common import Series, columns, factor, positive_band
from chorale.plot.limits import Grid


class Curve(NamedTuple):
    """Means, and the ends of their intervals."""

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Quantity(NamedTuple):
    """What is drawn against what; scale is "log", "unit" for shares, or "wide": from 0, or on a log
    axis where values fall far. Its horizontal axis is that of times, of counts, or as it is."""

    title: str
    curve: Callable[[Run], Curve]
    scale: str = "wide"
    across: str = "time t"
    counts: bool = False  # a log axis whose ticks are the values
    rule: Callable[[Run], float] = lambda run: np.nan  # a dashed line of the first run


def of_series(name: str, run: Run) -> Curve:
    """An observable over time."""
    found = Series(run, name)
    return Curve(found.time, found.mean, found.low, found.high)


def of_columns(names: tuple[str, str, str], run: Run) -> Curve:
    """Two columns of the table, and the standard errors of the second."""
    x, mean, sem = columns(run, *names)
    half = factor(run) * sem
    low, high = (
        positive_band(mean, half)
        if (mean[np.isfinite(mean)] > 0).all()
        else (
            mean - half,
            mean + half,
        )
    )
    return Curve(x, mean, low, high)


def of_density(name: str, run: Run) -> Curve:
    """A column over time without an error; 0, of what starts alike, is not on a log axis."""
    time, value = columns(run, "time", name)
    shown = np.where(value > 1e-14, value, np.nan)
    return Curve(time, shown, shown, shown)


def of_depth(run: Run) -> Curve:
    """Errors of the widest MLPs and most tokens."""
    grid = Grid(run)
    return errors(run, grid.depth, grid.error[-1, :, -1], grid.sem[-1, :, -1])


def of_width(run: Run) -> Curve:
    """Errors of the deepest transformers of finite width and most tokens."""
    grid = Grid(run)
    if not grid.finite.any():
        raise BadFile(run.path, "has no finite width")
    inside = grid.finite
    return errors(run, grid.width[inside], grid.error[-1, -1, inside], grid.sem[-1, -1, inside])


def errors(run: Run, x: np.ndarray, mean: np.ndarray, sem: np.ndarray) -> Curve:
    return Curve(x, mean, *positive_band(mean, factor(run) * sem))


def log_tokens(run: Run) -> float:
    """Of the entropy of attention: its end."""
    return float(np.log(run.system.integer("tokens_count")))


OBSERVED = {
    "energy": Quantity("Energy  $E_\\beta$", partial(of_series, "energy")),
    "order": Quantity("Order: length of the mean token", partial(of_series, "order"), "unit"),
}
ATTENTION = {
    "clusters": Quantity("Clusters at cosine > 0.99", partial(of_series, "clusters"), "log"),
    "attention": Quantity(
        "Entropy of attention, at most log N (dashed)",
        partial(of_series, "attention_entropy"),
        "free",
        rule=log_tokens,
    ),
}
SINGLE = {  # drawn only where they are asked for by name
    "nematic": Quantity("Nematic order", partial(of_series, "nematic"), "unit"),
    "cosine": Quantity("Mean cosine", partial(of_series, "cosine_mean"), "free"),
    "clusters": ATTENTION["clusters"],
    "radius": Quantity("Mean length of the vectors", partial(of_series, "radius"), "free"),
    "attention": ATTENTION["attention"],
}
SYNC = {
    "energy": Quantity(
        "Energy  $E_\\beta$", partial(of_columns, ("time", "energy_mean", "energy_sem"))
    ),
    "pairs": Quantity(
        "Mean square distance of pairs", partial(of_columns, ("time", "pair_mean", "pair_sem"))
    ),
    "exponent": Quantity(
        "Mean log distance of twins",
        partial(of_columns, ("time", "growth_mean", "growth_sem")),
        "free",
    ),
    "order": Quantity(
        "Order: length of the mean token",
        partial(of_columns, ("time", "order_mean", "order_sem")),
        "unit",
    ),
}
LIMITS = {
    "depth": Quantity("Squared error at the largest width", of_depth, "log", "depth L", True),
    "width": Quantity("Squared error at the largest depth", of_width, "log", "width m", True),
}
CHAOS = {
    name: Quantity(
        title, partial(of_columns, ("tokens", name, f"{name}_sem")), "log", "tokens N", True
    )
    for name, title in {
        "w2sq": "$W_2^2$",
        "mmd2": "MMD$^2$",
        "coupling": "coupling",
    }.items()
}
SPDE = {
    "energy": Quantity("Energy  $E_\\beta$ of the density", partial(of_density, "energy")),
    "distance": Quantity("Distance of density and tokens", partial(of_density, "distance"), "log"),
}
STUDIES = {
    "simulate": OBSERVED,
    "analyze": OBSERVED,
    "sync": SYNC,
    "limits": LIMITS,
    "chaos": CHAOS,
    "spde": SPDE,
}


def quantities(run: Run) -> dict[str, Quantity]:
    """Of the study of a run, those that it may have; of a map or of starts there are none."""
    if run.kind != "results" or run.study not in STUDIES:
        return {}
    if {"boundary", "moment_boundary", "attractor"} & set(run.study_data):
        return {}
    more = ATTENTION if "attention_entropy" in run.observables else {}
    return {**STUDIES[run.study], **(more if run.observables else {})}


def by_name(run: Run) -> dict[str, Quantity]:
    """All that may be asked for."""
    found = quantities(run)
    return {**found, **SINGLE} if found and run.observables else found
