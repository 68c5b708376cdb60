"""Study simulate: energy, order, cosines and clusters over time (mean of the realizations, its 95% confidence band, the
realizations behind), and the tokens of the first recorded trajectory at four times. Colours show where on the sphere a
token started."""
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from plotting.common import BLUE, GREEN, GREY, ORANGE, TOKENS, BadFile, band, parameters, text, title


class Results:
    """What the picture needs of a results file."""

    def __init__(self, file):
        names = ("energy", "order", "nematic", "clusters", "cosine_hist")
        missing = [name for name in names if f"observables/{name}/value" not in file]
        if missing:
            raise BadFile(f"no observables/{missing[0]}: not a results file of chorale simulate")
        self.time = file["observables/energy/time"][:]
        self.energy_unit = text(file["observables/energy/value"].attrs.get("unit", "1"))
        self.values = {name: file[f"observables/{name}/value"][:] for name in names}
        self.parameters = parameters(file)
        self.frames = self.read_frames(file, file.filename)

    @staticmethod
    def read_frames(file, path):
        """Four frames (time, positions) of the first recorded realization: start, after 1/8 and 3/8 of the time, end. None without one."""
        group = file.get("particles")
        for name in sorted(group) if group is not None else []:
            try:
                member = group[name]
            except (KeyError, OSError):
                print(f"plot: {path}: trajectory {name} is not beside the file; drawn without tokens", file=sys.stderr)
                return None
            position = next((member[p] for p in ("position", "particles/all/position") if p in member), None)
            if position is None or len(position["time"]) == 0:
                continue
            valid = int(position.attrs.get("frames_valid", len(position["time"])))
            if valid == 0:
                continue
            time = position["time"][:valid]
            wanted = time[0] + (time[-1] - time[0]) * np.array([0, 1 / 8, 3 / 8, 1])
            return [(time[i], position["value"][i]) for i in np.abs(time[:, None] - wanted).argmin(axis=0)]
        return None


def draw_curves(results, energy, order, clusters):
    time, values = results.time, results.values
    band(energy, time, values["energy"], BLUE)
    energy.set_ylim(bottom=0)
    energy.set_title("Energy  $E_\\beta$" if results.energy_unit == "1" else "Energy  $E_\\beta\\,e^{-\\beta}$")
    band(order, time, values["nematic"], ORANGE, "nematic: top eigenvalue of $\\langle x x^T\\rangle$")
    band(order, time, values["order"], BLUE, "order: $|\\langle x\\rangle|$")
    order.set_ylim(0, 1.03)
    order.set_title("Order")
    order.legend(loc="best", framealpha=0.85)
    band(clusters, time, values["clusters"], GREEN)
    clusters.set_yscale("log")
    clusters.set_ylim(bottom=0.9)
    clusters.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    clusters.set_title("Clusters (connected at cosine > 0.99)")


def draw_cosines(results, figure, axes):
    share = results.values["cosine_hist"].mean(axis=1)  # [time][bin]
    time = results.time
    if len(time) > 1:
        edges = np.concatenate([time[:1], (time[1:] + time[:-1]) / 2, time[-1:]])
    else:
        edges = np.array([time[0], time[0] + 1])
    lowest = 1e-5
    colours = matplotlib.colormaps["magma"]
    image = axes.pcolormesh(edges, np.linspace(-1, 1, share.shape[1] + 1), np.maximum(share.T, lowest), norm=LogNorm(lowest, 1), cmap=colours, rasterized=True)
    figure.colorbar(image, ax=axes, pad=0.015, extend="min", label="share of pairs")
    axes.set_title("Cosines of pairs")
    axes.grid(False)


def view_basis(last):
    """Rows: right, up, towards the viewer; the final cluster lies in front, to the upper right of the middle."""
    _, vectors = np.linalg.eigh(last.T @ last)
    front = vectors[:, -1] * (1 if last.mean(axis=0) @ vectors[:, -1] >= 0 else -1)
    helper = np.eye(3)[np.argmin(np.abs(front))]
    right = np.cross(helper, front)
    right /= np.linalg.norm(right)
    basis = np.array([right, np.cross(front, right), front])
    a, b = np.radians(24), np.radians(20)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    return tilt @ turn @ basis


