"""Compares two files of chorale bit by bit: results, trajectories or checkpoints.

Says where they first differ and by how much. What says how a file was made is left out
(/provenance, the version that wrote a trajectory); keys of the decks that differ are told as notes
and decide nothing. Frames that a running job has not written are no part of a trajectory;
checkpoints are the same when the states in them are, whatever the number of ranks. Links from
results to trajectories are not followed.

Exit code 0: same bits; 1: they differ; 2: a file cannot be read, or the two are not of one kind.
"""

from __future__ import annotations

from typing import Any, Iterator, Optional

import h5py
import numpy as np

from chorale import io
from chorale.command import Parser, folded, of_file
from chorale.errors import BadFile
from chorale.io import POSITION, SLAB, Run
from chorale.io.hdf5 import DAMAGED

# Where in the file dimension scales and what they belong to are; their names are compared.
PLACES = ("DIMENSION_LIST", "REFERENCE_LIST")
ORIGIN = ("parameters", "provenance", "h5md")
SHOWN = 12  # datasets and attributes that are described


class Difference:
    """What differs between two arrays, gathered from slab to slab."""

    def __init__(self) -> None:
        self.count, self.total, self.first, self.most = 0, 0, None, (-1.0, None)

    def add(self, start: tuple, a: np.ndarray, b: np.ndarray) -> None:
        """Two slabs of one shape and type, whose first entry has the index start."""
        self.total += a.size
        if a.tobytes() == b.tobytes():
            return
        places = np.argwhere(bits_differ(a, b))
        if not len(places):
            return
        self.count += len(places)
        if self.first is None:
            self.first = self._entry(start, places[0], a, b)
        if a.dtype.kind in "fiu":
            with np.errstate(invalid="ignore"):
                size = np.abs(a.astype(float) - b.astype(float))[tuple(places.T)]
            if not np.isnan(size).all() and np.nanmax(size) > self.most[0]:
                place = places[int(np.nanargmax(size))]
                self.most = (float(np.nanmax(size)), self._entry(start, place, a, b))

    @staticmethod
    def _entry(start: tuple, place: np.ndarray, a: np.ndarray, b: np.ndarray):
        index = [int(i) for i in place]
        index = [i + s for i, s in zip(index, list(start) + [0] * (len(index) - len(start)))]
        return index, a[tuple(place)], b[tuple(place)]


