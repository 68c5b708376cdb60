"""Weights of every shape that a file may have, against the transformer's equations in numpy, to
1e-12, with the same bits on 1, 2 and 4 ranks."""

import h5py
import numpy as np
import pytest

from run import chorale, options, same_bits, trajectory
from test_layer_numpy import ACTIVATIONS, noise, read_layer

STEP = 0.3


def normalised(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def make_head(rng, d, k, inner=None, biases="", size=1.0, dtype=np.float64):
    """A head by name: Q and K are k x d, V is inner x d with O, or d x d."""
    shapes = {"Q": (k, d), "K": (k, d), "V": (inner or d, d)}
    shapes.update({"O": (d, inner)} if inner else {})
    lengths = {"Q": k, "K": k, "V": inner or d, "O": d}
    head = {name: rng.normal(size=shape) / np.sqrt(d) for name, shape in shapes.items()}
    for name in "QK":
        head[name] *= size
    head.update({f"{name}_bias": 0.3 * rng.normal(size=lengths[name]) for name in biases})
    return {name: values.astype(dtype) for name, values in head.items()}


def write(group, head):
    for name, values in head.items():
        group[name] = values


def parts(head):
    """Its matrices and biases, zeros and ones where the file has none, in double precision."""
    d = head["Q"].shape[1]
    full = {name: np.zeros(len(head[name])) for name in ("Q", "K", "V")}
    full["O"] = np.zeros(d)
    matrices = {name: head.get(name, np.eye(d)).astype(float) for name in "QKVO"}
    biases = {n: head.get(f"{n}_bias", zero).astype(float) for n, zero in full.items()}
    return matrices, biases


def logits(kind, head, x):
    M, b = parts(head)
    q, k = x @ M["Q"].T + b["Q"], x @ M["K"].T + b["K"]
    if kind == "l2":
        return -((q[:, None, :] - k[None, :, :]) ** 2).sum(axis=2)
    return q @ k.T


def weights(kind, causal, head, x):
    """p_ij, row by row."""
    kernel = np.exp(logits(kind, head, x))
    if causal:
        kernel = np.tril(kernel)
    if kind == "usa":
        return kernel / len(x)
    return kernel / kernel.sum(axis=1, keepdims=True)


def attention(kind, causal, heads, x):
    total = np.zeros_like(x)
    for head in heads:
        M, b = parts(head)
        output = (x @ M["V"].T + b["V"]) @ M["O"].T + b["O"]
        total += weights(kind, causal, head, x) @ output
    return total


# d, N, value, and of every head: k, k_v, biases, precision.
FILES = {
    "short": (16, 300, -0.7, [(4, 4, "", float), (4, 4, "", float)]),
    "biases": (7, 64, 1, [(3, 3, "QKVO", float), (7, None, "QKVO", float)]),
    "one of each": (
        5,
        300,
        0.6,
        [(2, None, "", float), (5, 2, "K", float), (9, 8, "QO", float), (1, 1, "V", float)],
    ),
    "tall": (4, 70, 1, [(9, 9, "", float), (4, 4, "", float)]),
    "wide": (70, 40, 1, [(65, 13, "QKVO", float)]),
    "float32": (8, 64, 1, [(4, 4, "QKVO", np.float32)]),
    "float16": (8, 64, 1, [(4, 4, "QKVO", np.float16), (8, None, "", np.float16)]),
}


def make_heads(name, seed=3):
    d, _, _, heads = FILES[name]
    rng = np.random.default_rng(seed)
    return [
        make_head(rng, d, k, inner, biases, 2, dtype=precision)
        for k, inner, biases, precision in heads
    ]


# Ranks that have tokens: one for each block of 256.
BLOCKS = {name: -(-file[1] // 256) for name, file in FILES.items()}


def keys_of(name, **more):
    d, N, value, _ = FILES[name]
    keys = dict(tokens_count=N, tokens_dim=d, attention_value=value, attention_weights="w.h5")
    return keys | more


def run(ranks=1, **keys):
    """The positions at the frames of a run without noise."""
    quiet = dict(output_overwrite=True, progress="off", output_file="a.h5", output_trajectories=1)
    quiet.update(noise_type="none", layers_depth=1, layers_horizon=STEP)
    chorale(["simulate"] + options(**{**quiet, **keys}), ranks)
    return trajectory("a/realization_00000.h5md")[1]


# Kinds and files; all of them in the full tier.
QUICK = {("usa", "one of each"), ("softmax", "float16")}
PAIRS = [
    pytest.param(kind, name, marks=() if (kind, name) in QUICK else pytest.mark.full)
    for kind in ("softmax", "usa", "l2")
    for name in FILES
]


@pytest.mark.parametrize("kind, name", PAIRS)
def test_heads_of_any_shape_are_those_of_numpy(folder, kind, name):
    heads, value = make_heads(name), FILES[name][2]
    with h5py.File("w.h5", "w") as file:
        for h, head in enumerate(heads):
            write(file.create_group(f"heads/{h}"), head)
    for mask in ("none", "causal"):
        x, y = run(BLOCKS[name], **keys_of(name, attention_type=kind, attention_mask=mask))
        expected = x + STEP * value * attention(kind, mask == "causal", heads, x)
        assert abs(y - normalised(expected)).max() <= 1e-12
        assert abs(y - x).max() > 1e-3


@pytest.mark.full
@pytest.mark.parametrize("name", ["one of each", "biases"])
def test_bits_do_not_depend_on_ranks(folder, name):
    with h5py.File("w.h5", "w") as file:
        for h, head in enumerate(make_heads(name)):
            write(file.create_group(f"heads/{h}"), head)
    keys = keys_of(name, tokens_count=900, layers_depth=2, output_attention=True)
    one = run(1, **keys)
    for ranks in (2, 4):
        assert same_bits({"x": one}, {"x": run(ranks, **keys)}) == [], ranks


@pytest.mark.parametrize("kind", ["softmax", pytest.param("l2", marks=pytest.mark.full)])
def test_entropies_of_short_heads_are_those_of_numpy(folder, kind):
    heads = make_heads("one of each")
    with h5py.File("w.h5", "w") as file:
        for h, head in enumerate(heads):
            write(file.create_group(f"heads/{h}"), head)
    x, _ = run(2, **keys_of("one of each", attention_type=kind, output_attention=True))
    p = [weights(kind, False, head, x) for head in heads]
    with h5py.File("a.h5", "r") as file:
        entropy = file["observables/attention_entropy/value"][0, 0]
        largest = file["observables/attention_largest/value"][0, 0]
    assert entropy == pytest.approx(np.mean([-(q * np.log(q)).sum(1).mean() for q in p]), abs=1e-12)
    assert largest == pytest.approx(np.mean([q.max(1).mean() for q in p]), abs=1e-12)


def make_layers(n):
    """n layers of heads of their own, in w.h5."""
    layers = [make_heads("one of each", layer)[layer % 2 :] for layer in range(n)]
    with h5py.File("w.h5", "w") as file:
        for layer, heads in enumerate(layers):
            for h, head in enumerate(heads):
                write(file.create_group(f"layers/{layer}/heads/{h}"), head)
    return layers


def test_each_layer_has_its_weights(folder):
    """(1.10), with entropies of the weights to come, those of the last layer at the end."""
    layers = make_layers(3)
    keys = keys_of("one of each", layers_depth=6, layers_horizon=6 * STEP, output_attention=True)
    x = run(2, **keys)
    value = FILES["one of each"][2]
    with h5py.File("a.h5", "r") as file:
        entropy = file["observables/attention_entropy/value"][:, 0]
    for step in range(7):
        heads = layers[min(step // 2, 2)]
        p = [weights("softmax", False, head, x[step]) for head in heads]
        expected = np.mean([-(q * np.log(q)).sum(1).mean() for q in p])
        assert entropy[step] == pytest.approx(expected, abs=1e-12)
        if step < 6:
            y = normalised(x[step] + STEP * value * attention("softmax", False, heads, x[step]))
            assert abs(x[step + 1] - y).max() <= 1e-12


def make_mlp(rng, d, m, biases="bc"):
    shapes = {"U": (m, d), "W": (d, m), "b": (m,), "c": (d,)}
    return {name: rng.normal(size=shapes[name]) / np.sqrt(d) for name in "UW" + biases}


def fixed(mlp, activation, x):
    """F(x) of (1.11)."""
    hidden = ACTIVATIONS[activation](x @ mlp["U"].T + mlp.get("b", 0))
    return hidden @ mlp["W"].T + mlp.get("c", 0)


def tangent(v, x):
    return v - (x * v).sum(axis=1, keepdims=True) * x


def step(scheme, drift, noise, radial, x):
    """A step of dt = STEP with these fields of the positions."""

    def slope(y):
        return tangent(STEP * drift(y) + np.sqrt(STEP) * noise(y), y)

    def stage(scale, s):
        return normalised(x + scale * s)

    if scheme == "euler":
        return normalised(x + slope(x) - STEP * radial * x)
    if scheme == "heun":
        s = slope(x)
        return stage(0.5, s + slope(stage(1, s)))
    a = slope(x)
    b = slope(stage(0.5, a))
    c = slope(stage(0.5, b))
    return stage(1, (a + 2 * b + 2 * c + slope(stage(1, c))) / 6)


# Scheme, norm, with heads, attention's value, activation, biases.
MLPS = [
    ("layer", "post", True, 0.7, "gelu", "bc"),
    ("layer", "post", False, 1, None, ""),
    ("layer", "pre", True, 1, "tanh", "b"),
    ("layer", "depth", False, 0, "silu", "c"),
    ("euler", "post", True, 1, "sin", "bc"),
    ("euler", "post", False, 0.5, "erf", "bc"),
    ("heun", "post", False, 0, "relu", "bc"),
    ("flow", "post", True, 0.7, "softplus", "bc"),
]


MLP_RUNS = [
    pytest.param(*run, marks=() if run in ((0, True), (5, True), (7, False)) else pytest.mark.full)
    for run in [(case, random) for case in range(len(MLPS)) for random in (True, False)]
]


@pytest.mark.parametrize("case, random", MLP_RUNS)
def test_a_fixed_mlp_is_that_of_numpy(folder, case, random):
    scheme, norm, general, value, activation, biases = MLPS[case]
    d, N, rng = 6, 300, np.random.default_rng(8)
    mlp = make_mlp(rng, d, 21, biases)
    heads = [make_head(rng, d, 3, 2, "QKVO"), make_head(rng, d, 6)]
    with h5py.File("w.h5", "w") as file:
        write(file.create_group("mlp"), mlp)
        if activation:
            file["mlp"].attrs["activation"] = activation
        for h, head in enumerate(heads if general else []):
            write(file.create_group(f"heads/{h}"), head)
    if not general:
        heads = [dict(Q=np.eye(d), K=np.eye(d), V=np.eye(d))]
    keys = dict(tokens_count=N, tokens_dim=d, attention_weights="w.h5", attention_value=value)
    keys.update(scheme_type=scheme, scheme_norm=norm, layers_depth=1, layers_horizon=STEP)
    keys.update(mlp_activation="relu", mlp_width=50) if random else keys.update(noise_type="none")
    data = read_layer(keys, 2) if random else None
    if random:
        x, y, time = data["before"], data["after"], data["time"][0]
    else:
        x, y = run(2, **keys)
        time = 0

    def attend(z):
        return value * attention("softmax", False, heads, z)

    def drift(z):
        return attend(z) + fixed(mlp, activation or "relu", z)

    def shake(z):
        return noise("relu", data, z) if random else np.zeros_like(z)

    factor = 1 / np.sqrt(time + 1) if norm == "depth" else 1
    if scheme != "layer":
        expected = step(scheme, drift, shake, (d - 1) / (4 * d) if random else 0, x)
    else:
        z = x * data["radius_before"][:, None] if norm == "pre" and random else x
        z = z + factor * STEP * attend(normalised(z))
        z = z if norm == "pre" else normalised(z)
        branch = STEP * fixed(mlp, activation or "relu", normalised(z))
        expected = normalised(z + factor * (branch + np.sqrt(STEP) * shake(normalised(z))))
    assert abs(y - expected).max() <= 1e-12
    assert abs(step("euler", attend, shake, 0, x) - y).max() > 1e-2


def scaled(head, x):
    """w_j p_ij of (1.12) times N, by Newton's method on the potentials."""
    N, kernel = len(x), np.exp(logits("softmax", head, x))
    f, g = np.zeros(N), np.zeros(N)
    for _ in range(100):
        plan = np.exp(f)[:, None] * kernel * np.exp(g) / N
        off = np.concatenate([plan.sum(1) - 1, plan.sum(0) - 1])
        if abs(off).max() < 1e-14:
            break
        jacobian = np.block([[np.diag(plan.sum(1)), plan], [plan.T, np.diag(plan.sum(0))]])
        change = np.linalg.lstsq(jacobian, -off, rcond=1e-13)[0]
        change *= min(1, 1 / abs(change).max())
        f, g = f + change[:N], g + change[N:]
    assert abs(off).max() < 1e-12
    return plan


@pytest.mark.parametrize(
    "name", ["one of each", *(pytest.param(n, marks=pytest.mark.full) for n in ("tall", "biases"))]
)
def test_sinkhorn_with_weights_is_that_of_numpy(folder, name):
    heads, value = make_heads(name), FILES[name][2]
    with h5py.File("w.h5", "w") as file:
        for h, head in enumerate(heads):
            write(file.create_group(f"heads/{h}"), head)
    keys = keys_of(name, attention_type="sinkhorn", attention_sinkhorn_tol=1e-13)
    keys.update(attention_sinkhorn_iterations=10000)
    x, y = run(1, **keys)
    total = np.zeros_like(x)
    for head in heads:
        M, b = parts(head)
        total += scaled(head, x) @ ((x @ M["V"].T + b["V"]) @ M["O"].T + b["O"])
    assert abs(y - normalised(x + STEP * value * total)).max() <= 1e-12
    softmax = normalised(x + STEP * value * attention("softmax", False, heads, x))
    assert abs(y - softmax).max() > 1e-3
    several = run(3, **keys)
    assert np.array_equal(several[1], y)


def test_a_scaling_that_does_not_converge_is_said(folder):
    with h5py.File("w.h5", "w") as file:
        write(file.create_group("heads/0"), make_head(np.random.default_rng(2), 4, 2, size=6))
    keys = dict(tokens_count=50, tokens_dim=4, attention_weights="w.h5", layers_depth=1)
    keys.update(attention_type="sinkhorn", attention_sinkhorn_iterations=4)
    done = chorale(["simulate", *options(**keys)], check=False)
    assert done.returncode == 1
    assert "attention_sinkhorn_iterations = 4: the scaling of a head of attention" in done.stderr
