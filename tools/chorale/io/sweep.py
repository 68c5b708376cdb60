"""Cells of a sweep: of arrays with the axes of the swept keys in front, those of one run."""

from __future__ import annotations

import h5py

from chorale.errors import BadFile
from chorale.io.hdf5 import read, text

DATA = ("observables", "ensemble", "study")


def keys_of(path: str, group: h5py.Group) -> list[str]:
    """The keys in the order of their axes."""
    if "keys" not in group.attrs:
        raise BadFile(path, "its group sweep does not name its keys")
    return [text(key) for key in group.attrs["keys"]]


def _copy(item: h5py.Dataset, index: tuple[int, ...], target: h5py.File) -> None:
    """The part of one cell: an array, or what a run has as an attribute of its study."""
    value = read(item.file.filename, item, index)
    folder, _, name = item.name.rpartition("/")
    if value.ndim == 0 or value.dtype.kind in "SO":
        attributes = target.require_group(folder).attrs
        attributes[name] = value[()] if value.ndim == 0 else value
        return
    copy = target.create_dataset(item.name, data=value)
    for key in ("unit", "description"):
        if key in item.attrs:
            copy.attrs[key] = item.attrs[key]


def cell_of(source: h5py.File, keys: list[str], index: tuple[int, ...]) -> h5py.File:
    """A file in memory, laid out as that of the single run."""
    target = h5py.File(f"{source.filename}{list(index)}", "w", driver="core", backing_store=False)

    def visit(name: str, item: h5py.HLObject) -> None:
        if name.split("/")[0] in DATA and isinstance(item, h5py.Dataset):
            _copy(item, index, target)
        elif name.split("/")[0] in DATA:
            target.require_group(name).attrs.update(item.attrs)

    source.visititems(visit)
    for name in ("parameters", "provenance", "quantities"):
        if name in source:
            target.require_group(name).attrs.update(source[name].attrs)
    for key, at in zip(keys, index):
        value = source["sweep"][key][at]
        word = text(value) if isinstance(value, bytes) else f"{value:.15g}"
        target["parameters"].attrs[key] = word
    return target
