"""Study sync with sync_starts: several starts along one noise path meet in one point, or in two
antipodal ones where the noise is odd; the point is uniform over the noise paths; same bits."""

import numpy as np
import pytest

from run import chorale, datasets, options, refused, same_bits, study

pytestmark = pytest.mark.full

KEYS = dict(
    sync_starts=4,
    tokens_count=8,
    tokens_init="vmf",
    tokens_kappa=50,
    attention_type="none",
    noise_type="spectral",
    mlp_activation="sigmoid",
    scheme_type="flow",
    layers_depth=150,
    layers_horizon=30,
    output_every=25,
    ensemble_realizations=200,
    output_overwrite=True,
    progress="off",
)


def starts(**more):
    """Attributes and datasets of a run."""
    keys = {key: value for key, value in {**KEYS, **more}.items() if value is not None}
    chorale(["sync"] + options(**keys))
    return study("sync.h5", "sync")


def test_all_starts_meet_in_one_point_that_is_uniform_over_the_noise_paths(folder):
    """Tokens that start in a small cap about e_1 part at the rate lambda1 < 0 from the first step
    on: with width 0.01 nothing else has a share in it."""
    found, data = starts(tokens_kappa=1e4)
    lambda1 = found["lambda1_cluster"]
    sem = (found["meeting_high"] - found["meeting_low"]) / 4
    assert sem < 0.1 * abs(lambda1) and abs(found["meeting"] - lambda1) < 4 * sem
    assert found["meeting_paths"] > 180 and found["antipodal"] == 0
    assert found["share_one"] == 1 and found["share_two"] == 0
    assert (data["diameter"][0] < 0.1).all() and (data["points"] == 1).all()
    assert np.array_equal(data["diameter"][-1], data["folded"][-1])
    assert np.allclose(np.linalg.norm(data["attractor"], axis=1), 1, atol=1e-14)
    assert found["uniform_verdict"] == b"agrees"
    # the test of the program, from its limit points
    a = data["attractor"]
    square = 3 * (a.sum(axis=0) ** 2).sum() / len(a)  # chi-square of 3 degrees of freedom
    normal = (np.cbrt(square / 3) - 1 + 2 / 27) / np.sqrt(2 / 27)
    assert abs(found["uniform_first"] - normal) < 1e-10 and abs(normal) < 4


def test_limit_points_are_not_uniform_before_the_start_is_forgotten(folder):
    found, _ = starts(tokens_kappa=1e4, layers_horizon=1, layers_depth=10, output_every=5)
    assert found["uniform_verdict"] == b"does not agree" and found["uniform_first"] > 4


def test_odd_noise_has_two_antipodal_points(folder):
    """tanh without bias, all over the sphere: both points have tokens of 32."""
    keys = dict(tokens_init="uniform", tokens_kappa=None, mlp_activation="tanh")
    keys.update(layers_depth=250, layers_horizon=100, ensemble_realizations=60)
    found, data = starts(**keys)
    assert found["antipodal"] == 1 and found["share_one"] == 0 and found["share_two"] > 0.8
    two = data["points"] == 2
    assert (data["diameter"][-1][two] > 1.99).all() and (data["folded"][-1][two] < 0.15).all()
    # Attention takes all tokens of a start to one side, which it chooses by a fair coin.
    found, data = starts(**{**keys, "attention_type": "softmax", "layers_horizon": 50})
    met = found["share_one"] + found["share_two"]
    assert met > 0.7 and abs(found["share_one"] / met - 1 / 8) < 4 * np.sqrt(7 / 64 / (60 * met))


def test_every_start_is_a_system_of_its_own(folder):
    """Start s of realization r is that of realization r + s R, along the noise of r: the second
    start of a run is the first of another whose noise is the same, here none."""
    keys = dict(noise_type="none", mlp_activation=None, attention_type="softmax", sync_starts=1)
    keys.update(tokens_init="uniform", tokens_kappa=None, layers_horizon=2, layers_depth=20)
    _, single = starts(**keys, ensemble_realizations=6)
    _, pair = starts(**{**keys, "sync_starts": 2}, ensemble_realizations=3)
    for r in range(3):
        widest = np.maximum(single["diameter"][:, r], single["diameter"][:, r + 3])
        assert (pair["diameter"][:, r] >= widest).all()


def test_the_same_bits_at_any_number_of_ranks(folder):
    keys = options(**{**KEYS, "ensemble_realizations": 5, "tokens_count": 600, "layers_depth": 8})
    for ranks in (1, 2, 3, 4):
        chorale(["sync"] + keys + options(output_file=f"{ranks}.h5"), ranks)
        assert not same_bits(datasets("1.h5"), datasets(f"{ranks}.h5")), ranks


REFUSED = (
    (dict(sync_starts=3, sync_twins=4), "sync_twins = 4: has no effect with sync_starts 3"),
    (dict(sync_starts=3, sync_map=True), "sync_starts = 3: has no effect with sync_map true"),
    (dict(sync_starts=3, tokens_init="quadrature"), "tokens_init = quadrature: must be a law"),
    (dict(sync_starts=-1), "sync_starts = -1: must be an integer from 0 to 1000"),
    (dict(sync_starts=2, tokens_dim="3,4"), "tokens_dim = 3,4,...: must be one value"),
    (dict(sync_starts=1000, noise_type="gram", tokens_count=64), "gram"),
)


@pytest.mark.parametrize("keys, words", REFUSED)
def test_what_has_no_attractor_is_refused(folder, keys, words):
    refused(["sync"] + options(**keys), words)
