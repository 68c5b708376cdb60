"""What the pictures of all studies share: themes and palette, type sizes, headline and caption,
findings, statistics over realizations."""

from __future__ import annotations

import textwrap
from collections import namedtuple
from typing import Any, Iterator, Optional

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text

from chorale.errors import BadFile
from chorale.io import Observable, Run
from chorale.plot.shown import Shown
from chorale.plot.words import incomplete, parameters_line, with_minus, wrapped

DPI = 150
FADED_TRACES = 40  # single realizations drawn behind the mean
SLAB = 1 << 22  # numbers of a dataset that are read at once


# A figure, what it finds in one line, and what its panels find (their titles); complete is False of
# a run that goes on or was stopped.
Picture = namedtuple("Picture", "figure headline findings complete")
FINDING = "finding"  # group of the titles that say what is found, not what is drawn


class Look:
    """Colours by what they are for; those of data are Okabe and Ito's, distinct for all kinds of
    colour vision, on both papers."""

    def use(self, theme: str) -> None:
        self.__dict__.update(THEMES[theme])

    def sequence(self, count: int) -> np.ndarray:
        """Colours of ordered curves."""
        return self.ordered(np.linspace(0, 1, count))


def _part(name: str, low: float, high: float) -> ListedColormap:
    return ListedColormap(matplotlib.colormaps[name](np.linspace(low, high, 256)))


def _between(low: str, high: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("ball", [low, high])


THEMES = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1b1f24",
        "soft": "#4d5560",
        "faint": "#8a8f98",
        "grid": "#e3e6ea",
        "panel": "#f3f4f6",
        "blue": "#0072B2",
        "orange": "#D55E00",
        "green": "#009E73",
        "purple": "#CC79A7",
        "yellow": "#E69F00",
        "sky": "#56B4E9",
        "alarm": "#B03A00",
        "ordered": _part("viridis", 0, 0.86),
        "ball": _between("#b4b8be", "#fbfbfc"),
        "phases": ("#e9d8a6", "#e4e7eb", "#b9c0ca"),
    },
    "dark": {
        "paper": "#14171c",
        "ink": "#eceef1",
        "soft": "#b4bcc6",
        "faint": "#858d98",
        "grid": "#2b3139",
        "panel": "#1e2228",
        "blue": "#56B4E9",
        "orange": "#E69F00",
        "green": "#009E73",
        "purple": "#CC79A7",
        "yellow": "#F0E442",
        "sky": "#0072B2",
        "alarm": "#FF9A4D",
        "ordered": _part("viridis", 0.3, 1),
        "ball": _between("#15181d", "#454c56"),
        "phases": ("#6d5f33", "#2b3139", "#4a525d"),
    },
}
DATA_COLOURS = ("blue", "orange", "green", "purple", "yellow", "sky")  # in their order
LOOK = Look()
LOOK.use("light")


OF_PROGRAM = (
    "backend",
    "interactive",
    "toolbar",
    "timezone",
    "webagg",
    "tk.",
    "macosx",
    "savefig.d",
)


def style() -> dict[str, Any]:
    """matplotlib's settings for the theme in use, with its defaults in place of the user's; texts
    are large enough for a picture at half its size."""
    given = matplotlib.rcParamsDefault.items()
    defaults = {key: value for key, value in given if not key.startswith(OF_PROGRAM)}
    sizes = {"font.size": 14, "axes.titlesize": 15, "axes.labelsize": 14, "legend.fontsize": 12.5}
    return {
        **defaults,
        **sizes,
        "xtick.labelsize": 13,
        "ytick.labelsize": 13,
        "axes.grid": True,
        "grid.color": LOOK.grid,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": LOOK.paper,
        "axes.facecolor": LOOK.paper,
        "savefig.facecolor": LOOK.paper,
        "text.color": LOOK.ink,
        "axes.edgecolor": LOOK.soft,
        "axes.labelcolor": LOOK.ink,
        "axes.titlecolor": LOOK.ink,
        "xtick.color": LOOK.soft,
        "ytick.color": LOOK.soft,
        "xtick.labelcolor": LOOK.ink,
        "ytick.labelcolor": LOOK.ink,
        "legend.facecolor": LOOK.paper,
        "legend.edgecolor": LOOK.grid,
        "legend.framealpha": 0.85,
        "pdf.fonttype": 42,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.constrained_layout.w_pad": 0.08,
    }


