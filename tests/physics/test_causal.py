"""Causal attention from end to end, NEIGHBOURS.md section 11: one layer by numpy, two tokens on
their oracle, where all tokens go, profiles by position, and the studies that take it or not."""

import h5py
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from run import chorale, options, refused, study, trajectory

pytestmark = pytest.mark.full

QUIET = dict(output_overwrite=True, progress="off", attention_mask="causal", output_file="a.h5")


def run(ranks=1, name="simulate", **keys):
    return chorale([name] + options(**{**QUIET, **keys}), ranks)


def observables():
    with h5py.File("a.h5", "r") as file:
        return {name: group["value"][()] for name, group in file["observables"].items()}


def normalised(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def att(x, kind, heads):
    """Token i over j <= i."""
    field = np.zeros_like(x)
    for i in range(len(x)):
        seen = x[: i + 1]
        for Q, K, V in heads:
            q, k, v = Q @ x[i], seen @ K.T, seen @ V.T
            weight = np.exp(-((q - k) ** 2).sum(axis=1) if kind == "l2" else k @ q)
            field[i] += weight @ v / (len(x) if kind == "usa" else weight.sum())
    return field


ENGINES = {
    "direct": dict(attention_engine="direct"),
    "moments": dict(attention_engine="moments", attention_tol=1e-14),
    "heads": dict(attention_weights="heads.h5"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["softmax", "usa", "l2"])
def test_a_layer_is_that_of_numpy(folder, kind, engine):
    d, N, beta = 4, 300, 1.3
    heads = [(np.sqrt(beta) * np.eye(d), np.sqrt(beta) * np.eye(d), np.eye(d))]
    if engine == "heads":
        heads = [tuple(np.random.default_rng(h).normal(size=(3, d, d)) / 2) for h in range(2)]
        with h5py.File("heads.h5", "w") as file:
            for h, head in enumerate(heads):
                for name, matrix in zip("QKV", head):
                    file[f"heads/{h}/{name}"] = matrix
    keys = dict(tokens_count=N, tokens_dim=d, attention_type=kind, attention_beta=beta)
    keys.update(noise_type="none", layers_depth=1, layers_horizon=0.5, output_trajectories=1)
    run(2, **ENGINES[engine], **keys)
    _, (x, y) = trajectory("a/realization_00000.h5md")
    assert abs(y - normalised(x + 0.5 * att(x, kind, heads))).max() <= 1e-12
    found = observables()
    cosine = np.array([x @ x[0], y @ y[0]])
    np.testing.assert_allclose(found["cosine_first"][:, 0], cosine.mean(1), atol=1e-13)
    tenths = cosine.reshape(2, 10, -1).mean(2)
    np.testing.assert_allclose(found["cosine_position"][:, 0], tenths, atol=1e-13)


def test_positions_of_few_tokens(folder):
    """Tokens 0, 1, 2 of three are in the tenths 0, 3, 6."""
    run(tokens_count=3, noise_type="none", layers_depth=1)
    found = observables()["cosine_position"][-1, 0]
    assert np.isnan(found).nonzero()[0].tolist() == [1, 2, 4, 5, 7, 8, 9]
    assert found[0] == pytest.approx(1, abs=1e-15)


def test_two_tokens_have_half_the_drift(folder):
    """(11.2): the first stays, the second comes."""
    beta, v, T = 2.0, 1.3, 2.0
    keys = dict(tokens_count=2, noise_type="none", scheme_type="flow", layers_depth=100)
    keys.update(attention_beta=beta, attention_value=v, layers_horizon=T, output_trajectories=1)
    run(attention_engine="direct", **keys)
    time, x = trajectory("a/realization_00000.h5md")
    u = (x[:, 0] * x[:, 1]).sum(1)
    exact = solve_ivp(
        lambda t, u: v * (1 - u**2) / (1 + np.exp(beta * (1 - u))),
        (0, T),
        u[:1],
        t_eval=time,
        rtol=1e-10,
        atol=1e-12,
    )
    assert u[-1] - u[0] > 0.2
    np.testing.assert_allclose(u, exact.y[0], atol=1e-8)


@pytest.mark.parametrize("kind", ["softmax", "l2"])
def test_all_tokens_go_to_the_first(folder, kind):
    keys = dict(tokens_count=100, noise_type="none", scheme_type="flow", layers_depth=400)
    keys.update(attention_type=kind, layers_horizon=60, output_every=400, output_trajectories=1)
    run(**keys)
    _, x = trajectory("a/realization_00000.h5md")
    np.testing.assert_allclose(x[1, 0], x[0, 0], atol=1e-12)
    assert (x[1] @ x[0, 0]).min() > 1 - 1e-9
    assert observables()["cosine_first"][1, 0] == pytest.approx(1, abs=1e-9)


def test_the_energy_of_two_tokens_under_noise(folder):
    """Oracle 2 with v/2; the theorem says nothing."""
    keys = dict(tokens_count=2, tokens_dim=5, noise_type="spectral", noise_degree=6)
    keys.update(scheme_type="flow", attention_value=4, layers_depth=12, layers_horizon=0.3)
    keys.update(mlp_bias_u=0.5, mlp_bias_w=0.5, ensemble_realizations=3000, sync_twins=0)
    run(name="sync", output_every=3, **keys)
    found, data = study("a.h5", "sync")
    off = abs(data["energy_mean"] - data["energy_exact"])
    assert (off < 4 * data["energy_sem"]).all()
    assert (data["energy_sem"] < 0.02 * data["energy_exact"]).all()
    assert found["energy_verdict"] == b"agrees"
    assert found["lambda_bar"] < 0 and found["epsilon"] == np.inf
    assert found["theorem"] == b"open" and np.isnan(data["energy_bound"]).all()


def test_twins_see_what_their_tokens_see(folder):
    """Tokens that have all but met close in by v each, in a measure of their own."""
    keys = dict(tokens_init="vmf", tokens_kappa=1e8, tokens_count=20, tokens_dim=4)
    keys.update(noise_type="none", scheme_type="flow", layers_depth=40, layers_horizon=1)
    run(name="sync", attention_value=0.8, **keys)
    found, _ = study("a.h5", "sync")
    assert found["lambda1"] == pytest.approx(-0.8, abs=5e-6)
    assert found["lambda1_cluster"] == -0.8


@pytest.mark.parametrize("noise", ["mlp", "spectral", "gram", "none"])
@pytest.mark.parametrize("scheme", ["layer", "euler", "heun", "flow"])
def test_every_noise_and_scheme_takes_the_mask(folder, noise, scheme):
    """By both engines, to the error of the kernel."""
    keys = dict(tokens_count=40, noise_type=noise, scheme_type=scheme, layers_depth=3)
    keys.update(layers_horizon=0.3, output_trajectories=1, attention_type="usa")
    found = []
    for engine in ("direct", "moments"):
        run(attention_engine=engine, **keys)
        found.append(trajectory("a/realization_00000.h5md")[1])
    assert abs(found[0][-1] - found[0][0]).max() > 1e-2
    np.testing.assert_allclose(*found, atol=1e-9)


def test_limits_take_the_mask(folder):
    keys = dict(tokens_count=16, layers_depth="8,16,32", layers_horizon=0.5, mlp_width="inf")
    keys.update(
        ensemble_realizations=16, noise_type="spectral", noise_degree=4, mlp_activation="tanh"
    )
    run(name="limits", **keys)
    assert study("a.h5", "limits")[0]["slope_depth"] == pytest.approx(-1, abs=0.3)


def test_an_analysis_has_the_bits_of_the_run(folder):
    keys = dict(tokens_count=1300, attention_engine="moments", layers_depth=4)
    run(2, mlp_width=16, output_trajectories=1, **keys)
    before = observables()
    chorale(["analyze"] + options(analyze_file="a.h5", output_file="b.h5", progress="off"))
    with h5py.File("b.h5", "r") as file:
        for name in ("energy", "cosine_first", "cosine_position"):
            assert np.array_equal(file[f"observables/{name}/value"][()], before[name]), name


REFUSED = (
    ("simulate -attention_type sinkhorn", "attention_mask = causal: attention_type sinkhorn"),
    ("simulate -attention_type none", "attention_mask = causal: has no effect"),
    ("chaos -tokens_count 10,20", "attention_mask = causal: study chaos needs exchangeable"),
    ("spde -noise_type spectral -tokens_dim 2", "attention_mask = causal: has no potential"),
    ("sync -sync_map", "attention_mask = causal: has no effect"),
    ("kernel", "attention_mask = causal: is not a key of study kernel"),
    ("analyze -analyze_file a.h5", "attention_mask = causal: is not a key of study analyze"),
)


@pytest.mark.parametrize("words, message", REFUSED, ids=[words for words, _ in REFUSED])
def test_what_has_no_order_of_tokens_is_refused(folder, words, message):
    refused(words.split() + ["-attention_mask", "causal"], message)
