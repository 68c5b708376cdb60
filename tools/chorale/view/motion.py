"""Tokens over time: where they are, and beside it what was observed of them."""

from __future__ import annotations

import os
import re
from typing import Iterable, NamedTuple, Optional

import numpy as np

from chorale import io, project
from chorale.errors import BadFile
from chorale.io import Run, Trajectory
from chorale.plot.common import Series
from chorale.plot.simulate import uniform_energy
from chorale.view.data import Piece, axis, chart, coordinates, line, packed

MOST = 20_000  # points that are shown
NUMBERS = 6_000_000  # coordinates of all realizations that a page has
RECORDED = 16  # realizations that a page has
NEAR = 0.99  # cosine of tokens in one cluster
ROWS = 256  # tokens whose neighbours are looked for at once
STRIPS = {
    "energy": ("energy", "wide", "blue"),
    "order": ("order", "linear", "orange"),
    "clusters": ("clusters", "log", "green"),
}


ENDS = {"order": {"floor": 0, "ceiling": 1}, "clusters": {"floor": 1}}
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Cast(NamedTuple):
    """Who is shown, in which frames, along which axes."""

    tokens: np.ndarray
    frames: np.ndarray
    axes: Optional[np.ndarray]  # rows; None where the space has two or three
    share: float  # of the variance


def sample(count: int, most: int) -> np.ndarray:
    """Numbers of the tokens that are shown: all, or the same ones every time."""
    if count <= most:
        return np.arange(count)
    draw = np.random.Generator(np.random.Philox(key=count))
    return np.sort(draw.choice(count, most, replace=False, shuffle=False))