def found(axes: Axes, words: str) -> None:
    """A title that is a finding."""
    lines = [textwrap.fill(line, 60, break_long_words=False) for line in words.split("\n")]
    axes.set_title("\n".join(lines)).set_gid(FINDING)


def texts(part: Artist) -> Iterator[Text]:
    """Of a figure, but for those at ticks, which are written when it is drawn: to ask for them
    makes all ticks, in a quarter of a picture's time."""
    if isinstance(part, Text):
        yield part
    for child in [part.label] if isinstance(part, Axis) else part.get_children():
        yield from texts(child)


def set_minus(figure: Figure) -> None:
    """In all texts of a figure."""
    for item in texts(figure):
        item.set_text(with_minus(item.get_text()))


def dress(figure: Figure, run: Shown, headline: str, about: str = "") -> Picture:
    """The finding above the panels; the parameters, and how to read the lines, below them."""
    wide = int(6 * figure.get_figwidth())
    unfinished = "" if run.complete is not False else incomplete(run) + "\n"
    figure.suptitle(
        unfinished + wrapped(headline, wide),
        fontsize=19,
        fontweight="bold",
        color=LOOK.alarm if unfinished else LOOK.ink,
    )
    parts = [part.strip(". ").replace(". . ", ". ") for part in (parameters_line(run), about)]
    words = ". ".join(filter(None, parts))
    below = wrapped(words + ".", int(10.6 * figure.get_figwidth())) if words else ""
    figure.supxlabel(below, fontsize=12.5, color=LOOK.soft)
    set_minus(figure)
    titles = [axes.title for axes in figure.axes if axes.title.get_gid() == FINDING]
    return Picture(
        figure, with_minus(headline), [title.get_text() for title in titles], run.complete
    )


def columns(run: Run, *names: str) -> list[np.ndarray]:
    """Datasets of a study's group as arrays; BadFile names the first that is missing."""
    data = run.study_data
    for name in names:
        if name not in data:
            raise BadFile(run.path, f"no study/{run.study}/{name}: the file is incomplete")
    return [data[name][:] for name in names]


def factor(run: Run) -> float:
    """Standard errors to each side of a mean that make its 95% interval, as chorale has them
    (Student's law); NaN where there is none: of fewer than four realizations."""
    return float(run.study_values.get("interval_factor", np.nan))


def bars(run: Run, sem: np.ndarray) -> Optional[np.ndarray]:
    """Half of 95% intervals for errorbar(); None where there is none."""
    half = factor(run) * sem
    return np.nan_to_num(half) if np.isfinite(half).any() else None


