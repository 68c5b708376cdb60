"""The theorem on depth and width, measured: errors of the transformers against the limit SDE on the same Brownian path."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plotting.common import LOOK, bars, columns, count_axis, dress, found, interval, log_values, mark, short, with_interval


class Grid:
    """error and sem as [tokens][depth][width], each axis ascending; width inf is last."""

    def __init__(self, run):
        tokens, depth, width, error, sem = columns(run, "tokens", "depth", "width", "error", "sem")
        self.tokens, i = np.unique(tokens, return_inverse=True)
        self.depth, j = np.unique(depth, return_inverse=True)
        self.width, k = np.unique(width, return_inverse=True)
        self.error = np.full((len(self.tokens), len(self.depth), len(self.width)), np.nan)
        self.sem = self.error.copy()
        self.error[i, j, k], self.sem[i, j, k] = error, sem
        self.finite = np.isfinite(self.width)
        self.infinite = len(self.width) - 1 if not self.finite[-1] else None
        self.fit = {"a": interval(run.study_values, "fit_depth")[0], "b": interval(run.study_values, "fit_width")[0]} if "fit_depth" in run.study_values else None


def name(width):
    return f"{width:g}" if np.isfinite(width) else "∞"


def headline(run, grid):
    """What depth and width do, beside the theorem's slopes of -1."""
    coupling = run.parameters.get("limits_coupling", "tokens")
    if coupling == "none":
        return "Without a coupling transformers and their limit agree in law only: width alone takes no error away"
    slopes = [f"{value:.2f} in {name}{mark(low <= -1, low, high)}".replace("-", "−")
              for name, (value, low, high) in (("L", interval(run.study_values, "slope_depth")), ("m", interval(run.study_values, "slope_width")))
              if np.isfinite(value)]
    if slopes:
        return "Transformers approach their limit: slopes " + ", ".join(slopes) + " (theorem: −1)"
    return f"Transformers approach their limit: squared error {short(np.nanmax(grid.error))} at worst, {short(np.nanmin(grid.error))} at best"


def about(run):
    how = {"none": "not coupled", "tokens": "coupled at the tokens", "harmonics": "coupled in harmonics"}.get(run.parameters.get("limits_coupling", "tokens"), "")
    return (f"Against the limit SDE ({run.parameters.get('scheme_type', '?')}, {run.parameters.get('limits_reference', '?')} steps) on the same Brownian path, "
            f"widths {how}" + (". Bars: 95% intervals" if np.isfinite(columns(run, "sem")[0]).any() else ""))


def log_axes(axes, x, label):
    axes.set_yscale("log")
    count_axis(axes, x, label)


def draw_depth(axes, grid, attributes):
    colours = LOOK.sequence(len(grid.width))
    fine = np.geomspace(grid.depth[0], grid.depth[-1], 50)
    for k, width in enumerate(grid.width):
        axes.errorbar(grid.depth, grid.error[-1, :, k], bars(grid.sem[-1, :, k]), fmt="o", markersize=6, color=colours[k], capsize=2,
                      label=f"m = {name(width)}")
        if grid.fit:
            axes.plot(fine, grid.fit["a"] / fine + grid.fit["b"] / width, color=colours[k], linewidth=1.5)
    log_axes(axes, grid.depth, "depth L")
    axes.set_ylabel("mean of max$_t$ $|X - \\bar X|^2$")
    fit = f"lines: {with_interval(attributes, 'fit_depth', 3)}/L + {with_interval(attributes, 'fit_width', 3)}/m\n$R^2$ = {attributes['fit_r2']:.3f}" if grid.fit else ""
    slope = f"slope at m = ∞ {with_interval(attributes, 'slope_depth')}" if "slope_depth" in attributes else ""
    (found if slope else plt.Axes.set_title)(axes, f"More layers: {slope}" if slope else "More layers, each width")
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** (0.45 if fit else 0.3), high)  # room for the legend
    log_values(axes)
    axes.legend(ncols=3, title=fit, title_fontsize=12, loc="lower left")


