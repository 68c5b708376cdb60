"""Pictures of tokens: on the circle, on the ball seen from outside, and beyond three dimensions in
the plane of their first two principal components. Used by the figures and the movies; large sets
are drawn by evenly chosen tokens, of which alone a frame is read."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import SubFigure

from chorale.command import plural
from chorale.errors import BadFile
from chorale.io import Run, Trajectory
from chorale.plot.common import LOOK, Picture, dress
from chorale.plot.words import short

MOST = 3000  # tokens that are drawn
BLOCK = 1 << 24  # bytes of a frame read at once
PLACE = 0.03  # tokens that are nearer to each other make one dot
FEW, LARGE = 8, 150  # so few places have dots of this size


class Frames:
    """Frames of a trajectory, each with at most so many tokens."""

    def __init__(self, trajectory: Trajectory, most: int = MOST):
        if not len(trajectory):
            raise BadFile(trajectory.path, "no frame is recorded yet")
        self.trajectory, self.stride = trajectory, -(-trajectory.tokens // most)
        self.time, self.dim = trajectory.time, trajectory.dim
        self.projected = "projection" in trajectory.file  # by tools/project, about a mean

    def __len__(self) -> int:
        return len(self.trajectory)

    def __getitem__(self, frame: int) -> np.ndarray:
        """Read block by block and thinned afterwards: HDF5 is slow where single rows are chosen,
        and a frame may be larger than the memory."""
        if self.stride == 1:
            return self.trajectory[frame]
        points = [
            block[-first % self.stride :: self.stride]
            for first, block in self.trajectory.slabs(frame % len(self), BLOCK)
        ]
        return np.concatenate(points)

    def drawn(self) -> str:
        """`3000 of 1000000 tokens, `, empty when all are drawn."""
        count = self.trajectory.tokens
        return f"{-(-count // self.stride)} of {count} tokens drawn. " if self.stride > 1 else ""

    def source_dim(self) -> int:
        """The dimension of the tokens, which a projection has left."""
        shown = self.trajectory.file.get("projection/components")
        return int(shown.shape[1]) if shown is not None and len(shown.shape) == 2 else self.dim

    def lengths(self) -> tuple[float, float]:
        """Of the mean token in the first and the last frame; of projected tokens that of points of
        the sphere which are as far from their mean."""
        first, last = (self[frame] for frame in (0, len(self) - 1))
        if not self.projected:
            return tuple(float(np.linalg.norm(x.mean(axis=0))) for x in (first, last))
        return tuple(float(np.sqrt(max(0, 1 - spread(x) ** 2))) for x in (first, last))

    def nearest(self, shares: Sequence[float]) -> np.ndarray:
        """Numbers of the frames nearest to these shares of the time."""
        wanted = self.time[0] + (self.time[-1] - self.time[0]) * np.asarray(shares)
        return np.abs(self.time[:, None] - wanted).argmin(axis=0)


def spread(points: np.ndarray) -> float:
    """Root of the mean square distance from the mean."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def of_run(run: Run, most: int = MOST) -> Optional[Frames]:
    """Frames of the first recorded realization, or None when there are none; BadFile when they are
    lost."""
    if not run.realizations:
        return None
    return Frames(run.trajectory(run.realizations[0]), most)


def turned(last: np.ndarray) -> np.ndarray:
    """Rows: right, up, towards the viewer; the final cluster lies in front, to the upper right of
    the middle."""
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


def components(frames: Frames) -> tuple[np.ndarray, float]:
    """First two principal components of the tokens at some times (rows), and the share of the
    variance that they hold."""
    cloud = np.concatenate([frames[f] for f in frames.nearest(np.linspace(0, 1, 8))])
    values, vectors = np.linalg.eigh(np.cov(cloud.T))
    return vectors[:, :-3:-1].T, values[:-3:-1].sum() / values.sum()


