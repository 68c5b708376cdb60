"""Distances between measures against scipy and numpy: the circle against linear programs, assignment against
linear_sum_assignment, Sinkhorn and sliced against exact values, MMD against sums over all pairs; and the same bits on 1, 2, 3, 4 ranks."""
import math
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist

HOOK = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_distance")
TOLERANCE = 0.01  # of Sinkhorn in the hook
BETA = 3.0
generator = np.random.default_rng(11)


def tokens(N, d, kappa=0.0, weighted=False):
    """Rows of N tokens, drawn towards e_1 by kappa, and their weights."""
    x = generator.normal(size=(N, d))
    x[:, 0] += kappa
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w = generator.exponential(size=N) if weighted else np.ones(N)
    return np.column_stack([x, w / w.sum()])


def near(measure, size):
    """The same tokens moved a little."""
    x = measure[:, :-1] + size * generator.normal(size=measure[:, :-1].shape)
    return np.column_stack([x / np.linalg.norm(x, axis=1, keepdims=True), measure[:, -1]])


def chords(mu, nu):
    return cdist(mu[:, :-1], nu[:, :-1], "sqeuclidean")


def angles(mu, nu):
    gap = np.abs(np.arctan2(mu[:, 1], mu[:, 0])[:, None] - np.arctan2(nu[:, 1], nu[:, 0])[None, :])
    return np.minimum(gap, 2 * math.pi - gap) ** 2


def program(cost, a, b):
    """The optimal value of the transport problem and its plan."""
    N, M = cost.shape
    rows = np.kron(np.eye(N), np.ones(M))
    columns = np.kron(np.ones(N), np.eye(M))
    found = linprog(cost.ravel(), A_eq=np.vstack([rows, columns[:-1]]), b_eq=np.concatenate([a, b[:-1]]), method="highs-ds",
                    options=dict(primal_feasibility_tolerance=1e-10, dual_feasibility_tolerance=1e-10))
    assert found.status == 0, found.message
    return found.fun, found.x.reshape(N, M)


