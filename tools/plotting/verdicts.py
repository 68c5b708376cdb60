"""What files measure beside what theory says of it: a row for each quantity that has an exact value, a theorem or an oracle."""
from collections import namedtuple

import numpy as np
from chorale_io import BadFile

from plotting.common import Series, columns, interval, is_chance
from plotting.simulate import uniform_energy
from plotting.sync import deviations, guaranteed, scalar

# deviation in standard errors, NaN where no error is known; verdict True, False, or None where nothing decides
Verdict = namedtuple("Verdict", "quantity measured error theory source deviation verdict")


def agrees(quantity, measured, error, exact, source, count):
    """The mean of so many realizations beside an exact value."""
    off = float((measured - exact) / error) if error > 0 else np.nan
    return Verdict(quantity, float(measured), float(error), float(exact), source, off, is_chance(off, count))


def worst(quantity, mean, error, exact, time, source, count):
    """The one of many times that deviates most."""
    off = deviations(mean, error, exact)
    known = np.flatnonzero(np.isfinite(exact))
    if not len(known):
        return []
    i = int(np.nanargmax(np.abs(off))) if np.isfinite(off).any() else int(known[-1])
    return [agrees(f"{quantity}, t = {time[i]:.3g} (of {len(known)} times the furthest off)", mean[i], error[i], exact[i], source, count)]


def below(quantity, fit, bound, source, sign=1):
    """A fitted slope that a theorem bounds from above (sign -1: a rate that it bounds from below): refused where all of its interval is beyond."""
    value, low, high = fit
    if not np.isfinite(value) or not np.isfinite(bound):
        return []
    error = (high - low) / (2 * 1.96)
    decides = np.isfinite(error)
    holds = (low <= bound if sign > 0 else high >= bound) if decides else None
    return [Verdict(quantity, value, error, float(bound), source, (value - bound) / error if decides and error > 0 else np.nan, holds)]


def of_simulate(run):
    """The energy of the first frame, where tokens are independent and uniform."""
    exact = uniform_energy(run)
    if run.system.get("tokens_init", "uniform") != "uniform" or not np.isfinite(exact):
        return []
    energy = Series(run, "energy")
    if energy.unit not in ("1", "") or energy.time[0] != 0:
        return []
    return [agrees("energy at t = 0", energy.mean[0], energy.half[0] / 1.96, exact, "N independent uniform tokens", energy.count)]


def of_sync(run):
    if "boundary" in run.study_data:
        return []
    time, mean, sem, exact = columns(run, "time", "energy_mean", "energy_sem", "energy_exact")
    count = run.study_data["energy"].shape[1]
    rows = worst("energy", mean, sem, exact, time, "exact: two tokens", count)
    if run.parameters.get("attention_type") == "none" and np.isfinite(scalar(run, "lambda1")):
        rows.append(agrees("λ1 of twin tokens", scalar(run, "lambda1"), scalar(run, "lambda1_sem"), scalar(run, "lambda1_exact"), "exact λ1", count))
    rows += below("rate of the energy's decay", interval(run.study_values, "decay"), guaranteed(run), "theorem: at least", -1)
    excess = scalar(run, "bound_excess")
    if np.isfinite(excess) and np.isfinite(guaranteed(run)):
        rows.append(Verdict("energy above the theorem's bound", np.nan, np.nan, np.nan, "theorem: at most the bound", excess, True if excess <= 0 else is_chance(excess, count)))
    return rows


def of_limits(run):
    if run.parameters.get("limits_coupling") == "none":
        return []  # then no theorem says anything of the width
    return [row for letter, key in (("depth L", "slope_depth"), ("width m", "slope_width"))
            for row in below(f"slope of the error in {letter}", interval(run.study_values, key), -1, "theorem: at most")]


def of_chaos(run):
    return below("slope of W2² in N", interval(run.study_values, "slope_w2sq"), scalar(run, "slope_bound"), "paper's bound: at most")


def of_spde(run):
    time, mass, mean, outgrown, energy = columns(run, "time", "mass", "distance", "outgrown", "energy")
    error = float(np.nanmax(np.abs(mass - 1)))
    rows = [Verdict("|mass − 1|, at most", error, np.nan, 0.0, "kept to 1e-12", np.nan, error <= 1e-12)]
    if np.isfinite(outgrown).any():
        rows.append(Verdict("first time at which a density outgrew its degrees", float(np.nanmin(outgrown)), np.nan, np.nan, "never before the end", np.nan, False))
    count = run.parameters.integer("tokens_count")
    if "mmd_realizations" in run.study_data and run.parameters.get("spde_particles") == "iid" and run.parameters.get("tokens_init") == "uniform":
        squares = run.study_data["mmd_realizations"][0] ** 2  # E MMD² = (k(1) - ∬ k dμ dμ)/N of N independent tokens with the law μ
        chance = 2 * energy[0] / count  # a weighted sum of squares of normals: its standard deviation is at most its mean
        rows.append(agrees("MMD² of density and tokens at t = 0", squares.mean(), chance / len(squares) ** 0.5, chance, "2 E_β / N: independent tokens", len(squares)))
    last = np.flatnonzero(np.isfinite(mean))
    if len(last):
        rows.append(Verdict(f"{run.study_values['distance_kind']} of density and {count} tokens, t = {time[last[-1]]:.3g}", float(mean[last[-1]]), np.nan, 0.0,
                            "limit of many tokens", np.nan, None))
    return rows


STUDIES = {"simulate": of_simulate, "analyze": of_simulate, "sync": of_sync, "limits": of_limits, "chaos": of_chaos, "spde": of_spde}


def of_run(run):
    """Verdicts on results; of what is not recorded yet there are none."""
    try:
        return STUDIES[run.study](run) if run.kind == "results" and run.study in STUDIES else []
    except BadFile:
        return []
