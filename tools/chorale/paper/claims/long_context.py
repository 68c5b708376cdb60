"""Long contexts."""

import numpy as np

from chorale.paper.claim import CONSISTENT, NEIGHBOURS, VIOLATED, Claim, Row, Study
from chorale.plot import files

SCALES = (1, 2, 4)
STEPS = 4000  # of Runge and Kutta's rule


def exact(count, beta, first, time):
    """(cosine at the end by (18.3), largest weight at the start by (18.5))"""

    def slope(u):
        q = np.exp(beta * (u - 1))
        return 2 * (1 - u) * (1 + (count - 1) * u) * q / (1 + (count - 1) * q)

    u, step = first, time / STEPS
    for _ in range(STEPS):
        a = slope(u)
        b = slope(u + step / 2 * a)
        c = slope(u + step / 2 * b)
        u += step / 6 * (a + 2 * b + 2 * c + slope(u + step * c))
    return float(u), float(1 / (1 + (count - 1) * np.exp(beta * (first - 1))))


def rows(results):
    """Both beside their exact values, for every c."""
    listed = []
    for scale in SCALES:
        run = results[f"c{scale}"]
        count, first = run.parameters.integer("tokens_count"), run.parameters.real("tokens_cosine")
        horizon = run.parameters.real("layers_horizon")
        theory = exact(count, scale * np.log(count), first, horizon)
        cosine = float(run.observables["cosine_mean"].values()[-1, 0])
        largest = float(run.observables["attention_largest"].values()[0, 0])
        numbers = ((f"cosine at t = {horizon:g}", theory[0], cosine, 1e-5),)
        numbers += (("largest weight at t = 0", theory[1], largest, 1e-9),)
        for label, value, measured, close in numbers:
            verdict = CONSISTENT if abs(measured - value) <= close else VIOLATED
            listed.append(Row(f"c = {scale}: {label}", value, measured, verdict=verdict))
    return listed


def picture(results):
    return files.together_of([results.path(name) for name in results])


def study(scale):
    """Two sizes of a run."""
    words = f"-attention_beta logN:{scale}"
    small = f"{words} -tokens_count 128 -tokens_dim 128"
    return Study("simulate", "input/neighbours/long-context.yaml", small, words, ranks=1)


CLAIM = Claim(
    title="β of the order of log N is critical",
    statement="arXiv:2510.05554; (18.3) and (18.5)",
    claims="Let β = c log N, and all pairs have the cosine u. Below c = 1/(1−u) attention is "
    "spread and tokens meet as for β = 0; above, each token keeps its weight to itself and all "
    "are frozen.",
    contradicted="cosines or weights that are not those of the exact equations",
    premise="equiangular start with u = 1/2, so that c = 2 is critical; no noise; agreement to "
    "10^−5 in the cosine, whose equation is solved here, and to 10^−9 in the weight",
    runs={f"c{scale}": study(scale) for scale in SCALES},
    rows=rows,
    picture=picture,
    kind=NEIGHBOURS,
    place=70,
    seconds=6,
)