class View:
    """One way to look at all frames. A token keeps the colour of the place where it started."""

    def __init__(self, frames: Frames):
        self.dim, first = frames.dim, frames[0]
        self.note, self.is_ball = "", self.dim == 3 and not frames.projected
        self.limit = 1.45 if self.dim == 2 else 1.08
        if frames.projected:
            self.basis, height = np.eye(2, self.dim), first[:, 1]
            ends = [np.abs(frames[f]).max() for f in frames.nearest(np.linspace(0, 1, 8))]
            self.limit = 1.1 * float(max(ends)) or 1
            height = (height - height.mean()) / (2.5 * height.std() + 1e-300)
            self.note = "Shown: the first two of three principal components"
        elif self.dim == 2:
            self.basis, height = np.eye(2), first[:, 1]
        elif self.dim == 3:
            self.basis = turned(frames[len(frames) - 1])
            height = first @ self.basis[1]
        else:
            self.basis, share = components(frames)
            height = first @ self.basis[1]
            height = height / (2.5 * height.std() + 1e-300)
            self.note = f"Shown: first two principal components, {100 * share:.0f}% of the variance"
        self.colours = LOOK.ordered(0.5 + 0.5 * np.clip(height, -1, 1))
        self.on_disk = not frames.projected

    @staticmethod
    def size(points: np.ndarray) -> float:
        """Of a dot: larger where tokens lie on each other, so that a single one is seen."""
        places = np.unique(np.round(points / PLACE), axis=0)
        return float(np.clip(9000 / len(places), 7, 46) if len(places) > FEW else LARGE)

    def stage(self, axes: Axes) -> None:
        """What does not move."""
        if self.is_ball:
            draw_ball(axes)
        elif self.on_disk:
            look = {"facecolor": LOOK.panel, "edgecolor": LOOK.soft, "linewidth": 1.1}
            axes.add_patch(plt.Circle((0, 0), 1, zorder=1, **look))
        if self.dim > 3 or not self.on_disk:
            end = 1 if self.on_disk else self.limit
            x, y = [-end, end, np.nan, 0, 0], [0, 0, np.nan, -end, end]
            axes.plot(x, y, color=LOOK.grid, linewidth=0.9, zorder=1.5)
        axes.set(xlim=(-self.limit, self.limit), ylim=(-self.limit, self.limit), aspect="equal")
        axes.axis("off")

    def place(self, axes: Axes, points: np.ndarray) -> list[Artist]:
        """The tokens of a frame; returns what is to be removed before the next."""
        size = self.size(points)
        if self.is_ball:
            return self.place_on_ball(axes, points @ self.basis.T, size)
        look = {"edgecolors": LOOK.paper, "linewidths": 0.35, "zorder": 4}
        seen = points @ self.basis.T
        drawn = [axes.scatter(*seen.T, s=size, c=self.colours, **look)]
        return drawn + ([self.place_counts(axes, points)] if self.dim == 2 else [])

    def place_on_ball(self, axes: Axes, seen: np.ndarray, size: float) -> list[Artist]:
        """Those behind fainter and smaller, the nearest on top."""
        order = np.argsort(seen[:, 2])
        hidden, visible = order[seen[order, 2] < 0], order[seen[order, 2] >= 0]
        look = {"alpha": 0.28, "linewidths": 0, "zorder": 2.5}
        colours = self.colours[hidden]
        behind = axes.scatter(*seen[hidden, :2].T, s=0.6 * size, c=colours, **look)
        sizes, colours = size * (0.75 + 0.35 * seen[visible, 2]), self.colours[visible]
        look = {"edgecolors": LOOK.paper, "linewidths": 0.35, "zorder": 4}
        return [behind, axes.scatter(*seen[visible, :2].T, s=sizes, c=colours, **look)]

    @staticmethod
    def place_counts(axes: Axes, points: np.ndarray) -> Artist:
        """Outside the circle, how many tokens there are: bars whose length is the root of their
        share."""
        counts, edges = np.histogram(np.arctan2(points[:, 1], points[:, 0]), 72, (-np.pi, np.pi))
        middle = ((edges[1:] + edges[:-1]) / 2)[counts > 0]
        length = 0.36 * np.sqrt(counts[counts > 0] / len(points))
        foot = np.array([np.cos(middle), np.sin(middle)]).T
        ends = np.stack([1.08 * foot, (1.08 + length)[:, None] * foot], axis=1)
        return axes.add_collection(LineCollection(ends, colors=LOOK.faint, linewidths=3.2))


