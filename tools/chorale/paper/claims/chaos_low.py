"""Propagation of chaos in d = 2 and 3."""

from chorale.paper.claim import Claim, Study
from chorale.paper.claims import _chaos

CLAIM = Claim(
    title="Propagation of chaos, d < 4",
    statement="theorem on propagation of chaos, (4.3)",
    claims=_chaos.CLAIMS.format(rate="N^{-1/2}"),
    contradicted=_chaos.CONTRADICTED,
    premise=_chaos.PREMISE,
    runs={
        "d3": Study(
            "chaos",
            "input/chaos-sphere.yaml",
            small="-ensemble_realizations 8 -tokens_count 32,64,128,256,512,1024,2048,4096",
            full="-ensemble_realizations 64",
        ),
        "d2": Study(
            "chaos",
            "input/chaos-circle.yaml",
            small="-ensemble_realizations 24 -tokens_count 256,512,1024,2048,4096",
            full="",
        ),
    },
    rows=_chaos.rows,
    picture=_chaos.together,
    place=30,
    seconds=20,
)
