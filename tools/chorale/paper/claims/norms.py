"""Where the norm stands."""

import numpy as np

from chorale.paper.claim import CONSISTENT, NEIGHBOURS, VIOLATED, Claim, Row, Study
from chorale.plot import files

DECK = "input/neighbours/norms.yaml"
# Name: options, the clock in which the logarithm of the variance is straight, and its slope.
KINDS = {
    "pre": ("-layers_horizon 10000", "log(1+t)", -2),
    "peri": ("-scheme_norm peri -layers_horizon 10000", "log(1+t)", -2),
    "post": ("-scheme_norm post -layers_horizon 14 -output_radius no", "t", -2),
    "ngpt": ("-scheme_norm ngpt -layers_horizon 10 -output_radius no", "t", -2),
    "depth": ("-scheme_norm depth -layers_horizon 100 -output_radius no", "√(1+t)", -4),
}
CLOCKS = {"log(1+t)": np.log1p, "t": lambda t: t, "√(1+t)": lambda t: np.sqrt(1 + t)}
CLOSE = 0.01
LATE = 0.25  # share of the clock's span, at its end
LEAST = 1e-11  # below that the energy is rounding


def rows(results):
    """Slopes of the log energy, which is that of the variance, over the late times."""
    listed = []
    for name, (_, clock, exact) in KINDS.items():
        seen = results[name].observables["energy"]
        energy, time = seen.values()[:, 0], seen.time
        known = (time > 0) & (energy > LEAST)
        clocked = CLOCKS[clock](time[known])
        late = clocked > clocked[-1] - LATE * (clocked[-1] - clocked[0])
        slope = float(np.polyfit(clocked[late], np.log(energy[known][late]), 1)[0])
        off = abs(slope / exact - 1)
        verdict, why = (CONSISTENT, "") if off <= CLOSE else (VIOLATED, f"{100 * off:.1f}% off")
        label = f"{name}: slope of the log variance in {clock}"
        listed.append(Row(label, float(exact), slope, verdict=verdict, why=why))
    return listed


def picture(results):
    return files.together_of([results.path(name) for name in results])


CLAIM = Claim(
    title="Where the norm stands decides how fast tokens meet",
    statement="arXiv:2510.22026; (13.5)",
    claims="Under attention alone the variance of tokens falls exponentially for post and ngpt, "
    "like e^{−4√(1+t)} for depth, and like t^{−2} for pre and peri.",
    contradicted="a slope of the log variance at late times more than 1% from it",
    premise="no noise, β = v = 1, one start; the last quarter of the time, in its clock, chosen "
    "after a look at the last half: the slope is that of late times, and nears its limit "
    "slowly",
    runs={
        name: Study("simulate", DECK, f"{words} -tokens_count 128", words, ranks=1)
        for name, (words, *_) in KINDS.items()
    },
    rows=rows,
    picture=picture,
    kind=NEIGHBOURS,
    place=30,
    seconds=10,
)
