"""The mean square distance of pairs, which the energy bounds."""

import matplotlib.pyplot as plt

from chorale.paper.claim import BEYOND, Claim, Row, verdict_of
from chorale.paper.claims import _sync
from chorale.plot.common import columns, dress, time_axis
from chorale.plot.words import change
from chorale.plot.sync import draw_pairs, scalar


def rows(results):
    """The mean beside its exact value, under its bound by the theorem and under that by the energy,
    which holds token by token."""
    run = results["sync"]
    values = run.study_values
    mean, energy = columns(run, "pair_mean", "pair_energy")
    listed = []
    for key, verdict, label in (
        ("pair_off", "pair_verdict", "mean off its exact value, in standard errors"),
        (
            "pair_bound_excess",
            "pair_bound_verdict",
            "above the theorem's bound, in standard errors",
        ),
    ):
        said, why = verdict_of(values[verdict])
        listed.append(Row(label, "at most 4", scalar(run, key), verdict=said, why=why))
    label = "largest share of its bound by the energy, 4 E_β / sinh β"
    return listed + [Row(label, "at most 1", float((mean / energy).max()))]


def picture(results):
    run = results["sync"]
    whole, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    time, mean = columns(run, "time", "pair_mean")
    draw_pairs(run, axes, time)
    time_axis(axes, time)
    title = f"Mean square distance of pairs {change(mean)}"
    axes.set_title("")
    return dress(whole, run, title, "Band: 95% interval of the mean")


CLAIM = Claim(
    title="The energy bounds the distance of pairs",
    statement="(8.3), (6.8)",
    claims="∬ |x−y|² dμ dμ ≤ 4 E_β(μ) / sinh β, so by the theorem its mean falls at the rate "
    "−(ε + λ̄'(β)) at least. Under noise alone its mean is that of a one-dimensional diffusion.",
    contradicted="a mean off its exact value, or above the theorem's bound, by more than four "
    "standard errors; a distance above its bound by the energy",
    premise="Sigmoid with σ = 0.1 in d = 5, no attention, uniform start; times at which the mean "
    "is resolved",
    runs={"sync": _sync.RUN},
    rows=rows,
    picture=picture,
    kind=BEYOND,
    place=51,
    seconds=15,
)
