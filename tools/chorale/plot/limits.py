"""The theorem on depth and width, measured: errors of the transformers against the limit SDE on the
same Brownian path."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import SubFigure

from chorale.io import Run
from chorale.plot.common import LOOK, Picture, bars, columns, count_axis, dress, found, log_values
from chorale.plot.words import decided, interval, mark, short, undecided, with_interval

REFUSED = 6.334e-5  # chance of four standard deviations: a law is refused below it
COUPLINGS = {
    "none": "not coupled",
    "tokens": "coupled at the tokens",
    "harmonics": "coupled in harmonics",
}


class Grid:
    """error and sem as [tokens][depth][width], each axis ascending; width inf is last."""

    def __init__(self, run: Run):
        tokens, depth, width, error, sem = columns(run, "tokens", "depth", "width", "error", "sem")
        self.tokens, i = np.unique(tokens, return_inverse=True)
        self.depth, j = np.unique(depth, return_inverse=True)
        self.width, k = np.unique(width, return_inverse=True)
        self.error = np.full((len(self.tokens), len(self.depth), len(self.width)), np.nan)
        self.sem = self.error.copy()
        self.error[i, j, k], self.sem[i, j, k] = error, sem
        self.all_times = "error_layers" in run.study_data
        self.finite = np.isfinite(self.width)
        self.infinite = len(self.width) - 1 if not self.finite[-1] else None
        self.run = run
        # of infinite width and most tokens: (error, sem) over all times and over layer times
        self.errors = []
        for name in ("", "_layers") if self.all_times and self.infinite is not None else ():
            pair = columns(run, f"error{name}", f"error{name}_sem" if name else "sem")
            chosen = (i == len(self.tokens) - 1) & (k == self.infinite)
            self.errors.append([values[chosen][np.argsort(depth[chosen])] for values in pair])
        values = run.study_values
        self.fit = [interval(values, f"fit_{name}")[0] for name in ("depth", "width")]
        self.fitted = "fit_depth" in values

    def model(self, depth: Any, width: Any) -> Any:
        """The fit a/L + b/m, or of the supremum over all times a (log L)/L + b/m."""
        log = np.log(depth) if self.all_times else 1
        return self.fit[0] * log / depth + self.fit[1] / width

    def supremum(self) -> str:
        """Over which times, as a formula."""
        return "\\sup_t" if self.all_times else "\\max_t"

    def law(self) -> str:
        """Of the depth, as the theorem has it."""
        return "a (log L)/L" if self.all_times else "a/L"


def name(width: float) -> str:
    """As a label."""
    return f"{width:g}" if np.isfinite(width) else "∞"


def headline(run: Run, grid: Grid) -> str:
    """What depth and width do, beside the theorem's slopes of -1."""
    if run.parameters.get("limits_coupling", "tokens") == "none":
        alone = "width alone takes no error away"
        return f"Without a coupling transformers and their limit agree in law only: {alone}"
    slopes = []
    depth = "L/log L" if grid.all_times else "L"
    for letter, key in ((depth, "slope_depth"), ("m", "slope_width")):
        value = interval(run.study_values, key)[0]
        if np.isfinite(value):
            verdict = run.study_values.get(f"{key}_verdict")
            words = f"{value:.2f} in {letter}{mark(decided(verdict))}{undecided(verdict)}"
            slopes.append(words.replace("-", "−"))
    if slopes:
        return "Transformers approach their limit: slopes " + ", ".join(slopes) + " (theorem: −1)"
    worst, best = short(np.nanmax(grid.error)), short(np.nanmin(grid.error))
    return f"Transformers approach their limit: squared error {worst} at worst, {best} at best"


def about(run: Run) -> str:
    """How the errors were measured."""
    get = run.parameters.get
    how = COUPLINGS.get(get("limits_coupling", "tokens"), "")
    known = np.isfinite(columns(run, "sem")[0]).any()
    return (
        f"Against the limit SDE ({get('scheme_type', '?')}, {get('limits_reference', '?')} steps) "
        f"on the same Brownian path, widths {how}" + (". Bars: 95% intervals" if known else "")
    )


