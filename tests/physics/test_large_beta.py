"""attention_beta where e^beta overflows: one layer and the energies in units of e^beta against numpy, the same bits on 1 and 3 ranks."""
import sys
import tempfile

import h5py
import numpy as np

from run import chorale, datasets, options, same_bits

N, STEP = 300, 0.05


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def simulate(folder, ranks, **more):
    name = f"{more['attention_engine']}-{more['tokens_dim']}-{ranks}.h5"
    run = dict(tokens_count=N, attention_beta=1000, noise_type="none", layers_depth=6, layers_horizon=6 * STEP, output_trajectories=1,
               output_file=name, progress="off")
    done = chorale(["simulate"] + options(**{**run, **more}), ranks=ranks, cwd=folder)
    return done, f"{folder}/{name}"


def check(folder, beta, unit, **more):
    done, path = simulate(folder, 1, attention_beta=beta, **more)
    _, other = simulate(folder, 3, attention_beta=beta, **more)
    assert not same_bits(datasets(path), datasets(other)), same_bits(datasets(path), datasets(other))
    assert ("energy as E_beta e^{-beta}" in done.stdout) == (unit != "1"), done.stdout
    with h5py.File(path, "r") as file:
        value = file["observables/energy/value"]
        energy, unit_found = value[:, 0], text(value.attrs["unit"])
        x = file["particles/realization_00000/position/value"][()]
    assert unit_found == unit, unit_found
    factor = np.exp(beta) if unit == "1" else 1.0
    distance = ((x[:, :, None] - x[:, None]) ** 2).sum(axis=3) / 2  # 1 - <x,y> without cancellation
    exact = 0.5 * -np.expm1(-beta * distance).mean(axis=(1, 2))
    off = np.abs(energy / factor - exact).max()
    assert np.isfinite(energy).all() and energy[0] > energy[-1] > 0 and off < 1e-12, off

    weights = np.exp(-beta * distance[:-1]) / N
    z = weights.sum(axis=2, keepdims=True)
    y = x[:-1] + STEP * weights @ x[:-1] / z
    y /= np.linalg.norm(y, axis=2, keepdims=True)
    error = (np.abs(x[1:] - y) * z).max()
    print(f"beta = {beta}, {more}: energy {energy[0] / factor:.4f} -> {energy[-1] / factor:.4f} within {off:.1e}, one layer within {error:.1e} / Z")
    assert error < 1e-12, error


def main():
    with tempfile.TemporaryDirectory() as folder:
        check(folder, 1000, "e^beta", attention_engine="moments", tokens_dim=2, tokens_init="clusters", tokens_clusters=5, tokens_kappa=500)
        check(folder, 10000, "e^beta", attention_engine="direct", tokens_dim=5, tokens_init="vmf", tokens_kappa=5000)
        check(folder, 700, "1", attention_engine="auto", tokens_dim=3, tokens_init="vmf", tokens_kappa=1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
