"""Propagation of chaos in d = 5 and 6."""

from chorale.paper.claim import Claim, Study
from chorale.paper.claims import _chaos

SMALL = (
    "-ensemble_realizations 6 -layers_depth 10 -output_every 5 -tokens_count "
    "32,64,128,256,512,1024,2048"
)
CLAIM = Claim(
    title="Propagation of chaos, d > 4",
    statement="theorem on propagation of chaos, (4.3)",
    claims=_chaos.CLAIMS.format(rate="N^{-2/d}"),
    contradicted=_chaos.CONTRADICTED,
    premise=_chaos.PREMISE,
    runs={
        "d5": Study(
            "chaos",
            "input/chaos-d6.yaml",
            small=f"-tokens_dim 5 {SMALL}",
            full="-tokens_dim 5 -ensemble_realizations 64",
        ),
        "d6": Study("chaos", "input/chaos-d6.yaml", small=SMALL, full="-ensemble_realizations 64"),
    },
    rows=_chaos.rows,
    picture=_chaos.together,
    place=34,
    seconds=25,
)
