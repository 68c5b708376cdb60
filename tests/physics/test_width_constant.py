"""The constant of the width's error b/m against the number of tokens, NUMERICS.md (9.10): one thin
layer coupled at the tokens against square roots of Gram matrices by numpy."""

import numpy as np
import pytest
from run import chorale, options, study

DIM, WIDTH, HORIZON = 10, 64, 1e-4


def kernel(cosine):
    """ReLU, (2.5)."""
    angle = np.arccos(np.clip(cosine, -1, 1))
    return (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi * DIM)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def roots_apart(count, draws):
    """Mean and standard error of (d/N) |A_m^{1/2} - K^{1/2}|^2 at uniform points."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(draws):
        x = rng.normal(size=(count, DIM))
        x /= np.linalg.norm(x, axis=1)[:, None]
        units = np.maximum(x @ rng.normal(size=(DIM, WIDTH)) / np.sqrt(DIM), 0)
        difference = root(units @ units.T / WIDTH) - root(kernel(x @ x.T))
        found.append(DIM / count * np.square(difference).sum())
    return np.mean(found), np.std(found) / np.sqrt(draws)


def errors(realizations, counts):
    """Squared distance of one layer from that of infinite width, [realization][N]."""
    keys = dict(
        tokens_count=counts,
        tokens_dim=DIM,
        layers_depth=1,
        layers_horizon=HORIZON,
        limits_reference=1,
        attention_type="none",
        mlp_width=f"{WIDTH},inf",
        noise_type="gram",
        scheme_type="euler",
        ensemble_realizations=realizations,
        progress="off",
        output_file="limits.h5",
    )
    chorale(["limits"] + options(**keys))
    return study("limits.h5", "limits")[1]["samples"][:, :, 0, 0]


def check(counts, realizations, draws, share):
    """A layer moves tokens by sqrt(T) P G: T (1 - 1/d) times the difference of the roots."""
    samples = errors(realizations, ",".join(map(str, counts))) / (HORIZON * (1 - 1 / DIM))
    for count, column in zip(counts, samples.T):
        exact, its = roots_apart(count, draws)
        error = np.hypot(its, column.std(ddof=1) / np.sqrt(len(column)))
        print(count, WIDTH * exact, WIDTH * column.mean(), WIDTH * error)
        assert abs(column.mean() - exact) < 4 * error
        assert 4 * error < share * exact


def test_one_layer_is_that_of_the_roots(folder):
    check((8, 32), 200, 400, 0.2)


@pytest.mark.full
def test_one_layer_is_that_of_the_roots_closely(folder):
    check((8, 32), 1000, 2000, 0.1)
