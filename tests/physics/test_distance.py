"""Distances between measures against scipy and numpy: the circle against linear programs, the ends
of the auction around linear_sum_assignment and linear programs, sliced below exact values, MMD
against sums over all pairs; and the same bits on 1, 2, 3, 4 ranks."""

import math
import os

import h5py
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist

from run import chorale, options

HOOK = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_distance")
TOL = 1e-4  # largest gap of the auction
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


def reduced(cost):
    """Costs less a price of every row and column, near the best prices by Sinkhorn's iteration.
    The same assignments are the best, and are found sooner where the two measures lie apart."""
    kernel, column = np.exp(-cost / 0.02), np.ones(cost.shape[1])
    for _ in range(50):
        column = 1 / (kernel.T @ (1 / (kernel @ column)))
    less = cost - 0.02 * np.log(column)
    less -= less.min(axis=1)[:, None]
    return less - less.min(axis=0)


def assignment(mu, nu):
    if len(mu) > len(nu):
        mu, nu = nu, mu
    cost = np.repeat(chords(mu, nu), len(nu) // len(mu), axis=0)
    far = np.linalg.norm(mu[:, :-1].mean(axis=0) - nu[:, :-1].mean(axis=0)) > 0.5
    return cost[linear_sum_assignment(reduced(cost) if far else cost)].mean()


def repeated(generator, N, d):
    """N tokens in about N/8 places."""
    measure = tokens(generator, -(-N // 8), d)[generator.integers(0, -(-N // 8), size=N)]
    measure[:, -1] = 1 / N
    return measure


def antipodal(generator, N, d):
    """Half of the tokens near e_1, the others near -e_1."""
    measure = tokens(generator, N, d, kappa=20)
    measure[: N // 2, :-1] *= -1
    return measure


def equal_case(generator, k):
    """Equal weights of many tokens in d = 2 to 8, of every eighth pair up to 3000, which take long,
    of others up to 1500; of every tenth pair one count is twice the other."""
    more = 6 if k % 8 == 0 else 3
    N, d, kind = int(500 * more ** generator.random()), 2 + k % 7, k // 7 % 5
    M = 2 * min(N, 1200) if k % 10 == 9 else N
    N = M // 2 if k % 10 == 9 else N
    if kind == 0:
        return tokens(generator, N, d), tokens(generator, M, d)
    if kind == 1:
        return tokens(generator, N, d, kappa=8), tokens(generator, M, d, kappa=(8, 0)[k % 2])
    if kind == 2:
        return repeated(generator, N, d), repeated(generator, M, d)
    if kind == 3:  # the fuller side of one is the emptier of the other
        mu, nu = antipodal(generator, N, d), antipodal(generator, M, d)
        nu[: M // 8, :-1] *= -1
        return mu, nu
    mu = tokens(generator, N, d)
    return (mu, near(generator, mu, 0.01)) if N == M else (mu, tokens(generator, M, d))


def weighted_case(generator, k):
    """Weights that differ."""
    N, M = generator.integers(5, 60, size=2)
    mu = tokens(generator, N, 2 + k % 4, k % 3, True)
    return mu, tokens(generator, M, 2 + k % 4, 0, k % 2 == 0)


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
    for k in range(24):
        found[f"auction/w{k}"] = found[f"sliced/w{k}"] = weighted_case(generator, k)
    return found


def make_many():
    """200 pairs of equal weights, 100 of others."""
    generator = np.random.default_rng(12)
    found = {f"auction/{k:03d}": equal_case(generator, k) for k in range(200)}
    found.update({f"auction/w{k}": weighted_case(generator, k) for k in range(100)})
    return found


@pytest.fixture(scope="module", name="cases")
def all_cases():
    return make_cases()


def measured(cases, path, ranks=1):
    """{group/case: values} of cases, which are left in a file."""
    with h5py.File(path, "w") as file:
        for name, (mu, nu) in cases.items():
            file[f"{name}/mu"], file[f"{name}/nu"] = mu, nu
    words = options(hook_file=path, hook_beta=BETA, hook_tol=TOL)
    lines = [line.split() for line in chorale(words, ranks, program=HOOK).stdout.splitlines()]
    return {line[0]: [float(word) for word in line[1:]] for line in lines}


@pytest.fixture(scope="module", name="distances")
def distances_on_ranks(cases, tmp_path_factory):
    """{group/case: values} on so many ranks."""
    path, found = tmp_path_factory.mktemp("distance") / "cases.h5", {}

    def measure(ranks):
        if ranks not in found:
            found[ranks] = measured(cases, path, ranks)
        return found[ranks]

    return measure


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


def wrong_by_auction(mu, nu, low, high):
    """What is wrong with the ends of W2^2, or None. A linear program has 9 digits or so, and the
    auction rounds weights to 2^-40."""
    expected = exact(mu, nu)
    rounding = 1e-9 if np.ptp(mu[:, -1]) + np.ptp(nu[:, -1]) > 0 else 1e-12
    if not low - rounding <= expected <= high + rounding:
        return f"{expected} is not between {low} and {high}"
    return None if 0 <= high - low <= TOL * high else f"{low} and {high} are too far apart"


def wrong(name, mu, nu, values):
    """What is wrong with the values, or None."""
    group, value = name.split("/")[0], values[0]
    if group == "circle":
        return wrong_on_circle(name, mu, nu, *values)
    if group == "auction":
        return wrong_by_auction(mu, nu, *values)
    if group == "sliced":
        expected = exact(mu, nu)
        return None if 0 < value <= expected else f"{value} > exact {expected}"
    expected = mmd(mu, nu)
    return None if abs(value - expected) <= 1e-13 * math.exp(BETA) else f"{value}, sum {expected}"


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
def test_three_hundred_measures_are_between_the_ends_of_the_auction(folder):
    cases = make_many()
    found = measured(cases, folder / "many.h5")
    bad = {name: wrong_by_auction(*cases[name], *found[name]) for name in cases}
    assert not [f"{name}: {what}" for name, what in bad.items() if what]


@pytest.mark.full
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_distances_have_the_same_bits_on_any_ranks(distances, ranks):
    assert distances(ranks) == distances(1)
