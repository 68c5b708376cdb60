"""Weights W that are not Gaussian."""

import matplotlib.pyplot as plt

from chorale.paper.claim import Claim, Study, beside
from chorale.plot.common import LOOK, bars, columns, dress, found

COLUMNS = ("time", "energy_mean", "energy_sem", "energy_exact")
LAWS = ("rademacher", "uniform", "laplace", "gaussian")


def rows(results):
    """The exponent by twins, and the energy at the end, of every law."""
    listed = []
    for law in LAWS:
        run = results[law]
        values = run.study_values
        keys = (float(values[key]) for key in ("lambda1_exact", "lambda1", "lambda1_sem"))
        listed.append(beside(f"λ1, W {law}", *keys, run))
    for law in LAWS:
        run = results[law]
        time, mean, sem, exact = (float(column[-1]) for column in columns(run, *COLUMNS))
        listed.append(beside(f"energy at t = {time:g}, W {law}", exact, mean, sem, run))
    return listed


def picture(results):
    """Energy over its exact value."""
    figure, axes = plt.subplots(figsize=(11, 6.5), layout="constrained")
    colours = (LOOK.blue, LOOK.orange, LOOK.green, LOOK.purple)
    for i, (law, colour) in enumerate(zip(LAWS, colours)):
        time, mean, sem, exact = columns(results[law], *COLUMNS)
        shift = 0.012 * (i - 1.5) * time[-1]
        look = {"fmt": "o", "markersize": 6, "color": colour, "capsize": 3}
        half = bars(results[law], sem / exact)
        axes.errorbar(time + shift, mean / exact, half, label=law, **look)
    axes.axhline(1, color=LOOK.soft, linewidth=1.5)
    axes.set_xlabel("time t (laws side by side)")
    axes.set_ylabel("mean energy over its exact value")
    axes.legend(title="law of W", ncols=4)
    worst = max(off(results[law]) for law in LAWS)
    found(axes, f"λ1 of the twins is within {100 * worst:.1f}% of its exact value for all laws")
    apart = max(
        abs(mean / exact - 1).max()
        for _, mean, _, exact in (columns(results[law], *COLUMNS) for law in LAWS)
    )
    within = f"within {100 * apart:.1f}% of its exact value"
    headline = f"Thin layers: the mean energy is {within} for every law of W"
    about = (
        "Bars: 95% intervals; all laws share U, and but for gaussian W is made of the same "
        "uniforms, so that these deviate alike"
    )
    return dress(figure, results[LAWS[0]], headline, about)


def off(run):
    """Relative difference of λ1 from its exact value."""
    values = run.study_values
    return abs(float(values["lambda1"]) / float(values["lambda1_exact"]) - 1)


CLAIM = Claim(
    title="Weights of any law",
    statement="light-tailed weights, (2.10)",
    claims="For entries of W of mean 0 and variance 1 with light tails, U and the biases Gaussian, "
    "the covariance of a layer is k(u) at every width, and the limit in depth is the same SDE.",
    contradicted="an exponent or a mean energy more than four standard errors from the exact "
    "value of the limit",
    premise="m = 4 hidden units, so that fourth cumulants (2.11) differ between the laws by more "
    "than the square of the variance; steps of 1/20; noise alone. No coupling of finite widths "
    "is known for them, so no rate in m is measured",
    runs={
        law: Study(
            "sync",
            "input/paper/weights.yaml",
            small=f"-mlp_weights {law} -ensemble_realizations 400",
            full=f"-mlp_weights {law} -ensemble_realizations 6000",
            ranks=1,
        )
        for law in LAWS
    },
    rows=rows,
    picture=picture,
    place=15,
    seconds=15,
)
