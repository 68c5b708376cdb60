"""Where coercivity begins."""

import numpy as np

from chorale.paper.claim import CONSISTENT, VIOLATED, Claim, Row, Study

CLOSE = 1e-6


def rows(results):
    """Boundaries of ReLU beside those of (2.9)."""
    table = results["map"].table()
    relu = table["activation"] == "relu"
    listed = []
    for dim in np.unique(table["dim"][relu]):
        found = float(table["boundary"][relu & (table["dim"] == dim)][0])
        label = f"σ of ReLU, d = {dim:g}"
        if dim > 3:
            exact = float(np.sqrt(2 / (3 * dim * (dim - 3))))
            verdict = CONSISTENT if abs(found - exact) <= CLOSE * exact else VIOLATED
            listed.append(Row(label, exact, found, verdict=verdict))
        else:
            verdict = VIOLATED if np.isfinite(found) else CONSISTENT
            listed.append(Row(label, "none: d ≤ 3", found, verdict=verdict))
    return sorted(listed, key=lambda row: isinstance(row.theory, str))


CLAIM = Claim(
    title="Where coercivity begins",
    statement="coercivity condition λ̄ < 0, (2.7) and (2.9)",
    claims="The condition λ̄ < 0 of the theorem needs d > 3, and of ReLU with σ_U = σ_W = σ it "
    "begins at σ = (2/(3d(d−3)))^{1/2}.",
    contradicted="a boundary elsewhere, or one in d = 3",
    premise="no simulation: the boundary is searched for on kernels by quadrature; agreement to "
    "10^−6",
    runs={"map": Study("sync", "input/sync-map.yaml", ranks=1)},
    rows=rows,
    place=60,
    seconds=5,
)