def draw_width(axes, grid, attributes):
    """At the largest depth: the error, and what width alone adds to it."""
    width, error, sem = grid.width[grid.finite], grid.error[-1, -1, grid.finite], grid.sem[-1, -1, grid.finite]
    fine = np.geomspace(width[0], width[-1], 50)
    axes.errorbar(width, error, bars(sem), fmt="s", markersize=6, color=LOOK.blue, capsize=2, label=f"error at L = {grid.depth[-1]:g}")
    if grid.infinite is not None:
        floor = grid.error[-1, -1, grid.infinite]
        axes.axhline(floor, color=LOOK.faint, linestyle="--", linewidth=1.2, label="m = ∞")
        seen = error > floor
        if seen.any():
            axes.errorbar(width[seen], (error - floor)[seen], bars(sem[seen]), fmt="o", markersize=7, color=LOOK.orange, capsize=2, label="error less that of m = ∞")
            middle = np.exp(np.mean(np.log((error - floor)[seen] * width[seen])))
            axes.plot(fine, middle / fine, color=LOOK.ink, linewidth=1.4, linestyle=":", label="slope −1 (theorem)")
    if grid.fit:
        axes.plot(fine, grid.fit["a"] / grid.depth[-1] + grid.fit["b"] / fine, color=LOOK.blue, linewidth=1.5, label="a/L + b/m")
    log_axes(axes, width, "width m")
    slope = f"slope {with_interval(attributes, 'slope_width')}" if "slope_width" in attributes else ""
    (found if slope else plt.Axes.set_title)(axes, f"More width (L = {grid.depth[-1]:g}): {slope}" if slope else f"More width (L = {grid.depth[-1]:g})")
    low, high = axes.get_ylim()
    axes.set_ylim(low / (high / low) ** 0.3, high)  # room for the legend
    log_values(axes)
    axes.legend(loc="lower left", ncols=2)


def draw_maps(parts, grid):
    """One map of errors for every number of tokens; the limits may be taken in any order."""
    maps = parts.subplots(1, len(grid.tokens), squeeze=False)[0]
    norm = LogNorm(np.nanmin(grid.error), np.nanmax(grid.error))
    for i, axes in enumerate(maps):
        image = axes.imshow(grid.error[i], origin="lower", aspect="auto", norm=norm, cmap="magma")
        for j in range(len(grid.depth)):
            for k in range(len(grid.width)):
                dark = norm(grid.error[i, j, k]) < 0.6
                axes.text(k, j, f"{grid.error[i, j, k]:.2g}", ha="center", va="center", fontsize=13 if len(maps) < 3 else 12, color="white" if dark else "black")
        axes.set_xticks(range(len(grid.width)), [name(w) for w in grid.width])
        axes.set_yticks(range(len(grid.depth)), [f"{L:g}" for L in grid.depth])
        axes.set(xlabel="width m", title=f"N = {grid.tokens[i]:g}" + (" (the limit's)" if i == len(grid.tokens) - 1 and len(maps) > 1 else ""))
        axes.grid(False)
    maps[0].set_ylabel("depth L")
    parts.colorbar(image, ax=list(maps), pad=0.01, label="error")
    falls = grid.error[-1, -1, -1] < grid.error[-1, 0, 0]
    parts.suptitle(("Errors fall towards the corner of large L and m" if falls else "Errors by depth and width") + (f"; all against the limit SDE with N = {grid.tokens[-1]:g}" if len(maps) > 1 else ""), fontsize=15)


def figure(run):
    grid = Grid(run)
    picture = plt.figure(figsize=(14, 12.4), layout="constrained")
    curves, maps = picture.subfigures(2, 1, height_ratios=[1.35, 1])
    if grid.finite.any():
        depth, width = curves.subplots(1, 2)
        draw_width(width, grid, run.study_values)
    else:
        depth = curves.subplots()
    draw_depth(depth, grid, run.study_values)
    draw_maps(maps, grid)
    return dress(picture, run, headline(run, grid), about(run))
