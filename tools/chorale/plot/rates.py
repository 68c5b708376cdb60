"""Several runs of study chaos in one picture: W2^2 times N^{2/(d-1)} against N, a curve for each
run, and the laws that were fitted. There a law N^{-2/(d-1)} is flat, and N^{-1} (log N + c), d = 3,
a straight line in log N."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io import Run
from chorale.plot import together
from chorale.plot.chaos import bound_of, intrinsic_of
from chorale.plot.common import Picture, count_axis, dress
from chorale.plot.words import interval, number, short
from chorale.plot.laws import Fit, Law, Rates, alone, exponent, power, with_term

LAWS: dict[str, Law] = {"own rate": alone, "own rate and 1/N": with_term, "any power": power}
NOTE = (
    "Slopes: of log W2² against log N, over all N and over the upper half of log N. Misfits: the "
    "mean square of what a fitted law misses, in units of what the scatter of the realizations "
    "makes it; about 1 where the law holds, and ✗ by chance in 1 to 3 of 100 runs (NUMERICS.md "
    "9.6)."
)


def label(run: Run) -> str:
    """`d = 3, twins, start vmf, κ = 10`: dimension, reference, start."""
    get, reference = run.parameters.get, run.study_values.get("reference", "")
    words = [f"d = {get('tokens_dim')}", "twins" if reference == "twin" else reference]
    if reference == "nested":
        words[1] = f"part of {run.study_values['reference_tokens']:.0f} tokens"
    if get("tokens_init", "uniform") != "uniform":
        words.append(f"start {get('tokens_init')}, κ = {number(get('tokens_kappa', '?'))}")
    return ", ".join(words)


def labels(runs: Sequence[Run]) -> list[str]:
    """By what makes rates and constants; by whatever differs where that is the same."""
    names = [label(run) for run in runs]
    return names if len(set(names)) == len(names) else together.labels(runs)


def law_of(rates: Rates) -> Law:
    """What is expected: for d = 2 a term 1/N is nothing new."""
    return with_term if rates.dim > 2 else alone


def law_words(dim: int, fit: Fit) -> str:
    """`2.1 log N + 0.9`: what N^{2/(d-1)} times W2^2 is."""
    first, last = (short(abs(value)) for value in fit.numbers[:, 0])
    sign = "−" if fit.numbers[1, 0] < 0 else "+"
    if dim == 3:
        return f"{first} log N {sign} {last}"
    return f"{first} {sign} {last} $N^{{-{Fraction(dim - 3, dim - 1)}}}$"


def draw_run(axes: Axes, rates: Rates, colour: str, name: str) -> None:
    """Values with their intervals, and the laws through them."""
    lift, own = rates.count ** exponent(rates.dim), rates.fit(law_of(rates))
    if own is not None and rates.dim > 2:
        name += f":  {law_words(rates.dim, own)}"
    look = {"fmt": "o", "color": colour, "capsize": 3, "markersize": 6, "label": name}
    half = np.nan_to_num(lift * rates.half)
    axes.errorbar(rates.count, lift * rates.mean, yerr=half, **look)
    for fit, line in ((own, "-"), (rates.fit(power), ":")):
        if fit is not None:
            axes.plot(rates.count, lift * fit.curve, line, color=colour, linewidth=1.8)


def draw_panel(axes: Axes, several: Sequence[tuple[Rates, str]]) -> None:
    """Runs of d > 3, or of d < 4, whose values have one scale."""
    for (rates, name), colour in zip(several, together.colours_of(len(several))):
        draw_run(axes, rates, colour, name)
    title = "$N\\,W_2^2$: a straight line is $N^{-1}(\\log\\,N + c)$"
    if several[0][0].dim > 3:
        title = "$N^{2/(d-1)}\\,W_2^2$: flat is the rate $N^{-2/(d-1)}$"
    count_axis(axes, np.concatenate([rates.given for rates, _ in several]), "tokens N")
    axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)


def headline(several: Sequence[Rates]) -> str:
    """Whether W2^2 falls faster than proved, and whether the law of its own dimension fits."""
    below, like = 0, 0
    for rates in several:
        values = rates.run.study_values
        below += interval(values, "slope_w2sq")[2] < float(values.get("slope_bound", np.nan))
        fit = rates.fit(law_of(rates))
        like += fit is not None and fit.holds
    many = len(several)
    share = [f"all {many}" if count == many else f"{count} of {many}" for count in (below, like)]
    return (
        f"W₂² falls faster than the paper's bound in {share[0]} runs; "
        f"the rate of dimension d − 1 fits {share[1]}"
    )


def figure(runs: Sequence[Run]) -> Picture:
    several = [Rates(run) for run in runs]
    named = list(zip(several, labels(runs)))
    panels = [[one for one in named if (one[0].dim > 3) == flat] for flat in (False, True)]
    panels = [panel for panel in panels if panel]
    whole = plt.figure(figsize=(13, 6.6 + 0.3 * max(map(len, panels))), layout="constrained")
    for axes, panel in zip(whole.subplots(1, len(panels), squeeze=False)[0], panels):
        draw_panel(axes, panel)
    shared = together.common(runs)
    ends = [f(f(rates.given) for rates in several) for f in (min, max)]
    shared.parameters["tokens_count"] = ",".join(f"{end:.0f}" for end in ends)
    about = (
        "Bars: 95% intervals. Lines: the rate of dimension d − 1 and a term 1/N; dotted: any power"
    )
    return dress(whole, shared, headline(several), about)


def table(runs: Sequence[Run]) -> tuple[list[str], list[list[Any]]]:
    """(heads, rows): what is proved, expected and measured, and how well laws fit; of every run two
    rows, the largest value over time and that at t = 0."""
    heads = ["run", "W2² at", "N from", "to", "paper's bound", "its slope", "own rate"]
    heads += ["its slope", "slope", "95% from", "to", "upper half", "95% from", "to"]
    for name in LAWS:
        heads += [f"misfit of {name}", ""]
    named = list(zip(labels(runs), runs))
    rows = [row(name, run, start) for name, run in named for start in (False, True)]
    return heads, rows


def row(name: str, run: Run, start: bool) -> list[Any]:
    """Of a run in the table."""
    rates, values = Rates(run, start), run.study_values
    found = [name, "t = 0" if start else "sup", *map(float, rates.given[[0, -1]])]
    for rate, key in ((bound_of, "slope_bound"), (intrinsic_of, "slope_intrinsic")):
        found += [plain(rate(rates.dim)), float(values.get(key, np.nan))]
    found += [*map(float, rates.slope()), *map(float, rates.slope(upper=True))]
    for law in LAWS.values():
        fit = rates.fit(law)
        found += [np.nan, ""] if fit is None else [float(fit.misfit), "✓" if fit.holds else "✗"]
    return found


def plain(formula: str) -> str:
    """`N^(−1/2) log(1+N)`"""
    return formula.replace("\\,\\", " ").replace("{", "(").replace("}", ")").replace("-", "−")
