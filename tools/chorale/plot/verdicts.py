"""What files measure beside what theory says of it: a row for each quantity that has an exact
value, a theorem or an oracle."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot.common import Series, columns, factor, is_chance
from chorale.plot.words import decided, energy_beta, interval
from chorale.plot.simulate import uniform_energy, uniform_kernel
from chorale.plot.sync import guaranteed, scalar

CHANCE = 4  # standard errors that chance may reach
LEAST = 4  # realizations that decide anything
PAIRS = 100  # at least so many make a mean that is not one of rare events


class Verdict(NamedTuple):
    """What was measured and what theory says; NaN is what is not known."""

    quantity: str
    measured: float
    error: float
    theory: float
    source: str
    deviation: float  # in standard errors
    verdict: Optional[bool]  # None where nothing decides
    why: str = ""  # nothing does


def agrees(
    quantity: str, measured: float, error: float, exact: float, source: str, count: int
) -> Verdict:
    """The mean of so many realizations beside an exact value."""
    off = float((measured - exact) / error) if error > 0 else np.nan
    numbers = float(measured), float(error), float(exact)
    return Verdict(quantity, *numbers, source, off, is_chance(off, count))


def said(run: Run, key: str, off: float) -> tuple[Optional[bool], str]:
    """What chorale says of a number so many standard errors off, and the word where that decides
    nothing: without errors, or in files of versions that said nothing."""
    word = run.study_values.get(f"{key}_verdict", "")
    if not np.isfinite(off):
        return None, "not resolved"
    return decided(word), word if decided(word) is None else ""


def worst_energy(run: Run) -> list[Verdict]:
    """The energy of study sync at that of all resolved times at which it deviates most from its
    exact value."""
    names = ("time", "energy_mean", "energy_sem", "energy_exact")
    time, mean, sem, exact = columns(run, *names)
    if not np.isfinite(exact).any():
        return []
    at, until = scalar(run, "energy_off_time"), scalar(run, "energy_resolved")
    if not np.isfinite(at):
        numbers = (np.nan,) * 3
        return [
            Verdict("energy", *numbers, "exact: two tokens", np.nan, *said(run, "energy", np.nan))
        ]
    i = int(np.argmin(np.abs(time - at)))
    quantity = f"energy, t = {at:.3g} (of the times up to {until:.3g} the furthest off)"
    numbers = float(mean[i]), float(sem[i]), float(exact[i])
    off = np.copysign(scalar(run, "energy_off"), mean[i] - exact[i])
    return [Verdict(quantity, *numbers, "exact: two tokens", float(off), *said(run, "energy", off))]


def slope(run: Run, quantity: str, key: str, bound: float, source: str) -> list[Verdict]:
    """A fitted slope that a theorem bounds from above, for large numbers."""
    value, low, high = interval(run.study_values, key)
    if not np.isfinite(value) or not np.isfinite(bound):
        return []
    error = (high - low) / 2 / factor(run)
    off = (value - bound) / error if error > 0 else np.nan
    return [Verdict(quantity, value, error, float(bound), source, off, *said(run, key, off))]


def decay(run: Run) -> list[Verdict]:
    """The fitted rate, which the theorem bounds from below at all times."""
    value, low, high = interval(run.study_values, "decay")
    bound, source = guaranteed(run), "theorem: at least"
    if not np.isfinite(value) or not np.isfinite(bound):
        return []
    error = (high - low) / 2 / factor(run)
    off = (value - bound) / error if error > 0 else np.nan
    decides = said(run, "decay", off)
    return [Verdict("rate of the energy's decay", value, error, bound, source, off, *decides)]


def rare(run: Run, count: int) -> tuple[float, float]:
    """Of the mean energy of so many realizations of N independent uniform tokens: its standard
    error, and how many pairs of tokens it takes its excess from. Pairs are uncorrelated; with
    k = e^{β(u-1)} the energy is e^β/N² times the sum of 1 - k over them."""
    keys = run.system
    beta, dim = float(energy_beta(keys.get)), keys.integer("tokens_dim")
    tokens = keys.integer("tokens_count")
    first, second = uniform_kernel(beta, dim), uniform_kernel(2 * beta, dim)
    pairs = tokens * (tokens - 1) / 2
    spread = np.exp(beta) / tokens**2 * np.sqrt(pairs * (second - first**2) / count)
    return spread, count * pairs * first**2 / second


def of_simulate(run: Run) -> list[Verdict]:
    """The energy of the first frame, where tokens are independent and uniform."""
    exact = uniform_energy(run)
    if run.system.get("tokens_init", "uniform") != "uniform" or not np.isfinite(exact):
        return []
    energy = Series(run, "energy")
    if energy.unit not in ("1", "") or energy.time[0] != 0:
        return []
    error, pairs = rare(run, energy.begun)
    off = float((energy.mean[0] - exact) / error)
    numbers = float(energy.mean[0]), float(error), float(exact)
    resolved = pairs >= PAIRS and energy.begun >= LEAST
    verdict, why = (abs(off) <= CHANCE, "") if resolved else (None, "not resolved")
    source = "N independent uniform tokens"
    return [Verdict("energy at t = 0", *numbers, source, off, verdict, why)]


def of_sync(run: Run) -> list[Verdict]:
    """Energy, exponent, decay and bound; of the random attractor, whether it is uniform; of a map
    there is nothing to say."""
    if "boundary" in run.study_data:
        return []
    if "attractor" in run.study_data:
        off, nan = scalar(run, "uniform_second"), np.nan
        quantity, source = "second moments of the limit points", "uniform by isotropy"
        return [Verdict(quantity, nan, nan, nan, source, off, *said(run, "uniform", off))]
    rows = worst_energy(run)
    if "lambda1_verdict" in run.study_values and np.isfinite(scalar(run, "lambda1")):
        numbers = [scalar(run, f"lambda1{ending}") for ending in ("", "_sem", "_exact")]
        off = (numbers[0] - numbers[2]) / numbers[1] if numbers[1] > 0 else np.nan
        verdict = said(run, "lambda1", off)
        rows.append(Verdict("λ1 of twin tokens", *numbers, "exact λ1", off, *verdict))
    rows += decay(run)
    excess = scalar(run, "bound_excess")
    if np.isfinite(excess) and np.isfinite(guaranteed(run)):
        quantity, source = "energy above the theorem's bound", "theorem: at most the bound"
        numbers = (np.nan,) * 3
        rows.append(Verdict(quantity, *numbers, source, excess, *said(run, "bound", excess)))
    return rows


def of_limits(run: Run) -> list[Verdict]:
    """Both slopes; without a coupling no theorem says anything of the width."""
    rows = []
    if run.parameters.get("limits_coupling") == "none":
        return rows
    depth = "L/log L, over all times" if "error_layers" in run.study_data else "depth L"
    for letter, key in ((depth, "slope_depth"), ("width m", "slope_width")):
        rows += slope(run, f"slope of the error in {letter}", key, -1, "theorem: at most")
    return rows


def of_chaos(run: Run) -> list[Verdict]:
    """The slope of W2²."""
    bound = scalar(run, "slope_bound")
    return slope(run, "slope of W2² in N", "slope_w2sq", bound, "paper's bound: at most")


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
        (
            quantity,
            first,
        ) = "first time at which a density became too sharp for its degrees", np.nanmin(outgrown)
        source = "never before the end"
        why = "means end there"
        rows.append(Verdict(quantity, float(first), nan, nan, source, nan, None, why))
    rows += chance_distance(run)
    last = np.flatnonzero(np.isfinite(mean))
    if len(last):
        kind, count = run.study_values["distance_kind"], run.parameters.integer("tokens_count")
        quantity = f"{kind} of density and {count} tokens, t = {time[last[-1]]:.3g}"
        low = run.study_data.get("distance_low", mean)[:]  # version 0.5.0 has none
        if low[last[-1]] < mean[last[-1]]:
            quantity += ", at most"
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
