"""Figure 1 with Tanh."""

from chorale.paper.claim import Claim
from chorale.paper.claims import _figure1


def rows(results):
    return _figure1.rows(results, 2)


CLAIM = Claim(
    title="Figure 1: Tanh makes two opposite clusters",
    statement="figure 1, section 7",
    claims="Without attention and bias, Tanh, which is odd, gathers the tokens in two opposite "
    "clusters.",
    contradicted="a realization of uniform start that has come to rest in one point",
    premise="as for ReLU: 64 tokens, d = 4, m = 2048, L = 2000 and T = 20 in the figure, to T = "
    "250 for many realizations",
    runs=_figure1.runs("input/paper/figure1-tanh.yaml"),
    rows=rows,
    place=71,
    seconds=20,
)
