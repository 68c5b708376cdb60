"""Clusters of all tokens (output_clusters) against scipy's components of the graph of pairs, and
the instability of the uniform law that makes them, NEIGHBOURS.md section 16."""

import itertools
import os

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from run import chorale, datasets, options, table

pytestmark = pytest.mark.full

EDGE = np.sqrt(0.02)  # |x - y| at the cosine 0.99


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def components(x):
    """Of the graph of all pairs."""
    i, j = cKDTree(x).query_pairs(EDGE, output_type="ndarray").T
    return connected_components(coo_matrix((np.ones(len(i)), (i, j)), shape=(len(x), len(x))))[0]


def scattered(rng, d):
    """So many that there are clusters of many sizes, where that is possible."""
    return rng.normal(size=({2: 60, 3: 500, 4: 3001, 5: 9001, 64: 1001}.get(d, 12345), d))


def clouds(rng, d):
    """Around 40 centres, most of them not yet in one point."""
    centre = unit(rng.normal(size=(40, d)))[rng.integers(0, 40, 6000)]
    return centre + {2: 0.02, 3: 0.02, 64: 0.0125}.get(d, 0.06) * rng.normal(size=(6000, d))


def points(rng, d):
    """Tokens that have met to the last bit or all but it."""
    x = unit(rng.normal(size=(30, d)))[rng.integers(0, 30, 3000)]
    x[::3] += 1e-15 * rng.normal(size=(1000, d))
    return x


def halves(apart):
    """Two halves whose rims, an arc or a line of tokens each, are so many edges apart."""

    def tokens(rng, d):
        x = unit(rng.normal(size=(20000, d)))
        x = x[np.abs(x[:, 0]) > 0.3]
        rim = unit(np.column_stack([np.zeros(2000), rng.normal(size=(2000, d - 1))]))
        half = np.arcsin(apart * EDGE / 2)
        rims = [np.cos(half) * rim + s * np.sin(half) * np.eye(d)[0] for s in (-1, 1)]
        return np.concatenate([x, *rims, unit(rng.normal(size=(50, d))) * [-1, *[1] * (d - 1)]])

    return tokens


def chains(rng, d):
    """Walks of steps an edge long, but for 1e-9 of it, so that some have many parts."""
    x = [unit(rng.normal(size=(30, d)))]
    for _ in range(100):
        step = rng.normal(size=(30, d))
        step = unit(step - np.sum(step * x[-1], axis=1, keepdims=True) * x[-1])
        angle = 2 * np.arcsin(EDGE / 2 * (1 + rng.choice([-1e-9, 1e-9], size=(30, 1))))
        x.append(np.cos(angle) * x[-1] + np.sin(angle) * step)
    return np.concatenate(x)


RIMS = [halves(1 + 1e-7), halves(1 - 1e-7)]
CASES = [(3, scattered), (3, chains), (5, clouds), (5, points), (3, RIMS[0]), (64, clouds)]
MORE = [
    *[(3, clouds), (3, points), (5, scattered), (5, chains), (3, RIMS[1])],
    *itertools.product([2, 4, 6, 7, 8, 16], [scattered, clouds, points, chains]),
    *itertools.product([64], [scattered, points, chains]),
    *itertools.product([2, 4, 5], RIMS),
]


# On two numbers of ranks each; more of them on one, which goes around.
CASES = [(*case, (1, 3) if case[0] < 5 else (2, 4)) for case in CASES]
MORE = [(*case, ((i + i // 4) % 4 + 1,)) for i, case in enumerate(MORE)]


@pytest.mark.parametrize("dim, tokens, layouts", [*CASES, *MORE])
def test_clusters_are_the_components_of_the_graph_of_all_pairs(folder, dim, tokens, layouts):
    x = unit(tokens(np.random.default_rng(dim), dim))
    np.save("x.npy", x)
    keys = dict(tokens_init="file", tokens_file="x.npy", layers_depth=1, output_clusters=True)
    keys.update(attention_type="none", noise_type="none", output_overwrite=True, progress="off")
    expected = components(x)
    for ranks in layouts:
        chorale(["simulate", *options(output_file="x.h5", **keys)], ranks)
        found = datasets("x.h5")["observables/clusters_all/value"]
        np.testing.assert_array_equal(found.ravel(), [expected, expected])


def test_a_dry_run_says_what_clusters_of_all_tokens_may_cost(folder):
    words = ["simulate", "-output_clusters", "-tokens_dim", "16", "-dry_run"]
    assert "clusters   of all tokens, exact: up to" in chorale(words).stdout
    assert os.listdir(folder) == []


@pytest.mark.parametrize("beta, value, degree", [(4, 1, 3), (25, 2, 7), (9, -1, 1)])
def test_amplitudes_grow_at_the_rates_of_the_kernel(folder, beta, value, degree):
    """A small wave on equally spaced tokens of the circle: a_n goes like e^{2 growth_n t}."""
    angle = 2 * np.pi * np.arange(400) / 400
    angle += 1e-5 / degree * np.sin(degree * angle)
    np.save("x.npy", np.column_stack([np.cos(angle), np.sin(angle)]))
    keys = dict(attention_beta=beta, attention_value=value, tokens_dim=2)
    chorale(["kernel", *options(kernel_growth=degree, output_table="k.csv", **keys)])
    expected = float(table("k.csv")[0][f"growth{degree}"])
    keys.update(tokens_init="file", tokens_file="x.npy", layers_depth=200, layers_horizon=2)
    keys.update(noise_type="none", scheme_type="flow", output_modes=degree, progress="off")
    chorale(["simulate", *options(output_file="x.h5", **keys)])
    data = datasets("x.h5")
    modes = data["observables/modes/value"].reshape(-1, degree)[:, -1]
    np.testing.assert_allclose(modes[0], 0.25e-10, rtol=1e-5)
    rate = np.log(modes[-1] / modes[0]) / 4
    assert rate == pytest.approx(expected, rel=1e-4)