def draw_ball(axes):
    """A shaded ball of radius 1 with meridians and parallels, the hidden half faint."""
    grid = np.linspace(-1, 1, 400)
    x, y = np.meshgrid(grid, grid)
    inside = np.clip(1 - x * x - y * y, 0, None)
    light = np.clip((-0.45 * x + 0.55 * y + 0.7 * np.sqrt(inside)) / 1.0, 0, 1)
    shade = axes.imshow(light, extent=(-1, 1, -1, 1), origin="lower", cmap="gray", vmin=-2.6, vmax=1.05, interpolation="bilinear", zorder=1)
    shade.set_clip_path(plt.Circle((0, 0), 1, transform=axes.transData))
    angle = np.linspace(0, 2 * np.pi, 241)
    tilt = np.radians(22)
    lines = [np.array([np.cos(angle) * np.cos(p), np.sin(angle) * np.cos(p), np.full_like(angle, np.sin(p))]) for p in np.radians([-60, -30, 0, 30, 60])]
    lines += [np.array([np.cos(p) * np.cos(angle), np.sin(p) * np.cos(angle), np.sin(angle)]) for p in np.radians(np.arange(0, 180, 30))]
    for u, v, w in lines:
        up, depth = np.cos(tilt) * w - np.sin(tilt) * v * -1, np.cos(tilt) * -v + np.sin(tilt) * w
        for mask, alpha in ((depth >= 0, 0.55), (depth < 0, 0.13)):
            axes.plot(np.where(mask, u, np.nan), np.where(mask, up, np.nan), color="#5b6470", alpha=alpha, linewidth=0.6, zorder=2)
    axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="#5b6470", linewidth=1.1, zorder=3))


def dot_size(count):
    return float(np.clip(9000 / count, 7, 46))


def draw_sphere(axes, points, basis, colours):
    seen = points @ basis.T
    front = np.argsort(seen[:, 2])
    draw_ball(axes)
    hidden, visible = front[seen[front, 2] < 0], front[seen[front, 2] >= 0]
    size = dot_size(len(points))
    axes.scatter(*seen[hidden, :2].T, s=0.6 * size, c=colours[hidden], alpha=0.28, linewidths=0, zorder=2.5)
    axes.scatter(*seen[visible, :2].T, s=size * (0.75 + 0.35 * seen[visible, 2]), c=colours[visible], edgecolors="white", linewidths=0.35, zorder=4)


def draw_circle(axes, points, colours):
    """Tokens on the circle and, outside it, how many there are."""
    axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="#5b6470", linewidth=1.1))
    angle = np.arctan2(points[:, 1], points[:, 0])
    counts, edges = np.histogram(angle, 72, (-np.pi, np.pi))
    middle, length = (edges[1:] + edges[:-1]) / 2, 0.55 * np.sqrt(counts / len(points))
    for m, h in zip(middle[counts > 0], length[counts > 0]):
        axes.plot([1.07 * np.cos(m), (1.07 + h) * np.cos(m)], [1.07 * np.sin(m), (1.07 + h) * np.sin(m)], color=GREY, linewidth=3, solid_capstyle="butt")
    axes.scatter(points[:, 0], points[:, 1], s=dot_size(len(points)), c=colours, edgecolors="white", linewidths=0.35, zorder=4)


def draw_disc(axes, points, colours):
    axes.add_patch(plt.Circle((0, 0), 1, facecolor="#f3f4f6", edgecolor="#5b6470", linewidth=1.1))
    axes.axhline(0, color="#c5c9d0", linewidth=0.7, zorder=1)
    axes.axvline(0, color="#c5c9d0", linewidth=0.7, zorder=1)
    axes.scatter(points[:, 0], points[:, 1], s=dot_size(len(points)), c=colours, edgecolors="white", linewidths=0.35, zorder=4)


def draw_tokens(frames, row):
    dim = frames[0][1].shape[1]
    first, limit = frames[0][1], 1.45 if dim == 2 else 1.08
    if dim == 3:
        basis = view_basis(frames[-1][1])
        colours = TOKENS(0.5 + 0.48 * (first @ basis[1]))
    elif dim == 2:
        colours = TOKENS(0.5 + 0.48 * first[:, 1])
    else:
        colours = TOKENS(0.5 + 0.48 * np.clip(first[:, 1] * np.sqrt(dim) / 2.5, -1, 1))
    for axes, (time, points) in zip(row, frames):
        if dim == 3:
            draw_sphere(axes, points, basis, colours)
        elif dim == 2:
            draw_circle(axes, points, colours)
        else:
            draw_disc(axes, points, colours)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.axis("off")
        axes.set_title(f"t = {time:.3g}" + (",  $(x_1, x_2)$" if dim > 3 else ""))


def figure(file):
    results = Results(file)
    with_tokens = results.frames is not None
    whole = plt.figure(figsize=(13, 12.2 if with_tokens else 8.6), layout="constrained")
    parts = whole.subfigures(2, 1, height_ratios=[2.25, 1]) if with_tokens else [whole]
    (energy, order), (cosines, clusters) = parts[0].subplots(2, 2)
    draw_curves(results, energy, order, clusters)
    draw_cosines(results, parts[0], cosines)
    for axes in (energy, order, cosines, clusters):
        axes.set_xlabel("time t")
        axes.set_xlim(results.time[0], max(results.time[-1], results.time[0] + 1e-9))
    if with_tokens:
        draw_tokens(results.frames, parts[1].subplots(1, 4))
    whole.suptitle(title(results.parameters), fontsize=15)
    return whole
