"""The moments of the phase map, NEIGHBOURS.md (15.10) to (15.13): boundaries, roots and limits for
large d against closed forms and against another quadrature and root finder; same bits at any ranks
and where it goes on; bad input."""

import os

import numpy as np
import pytest
from scipy import optimize, stats

from activations import FUNCTIONS, at_one
from run import chorale, datasets, options, refused, same_bits, study, table

pytestmark = pytest.mark.full

COLUMNS = "pstar,pstar_limit,moment,moment_rate,moment_boundary,moment_limit".split(",")
# sigma(0)^2, the mean of sigma'(0)^2 over both sides of 0, and that of sigma''(0)^2
AT_ZERO = {
    "relu": (0, 0.5, 0),
    "leaky_relu": (0, 0.5 * (1 + 0.01**2), 0),
    "gelu": (0, 0.25, 4 * stats.norm.pdf(0) ** 2),
    "silu": (0, 0.25, 0.25),
    "sigmoid": (0.25, 1 / 16, 0),
    "tanh": (0, 1, 0),
    "erf": (0, 4 / np.pi, 0),
    "softplus": (np.log(2) ** 2, 0.25, 1 / 16),
    "sin": (0, 1, 0),
    "identity": (0, 1, 0),
}


def phase_map(activations, dims, moments, ranks=1, **keys):
    """The rows of the table and what was said."""
    lists = [",".join(map(str, values)) for values in (activations, dims, moments)]
    keys.update(zip(("mlp_activation", "tokens_dim", "kernel_moments"), lists))
    words = options(output_file="map.h5", output_table="map.csv", output_overwrite=True, **keys)
    done = chorale(["sync", "-sync_map", "-progress", "off", *words], ranks)
    return table("map.csv"), done


def law(row):
    return row["activation"], int(row["dim"]), float(row["moment"])


def value(text):
    return float(text) if text else np.nan


def side(name, d, p, sigma):
    """2 Lambda(p)/p."""
    k, slope = at_one(name, d, sigma)
    return (d - 3 + p) * slope - (d - 1 - p) * k


def check(activations, dims, moments):
    """Every number of the map against scipy's; a boundary stands where the sign changes."""
    for row in phase_map(activations, dims, moments)[0]:
        name, d, p = law(row)
        k, slope = at_one(name, d, 0)
        exponent = (d - 3) / 2 * slope - (d - 1) / 2 * k
        close = 1e-12 * d  # the terms of the exponent are so much larger than it
        assert value(row["lambda1"]) == pytest.approx(exponent, rel=close)
        assert value(row["pstar"]) == pytest.approx(-2 * exponent / (k + slope), rel=close)
        rate = p * side(name, d, p, 0) / 2
        assert value(row["moment_rate"]) == pytest.approx(rate, abs=p * close * (k + slope))
        signs = np.array([side(name, d, p, s) for s in np.geomspace(1e-7, 3, 120)]) > 0
        changes = np.count_nonzero(np.diff(signs))
        found = value(row["moment_boundary"])
        if changes == 0:
            assert np.isnan(found) or (found == 0 and not signs[0]), (name, d, p, found)
            assert not np.isnan(found) or signs[0] == (p >= value(row["pstar"])) or d == 2
            continue
        assert changes == 1, "a second boundary"
        root = optimize.brentq(lambda s: side(name, d, p, s), 1e-7, 3, xtol=1e-14, rtol=1e-13)
        assert found == pytest.approx(root, rel=1e-9 * d), (name, d, p)
    return table("map.csv")


def test_boundaries_are_those_of_another_quadrature_and_root_finder(folder):
    rows = check(["relu", "gelu", "tanh", "softplus"], [2, 4, 20, 4096], [0.5, 1, 2, 6])
    assert list(rows[0])[-len(COLUMNS) :] == COLUMNS
    assert len(rows) == 4 * 4 * 4
    for row in rows:
        assert law(row)[2] != 2 or row["moment_boundary"] == row["boundary"]


def test_boundaries_of_all_activations_are_those_of_scipy(folder):
    check(
        list(FUNCTIONS),
        [2, 3, 4, 5, 6, 12, 17, 100, 1000, 4096],
        [0.5, 0.9, 1, 1.5, 2, 4, 16],
    )


