"""Figure 1 with ReLU."""

from chorale.paper.claim import Claim
from chorale.paper.claims import _figure1


def rows(results):
    return _figure1.rows(results, 1)


CLAIM = Claim(
    title="Figure 1: ReLU makes one cluster",
    statement="figure 1, section 7",
    claims="Without attention and bias, ReLU gathers all tokens in one cluster.",
    contradicted="a realization that has come to rest in two opposite points",
    premise="64 tokens, d = 4, m = 2048, L = 2000 and T = 20 in the figure, whose seed is one that "
    "has got there by then; to T = 250 for many realizations, since some are on their way "
    "for long; a cluster is a connected component of cosines above 0.99",
    runs=_figure1.runs("input/paper/figure1-relu.yaml"),
    rows=rows,
    place=70,
    seconds=20,
)
