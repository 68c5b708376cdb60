"""Distances between measures against scipy and numpy: the circle and the auction of weighted measures
against linear programs, that of equal weights against linear_sum_assignment, sliced against exact
values, MMD against sums over all pairs; and the same bits on 1, 2, 3, 4 ranks."""

import math
import os

import h5py
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist

from run import chorale, options

HOOK = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_distance")
TOLERANCE = 1e-4  # of the auction in the hook
BETA = 3.0
GROUPS = ("circle", "auction", "sliced", "mmd")


def tokens(generator, N, d, kappa=0.0, weighted=False):
    """Rows of N tokens, drawn towards e_1 by kappa, and their weights."""
    x = generator.normal(size=(N, d))
    x[:, 0] += kappa
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w = generator.exponential(size=N) if weighted else np.ones(N)
    return np.column_stack([x, w / w.sum()])


def near(generator, measure, size):
    """The same tokens moved a little."""
    x = measure[:, :-1] + size * generator.normal(size=measure[:, :-1].shape)
    return np.column_stack([x / np.linalg.norm(x, axis=1, keepdims=True), measure[:, -1]])


def chords(mu, nu):
    return cdist(mu[:, :-1], nu[:, :-1], "sqeuclidean")


def angles(mu, nu):
    gap = np.arctan2(mu[:, 1], mu[:, 0])[:, None] - np.arctan2(nu[:, 1], nu[:, 0])[None, :]
    return np.minimum(np.abs(gap), 2 * math.pi - np.abs(gap)) ** 2


def program(cost, a, b):
    """The optimal value of the transport problem and its plan."""
    N, M = cost.shape
    rows = np.kron(np.eye(N), np.ones(M))
    columns = np.kron(np.ones(N), np.eye(M))
    exact = dict(primal_feasibility_tolerance=1e-10, dual_feasibility_tolerance=1e-10)
    found = linprog(
        cost.ravel(),
        A_eq=np.vstack([rows, columns[:-1]]),
        b_eq=np.concatenate([a, b[:-1]]),
        method="highs-ds",
        options=exact,
    )
    assert found.status == 0, found.message
    return found.fun, found.x.reshape(N, M)


