"""The coefficient of 1/m against the number of tokens."""

import numpy as np

from chorale.paper.claim import CONSISTENT, VIOLATED, Claim, Row, Study
from chorale.plot.common import columns, factor


def excess(run):
    """{N: (m times what width adds to the error at the largest depth, its standard error)}, over the
    finite widths, whose errors share one Brownian path."""
    tokens, depth, width, error, sem = columns(run, "tokens", "depth", "width", "error", "sem")
    deepest = depth == depth.max()
    found = {}
    for count in np.unique(tokens):
        these = deepest & (tokens == count)
        limit = error[these & np.isinf(width)][0]
        finite = these & np.isfinite(width)
        values, errors = (error - limit)[finite] * width[finite], sem[finite] * width[finite]
        weights = 1 / errors**2 / (1 / errors**2).sum()
        found[count] = (float((weights * values).sum()), float(np.sqrt((weights**2 * errors**2).sum())))
    return found


def rows(results):
    run = results["limits"]
    found, half = excess(run), factor(run)
    listed = []
    (first, base), *others = found.items()
    listed.append(Row(f"m times the error of width, N = {first:.0f}", "the same for all N", *ends(base, half)))
    for count, one in others:
        off = abs(one[0] - base[0]) / np.hypot(one[1], base[1])
        verdict = CONSISTENT if off <= 4 else VIOLATED
        why = "" if off <= 4 else f"{off:.1f} s.e. from N = {first:.0f}"
        listed.append(Row(f"the same, N = {count:.0f}", base[0], *ends(one, half), verdict, why))
    return listed


def ends(number, half):
    """Value and interval."""
    value, error = number
    return value, value - half * error, value + half * error


CLAIM = Claim(
    title="The width constant is free of N",
    statement="theorem on depth and width, (9.9)",
    claims="Coupled in the basis of harmonics, where the normals of a layer do not depend on the tokens, the coefficient of "
    "1/m is the same for every number of tokens.",
    contradicted="coefficients of 1/m that differ between numbers of tokens by more than four standard errors",
    premise="noise alone, so that one limit SDE serves all N; kernel of degree 10 at most; standard errors of the errors "
    "are taken for independent, which those of nested tokens are not: the test is the more lenient for it",
    runs={
        "limits": Study(
            "limits",
            "input/limits-harmonics.yaml",
            small="-ensemble_realizations 12 -layers_depth 8,32 -mlp_width 32,128,inf",
            full="-ensemble_realizations 192",
        )
    },
    rows=rows,
    place=12,
    seconds=15,
)
