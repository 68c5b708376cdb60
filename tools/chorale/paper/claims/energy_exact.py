"""The energy under noise alone."""

from chorale.paper.claim import Claim, Row, verdict_of
from chorale.paper.claims import _sync
from chorale.plot.common import columns, factor
from chorale.plot.sync import scalar


def rows(results):
    """At the time at which it is furthest off, and at some others."""
    run = results["sync"]
    time, mean, sem, exact = columns(run, "time", "energy_mean", "energy_sem", "energy_exact")
    until, worst = scalar(run, "energy_resolved"), scalar(run, "energy_off_time")
    verdict = verdict_of(run.study_values["energy_verdict"])
    half, listed = factor(run), []
    resolved = [i for i in range(len(time)) if time[i] <= until]
    chosen = {int(abs(time - worst).argmin()), *resolved[:: max(1, len(resolved) // 4)]}
    for i in sorted(chosen, key=lambda i: abs(time[i] - worst)):
        first = not listed
        label = f"E_β at t = {time[i]:.3g}" + (" (the furthest off)" if first else "")
        ends = float(mean[i] - half * sem[i]), float(mean[i] + half * sem[i])
        listed.append(
            Row(label, float(exact[i]), float(mean[i]), *ends, *(verdict if first else ("", "")))
        )
    listed.append(Row("resolved until t =", "", until))
    return listed


CLAIM = Claim(
    title="The energy under noise alone is known exactly",
    statement="diffusion of two tokens, (6.3)",
    claims="Without attention the cosine of two tokens is a diffusion on [−1, 1], whose law gives "
    "the mean energy of any number of tokens at any time.",
    contradicted="a mean energy more than four standard errors from its exact value, at a time "
    "that is resolved, that the step does not explain",
    premise="uniform start; times at which the standard error is at most a tenth of the mean",
    runs={"sync": _sync.RUN},
    rows=rows,
    place=52,
    seconds=1,
)