def log_axes(axes: Axes, values: np.ndarray, label: str) -> None:
    """Both logarithmic."""
    axes.set_yscale("log")
    count_axis(axes, values, label)


def room_below(axes: Axes, share: float) -> None:
    """For the legend: a share of what a log axis spans."""
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** share, high)
    log_values(axes)


def draw_depth(axes: Axes, grid: Grid, values: dict[str, Any]) -> None:
    """Against the depth, a colour for every width."""
    fine = np.geomspace(grid.depth[0], grid.depth[-1], 50)
    for k, (width, colour) in enumerate(zip(grid.width, LOOK.sequence(len(grid.width)))):
        half = bars(grid.run, grid.sem[-1, :, k])
        look = {"fmt": "o", "markersize": 6, "color": colour, "capsize": 2}
        axes.errorbar(grid.depth, grid.error[-1, :, k], half, label=f"m = {name(width)}", **look)
        if grid.fitted:
            axes.plot(fine, grid.model(fine, width), color=colour, linewidth=1.5)
    log_axes(axes, grid.depth, "depth L")
    axes.set_ylabel(f"mean of ${grid.supremum()}$ $|X - \\bar X|^2$")
    fit = ""
    if grid.fitted:
        of_depth, of_width = (with_interval(values, f"fit_{key}", 3) for key in ("depth", "width"))
        law = " (log L)/L" if grid.all_times else "/L"
        fit = f"lines: {of_depth}{law} + {of_width}/m\n$R^2$ = {values['fit_r2']:.3f}"
    if "slope_depth" in values:
        of = " in L/log L" if grid.all_times else ""
        found(axes, f"More layers: slope{of} at m = ∞ {with_interval(values, 'slope_depth')}")
    else:
        axes.set_title("More layers, each width")
    room_below(axes, 0.45 if fit else 0.3)
    axes.legend(ncols=3, title=fit, title_fontsize=12, loc="lower left")


def draw_excess(axes: Axes, grid: Grid, fine: np.ndarray) -> None:
    """What width alone adds to the error at the largest depth."""
    width, error, sem = (
        values[grid.finite] for values in (grid.width, grid.error[-1, -1], grid.sem[-1, -1])
    )
    floor = grid.error[-1, -1, grid.infinite]
    axes.axhline(floor, color=LOOK.faint, linestyle="--", linewidth=1.2, label="m = ∞")
    seen = error > floor
    if not seen.any():
        return
    width, excess, half = width[seen], (error - floor)[seen], bars(grid.run, sem[seen])
    look = {"fmt": "o", "markersize": 7, "color": LOOK.orange, "capsize": 2}
    axes.errorbar(width, excess, half, label="error less that of m = ∞", **look)
    middle = np.exp(np.mean(np.log(excess * width)))
    look = {"color": LOOK.ink, "linewidth": 1.4, "linestyle": ":"}
    axes.plot(fine, middle / fine, label="slope −1 (theorem)", **look)


def draw_width(axes: Axes, grid: Grid, values: dict[str, Any]) -> None:
    """At the largest depth: the error, and what width alone adds to it."""
    depth, width = grid.depth[-1], grid.width[grid.finite]
    error, sem = grid.error[-1, -1, grid.finite], grid.sem[-1, -1, grid.finite]
    fine = np.geomspace(width[0], width[-1], 50)
    look = {"fmt": "s", "markersize": 6, "color": LOOK.blue, "capsize": 2}
    axes.errorbar(width, error, bars(grid.run, sem), label=f"error at L = {depth:g}", **look)
    if grid.infinite is not None:
        draw_excess(axes, grid, fine)
    if grid.fitted:
        look = {"color": LOOK.blue, "linewidth": 1.5}
        axes.plot(fine, grid.model(depth, fine), label=f"{grid.law()} + b/m", **look)
    log_axes(axes, width, "width m")
    title = f"More width (L = {depth:g})"
    if "slope_width" in values:
        found(axes, f"{title}: slope {with_interval(values, 'slope_width')}")
    else:
        axes.set_title(title)
    room_below(axes, 0.3)
    axes.legend(loc="lower left", ncols=2)


