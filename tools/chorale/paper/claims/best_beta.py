"""The theorem on synchronization at every β of the energy."""

from chorale.paper.claim import UNRESOLVED, Claim, Row, Study, verdict_of
from chorale.paper.claims import _sync
from chorale.plot.common import columns
from chorale.plot.sync import scalar


def of_run(run, name):
    """The best guarantee, the one at attention's β, and the energies under their bounds."""
    values, best = run.study_values, scalar(run, "beta_best")
    applies = _sync.APPLIES.get(values["beta_best_theorem"], UNRESOLVED)
    excess, beta = columns(run, "beta_bound_excess", "beta")
    verdict, why = verdict_of(values["beta_bound_verdict"])
    rate = -(scalar(run, "epsilon") + scalar(run, "lambda_rate_bound"))
    own = f"{rate:.4g} at β = {beta[0]:g}".replace("-", "−")
    guaranteed = -scalar(run, "beta_best_rate")
    return [
        Row(f"{name}: largest guaranteed rate, at β = {best:g}", own, guaranteed, verdict=applies),
        Row(
            f"{name}: any energy above its bound, in standard errors",
            "at most 4",
            float(excess[excess == excess].max(initial=-float("inf"))),
            verdict=verdict,
            why=why,
        ),
    ]


def rows(results):
    return [row for name in results for row in of_run(results[name], NAMES[name])]


NAMES = {"repulsion": "v = −0.2", "attraction": "v = 1"}
ATTRACTION = "-attention_value 1 -energy_beta 1,0.1,0.2,0.4,0.6,0.8,0.9,1.2,1.5,2"
CLAIM = Claim(
    title="The energy of every β, and the best of them",
    statement="Remark 1.6",
    claims="The bound of the energy holds for E_β of every β, whatever that of attention, with its "
    "own λ̄'(β) and ε(β). One β with ε(β) + λ̄'(β) < 0 proves synchronization, also where "
    "attention's own does not.",
    contradicted="the mean of one of the energies above its bound by more than four standard "
    "errors; or no β with a negative sum",
    premise="Sigmoid with σ = 0.1 in d = 5, attention at β = 1; ε(β) by (5.7) and (5.9), λ̄'(β) "
    "from above; times at which the means are resolved",
    runs={
        "repulsion": Study(
            "sync",
            "input/paper/best-beta.yaml",
            small="-ensemble_realizations 100 -layers_depth 240 -output_every 12",
            full="-ensemble_realizations 2000",
        ),
        "attraction": Study(
            "sync",
            "input/paper/best-beta.yaml",
            small=f"{ATTRACTION} -ensemble_realizations 100 -layers_depth 240 -output_every 12",
            full=f"{ATTRACTION} -ensemble_realizations 2000",
        ),
    },
    rows=rows,
    place=52,
    seconds=20,
)
