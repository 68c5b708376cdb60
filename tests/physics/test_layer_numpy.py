"""One layer of chorale against the transformer's equations written down in numpy, fed with the same
weights, to 1e-12; and the same bits on 1, 2, 4 ranks."""

import math
import os

import h5py
import numpy as np
import pytest
from scipy.special import erf

from run import chorale, options, same_bits

HOOK = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_layer")
DEPTH, HORIZON = 20, 3.0

ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "gelu": lambda z: 0.5 * z * (1 + erf(z / math.sqrt(2))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "erf": erf,
    "softplus": lambda z: np.logaddexp(0, z),
    "sin": np.sin,
    "identity": lambda z: z,
}
# Every attention with and without random Q, K, V, every activation, every d, N, beta; biases on
# except in the first case.
CASES = [
    # attention  heads activation    d   N  beta   m
    ("softmax", 0, "relu", 3, 64, 1, 300),
    ("softmax", 0, "tanh", 7, 300, 4, 128),
    ("softmax", 2, "gelu", 64, 300, 4, 200),
    ("softmax", 2, "silu", 3, 5, 1, 9),
    ("usa", 0, "sigmoid", 7, 5, 4, 100),
    ("usa", 0, "erf", 64, 64, 1, 513),
    ("usa", 2, "softplus", 3, 300, 1, 256),
    ("l2", 0, "sin", 3, 300, 4, 100),
    ("l2", 0, "identity", 64, 5, 1, 1000),
    ("l2", 2, "leaky_relu", 7, 64, 1, 150),
]