def test_piecewise_linear_activations_have_closed_forms(folder):
    """k(1) = A v + sigma^2 and k'(1) = A/d: Lambda(p) = 0 at
    sigma^2 = 2 (p-1) A / (d (d-1-p) (1+A)), and p* = 1 without bias."""
    names = ("relu", "leaky_relu", "identity")
    for row in phase_map(names, (2, 3, 4, 5, 18, 4096), (0.5, 1, 2, 3.5, 16))[0]:
        name, d, p = law(row)
        A, found = AT_ZERO[name][1], value(row["moment_boundary"])
        assert value(row["pstar"]) == pytest.approx(1, abs=1e-15 * d)
        if p >= d - 1 or p < 1:
            assert np.isnan(found)
        else:
            exact = np.sqrt(2 * (p - 1) * A / (d * (d - 1 - p) * (1 + A)))
            assert found == pytest.approx(exact, rel=1e-15 * d, abs=0)
        if (name, d, p) == ("relu", 5, 2):
            assert found == pytest.approx(np.sqrt(2 / 30), rel=1e-15)


def test_limits_for_large_dimensions_are_exact_and_approached(folder):
    d, moments = 4096, (1, 2, 4)
    for row in phase_map(FUNCTIONS, (d,), moments)[0]:
        name, _, p = law(row)
        offset, slope, bend = AT_ZERO[name]
        root, edge = value(row["pstar_limit"]), value(row["moment_limit"])
        if offset:
            assert np.isnan([root, edge]).all()
            assert abs(value(row["pstar"]) - (d - 1 - 2 * slope / offset)) < 4 / d
            continue
        excess = bend / (8 * slope)
        assert root == pytest.approx(1 - excess, rel=1e-11)
        assert edge == pytest.approx(
            np.sqrt(2 * (p - 1 + excess) * slope / (1 + slope)), rel=1e-11, abs=1e-13
        )
        assert abs(value(row["pstar"]) - root) < 3 / d
        found = d * value(row["moment_boundary"])
        assert abs(found**2 - edge**2) < 10 * p**2 / d, (name, p)


def test_what_is_said_of_large_dimensions(folder):
    said = phase_map(("relu", "gelu", "sigmoid"), (4, 5), (0.5, 1, 2))[1].stdout
    assert "relu, d -> infinity: p* -> 1 without bias" in said
    assert "Lambda(p) < 0 for d sigma > 0 (p = 1), 0.816497 (p = 2)\n" in said
    assert "0.356825 (p = 1), 0.726171 (p = 2)\n" in said
    assert "sigmoid, d -> infinity: p* - d -> -1.5 without bias\n" in said


def test_without_moments_and_at_any_ranks_the_map_is_the_same(folder):
    keys = dict(kernel_bias="0,0.2", mlp_activation="relu,tanh", tokens_dim="3,5")
    chorale(["sync", "-sync_map", *options(output_file="plain.h5", **keys)])
    plain, whole = study("plain.h5", "sync")[1], None
    for ranks in (1, 2, 3, 4):
        phase_map(("relu", "tanh"), (3, 5), (1, 2, 3), ranks, kernel_bias="0,0.2")
        found = datasets("map.h5")
        whole = whole or found
        assert not same_bits(whole, found), ranks
    named = study("map.h5", "sync")[1]
    assert set(named) - set(plain) == set(COLUMNS)
    for name, column in plain.items():
        np.testing.assert_array_equal(named[name].reshape(-1, 3)[:, 0], column, name)


def test_a_map_goes_on_where_it_was_stopped(folder):
    keys = dict(mlp_activation="tanh,relu", tokens_dim="5,8", kernel_moments="1,2,3")
    words = ["sync", "-sync_map", *options(progress="off", **keys)]
    chorale(words + options(output_file="whole.h5"))
    command = words + options(output_file="run.h5", checkpoint_every=1)
    assert chorale(command, check=False, hook="0 5 0 signal=15").returncode == 85
    assert os.path.exists("run/checkpoint.h5")
    chorale(command + ["-checkpoint_resume"], ranks=2)
    assert not same_bits(datasets("whole.h5"), datasets("run.h5"))


REFUSED = (
    (
        "-sync_map -kernel_moments 2,0",
        "kernel_moments = 0: must be positive with sync_map",
    ),
    (
        "-sync_map -kernel_moments -1",
        "kernel_moments = -1: must be positive with sync_map",
    ),
    ("-kernel_moments 2", "kernel_moments = 2: has no effect with sync_map false"),
    ("-sync_map -sync_moments 2", "sync_moments = 2: has no effect with sync_map true"),
)


@pytest.mark.parametrize("words, line", REFUSED)
def test_what_is_no_moment_of_a_map_is_refused(folder, words, line):
    refused(["sync", *words.split()], line)
