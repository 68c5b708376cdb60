"""Weights W that are not Gaussian: the same limit SDE in law at any width, and no coupling."""

import numpy as np
import pytest
from run import chorale, options, refused, study

LAWS = ("gaussian", "rademacher", "uniform", "laplace")


def sync(weights, realizations, **keys):
    """Attributes and datasets of /study/sync of four hidden units, noise alone."""
    keys = dict(
        attention_type="none",
        scheme_type="flow",
        mlp_width=4,
        mlp_weights=weights,
        tokens_count=24,
        tokens_dim=3,
        layers_depth=40,
        layers_horizon=2,
        output_every=8,
        ensemble_realizations=realizations,
        progress="off",
        output_file="sync.h5",
        **keys,
    )
    chorale(["sync"] + options(**keys))
    return study("sync.h5", "sync")


@pytest.mark.parametrize("weights", ["rademacher"])
def test_four_units_follow_the_law_of_two_tokens(folder, weights):
    attributes, found = sync(weights, 300)
    error = found["energy_mean"] - found["energy_exact"]
    assert np.all(np.abs(error) < 4 * found["energy_sem"])
    assert abs(attributes["lambda1"] - attributes["lambda1_exact"]) < 4 * attributes["lambda1_sem"]


@pytest.mark.full
@pytest.mark.parametrize("weights", LAWS)
def test_four_units_follow_the_law_of_two_tokens_to_two_percent(folder, weights):
    attributes, found = sync(weights, 3000)
    error = found["energy_mean"] - found["energy_exact"]
    print(weights, attributes["lambda1"], attributes["lambda1_sem"], error / found["energy_sem"])
    assert np.all(np.abs(error) < 4 * found["energy_sem"])
    assert np.all(4 * found["energy_sem"] < 0.02 * found["energy_exact"])
    assert abs(attributes["lambda1"] - attributes["lambda1_exact"]) < 4 * attributes["lambda1_sem"]


LIMITS = dict(
    tokens_count=16,
    tokens_dim=3,
    layers_depth="4,8",
    layers_horizon=0.5,
    mlp_width="8,64,inf",
    noise_degree=6,
    ensemble_realizations=6,
    progress="off",
    output_file="limits.h5",
)


def test_the_uncoupled_error_has_no_rate(folder):
    chorale(["limits"] + options(mlp_weights="laplace", limits_coupling="none", **LIMITS))
    attributes, found = study("limits.h5", "limits")
    error = found["error"].reshape(2, 3)
    assert np.all(error[:, :2] > 5 * error[:, 2:])
    assert attributes["slope_width_verdict"] == b"no rate without a coupling"


@pytest.mark.parametrize("coupling", ["tokens", "harmonics"])
def test_weights_that_are_not_gaussian_have_no_coupling(folder, coupling):
    keys = dict(LIMITS, mlp_weights="rademacher", limits_coupling=coupling)
    refused(["limits"] + options(**keys), f"mlp_weights = rademacher: limits_coupling {coupling} ")