def evenly(count: int, most: int) -> np.ndarray:
    """At most so many of a row, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, max(2, most)).round().astype(int))


def cast_of(source: Trajectory, realizations: int) -> Cast:
    """All tokens and frames, or as many as a page has room for."""
    tokens = sample(source.tokens, MOST)
    room = NUMBERS // (realizations * len(tokens) * min(3, source.dim))
    frames, axes, share = evenly(len(source), room), None, 1.0
    if source.dim > 3:
        axes, variances = project.components(project.moments(source)[1])
        share = float(variances[:3].sum() / max(variances.sum(), 1e-300))
    return Cast(tokens, frames, axes, share)


def points(source: Trajectory, frame: int, tokens: np.ndarray) -> np.ndarray:
    """Positions of some tokens, block by block."""
    found = []
    for first, block in source.slabs(frame):
        low, high = np.searchsorted(tokens, [first, first + len(block)])
        found.append(block[tokens[low:high] - first])
    return np.concatenate(found)


def clusters(x: np.ndarray, near: float = NEAR) -> np.ndarray:
    """Of each token the number of its connected component at a cosine beyond `near`; the largest
    is 0."""
    label = np.full(len(x), -1)
    for seed in range(len(x)):
        if label[seed] >= 0:
            continue
        label[seed], edge = seed, np.array([seed])
        while len(edge):
            met = np.zeros(len(x), bool)
            for first in range(0, len(edge), ROWS):
                met |= (x @ x[edge[first : first + ROWS]].T > near).any(axis=1)
            edge = np.flatnonzero(met & (label < 0))
            label[edge] = seed
    names, place, size = np.unique(label, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), int)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(names))
    return rank[place]


def front_of(x: np.ndarray) -> list[float]:
    """Longitude and latitude, in degrees, of where most of these points are."""
    if x.shape[1] < 3:
        return [0.0, 0.0]
    _, vectors = np.linalg.eigh(x.T @ x)
    axis_ = vectors[:, -1] * (1 if x.mean(axis=0) @ vectors[:, -1] >= 0 else -1)
    angles = np.arctan2(axis_[1], axis_[0]), np.arcsin(np.clip(axis_[2], -1, 1))
    return [float(angle) for angle in np.degrees(angles)]


def of_realization(source: Trajectory, cast: Cast, name: str) -> Piece:
    """Positions of a realization, and the cluster in which each token ends."""
    at = np.empty((len(cast.frames), len(cast.tokens), min(3, source.dim)))
    for i, frame in enumerate(cast.frames):
        x = points(source, int(frame), cast.tokens)
        at[i] = x if cast.axes is None else x @ cast.axes.T
    ends = clusters(x)
    return {
        "name": name,
        "positions": coordinates(at),
        "clusters": packed(np.minimum(ends, 65535), "<u2"),
        "front": front_of(at[-1]),
    }


def notes_of(source: Trajectory, cast: Cast) -> list[str]:
    """What a page must say of what it leaves out."""
    found = []
    if cast.axes is not None:
        held = f"they hold {100 * cast.share:.0f}% of the variance"
        space = f"R{str(source.dim).translate(RAISED)}"
        found.append(
            f"A projection from {space}: the three leading principal axes of all frames together; "
            f"{held}. The tokens lie inside the ball."
        )
    if len(cast.tokens) < source.tokens:
        found.append(f"Shown: a random sample of {len(cast.tokens)} of {source.tokens} tokens.")
    if len(cast.frames) < len(source):
        found.append(f"Shown: {len(cast.frames)} of {len(source)} frames, evenly chosen.")
    return found


def tokens_of(sources: list[tuple[str, Trajectory]], causal: bool) -> Piece:
    """Of {name: trajectory}, which have the same tokens and frames."""
    first = sources[0][1]
    if not len(first):
        raise BadFile(first.path, "no frame is recorded yet")
    cast = cast_of(first, len(sources))
    return {
        "dim": first.dim,
        "count": first.tokens,
        "tokens": packed(cast.tokens, "<f8"),
        "time": packed(first.time[cast.frames]),
        "step": packed(first.step[cast.frames]),
        "causal": causal,
        "notes": notes_of(first, cast),
        "realizations": [of_realization(source, cast, name) for name, source in sources],
    }


def strip(run: Run, name: str, realizations: Iterable[int]) -> Piece:
    """An observable over time: its mean with a 95% interval, and every shown realization."""
    title, scale, colour = STRIPS[name]
    key = "clusters_all" if name == "clusters" and "clusters_all" in run.observables else name
    seen, values, lines = Series(run, key), run.observables[key].values(), []
    several = seen.count > 1
    if several:
        label = f"{title}: mean of {seen.begun}"
        lines.append(line(label, seen.time, seen.mean, colour, (seen.low, seen.high)))
    for r in realizations:
        of = f"{title} of realization {r}" if several else title
        look = {"look": "dashes" if several else "line", "realization": r}
        lines.append(line(of, seen.time, values[:, r], colour, **look))
    if name == "energy" and np.isfinite(uniform_energy(run)) and seen.unit in ("1", ""):
        level = np.full(2, uniform_energy(run))
        lines.append(
            line("independent uniform tokens", seen.time[[0, -1]], level, "soft", look="dots")
        )
    unit = "" if seen.unit in ("1", "") else f" [{seen.unit}]"
    made = chart("", axis("time t"), axis(title + unit, scale), lines)
    return {**made, **ENDS.get(name, {})}


def strips(run: Run, realizations: Iterable[int]) -> list[Piece]:
    """All that there are."""
    chosen = list(realizations) or [0]
    return [strip(run, name, chosen) for name in STRIPS if name in run.observables]


def recorded(run: Run) -> tuple[list[int], list[tuple[str, Trajectory]], str]:
    """Realizations whose positions are there, and why others are not shown."""
    known, found, lost = run.realizations[:RECORDED], {}, ""
    for r in known:
        try:
            source = run.trajectory(r)
            if len(source):
                found[r] = source
        except BadFile as error:
            lost = str(error)
    shapes = [(len(one), one.tokens, one.dim) for one in found.values()]
    same = [r for r, shape in zip(found, shapes) if shape == shapes[0]]
    return same, [(f"realization {r}", found[r]) for r in same], lost


def of_run(run: Run) -> Piece:
    """Of results with observables."""
    chosen, sources, lost = recorded(run)
    made: Piece = {"kind": "motion", "title": "Tokens in motion", "numbers": chosen}
    made["strips"] = strips(run, chosen)
    if sources:
        causal = run.system.get("attention_mask") == "causal"
        made["points"] = tokens_of(sources, causal)
    else:
        made["title"] = "Over time"
        hint = lost or "Where the tokens were is not recorded: -output_trajectories 1 does it"
        made["note"] = f"{hint}."
    return made


def of_trajectory(run: Run) -> Piece:
    """Of positions alone; what was observed is in the results beside them."""
    found = re.search(r"realization_(\d+)", os.path.basename(run.path))
    number = int(found[1]) if found else 0
    made: Piece = {"kind": "motion", "title": "Tokens in motion", "numbers": [number]}
    made["strips"], causal = [], False
    if run.results_path:
        with io.open(run.results_path) as results:
            causal = results.system.get("attention_mask") == "causal"
            made["strips"] = strips(results, [number])
    made["points"] = tokens_of([(f"realization {number}", run.trajectory(0))], causal)
    return made
