"""Independent noise against attention."""

import numpy as np

from chorale.paper.claim import CONSISTENT, NEIGHBOURS, UNRESOLVED, VIOLATED, Claim, Row, Study
from chorale.plot import files

LEVELS = {"below": 0.3, "near": 0.4, "above": 0.5}
GROWTH = "-tokens_dim 2 -attention_beta 1 -kernel_growth 1"  # of degree 1: κ_c, (14.6)
FAR = 10  # times 1/sqrt(N), the order of uniform tokens: no chance reaches it


def rows(results):
    """The order at the end, below the transition and above it."""
    critical, listed = float(results["theory"]["growth1"][0]), []
    for name, kappa in LEVELS.items():
        run = results[name]
        order = float(run.observables["order"].values()[-1].mean())
        far = FAR / np.sqrt(run.parameters.integer("tokens_count"))
        below = kappa < critical
        verdict = CONSISTENT if (order > far) == below else UNRESOLVED if below else VIOLATED
        theory = f"above {far:.2g}: gathers" if below else f"below {far:.2g}: stays uniform"
        listed.append(Row(f"order at T = 40, κ = {kappa}", theory, order, verdict=verdict))
    return [*listed, Row("κ_c", "", critical)]


def picture(results):
    return files.together_of([results.path(name) for name in LEVELS])


def study(kappa):
    """Two sizes of a run."""
    small, full = "-tokens_count 20000 -layers_depth 400", "-tokens_count 1000000"
    words = f"-noise_independent {kappa}"
    deck = "input/neighbours/independent.yaml"
    return Study("simulate", deck, f"{words} {small}", f"{words} {full}")


CLAIM = Claim(
    title="Independent noise keeps tokens apart from a critical strength on",
    statement="arXiv:2606.05140 for usa; transition by (14.6)",
    claims="Softmax attention gathers tokens of uniform start as long as their own noise is "
    "weaker than κ_c = v I_1(β)/(β I_0(β)) in d = 2, which is 0.446 for β = v = 1, and else they "
    "stay uniform.",
    contradicted="tokens that gather above κ_c; below it growth may take longer than the run, "
    "which is then not resolved",
    premise="no common noise; ten times the order of independent uniform tokens is far from "
    "uniform",
    runs={
        **{name: study(kappa) for name, kappa in LEVELS.items()},
        "theory": Study("kernel", "", GROWTH, GROWTH, ranks=1),
    },
    rows=rows,
    picture=picture,
    kind=NEIGHBOURS,
    place=40,
    seconds=15,
)
