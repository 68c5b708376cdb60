"""From keywords to the words of chorale's command line, and where chorale is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Iterable, Mapping

from chorale.command import TOOLS
from chorale.errors import InputError, RunError

FOLDER_KEYS = ("output_file", "output_table")  # the folder of a run says them


def flat(keys: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """{"mlp": {"width": 8}} as {"mlp_width": 8}; a key is given once, and None is not given."""
    found: dict[str, Any] = {}
    for name, value in keys.items():
        nested = flat(value, f"{before}{name}_") if isinstance(value, Mapping) else None
        for key, one in (nested or {f"{before}{name}": value}).items():
            if key in found:
                raise InputError(f"{key}: is given twice")
            if one is not None and nested != {}:
                found[key] = one
    return found


def word(value: Any) -> str:
    """A value as decks have it: true, 0.5, 1,2,3."""
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, range)):
        return ",".join(map(word, value))
    if isinstance(value, float):
        return repr(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def options(keys: Mapping[str, Any]) -> list[str]:
    """Of the command line."""
    given = flat(keys)
    for key in FOLDER_KEYS:
        if key in given:
            raise InputError(f"{key}: is in the folder of the run; name that with folder=...")
    return [text for key, value in given.items() for text in (f"-{key}", word(value))]


def decks(names: Iterable[str | os.PathLike[str]]) -> list[str]:
    return [os.fspath(name) for name in names]


def program() -> str:
    """chorale: of the variable CHORALE, of this source tree, installed beside this package, or of
    PATH."""
    named = os.environ.get("CHORALE", "")
    places = [Path(named)] if named else []
    places += [TOOLS.parent / "build/chorale", TOOLS.parents[1] / "bin/chorale"]
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return str(place)
    found = shutil.which("chorale")
    if found:
        return found
    raise RunError(
        "the program chorale is not there: build it (tools/quickstart), put it on PATH, or name it "
        "in the variable CHORALE"
    )
