"""Study kernel from end to end: the paper's table, the reference kernels, decks with lists, the
same bytes at any rank count."""

import math
import os
from pathlib import Path

import pytest

from run import DATA, chorale, options, refused, table

FIXED = "activation,dim,bias_u,bias_w,beta,k1,kp1,lambda1,lambda_bar,lambda_rate".split(",")
LAST = ["lambda_rate_bound"]


def law(row):
    return row["activation"], int(row["dim"]), float(row["bias_u"]), float(row["bias_w"])


def kernel(name, *words, ranks=1, **keys):
    """The rows of the table that study kernel writes."""
    chorale(["kernel", *words, *options(output_table=name, **keys)], ranks=ranks)
    return table(name)


def reference_laws():
    """{law: [(quantity, index, value), ...]} of kernel.csv."""
    laws = {}
    for row in table(DATA / "kernel.csv"):
        laws.setdefault(law(row), []).append(
            (row["quantity"], float(row["index"]), float(row["value"]))
        )
    return laws


def test_the_table_is_that_of_the_paper(folder):
    keys = dict(mlp_activation="relu,silu,sigmoid,tanh", tokens_dim="5,64,128", kernel_bias="0,0.1")
    done = chorale(["kernel"] + options(output_table="one.csv", **keys))
    rows = table("one.csv")
    assert list(rows[0]) == FIXED + LAST
    assert "lambda_bar" in done.stdout
    kernel("three.csv", ranks=3, **keys)
    assert Path("three.csv").read_bytes() == Path("one.csv").read_bytes()
    expected = {law(row): row for row in table(DATA / "table1.csv")}
    assert len(rows) == 24
    assert {law(row) for row in rows} == set(expected)
    for row in rows:
        for name in ("k1", "kp1", "lambda1", "lambda_bar"):
            value = float(expected[law(row)][name])
            assert abs(float(row[name]) - value) <= 1e-9 * abs(value), (law(row), name)
        assert float(row["lambda_rate"]) >= float(row["lambda_bar"]) - 1e-12
        scale = float(row["dim"]) * (float(row["k1"]) + float(row["kp1"]))
        assert 0 < float(row["lambda_rate_bound"]) - float(row["lambda_rate"]) < 2e-9 * scale
    # only results on disk: the study writes no HDF5 file
    assert sorted(os.listdir(folder)) == ["one.csv", "three.csv"]


@pytest.mark.parametrize("key", reference_laws(), ids=lambda key: "-".join(map(str, key)))
def test_the_kernel_is_that_of_the_reference(folder, key):
    activation, dim, bias_u, bias_w = key
    values = reference_laws()[key]
    betas = [index for quantity, index, _ in values if quantity == "rate"]
    keys = dict(mlp_activation=activation, tokens_dim=dim, mlp_bias_u=bias_u, mlp_bias_w=bias_w)
    rows = kernel("law.csv", attention_beta=",".join(map(str, betas)), kernel_degree=8, **keys)
    assert list(rows[0]) == FIXED + [f"c{n}" for n in range(9)] + LAST
    assert [float(row["beta"]) for row in rows] == betas
    k1 = float(rows[0]["k1"])
    for quantity, index, value in values:
        if quantity == "rate":
            found = next(float(row["lambda_rate"]) for row in rows if float(row["beta"]) == index)
        elif quantity == "c":
            found = float(rows[0][f"c{int(index)}"])
        elif index == 1:
            found = k1
        else:
            continue  # k(u) inside the interval is not a column; test_kernel.c compares it
        assert abs(found - value) <= 1e-7 * k1, (quantity, index)


DECK = """\
mlp:
  activation: [tanh, relu]
  bias_u: 0.3
  bias_w: 0.2
tokens:
  dim: [7, 3]
attention:
  beta: [0.5, 2]
kernel:
  degree: 2
"""


def test_a_deck_with_lists_has_a_row_per_combination(folder):
    Path("deck.yaml").write_text(DECK, encoding="utf-8")
    rows = kernel("deck.csv", "deck.yaml")
    order = [(row["activation"], int(row["dim"]), float(row["beta"])) for row in rows]
    assert order == [(a, d, b) for a in ("tanh", "relu") for d in (7, 3) for b in (0.5, 2.0)]
    assert {(float(row["bias_u"]), float(row["bias_w"])) for row in rows} == {(0.3, 0.2)}
    kernel("again.csv", "deck.yaml", ranks=3)
    assert Path("again.csv").read_bytes() == Path("deck.csv").read_bytes()


def test_kernel_bias_overrides_both_biases_and_options_override_decks(folder):
    Path("deck.yaml").write_text(DECK, encoding="utf-8")
    rows = kernel("bias.csv", "deck.yaml", kernel_bias="0,0.4", tokens_dim=2)
    order = [
        (row["activation"], *map(float, (row["dim"], row["bias_u"], row["bias_w"], row["beta"])))
        for row in rows
    ]
    assert order == [
        (a, 2, s, s, b) for a in ("tanh", "relu") for s in (0.0, 0.4) for b in (0.5, 2.0)
    ]


def test_without_keys_there_is_one_row(folder):
    rows = kernel("plain.csv")
    assert list(rows[0]) == FIXED + LAST
    assert len(rows) == 1
    assert (law(rows[0]), float(rows[0]["beta"])) == (("relu", 3, 0.0, 0.0), 1.0)


def test_a_dry_run_counts_the_rows_and_writes_nothing(folder):
    keys = dict(tokens_dim="2,3,4", kernel_bias="0,1", dry_run=True, output_table="dry.csv")
    done = chorale(["kernel", *options(**keys)], ranks=2)
    assert "6 rows" in done.stdout
    assert "kernel_bias" in done.stdout
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    "ranks, key, value",
    [
        (1, "tokens_dim", "3,1"),
        (3, "kernel_bias", "0,-0.1"),
        (3, "mlp_activation", "relu,rely"),
        (1, "mlp_bias_u", "0,-1"),
    ],
)
def test_a_wrong_list_is_refused(folder, ranks, key, value):
    refused(["kernel", *options(**{key: value})], key, ranks)


def test_where_two_tokens_end_under_random_values(folder):
    """Opposite tokens attract where cosh(2 beta) > d - 2, NEIGHBOURS.md (12.10), and then some
    pairs end there; whatever the activation."""
    keys = dict(tokens_dim="2,3,5,16", attention_beta="0.5,0.9,1.7,4", mlp_activation="relu,tanh")
    rows = kernel("ends.csv", kernel_values="true", **keys)
    assert list(rows[0]) == FIXED + LAST + ["lambda_opposite", "opposite"]
    found = {}
    for row in rows:
        d, beta = int(row["dim"]), float(row["beta"])
        ends = float(row["lambda_opposite"]), float(row["opposite"])
        assert abs(ends[0] - (0.5 * (d - 1) / math.cosh(beta) ** 2 - 1) / d) < 1e-14
        assert (ends[1] > 0) == (math.cosh(2 * beta) > d - 2)
        assert found.setdefault((d, beta), ends) == ends
    assert abs(found[2, 0.9][1] - 0.5) < 1e-6
    assert found[5, 4][1] > found[16, 4][1] > found[5, 1.7][1] > found[16, 1.7][1] > 0