def normalised(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def attention(kind, heads, x):
    """Att[mu](x) summed over heads (Q, K, V)."""
    total = np.zeros_like(x)
    for Q, K, V in heads:
        q, k, v = x @ Q.T, x @ K.T, x @ V.T
        if kind == "l2":
            kernel = np.exp(-((q[:, None, :] - k[None, :, :]) ** 2).sum(axis=2))
        else:
            kernel = np.exp(q @ k.T)
        scale = len(x) if kind == "usa" else kernel.sum(axis=1, keepdims=True)
        total += kernel @ v / scale
    return total


def noise(activation, data, x):
    """G at x: V x, or the MLP."""
    if "V" in data:
        return x @ data["V"].T
    d, m = data["W"].shape
    hidden = ACTIVATIONS[activation](x @ data["U"].T / math.sqrt(d) + data["bias_u"])
    return hidden @ data["W"].T / math.sqrt(m) + data["bias_w"]


def layer(kind, activation, heads, data, at=lambda y: y):
    """One layer, with the noise at the points at(y)."""
    x, dt = data["before"], HORIZON / DEPTH
    y = normalised(x + dt * attention(kind, heads, x))
    return normalised(y + math.sqrt(dt) * noise(activation, data, at(y)))


def euler(beta, value, activation, data):
    """One step of euler with attention of this value and the noise at barycentres."""
    x, dt = data["before"], HORIZON / DEPTH
    root = math.sqrt(beta) * np.eye(x.shape[1])
    mean = attention("softmax", [(root, root, np.eye(x.shape[1]))], x)
    step = dt * value * mean + math.sqrt(dt) * noise(activation, data, mean)
    return normalised(x + step - (x * step).sum(axis=1, keepdims=True) * x)


def energy(beta, x):
    return 0.5 * (math.exp(beta) - np.exp(beta * x @ x.T).mean())


def make_heads(count, d, beta):
    """So many heads of random Q, K, V in weights.h5; or the default one and no file."""
    if not count:
        root = math.sqrt(beta) * np.eye(d)
        return [(root, root, np.eye(d))], {}
    generator, size = np.random.default_rng(5), math.sqrt(beta / d)
    heads = [tuple(generator.normal(size=(3, d, d)) * size) for _ in range(count)]
    with h5py.File("weights.h5", "w") as file:
        for h, head in enumerate(heads):
            for name, matrix in zip("QKV", head):
                file[f"heads/{h}/{name}"] = matrix
    return heads, dict(attention_weights="weights.h5")


def read_layer(keys, ranks):
    """Everything that went into a layer and came out of it, by name."""
    keys = dict(layers_depth=DEPTH, layers_horizon=HORIZON, ensemble_seed=17) | keys
    chorale(options(**keys, hook_file="layer.h5"), ranks, program=HOOK)
    with h5py.File("layer.h5", "r") as file:
        return {name: file[name][()] for name in file}


def hook(case, ranks, **more):
    """Everything that went into a layer of the case and came out of it, by name; and its heads."""
    kind, count, activation, d, N, beta, m = CASES[case]
    bias_u, bias_w = (0.4, 0.3) if case else (0, 0)
    heads, keys = make_heads(count, d, beta)
    keys.update(tokens_count=N, tokens_dim=d)
    keys.update(attention_type=kind, attention_beta=beta, mlp_activation=activation, mlp_width=m)
    keys.update(mlp_bias_u=bias_u, mlp_bias_w=bias_w, **more)
    return read_layer(keys, ranks), heads


cases = pytest.mark.parametrize(
    "case", range(len(CASES)), ids=["-".join(map(str, c)) for c in CASES]
)


@cases
def test_a_layer_is_that_of_numpy(folder, case):
    kind, _, activation, d, N, beta, _ = CASES[case]
    data, heads = hook(case, 1)
    assert data["before"].shape == data["after"].shape == (N, d)
    assert np.any(data["bias_u"]) == np.any(data["bias_w"]) == (case > 0)
    assert abs(data["after"] - layer(kind, activation, heads, data)).max() <= 1e-12
    assert abs(data["after"] - data["before"]).max() > 1e-3
    assert abs(data["energy"][0] - energy(beta, data["before"])) <= 1e-12 * math.exp(beta)


def branches(kind, activation, heads, data):
    """Attention's output and the MLP's, as functions of the directions of the tokens."""
    d, m = data["W"].shape

    def mlp(y):
        hidden = ACTIVATIONS[activation](y @ data["U"].T / math.sqrt(d) + data["bias_u"])
        return hidden @ data["W"].T / math.sqrt(m) + data["bias_w"]

    return (lambda x: attention(kind, heads, x)), mlp


def stream(norm, alpha, kind, activation, heads, data):
    """A layer with the norm elsewhere: vectors, normalised when the norm says so."""
    attend, mlp = branches(kind, activation, heads, data)
    dt, keep = HORIZON / DEPTH, norm in ("pre", "peri")
    unit = normalised if norm in ("peri", "ngpt") else lambda v: v
    step = [alpha * dt, math.sqrt(dt)]
    if norm == "depth":
        step = [s / math.sqrt(data["time"][0] + 1) for s in step]
    z = data["before"] * data["radius_before"][:, None] if keep else data["before"]
    for size, branch in zip(step, (attend, mlp)):
        z = z + size * unit(branch(normalised(z)))
        z = z if keep else normalised(z)
    return z


@pytest.mark.parametrize("case", [0, 1, 7])
@pytest.mark.parametrize("norm, alpha", [("pre", 1), ("peri", 1), ("ngpt", 0.7), ("depth", 1)])
def test_norms_are_those_of_numpy(folder, case, norm, alpha):
    kind, _, activation, *_ = CASES[case]
    keys = dict(scheme_norm=norm, **({"scheme_alpha": alpha} if norm == "ngpt" else {}))
    data, heads = hook(case, 2, **keys)
    z = stream(norm, alpha, kind, activation, heads, data)
    assert abs(data["after"] - normalised(z)).max() <= 1e-12
    if norm in ("pre", "peri"):
        assert abs(data["radius_after"] - np.linalg.norm(z, axis=1)).max() <= 1e-12
    assert ("radius_after" in data) == (norm in ("pre", "peri"))
    assert abs(data["after"] - layer(kind, activation, heads, data)).max() > 1e-3


@pytest.mark.full
@cases
def test_a_layer_has_the_same_bits_on_any_ranks(folder, case):
    one, _ = hook(case, 1)
    for ranks in (2, 4):
        assert same_bits(one, hook(case, ranks)[0]) == [], ranks


# Noise at barycentres: scheme, noise, attention's value, engine, d, N, beta.
BARYCENTRES = [
    ("layer", "values", 0, "auto", 3, 300, 0.1),
    ("layer", "values", 1, "direct", 64, 64, 20),
    ("layer", "mlp", -0.5, "moments", 3, 300, 4),
    ("layer", "mlp", 0, "moments", 3, 700, 2),
    ("euler", "values", 0, "direct", 7, 5, 1),
    ("euler", "values", 0.7, "moments", 2, 300, 4),
    ("euler", "mlp", 0, "auto", 16, 300, 8),
]


@pytest.mark.parametrize("case", BARYCENTRES, ids=["-".join(map(str, c)) for c in BARYCENTRES])
def test_noise_at_barycentres_is_that_of_numpy(folder, case):
    scheme, kind, value, engine, d, N, beta = case
    keys = dict(tokens_count=N, tokens_dim=d, attention_beta=beta, attention_value=value)
    keys.update(scheme_type=scheme, noise_type=kind, noise_at="barycentre")
    keys.update(attention_engine=engine)
    if kind == "mlp":
        keys.update(mlp_activation="silu", mlp_width=200, mlp_bias_u=0.3, mlp_bias_w=0.2)
    data = read_layer(keys, 2)
    root = math.sqrt(beta) * np.eye(d)
    if scheme == "euler":
        expected = euler(beta, value, "silu", data)
    else:
        expected = layer(
            "softmax",
            "silu",
            [(root, root, value * np.eye(d))],
            data,
            at=lambda y: attention("softmax", [(root, root, np.eye(d))], y),
        )
    tolerance = 1e-11 if engine == "moments" else 1e-12  # attention_tol is 1e-12
    assert abs(data["after"] - expected).max() <= tolerance
    assert abs(data["after"] - data["before"]).max() > 1e-2


# Random heads: attention, heads, rows of Q and K, V random, d, N, beta.
RANDOM_HEADS = [
    ("softmax", 1, -1, False, 3, 300, 4),
    ("softmax", 8, 2, True, 16, 64, 2),
    ("usa", 2, -1, True, 7, 300, 1),
    ("l2", 3, 3, False, 5, 300, 0.5),
]


def random_heads(data, e, d, beta, fresh):
    """(Q, K, V) of every head from the normals."""
    size = math.sqrt(beta / math.sqrt(e))
    for normals in data["heads"]:
        q, k, v = np.split(normals, (e * d, 2 * e * d))
        V = v.reshape(d, d) / math.sqrt(d) if fresh else np.eye(d)
        yield size * q.reshape(e, d), size * k.reshape(e, d), V


@pytest.mark.parametrize("case", RANDOM_HEADS, ids=["-".join(map(str, c)) for c in RANDOM_HEADS])
def test_a_layer_of_random_heads_is_that_of_numpy(folder, case):
    kind, count, e, fresh, d, N, beta = case
    keys = dict(tokens_count=N, tokens_dim=d, attention_type=kind, attention_beta=beta)
    keys.update(attention_weights="random", attention_heads=count, attention_head_dim=e)
    data = read_layer(keys | dict(attention_random_value=str(fresh).lower(), mlp_width=100), 2)
    assert data["heads"].shape == (count, 2 * (e if e > 0 else d) * d + d * d)
    heads = list(random_heads(data, e if e > 0 else d, d, beta, fresh))
    assert abs(data["after"] - layer(kind, "relu", heads, data)).max() <= 1e-12
    assert abs(data["energy"][0] - energy(beta, data["before"])) <= 1e-12 * math.exp(beta)
    x = data["before"]
    assert abs(normalised(x + HORIZON / DEPTH * attention(kind, heads, x)) - x).max() > 1e-2


@pytest.mark.full
def test_logits_of_random_heads_have_the_standard_deviation_beta(folder):
    """Four hundred heads at two tokens, within 4 standard errors, 2 % of the variance."""
    count, e, d, beta = 40000, 4, 6, 3
    keys = dict(tokens_count=2, tokens_dim=d, attention_weights="random", attention_beta=beta)
    heads = dict(attention_heads=count // 10, attention_head_dim=e)
    squares = []
    for seed in range(1, 11):
        data = read_layer(keys | heads | dict(ensemble_seed=seed, noise_type="values"), 1)
        x, y = data["before"]
        for Q, K, _ in random_heads(data, e, d, beta, False):
            squares.append(((Q @ x) @ (K @ y)) ** 2)
    mean, error = np.mean(squares), np.std(squares) / math.sqrt(len(squares))
    assert len(squares) == count and 4 * error < 0.05 * beta**2
    assert abs(mean - beta**2) < 4 * error