def assignment(mu, nu):
    if len(mu) > len(nu):
        mu, nu = nu, mu
    cost = np.repeat(chords(mu, nu), len(nu) // len(mu), axis=0)
    return cost[linear_sum_assignment(cost)].mean()


def circle_case(k):
    N, M = generator.integers(1, 41, size=2)
    mu = tokens(N, 2, kappa=(0, 0.5, 3)[k % 3], weighted=k % 4 != 0)
    nu = near(mu, 10.0 ** -generator.integers(1, 8)) if k % 5 == 0 else tokens(M, 2, kappa=(0, 2)[k % 2], weighted=k % 4 > 1)
    if k % 7 == 0:  # several tokens at one place, some without weight, places on the cut of atan2
        mu[: N // 2, :2] = mu[0, :2]
        mu[N // 2:, 2] *= generator.integers(0, 2, size=N - N // 2)
        mu[0, 2] = max(mu[0, 2], 0.1)
        mu[-1, :2] = [-1.0, -0.0]
        nu[-1, :2] = [-1.0, 0.0]
        mu[:, 2] /= mu[:, 2].sum()
    return mu, nu


def cases():
    found = {}
    for k in range(200):
        found[f"circle/{k:03d}"] = circle_case(k)
    for k, (N, M, d) in enumerate([(1, 1, 3), (1, 7, 3), (5, 5, 3), (40, 40, 4), (30, 90, 3), (64, 16, 7), (300, 300, 3), (300, 600, 4),
                                   (777, 777, 3), (520, 520, 64), (1000, 500, 2), (1024, 1024, 3)]):
        mu = tokens(N, d, kappa=k % 3)
        found[f"assignment/{k:03d}"] = (mu, near(mu, 1e-4) if N == M and k % 4 == 0 else tokens(M, d))
    mu = tokens(300, 3)
    found["assignment/same"] = (mu, mu[generator.permutation(300)])
    for k, (N, M, d, kappa) in enumerate([(200, 200, 3, 0), (150, 150, 3, 4), (100, 100, 5, 0), (64, 128, 4, 2), (300, 300, 3, 1)]):
        found[f"sinkhorn/{k:03d}"] = found[f"sliced/{k:03d}"] = (tokens(N, d, kappa), tokens(M, d))
    found["sinkhorn/near"] = found["sliced/near"] = (mu, near(mu, 0.02))
    for k, (N, M, d) in enumerate([(2, 5, 2), (1000, 300, 2), (600, 600, 3), (900, 700, 4), (30, 20, 9), (520, 300, 40)]):
        mu = tokens(N, d, kappa=k % 3, weighted=k % 2 == 0)
        found[f"mmd/{k:03d}"] = (mu, tokens(M, d, weighted=True))
        found[f"mmd/{k:03d}near"] = (mu, near(mu, 1e-4))
    return found


def weighted_programs(found):
    """Sinkhorn and sliced for weights that differ; the exact value is a linear program."""
    for k in range(24):
        N, M = generator.integers(5, 60, size=2)
        found[f"sinkhorn/w{k}"] = found[f"sliced/w{k}"] = (tokens(N, 2 + k % 4, k % 3, True), tokens(M, 2 + k % 4, 0, k % 2 == 0))


def run_hook(ranks, folder, found):
    path = os.path.join(folder, "cases.h5")
    if not os.path.exists(path):
        with h5py.File(path, "w") as file:
            for name, (mu, nu) in found.items():
                file[f"{name}/mu"], file[f"{name}/nu"] = mu, nu
    command = ["mpirun", "-n", str(ranks), HOOK, "-hook_file", path, "-hook_beta", str(BETA)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: [float(word) for word in line[1:]] for line in lines}


def exact(mu, nu):
    """W2^2 with chordal cost."""
    more, less = max(len(mu), len(nu)), min(len(mu), len(nu))
    if np.ptp(mu[:, -1]) == 0 and np.ptp(nu[:, -1]) == 0 and more % less == 0:
        return assignment(mu, nu)
    return program(chords(mu, nu), mu[:, -1], nu[:, -1])[0]


def mmd(mu, nu):
    """Sum over all pairs in long double."""
    x = np.vstack([mu[:, :-1], nu[:, :-1]]).astype(np.longdouble)
    s = np.concatenate([mu[:, -1], -nu[:, -1]]).astype(np.longdouble)
    return float(s @ np.exp(BETA * (x @ x.T)) @ s)


def check(name, mu, nu, values):
    """What is wrong with the values, or None."""
    group = name.split("/")[0]
    if group == "circle":
        best, plan = program(angles(mu, nu), mu[:, -1], nu[:, -1])
        least = program(chords(mu, nu), mu[:, -1], nu[:, -1])[0]
        geodesic, chordal = values
        if abs(geodesic - best) > 1e-10:
            return f"geodesic {geodesic}, linear program {best}"
        if not least - 1e-10 <= chordal <= geodesic + 1e-15:
            return f"chordal {chordal} is not between the optimum {least} and the geodesic cost {geodesic}"
        if name.endswith(("0", "5")) and abs((plan * chords(mu, nu)).sum() - chordal) > 1e-6 and abs(chordal - least) > 1e-6:
            return f"chordal {chordal}, of the plan {(plan * chords(mu, nu)).sum()}"
        return None
    value = values[0]
    if group == "mmd":
        expected = mmd(mu, nu)
        return None if abs(value - expected) <= 1e-13 * math.exp(BETA) else f"{value}, pairs {expected}"
    expected = exact(mu, nu)
    if group == "assignment":
        return None if abs(value - expected) <= 1e-10 else f"{value}, scipy {expected}"
    if group == "sinkhorn":
        return None if abs(value - expected) <= TOLERANCE * expected else f"{value}, exact {expected}: off by {value / expected - 1:.2e}"
    return None if 0 < value <= expected else f"{value} > exact {expected}"


def main():
    bad = 0
    found = cases()
    weighted_programs(found)
    with tempfile.TemporaryDirectory() as folder:
        results = {ranks: run_hook(ranks, folder, found) for ranks in (1, 2, 3, 4)}
    assert results[1].keys() == found.keys()
    for name, (mu, nu) in found.items():
        wrong = check(name, mu, nu, results[1][name])
        for ranks in (2, 3, 4):
            if results[ranks][name] != results[1][name]:
                wrong = f"{ranks} ranks: {results[ranks][name]}, not {results[1][name]}"
        bad += wrong is not None
        if wrong:
            print(f"{name} (N = {len(mu)}, M = {len(nu)}): {wrong}")
    for group in ("circle", "assignment", "sinkhorn", "sliced", "mmd"):
        print(group, sum(name.startswith(group) for name in found), "cases")
    assert results[1]["assignment/same"] == [0.0]
    return bad != 0


sys.exit(main())
