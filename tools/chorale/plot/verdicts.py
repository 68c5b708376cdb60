"""What files measure beside what theory says of it: a row for each quantity that has an exact
value, a theorem or an oracle."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot.common import Series, columns, interval, is_chance
from chorale.plot.simulate import uniform_energy
from chorale.plot.sync import deviations, guaranteed, scalar


class Verdict(NamedTuple):
    """What was measured and what theory says; NaN is what is not known."""

    quantity: str
    measured: float
    error: float
    theory: float
    source: str
    deviation: float  # in standard errors
    verdict: Optional[bool]  # None where nothing decides


def agrees(
    quantity: str, measured: float, error: float, exact: float, source: str, count: int
) -> Verdict:
    """The mean of so many realizations beside an exact value."""
    off = float((measured - exact) / error) if error > 0 else np.nan
    numbers = float(measured), float(error), float(exact)
    return Verdict(quantity, *numbers, source, off, is_chance(off, count))


def worst_energy(run: Run) -> list[Verdict]:
    """The energy of study sync at that of all times at which it deviates most from its exact
    value."""
    names = ("time", "energy_mean", "energy_sem", "energy_exact")
    time, mean, sem, exact = columns(run, *names)
    off = deviations(mean, sem, exact)
    known = np.flatnonzero(np.isfinite(exact))
    if not len(known):
        return []
    i = int(np.nanargmax(np.abs(off))) if np.isfinite(off).any() else int(known[-1])
    quantity = f"energy, t = {time[i]:.3g} (of {len(known)} times the furthest off)"
    count = run.study_data["energy"].shape[1]
    return [agrees(quantity, mean[i], sem[i], exact[i], "exact: two tokens", count)]


def below(
    quantity: str, fit: tuple[float, float, float], bound: float, source: str, sign: int = 1
) -> list[Verdict]:
    """A fitted slope that a theorem bounds from above (sign -1: a rate that it bounds from below):
    refused where all of its interval is beyond."""
    value, low, high = fit
    if not np.isfinite(value) or not np.isfinite(bound):
        return []
    error = (high - low) / (2 * 1.96)
    decides = np.isfinite(error)
    holds = (low <= bound if sign > 0 else high >= bound) if decides else None
    off = (value - bound) / error if decides and error > 0 else np.nan
    return [Verdict(quantity, value, error, float(bound), source, off, holds)]


def of_simulate(run: Run) -> list[Verdict]:
    """The energy of the first frame, where tokens are independent and uniform."""
    exact = uniform_energy(run)
    if run.system.get("tokens_init", "uniform") != "uniform" or not np.isfinite(exact):
        return []
    energy = Series(run, "energy")
    if energy.unit not in ("1", "") or energy.time[0] != 0:
        return []
    numbers = energy.mean[0], energy.half[0] / 1.96, exact
    return [agrees("energy at t = 0", *numbers, "N independent uniform tokens", energy.count)]


def of_sync(run: Run) -> list[Verdict]:
    """Energy, exponent, decay and bound; of a map there is nothing to say."""
    if "boundary" in run.study_data:
        return []
    count = run.study_data["energy"].shape[1]
    rows = worst_energy(run)
    if run.parameters.get("attention_type") == "none" and np.isfinite(scalar(run, "lambda1")):
        numbers = [scalar(run, f"lambda1{ending}") for ending in ("", "_sem", "_exact")]
        rows.append(agrees("λ1 of twin tokens", *numbers, "exact λ1", count))
    fit, bound = interval(run.study_values, "decay"), guaranteed(run)
    rows += below("rate of the energy's decay", fit, bound, "theorem: at least", -1)
    excess = scalar(run, "bound_excess")
    if np.isfinite(excess) and np.isfinite(bound):
        holds = True if excess <= 0 else is_chance(excess, count)
        quantity, source = "energy above the theorem's bound", "theorem: at most the bound"
        rows.append(Verdict(quantity, np.nan, np.nan, np.nan, source, excess, holds))
    return rows


def of_limits(run: Run) -> list[Verdict]:
    """Both slopes; without a coupling no theorem says anything of the width."""
    rows = []
    if run.parameters.get("limits_coupling") == "none":
        return rows
    for letter, key in (("depth L", "slope_depth"), ("width m", "slope_width")):
        fit = interval(run.study_values, key)
        rows += below(f"slope of the error in {letter}", fit, -1, "theorem: at most")
    return rows


def of_chaos(run: Run) -> list[Verdict]:
    """The slope of W2²."""
    fit, bound = interval(run.study_values, "slope_w2sq"), scalar(run, "slope_bound")
    return below("slope of W2² in N", fit, bound, "paper's bound: at most")


def chance_distance(run: Run) -> list[Verdict]:
    """MMD² of density and independent tokens at the start: E MMD² = (k(1) - ∬ k dμ dμ)/N of tokens
    with the law μ."""
    uniform = run.parameters.get("tokens_init") == "uniform"
    independent = run.parameters.get("spde_particles") == "iid"
    if "mmd_realizations" not in run.study_data or not independent or not uniform:
        return []
    squares = run.study_data["mmd_realizations"][0] ** 2
    (energy,) = columns(run, "energy")
    # A weighted sum of squares of normals: its standard deviation is at most its mean.
    chance = 2 * energy[0] / run.parameters.integer("tokens_count")
    numbers = squares.mean(), chance / len(squares) ** 0.5, chance
    quantity, source = "MMD² of density and tokens at t = 0", "2 E_β / N: independent tokens"
    return [agrees(quantity, *numbers, source, len(squares))]


def of_spde(run: Run) -> list[Verdict]:
    """Mass, degrees, and the distance at the start and at the end."""
    time, mass, mean, outgrown = columns(run, "time", "mass", "distance", "outgrown")
    error, nan = float(np.nanmax(np.abs(mass - 1))), np.nan
    rows = [Verdict("|mass − 1|, at most", error, nan, 0.0, "kept to 1e-12", nan, error <= 1e-12)]
    if np.isfinite(outgrown).any():
        quantity, first = "first time at which a density outgrew its degrees", np.nanmin(outgrown)
        source = "never before the end"
        rows.append(Verdict(quantity, float(first), nan, nan, source, nan, False))
    rows += chance_distance(run)
    last = np.flatnonzero(np.isfinite(mean))
    if len(last):
        kind, count = run.study_values["distance_kind"], run.parameters.integer("tokens_count")
        quantity = f"{kind} of density and {count} tokens, t = {time[last[-1]]:.3g}"
        numbers = float(mean[last[-1]]), nan, 0.0
        rows.append(Verdict(quantity, *numbers, "limit of many tokens", nan, None))
    return rows


STUDIES = {
    "simulate": of_simulate,
    "analyze": of_simulate,
    "sync": of_sync,
    "limits": of_limits,
    "chaos": of_chaos,
    "spde": of_spde,
}


def of_run(run: Run) -> list[Verdict]:
    """Verdicts on results; of what is not recorded yet there are none."""
    try:
        return STUDIES[run.study](run) if run.kind == "results" and run.study in STUDIES else []
    except BadFile:
        return []
