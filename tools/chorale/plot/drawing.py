"""A picture of results as a figure, and a panel of it alone in the size of a paper's column."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
from typing import Any, Iterator, Optional, Sequence, Union

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chorale.command import in_notebook
from chorale.errors import BadFile, Refused
from chorale.inputs import read_text
from chorale.io import Run, Table
from chorale.plot import files, panels, together
from chorale.plot.common import DATA_COLOURS, LOOK, set_minus
from chorale.plot.common import style as large

WIDTH = "3.4in"  # of a column
DPI = 300
UNITS = {"in": 1, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
SHAPE = 0.74  # height over width, where a style file says no figure.figsize
DRAWN = {"lines.linewidth": 2.6, "lines.markersize": 6}  # in the large pictures
# Of a panel alone; a style file may say otherwise.
SMALL = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 6.5,
    "legend.title_fontsize": 6.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.2,
    "patch.linewidth": 0.6,
    "lines.markersize": 3,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.0,
    "legend.labelspacing": 0.3,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
    "svg.fonttype": "path",
}


def inches(text: str) -> float:
    """`3.4in`, `86mm`, `8.6cm`, `246pt` or a number of inches."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(in|cm|mm|pt)?", text.strip())
    value = float(found[1]) * UNITS[found[2] or "in"] if found else 0
    if not 0.5 <= value <= 40:
        raise Refused(f"--width {text}: must be a length from 0.5in to 40in, in in, cm, mm or pt")
    return value


def style_of(path: Optional[str]) -> dict[str, Any]:
    """matplotlib's settings of a style file, or of a style that matplotlib has by this name."""
    if path is None:
        return {}
    if path in plt.style.library:
        return dict(plt.style.library[path])
    try:
        text = read_text(path)
    except BadFile as error:
        raise Refused(f"--style {path}: {error.reason}") from error
    with tempfile.TemporaryDirectory() as folder, heard("matplotlib") as said:
        copy = os.path.join(folder, "style")  # without a byte order mark
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text)
        found = dict(matplotlib.rc_params_from_file(copy, use_default_template=False))
    if said:
        words = said[0].strip().splitlines()[0].replace(f" in file {copy!r}", "")
        raise Refused(f"--style {path}: {words.replace(f' in file {copy}', '')}")
    return found


@contextlib.contextmanager
def heard(name: str) -> Iterator[list[str]]:
    """What a logger says meanwhile, which is not printed."""
    said: list[str] = []
    handler, logger = logging.Handler(), logging.getLogger(name)
    handler.emit = lambda record: said.append(record.getMessage())
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def settings(theme: str, styled: dict[str, Any], small: bool) -> Iterator[None]:
    """Colours and sizes of a picture: a style file has the last word, also on the colours of
    data."""
    LOOK.use(theme)
    cycle = styled["axes.prop_cycle"].by_key() if "axes.prop_cycle" in styled else {}
    for name, colour in zip(DATA_COLOURS, cycle.get("color", ())):
        setattr(LOOK, name, colour)
    try:
        with matplotlib.rc_context({**large(), **(SMALL if small else {}), **styled}):
            yield
    finally:
        LOOK.use("light")


def fit(axes: Axes) -> None:
    """Lines, markers and texts of a panel in the sizes of the settings."""
    rc = matplotlib.rcParams
    thin, little = (rc[key] / size for key, size in DRAWN.items())
    legend = axes.get_legend()
    artists = [*axes.findobj(Line2D), *(legend.findobj(Line2D) if legend else ())]
    grid = [*axes.get_xgridlines(), *axes.get_ygridlines()]
    ticks = [*axes.xaxis.get_ticklines(minor=True), *axes.yaxis.get_ticklines(minor=True)]
    ticks += [*axes.xaxis.get_ticklines(), *axes.yaxis.get_ticklines()]
    for line in dict.fromkeys(artists):
        if line not in grid and line not in ticks:
            line.set_linewidth(line.get_linewidth() * thin)
            line.set_markersize(line.get_markersize() * little)
    for drawn in axes.findobj(Collection):
        drawn.set_linewidths([width * thin for width in drawn.get_linewidths()])
    for text in axes.texts:
        text.set_fontsize(rc["legend.fontsize"])
    if legend:
        for text in legend.get_texts():
            text.set_fontsize(rc["legend.fontsize"])
        legend.get_title().set_fontsize(rc["legend.fontsize"])


def figure_of(width: str) -> tuple[Figure, Axes]:
    """Of this width; its height is that of the style's shape."""
    wide, shape = inches(width), SHAPE
    given = tuple(matplotlib.rcParams["figure.figsize"])
    if given != tuple(matplotlib.rcParamsDefault["figure.figsize"]):
        shape = given[1] / given[0]
    return plt.subplots(figsize=(wide, shape * wide), layout="constrained")


def finish(axes: Axes, label: str) -> None:
    """A panel that stands alone: no title, its vertical axis named."""
    axes.set_title("")
    if label and not axes.get_ylabel():
        axes.set_ylabel(label)
    for one in axes.figure.axes:  # those of colours and of twins, too
        fit(one)
    set_minus(axes.figure)


def alone(run: Union[Run, Table], name: str, width: str) -> Figure:
    """A panel of one run."""
    panel = panels.panel_of(run, name)
    whole, axes = figure_of(width)
    panel.draw(axes)
    finish(axes, panel.label)
    return whole


def several(runs: Sequence[Run], name: str, width: str) -> Figure:
    """A quantity of several runs over each other."""
    whole, axes = figure_of(width)
    finish(axes, together.draw_alone(axes, runs, name))
    return whole


def drawn(
    run: Union[Run, Table],
    panel: Optional[str] = None,
    theme: str = "light",
    width: str = WIDTH,
    style: Optional[str] = None,
) -> Figure:
    """The picture of results, or one of its panels."""
    if theme not in ("light", "dark"):
        raise Refused(f"theme = {theme}: must be light or dark")
    with settings(theme, style_of(style), panel is not None):
        if panel is not None:
            made = alone(run, panel, width)
        else:
            made = files.module_of(run).figure(run.path if run.kind == "table" else run).figure
        made.canvas.draw()  # with these settings
    if in_notebook():
        plt.close(made)  # or it would be shown twice, here and at the end of the cell
    return made
