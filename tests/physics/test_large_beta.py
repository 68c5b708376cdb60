"""attention_beta where e^beta overflows: one layer and the energies in units of e^beta against
numpy, the same bits on 1 and 3 ranks."""

import h5py
import numpy as np
import pytest

from run import chorale, datasets, options, same_bits, trajectory

pytestmark = pytest.mark.full

N, STEP = 300, 0.05
RUN = dict(tokens_count=N, noise_type="none", layers_depth=6, layers_horizon=6 * STEP)
CASES = {
    "circle": dict(
        attention_beta=1000,
        attention_engine="moments",
        tokens_dim=2,
        tokens_init="clusters",
        tokens_clusters=5,
        tokens_kappa=500,
    ),
    "direct": dict(
        attention_beta=10000,
        attention_engine="direct",
        tokens_dim=5,
        tokens_init="vmf",
        tokens_kappa=5000,
    ),
    "below": dict(
        attention_beta=700,
        attention_engine="auto",
        tokens_dim=3,
        tokens_init="vmf",
        tokens_kappa=1000,
    ),
}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def one_layer(beta, x, distance):
    """What a layer makes of positions x, and the partition function Z that its error is relative
    to."""
    weights = np.exp(-beta * distance) / N
    z = weights.sum(axis=2, keepdims=True)
    y = x + STEP * weights @ x / z
    return y / np.linalg.norm(y, axis=2, keepdims=True), z


@pytest.mark.parametrize("name", CASES)
def test_a_large_beta_is_exact_in_its_unit(folder, name):
    case = CASES[name]
    beta, unit = case["attention_beta"], "1" if name == "below" else "e^beta"
    for ranks in (1, 3):
        keys = dict(output_trajectories=1, output_file=f"{ranks}.h5", progress="off")
        done = chorale(["simulate"] + options(**RUN, **case, **keys), ranks)
        assert ("energy as E_beta e^{-beta}" in done.stdout) == (unit != "1"), done.stdout
    assert same_bits(datasets("1.h5"), datasets("3.h5")) == []
    with h5py.File("1.h5", "r") as file:
        value = file["observables/energy/value"]
        energy, unit_found = value[:, 0], text(value.attrs["unit"])
    _, x = trajectory("1/realization_00000.h5md")
    assert unit_found == unit
    factor = np.exp(beta) if unit == "1" else 1.0
    distance = ((x[:, :, None] - x[:, None]) ** 2).sum(axis=3) / 2  # 1 - <x,y>, nothing cancels
    exact = 0.5 * -np.expm1(-beta * distance).mean(axis=(1, 2))
    assert np.isfinite(energy).all() and energy[0] > energy[-1] > 0
    assert np.abs(energy / factor - exact).max() < 1e-12
    y, z = one_layer(beta, x[:-1], distance[:-1])
    assert (np.abs(x[1:] - y) * z).max() < 1e-12
