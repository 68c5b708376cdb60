"""Several runs of one study: a curve of each, which the legend switches."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot import together
from chorale.plot.overlay import Quantity, quantities
from chorale.view.data import Colour, Piece, apart, axis, chart, line, shades
from chorale.view.motion import ENDS

SCALES = {"log": "log", "wide": "wide", "unit": "linear", "free": "linear"}


def colours(count: int) -> Sequence[Colour]:
    """Apart where they are few, else in order."""
    return list(map(apart, range(count))) if count <= 3 else shades(count)


def family(runs: Sequence[Run], names: Sequence[str], quantity: Quantity) -> Piece:
    """One quantity of all runs that have it."""
    lines = []
    for run, name, colour in zip(runs, names, colours(len(runs))):
        try:
            found = quantity.curve(run)
        except BadFile:
            continue
        mean = np.asarray(found.mean, dtype=float)
        if np.isfinite(mean).any():
            lines.append(line(name, found.x, mean, colour, (found.low, found.high)))
    across = axis(quantity.across, "count" if quantity.counts else "linear")
    made = chart(quantity.title, across, axis("", SCALES[quantity.scale]), lines)
    ends = ENDS["order"] if quantity.scale == "unit" else {}
    return {**made, **ends, "named": True}


def of_runs(runs: Sequence[Run]) -> list[Piece]:
    """In the order of what differs."""
    runs = together.ordered(runs)
    names = [name.replace("\n", " ") for name in together.labels(runs)]
    shared: dict[str, Quantity] = {}
    for run in runs:
        shared.update(quantities(run))
    found = [family(runs, names, quantity) for quantity in shared.values()]
    return [one for one in found if one["lines"]]