def assignment(mu, nu):
    if len(mu) > len(nu):
        mu, nu = nu, mu
    cost = np.repeat(chords(mu, nu), len(nu) // len(mu), axis=0)
    return cost[linear_sum_assignment(cost)].mean()


def circle_case(generator, k):
    N, M = generator.integers(1, 41, size=2)
    mu = tokens(generator, N, 2, kappa=(0, 0.5, 3)[k % 3], weighted=k % 4 != 0)
    if k % 5 == 0:
        nu = near(generator, mu, 10.0 ** -generator.integers(1, 8))
    else:
        nu = tokens(generator, M, 2, kappa=(0, 2)[k % 2], weighted=k % 4 > 1)
    if k % 7 == 0:  # several tokens at one place, some of no weight, places on the cut of atan2
        mu[: N // 2, :2] = mu[0, :2]
        mu[N // 2 :, 2] *= generator.integers(0, 2, size=N - N // 2)
        mu[0, 2] = max(mu[0, 2], 0.1)
        mu[-1, :2] = [-1.0, -0.0]
        nu[-1, :2] = [-1.0, 0.0]
        mu[:, 2] /= mu[:, 2].sum()
    return mu, nu


ASSIGNMENTS = [
    (1, 1, 3),
    (1, 7, 3),
    (5, 5, 3),
    (40, 40, 4),
    (30, 90, 3),
    (64, 16, 7),
    (300, 300, 3),
    (300, 600, 4),
    (777, 777, 3),
    (520, 520, 64),
    (1000, 500, 2),
    (1024, 1024, 3),
]
CLOUDS = [(200, 200, 3, 0), (150, 150, 3, 4), (100, 100, 5, 0), (64, 128, 4, 2), (300, 300, 3, 1)]
PAIRS = [(2, 5, 2), (1000, 300, 2), (600, 600, 3), (900, 700, 4), (30, 20, 9), (520, 300, 40)]


def make_cases():
    """{group/case: (mu, nu)}"""
    generator = np.random.default_rng(11)
    found = {f"circle/{k:03d}": circle_case(generator, k) for k in range(200)}
    for k, (N, M, d) in enumerate(ASSIGNMENTS):
        mu = tokens(generator, N, d, kappa=k % 3)
        close = N == M and k % 4 == 0
        nu = near(generator, mu, 1e-4) if close else tokens(generator, M, d)
        found[f"auction/{k:03d}"] = (mu, nu)
    mu = tokens(generator, 300, 3)
    found["auction/same"] = (mu, mu[generator.permutation(300)])
    for k, (N, M, d, kappa) in enumerate(CLOUDS):
        pair = (tokens(generator, N, d, kappa), tokens(generator, M, d))
        found[f"auction/c{k}"] = found[f"sliced/{k:03d}"] = pair
    found["auction/near"] = found["sliced/near"] = (mu, near(generator, mu, 0.02))
    for k, (N, M, d) in enumerate(PAIRS):
        mu = tokens(generator, N, d, kappa=k % 3, weighted=k % 2 == 0)
        found[f"mmd/{k:03d}"] = (mu, tokens(generator, M, d, weighted=True))
        found[f"mmd/{k:03d}near"] = (mu, near(generator, mu, 1e-4))
    for k in range(24):  # weights that differ: the exact value is a linear program
        N, M = generator.integers(5, 60, size=2)
        mu = tokens(generator, N, 2 + k % 4, k % 3, True)
        pair = (mu, tokens(generator, M, 2 + k % 4, 0, k % 2 == 0))
        found[f"auction/w{k}"] = found[f"sliced/w{k}"] = pair
    return found


@pytest.fixture(scope="module", name="cases")
def all_cases():
    return make_cases()


@pytest.fixture(scope="module", name="distances")
def distances_on_ranks(cases, tmp_path_factory):
    """{group/case: values} on so many ranks."""
    path, found = tmp_path_factory.mktemp("distance") / "cases.h5", {}
    with h5py.File(path, "w") as file:
        for name, (mu, nu) in cases.items():
            file[f"{name}/mu"], file[f"{name}/nu"] = mu, nu

    def measure(ranks):
        if ranks not in found:
            printed = chorale(options(hook_file=path, hook_beta=BETA), ranks, program=HOOK).stdout
            lines = [line.split() for line in printed.splitlines()]
            found[ranks] = {line[0]: [float(word) for word in line[1:]] for line in lines}
        return found[ranks]

    return measure


def exact(mu, nu):
    """W2^2 with chordal cost, and how far rounding takes it."""
    more, less = max(len(mu), len(nu)), min(len(mu), len(nu))
    if np.ptp(mu[:, -1]) == 0 and np.ptp(nu[:, -1]) == 0 and more % less == 0:
        return assignment(mu, nu), 1e-14
    return program(chords(mu, nu), mu[:, -1], nu[:, -1])[0], 1e-9


def mmd(mu, nu):
    """Sum over all pairs in long double."""
    x = np.vstack([mu[:, :-1], nu[:, :-1]]).astype(np.longdouble)
    s = np.concatenate([mu[:, -1], -nu[:, -1]]).astype(np.longdouble)
    return float(s @ np.exp(BETA * (x @ x.T)) @ s)


def wrong_on_circle(name, mu, nu, geodesic, chordal):
    """What is wrong with the values, or None."""
    best, plan = program(angles(mu, nu), mu[:, -1], nu[:, -1])
    least = program(chords(mu, nu), mu[:, -1], nu[:, -1])[0]
    if abs(geodesic - best) > 1e-10:
        return f"geodesic {geodesic}, linear program {best}"
    if not least - 1e-10 <= chordal <= geodesic + 1e-15:
        return f"chordal {chordal} is not between the optimum {least} and the geodesic {geodesic}"
    planned = (plan * chords(mu, nu)).sum()
    if name.endswith(("0", "5")) and min(abs(planned - chordal), abs(chordal - least)) > 1e-6:
        return f"chordal {chordal}, of the plan {planned}"
    return None


def wrong(name, mu, nu, values):
    """What is wrong with the values, or None."""
    group, value = name.split("/")[0], values[0]
    if group == "circle":
        return wrong_on_circle(name, mu, nu, *values)
    if group == "mmd":
        expected, allowed = mmd(mu, nu), 1e-13 * math.exp(BETA)
        return None if abs(value - expected) <= allowed else f"{value}, exact {expected}"
    expected, rounding = exact(mu, nu)
    if group == "sliced":
        return None if 0 < value <= expected + rounding else f"{value} > exact {expected}"
    low, high = values
    if not high - low <= TOLERANCE * high + 1e-13:  # where doubles end
        return f"{low} to {high}: a wide gap"
    if not low - rounding <= expected <= high + rounding:
        return f"{low} to {high}, exact {expected}"
    return None


@pytest.mark.parametrize("group", GROUPS)
def test_distances_are_exact(cases, distances, group):
    found = distances(1)
    assert found.keys() == cases.keys()
    names = [name for name in cases if name.startswith(group)]
    bad = {name: wrong(name, *cases[name], found[name]) for name in names}
    assert len(names) > 5 and not [f"{name}: {what}" for name, what in bad.items() if what]


def test_equal_measures_have_no_distance(distances):
    assert distances(1)["auction/same"] == [0.0, 0.0]


@pytest.mark.full
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_distances_have_the_same_bits_on_any_ranks(distances, ranks):
    assert distances(ranks) == distances(1)


def two_places(generator, N, d):
    """Tokens at two opposite points."""
    x = np.zeros((N, d))
    x[:, 0] = generator.choice([-1.0, 1.0], N)
    return np.column_stack([x, np.ones(N) / N])


def many_case(generator, k):
    """Equal weights, 500 to 3000 tokens in 2 to 8 dimensions: uniform, clustered, duplicated,
    near each other, clusters at both poles, two places."""
    N, d = int(generator.integers(500, 3001)), 2 + k % 7
    mu, nu = tokens(generator, N, d), tokens(generator, N, d)
    if k % 6 == 1:
        mu, nu = tokens(generator, N, d, 5), tokens(generator, N, d, 2)
    elif k % 6 == 2:
        mu, nu = (m[generator.integers(0, N // 3, N)] for m in (mu, nu))
    elif k % 6 == 3:
        nu = near(generator, mu, 10.0 ** -generator.integers(1, 7))
    elif k % 6 == 4:
        mu, nu = tokens(generator, N, d, 30), tokens(generator, N, d, 30)
        for m in (mu, nu):
            m[:, :-1] *= generator.choice([-1.0, 1.0], N)[:, None]
    elif k % 6 == 5:
        mu, nu = two_places(generator, N, d), two_places(generator, N, d)
    return mu, nu


def weighted_case(generator, k):
    N, M = generator.integers(20, 121, size=2)
    mu = tokens(generator, N, 2 + k % 7, (0, 3, 20)[k % 3], True)
    return mu, tokens(generator, M, 2 + k % 7, 0, k % 2 == 0)


@pytest.mark.full
@pytest.mark.parametrize("case, count", [(many_case, 200), (weighted_case, 100)])
def test_the_auction_certifies_what_scipy_finds(tmp_path, case, count):
    generator = np.random.default_rng(12)
    cases = {f"auction/{k:03d}": case(generator, k) for k in range(count)}
    with h5py.File(tmp_path / "cases.h5", "w") as file:
        for name, (mu, nu) in cases.items():
            file[f"{name}/mu"], file[f"{name}/nu"] = mu, nu
    printed = chorale(options(hook_file=tmp_path / "cases.h5"), 2, program=HOOK).stdout
    lines = [line.split() for line in printed.splitlines() if line.startswith("auction")]
    found = {line[0]: [float(word) for word in line[1:]] for line in lines}
    assert found.keys() == cases.keys()
    bad = {name: wrong(name, *cases[name], found[name]) for name in cases}
    assert not [f"{name}: {what}" for name, what in bad.items() if what]
