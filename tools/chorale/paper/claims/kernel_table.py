"""The paper's table of kernels and exponents."""

import csv

import numpy as np

from chorale.command import TOP
from chorale.paper.claim import CONSISTENT, VIOLATED, Claim, Row, Study
from chorale.paper.words import plain

REFERENCE = TOP / "tests/support/data/table1.csv"
NUMBERS = {"lambda1": "λ1", "lambda_bar": "λ̄", "k1": "k(1)", "kp1": "k'(1)"}
CLOSE = 1e-9
THEORY = f"at most {plain(format(CLOSE, 'g'))}"


def rows(results):
    """How far the numbers are from those of the reference, and from closed forms of ReLU."""
    table = results["table"]
    with open(REFERENCE, newline="", encoding="utf-8") as file:
        expected = {key(row): row for row in csv.DictReader(file)}
    keys = [key(dict(zip(table, row))) for row in zip(*table.values())]
    listed = []
    for name, letter in NUMBERS.items():
        theory = np.array([float(expected[one][name]) for one in keys])
        off = float(np.abs(table[name] / theory - 1).max())
        verdict = CONSISTENT if off <= CLOSE else VIOLATED
        label = f"{letter} of {len(keys)} rows: largest relative difference"
        listed.append(Row(label, THEORY, off, verdict=verdict))
    relu = table["activation"] == "relu"
    dim, spread = table["dim"][relu], table["bias_u"][relu] ** 2 + 2 * table["bias_w"][relu] ** 2
    exact = -1 / (2 * dim) - (dim - 1) * spread / 4
    off = float(np.abs(table["lambda1"][relu] / exact - 1).max())
    verdict = CONSISTENT if off <= CLOSE else VIOLATED
    label = "λ1 of ReLU beside its closed form (2.9): the same"
    return [*listed, Row(label, THEORY, off, verdict=verdict)]


def key(row):
    """What a row is for."""
    return row["activation"], float(row["dim"]), float(row["bias_u"]), float(row["bias_w"])


CLAIM = Claim(
    title="Kernels and exponents of four activations",
    statement="table of 24 rows, section 2",
    claims="k(1), k'(1), λ1 and λ̄ of ReLU, SiLU, Sigmoid and Tanh in d = 5, 64, 128 without and "
    "with biases of 0.1.",
    contradicted="a number that is not that of the table",
    premise="no simulation; the table was computed again to 12 digits by another program "
    "(tests/support/data/table1.csv)",
    runs={"table": Study("kernel", "input/kernel.yaml", ranks=1)},
    rows=rows,
    place=62,
    seconds=2,
)
