"""Mean energies of ensembles against the exact ones of the two-token diffusion
(data/two_point.csv).

E[E_beta] of N tokens that nothing but the common noise moves is (1 - 1/N) times that of two; with
attention there are N = 2. The weak error of a layer is O(h), so (4 E_h - E_4h)/3 removes it to
second order; that costs 1.9 times the variance of E_h, where 2 E_h - E_2h would cost 5 times. The
start of two tokens is known realization by realization, and what it explains of their energy is
taken away."""

import os

import h5py
import numpy as np
from scipy import special

from run import DATA, chorale, options, table, with_error

HORIZON = 5.0
FRAMES = 10


def two_tokens():
    """{(activation, d, bias, beta, value): [(time, half_gap), ...]}"""
    found = {}
    for row in table(DATA / "two_point.csv"):
        key = (
            row["activation"],
            int(row["dim"]),
            float(row["bias_u"]),
            float(row["beta"]),
            row["value"],
        )
        found.setdefault(key, []).append((float(row["time"]), float(row["half_gap"])))
    return found


def exact_energies(case):
    """{time: E[E_beta]} for as many tokens as the case's ensembles have."""
    share = 1 - 1 / tokens_of(case)  # the N diagonal pairs have no energy
    return {time: share * half_gap for time, half_gap in two_tokens()[case]}


def tokens_of(case):
    return 2 if case[4] else 16


def start_controls(case, energy):
    """Gegenbauer polynomials [n][R] of the cosine of two tokens at the start, by their energy: the
    uniform law gives each the mean 0."""
    _, dim, _, beta, _ = case
    cosine = np.log(np.exp(beta) - 4 * energy) / beta
    return np.array([special.eval_gegenbauer(n, (dim - 2) / 2, cosine) for n in range(1, 6)])


def controlled(values, controls):
    """Means of values[T][R], less what controls[n][R] of mean 0 explain, and their standard
    errors."""
    A = np.column_stack([np.ones(controls.shape[1]), controls.T])
    found = np.linalg.lstsq(A, values.T, rcond=None)[0]
    rest = ((values.T - A @ found) ** 2).sum(axis=0) / (len(A) - A.shape[1])
    return found[0], np.sqrt(rest * np.linalg.inv(A.T @ A)[0, 0])


def energies(folder, case, depth, realizations, seed, **more):
    """{time: (mean, sem)} of the energy at FRAMES times and the start; more are further keys, of
    the noise. Without any it is that of MLPs, whose covariance is exact at every width."""
    activation, dim, bias, beta, value = case
    name = os.path.join(folder, f"energies-{depth}-{seed}")
    keys = dict(
        tokens_count=tokens_of(case),
        tokens_dim=dim,
        layers_depth=depth,
        layers_horizon=HORIZON,
        attention_beta=beta,
        attention_type="softmax" if value else "none",
        mlp_activation=activation,
        mlp_bias_u=bias,
        mlp_bias_w=bias,
        ensemble_realizations=realizations,
        ensemble_seed=seed,
        output_every=depth // FRAMES,
        output_file=name + ".h5",
        output_table=name + ".csv",
        output_overwrite=True,
        progress="off",
    )
    if value:
        keys["attention_value"] = value
    keys.update(more or dict(mlp_width=16))
    chorale(["simulate"] + options(**keys))
    with h5py.File(name + ".h5", "r") as file:
        times = file["observables/energy/time"][()]
        values = file["observables/energy/value"][()].reshape(FRAMES + 1, realizations)
    mean, sem = with_error(values.T)
    rows = table(name + ".csv")
    np.testing.assert_allclose([float(row["energy_mean"]) for row in rows], mean, rtol=1e-12)
    np.testing.assert_allclose([float(row["energy_sem"]) for row in rows], sem, rtol=1e-8)
    if value:
        start = start_controls(case, values[0])
        mean[1:], sem[1:] = controlled(values[1:], start)
    return {round(time, 9): pair for time, pair in zip(times, zip(mean, sem))}


def check_energies(case, fine, coarse):
    """The extrapolation of energies with steps h and 4 h lies within 4 standard errors of the exact
    ones at every time. Returns what 4 standard errors resolve, as a share of the change since the
    start, at the best time."""
    exact, resolution = exact_energies(case), []
    for time, expected in exact.items():
        (mean, sem), (off, off_sem) = fine[time], coarse[time]
        if time:  # at the start both are of the law itself
            mean, sem = (4 * mean - off) / 3, np.hypot(4 * sem, off_sem) / 3
            resolution.append(4 * sem / abs(expected - exact[0]))
        away = (mean - expected) / sem
        print(f"{case}, t = {time}: {mean:.5f} +- {sem:.5f}, exact {expected:.5f}, {away:+.1f} sem")
        assert abs(away) <= 4, (case, time)
    print(f"{case}: 4 sem are {100 * min(resolution):.1f}% of the change at the sharpest time")
    return min(resolution)
