"""The limits in N, L and m commute."""

import numpy as np

from chorale.paper.claim import CONSISTENT, UNRESOLVED, VIOLATED, Claim, Row, Study
from chorale.plot.common import columns, factor

AXES = ("N", "L", "m")


def rows(results):
    """The error at the far corner, and how much of it each number alone leaves."""
    run = results["limits"]
    *grid, error, sem = columns(run, "tokens", "depth", "width", "error", "sem")
    grid = [np.unique(axis, return_inverse=True)[1] for axis in grid]
    last = [axis.max() for axis in grid]

    def at(*place):
        i = np.flatnonzero(np.all([axis == one for axis, one in zip(grid, place)], axis=0))[0]
        return float(error[i]), float(sem[i])

    corner, spread = at(*last)
    half = factor(run)
    label = "squared error with the most N, L and m"
    listed = [Row(label, "to 0", corner, corner - half * spread, corner + half * spread)]
    for k, name in enumerate(AXES):
        place = list(last)
        place[k] = 0
        alone, its = at(*place)
        off = (alone - corner) / np.hypot(its, spread)
        verdict = CONSISTENT if off > 4 else UNRESOLVED if off > -4 else VIOLATED
        why = "" if off > 4 else f"{off:.1f} s.e. apart"
        ends = alone, alone - half * its, alone + half * its
        listed.append(Row(f"with the least {name}", f"above {corner:.2g}", *ends, verdict, why))
    return listed


CLAIM = Claim(
    title="The limits commute",
    statement="corollary on the order of limits, section 4",
    claims="Tokens, depth and width may go to infinity in any order: together they take the error "
    "to 0, and each alone leaves one that the others cannot take away.",
    contradicted="an error that does not fall when N, L or m grows, the other two at their largest",
    premise="one limit SDE, that of the most tokens, stands for the limit in N",
    runs={
        "limits": Study(
            "limits",
            "input/limits-commuting.yaml",
            small="-ensemble_realizations 16 -layers_depth 4,16,64 -mlp_width 16,256,inf",
            full="-ensemble_realizations 192",
        )
    },
    rows=rows,
    place=20,
    seconds=15,
)
