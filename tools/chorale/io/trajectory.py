"""Trajectories: positions of tokens, one frame or slab of frames at a time."""

from __future__ import annotations

from collections import namedtuple
from typing import Iterator, Optional

import numpy as np

from chorale.errors import BadFile
from chorale.io.hdf5 import SLAB, clock_of, group_of, numbers_of, open_file, read, text, translate

Frame = namedtuple("Frame", "step time position")
POSITION = "particles/all/position"


class Trajectory:
    """Positions of N tokens in R^d at T frames, read one frame (or slab of frames) at a time."""

    def __init__(self, path):
        self.path = str(path)
        self.file = open_file(self.path)
        try:
            self._find()
        except BadFile:
            self.close()
            raise

    def _find(self) -> None:
        group = group_of(self.path, self.file, POSITION)
        if group is None or "value" not in group:
            raise BadFile(self.path, "no positions of tokens: not a trajectory of chorale")
        self.position = numbers_of(self.path, group, "value", 3)
        self.extent, self.tokens, self.dim = self.position.shape
        if self.tokens < 1 or self.dim < 2:
            raise BadFile(
                self.path,
                f"has {self.tokens} tokens in R^{self.dim}: "
                "chorale has at least one token, in R^2 or beyond",
            )
        step, time = (clock_of(self.path, group, clock, None) for clock in ("step", "time"))
        # A running job makes room for frames in advance.
        written = np.asarray(group.attrs.get("frames_valid", len(step)))
        if written.shape or written.dtype.kind not in "iu" or written < 0:
            raise BadFile(self.path, f"frames_valid of {POSITION} is not a number of frames")
        count = min(int(written), len(step), len(time), self.extent)
        self.step, self.time = step[:count], time[:count]
        creator = self.file.get("h5md/creator")
        # of the program that wrote it
        self.version = text(creator.attrs.get("version", "")) if creator else ""

    def __enter__(self) -> Trajectory:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close()
        translate(self.path, error)

    def close(self) -> None:
        self.file.close()

    def __len__(self) -> int:
        return len(self.step)

    def __iter__(self) -> Iterator[Frame]:
        for frame in range(len(self)):
            yield Frame(int(self.step[frame]), float(self.time[frame]), self[frame])

    def __getitem__(self, frame: int) -> np.ndarray:
        """Positions [N][d] of a frame, counted from the end when negative."""
        if not -len(self) <= frame < len(self):
            raise BadFile(self.path, f"has no frame {frame}: {len(self)} are recorded")
        return self._points(frame % len(self), slice(None))

    def _points(self, frame: int, rows: slice) -> np.ndarray:
        """Positions of some tokens, which must be finite: whatever is computed from others says
        nothing."""
        found = read(self.path, self.position, (int(frame), rows))
        if not np.isfinite(found).all():
            raise BadFile(self.path, f"frame {frame} has positions that are not numbers")
        return found

    def at(self, step: int) -> np.ndarray:
        """Positions [N][d] after so many layers or steps."""
        found = np.flatnonzero(self.step == step)
        if not len(found):
            raise BadFile(self.path, f"no frame is recorded at step {step}")
        return self[found[0]]

    def slabs(self, frame: int, size: int = SLAB) -> Iterator[tuple[int, np.ndarray]]:
        """(first token, positions [n][d]) of a frame in pieces of at most `size` bytes."""
        rows = max(1, size // (self.dim * self.position.dtype.itemsize))
        for first in range(0, self.tokens, rows):
            yield first, self._points(frame, slice(first, first + rows))

    @property
    def weights(self) -> Optional[np.ndarray]:
        """Weights of the tokens where they are not 1/N, else None."""
        group = self.file["particles/all"]
        if "mass" not in group:
            return None
        found = read(self.path, numbers_of(self.path, group, "mass", 1), slice(None))
        if len(found) != self.tokens or not np.isfinite(found).all():
            reason = f"its weights (particles/all/mass) are not {self.tokens} numbers"
            raise BadFile(self.path, reason)
        return found
