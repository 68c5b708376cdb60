"""The theorem on depth and width."""

from chorale.paper.claim import Claim, Study, of_key


def rows(results):
    run = results["limits"]
    return [
        of_key(run, "slope_depth", "slope in L", "at most −1"),
        of_key(run, "slope_width", "slope in m", "at most −1"),
    ]


CLAIM = Claim(
    title="Depth and width",
    statement="theorem on depth and width, (3.4)",
    claims="There is a coupling of a transformer of depth L and width m and its limit SDE whose "
    "mean squared error, the largest over layer times, is at most C (1/L + 1/m).",
    contradicted="a slope of the error in L or in m whose interval lies above −1, over a range "
    "that is long enough",
    premise="widths are coupled at the tokens, (3.5); both on one Brownian path; slopes in "
    "log-log by least squares, of the error at m = ∞ in L, and of what width adds at the largest "
    "L in m",
    runs={
        "limits": Study(
            "limits",
            "input/limits.yaml",
            small="-ensemble_realizations 16 -tokens_count 32 -layers_depth 8,16,32,64 -mlp_width "
            "32,64,128,256,512,inf",
            full="-ensemble_realizations 192",
        )
    },
    rows=rows,
    place=10,
    seconds=15,
)
