"""Causal attention."""

from chorale.paper.claim import CONSISTENT, NEIGHBOURS, UNRESOLVED, VIOLATED, Claim, Row, Study

GATHERED = 0.99  # of the mean cosine to the first token


def rows(results):
    """The mean cosine to the first token at the end, and who has come first at an eighth of
    the time."""
    run = results["causal"]
    first, tenths = run.observables["cosine_first"], run.observables["cosine_position"]
    end = float(first.values()[-1].mean())
    early = tenths.values()[len(tenths) // 8].mean(axis=0)
    ordered = CONSISTENT if early[0] > early[-1] else VIOLATED
    time = tenths.time[len(tenths) // 8]
    verdict, why = (CONSISTENT, "") if end > GATHERED else (UNRESOLVED, "not all are there yet")
    return [
        Row(
            f"mean cosine to the first token at t = {first.time[-1]:g}",
            1.0,
            end,
            verdict=verdict,
            why=why,
        ),
        Row(
            f"the same of the first tenth at t = {time:g}",
            "above the last",
            float(early[0]),
            verdict=ordered,
        ),
        Row("the same of the last tenth", "", float(early[-1])),
    ]


CLAIM = Claim(
    title="Under a causal mask all tokens go to the first",
    statement="arXiv:2411.04990; section 11",
    claims="With V = I and no noise the first token stays and all others come to it, the early "
    "ones first.",
    contradicted="tokens that gather elsewhere, or the late ones first",
    premise="one uniform start in d = 3, β = 1; a mean cosine above 0.99 stands for the limit",
    runs={
        "causal": Study(
            "simulate",
            "input/neighbours/causal.yaml",
            "-tokens_count 4000 -layers_depth 160 -layers_horizon 40 -output_every 5",
            "",
        )
    },
    rows=rows,
    kind=NEIGHBOURS,
    place=10,
    seconds=8,
)
