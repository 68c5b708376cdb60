"""The Lyapunov spectrum, moment exponents and growth rates, NEIGHBOURS.md sections 15 and 16: the
columns of study kernel against numbers made with other programs, and what study sync measures."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from run import chorale, options, refused, same_bits, study, table, with_error, without

pytestmark = pytest.mark.full

# activation, dim: k'(1) and the exponents, Lambda(1/2), Lambda(1), Lambda(2), p*
LAWS = {
    ("relu", 5): ([-0.1, -0.2, -0.3, -0.4], (-0.025, 0, 0.2), 1),
    ("tanh", 3): (
        [-0.2118752043, -0.4342445752],
        (-0.05165703023, 0.005247083346, 0.4447387419),
        0.9758335111,
    ),
    ("erf", 4): (
        [-0.2119808044, -0.4370598834, -0.6621389625],
        (-0.05081215532, 0.0087321831, 0.4588903412),
        0.9604364782,
    ),
    ("silu", 8): (
        [-0.03185399553 - j * (0.2402281644 - 0.03185399553) / 6 for j in range(7)],
        (-0.007347420465, 0.002464313673, 0.07356524575),
        0.9281924509,
    ),
}


def kernel(name="kernel.csv", ranks=1, **keys):
    chorale(["kernel", *options(output_table=name, **keys)], ranks=ranks)
    return table(name)


@pytest.mark.parametrize("activation, dim", LAWS)
def test_exponents_and_moments_are_those_of_the_reference(folder, activation, dim):
    exponents, moments, root = LAWS[activation, dim]
    keys = dict(mlp_activation=activation, kernel_spectrum=True, kernel_moments="0.5,1,2")
    row, wider = kernel(tokens_dim=f"{dim},9", **keys)
    found = [float(row["lambda1"])] + [float(row[f"lambda{j}"]) for j in range(2, dim)]
    np.testing.assert_allclose(found, exponents, rtol=1e-8)
    assert all(row[f"lambda{j}"] == "" for j in range(dim, 9))
    assert float(row["kaplan_yorke"]) == 0
    assert wider["lambda8"] != ""
    found = [float(row[f"moment_{p}"]) for p in ("0.5", "1", "2")]
    np.testing.assert_allclose(found, moments, rtol=1e-8, atol=1e-10)
    assert found[2] == pytest.approx(float(row["lambda_bar"]), rel=1e-8)
    assert float(row["pstar"]) == pytest.approx(root, rel=1e-8)


@pytest.mark.parametrize("dim", [2, 3, 5, 64])
@pytest.mark.parametrize("value", [1, -0.7])
def test_growth_rates_are_those_of_bessel_functions(folder, dim, value):
    betas, n, nu = [0.5, 1, 4, 9, 100], np.arange(1, 13), dim / 2 - 1
    keys = dict(attention_beta=",".join(map(str, betas)), kernel_growth=12, tokens_dim=dim)
    for row, beta in zip(kernel(attention_value=value, **keys), betas):
        laplace = n * (n + dim - 2)
        expected = laplace * value * special.ive(n + nu, beta) / (beta * special.ive(nu, beta))
        found = np.array([float(row[f"growth{i}"]) for i in n])
        np.testing.assert_allclose(found, expected, rtol=1e-8)
        noisy = np.array([float(row[f"gamma{i}"]) for i in n])
        k1 = float(row["k1"])
        np.testing.assert_allclose(noisy, expected - laplace * k1 / 2, rtol=1e-7, atol=1e-9)
        assert int(float(row["fastest"])) == 1 + expected.argmax()


def test_growth_on_the_circle_predicts_three_seven_and_thirteen_clusters(folder):
    rows = kernel(attention_beta="5,25,81", kernel_growth=20, tokens_dim=2)
    assert [int(float(row["fastest"])) for row in rows] == [3, 7, 13]


def test_columns_are_added_behind_those_of_before_and_alike_on_all_ranks(folder):
    keys = dict(tokens_dim="4,2", mlp_activation="relu,tanh", attention_beta="1,4")
    before = kernel("before.csv", **keys)
    keys.update(kernel_spectrum=True, kernel_moments=2, kernel_growth=2)
    after = kernel("after.csv", **keys)
    names = "lambda2 lambda3 kaplan_yorke moment_2 pstar growth1 growth2 gamma1 gamma2 fastest"
    assert list(after[0]) == list(before[0]) + names.split()
    for row, old in zip(after, before):
        assert old.items() <= row.items()
    kernel("again.csv", ranks=3, **keys)
    assert Path("again.csv").read_bytes() == Path("after.csv").read_bytes()


def test_a_value_without_growth_is_refused(folder):
    refused(["kernel", "-attention_value", "2"], "attention_value")
    assert os.listdir(folder) == []


# ---- measured by study sync ----


def sync(ranks=1, name="sync.h5", **keys):
    """Attributes and datasets of /study/sync, and the completed process."""
    words = options(output_file=name, output_overwrite=True, progress="off", **keys)
    done = chorale(["sync", *words], ranks)
    return *study(name, "sync"), done


CLUSTER = dict(tokens_init="vmf", tokens_kappa=1e8, attention_beta=2, attention_value=0.8)
CLUSTER.update(scheme_type="flow", sync_spectrum=True)
NOISE = dict(attention_type="none", scheme_type="flow", mlp_width=16)
NOISE.update(layers_depth=20, layers_horizon=0.05, output_every=20, sync_spectrum=True)


@pytest.fixture(scope="module", name="laws")
def kernels(tmp_path_factory):
    """Rows of study kernel by (activation, dim, bias)."""
    keys = dict(mlp_activation="relu,silu,sigmoid,tanh", tokens_dim="3,5,8", kernel_bias="0,0.1")
    rows = kernel(tmp_path_factory.mktemp("laws") / "kernel.csv", kernel_spectrum=True, **keys)
    return {(row["activation"], int(row["dim"]), float(row["bias_u"])): row for row in rows}


@pytest.mark.parametrize("dim", [3, 5, 8])
@pytest.mark.parametrize("bias", [0, 0.1])
@pytest.mark.parametrize("activation", ["relu", "silu", "sigmoid", "tanh"])
def test_the_spectrum_of_every_noise_is_that_of_its_kernel(folder, laws, activation, dim, bias):
    """Many short runs: the flow is isotropic, so that there is no transient. The covariance of the
    noise, and with it the law, is exact at every width. Few tokens, which share weights."""
    keys = dict(mlp_activation=activation, tokens_dim=dim, mlp_bias_u=bias, mlp_bias_w=bias)
    found, data, done = sync(ensemble_realizations=2000, tokens_count=16, **keys, **NOISE)
    row = laws[activation, dim, bias]
    exact = [float(row[f"lambda{j}"]) for j in range(1, dim)]
    np.testing.assert_allclose(data["spectrum_exact"], exact, rtol=1e-8)
    off = (data["spectrum"] - exact) / data["spectrum_sem"]
    print("off by", off.round(2), "sem", (data["spectrum_sem"] / exact).round(4))
    assert np.abs(off).max() < 4
    assert (data["spectrum_sem"] < 0.015 * np.abs(exact)).all()
    assert data["spectrum_sem"][-1] < 0.006 * np.abs(exact[-1])  # 2% would be seen
    slope = float(row["kp1"])
    gap, gap_sem = with_error(-np.diff(data["spectrum_growth"][:, 1]) / 0.05)
    assert (np.abs(gap - slope) < 4 * gap_sem).all()
    assert (gap_sem < 0.02 * slope).all()
    assert found["spectrum_off"] == pytest.approx(np.abs(off).max(), rel=1e-6)
    assert found["kaplan_yorke"] == found["kaplan_yorke_exact"] == 0
    assert data["spectrum"][0] == pytest.approx(found["lambda1"], rel=1e-9)
    assert "Kaplan-Yorke" in done.stdout


def test_moments_grow_as_the_kernel_says_and_rare_ones_are_not_resolved(folder):
    keys = dict(mlp_activation="tanh", tokens_dim=3, ensemble_realizations=400, layers_horizon=0.5)
    keys = {"tokens_count": 64, **without(NOISE, "sync_spectrum"), **keys}
    _, data, done = sync(sync_moments="0.5,2,-1,9", **keys)
    words = options(kernel_moments="0.5,2,-1,9", mlp_activation="tanh", tokens_dim=3)
    chorale(["kernel", *words, "-output_table", "k.csv"])
    row = table("k.csv")[0]
    exact = np.array([float(row[f"moment_{p}"]) for p in ("0.5", "2", "-1", "9")])
    np.testing.assert_allclose(data["moment_exact"], exact, rtol=1e-8)
    np.testing.assert_array_equal(data["moment_p"], [0.5, 2, -1, 9])
    np.testing.assert_array_equal(data["moment_rare"], [0, 0, 0, 1])
    value, sem = data["moment"], data["moment_sem"]
    print("off by", ((value - exact) / sem).round(2), "sem", (sem / exact).round(3))
    assert (np.abs(value - exact) < 4 * sem)[:3].all()
    assert (sem < [0.0015, 0.03, 0.009, np.inf]).all()
    # of each realization the mean over its tokens
    bare = np.log(np.exp(data["moment_log"]).mean(axis=0)) / 0.5
    np.testing.assert_allclose(bare[:3], value[:3], atol=0.05)
    assert done.stdout.count("not resolved, rare paths make the mean") == 1


def test_moments_of_attention_alone_are_powers(folder):
    keys = dict(tokens_count=5, tokens_dim=3, noise_type="none", layers_horizon=2, layers_depth=40)
    _, data, _ = sync(sync_moments="3,-2", **without(CLUSTER, "sync_spectrum"), **keys)
    np.testing.assert_allclose(data["moment"], [-2.4, 1.6], atol=1e-5)


def test_attention_draws_all_directions_but_those_of_all_tokens_as_one(folder):
    """Tokens that have all but met, no noise: 0 for the d - 1 motions of all as one, -v for the
    others."""
    keys = dict(tokens_count=5, tokens_dim=3, noise_type="none", sync_exponents=6)
    _, data, _ = sync(layers_horizon=40, layers_depth=400, output_every=200, **CLUSTER, **keys)
    np.testing.assert_allclose(data["spectrum"], [-0.8, -0.8], atol=1e-6)
    expected = [0, 0, -0.8, -0.8, -0.8, -0.8]
    np.testing.assert_allclose(data["exponents_cluster"], expected, atol=1e-12)
    np.testing.assert_allclose(data["exponents_late"], expected, atol=1e-5)


def test_tokens_that_have_met_move_like_one_with_its_spectrum(folder):
    """On the same path of the noise the motion of all as one has the exponents of a token without
    attention, those across it less by v."""
    keys = dict(noise_type="spectral", noise_degree=5, layers_horizon=30, layers_depth=600)
    keys.update(tokens_dim=3, mlp_activation="tanh", output_every=300, ensemble_seed=3)
    _, data, _ = sync(tokens_count=4, sync_exponents=4, **keys, **CLUSTER)
    found, token = data["exponents_growth"].squeeze(), data["spectrum_growth"].squeeze()
    of_token = (token[1] - token[0]) / 15
    np.testing.assert_allclose(data["spectrum_late"], of_token, rtol=1e-9)
    np.testing.assert_allclose((found[1] - found[0])[:2] / 15, of_token + 0.8, atol=0.01)
    np.testing.assert_allclose((found[1] - found[0])[2:] / 15, of_token[0], atol=0.02)


def test_repelled_tokens_have_a_dimension(folder):
    """Repulsion spreads tokens, and their twins over the sphere at first."""
    keys = dict(noise_type="none", layers_horizon=0.5, layers_depth=20, tokens_count=5)
    keys.update(CLUSTER, tokens_dim=4, attention_value=-0.8)
    found, data, _ = sync(**keys)
    np.testing.assert_allclose(data["spectrum"], [0.8] * 3, atol=1e-5)
    assert found["kaplan_yorke"] == 3


@pytest.mark.parametrize(
    "dim, twins, layouts",
    [(3, "auto", (1, 4)), (5, 61, (1, 2, 3, 4))],
)
def test_exponents_have_the_same_bits_on_any_ranks_and_resumed(folder, dim, twins, layouts):
    """Several blocks, in which groups of twins leave places."""
    keys = dict(tokens_count=130, tokens_dim=dim, sync_twins=twins, sync_spectrum=True)
    keys.update(layers_depth=6, layers_horizon=0.1, mlp_width=8, attention_beta=1)
    keys.update(sync_exponents=3, sync_moments="1,-2", ensemble_realizations=2, output_every=2)
    for ranks in layouts:
        data = sync(ranks, f"{ranks}.h5", **keys)[1]
        if ranks == 1:
            expected = data
        assert same_bits(expected, data) == []
    words = options(
        output_file="5.h5", checkpoint_every=1, progress="off", ensemble_groups=1, **keys
    )
    done = chorale(["sync", *words], 2, check=False, hook="1 3 0 signal=15")
    assert done.returncode == 85, done.stderr
    chorale(["sync", *words, "-checkpoint_resume"], 3)
    assert same_bits(expected, study("5.h5", "sync")[1]) == []


@pytest.mark.parametrize(
    "words, key",
    [
        ("-sync_exponents 9 -tokens_count 4 -tokens_dim 3", "sync_exponents = 9: must be at most"),
        ("-sync_spectrum -sync_twins 0", "sync_spectrum = true: has no effect"),
        ("-sync_exponents 2 -noise_type gram", "sync_exponents = 2: has no effect"),
        ("-sync_spectrum -tokens_dim 300", "sync_spectrum = true: tokens_dim must be at most 256"),
        ("-sync_moments 1 -sync_twins 0", "sync_moments = 1: has no effect"),
        ("-sync_map -sync_spectrum", "sync_spectrum = true: has no effect"),
    ],
)
def test_exponents_that_cannot_be_had_are_refused(folder, words, key):
    refused(["sync", *words.split()], key)
    assert os.listdir(folder) == []
