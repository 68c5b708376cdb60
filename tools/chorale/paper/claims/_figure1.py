"""What claims of figure 1 share."""

import numpy as np

from chorale.paper.claim import CONSISTENT, UNRESOLVED, VIOLATED, Row, Study

CLOSE = 0.999  # of the nematic order: all tokens lie on one line
LATE = "-layers_horizon 250 -layers_depth 2500 -output_trajectories 0 -output_every 100"


def runs(deck):
    """The figure as it is in the paper, and many realizations until they have got there."""
    return {
        "figure": Study("simulate", deck),
        "late": Study(
            "simulate",
            deck,
            small=f"{LATE} -mlp_width 256 -ensemble_realizations 16",
            full=f"{LATE} -ensemble_realizations 400",
        ),
    }


def last(run, name):
    """An observable of all realizations at the last frame."""
    return run.observables[name].values()[-1]


def rows(results, expected):
    """How many realizations end in so many clusters."""
    late, figure = results["late"], results["figure"]
    clusters, there = last(late, "clusters"), last(late, "nematic") > CLOSE
    right, wrong = int((there & (clusters == expected)).sum()), int(
        (there & (clusters != expected)).sum()
    )
    count, horizon = len(clusters), late.parameters.real("layers_horizon")
    verdict, why = CONSISTENT, ""
    if wrong:
        verdict, why = VIOLATED, f"{wrong} end in another number"
    elif right < count:
        verdict, why = UNRESOLVED, f"{count - right} are on their way"
    label = (
        f"realizations of {count} with {expected} cluster{'s' * (expected > 1)} at T = {horizon:g}"
    )
    seed, early = figure.parameters["ensemble_seed"], figure.parameters.real("layers_horizon")
    return [
        Row(label, count, right, verdict=verdict, why=why),
        Row(
            f"clusters of the figure, seed {seed}, at T = {early:g}",
            expected,
            float(last(figure, "clusters")[0]),
        ),
        Row("its order |mean token|", "", float(last(figure, "order")[0])),
        Row(
            "median of the nematic order of all realizations",
            1,
            float(np.median(last(late, "nematic"))),
        ),
    ]
