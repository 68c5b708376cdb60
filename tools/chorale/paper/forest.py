"""The picture of a claim that is a list of numbers: each with its interval beside its theory."""

from __future__ import annotations

from typing import Sequence

import matplotlib.pyplot as plt
import numpy as np

from chorale.paper.claim import CONSISTENT, Row
from chorale.plot.common import LOOK, Picture, dress
from chorale.plot.shown import Shown


def picture(rows: Sequence[Row], run: Shown, label: str) -> Picture:
    """Of rows whose theory is a number; their distance from it, as `label` on the axis."""
    rows = [row for row in rows if not isinstance(row.theory, str)]
    size = (12, 1.6 + 0.6 * len(rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    place = np.arange(len(rows))[::-1]
    off = np.array([row.measured - row.theory for row in rows])
    ends = [np.array([getattr(row, end) - row.theory for row in rows]) for end in ("low", "high")]
    axes.axvline(0, color=LOOK.orange, linewidth=1.6)
    axes.hlines(place, *ends, color=LOOK.blue, linewidth=2)
    axes.plot(off, place, "o", color=LOOK.blue, markersize=8)
    axes.set_yticks(place, [row.label for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)
    agree = sum(row.verdict == CONSISTENT for row in rows)
    return dress(figure, run, f"{agree} of {len(rows)} agree with theory", "Bars: 95% intervals")
