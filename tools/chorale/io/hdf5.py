"""Pieces of HDF5 files whose shape is checked as they are read: what is not as chorale writes it
is BadFile."""

from __future__ import annotations

import os
from typing import Any, Optional

import h5py
import numpy as np

from chorale.errors import BadFile
from chorale.inputs import claim

SLAB = 1 << 26  # bytes that are read at once
DAMAGED = "is truncated or damaged, or just being written"


def text(value: Any) -> str:
    """An attribute or scalar dataset as str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def plain(value: Any) -> Any:
    """An attribute as a number, a text or a list of these."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.number) else text(value)


def open_file(path: str) -> h5py.File:
    """The file, without a lock: a running job may hold it."""
    claim(path)
    empty = False
    try:
        with open(path, "rb") as raw:
            empty = not raw.read(1)
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        valid = h5py.is_hdf5(path)
        locked = isinstance(error, BlockingIOError)
        if error.errno and not locked and not valid and not os.access(path, os.R_OK):
            raise BadFile(path, error.strerror or "cannot be read") from error
        if empty or not valid:
            raise BadFile(path, "is empty" if empty else "not an HDF5 file") from error
        raise BadFile(path, DAMAGED) from error


def group_of(path: str, parent: h5py.Group, name: str) -> Optional[h5py.Group]:
    """A group, None when there is no such name."""
    try:
        found = parent.get(name)
    except (KeyError, OSError, RuntimeError) as error:
        raise BadFile(path, f"{name} {DAMAGED}") from error
    if found is not None and not isinstance(found, h5py.Group):
        raise BadFile(path, f"{found.name} is not a group: not a file of chorale")
    return found


def numbers_of(path: str, group: h5py.Group, name: str, *dimensions: int) -> h5py.Dataset:
    """An array of numbers that has one of these numbers of dimensions."""
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        raise BadFile(path, f"{group.name} has no dataset {name}")
    if found.ndim not in dimensions or found.dtype.kind not in "iuf":
        wanted = " or ".join(map(str, dimensions))
        raise BadFile(path, f"{found.name} is not an array of numbers with {wanted} dimensions")
    return found


def clock_of(path: str, group: h5py.Group, name: str, frames: Optional[int]) -> np.ndarray:
    """step[T] or time[T], for so many frames unless None."""
    found = read(path, numbers_of(path, group, name, 1), slice(None))
    if frames not in (None, len(found)) or not np.isfinite(found).all():
        raise BadFile(path, f"{group.name}/{name} does not have a number for each frame")
    return found


def read(path: str, dataset: h5py.Dataset, where: Any) -> np.ndarray:
    """A part of a dataset."""
    try:
        return dataset[where]
    except (OSError, RuntimeError) as error:
        reason = f"{dataset.name} cannot be read: truncated or damaged, or just being written"
        raise BadFile(path, reason) from error


def translate(path: str, error: Optional[BaseException]) -> None:
    """Errors of h5py about what is in the file, inside a `with`, as BadFile; others pass."""
    reason = str(error).lstrip("'\"")
    outside = ("Unable to open file", "Unable to create file")
    inside = reason.startswith(("Can't ", "Unable ")) and not reason.startswith(outside)
    if isinstance(error, (OSError, RuntimeError, KeyError)) and inside:
        raise BadFile(path, DAMAGED) from error
