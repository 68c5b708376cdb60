"""Long contexts, NEIGHBOURS.md section 18: beta = c log N, equiangular starts and the equation of
their cosine, entropy and largest of the attention weights."""

import math

import h5py
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from run import chorale, datasets, options, refused, same_bits, trajectories

pytestmark = pytest.mark.full

QUIET = dict(output_overwrite=True, progress="off", output_file="a.h5", noise_type="none")


def run(ranks=1, **keys):
    chorale(["simulate"] + options(**{**QUIET, **keys}), ranks)
    with h5py.File("a.h5", "r") as file:
        found = {name: group["value"][()] for name, group in file["observables"].items()}
        return found, dict(file["parameters"].attrs)


@pytest.mark.parametrize(
    "N, d, u",
    [(5, 5, 0.3), (12, 40, -0.09), (300, 300, 0.9), (7, 20, 0), (1, 3, 0.5), (2, 2, -0.99)],
)
def test_an_equiangular_start_is_exact(folder, N, d, u):
    keys = dict(tokens_init="equiangular", tokens_cosine=u, tokens_count=N, tokens_dim=d)
    run(layers_depth=1, output_trajectories=2, ensemble_realizations=2, **keys)
    _, x = trajectories("a", 2)
    for r in range(2):
        gram = x[r, 0] @ x[r, 0].T
        np.testing.assert_allclose(gram, u + (1 - u) * np.eye(N), atol=2e-14)
    assert abs(x[0, 0] - x[1, 0]).max() > 0.01  # another orientation


@pytest.mark.parametrize("c", [0.7, 2])
def test_equiangular_tokens_follow_one_equation(folder, c):
    """(18.3), and (18.4) and the energy along it."""
    N, u0, v, T = 40, 0.4, 1.3, 3.0
    keys = dict(tokens_init="equiangular", tokens_cosine=u0, tokens_count=N, tokens_dim=50)
    keys.update(scheme_type="flow", layers_depth=60, layers_horizon=T, attention_value=v)
    found, parameters = run(attention_beta=f"logN:{c}", output_attention=True, **keys)
    beta = float(parameters["attention_beta"])
    assert beta == c * math.log(N)
    time = np.linspace(0, T, 61)

    def rate(t, u):
        q = np.exp(beta * (u - 1))
        return 2 * v * (1 - u) * (1 + (N - 1) * u) * q / (1 + (N - 1) * q)

    u = solve_ivp(rate, (0, T), [u0], t_eval=time, rtol=1e-11, atol=1e-13).y[0]
    assert u[-1] > u0 + 0.05
    np.testing.assert_allclose(found["cosine_mean"][:, 0], u, atol=1e-6)
    energy = 0.5 * (1 - 1 / N) * (np.exp(beta) - np.exp(beta * u))
    np.testing.assert_allclose(found["energy"][:, 0], energy, atol=1e-5 * energy[0])
    odds = (N - 1) * np.exp(beta * (u - 1))
    entropy = np.log1p(odds) + odds / (1 + odds) * beta * (1 - u)
    np.testing.assert_allclose(found["attention_entropy"][:, 0], entropy, atol=1e-5)
    np.testing.assert_allclose(found["attention_largest"][:, 0], 1 / (1 + odds), atol=1e-5)


