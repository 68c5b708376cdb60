"""The CSV table of study kernel."""

from __future__ import annotations

import csv
import os
from typing import Any

import numpy as np

from chorale.errors import BadFile
from chorale.io.shown import Shown

NEEDED = "activation dim bias_u bias_w beta k1 lambda1 lambda_bar lambda_rate_bound".split()


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """{column: array} of the table."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(path, getattr(error, "strerror", None) or "not a table") from error
    if not rows or "lambda1" not in rows[0]:
        raise BadFile(path, "not a table of chorale kernel")
    if any(name not in rows[0] for name in NEEDED):
        raise BadFile(path, "a table without all columns of chorale kernel")

    def number(cell: str) -> float:
        return float(cell if cell != "" else "nan")  # a dimension has d - 1 exponents

    def column(name: str) -> np.ndarray:
        return np.array([row[name] if name == "activation" else number(row[name]) for row in rows])

    try:
        return {name: column(name) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise BadFile(path, "a row of the table is not complete") from error


class Table(Shown):
    """A table that is a file of its own: it keeps no parameters."""

    kind, study, complete = "table", "kernel", True

    def __init__(self, path: str | os.PathLike[str]):
        self.path = str(path)
        self._columns = read(path)

    def table(self) -> dict[str, np.ndarray]:
        return self._columns

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        """Nothing is open."""
