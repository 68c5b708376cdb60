"""Norms elsewhere than in the paper (NEIGHBOURS.md section 13): how fast tokens near consensus
meet, how their lengths grow; the same bits on any ranks and after a stop; what is refused."""

import math
import os

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, same_bits

pytestmark = pytest.mark.full

VALUE, ALPHA, T = 2.0, 0.5, 2.0
# The variance of tokens near consensus at time t, over that at the start: (13.5).
EXACT = {
    "post": lambda t: np.exp(-2 * VALUE * t),
    "ngpt": lambda t: np.exp(-2 * ALPHA * t),
    "depth": lambda t: np.exp(-4 * VALUE * (np.sqrt(1 + t) - 1)),
    "pre": lambda t: (1 + VALUE * t) ** -2.0,
    "peri": lambda t: (1 + t) ** -2.0,
}
RADIUS = {"pre": lambda t: 1 + VALUE * t, "peri": lambda t: 1 + t}


def keys_of(norm):
    keys = {"scheme_norm": norm}
    if norm == "ngpt":
        keys["scheme_alpha"] = ALPHA
    if norm in RADIUS:
        keys["output_radius"] = True
    return keys


@pytest.mark.parametrize("norm", EXACT)
def test_tokens_near_consensus_meet_at_the_rate_of_their_norm(folder, norm):
    chorale(
        ["simulate"]
        + options(
            tokens_count=200,
            tokens_dim=3,
            tokens_init="vmf",
            tokens_kappa=1e6,
            attention_value=VALUE,
            noise_type="none",
            scheme_type="flow",
            layers_depth=100,
            layers_horizon=T,
            output_file="run.h5",
            **keys_of(norm),
        )
    )
    values = datasets("run.h5")
    time = values["observables/energy/time"]
    energy = values["observables/energy/value"][:, 0]
    assert time[-1] == T
    assert abs(energy / energy[0] / EXACT[norm](time) - 1).max() < 1e-4
    if norm in RADIUS:
        radius = values["observables/radius/value"][:, 0]
        assert abs(radius / RADIUS[norm](time) - 1).max() < 1e-4


def test_a_layer_before_its_norm_keeps_the_product_of_radius_and_deviation(folder):
    """However large the layers are: r_i (x_i - m) stays near consensus; (13.5) is exact."""
    keys = dict(tokens_init="vmf", tokens_kappa=1e6, noise_type="none", scheme_norm="pre")
    chorale(["simulate"] + options(layers_depth=3, layers_horizon=9, output_file="run.h5", **keys))
    energy = datasets("run.h5")["observables/energy/value"][:, 0]
    assert abs(energy / energy[0] * (1 + 3 * np.arange(4)) ** 2 - 1).max() < 1e-4


SMALL = dict(tokens_count=600, tokens_dim=3, layers_depth=8, layers_horizon=1, output_every=2)
SMALL.update(mlp_width=64, ensemble_realizations=2, output_trajectories=1, progress="off")
NOISY = {
    "pre": dict(scheme_type="layer"),
    "peri": dict(scheme_type="heun", noise_type="spectral", noise_degree=6),
    "ngpt": dict(scheme_type="euler", noise_type="spectral", noise_degree=6),
    "depth": dict(scheme_type="flow", noise_type="spectral", noise_degree=6),
}


def without_width(keys):
    return {k: v for k, v in keys.items() if k != "mlp_width" or keys.get("noise_type") is None}


def words(norm, folder, **more):
    keys = without_width({**SMALL, **NOISY[norm], **keys_of(norm), **more})
    return ["simulate"] + options(output_file=f"{folder}/run.h5", **keys)


def contents(folder):
    """Results and trajectory."""
    found = datasets(f"{folder}/run.h5")
    with h5py.File(f"{folder}/run/realization_00000.h5md", "r") as file:
        group = file["particles/all"]
        found.update({f"{k}/{n}": group[k][n][()] for k in group if k != "box" for n in group[k]})
    return found


@pytest.mark.parametrize("norm", NOISY)
def test_norms_have_the_same_bits_on_any_ranks_and_after_a_stop(folder, norm):
    os.mkdir("1")
    chorale(words(norm, "1"))
    one = contents("1")
    assert ("radius/value" in one) == (norm in RADIUS)
    for ranks in (2, 4):  # and on to the end on 3 and on 1
        os.mkdir(str(ranks))
        cut = words(norm, ranks, checkpoint_every=1)
        assert (
            chorale(cut, ranks=ranks, hook="checkpoint 3 0 signal=15", check=False).returncode == 85
        )
        chorale(words(norm, ranks, checkpoint_resume=True), ranks=5 - ranks)
        assert same_bits(one, contents(str(ranks))) == [], ranks


def test_the_radius_of_a_trajectory_is_that_of_its_mean(folder):
    os.mkdir("1")
    chorale(words("pre", "1"))
    found = contents("1")
    radius = found["radius/value"]
    assert radius.shape == (5, 600, 1) and np.all(radius[0] == 1)
    mean = found["observables/radius/value"][:, 0]
    assert abs(radius[:, :, 0].mean(axis=1) - mean).max() < 1e-12
    assert math.isclose(mean[0], 1) and mean[-1] > 1.1


@pytest.mark.parametrize("study", ["limits", "sync", "spde"])
def test_studies_with_a_theory_take_the_norm_of_the_paper(folder, study):
    refused([study, "-scheme_norm", "pre"], "scheme_norm = pre: must be post")


def test_what_has_no_effect_is_refused(folder):
    refused(
        ["simulate", "-scheme_alpha", "2"], "scheme_alpha = 2: has no effect with scheme_norm post"
    )
    refused(
        ["simulate", "-output_radius"], "output_radius = true: has no effect with scheme_norm post"
    )
    refused(
        ["simulate", "-scheme_norm", "mix"],
        "scheme_norm = mix: must be one of: post pre peri ngpt depth",
    )
