"""The supremum over all times has the logarithm of the theorem; that over layer times has none."""

import numpy as np

from chorale.paper.claim import CONSISTENT, UNRESOLVED, Claim, Row, Study, of_key


def misfits(run):
    """Rows of a/L, which the errors over all times refuse and those over layer times need not."""
    resolved = run.study_values["log_verdict"]
    misfit = np.asarray(run.study_data["law_misfit"])
    verdict = CONSISTENT if resolved == "resolved" else UNRESOLVED
    why = "" if resolved in ("resolved", "not resolved") else str(resolved)
    holds = "about 1 where the law holds"
    return [
        Row("all times: misfit of a/L", "a/L is refused", misfit[0, 0], verdict=verdict, why=why),
        Row("all times: misfit of (a log L + b)/L", holds, misfit[0, 2]),
        Row("all times: misfit of a (log L)/L without b", holds, misfit[0, 1]),
        Row("layer times: misfit of a/L", holds, misfit[1, 0]),
        Row("layer times: misfit of a (log L)/L", holds, misfit[1, 1]),
    ]


def rows(results):
    run = results["supremum"]
    return [
        of_key(run, "slope_depth", "slope of the error in L/log L, over all times", "at most −1"),
        of_key(run, "log_slope", "all times: a of (a log L + b)/L", "above 0"),
        of_key(run, "log_slope_layers", "layer times: a of (a log L + b)/L", "0"),
        *misfits(run),
    ]


CLAIM = Claim(
    title="The supremum over all times",
    statement="theorem on depth and width, (3.4) and (3.6)",
    claims="Over all times t in [0, T], where a transformer stands still between its layers, the "
    "squared error is C (log L)/L; the logarithm is that of the largest of L increments of a "
    "Brownian motion. Over layer times it is C/L.",
    contradicted="a slope of the error in L/log L whose interval lies above −1; a law a/L of the "
    "error over all times that is not refused, while (a log L + b)/L is",
    premise="infinite width; the limit SDE goes on between its steps as a Brownian bridge, refined "
    "until it misses at most 0.2% of the supremum; laws are compared by Hotelling's test and "
    "refused beyond four standard deviations",
    runs={
        "supremum": Study(
            "limits",
            "input/paper/limits-supremum.yaml",
            small="",
            full="-ensemble_realizations 1000 -layers_depth 8,16,32,64,128,256 "
            "-limits_reference 2048",
        )
    },
    rows=rows,
    place=12,
    seconds=15,
)
