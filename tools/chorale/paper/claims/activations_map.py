"""Which activations synchronize which moment, over dimension and bias."""

import numpy as np

from chorale.paper.claim import BEYOND, CONSISTENT, VIOLATED, Claim, Row, Study

COERCIVE = 2  # the moment of the theorem
CLOSE = 1e-11  # of boundaries in closed form; rounding grows with d
NEAR = 10  # divided by d: how near the limit a number of large d must be
LINEAR = {"relu": 0.5, "leaky_relu": 0.5 * (1 + 0.01**2), "identity": 1.0}  # A of (15.13)


def word(holds):
    return CONSISTENT if holds else VIOLATED


def signs(table):
    """λ1 of all laws, and p* on the circle."""
    once = table["moment"] == table["moment"].min()
    below = int((table["lambda1"][once] < 0).sum())
    count = int(once.sum())
    circle = table["pstar"][once & (table["dim"] == 2)]
    off = float(np.abs(circle - 1).max())
    return [
        Row("laws with λ1 < 0", f"all {count}", f"{below}", verdict=word(below == count)),
        Row("|p* − 1| for d = 2, the largest", 0, off, verdict=word(off <= CLOSE)),
    ]


def regions(table):
    """No moment p >= d - 1 decays, and those below have one boundary or none."""
    outside = table["moment"] >= table["dim"] - 1
    wrong = int((outside & (table["moment_rate"] < -CLOSE)).sum())
    wrong += int((outside & np.isfinite(table["moment_boundary"])).sum())
    label = f"regions of Λ(p) < 0 with p ≥ d − 1, of {outside.sum()}"
    return [Row(label, 0, wrong, verdict=word(not wrong))]


def closed_forms(table):
    """Boundaries of piecewise linear activations."""
    off = 0.0
    for name, A in LINEAR.items():
        mine = (table["activation"] == name) & (table["moment"] > 1)
        d, p = table["dim"][mine], table["moment"][mine]
        inside = p < d - 1
        d, p = d[inside], p[inside]
        exact = np.sqrt(2 * (p - 1) * A / (d * (d - 1 - p) * (1 + A)))
        off = max(off, float(np.abs(table["moment_boundary"][mine][inside] / exact - 1).max()))
    label = "boundaries of ReLU, leaky ReLU and identity beside the closed form: farthest"
    return [Row(label, f"at most {CLOSE:g}", off, verdict=word(off <= CLOSE))]


def limits(table):
    """At the largest dimension: p* without bias, and d σ where coercivity begins."""
    last = table["dim"].max()
    rows = []
    for name in dict.fromkeys(table["activation"]):
        mine = (table["activation"] == name) & (table["dim"] == last)
        mine &= table["moment"] == COERCIVE
        row = {key: column[mine][0] for key, column in table.items()}
        if np.isnan(row["pstar_limit"]):
            holds = np.isnan(row["moment_boundary"]) and row["lambda_bar"] < 0
            label = f"λ̄ of {name} without bias, d = {last:g}"
            rows.append(Row(label, "< 0: no boundary", row["lambda_bar"], verdict=word(holds)))
            continue
        holds = abs(row["pstar"] - row["pstar_limit"]) <= NEAR / last
        label = f"p* of {name} without bias, d = {last:g}"
        rows.append(Row(label, row["pstar_limit"], row["pstar"], verdict=word(holds)))
        found = last * row["moment_boundary"]
        holds = abs(found - row["moment_limit"]) <= NEAR / last
        label = f"d σ where λ̄ = 0, {name}, d = {last:g}"
        rows.append(Row(label, row["moment_limit"], found, verdict=word(holds)))
    return rows


def rows(results):
    table = results["map"].table()
    return [*signs(table), *regions(table), *closed_forms(table), *limits(table)]


CLAIM = Claim(
    title="Which activations synchronize which moment",
    statement="moments of two tokens under noise alone, (15.10) to (15.13)",
    claims="Of ten activations the noise has λ1 < 0 in d = 2 to 4096, so E|v|^p decays for p < p*. "
    "The p-th moment decays for some bias exactly when p < d − 1, and coercivity λ̄ = Λ(2) < 0 "
    "needs d > 3. For activations with σ(0) = 0 coercivity begins at a bias of order 1/d, with a "
    "known limit of dσ; where σ(0) ≠ 0 it needs no bias.",
    contradicted="a law with λ1 ≥ 0, a region with p ≥ d − 1, or a boundary that is not that of "
    "the closed form or does not approach its limit",
    premise="no simulation: kernels by quadrature, boundaries by bisection down to rounding for "
    f"σ_U = σ_W; near the limit means within {NEAR}/d",
    runs={"map": Study("sync", "input/paper/activations-map.yaml", ranks=1)},
    rows=rows,
    kind=BEYOND,
    place=60,
    seconds=10,
)
