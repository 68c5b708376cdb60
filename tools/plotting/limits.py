"""The theorem on depth and width, measured: errors of the transformers against the limit SDE on the same Brownian path."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import NullFormatter, ScalarFormatter

from .common import BLUE, GREY, INK, ORANGE, TOKENS, columns, interval, number, parameters, with_interval


class Grid:
    """error and sem as [tokens][depth][width], each axis ascending; width inf is last."""

    def __init__(self, group):
        tokens, depth, width, error, sem = columns(group, "tokens", "depth", "width", "error", "sem")
        self.tokens, i = np.unique(tokens, return_inverse=True)
        self.depth, j = np.unique(depth, return_inverse=True)
        self.width, k = np.unique(width, return_inverse=True)
        self.error = np.full((len(self.tokens), len(self.depth), len(self.width)), np.nan)
        self.sem = self.error.copy()
        self.error[i, j, k], self.sem[i, j, k] = error, sem
        self.finite = np.isfinite(self.width)
        self.infinite = len(self.width) - 1 if not self.finite[-1] else None
        self.fit = {"a": interval(group.attrs, "fit_depth")[0], "b": interval(group.attrs, "fit_width")[0]} if "fit_depth" in group.attrs else None


def name(width):
    return f"{width:g}" if np.isfinite(width) else "∞"


def headline(deck, count):
    get = deck.get
    attention = "no attention" if get("attention_type") == "none" else f"{get('attention_type')} attention, β = {number(get('attention_beta', '?'))}, v = {number(get('attention_value', '?'))}"
    noise = f"{get('mlp_activation', '?')} MLP, N = {count:g}, d = {get('tokens_dim', '?')}, T = {number(get('layers_horizon', '?'))}"
    how = {"none": "not coupled", "tokens": "coupled at the tokens", "harmonics": "coupled in harmonics"}.get(get("limits_coupling", "tokens"), "")
    return (f"Transformers against their limit on one Brownian path:  {noise},  {attention}\n"
            f"widths {how},  limit SDE by {get('scheme_type', '?')} in {get('limits_reference', '?')} steps,  {get('ensemble_realizations', '?')} realizations")


def log_axes(axes, x, label):
    axes.set(xscale="log", yscale="log", xlabel=label)
    axes.set_xticks(x)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("E max over layers of mean |X − X̄|²")


def draw_depth(axes, grid, attributes):
    colours = TOKENS(np.linspace(0.05, 0.9, len(grid.width)))
    fine = np.geomspace(grid.depth[0], grid.depth[-1], 50)
    for k, width in enumerate(grid.width):
        axes.errorbar(grid.depth, grid.error[-1, :, k], 1.96 * grid.sem[-1, :, k], fmt="o", markersize=6, color=colours[k], capsize=2,
                      label=f"m = {name(width)}")
        if grid.fit:
            axes.plot(fine, grid.fit["a"] / fine + grid.fit["b"] / width, color=colours[k], linewidth=1.5)
    log_axes(axes, grid.depth, "depth L")
    fit = f"lines: {with_interval(attributes, 'fit_depth', 3)}/L + {with_interval(attributes, 'fit_width', 3)}/m\n$R^2$ = {attributes['fit_r2']:.4f}" if grid.fit else ""
    slope = f"slope at m = ∞: {with_interval(attributes, 'slope_depth')}" if "slope_depth" in attributes else ""
    axes.set_title(f"Depth.  {slope}" if slope else "Depth")
    axes.legend(ncols=2, fontsize=10, title=fit, title_fontsize=10, loc="best")


def draw_width(axes, grid, attributes):
    """At the largest depth: the error, and what width alone adds to it."""
    width, error, sem = grid.width[grid.finite], grid.error[-1, -1, grid.finite], grid.sem[-1, -1, grid.finite]
    fine = np.geomspace(width[0], width[-1], 50)
    axes.errorbar(width, error, 1.96 * sem, fmt="s", markersize=6, color=GREY, capsize=2, label=f"error at L = {grid.depth[-1]:g}")
    if grid.infinite is not None:
        floor = grid.error[-1, -1, grid.infinite]
        axes.axhline(floor, color=GREY, linestyle="--", linewidth=1.2, label="m = ∞")
        seen = error > floor
        axes.errorbar(width[seen], (error - floor)[seen], 1.96 * sem[seen], fmt="o", markersize=7, color=ORANGE, capsize=2, label="error less that of m = ∞")
        if seen.any():
            middle = np.exp(np.mean(np.log((error - floor)[seen] * width[seen])))
            axes.plot(fine, middle / fine, color=INK, linewidth=1, linestyle=":", label="slope −1")
    if grid.fit:
        axes.plot(fine, grid.fit["a"] / grid.depth[-1] + grid.fit["b"] / fine, color=BLUE, linewidth=1.5, label="a/L + b/m")
    log_axes(axes, width, "width m")
    slope = f"slope: {with_interval(attributes, 'slope_width')}" if "slope_width" in attributes else ""
    axes.set_title(f"Width at L = {grid.depth[-1]:g}.  {slope}" if slope else f"Width at L = {grid.depth[-1]:g}")
    axes.legend(fontsize=10, loc="best")


def draw_maps(parts, grid):
    """One map of errors for every number of tokens; the limits may be taken in any order."""
    maps = parts.subplots(1, len(grid.tokens), squeeze=False)[0]
    norm = LogNorm(np.nanmin(grid.error), np.nanmax(grid.error))
    for i, axes in enumerate(maps):
        image = axes.imshow(grid.error[i], origin="lower", aspect="auto", norm=norm, cmap="magma")
        for j in range(len(grid.depth)):
            for k in range(len(grid.width)):
                dark = norm(grid.error[i, j, k]) < 0.6
                axes.text(k, j, f"{grid.error[i, j, k]:.2g}", ha="center", va="center", fontsize=9, color="white" if dark else "black")
        axes.set_xticks(range(len(grid.width)), [name(w) for w in grid.width])
        axes.set_yticks(range(len(grid.depth)), [f"{L:g}" for L in grid.depth])
        axes.set(xlabel="width m", title=f"N = {grid.tokens[i]:g}" + (" and its limit SDE" if i == len(grid.tokens) - 1 else ""))
        axes.grid(False)
    maps[0].set_ylabel("depth L")
    parts.colorbar(image, ax=list(maps), pad=0.01, label="error")
    if len(maps) > 1:
        parts.suptitle(f"Commuting limits: all against the limit SDE with N = {grid.tokens[-1]:g}", fontsize=14)


def figure(file):
    group = file["study/limits"]
    grid = Grid(group)
    picture = plt.figure(figsize=(15, 12), layout="constrained")
    curves, maps = picture.subfigures(2, 1, height_ratios=[1.35, 1])
    if grid.finite.any():
        depth, width = curves.subplots(1, 2)
        draw_width(width, grid, group.attrs)
    else:
        depth = curves.subplots()
    draw_depth(depth, grid, group.attrs)
    draw_maps(maps, grid)
    picture.suptitle(headline(parameters(file), grid.tokens[-1]), fontsize=15)
    return picture
