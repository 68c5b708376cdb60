"""One layer of chorale against THEORY.md section 1 written down in numpy, fed with the same weights, to 1e-12; and the same bits on 1, 2, 4 ranks."""
import math
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

HOOK = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_layer")
DEPTH, HORIZON = 20, 3.0

erf = np.vectorize(math.erf)
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


def layer(case, heads, data):
    d, m = data["W"].shape
    x, dt = data["before"], HORIZON / DEPTH
    y = normalised(x + dt * attention(case["attention"], heads, x))
    hidden = ACTIVATIONS[case["activation"]](y @ data["U"].T / math.sqrt(d) + data["bias_u"])
    g = hidden @ data["W"].T / math.sqrt(m) + data["bias_w"]
    return normalised(y + math.sqrt(dt) * g)


def energy(beta, x):
    return 0.5 * (math.exp(beta) - np.exp(beta * x @ x.T).mean())


def run_hook(case, ranks, folder, weights):
    path = os.path.join(folder, f"layer{ranks}.h5")
    options = dict(tokens_count=case["N"], tokens_dim=case["d"], layers_depth=DEPTH, layers_horizon=HORIZON,
                   attention_type=case["attention"], attention_beta=case["beta"], mlp_activation=case["activation"],
                   mlp_width=case["m"], mlp_bias_u=case["bias_u"], mlp_bias_w=case["bias_w"], ensemble_seed=17, hook_file=path)
    if weights:
        options["attention_weights"] = weights
    command = ["mpirun", "-n", str(ranks), HOOK]
    for key, value in options.items():
        command += ["-" + key, str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    with h5py.File(path, "r") as file:
        return {name: file[name][()] for name in file}


def check(case, folder):
    d = case["d"]
    generator = np.random.default_rng(5)
    weights = None
    if case["heads"]:
        heads = [tuple(generator.normal(size=(d, d)) * math.sqrt(case["beta"] / d) for _ in range(3)) for _ in range(case["heads"])]
        weights = os.path.join(folder, "weights.h5")
        with h5py.File(weights, "w") as file:
            for h, head in enumerate(heads):
                for name, matrix in zip("QKV", head):
                    file[f"heads/{h}/{name}"] = matrix
    else:
        root = math.sqrt(case["beta"]) * np.eye(d)
        heads = [(root, root, np.eye(d))]
    data = {ranks: run_hook(case, ranks, folder, weights) for ranks in (1, 2, 4)}
    one = data[1]
    assert one["before"].shape == one["after"].shape == (case["N"], d)
    assert np.any(one["bias_u"]) == (case["bias_u"] > 0) and np.any(one["bias_w"]) == (case["bias_w"] > 0)
    expected = layer(case, heads, one)
    error = abs(one["after"] - expected).max()
    moved = abs(one["after"] - one["before"]).max()
    assert error <= 1e-12, f"{case}: off by {error:g}"
    assert moved > 1e-3, f"{case}: moved by {moved:g} only"
    exact = energy(case["beta"], one["before"])
    assert abs(one["energy"][0] - exact) <= 1e-12 * math.exp(case["beta"]), f"{case}: energy {one['energy'][0]}, expected {exact}"
    for ranks in (2, 4):
        for name in one:
            assert one[name].tobytes() == data[ranks][name].tobytes(), f"{case}: {name} differs at {ranks} ranks"
    print(f"{case}: off by {error:.1e}, moved by {moved:.2g}", flush=True)


# Every attention with and without random Q, K, V, every activation, every d, N, beta; biases on except in one case.
CASES = [
    # attention  heads activation    d   N  beta   m
    ("softmax", 0, "relu",       3,  64, 1,  300),
    ("softmax", 0, "tanh",       7, 300, 4,  128),
    ("softmax", 2, "gelu",      64, 300, 4,  200),
    ("softmax", 2, "silu",       3,   5, 1,    9),
    ("usa",     0, "sigmoid",    7,   5, 4,  100),
    ("usa",     0, "erf",       64,  64, 1,  513),
    ("usa",     2, "softplus",   3, 300, 1,  256),
    ("l2",      0, "sin",        3, 300, 4,  100),
    ("l2",      0, "identity",  64,   5, 1, 1000),
    ("l2",      2, "leaky_relu", 7,  64, 1,  150),
]


def main():
    for i, (kind, heads, activation, d, N, beta, m) in enumerate(CASES):
        bias_u, bias_w = (0, 0) if i == 0 else (0.4, 0.3)
        case = dict(attention=kind, heads=heads, activation=activation, d=d, N=N, beta=beta, m=m, bias_u=bias_u, bias_w=bias_w)
        with tempfile.TemporaryDirectory() as folder:
            check(case, folder)


if __name__ == "__main__":
    main()