def positive_band(mean: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95% intervals of means of positive numbers, that are so long to each side: those
    of their logarithms."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.exp(half / mean)
    return mean / ratio, mean * ratio


def is_chance(off: float, count: int) -> Optional[bool]:
    """Whether a mean over so many realizations may lie so many of its standard errors off: within
    four standard deviations, Student's law taken to the normal one (Wallace). None where too few
    realizations decide nothing."""
    free = count - 1
    if free < 3 or not np.isfinite(off):
        return None
    scale = (8 * free + 1) / (8 * free + 3)
    return bool(scale * np.sqrt(free * np.log1p(off * off / free)) <= 4)


class Series:
    """An observable over time: mean of the realizations, low and high of its 95% interval, and the
    first realizations, in little memory."""

    def __init__(self, run: Run, name: str):
        if name not in run.observables:
            raise BadFile(run.path, f"no observables/{name}: not results of chorale {run.study}")
        seen = run.observables[name]
        if not len(seen):
            raise BadFile(run.path, f"no frame of {name} is recorded yet")
        self.time, self.unit = seen.time, seen.unit
        self.traces = seen.value[: len(seen), :FADED_TRACES]
        self.count = seen.value.shape[1]
        self.begun = self.count  # realizations that the mean is over
        if run.complete and name in run.ensemble:
            self.mean, sem = run.ensemble[name]
            if self.count == 1:  # of one realization no error is known
                sem = np.full_like(sem, np.nan)
        else:
            self.mean, sem = self.of_those_there(seen)
        half = (factor(run) if self.begun == self.count else np.nan) * sem
        self.sem, self.low, self.high = sem, self.mean - half, self.mean + half
        if (self.traces > 0).all():
            self.low, self.high = positive_band(self.mean, half)

    def of_those_there(self, seen: Observable) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard error of those realizations that have begun, as far as all of them have
        got. The file has the factor of an interval for all realizations only."""
        rows = max(1, SLAB // max(1, int(np.prod(seen.value.shape[1:]))))
        means, sems = [], []
        for first in range(0, len(seen), rows):
            values = seen.value[first : min(first + rows, len(seen))]
            if not first:
                known = np.isfinite(values[0].reshape(values.shape[1], -1)).all(axis=1)
                started = np.flatnonzero(known)
                self.begun = len(started)
            values = values[:, started]
            means.append(values.mean(axis=1))
            if len(started) > 1:
                sems.append(values.std(axis=1, ddof=1) / np.sqrt(len(started)))
            else:
                sems.append(np.full_like(means[-1], np.nan))
        return np.concatenate(means), np.concatenate(sems)

    @property
    def end(self) -> np.ndarray:
        """The last mean that is known."""
        there = np.isfinite(self.mean.reshape(len(self.mean), -1)).all(axis=1)
        return self.mean[np.flatnonzero(there)[-1]] if there.any() else self.mean[0]

    def draw(self, axes: Axes, colour: str, label: Optional[str] = None) -> None:
        if self.count > 1:
            faded = min(0.35, 3 / self.count + 0.08)
            axes.plot(self.time, self.traces, color=colour, alpha=faded, linewidth=0.7)
            axes.fill_between(self.time, self.low, self.high, color=colour, alpha=0.3, linewidth=0)
        dot = "o" if len(self.time) == 1 else None
        axes.plot(self.time, self.mean, color=colour, linewidth=2.6, label=label, marker=dot)


def count_axis(axes: Axes, values: np.ndarray, label: str) -> None:
    """A log axis whose ticks are the values themselves, as many as fit."""
    values = np.unique(values)
    axes.set(xscale="log", xlabel=label)
    axes.set_xticks(values[:: -(-len(values) // 7)])
    axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def log_values(axes: Axes) -> None:
    """A log axis of values: plain numbers at 1, 2 and 5 where it spans less than two decades."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 100 * low:
        axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def in_log_time(time: np.ndarray) -> bool:
    """Are frames further and further apart, as output_log has them?"""
    return len(time) > 4 and np.diff(time).max() > 1.5 * (time[1] - time[0])


def time_axis(axes: Axes, time: np.ndarray) -> None:
    """From the first to the last time; a log axis, which has no 0, where frames are spaced so."""
    if in_log_time(time):
        axes.set(xlabel="time t", xscale="log", xlim=(time[1], time[-1]))
        return
    axes.set(xlabel="time t", xlim=(time[0], time[-1] if time[-1] > time[0] else time[0] + 1))


def borders(time: np.ndarray) -> np.ndarray:
    """Of an image whose columns are frames: halfway between them."""
    if len(time) == 1:
        return np.array([time[0], time[0] + 1])
    if in_log_time(time):
        between = np.sqrt(time[2:] * time[1:-1])
        return np.concatenate([time[1] * np.array([0.5, 0.75]), between, time[-1:]])
    return np.concatenate([time[:1], (time[1:] + time[:-1]) / 2, time[-1:]])
