"""Metastability."""

import numpy as np

from chorale.paper.claim import CONSISTENT, NEIGHBOURS, UNRESOLVED, Claim, Row, Study, VIOLATED


def rows(results):
    """Numbers of clusters in the order in which they appear, and when the last ones do."""
    seen = results["staircase"].observables["clusters"]
    count = seen.values()[:, 0]
    steps = np.flatnonzero(np.diff(count)) + 1
    passed = [int(count[0]), *(int(count[i]) for i in steps)]
    falls = all(a > b for a, b in zip(passed, passed[1:]))
    times = [0.0, *(float(seen.time[i]) for i in steps)]
    lengths = np.diff(times)
    met = "" if passed[-1] == 1 else "not all have met yet"
    verdict = VIOLATED if not falls else UNRESOLVED if met else CONSISTENT
    listed = [
        Row(
            "clusters",
            "one after the other to 1",
            ", ".join(map(str, passed)),
            verdict=verdict,
            why=met,
        )
    ]
    words = ", ".join(f"{length:.3g}" for length in lengths)
    listed.append(Row("lengths of the plateaus before the last", "", words))
    return listed


CLAIM = Claim(
    title="The staircase of the energy",
    statement="arXiv:2410.06833; section 16",
    claims="Without noise tokens meet one after the other; the energy falls in a staircase, flat "
    "between two meetings.",
    contradicted="a number of clusters that grows",
    premise="one start of five tokens on the circle at β = 4, chosen because all tokens meet "
    "within the run; other starts stay longer on some steps, which is then not resolved",
    runs={"staircase": Study("simulate", "input/neighbours/staircase.yaml", ranks=1)},
    rows=rows,
    kind=NEIGHBOURS,
    place=80,
    seconds=3,
)
