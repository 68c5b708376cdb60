"""Study spde: the density over time on the circle (space-time image) or the sphere (Mollweide maps)
with tokens on top, its distance to the tokens, energies, and how well its degrees hold it."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure

from chorale.io import Run
from chorale.plot.common import (
    FADED_TRACES,
    LOOK,
    Picture,
    borders,
    columns,
    dress,
    found,
    log_values,
    time_axis,
)
from chorale.plot.words import short

TRACES, DOTS = 24, 300  # tokens drawn over time, and on a map
MAPS = 6
COLOURS = "magma"
TOKEN = "#7fe3d4"  # seen on all of COLOURS


def norm_of(density: np.ndarray) -> LogNorm:
    """Colours in powers of ten between what most of the picture takes."""
    high = np.nanmax(density)
    return LogNorm(max(np.nanpercentile(density, 2), 3e-3 * high, 1e-12), high)


def draw_circle(part: SubFigure, run: Run) -> None:
    """The density over time and angle, and the ways of some tokens."""
    time, angle, density = columns(run, "snapshot_time", "snapshot_angle", "snapshot_density")
    axes, norm = part.subplots(), norm_of(density)
    cells = np.linspace(0, 2 * np.pi, len(angle) + 1)
    values = np.clip(density, norm.vmin, None).T
    look = {"norm": norm, "cmap": COLOURS, "rasterized": True}
    image = axes.pcolormesh(borders(time), cells, values, **look)
    part.colorbar(image, ax=axes, pad=0.012, extend="min", label="density")
    dataset = run.study_data["snapshot_tokens"]
    tokens = dataset[:, :: -(-dataset.shape[1] // TRACES)]
    path = np.mod(np.arctan2(tokens[..., 1], tokens[..., 0]), 2 * np.pi)
    path[1:][np.abs(np.diff(path, axis=0)) > np.pi] = np.nan  # no line across the cut
    axes.plot(time, path, color=TOKEN, linewidth=0.9, alpha=0.8)
    axes.set(ylim=(0, 2 * np.pi), ylabel="angle")
    axes.set_title(f"The density (realization 0) and {path.shape[1]} tokens along the same noise")
    axes.set_yticks(np.arange(5) * np.pi / 2, ["0", "π/2", "π", "3π/2", "2π"])
    axes.grid(False)
    time_axis(axes, time)


def draw_map(axes: Axes, norm: LogNorm, density: np.ndarray, tokens: np.ndarray) -> Any:
    """A density[latitude][angle] on the sphere and tokens; returns the image."""
    longitude = np.linspace(-np.pi, np.pi, density.shape[1] + 1)
    north = np.linspace(-np.pi / 2, np.pi / 2, density.shape[0] + 1)
    west = np.roll(density, density.shape[1] // 2, axis=1)  # angles from pi on lie west
    look = {"norm": norm, "cmap": COLOURS, "rasterized": True}
    image = axes.pcolormesh(longitude, north, np.clip(west, norm.vmin, None), **look)
    x = tokens[:: -(-len(tokens) // DOTS)]
    height = np.arcsin(np.clip(x[:, 2], -1, 1))
    axes.scatter(np.arctan2(x[:, 1], x[:, 0]), height, s=5, c=TOKEN, linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    return image


def some_frames(time: np.ndarray) -> np.ndarray:
    """Evenly chosen snapshots, the first and the last among them."""
    return np.unique(np.linspace(0, len(time) - 1, MAPS).round().astype(int))


def draw_sphere(part: SubFigure, run: Run) -> None:
    """Maps at six times; of the snapshots only those are read."""
    (time,) = columns(run, "snapshot_time")
    frames, tokens = some_frames(time), run.study_data["snapshot_tokens"]
    density = [run.study_data["snapshot_density"][f] for f in frames]
    norm = norm_of(np.array(density))
    wide = min(3, -(-len(frames) // (1 if len(frames) < 4 else 2)))
    places = {"subplot_kw": {"projection": "mollweide"}}
    panels = np.ravel(part.subplots(-(-len(frames) // wide), wide, **places))
    for axes, f, values in zip(panels, frames, density):
        image = draw_map(axes, norm, values, tokens[f])
        axes.set_title(f"t = {time[f]:.3g}")
    for axes in panels[len(frames) :]:
        axes.axis("off")
    part.colorbar(image, ax=list(panels), pad=0.015, aspect=30, extend="min", label="density")


def mark_end(axes: Axes, time: np.ndarray, outgrown: np.ndarray) -> None:
    """Where densities became too sharp for their degrees."""
    for t in outgrown[np.isfinite(outgrown)]:
        axes.axvline(t, color=LOOK.faint, linewidth=1, linestyle=":", alpha=0.8)
    end = np.nanmax(outgrown) if np.isfinite(outgrown).all() else time[-1]
    time_axis(axes, np.append(time[time < end], end))


def known(values: np.ndarray) -> float:
    """The last value that is known: later ones are NaN once every density is outgrown."""
    there = values[np.isfinite(values)]
    return there[-1] if len(there) else np.nan


def draw_distance(run: Run, axes: Axes) -> None:
    """Between density and tokens, over time."""
    names = ("time", "distance", "distance_realizations", "outgrown")
    time, mean, single, outgrown = columns(run, *names)
    traces = single[:, :FADED_TRACES]
    if single.shape[1] > 1:
        seen = np.where(traces > 1e-14, traces, np.nan)
        axes.plot(time, seen, color=LOOK.blue, alpha=0.3, linewidth=0.8)
    shown = np.where(mean > 1e-14, mean, np.nan)  # both start alike: 0 is not on a log axis
    positive = shown[np.isfinite(shown)]
    dot = "o" if len(positive) < 8 else None
    axes.plot(time, shown, color=LOOK.blue, linewidth=2.6, marker=dot)
    if len(positive) and positive.max() > 30 * positive.min():
        axes.set_ylim(positive.min() / 3, 3 * positive.max())
        log_values(axes)
    else:
        axes.set_ylim(0, 1.15 * np.nanmax(traces) if len(positive) else 1)
        axes.ticklabel_format(axis="y", useMathText=True)
    most = short(positive.max()) if len(positive) else 0
    found(axes, f"{kind(run)} of density and tokens: at most {most}")
    mark_end(axes, time, outgrown)


def kind(run: Run) -> str:
    """Of distance, as in a title."""
    return {"W2": "$W_2$"}.get(run.study_values["distance_kind"], run.study_values["distance_kind"])


def draw_energy(run: Run, axes: Axes) -> None:
    """That of the density, and that of the tokens."""
    time, energy, tokens, outgrown = columns(run, "time", "energy", "tokens_energy", "outgrown")
    axes.plot(time, energy, color=LOOK.blue, linewidth=2.6, label="density")
    look = {"linestyle": "none", "marker": "o", "markersize": 5}
    every = max(1, len(time) // 40)
    axes.plot(time, tokens, color=LOOK.orange, markevery=every, label="tokens", **look)
    low, high = np.nanmin([energy, tokens]), np.nanmax([energy, tokens])
    axes.set_ylim(max(0, low - 0.15 * (high - low)), high + 0.3 * (high - low + 1e-12))
    found(axes, f"Energies differ by at most {short(np.nanmax(np.abs(energy - tokens)))}")
    axes.set_ylabel("energy $E_\\beta$")
    axes.legend(loc="upper right", ncols=2)
    mark_end(axes, time, outgrown)


def draw_spectrum(run: Run, axes: Axes) -> None:
    """Amplitudes by degree at six times."""
    time, power = columns(run, "snapshot_time", "snapshot_spectrum")
    frames, last = some_frames(time), power.shape[1] - 1
    for f, colour in zip(frames, LOOK.sequence(len(frames))):
        axes.semilogy(np.sqrt(power[f]), color=colour, linewidth=1.8, label=f"t = {time[f]:.3g}")
    axes.axvspan(2 * last / 3, last, color=LOOK.faint, alpha=0.18, linewidth=0)
    amplitude = np.sqrt(power[frames])
    amplitude = amplitude[np.isfinite(amplitude) & (amplitude > 1e-17)]
    axes.set(xlim=(0, last), ylim=(amplitude.min() / 1e7 if len(amplitude) else 1e-17, 3))
    axes.set(xlabel="degree n", title="Spectrum; shaded: top third, watched for under-resolution")
    axes.legend(loc="lower left", ncols=3, fontsize=12, columnspacing=1, handlelength=1.3)


def draw_mass(run: Run, axes: Axes) -> None:
    """How well mass is kept, and how near the degrees are to their end."""
    time, mass, tail, outgrown = columns(run, "time", "mass", "tail", "outgrown")
    limit, error = run.parameters.real("spde_tol"), np.abs(mass - 1)
    shown = np.where(tail > 0, tail, np.nan)
    axes.semilogy(time, shown, color=LOOK.blue, linewidth=2.2, label="tail of the spectrum")
    look = {"color": LOOK.green, "linewidth": 2.2, "linestyle": "--"}
    axes.semilogy(time, np.maximum(error, 1e-17), label="|mass − 1|", **look)
    look = {"color": LOOK.orange, "linewidth": 1.8, "linestyle": "--"}
    axes.axhline(limit, label=f"too sharp beyond {short(limit)}", **look)
    axes.set_ylim(2e-18, 3e7 * limit)
    degrees = "do not suffice" if np.isfinite(outgrown).any() else "suffice ✓"
    found(axes, f"Mass is kept to {short(np.nanmax(error))}; degrees {degrees}")
    axes.legend(loc="upper left", ncols=2)
    mark_end(axes, time, outgrown)


def headline(run: Run) -> str:
    """How near density and tokens stay, or when densities became too sharp for their degrees."""
    time, mean, outgrown = columns(run, "time", "distance", "outgrown")
    lost = np.isfinite(outgrown)
    count = run.parameters.integer("tokens_count")
    name = {"W2": "W₂"}.get(run.study_values["distance_kind"], run.study_values["distance_kind"])
    if not lost.any():
        end = f"{name} {short(known(mean))} at t = {time[-1]:.3g}"
        return f"The density beside {count} tokens along the same noise: {end}"
    many, their, held = "The density", "its", "it until then"
    if len(lost) > 1:
        many, their = f"{lost.sum()} of {len(lost)} densities", "their"
        held = "those that are held"
    return (
        f"{many} became too sharp for {their} degrees, first at t = {np.nanmin(outgrown):.3g}; "
        f"{name} between {held} and {count} tokens at most {short(np.nanmax(mean))}"
    )


def panels_of(picture: Figure, run: Run) -> tuple[Axes, Axes, Axes]:
    """Panels for distance, energy and mass; above and beside them density and spectrum are drawn
    where there are snapshots."""
    if not has_density(run):
        places = picture.add_gridspec(2, 2)
        below = (places[0, 0], places[0, 1], places[1, :])
        return tuple(picture.add_subplot(place) for place in below)
    above, below = picture.subfigures(2, 1, height_ratios=[1, 1.25])
    (draw_sphere if on_sphere(run) else draw_circle)(above, run)
    (distance, energy), (spectrum, mass) = below.subplots(2, 2)
    draw_spectrum(run, spectrum)
    return distance, energy, mass


def has_density(run: Run) -> bool:
    """Whether a snapshot was taken: not with spde_snapshots 0, or not yet."""
    return "snapshot_time" in run.study_data and run.study_data["snapshot_time"].shape[0] > 0


def on_sphere(run: Run) -> bool:
    """Rather than on the circle."""
    return "snapshot_latitude" in run.study_data


def figure(run: Run) -> Picture:
    high = (14.2 if on_sphere(run) else 13.4) if has_density(run) else 8
    picture = plt.figure(figsize=(13, high), layout="constrained")
    distance, energy, mass = panels_of(picture, run)
    draw_distance(run, distance)
    draw_energy(run, energy)
    draw_mass(run, mass)
    about = "Dots and thin lines: tokens" if has_density(run) else ""
    if np.isfinite(columns(run, "outgrown")[0]).any():
        about += "; dotted: a density became too sharp for its degrees; "
        about += "means are over all realizations and end there"
    return dress(picture, run, headline(run), about)
