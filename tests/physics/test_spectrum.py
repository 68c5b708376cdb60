"""The Lyapunov spectrum, moment exponents and growth rates, NEIGHBOURS.md sections 15 and 16: the
columns of study kernel against numbers made with other programs."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from run import chorale, options, refused, table

# activation, dim: k'(1) and the exponents, Lambda(1/2), Lambda(1), Lambda(2), p*
LAWS = {
    ("relu", 5): ([-0.1, -0.2, -0.3, -0.4], (-0.025, 0, 0.2), 1),
    ("tanh", 3): (
        [-0.2118752043, -0.4342445752],
        (-0.05165703023, 0.005247083346, 0.4447387419),
        0.9758335111,
    ),
    ("erf", 4): (
        [-0.2119808044, -0.4370598834, -0.6621389625],
        (-0.05081215532, 0.0087321831, 0.4588903412),
        0.9604364782,
    ),
    ("silu", 8): (
        [-0.03185399553 - j * (0.2402281644 - 0.03185399553) / 6 for j in range(7)],
        (-0.007347420465, 0.002464313673, 0.07356524575),
        0.9281924509,
    ),
}


def kernel(name="kernel.csv", ranks=1, **keys):
    chorale(["kernel", *options(output_table=name, **keys)], ranks=ranks)
    return table(name)


@pytest.mark.parametrize("activation, dim", LAWS)
def test_exponents_and_moments_are_those_of_the_reference(folder, activation, dim):
    exponents, moments, root = LAWS[activation, dim]
    keys = dict(mlp_activation=activation, kernel_spectrum=True, kernel_moments="0.5,1,2")
    row, wider = kernel(tokens_dim=f"{dim},9", **keys)
    found = [float(row["lambda1"])] + [float(row[f"lambda{j}"]) for j in range(2, dim)]
    np.testing.assert_allclose(found, exponents, rtol=1e-8)
    assert all(row[f"lambda{j}"] == "" for j in range(dim, 9))
    assert float(row["kaplan_yorke"]) == 0
    assert wider["lambda8"] != ""
    found = [float(row[f"moment_{p}"]) for p in ("0.5", "1", "2")]
    np.testing.assert_allclose(found, moments, rtol=1e-8, atol=1e-10)
    assert found[2] == pytest.approx(float(row["lambda_bar"]), rel=1e-8)
    assert float(row["pstar"]) == pytest.approx(root, rel=1e-8)


@pytest.mark.parametrize("dim", [2, 3, 5, 64])
@pytest.mark.parametrize("value", [1, -0.7])
def test_growth_rates_are_those_of_bessel_functions(folder, dim, value):
    betas, n, nu = [0.5, 1, 4, 9, 100], np.arange(1, 13), dim / 2 - 1
    keys = dict(attention_beta=",".join(map(str, betas)), kernel_growth=12, tokens_dim=dim)
    for row, beta in zip(kernel(attention_value=value, **keys), betas):
        laplace = n * (n + dim - 2)
        expected = laplace * value * special.ive(n + nu, beta) / (beta * special.ive(nu, beta))
        found = np.array([float(row[f"growth{i}"]) for i in n])
        np.testing.assert_allclose(found, expected, rtol=1e-8)
        noisy = np.array([float(row[f"gamma{i}"]) for i in n])
        k1 = float(row["k1"])
        np.testing.assert_allclose(noisy, expected - laplace * k1 / 2, rtol=1e-7, atol=1e-9)
        assert int(float(row["fastest"])) == 1 + expected.argmax()


def test_growth_on_the_circle_predicts_three_seven_and_thirteen_clusters(folder):
    rows = kernel(attention_beta="5,25,81", kernel_growth=20, tokens_dim=2)
    assert [int(float(row["fastest"])) for row in rows] == [3, 7, 13]


def test_columns_are_added_behind_those_of_before_and_alike_on_all_ranks(folder):
    keys = dict(tokens_dim="4,2", mlp_activation="relu,tanh", attention_beta="1,4")
    before = kernel("before.csv", **keys)
    keys.update(kernel_spectrum=True, kernel_moments=2, kernel_growth=2)
    after = kernel("after.csv", **keys)
    names = "lambda2 lambda3 kaplan_yorke moment_2 pstar growth1 growth2 gamma1 gamma2 fastest"
    assert list(after[0]) == list(before[0]) + names.split()
    for row, old in zip(after, before):
        assert old.items() <= row.items()
    kernel("again.csv", ranks=3, **keys)
    assert Path("again.csv").read_bytes() == Path("after.csv").read_bytes()


def test_a_value_without_growth_is_refused(folder):
    refused(["kernel", "-attention_value", "2"], "attention_value")
    assert os.listdir(folder) == []
