"""What claims of propagation of chaos share."""

from chorale.paper.claim import Row, of_key
from chorale.paper.words import plain
from chorale.plot import files, rates
from chorale.plot.words import interval


def rows(results):
    """Slopes of W2² in N beside those of the paper's rate and of dimension d − 1."""
    listed = []
    for run in results.runs.values():
        values, dim = run.study_values, run.parameters["tokens_dim"]
        bound = rates.plain(rates.bound_of(int(dim)))
        theory = f"at most {plain(format(values['slope_bound'], '.2f'))}: {bound}"
        listed.append(of_key(run, "slope_w2sq", f"d = {dim}: slope of W2² in N", theory))
        own = interval(values, "slope_intrinsic")[0]
        formula = rates.plain(rates.intrinsic_of(int(dim)))
        listed.append(Row(f"d = {dim}: slope of the rate of dimension d − 1, {formula}", "", own))
    return sorted(listed, key=lambda row: not row.verdict)


def together(results):
    """All runs in one picture."""
    return files.together_of([results.path(name) for name in results])


CLAIMS = (
    "Let tokens start independently. Their empirical measure and the solution of the SPDE along "
    "the same noise have E sup_t W2² ≤ C {rate}."
)
CONTRADICTED = "a slope of log W2² in log N whose interval lies above that of the rate"
PREMISE = (
    "a smooth start (uniform) and W2² between certified ends; the rate is a bound from above, "
    "that of dimension d − 1 is expected of smooth laws, not proved"
)
