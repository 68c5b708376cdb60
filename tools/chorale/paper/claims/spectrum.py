"""The Lyapunov spectrum of the noise."""

from chorale.paper.claim import NEIGHBOURS, Claim, Row, Study, verdict_of
from chorale.plot.common import columns, factor


def rows(results):
    """All exponents and two moments beside theory; the verdict is that of all exponents."""
    run = results["spectrum"]
    half, listed = factor(run), []
    verdict = verdict_of(run.study_values["spectrum_verdict"])
    names = ("spectrum", "spectrum_sem", "spectrum_exact")
    for j, (value, error, exact) in enumerate(zip(*columns(run, *names)), 1):
        ends = float(value - half * error), float(value + half * error)
        said = verdict if j == 1 else ("", "")
        listed.append(Row(f"λ_{j}", float(exact), float(value), *ends, *said))
    names = ("moment_p", "moment", "moment_sem", "moment_exact")
    for power, value, error, exact in zip(*columns(run, *names)):
        ends = float(value - half * error), float(value + half * error)
        listed.append(Row(f"Λ({power:g})", float(exact), float(value), *ends))
    return listed


CLAIM = Claim(
    title="The whole Lyapunov spectrum of the noise",
    statement="(15.2) and (15.3)",
    claims="The flow of the noise alone has the exponents λ_j = λ1 − (j−1) k'(1), j = 1 .. d−1, "
    "and E|v_t|^p grows at the rate Λ(p) = pλ1 + p²(k(1)+k'(1))/2.",
    contradicted="an exponent more than four standard errors from it that the step does not "
    "explain",
    premise="no attention; Tanh with σ = 0.1, d = 5; the verdict is on all exponents together",
    runs={
        "spectrum": Study(
            "sync",
            "input/neighbours/spectrum.yaml",
            "-ensemble_realizations 300 -tokens_count 48",
            "-ensemble_realizations 20000",
        )
    },
    rows=rows,
    kind=NEIGHBOURS,
    place=50,
    seconds=6,
)
