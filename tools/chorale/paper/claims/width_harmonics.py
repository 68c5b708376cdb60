"""The coefficient of 1/m against the number of tokens."""

import numpy as np

from chorale.paper.claim import Claim, Row, Study, beside
from chorale.plot.common import factor


def excess(run):
    """What width adds to the error at the largest depth, times m, mean over the finite widths, as
    [realization][N]; realizations of all N share their noise."""
    keys = run.parameters
    width = keys.reals("mlp_width")
    deepest = int(np.argmax(keys.reals("layers_depth")))
    error = run.study_data["samples"][:, :, deepest, :]
    limit = error[:, :, np.isinf(width)]
    finite = np.isfinite(width)
    return ((error[:, :, finite] - limit) * width[finite]).mean(axis=2)


def rows(results):
    run = results["limits"]
    counts, values = run.parameters.reals("tokens_count"), excess(run)
    mean = values.mean(axis=0)
    half = factor(run) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    listed = []
    for count, middle, width in zip(counts, mean, half):
        ends = float(middle - width), float(middle + width)
        listed.append(Row(f"b of b/m, N = {count:.0f}", "the same for all N", float(middle), *ends))
    for i, count in list(enumerate(counts))[1:]:
        off = values[:, i] - values[:, 0]
        error = float(off.std(ddof=1) / np.sqrt(len(off)))
        label = f"b of N = {count:.0f} less b of N = {counts[0]:.0f}"
        listed.append(beside(label, 0.0, float(off.mean()), error, run))
    return listed


CLAIM = Claim(
    title="The width constant is free of N",
    statement="theorem on depth and width, (9.9)",
    claims="Coupled in the basis of harmonics, where the normals of a layer do not depend on the "
    "tokens, the coefficient of 1/m is the same for every number of tokens.",
    contradicted="coefficients of 1/m that differ between numbers of tokens by more than four "
    "standard errors",
    premise="noise alone, so that one limit SDE serves all N; kernel of degree 10 at most; "
    "differences within realizations, whose N share their noise",
    runs={
        "limits": Study(
            "limits",
            "input/limits-harmonics.yaml",
            small="-ensemble_realizations 32 -layers_depth 8,32 -mlp_width 32,128,512,inf",
            full="-ensemble_realizations 192",
        )
    },
    rows=rows,
    place=12,
    seconds=15,
)
