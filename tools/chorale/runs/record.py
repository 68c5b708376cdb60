"""The folder of a run: its record, the results, the log, and what Slurm runs."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Optional

from chorale.command import whole
from chorale.errors import BadFile
from chorale.inputs import read_text

NAME = "run.json"
HOME = "runs"  # of folders that nobody named
TABLES = ("kernel",)  # studies whose results are a table
QUIET = ("kernel", "merge")  # that have no progress
WITHOUT_CHECKPOINTS = ("analyze", "merge")


@dataclass
class Record:
    """What is kept of a run beside its results."""

    study: str
    words: list[str]  # decks and options
    ranks: int
    cwd: str  # in which decks and files have their names
    output: str  # the results file as cwd names it
    process: Optional[int] = None
    job: Optional[str] = None  # of Slurm

    def command(self, program: str, *more: str) -> list[str]:
        """The words that start it."""
        launch = ["mpirun", "-n", str(self.ranks)] if self.ranks > 1 else []
        return [*launch, program, *self.arguments(), *more]

    def arguments(self) -> list[str]:
        """Of chorale."""
        key = "-output_table" if self.study in TABLES else "-output_file"
        return [self.study, *self.words, key, self.output]

    def keep(self, folder: Path) -> None:
        with whole(folder / NAME) as temporary:
            text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
            Path(temporary).write_text(text + "\n", encoding="utf-8")


def ending(study: str) -> str:
    """Of its results."""
    return ".csv" if study in TABLES else ".h5"


def going_on(study: str) -> list[str]:
    """The option with which a run goes on, or runs again where it has no checkpoints."""
    if study in TABLES:
        return []
    return ["-output_overwrite" if study in WITHOUT_CHECKPOINTS else "-checkpoint_resume"]


def read(folder: Path) -> Record:
    """Of the folder of a run."""
    path = folder / NAME
    try:
        return Record(**json.loads(read_text(path)))
    except BadFile as error:
        raise BadFile(path, f"{error.reason}: not the folder of a run from Python") from error
    except (ValueError, TypeError) as error:
        raise BadFile(path, "not as chorale.run writes it") from error


def new_folder(study: str, given: Any) -> tuple[Path, bool]:
    """The folder of a run, and whether it was made: the given one, or the next that is free."""
    if given is not None:
        folder = Path(given)
        there = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        return folder, not there
    for number in count(1):
        folder = Path(HOME) / f"{study}-{number:04d}"
        try:
            folder.mkdir(parents=True)
            return folder, True
        except FileExistsError:
            continue
    raise AssertionError


def forget(folder: Path, made: bool, stem: str) -> None:
    """Takes away what a run has left that chorale refused."""
    if made:
        shutil.rmtree(folder)
        if folder.parent.name == HOME and not os.listdir(folder.parent):
            folder.parent.rmdir()
        return
    for name in (NAME, f"{stem}.log"):
        (folder / name).unlink(missing_ok=True)
