"""Study spde: the density over time on the circle (space-time image) or the sphere (Mollweide maps) with tokens on top, its
distance to the tokens, energies, and how well its degrees hold it."""
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plotting.common import FADED_TRACES, LOOK, columns, dress, found, log_values, short, time_axis

TRACES, DOTS = 24, 300  # tokens drawn over time, and on a map
COLOURS = "magma"
TOKEN = "#7fe3d4"  # seen on all of COLOURS


def norm_of(density):
    """Colours in powers of ten between what most of the picture takes."""
    high = np.nanmax(density)
    return LogNorm(max(np.nanpercentile(density, 2), 3e-3 * high, 1e-12), high)


def edges(time):
    """Borders between frames."""
    if len(time) == 1:
        return np.array([time[0], time[0] + 1])
    return np.concatenate([time[:1], (time[1:] + time[:-1]) / 2, time[-1:]])


def draw_circle(part, run):
    time, angle, density = columns(run, "snapshot_time", "snapshot_angle", "snapshot_density")
    axes = part.subplots()
    borders = np.linspace(0, 2 * np.pi, len(angle) + 1)
    norm = norm_of(density)
    image = axes.pcolormesh(edges(time), borders, np.clip(density, norm.vmin, None).T, norm=norm, cmap=COLOURS, rasterized=True)
    part.colorbar(image, ax=axes, pad=0.012, extend="min", label="density")
    dataset = run.study_data["snapshot_tokens"]
    tokens = dataset[:, :: -(-dataset.shape[1] // TRACES)]
    path = np.mod(np.arctan2(tokens[..., 1], tokens[..., 0]), 2 * np.pi)
    path[1:][np.abs(np.diff(path, axis=0)) > np.pi] = np.nan  # no line across the cut
    axes.plot(time, path, color=TOKEN, linewidth=0.9, alpha=0.8)
    axes.set(ylim=(0, 2 * np.pi), ylabel="angle", title=f"The density (realization 0) and {path.shape[1]} tokens along the same noise")
    axes.set_yticks(np.arange(5) * np.pi / 2, ["0", "π/2", "π", "3π/2", "2π"])
    axes.grid(False)
    time_axis(axes, time)


def draw_sphere(part, run):
    """Maps at six times; of the snapshots only those are read."""
    time, angle, latitude = columns(run, "snapshot_time", "snapshot_angle", "snapshot_latitude")
    frames = np.unique(np.linspace(0, len(time) - 1, 6).round().astype(int))
    density, tokens = (run.study_data[name] for name in ("snapshot_density", "snapshot_tokens"))
    density = [density[f] for f in frames]
    norm = norm_of(np.array(density))
    longitude = np.linspace(-np.pi, np.pi, len(angle) + 1)
    north = np.linspace(-np.pi / 2, np.pi / 2, len(latitude) + 1)
    wide = min(3, -(-len(frames) // (1 if len(frames) < 4 else 2)))
    panels = np.ravel(part.subplots(-(-len(frames) // wide), wide, subplot_kw={"projection": "mollweide"}))
    half = len(angle) // 2  # angles from pi on lie west
    for axes, f, values in zip(panels, frames, density):
        values = np.clip(np.roll(values, half, axis=1), norm.vmin, None)
        image = axes.pcolormesh(longitude, north, values, norm=norm, cmap=COLOURS, rasterized=True)
        x = tokens[f, :: -(-tokens.shape[1] // DOTS)]
        axes.scatter(np.arctan2(x[:, 1], x[:, 0]), np.arcsin(np.clip(x[:, 2], -1, 1)), s=5, c=TOKEN, linewidths=0)
        axes.set_title(f"t = {time[f]:.3g}")
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in panels[len(frames):]:
        axes.axis("off")
    part.colorbar(image, ax=list(panels), pad=0.015, aspect=30, extend="min", label="density")


def mark_end(axes, time, outgrown):
    """Where densities outgrew their degrees."""
    for t in outgrown[np.isfinite(outgrown)]:
        axes.axvline(t, color=LOOK.faint, linewidth=1, linestyle=":", alpha=0.8)
    end = np.nanmax(outgrown) if np.isfinite(outgrown).all() else time[-1]
    time_axis(axes, np.append(time[time < end], end))


def known(values):
    """The last value that is known: later ones are NaN once every density is outgrown."""
    there = values[np.isfinite(values)]
    return there[-1] if len(there) else np.nan


def draw_distance(run, axes):
    time, mean, single, outgrown = columns(run, "time", "distance", "distance_realizations", "outgrown")
    if single.shape[1] > 1:
        axes.plot(time, np.where(single > 1e-14, single, np.nan)[:, :FADED_TRACES], color=LOOK.blue, alpha=0.3, linewidth=0.8)
    shown = np.where(mean > 1e-14, mean, np.nan)  # both start alike: 0 is not on a log axis
    positive = shown[np.isfinite(shown)]
    axes.plot(time, shown, color=LOOK.blue, linewidth=2.6, marker="o" if len(positive) < 8 else None)
    if len(positive) and positive.max() > 30 * positive.min():
        axes.set_ylim(positive.min() / 3, 3 * positive.max())
        log_values(axes)
    else:
        axes.set_ylim(0, 1.15 * np.nanmax(single[:, :FADED_TRACES]) if len(positive) else 1)
        axes.ticklabel_format(axis="y", useMathText=True)
    found(axes, f"{kind(run)} of density and tokens: at most {short(positive.max()) if len(positive) else 0}")
    mark_end(axes, time, outgrown)


def kind(run):
    return "$W_2$" if run.study_values["distance_kind"] == "W2" else run.study_values["distance_kind"]


def draw_energy(run, axes):
    time, energy, tokens, outgrown = columns(run, "time", "energy", "tokens_energy", "outgrown")
    axes.plot(time, energy, color=LOOK.blue, linewidth=2.6, label="density")
    axes.plot(time, tokens, color=LOOK.orange, linestyle="none", marker="o", markersize=5, markevery=max(1, len(time) // 40), label="tokens")
    low, high = np.nanmin([energy, tokens]), np.nanmax([energy, tokens])
    axes.set_ylim(max(0, low - 0.15 * (high - low)), high + 0.3 * (high - low + 1e-12))
    found(axes, f"Energies differ by at most {short(np.nanmax(np.abs(energy - tokens)))}")
    axes.set_ylabel("energy $E_\\beta$")
    axes.legend(loc="upper right", ncols=2)
    mark_end(axes, time, outgrown)


def draw_spectrum(run, axes):
    time, power = columns(run, "snapshot_time", "snapshot_spectrum")
    frames = np.unique(np.linspace(0, len(time) - 1, 6).round().astype(int))
    for f, colour in zip(frames, LOOK.sequence(len(frames))):
        axes.semilogy(np.sqrt(power[f]), color=colour, linewidth=1.8, label=f"t = {time[f]:.3g}")
    watched = 2 * (power.shape[1] - 1) / 3
    axes.axvspan(watched, power.shape[1] - 1, color=LOOK.faint, alpha=0.18, linewidth=0)
    amplitude = np.sqrt(power[frames])
    amplitude = amplitude[np.isfinite(amplitude) & (amplitude > 1e-17)]
    axes.set(xlim=(0, power.shape[1] - 1), ylim=(amplitude.min() / 1e7 if len(amplitude) else 1e-17, 3), xlabel="degree n",
             title="Spectrum; shaded: degrees that tell its end")
    axes.legend(loc="lower left", ncols=3, fontsize=12, columnspacing=1, handlelength=1.3)


def draw_mass(run, axes):
    time, mass, tail, outgrown = columns(run, "time", "mass", "tail", "outgrown")
    limit = run.parameters.real("spde_tol")
    error = np.abs(mass - 1)
    axes.semilogy(time, np.where(tail > 0, tail, np.nan), color=LOOK.blue, linewidth=2.2, label="tail of the spectrum")
    axes.semilogy(time, np.maximum(error, 1e-17), color=LOOK.green, linewidth=2.2, linestyle="--", label="|mass − 1|")
    axes.axhline(limit, color=LOOK.orange, linewidth=1.8, linestyle="--", label=f"outgrown beyond {short(limit)}")
    axes.set_ylim(2e-18, 3e7 * limit)
    found(axes, f"Mass is kept to {short(np.nanmax(error))}; degrees {'suffice ✓' if not np.isfinite(outgrown).any() else 'outgrown'}")
    axes.legend(loc="upper left", ncols=2)
    mark_end(axes, time, outgrown)


def headline(run):
    time, mean, outgrown = columns(run, "time", "distance", "outgrown")
    lost = np.isfinite(outgrown)
    count = run.parameters.integer("tokens_count")
    name = {"W2": "W₂"}.get(run.study_values["distance_kind"], run.study_values["distance_kind"])
    if lost.any():
        many = f"{lost.sum()} of {len(lost)} densities" if len(lost) > 1 else "The density"
        return (f"{many} outgrew {'their' if len(lost) > 1 else 'its'} degrees, first at t = {np.nanmin(outgrown):.3g}; "
                f"{name} between {'those that are held' if len(lost) > 1 else 'it until then'} and {count} tokens at most {short(np.nanmax(mean))}")
    return f"Density and {count} tokens agree along the same noise: {name} {short(known(mean))} at t = {time[-1]:.3g}"


def figure(run):
    with_density = "snapshot_time" in run.study_data and run.study_data["snapshot_time"].shape[0] > 0  # spde_snapshots 0, or none yet
    on_sphere = "snapshot_latitude" in run.study_data
    picture = plt.figure(figsize=(13, (14.2 if on_sphere else 13.4) if with_density else 8), layout="constrained")
    if with_density:
        above, below = picture.subfigures(2, 1, height_ratios=[1, 1.25])
        (draw_sphere if on_sphere else draw_circle)(above, run)
        (distance, energy), (spectrum, mass) = below.subplots(2, 2)
        draw_spectrum(run, spectrum)
    else:
        places = picture.add_gridspec(2, 2)
        distance, energy, mass = (picture.add_subplot(place) for place in (places[0, 0], places[0, 1], places[1, :]))
    draw_distance(run, distance)
    draw_energy(run, energy)
    draw_mass(run, mass)
    return dress(picture, run, headline(run), ("Dots and thin lines: tokens" if with_density else "") + ("; dotted: a density outgrew its degrees" if np.isfinite(columns(run, "outgrown")[0]).any() else ""))
