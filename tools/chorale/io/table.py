"""The CSV table of study kernel."""

from __future__ import annotations

import csv
import os
from io import StringIO
from typing import Any, Iterator

import numpy as np

from chorale.errors import BadFile
from chorale.inputs import claim, read_text
from chorale.io.shown import Shown

NEEDED = "activation dim bias_u bias_w beta k1 lambda1 lambda_bar lambda_rate_bound".split()


def rows_of(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of all rows."""
    claim(path)
    reader = csv.DictReader(StringIO(read_text(path)))
    try:
        for row in reader:
            if None in row:
                raise BadFile(path, f"line {reader.line_num}: more cells than columns")
            yield reader.line_num, row
    except csv.Error as error:
        raise BadFile(path, f"line {reader.line_num}: not a table") from error


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """{column: array} of the table."""
    rows = list(rows_of(path))
    if not rows or "lambda1" not in rows[0][1]:
        raise BadFile(path, "not a table of chorale kernel")
    if any(name not in rows[0][1] for name in NEEDED):
        raise BadFile(path, "a table without all columns of chorale kernel")

    def number(line: int, name: str, cell: Any) -> Any:
        if name == "activation" and isinstance(cell, str):
            return cell
        try:
            return float("nan" if cell == "" else cell)  # a dimension has d - 1 exponents
        except (TypeError, ValueError) as error:
            what = f"{name} = {cell} is not a number" if isinstance(cell, str) else "not complete"
            raise BadFile(path, f"line {line}: {what}") from error

    names = rows[0][1].keys()
    return {name: np.array([number(line, name, row[name]) for line, row in rows]) for name in names}


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
