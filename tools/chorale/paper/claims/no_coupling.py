"""Without a coupling nothing decays in the width."""

from chorale.paper.claim import CONSISTENT, UNRESOLVED, VIOLATED, Claim, Row, Study
from chorale.plot.words import interval


def rows(results):
    value, low, high = interval(results["limits"].study_values, "slope_width")
    verdict, why = UNRESOLVED, "its interval holds 0 and −1"
    if not low <= -1 <= high:
        verdict, why = (CONSISTENT, "") if low <= 0 <= high else (VIOLATED, "")
    return [Row("slope in m", "0: no decay", value, low, high, verdict, why)]


CLAIM = Claim(
    title="Without the coupling nothing decays in m",
    statement="theorem on depth and width: why it needs a coupling, section 3",
    claims="With weights of their own transformer and limit agree in law only, so that no width "
    "brings their paths together.",
    contradicted="a slope of the error in m whose interval does not hold 0",
    premise="weights and Brownian path are independent; slope of the whole error at the largest L",
    runs={
        "limits": Study(
            "limits",
            "input/limits.yaml",
            small="-limits_coupling none -ensemble_realizations 12 -tokens_count 32 -layers_depth "
            "8,16,32 -mlp_width 32,128,512,inf",
            full="-limits_coupling none -ensemble_realizations 48",
        )
    },
    rows=rows,
    place=14,
    seconds=8,
)
