"""The pieces of which a page's figures are made, as JSON: numbers without loss, curves, charts and
maps. tools/chorale/web draws them."""

from __future__ import annotations

import base64
import re
from typing import Any, Optional, Sequence, Union

import numpy as np

from chorale.plot.common import DATA_COLOURS, factor, positive_band
from chorale.report.page import GREEK

Piece = dict[str, Any]
Colour = Union[str, float]  # by its name in the palette, or a place from 0 to 1 among ordered ones
UNIT = 32767  # of a coordinate as an integer of 16 bits
ENDS = {"0": "₀", "1": "₁", "2": "₂", "j": "ⱼ"}


def packed(values: Any, kind: str = "<f8") -> Piece:
    """An array as text: its type, shape, and bytes in base64."""
    array = np.ascontiguousarray(values, dtype=kind)
    coded = base64.b64encode(array.tobytes()).decode()
    return {"type": kind.lstrip("<|"), "shape": list(array.shape), "bytes": coded}


def coordinates(values: np.ndarray) -> Piece:
    """Numbers from -1 to 1 to within 1/65534 of what they are."""
    return packed(np.rint(UNIT * np.clip(values, -1, 1)), "<i2")


def words(formula: str) -> str:
    """A title of a picture without its dollars: `W₂²`, `E_β`."""
    text = re.sub(r"\\bar\\lambda", "λ̄", formula)
    text = re.sub(r"\\dot ", "d/dt ", text)
    text = re.sub(r"\\(geq|leq) ?", lambda found: GREEK[found[1]] + " ", text)
    text = re.sub(r"\\([a-zA-Z]+) ?", lambda found: GREEK.get(found[1], found[1]), text)
    text = re.sub(r"_\{?([012j])\}?", lambda found: ENDS[found[1]], text)
    text = text.replace("^2", "²").replace("\\,", " ").replace("$", "")
    return re.sub(r"\s+", " ", text).replace("{", "(").replace("}", ")").strip()


def axis(label: str, scale: str = "linear") -> Piece:
    """scale: linear, log, symlog, count (log, whose ticks are the values), or wide, which is log
    where positive values fall far."""
    return {"label": words(label), "scale": scale}


def line(
    name: str,
    x: Any,
    y: Any,
    colour: Colour = "blue",
    ends: Optional[tuple[Any, Any]] = None,
    look: str = "line",
    **more: Any,
) -> Piece:
    """A curve. look: line, dashes, dots, or points; ends: low and high of its intervals; more:
    `about` it in words, `thin`, `realization` that alone has it. Those of one name are switched
    together."""
    made = {"name": words(name), "x": packed(x), "y": packed(y), "colour": colour, "look": look}
    if ends is not None and np.isfinite(ends[0]).any():
        made["low"], made["high"] = map(packed, ends)
    return {**made, **more}


def intervals(run: Any, mean: np.ndarray, sem: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of 95% intervals: of positive numbers those of their logarithms."""
    half = factor(run) * sem
    known = mean[np.isfinite(mean)]
    if len(known) and (known > 0).all():
        return positive_band(mean, half)
    return mean - half, mean + half


def shades(count: int) -> list[float]:
    """Places of ordered curves."""
    return [i / max(1, count - 1) for i in range(count)]


def apart(i: int) -> str:
    """Colours of curves without an order."""
    return DATA_COLOURS[i % len(DATA_COLOURS)]


def chart(title: str, x: Piece, y: Piece, lines: Sequence[Optional[Piece]]) -> Piece:
    """Curves over one pair of axes; None is left out."""
    found = [one for one in lines if one is not None]
    title = title[:1].upper() + title[1:]
    return {"kind": "chart", "title": words(title), "x": x, "y": y, "lines": found}


def side(label: str, values: Sequence[Any], log: bool = False) -> Piece:
    """An axis of a map: its values as one writes them, in their order."""
    return {"label": words(label), "values": [said(value) for value in values], "log": log}


def said(value: Any) -> str:
    """A value of an axis."""
    if isinstance(value, (int, float, np.number)):
        return f"{value:.6g}".replace("-", "−").replace("inf", "∞")
    return words(str(value))


def heat(
    title: str, x: Piece, y: Piece, panels: Sequence[Piece], curves: Sequence[Piece] = ()
) -> Piece:
    """Maps over one pair of axes, of which the reader chooses one; curves: what clicks show."""
    made = {"kind": "heat", "title": words(title), "x": x, "y": y}
    return {**made, "panels": list(panels), "curves": list(curves)}


def panel(name: str, label: str, values: np.ndarray, **more: Any) -> Piece:
    """One map: values[x][y]. more: `log` for its colours, `phases` {names, cells[x][y]} where a
    word stands in the place of a number, `cells` which of the map's curves a click shows."""
    return {"name": words(name), "label": words(label), "values": packed(values), **more}


def cells(x: Piece, y: Piece, at: Any, curves: Sequence[Piece]) -> Piece:
    """What clicks on cells show. `at` and the y of curves are [..], the same for all cells,
    [x][..] or [x][y][..]."""
    return {"x": x, "y": y, "at": packed(at), "curves": list(curves)}


def cell_curve(name: str, values: Any, colour: Colour = "blue", look: str = "line") -> Piece:
    """One of them."""
    return {"name": words(name), "y": packed(values), "colour": colour, "look": look}