def weights(x, kind, head, causal):
    Q, K, _ = head
    q, k = x @ Q.T, x @ K.T
    logits = q @ k.T
    if kind == "l2":
        logits = -((q[:, None] - k[None]) ** 2).sum(2)
    if causal:
        logits = np.where(np.tri(len(x), dtype=bool), logits, -np.inf)
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("mask", ["none", "causal"])
@pytest.mark.parametrize("kind", ["softmax", "l2"])
def test_weights_of_heads_are_those_of_numpy(folder, kind, mask):
    d, N = 4, 300
    heads = [np.random.default_rng(h).normal(size=(3, d, d)) for h in range(2)]
    with h5py.File("heads.h5", "w") as file:
        for h, head in enumerate(heads):
            for name, matrix in zip("QKV", head):
                file[f"heads/{h}/{name}"] = matrix
    keys = dict(attention_type=kind, attention_mask=mask, attention_weights="heads.h5")
    keys.update(tokens_count=N, tokens_dim=d, layers_depth=2, output_trajectories=1)
    found, _ = run(2, output_attention=True, **keys)
    _, x = trajectories("a", 1)
    for frame in range(3):
        p = [weights(x[0, frame], kind, head, mask == "causal") for head in heads]
        entropy = np.mean([-(q * np.log(np.maximum(q, 1e-300))).sum(1).mean() for q in p])
        largest = np.mean([q.max(1).mean() for q in p])
        assert found["attention_entropy"][frame, 0] == pytest.approx(entropy, abs=1e-12)
        assert found["attention_largest"][frame, 0] == pytest.approx(largest, abs=1e-12)


def test_bits_are_those_of_the_number_at_any_ranks(folder):
    keys = dict(tokens_init="equiangular", tokens_cosine=0.1, tokens_count=600, tokens_dim=600)
    keys.update(layers_depth=2, output_attention=True)
    run(1, attention_beta="logN:1.25", **keys)
    first = datasets("a.h5")
    run(3, attention_beta=repr(1.25 * math.log(600)), **keys)
    assert same_bits(first, datasets("a.h5")) == []


def test_limits_take_one_number_of_tokens(folder):
    keys = dict(tokens_count=20, layers_depth="4,8", mlp_width="inf", output_file="b.h5")
    chorale(["limits", "-dry_run"] + options(attention_beta="logN:1", **keys))


REFUSED = (
    ("simulate -attention_beta logN:0", "attention_beta = logN:0: must be a number from 1e-06"),
    (
        "simulate -attention_beta logN:x",
        "attention_beta = logN:x: must be .*logN:c with a number c > 0",
    ),
    (
        "simulate -attention_beta logN:1e4 -tokens_count 100",
        "attention_beta = logN:1e4: is 46051.7",
    ),
    (
        "simulate -attention_beta logN:1 -tokens_count 1",
        "attention_beta = logN:1: is 0 for tokens_count",
    ),
    ("chaos -attention_beta logN:1 -tokens_count 10,20", "must be a number where there is not one"),
    (
        "limits -attention_beta logN:1 -tokens_count 10,20",
        "must be a number where there is not one",
    ),
    ("sync -sync_map -attention_beta logN:1", "must be a number where there is not one"),
    ("kernel -attention_beta logN:1", "attention_beta = logN:1: each value must be a number"),
    (
        "analyze -analyze_file a.h5 -attention_beta logN:1",
        "must be a number where there is not one",
    ),
    ("simulate -tokens_cosine 0.5", "tokens_cosine = 0.5: has no effect"),
    ("simulate -tokens_init equiangular -tokens_count 4", "tokens_count = 4 must be at most"),
    (
        "simulate -tokens_init equiangular -tokens_count 3 -tokens_cosine -0.5",
        "tokens_cosine = -0.5: must be above -1/\\(N-1\\) = -0.5",
    ),
    ("simulate -tokens_init equiangular -tokens_count 3 -tokens_cosine 1", "below 1 for 3 tokens"),
    ("chaos -tokens_init equiangular -tokens_count 2,3", "study chaos needs independent tokens"),
    (
        "spde -noise_type spectral -tokens_init equiangular -tokens_dim 2",
        "tokens_init = equiangular",
    ),
    ("simulate -output_attention -attention_type usa", "output_attention = true: needs attention"),
    ("simulate -output_attention -attention_type none", "output_attention = true: needs attention"),
    ("simulate -output_attention -attention_type sinkhorn", "output_attention = true: needs"),
    ("sync -output_attention", "output_attention.*is not a key of study sync"),
)


@pytest.mark.parametrize("words, message", REFUSED, ids=[words for words, _ in REFUSED])
def test_what_cannot_be_is_refused(folder, words, message):
    refused(words.split(), message)
