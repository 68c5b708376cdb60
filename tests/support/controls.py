"""What other controls than ensemble_control's save, in a model in numpy of MLPs and layers: the
numbers of NUMERICS.md 9.11. As a program it prints them: controls.py [realizations]."""

import sys

import numpy as np

BETA = 1.0


def unit(x):
    return x / np.linalg.norm(x, axis=1)[:, None]


def attend(x, value, dt):
    weights = np.exp(BETA * (x @ x.T - 1))
    return unit(x + dt * value * (weights @ x) / weights.sum(axis=1)[:, None])


def mlp(x, U, W):
    return np.maximum(x @ U.T / np.sqrt(x.shape[1]), 0) @ W / np.sqrt(len(U))


def energy(x):
    return (np.exp(BETA) - np.exp(BETA * (x @ x.T)).mean()) / 2


def paths(r, value, N=64, d=5, L=150, T=5.0, m=128):
    """Energies at T/2 and T: of the run, of the noise alone, and with the noise's sign changed."""
    draw, dt = np.random.default_rng([1, r]), T / L
    run = alone = swapped = unit(draw.standard_normal((N, d)))
    found = []
    for layer in range(L):
        U, W = draw.standard_normal((m, d)), draw.standard_normal((m, d)) * np.sqrt(dt)
        run, swapped = (attend(x, value, dt) for x in (run, swapped))
        run, alone = (unit(x + mlp(x, U, W)) for x in (run, alone))
        swapped = unit(swapped - mlp(swapped, U, W))
        if layer + 1 in (L // 2, L):
            found.append([energy(x) for x in (run, alone, swapped)])
    return found


def coupled(x, U, Z):
    """G^m at the tokens from the normals Z, THEORY.md (3.5)."""
    hidden = np.maximum(x @ U.T / np.sqrt(x.shape[1]), 0)
    values, vectors = np.linalg.eigh(hidden @ hidden.T / len(U))
    return vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * (vectors.T @ Z))


def widths(r, m, N=16, d=3, L=40, T=2.0):
    """Energies of widths 2m and m by Gram matrices; of 2m, and of its halves as MLPs of width m."""
    draw, dt = np.random.default_rng([2, r]), T / L
    start = unit(draw.standard_normal((N, d)))
    gram, sums = [start] * 2, [start] * 3
    halves = slice(0, 2 * m), slice(0, m), slice(m, 2 * m)
    for _ in range(L):
        Z = draw.standard_normal((N, d)) * np.sqrt(dt)
        U, W = draw.standard_normal((2 * m, d)), draw.standard_normal((2 * m, d)) * np.sqrt(dt)
        gram, sums = ([attend(x, 1.0, dt) for x in tokens] for tokens in (gram, sums))
        gram = [unit(x + coupled(x, U[:n], Z)) for x, n in zip(gram, (2 * m, m))]
        sums = [unit(x + mlp(x, U[part], W[part])) for x, part in zip(sums, halves)]
    return [energy(x) for x in (*gram, *sums)]


def main(R):
    for value in (1.0, 0.1, -0.1, -1.0):
        ends = np.array([paths(r, value) for r in range(R)])
        for name, (run, alone, swapped) in zip(("T/2", "T"), ends.transpose(1, 2, 0)):
            control = 1 / (1 - np.corrcoef(run, alone)[0, 1] ** 2)
            pairs = 1 / (1 + np.corrcoef(run, swapped)[0, 1])
            print(f"v {value:4} {name:3}: the noise alone {control:.3g}, pairs {pairs:.2f}")
    for m in (16, 32, 64, 128):
        wide, narrow, both, first, second = np.array([widths(r, m) for r in range(R)]).T
        for name, off in (("Gram", wide - narrow), ("sums", both - (first + second) / 2)):
            share, error = off.var() / wide.var(), off.std() / np.sqrt(R)
            print(f"m {m:3} {name}: variance {share:.2g}, mean {off.mean():.2g} +- {error:.1g}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