def ball_lines() -> list[np.ndarray]:
    """Parallels and meridians in R^3."""
    angle = np.linspace(0, 2 * np.pi, 241)
    circle = np.array([np.cos(angle), np.sin(angle)])
    parallels = [
        np.array([*circle * np.cos(p), np.full_like(angle, np.sin(p))])
        for p in np.radians([-60, -30, 0, 30, 60])
    ]
    meridians = [
        np.array([np.cos(p) * circle[0], np.sin(p) * circle[0], circle[1]])
        for p in np.radians(np.arange(0, 180, 30))
    ]
    return parallels + meridians


def draw_ball(axes: Axes) -> None:
    """A shaded ball of radius 1 with meridians and parallels, the hidden half faint."""
    grid = np.linspace(-1, 1, 400)
    x, y = np.meshgrid(grid, grid)
    inside = np.clip(1 - x * x - y * y, 0, None)
    light = np.clip(-0.45 * x + 0.55 * y + 0.7 * np.sqrt(inside), 0, 1)
    look: dict[str, Any] = {"cmap": LOOK.ball, "vmin": 0, "vmax": 1, "interpolation": "bilinear"}
    shade = axes.imshow(light, extent=(-1, 1, -1, 1), origin="lower", zorder=1, **look)
    shade.set_clip_path(plt.Circle((0, 0), 1, transform=axes.transData))
    tilt = np.radians(22)
    for u, v, w in ball_lines():
        up, depth = np.cos(tilt) * w + np.sin(tilt) * v, np.sin(tilt) * w - np.cos(tilt) * v
        for mask, alpha in ((depth >= 0, 0.5), (depth < 0, 0.13)):
            across, along = np.where(mask, u, np.nan), np.where(mask, up, np.nan)
            axes.plot(across, along, color=LOOK.soft, alpha=alpha, linewidth=0.6, zorder=2)
    axes.add_patch(plt.Circle((0, 0), 1, fill=False, color=LOOK.soft, linewidth=1.1, zorder=3))


def draw_row(part: SubFigure, frames: Frames, shares: Sequence[float], rows: int = 1) -> View:
    """Panels with the tokens at these shares of the time."""
    view = View(frames)
    panels = np.ravel(part.subplots(rows, len(shares) // rows))
    for axes, f in zip(panels, frames.nearest(shares)):
        view.stage(axes)
        view.place(axes, frames[f])
        axes.set_title(f"t = {frames.time[f]:.3g}", y=0.985)
    return view


def figure(run: Run) -> Picture:
    """Of a trajectory file: tokens at eight times."""
    frames = of_run(run)
    whole = plt.figure(figsize=(13, 8), layout="constrained")
    view = draw_row(whole, frames, np.linspace(0, 1, 8), rows=2)
    count = frames.trajectory.tokens
    about = f"N = {count}, d = {frames.source_dim()}, {plural(len(frames), 'frame')}. "
    about += f"{frames.drawn()}{view.note}. Colours: where a token started"
    first, last = frames.lengths()
    headline = f"{verb(first, last)}: their mean has length {first:.2f}, then {last:.2f}"
    if frames.projected:
        ends = [spread(frames[f]) for f in (0, len(frames) - 1)]
        far = f"{short(ends[0])}, then {short(ends[1])}"
        headline = f"{verb(first, last)}: their distance from their mean is {far}"
    return dress(whole, run, headline, about)


def verb(first: float, last: float) -> str:
    """What became of tokens whose mean had these lengths."""
    if last > 0.95 > first:
        return "The tokens gather in one point"
    if last > first + 0.05:
        return "The tokens draw together"
    return "The tokens part" if last < first - 0.05 else "The tokens stay as spread as they were"
