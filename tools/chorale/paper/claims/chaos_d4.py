"""Propagation of chaos in d = 4."""

from chorale.paper.claim import Claim, Study
from chorale.paper.claims import _chaos

CLAIM = Claim(
    title="Propagation of chaos, d = 4",
    statement="theorem on propagation of chaos, (4.3)",
    claims=_chaos.CLAIMS.format(rate="N^{-1/2} log(1+N)"),
    contradicted=_chaos.CONTRADICTED,
    premise=_chaos.PREMISE,
    runs={
        "d4": Study(
            "chaos",
            "input/chaos-d4.yaml",
            small="-ensemble_realizations 6 -layers_depth 20 -output_every 10 -tokens_count "
            "32,64,128,256,512,1024,2048",
            full="-ensemble_realizations 64",
        )
    },
    rows=_chaos.rows,
    place=32,
    seconds=15,
)