def bits_differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two arrays of one shape and type; texts of any length are compared as texts."""
    if a.dtype.kind == "O":
        return a != b
    bits = f"V{a.dtype.itemsize}" if a.dtype.kind in "SU" else f"u{a.dtype.itemsize}"
    return np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)


def ulps(a: np.floating, b: np.floating) -> Optional[int]:
    """Numbers between two of one float type, and one more."""
    if not (np.isfinite(a) and np.isfinite(b)):
        return None
    kind = np.int64 if a.dtype.itemsize == 8 else np.int32

    def rank(x: np.floating) -> int:
        bits = int(np.array(x).view(kind))
        return bits if bits >= 0 else -(bits + (1 << (8 * x.dtype.itemsize - 1)))

    return abs(rank(a) - rank(b))


def amount(a: Any, b: Any) -> str:
    """`0.1 and 0.2: absolute 0.1, relative 0.5, 9 ulp`"""
    if not isinstance(a, np.number) or not isinstance(b, np.number):
        return f"{io.text(a)} and {io.text(b)}"
    text = f"{a!s} and {b!s}"
    if a.dtype.kind != "f":
        return f"{text}: absolute {abs(int(a) - int(b))}"
    distance = ulps(a, b)
    if distance is None:
        return text
    largest = max(abs(float(a)), abs(float(b)))
    size = abs(float(a) - float(b))
    relative = size / largest if largest else 0
    return f"{text}: absolute {size:.3g}, relative {relative:.3g}, {distance} ulp"


def slabs(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """(index, start) of pieces of at most SLAB bytes, unless a row of the second axis is larger."""
    if not shape:
        yield (), ()
        return
    row = itemsize * int(np.prod(shape[1:], dtype=np.int64))
    if row <= SLAB or len(shape) == 1:
        step = max(1, SLAB // max(1, row))
        for i in range(0, shape[0], step):
            yield slice(i, min(shape[0], i + step)), (i,)
        return
    step = max(1, SLAB // max(1, itemsize * int(np.prod(shape[2:], dtype=np.int64))))
    for i in range(shape[0]):
        for j in range(0, shape[1], step):
            yield (slice(i, i + 1), slice(j, min(shape[1], j + step))), (i, j)


def read(run: Run, dataset: h5py.Dataset, where: Any) -> np.ndarray:
    """A part of a dataset of any type."""
    try:
        return np.asarray(dataset[where])
    except (OSError, RuntimeError) as error:
        raise BadFile(run.path, f"{dataset.name} {DAMAGED}") from error


def same(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two attributes have the same bits; texts of any length are compared as texts."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    return x.tobytes() == y.tobytes() or x.dtype.kind == "O" and np.array_equal(x, y)


def scales(dataset: h5py.Dataset) -> list[list[str]]:
    """Names of the dimension scales of each of its axes."""
    return [[scale.name for scale in axis.values()] for axis in dataset.dims]


class Comparison:
    """Two open files; found: (name, how it differs)."""

    def __init__(self, a: Run, b: Run):
        self.a, self.b, self.compared = a, b, 0
        self.found: list[tuple[str, str]] = []
        self.clock = {}
        for name in ("observables/energy", POSITION):
            if name in a.file and "step" in a.file[name]:
                group = a.file[name]
                self.clock[name.split("/", maxsplit=1)[0]] = group["step"][:], group["time"][:]

    def tell(self, name: str, text: str) -> None:
        self.found.append((name, text))

    def tell_missing(self, name: str, in_a: bool) -> None:
        self.tell(name, f"only in {(self.a if in_a else self.b).path}")

    def moment(self, name: str, index: list[int]) -> str:
        """The step and time of an entry, where its first index is a frame."""
        step, time = self.clock.get(name.split("/")[0], ((), ()))
        if not index or name.split("/")[-1] != "value" or index[0] >= len(step):
            return ""
        return f" (step {int(step[index[0]])}, time {time[index[0]]:.6g})"

    def entry(self, name: str, index: list[int], x: Any, y: Any) -> str:
        """Where an entry is, and on a line of its own by how much it differs."""
        return f"at {index}{self.moment(name, index)}\n      {amount(x, y)}"

    def dataset(self, name: str, a: h5py.Dataset, b: h5py.Dataset, limit: Optional[int]) -> None:
        """Entries up to `limit` of the first index (None: all)."""
        self.compared += 1
        shapes = [x.shape if limit is None else (limit,) + x.shape[1:] for x in (a, b)]
        if shapes[0] != shapes[1]:
            self.tell(name, f"shapes {shapes[0]} and {shapes[1]}")
            return
        if a.dtype != b.dtype:
            self.tell(name, f"types {a.dtype} and {b.dtype}")
            return
        if scales(a) != scales(b):
            self.tell(name, f"dimension scales {scales(a)} and {scales(b)}")
        difference = Difference()
        for where, start in slabs(shapes[0], a.dtype.itemsize):
            difference.add(start, read(self.a, a, where), read(self.b, b, where))
        if not difference.count:
            return
        text = f"{difference.count} of {difference.total} entries; first "
        text += self.entry(name, *difference.first)
        most = difference.most[1]
        if difference.count > 1 and most and most[0] != difference.first[0]:
            text += "\n      most " + self.entry(name, *most)
        self.tell(name, text)

    def attributes(self, name: str, a: h5py.HLObject, b: h5py.HLObject) -> None:
        """Attributes of two objects of one name."""
        for key in sorted(a.attrs.keys() | b.attrs.keys()):
            if key == "frames_valid" or key in PLACES:
                continue
            if key not in a.attrs or key not in b.attrs:
                self.tell_missing(f"{name}@{key}", key in a.attrs)
                continue
            self.compared += 1
            x, y = (np.asarray(item.attrs[key]) for item in (a, b))
            if not same(x, y):
                single = not x.shape and not y.shape
                self.tell(f"{name}@{key}", amount(x[()], y[()]) if single else "differ")

    def frames(self) -> Optional[int]:
        """Of two trajectories: how many are compared."""
        if self.a.kind != "trajectory":
            return None
        counts = [len(run.trajectory()) for run in (self.a, self.b)]
        limit = min(counts)
        if counts[0] != counts[1]:
            self.tell("frames", f"{counts[0]} and {counts[1]}; the first {limit} are compared")
        return limit

    def run(self) -> None:
        """All objects of both files."""
        a, b, limit = objects(self.a), objects(self.b), self.frames()
        for name in sorted(a.keys() | b.keys()):
            if name not in a or name not in b:
                parent = name.rpartition("/")[0]
                if not parent or parent in a and parent in b:  # else the whole group is told
                    self.tell_missing(name, name in a)
                continue
            self.attributes(name, a[name], b[name])
            if isinstance(a[name], h5py.Dataset) != isinstance(b[name], h5py.Dataset):
                self.tell(name, "a group and a dataset")
            elif isinstance(a[name], h5py.Dataset):
                most = limit if name.startswith(POSITION) else None
                self.dataset(name, a[name], b[name], most)


def objects(run: Run) -> dict[str, h5py.HLObject]:
    """{path: group or dataset} of all that is compared."""
    found, skip = {}, ORIGIN + (("particles",) if run.kind == "results" else ())

    def visit(name: str, item: h5py.HLObject) -> None:
        if name.split("/")[0] not in skip:
            found[name] = item

    run.file.visititems(visit)
    return found


def notes(a: Run, b: Run) -> None:
    """Keys of the decks and of the origin that differ."""
    for key in sorted(a.parameters.keys() | b.parameters.keys()):
        x, y = (run.parameters.get(key, "missing") for run in (a, b))
        if x != y:
            print(folded(f"note: {key} = {x or 'empty'} and {y or 'empty'}"))
    for key in ("version", "revision", "ranks", "host"):
        x, y = (run.provenance.get(key, "unknown") for run in (a, b))
        if x != y:
            print(folded(f"note: {key} {x} and {y}"))


def compare(first: str, second: str, quiet: bool) -> int:
    """Prints how two files differ; returns the exit code."""
    with io.open(first) as a, io.open(second) as b:
        if a.kind != b.kind:
            raise BadFile(second, f"is of another kind ({b.kind}) than {first} ({a.kind})")
        comparison = Comparison(a, b)
        comparison.run()
        if not quiet:
            notes(a, b)
    found, compared = comparison.found, comparison.compared
    if not found:
        print(folded(f"same bits: {compared} datasets and attributes of {first} and {second}"))
        return 0
    share = f"{len(found)} of {max(compared, len(found))} datasets and attributes"
    print(folded(f"{first} and {second} differ in {share}"))
    if not quiet:
        for name, text in found[:SHOWN]:
            print(folded(f"  /{name}: {text}", 6 * " "))
        if len(found) > SHOWN:
            print(f"  and {len(found) - SHOWN} more")
    return 1


def main() -> int:
    parser = Parser("compare", __doc__)
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    parser.add_argument("-q", "--quiet", action="store_true", help="one line only")
    arguments = parser.parse_args()
    with of_file(f"{arguments.first} and {arguments.second}"):
        return compare(arguments.first, arguments.second, arguments.quiet)
