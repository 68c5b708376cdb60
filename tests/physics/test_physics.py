"""Exact oracles of THEORY.md section 6 against whole ensembles: E[E_beta] of noise alone (oracle 1) and of two tokens with attention (oracle 2),
and the outcome of the paper's Figure 1.

Each oracle run has R = 4000 realizations at step h = T/L and as many (other seed) at 2h; the weak error of the layer is O(h), so
2 E_h - E_2h removes it to second order (the covariance k is exact at every width: 16 is enough). The mean must lie within 4 standard
errors of the exact value at every time. What 4 standard errors can resolve is printed as a share of the energy's change since the start: below 2% for sigmoid (asserted), where the noise
moves the energy most, 4 to 27% for the others; the kernel k of the fields is held to 2% for every activation by test_mlp.c."""
import csv
import functools
import os
import sys
import tempfile

import numpy as np

from run import chorale, datasets, options

HERE = os.path.dirname(os.path.abspath(__file__))
HORIZON = 5.0


def oracle():
    """{(activation, d, bias, beta, value): [(time, half_gap), ...]}"""
    rows = {}
    with open(os.path.join(HERE, "data", "two_point.csv"), newline="") as file:
        for row in csv.DictReader(file):
            key = (row["activation"], int(row["dim"]), float(row["bias_u"]), float(row["beta"]), row["value"])
            rows.setdefault(key, []).append((float(row["time"]), float(row["half_gap"])))
    return rows


@functools.lru_cache(maxsize=None)  # what is asked for twice is run once
def ensemble(folder, case, tokens, depth, realizations, seed, **more):
    """(time, mean, sem) of the energy at 10 times after the start; more are further keys."""
    activation, dim, bias, beta, value = case
    chorale(["simulate"] + options(
        tokens_count=tokens, tokens_dim=dim, layers_depth=depth, layers_horizon=HORIZON, attention_beta=beta,
        attention_type="softmax" if value else "none", attention_value=value or 0, mlp_activation=activation, mlp_width=16,
        mlp_bias_u=bias, mlp_bias_w=bias, ensemble_realizations=realizations, ensemble_seed=seed, output_every=depth // 10,
        output_overwrite=True, progress="off", output_table="table.csv", **more), ranks=2, cwd=folder)
    with open(os.path.join(folder, "table.csv"), newline="") as file:
        rows = [(float(r["time"]), float(r["energy_mean"]), float(r["energy_sem"])) for r in csv.DictReader(file)]
    return np.array(rows).T


def check_oracle(folder, case, rows, tokens, depth, realizations, **more):
    """The share of the energy's change that 4 standard errors resolve, at the best time; None when the oracle is missed."""
    time, fine, fine_sem = ensemble(folder, case, tokens, depth, realizations, seed=1, **more)
    _, coarse, coarse_sem = ensemble(folder, case, tokens, depth // 2, realizations, seed=2, **more)
    mean, sem = 2 * fine - coarse, np.sqrt(4 * fine_sem**2 + coarse_sem**2)
    worst, resolution = 0.0, np.inf
    start = (1 - 1 / tokens) * rows[0][1]
    for t, half_gap in rows:
        i = int(np.argmin(abs(time - t)))
        assert abs(time[i] - t) < 1e-9, (t, time)
        exact = (1 - 1 / tokens) * half_gap  # the N diagonal pairs have no energy
        if t == 0:  # both runs start from the law itself: no extrapolation
            mean[i], sem[i] = fine[i], fine_sem[i]
        else:
            resolution = min(resolution, 4 * sem[i] / abs(exact - start))
        worst = max(worst, abs(mean[i] - exact) / sem[i])
        print(f"  t = {t:3}: {mean[i]:.5f} +- {sem[i]:.5f}, exact {exact:.5f}, off by {(mean[i] - exact) / sem[i]:+.1f} sem")
    print(f"{case}: worst {worst:.2f} sem; 4 sem are {100 * resolution:.1f}% of the energy's change at the sharpest time")
    return resolution if worst <= 4 else None


def figure1(folder, activation, **more):
    """Final observables [R] of the paper's Figure 1 (N = 64, d = 4, no attention, no bias), deck input/paper/figure1-ACTIVATION.yaml."""
    deck = os.path.join(os.environ["CHORALE_SOURCE"], "input", "paper", f"figure1-{activation}.yaml")
    chorale(["simulate", deck] + options(output_file="figure1.h5", output_overwrite=True, progress="off", **more), ranks=2, cwd=folder)
    values = datasets(os.path.join(folder, "figure1.h5"))
    return {name: values[f"observables/{name}/value"][-1] for name in ("clusters", "order", "nematic")}


def check_figure1(folder):
    """ReLU: one cluster. Tanh without bias is odd: two antipodal clusters, whose sizes (so the order) are those of the start. At T = 20 a
    realization may still be on its way (lambda1 = -1/8 for ReLU); the decks' is not. At T = 100 nearly all of 32 have arrived."""
    relu, tanh = figure1(folder, "relu"), figure1(folder, "tanh")
    good = relu["clusters"][0] == 1 and relu["order"][0] > 0.95
    good = good and tanh["clusters"][0] == 2 and tanh["nematic"][0] > 0.999 and tanh["order"][0] < 0.6
    print("Figure 1, T = 20:", {name: float(v[0]) for name, v in relu.items()}, {name: float(v[0]) for name, v in tanh.items()})

    late = dict(layers_depth=5000, layers_horizon=100, mlp_width=128, ensemble_realizations=32, ensemble_seed=1, output_trajectories=0,
                output_every=5000)
    relu, tanh = figure1(folder, "relu", **late), figure1(folder, "tanh", **late)
    one = int(np.sum(relu["clusters"] == 1))
    two = int(np.sum((tanh["clusters"] == 2) & (tanh["nematic"] > 0.999)))
    # each token fell to one of two poles by the sign of its start: 64 fair coins, mean |sum| / 64 = 0.0993, deviation 0.0754
    order = tanh["order"]
    coins = abs(order.mean() - 0.0993) < 4 * 0.0754 / np.sqrt(32) and np.all(abs(order * 32 - np.round(order * 32)) < 0.02)
    print(f"Figure 1, T = 100: ReLU {one}/32 in one cluster, median order {np.median(relu['order']):.6f}; "
          f"tanh {two}/32 in two antipodal clusters, mean order {order.mean():.4f}")
    return good and one >= 28 and np.median(relu["order"]) > 0.999 and two >= 31 and bool(coins)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for case, rows in oracle().items():
            if case[1] > 5:
                continue
            tokens = 2 if case[4] else 16
            resolution = check_oracle(folder, case, rows, tokens, 100, 4000)
            failed += resolution is None
            if case[0] == "sigmoid":  # decays most: the case that fixes the strength of the noise to 2%
                failed += not (resolution and resolution < 0.02)
        failed += not check_figure1(folder)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
