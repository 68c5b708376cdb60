"""Two tokens under random values."""

import numpy as np

from chorale.paper.claim import NEIGHBOURS, Claim, Study, beside

BETAS = {"beta05": 0.5, "beta15": 1.5, "beta35": 3.5}
WORDS = (
    "-tokens_count 2 -tokens_dim 5 -attention_beta {beta} -ensemble_realizations {count} "
    "-layers_horizon 60 -layers_depth 1200 -output_every 1200"
)
ENDS = "-tokens_dim 5 -attention_beta 0.5,1.5,3.5"


def rows(results):
    """The mean cosine at the end beside 1 - 2p."""
    table, listed = results["ends"], []
    for name, beta in BETAS.items():
        run = results[name]
        cosine = run.observables["cosine_mean"].values()[-1]
        share = float(table["opposite"][np.abs(table["beta"] - beta).argmin()])
        error = float(cosine.std(ddof=1) / np.sqrt(len(cosine)))
        label = f"mean cosine at T = 60, β = {beta}"
        listed.append(beside(label, 1 - 2 * share, float(cosine.mean()), error, run))
    return listed[1:] + listed[:1]


def study(beta):
    """Two sizes of a run."""
    small, full = (WORDS.format(beta=beta, count=count) for count in (800, 20000))
    return Study("simulate", "input/neighbours/values.yaml", small, full, ranks=1)


CLAIM = Claim(
    title="Two tokens under random values meet, or end at opposite points",
    statement="arXiv:2601.21942; shares by (12.9), derived here",
    claims="Under random values at barycentres two tokens of uniform start end at opposite points "
    "with a probability p, which is positive if and only if cosh 2β > d − 2, and else meet.",
    contradicted="a mean cosine at the end more than four standard errors from 1 − 2p",
    premise="d = 5; T = 60 stands for the end, L = 1200 for the limit of many layers",
    runs={
        "ends": Study("kernel", "input/neighbours/values-ends.yaml", ENDS, ENDS, ranks=1),
        **{name: study(beta) for name, beta in BETAS.items()},
    },
    rows=rows,
    kind=NEIGHBOURS,
    place=20,
    seconds=20,
)
