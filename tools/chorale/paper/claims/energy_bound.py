"""The theorem on synchronization by noise."""

from chorale.paper.claim import CONSISTENT, UNRESOLVED, Claim, Row, Study, of_key, verdict_of
from chorale.paper.claims import _sync
from chorale.plot.sync import guaranteed, scalar


def of_run(run, name):
    """Whether the theorem applies, the bound, and the rate."""
    values = run.study_values
    applies = _sync.APPLIES.get(values["theorem"], UNRESOLVED)
    sums = scalar(run, "lambda_rate_bound") + scalar(run, "epsilon")
    if applies != CONSISTENT:
        return [Row(f"{name}: λ̄'(β) + ε", "below 0", sums, verdict=applies)]
    rate = of_key(run, "decay", f"{name}: rate of decay", f"at least {guaranteed(run):.4g}")
    excess, (verdict, why) = scalar(run, "bound_excess"), verdict_of(values.get("bound_verdict"))
    label = f"{name}: energy above its bound, in standard errors"
    bound = Row(label, "at most 4", excess, verdict=verdict, why=why)
    return [rate, bound, Row(f"{name}: λ̄'(β) + ε", "below 0", sums)]


def rows(results):
    return [row for name in results for row in of_run(results[name], NAMES[name])]


NAMES = {"sync": "noise alone", "repulsion": "v = −0.1"}
CLAIM = Claim(
    title="The energy falls at the theorem's rate",
    statement="theorem on synchronization by noise, (5.2)",
    claims="Where λ̄ < 0 and attention alone makes the energy grow at a rate of at most ε, "
    "E[E_β(μ_t)] ≤ e^{(ε + λ̄'(β)) t} E[E_β(μ_0)].",
    contradicted="a mean energy above the bound, or a fitted rate below −(ε + λ̄'), by more than "
    "four standard errors",
    premise="Sigmoid with σ = 0.1 in d = 5, where λ̄ < 0; ε and λ̄' bounded from above, (5.6) to "
    "(5.8); times at which the mean is resolved",
    runs={
        "sync": _sync.RUN,
        "repulsion": Study(
            "sync",
            "input/sync.yaml",
            small="-attention_type softmax -attention_value -0.1 -sync_twins 0 "
            "-ensemble_realizations 150 -layers_depth 200 -output_every 5",
            full="-attention_type softmax -attention_value -0.1 -sync_twins 0 "
            "-ensemble_realizations 2000 -layers_depth 800 -output_every 20",
        ),
    },
    rows=rows,
    place=50,
    seconds=30,
)
