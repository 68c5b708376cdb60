"""Study spde: the density on the circle or the sphere over time with its tokens, and how near they
stay."""

from __future__ import annotations

import numpy as np

from chorale.io import Run
from chorale.plot import spde
from chorale.plot.common import columns
from chorale.view.data import Piece, axis, chart, coordinates, line, packed
from chorale.view.motion import clusters, evenly, front_of

TIME = "time t"
BYTES = 3_000_000  # of all densities
LEVELS = 255  # of a density's logarithm
FRAMES, TOKENS = 300, 2000


def charts(run: Run) -> list[Piece]:
    """Distance and energies over time."""
    time, distance, energy, tokens = columns(run, "time", "distance", "energy", "tokens_energy")
    shown = np.where(distance > 1e-14, distance, np.nan)  # both start alike
    kind = str(run.study_values["distance_kind"]).replace("W2", "W₂")
    apart = chart("", axis(TIME), axis(f"distance {kind}", "wide"), [line(kind, time, shown)])
    lines = [
        line("energy of the density", time, energy, "blue"),
        line("energy of the tokens", time, tokens, "orange", look="dashes"),
    ]
    return [chart("", axis(TIME), axis("energy E_β", "wide"), lines), apart]


def held(run: Run) -> Piece:
    """How well mass is kept, and how much of a density is near the end of its degrees."""
    time, mass, tail = columns(run, "time", "mass", "tail")
    lines = [
        line("tail of the spectrum", time, np.where(tail > 0, tail, np.nan), "blue"),
        line("|mass − 1|", time, np.maximum(np.abs(mass - 1), 1e-17), "green", look="dashes"),
    ]
    limit = np.full(2, run.parameters.real("spde_tol"))
    lines.append(line("outgrown beyond", time[[0, -1]], limit, "orange", look="dots"))
    return chart("What is lost", axis(TIME), axis("share", "log"), lines)


def densities(run: Run, frames: np.ndarray) -> Piece:
    """Of some snapshots [frame][angle] or [frame][latitude][angle], as levels of their logarithm
    from a low to a high value."""
    data = run.study_data["snapshot_density"]
    values = np.array([data[f] for f in frames])
    norm = spde.norm_of(values)
    low, high = np.log(min(norm.vmin, norm.vmax / 3)), np.log(norm.vmax)
    level = (np.log(np.maximum(np.nan_to_num(values), np.exp(low))) - low) / (high - low)
    made = {"low": float(np.exp(low)), "high": float(np.exp(high))}
    made.update(sphere=spde.on_sphere(run), token=spde.TOKEN)
    if spde.on_sphere(run):
        made["latitude"] = packed(run.study_data["snapshot_latitude"][...])
    return {**made, "levels": packed(np.rint(LEVELS * np.clip(level, 0, 1)), "u1")}


def shown_frames(run: Run) -> np.ndarray:
    """As many snapshots as a page has room for."""
    data = run.study_data["snapshot_density"]
    room = BYTES // max(1, int(np.prod(data.shape[1:])))
    return evenly(len(data), min(FRAMES, room))


def of_run(run: Run) -> list[Piece]:
    if not spde.has_density(run):
        found = charts(run)
        names = ("Energy", "Distance of density and tokens")
        return [{**one, "title": name} for one, name in zip(found, names)] + [held(run)]
    frames = shown_frames(run)
    (time,) = columns(run, "snapshot_time")
    place = run.study_data["snapshot_tokens"]
    tokens = evenly(place.shape[1], TOKENS)
    at = np.array([place[f][tokens] for f in frames])
    notes = []
    if len(frames) < len(time):
        notes.append(f"Shown: {len(frames)} of {len(time)} snapshots, evenly chosen.")
    if len(tokens) < place.shape[1]:
        notes.append(f"Shown: {len(tokens)} of {place.shape[1]} tokens, evenly chosen.")
    realization = {
        "name": "realization 0",
        "positions": coordinates(at),
        "clusters": packed(clusters(at[-1]), "<u2"),
        "front": front_of(at[-1]),
    }
    points = {
        "dim": at.shape[2],
        "count": place.shape[1],
        "tokens": packed(tokens),
        "time": packed(time[frames]),
        "step": packed(frames),
        "causal": False,
        "notes": notes,
        "realizations": [realization],
    }
    moved = {
        "kind": "motion",
        "title": "The density, and tokens along the same noise",
        "numbers": [0],
        "strips": charts(run),
        "points": points,
        "density": densities(run, frames),
    }
    return [moved, held(run)]
