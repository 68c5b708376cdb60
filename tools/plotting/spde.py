"""Pictures of study spde: the density over time on the circle (space-time image) or the sphere (Mollweide maps) with tokens on top, its
distance to the tokens, energies, and how well its degrees hold it."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plotting.common import BLUE, FADED_TRACES, GREEN, GREY, ORANGE, STYLE, BadFile, columns, parameters, text, title

TRACES, DOTS = 24, 300  # tokens drawn over time, and on a map
COLOURS = "magma"
INK_ON_DARK = "#7fe3d4"


def norm_of(density):
    """Colours in powers of ten between what most of the picture takes."""
    high = np.nanmax(density)
    return LogNorm(max(np.nanpercentile(density, 2), 3e-3 * high, 1e-12), high)


def edges(time):
    """Borders between frames."""
    if len(time) == 1:
        return np.array([time[0], time[0] + 1])
    return np.concatenate([time[:1], (time[1:] + time[:-1]) / 2, time[-1:]])


def draw_circle(figure, axes, group):
    time, angle, density, tokens = columns(group, "snapshot_time", "snapshot_angle", "snapshot_density", "snapshot_tokens")
    borders = np.linspace(0, 2 * np.pi, len(angle) + 1)
    norm = norm_of(density)
    image = axes.pcolormesh(edges(time), borders, np.clip(density, norm.vmin, None).T, norm=norm, cmap=COLOURS, rasterized=True)
    figure.colorbar(image, ax=axes, pad=0.012, extend="min", label="density")
    chosen = np.linspace(0, tokens.shape[1] - 1, min(TRACES, tokens.shape[1])).astype(int)
    path = np.mod(np.arctan2(tokens[:, chosen, 1], tokens[:, chosen, 0]), 2 * np.pi)
    path[1:][np.abs(np.diff(path, axis=0)) > np.pi] = np.nan  # no line across the cut
    axes.plot(time, path, color=INK_ON_DARK, linewidth=0.8, alpha=0.75)
    axes.set(ylim=(0, 2 * np.pi), ylabel="angle", xlabel="time t", title="Density of realization 0, with paths of tokens")
    axes.set_yticks(np.arange(5) * np.pi / 2, ["0", "π/2", "π", "3π/2", "2π"])
    axes.grid(False)


def draw_sphere(part, group):
    time, angle, latitude, density, tokens = columns(
        group, "snapshot_time", "snapshot_angle", "snapshot_latitude", "snapshot_density", "snapshot_tokens")
    frames = np.unique(np.linspace(0, len(time) - 1, 6).round().astype(int))
    norm = norm_of(density[frames])
    longitude = np.linspace(-np.pi, np.pi, len(angle) + 1)
    north = np.linspace(-np.pi / 2, np.pi / 2, len(latitude) + 1)
    panels = part.subplots(2, 3, subplot_kw={"projection": "mollweide"}).ravel()
    half = len(angle) // 2  # angles from pi on lie west
    for axes, f in zip(panels, frames):
        values = np.clip(np.roll(density[f], half, axis=1), norm.vmin, None)
        image = axes.pcolormesh(longitude, north, values, norm=norm, cmap=COLOURS, rasterized=True)
        x = tokens[f][np.linspace(0, tokens.shape[1] - 1, min(DOTS, tokens.shape[1])).astype(int)]
        axes.scatter(np.arctan2(x[:, 1], x[:, 0]), np.arcsin(np.clip(x[:, 2], -1, 1)), s=4, c=INK_ON_DARK, linewidths=0)
        axes.set_title(f"t = {time[f]:.3g}")
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in panels[len(frames):]:
        axes.axis("off")
    part.colorbar(image, ax=list(panels), pad=0.015, aspect=30, extend="min", label="density")
    part.suptitle("Density of realization 0, with tokens", fontsize=14)


def mark_end(axes, time, outgrown):
    """Where densities outgrew their degrees."""
    for t in outgrown[np.isfinite(outgrown)]:
        axes.axvline(t, color=GREY, linewidth=0.8, linestyle=":", alpha=0.7)
    axes.set(xlim=(time[0], max(time[-1], time[0] + 1e-9)), xlabel="time t")


def held(outgrown):
    return ", mean of those still held" if len(outgrown) > 1 and np.isfinite(outgrown).any() else ""


def draw_distance(axes, group):
    time, mean, single, outgrown = columns(group, "time", "distance", "distance_realizations", "outgrown")
    kind = text(group.attrs["distance_kind"])
    if single.shape[1] > 1:
        axes.plot(time, single[:, :FADED_TRACES], color=BLUE, alpha=0.3, linewidth=0.8)
    axes.plot(time, mean, color=BLUE, linewidth=2.4)
    positive = single[np.isfinite(single) & (single > 0)]
    if len(positive) and positive.max() > 30 * positive.min():
        axes.set_yscale("log")
        axes.set_ylim(bottom=positive[positive > 1e-12].min() / 2)
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(("$W_2$" if kind == "W2" else kind) + " between density and tokens" + held(outgrown))
    mark_end(axes, time, outgrown)


def draw_energy(axes, group):
    time, energy, tokens, outgrown = columns(group, "time", "energy", "tokens_energy", "outgrown")
    axes.plot(time, energy, color=BLUE, linewidth=2.4, label="density")
    axes.plot(time, tokens, color=ORANGE, linewidth=1.6, linestyle="--", label="tokens")
    axes.set_ylim(bottom=0)
    axes.set_title("Energy  $E_\\beta$" + held(outgrown))
    axes.legend(loc="best", framealpha=0.85)
    mark_end(axes, time, outgrown)


def draw_spectrum(axes, group):
    time, power = columns(group, "snapshot_time", "snapshot_spectrum")
    shades = plt.get_cmap("viridis")
    for f in np.unique(np.linspace(0, len(time) - 1, 6).round().astype(int)):
        axes.semilogy(np.sqrt(power[f]), color=shades(0.9 * f / max(len(time) - 1, 1)), linewidth=1.5, label=f"t = {time[f]:.3g}")
    axes.axvspan(2 * (power.shape[1] - 1) / 3, power.shape[1] - 1, color=GREY, alpha=0.15, linewidth=0)
    axes.set(xlim=(0, power.shape[1] - 1), ylim=(1e-17, 2), xlabel="degree n", title="Spectrum; shaded: the tail that is watched")
    axes.legend(loc="lower left", framealpha=0.85, fontsize=10, ncols=2)


def draw_mass(axes, group):
    time, mass, tail, outgrown = columns(group, "time", "mass", "tail", "outgrown")
    axes.semilogy(time, np.maximum(np.abs(mass - 1), 1e-17), color=GREEN, linewidth=1.6, label="|mass − 1|")
    axes.semilogy(time, np.maximum(tail, 1e-17), color=ORANGE, linewidth=1.6, label="tail of the spectrum")
    axes.set_ylim(1e-17, 1)
    axes.set_title("Mass and resolution")
    axes.legend(loc="best", framealpha=0.85)
    mark_end(axes, time, outgrown)


def figure(file):
    """A matplotlib Figure of an open results file of study spde."""
    group = file["study/spde"]
    if "snapshot_time" not in group:
        raise BadFile("no snapshots of the density: spde_snapshots was 0")
    with plt.rc_context(STYLE):
        picture = plt.figure(figsize=(13, 13.4), layout="constrained")
        above, below = picture.subfigures(2, 1, height_ratios=[1, 1.25])
        if "snapshot_latitude" in group:
            draw_sphere(above, group)
        else:
            draw_circle(above, above.subplots(), group)
        (distance, energy), (spectrum, mass) = below.subplots(2, 2)
        draw_distance(distance, group)
        draw_energy(energy, group)
        draw_spectrum(spectrum, group)
        draw_mass(mass, group)
        picture.suptitle(title(parameters(file)), fontsize=15)
    return picture
