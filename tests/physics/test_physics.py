"""Exact oracles against whole ensembles of transformers (support/oracle.py), and the outcome of the
paper's Figure 1.

What 4 standard errors can resolve is a share of the energy's change since the start: below 2% for
sigmoid (asserted), where the noise moves the energy most, 4 to 27% for the others; the kernel k of
the fields is held to 2% for every activation by test_mlp.c."""

import os

import numpy as np
import pytest

from oracle import check_energies, energies, two_tokens
from run import chorale, datasets, options

CASES = [case for case in two_tokens() if case[1] <= 5]
SIGMOID = ("sigmoid", 5, 0.0, 1.0, "")


def resolution(folder, case, realizations):
    """Checks the energies of a case. With attention the second order in h is larger: half the
    step."""
    depth = 160 if case[4] else 80
    fine = energies(folder, case, depth, realizations, seed=1)
    coarse = energies(folder, case, depth // 4, realizations, seed=2)
    return check_energies(case, fine, coarse)


def test_the_energy_of_noise_alone_is_that_of_two_tokens(folder):
    assert resolution(folder, SIGMOID, 400) < 0.04


@pytest.mark.full
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_the_energy_is_that_of_two_tokens_at_full_size(folder, case):
    found = resolution(folder, case, 2000 if case[4] else 1600)
    if case == SIGMOID:  # decays most: the case that fixes the strength of the noise to 2%
        assert found < 0.02


def figure1(activation, **more):
    """Final observables [R] of Figure 1: N = 64, d = 4, no attention, no bias."""
    deck = os.path.join(
        os.environ["CHORALE_SOURCE"], "input", "paper", f"figure1-{activation}.yaml"
    )
    keys = dict(output_file="figure1.h5", progress="off")
    chorale(["simulate", deck] + options(**keys, **more))
    values = datasets("figure1.h5")
    return {
        name: values[f"observables/{name}/value"][-1] for name in ("clusters", "order", "nematic")
    }


LATE = dict(
    layers_depth=5000,
    layers_horizon=100,
    mlp_width=128,
    ensemble_realizations=32,
    ensemble_seed=1,
    output_trajectories=0,
    output_every=5000,
)


# At T = 20 a realization may still be on its way (lambda1 = -1/8 for ReLU); the decks' is not. At T
# = 100 nearly all of 32 have arrived.
@pytest.mark.full
def test_relu_gathers_all_tokens_in_one_cluster(folder):
    found = figure1("relu")
    assert found["clusters"][0] == 1 and found["order"][0] > 0.95


@pytest.mark.full
def test_tanh_makes_two_antipodal_clusters(folder):
    found = figure1("tanh")
    assert found["clusters"][0] == 2 and found["nematic"][0] > 0.999 and found["order"][0] < 0.6


@pytest.mark.full
def test_nearly_all_realizations_of_relu_end_in_one_cluster(folder):
    found = figure1("relu", **LATE)
    assert np.sum(found["clusters"] == 1) >= 28
    assert np.median(found["order"]) > 0.999


@pytest.mark.full
def test_nearly_all_realizations_of_tanh_end_in_two_clusters_that_coins_choose(folder):
    found = figure1("tanh", **LATE)
    assert np.sum((found["clusters"] == 2) & (found["nematic"] > 0.999)) >= 31
    # Tanh without bias is odd: each token falls to one of two poles by the sign of its start: 64
    # fair coins, mean |sum| / 64 = 0.0993, deviation 0.0754
    order = found["order"]
    assert abs(order.mean() - 0.0993) < 4 * 0.0754 / np.sqrt(32)
    assert np.all(abs(order * 32 - np.round(order * 32)) < 0.02)