def draw_logarithm(axes: Axes, grid: Grid, values: dict[str, Any]) -> None:
    """L times the error over all times, which grows like log L, and over layer times, which does
    not; dotted: a/L."""
    fine = np.geomspace(grid.depth[0], grid.depth[-1], 50)
    refused = np.asarray(grid.run.study_data["law_chance"])[:, 0] < REFUSED
    kinds = (("all times", "", grid.errors[0]), ("layer times", "_layers", grid.errors[1]))
    for k, (times, end, (error, sem)) in enumerate(kinds):
        colour = (LOOK.orange, LOOK.blue)[k]
        half = bars(grid.run, grid.depth * sem)
        words = f"{times}: a/L {'refused' if refused[k] else 'not refused'}"
        look = {"fmt": "o", "markersize": 6, "color": colour, "capsize": 2}
        axes.errorbar(grid.depth, grid.depth * error, half, label=words, **look)
        a, b = (interval(values, f"log_{name}{end}")[0] for name in ("slope", "constant"))
        axes.plot(fine, a * np.log(fine) + b, color=colour, linewidth=1.5)
        flat = np.exp(np.mean(np.log(grid.depth * error)))
        axes.axhline(flat, color=colour, linewidth=1.4, linestyle=":")
    count_axis(axes, grid.depth, "depth L")
    axes.set(ylim=(0, 1.35 * axes.get_ylim()[1]), ylabel="L times the error at m = ∞")
    verdict = str(values.get("log_verdict", ""))
    found(axes, f"a log L + b: a = {with_interval(values, 'log_slope')}, {verdict}")
    axes.legend(loc="upper left")


def draw_map(axes: Axes, grid: Grid, i: int, norm: LogNorm) -> Any:
    """Errors by depth and width for one number of tokens; returns the image."""
    few = len(grid.tokens) < 3
    image = axes.imshow(grid.error[i], origin="lower", aspect="auto", norm=norm, cmap="magma")
    for (j, k), error in np.ndenumerate(grid.error[i]):
        look = {"ha": "center", "va": "center", "fontsize": 13 if few else 12}
        axes.text(k, j, f"{error:.2g}", color="white" if norm(error) < 0.6 else "black", **look)
    axes.set_xticks(range(len(grid.width)), [name(w) for w in grid.width])
    axes.set_yticks(range(len(grid.depth)), [f"{L:g}" for L in grid.depth])
    last = i == len(grid.tokens) - 1 and len(grid.tokens) > 1
    title = f"N = {grid.tokens[i]:g}" + (" (the limit's)" if last else "")
    axes.set(xlabel="width m", title=title)
    axes.grid(False)
    return image


def draw_maps(part: SubFigure, grid: Grid) -> None:
    """One map of errors for every number of tokens; the limits may be taken in any order."""
    maps = part.subplots(1, len(grid.tokens), squeeze=False)[0]
    norm = LogNorm(np.nanmin(grid.error), np.nanmax(grid.error))
    for i, axes in enumerate(maps):
        image = draw_map(axes, grid, i, norm)
    maps[0].set_ylabel("depth L")
    part.colorbar(image, ax=list(maps), pad=0.01, label="error")
    title = "Errors by depth and width"
    if grid.error[-1, -1, -1] < grid.error[-1, 0, 0]:
        title = "Errors fall towards the corner of large L and m"
    if len(maps) > 1:
        title += f"; all against the limit SDE with N = {grid.tokens[-1]:g}"
    part.suptitle(title, fontsize=15)


def figure(run: Run) -> Picture:
    grid = Grid(run)
    drawn = [draw_depth]
    if grid.finite.any():
        drawn.append(draw_width)
    if grid.errors and "log_verdict" in run.study_values:
        drawn.append(draw_logarithm)
    wide = max(14, 7 * len(drawn))
    picture = plt.figure(figsize=(wide, 12.4), layout="constrained")
    curves, maps = picture.subfigures(2, 1, height_ratios=[1.35, 1])
    for axes, draw in zip(curves.subplots(1, len(drawn), squeeze=False)[0], drawn):
        draw(axes, grid, run.study_values)
    draw_maps(maps, grid)
    return dress(picture, run, headline(run, grid), about(run))
