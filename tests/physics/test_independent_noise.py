"""Noise of each token's own, noise_independent, from end to end: the transition of the uniform law
(NEIGHBOURS.md (14.6)), the density beside its tokens, who shares it in study chaos, refusals."""

import numpy as np
import pytest
from scipy.special import iv

from run import chorale, datasets, options, refused, study, table

pytestmark = pytest.mark.full

# d, beta: kappa at which the uniform law becomes stable
CRITICAL = {(2, 1): 0.4463899659, (3, 4): 0.1876677876}


def critical(d, beta):
    return iv(d / 2, beta) / (beta * iv(d / 2 - 1, beta))


def root(kappas, growth):
    """Where a line through the measured rates is 0."""
    slope, offset = np.polyfit(kappas, growth, 1)
    return -offset / slope


@pytest.mark.parametrize("d, beta", CRITICAL)
def test_the_uniform_law_of_the_density_becomes_stable_at_the_critical_kappa(folder, d, beta):
    exact = CRITICAL[d, beta]
    assert abs(critical(d, beta) - exact) < 1e-9
    keys = dict(
        noise_type="none",
        attention_beta=beta,
        tokens_dim=d,
        tokens_count=16,
        tokens_init="harmonic",
        tokens_harmonic=1,
        tokens_amplitude=0.01,
        layers_depth=20,
        layers_horizon=1,
        spde_degree=24,
        progress="off",
        output_overwrite=True,
    )
    kappas, growth = exact * np.array([0.8, 0.95, 1.1]), []
    for kappa in kappas:
        chorale(["spde"] + options(**keys, noise_independent=kappa))
        found = study("spde.h5", "spde")[1]
        power = found["snapshot_spectrum"][:, 1]
        growth.append(0.5 * np.log(power[-1] / power[0]) / found["snapshot_time"][-1])
        assert abs(growth[-1] - (d - 1) * (exact - kappa)) < 1e-4
    assert abs(root(kappas, growth) / exact - 1) < 1e-3


@pytest.mark.parametrize("d, beta", CRITICAL)
def test_the_uniform_law_of_tokens_becomes_stable_there_within_five_percent(folder, d, beta):
    """The growth of |mean| of 200000 tokens from 0.1 or more, a hundred times what chance makes."""
    keys = dict(
        noise_type="none",
        attention_beta=beta,
        attention_engine="moments",
        tokens_dim=d,
        tokens_count=200000,
        tokens_init="harmonic",
        tokens_harmonic=1,
        tokens_amplitude=0.3,
        scheme_type="heun",
        layers_depth=20,
        layers_horizon=1,
        output_every=20,
        ensemble_realizations=4,
        progress="off",
        output_overwrite=True,
    )
    exact = CRITICAL[d, beta]
    kappas, growth = exact * np.array([0.25, 1, 1.75]), []
    for kappa in kappas:
        chorale(["simulate"] + options(**keys, noise_independent=kappa))
        order = datasets("simulate.h5")["observables/order/value"].mean(axis=1)
        growth.append(np.log(order[-1] / order[0]))
    assert abs(root(kappas, growth) / exact - 1) < 0.05, (kappas, growth)


@pytest.mark.parametrize("noise", ["spectral", "none"])
def test_tokens_stay_near_the_density_that_diffuses(folder, noise):
    """W2 stays that of independent draws, and would be 0.07 if kappa were off by a half."""
    keys = dict(
        noise_type=noise,
        tokens_dim=2,
        tokens_count=4096,
        tokens_init="vmf",
        tokens_kappa=2,
        layers_depth=40,
        layers_horizon=0.4,
        noise_independent=0.5,
        spde_degree=64,
        progress="off",
    )
    if noise == "spectral":
        keys.update(noise_degree=4, mlp_activation="tanh", mlp_bias_u=0.5)
    chorale(["spde"] + options(**keys))
    found = study("spde.h5", "spde")[1]
    assert found["distance"][0] < 0.05 and found["distance"][-1] < 0.05
    assert abs(found["tokens_energy"][-1] / found["energy"][-1] - 1) < 0.03


def chaos(column, **more):
    keys = dict(
        tokens_count="16,64",
        tokens_init="vmf",
        tokens_kappa=1e8,
        attention_type="none",
        noise_type="none",
        noise_independent=0.5,
        layers_depth=4,
        layers_horizon=1,
        ensemble_realizations=4,
        output_table="chaos.csv",
        output_overwrite=True,
        progress="off",
    )
    chorale(["chaos"] + options(**{**keys, **more}))
    return [float(row[column]) for row in table("chaos.csv")]


def test_coupled_tokens_of_chaos_share_their_own_noise_and_twins_do_not(folder):
    """All start at e_1. The first N of the reference stay with the N, to the bit; twins part, and
    so do fresh starts."""
    assert chaos("coupling", chaos_reference=256) == [0, 0]
    assert min(chaos("w2sq")) > 0.02
    chaos("w2sq", chaos_restarts=20, ensemble_realizations=8)
    correlation = study("chaos.h5", "chaos")[1]["correlation"]
    assert np.abs(correlation).max() < 0.03, correlation  # 1 if fresh starts shared it


REFUSED = (
    ("sync", dict(), "is not a key of study sync"),
    ("limits", dict(), "is not a key of study limits"),
    ("kernel", dict(), "is not a key of study kernel"),
    ("chaos", dict(chaos_reference="quadrature"), "has no effect with chaos_reference quadrature"),
    ("spde", dict(spde_particles="quadrature"), "has no effect with spde_particles quadrature"),
    ("spde", dict(tokens_init="quadrature"), "has no effect with tokens_init quadrature"),
)


@pytest.mark.parametrize("name, keys, words", REFUSED)
def test_where_tokens_cannot_have_their_own_noise_it_is_refused(folder, name, keys, words):
    refused([name] + options(noise_independent=0.1, **keys), f"noise_independent = 0.1: {words}")
