"""Shows tokens of a high dimension in three: projects a trajectory on its principal components.

The components are the directions in which the positions of all frames together vary most, about
their common mean. Writes OUT.h5md (H5MD: MDAnalysis, VMD) and OUT.xmf beside it (ParaView), with
step, time and weights of FILE; mean, components and explained variances are in OUT.h5md as
/projection. The largest entry of every component is positive, which fixes its sign. Frames that a
running job has not written are left out. Reads FILE by slabs, whatever its size; a dimension below
3 is filled up with zeros.
"""

from __future__ import annotations

import argparse
import os
from typing import Iterator, Optional
from xml.sax.saxutils import escape

import h5py
import numpy as np

from chorale import inputs
from chorale.command import Parser, check_target, of_file, whole
from chorale.errors import Refused
from chorale.io import POSITION, Trajectory

AXES = 3


def moments(source: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the weighted tokens over all frames, in two passes (the second about
    the mean)."""
    weights = source.weights
    total, mean = 0.0, np.zeros(source.dim)
    for x, w in blocks(source, weights):
        total += w.sum()
        mean += w @ x
    mean /= total
    covariance = np.zeros((source.dim, source.dim))
    for x, w in blocks(source, weights):
        x -= mean
        covariance += x.T @ (w[:, np.newaxis] * x)
    return mean, covariance / total


def blocks(
    source: Trajectory, weights: Optional[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(positions, weights) of all frames by slabs, in double precision."""
    for frame in range(len(source)):
        for first, x in source.slabs(frame):
            yield x.astype(float), np.ones(len(x)) if weights is None else weights[
                first : first + len(x)
            ]


def components(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The three directions (as rows) and variances of all, largest first."""
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = np.maximum(variances[::-1], 0), vectors.T[::-1]
    axes = np.zeros((AXES, len(variances)))
    count = min(AXES, len(variances))
    axes[:count] = vectors[:count]
    for axis in axes[:count]:
        axis *= np.sign(axis[np.argmax(np.abs(axis))])
    return axes, variances


def fixed(text: str) -> np.ndarray:
    """A string of fixed length, as H5MD wants them, in UTF-8."""
    data = text.encode("utf-8", "surrogateescape")
    return np.array(data, dtype=h5py.string_dtype("utf-8", max(1, len(data))))


def write_header(
    out: h5py.File,
    source: Trajectory,
    mean: np.ndarray,
    axes: np.ndarray,
    variances: np.ndarray,
) -> None:
    """H5MD 1.1 without positions, and what the projection is."""
    header = out.create_group("h5md")
    header.attrs["version"] = np.array([1, 1], dtype=np.int32)
    header.create_group("author").attrs["name"] = fixed("chorale")
    creator = header.create_group("creator")
    creator.attrs["name"], creator.attrs["version"] = fixed("chorale"), fixed(source.version)
    box = out.create_group("particles/all/box")
    box.attrs["dimension"], box.attrs["boundary"] = np.int32(AXES), np.array([b"none"] * AXES)
    if source.weights is not None:
        out["particles/all/mass"] = source.weights
    projection = out.create_group("projection")
    projection["mean"], projection["components"], projection["variances"] = mean, axes, variances
    projection.attrs["source"] = fixed(os.path.basename(source.path))


def write_positions(out: h5py.File, source: Trajectory, mean: np.ndarray, axes: np.ndarray) -> int:
    """All frames, projected; returns the bytes of a number."""
    group = out.create_group("particles/all/position")
    group["step"], group["time"] = source.step, source.time
    extent = (len(source), source.tokens, AXES)
    value = group.create_dataset("value", extent, dtype=source.position.dtype)
    for frame in range(len(source)):
        for first, x in source.slabs(frame):
            value[frame, first : first + len(x)] = (x - mean) @ axes.T
    group.attrs["frames_valid"] = np.int32(len(source))
    return value.dtype.itemsize


XDMF = """<?xml version="1.0" encoding="UTF-8"?>
<Xdmf Version="3.0">
<Domain>
<Grid Name="tokens" GridType="Collection" CollectionType="Temporal">
"""
XDMF_FRAME = """<Grid Name="tokens">
<Time Value="{time:.17g}"/>
<Topology TopologyType="Polyvertex" NumberOfElements="{tokens}"/>
<Geometry GeometryType="XYZ">
<DataItem Dimensions="{tokens} {axes}" NumberType="Float" Precision="{itemsize}" \
Format="HDF">{place}</DataItem>
</Geometry>
</Grid>
"""
XDMF_END = """</Grid>
</Domain>
</Xdmf>
"""


def xmf(name: str, time: np.ndarray, tokens: int, itemsize: int) -> Iterator[str]:
    """The frames for ParaView, each a slab of the positions in the file `name` beside it."""
    keys = {"tokens": tokens, "axes": AXES, "itemsize": itemsize}
    extent = f"{len(time)} {tokens} {AXES}"
    yield XDMF
    for frame, t in enumerate(time):  # first, stride, count, extent
        slab = f"{frame} 0 0:1 1 1:1 {tokens} {AXES}:{extent}"
        place = f"{escape(name)}:/{POSITION}/value|{slab}"
        yield XDMF_FRAME.format(time=t, place=place, **keys)
    yield XDMF_END


def beside(target: str) -> str:
    """The file for ParaView that belongs to a projected trajectory."""
    return os.path.splitext(target)[0] + ".xmf"


def project(path: str, target: str) -> None:
    """Writes both files and says what they are."""
    with Trajectory(path) as source:
        if not len(source):
            raise Refused(f"{path}: no frame is written yet")
        mean, covariance = moments(source)
        axes, variances = components(covariance)
        with whole(target) as positions, whole(beside(target)) as frames:
            with h5py.File(positions, "w") as out:
                write_header(out, source, mean, axes, variances)
                itemsize = write_positions(out, source, mean, axes)
            with open(frames, "w", encoding="utf-8", errors="surrogateescape") as file:
                name = os.path.basename(target)
                file.writelines(xmf(name, source.time, source.tokens, itemsize))
        say(target, source, variances)


def say(target: str, source: Trajectory, variances: np.ndarray) -> None:
    """What was written, and how much of the variance it shows."""
    total = variances.sum()
    shares = [value / total if total > 0 else 0.0 for value in variances[:AXES]]
    what = f"{len(source)} frames of {source.tokens} tokens, R^{source.dim} to R^{AXES}"
    print(f"{target}, {beside(target)}: {what}")
    parts = " + ".join(f"{100 * share:.1f}%" for share in shares)
    print(f"explained variance: {parts} = {100 * sum(shares):.1f}%")


def parse() -> argparse.Namespace:
    parser = Parser("project", __doc__)
    parser.add_argument("file", metavar="FILE", help="a trajectory (.h5md)")
    parser.add_argument(
        "-o", dest="out", metavar="OUT.h5md", help="default: FILE with -projected before its ending"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing OUT.h5md and its .xmf"
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    target = arguments.out or os.path.splitext(arguments.file)[0] + "-projected.h5md"
    if os.path.splitext(target)[1] != ".h5md":
        raise Refused(f"{target}: the name must end in .h5md, by which readers know the format")
    inputs.protect([arguments.file])
    for name in (target, beside(target)):
        check_target(name)
    others = [name for name in (target, beside(target)) if os.path.exists(name)]
    if others and not arguments.overwrite:
        raise Refused(f"{others[0]}: exists already; --overwrite replaces it")
    with of_file(arguments.file):
        project(arguments.file, target)
