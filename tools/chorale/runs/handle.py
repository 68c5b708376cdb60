"""A run and its folder: started here or by Slurm, followed, opened again, and its results."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Optional, Sequence, Union

from chorale import io
from chorale.command import mpi_environment
from chorale.errors import BadFile, InputError, RunError
from chorale.io import Run as Results
from chorale.io import Table
from chorale.runs import record as records
from chorale.runs import slurm, words
from chorale.runs.progress import EVERY, Progress, is_shown
from chorale.runs.record import Record
from chorale.state import State, last_words, state_of, tail

Name = Union[str, "os.PathLike[str]"]
POLL = 0.1  # seconds between two looks at a process
POLL_JOB = 2.0  # and at the queue
STOPPED = 85  # exit code
GOING = ("running", "waiting")


class Run:
    """A run in its folder. What chorale.io says of its results is said of it, too."""

    def __init__(self, folder: Name):
        self.folder = Path(folder).resolve()
        self.record = records.read(self.folder)
        self.study = self.record.study
        self._process: Optional[subprocess.Popen] = None
        self._results: Any = None
        self._made: tuple = ()  # when the results that are open were written

    @property
    def file(self) -> Path:
        """The results."""
        return self.folder / f"{self.study}{records.ending(self.study)}"

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.study}.log"

    @property
    def log(self) -> str:
        """What chorale has said."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def state(self) -> str:
        """complete, running, stopped, failed, killed, or missing; of a job also waiting."""
        return self.status().state

    def status(self) -> State:
        """How far it is, and its last message."""
        found = state_of(self.file)
        if found.state != "running" and self._goes_on():
            found = found._replace(state="running")
        job = self.record.job
        if job and not found.complete:
            queued = slurm.state_of(job)
            found = found._replace(state=queued) if queued else found
        return found

    def _goes_on(self) -> bool:
        """Whether its process, of this Python or of another one, is there."""
        if self._process is not None:
            return self._process.poll() is None
        if self.record.process is None:
            return False
        try:
            line = Path(f"/proc/{self.record.process}/cmdline").read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            return False
        return self.record.output in line.split("\0")

    def _start(self, *more: str) -> Run:
        """Starts the program here; its words go to the log."""
        command = self.record.command(words.program(), *more)
        if is_shown() and "-progress" not in command and self.study not in records.QUIET:
            command += ["-progress", EVERY]
        with builtins.open(self.log_file, "ab") as log:
            how = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
            where = {"cwd": self.record.cwd, "env": mpi_environment()}
            try:
                self._process = subprocess.Popen(command, start_new_session=True, **how, **where)
            except OSError as error:
                raise RunError(f"{command[0]}: {error.strerror}") from error
        self.record.process, self.record.job = self._process.pid, None
        self.record.keep(self.folder)
        return self

    def wait(self) -> Run:
        """Until it has ended; InputError or RunError when it did not end well."""
        if self._process is not None:
            self._wait_for_process()
        else:
            poll = POLL_JOB if self.record.job else POLL
            while self.state in GOING:
                time.sleep(poll)
            self._conclude(self.status())
        return self

    def _wait_for_process(self) -> None:
        """An interrupt stops it at a checkpoint."""
        process, shown = self._process, Progress(is_shown())
        try:
            while process.poll() is None:
                shown.show("\n".join(tail(self.log_file, progress=True)[-1:]))
                time.sleep(POLL)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGUSR1)
            process.wait()
            raise
        finally:
            shown.end()
        self._process = None
        self._judge(process.returncode)

    def _judge(self, code: int) -> None:
        """By the exit code."""
        if code in (0, STOPPED):
            return
        said = last_words(tail(self.log_file))
        reason = said.removeprefix("chorale: ").removeprefix("error: ")
        if code == 2 and said:
            raise InputError(reason)
        if said and code == 1:
            raise RunError(reason)
        lines = tail(self.log_file) or ["no message"]
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        raise RunError(f"{how}: {reason or lines[-1]}")

    def _conclude(self, found: State) -> None:
        """By what it has left behind."""
        said = found.message.removeprefix("chorale: ")
        if found.state == "failed":
            error = said.startswith("error: ") or not found.message.startswith("chorale: ")
            raise (RunError if error else InputError)(said.removeprefix("error: "))
        if found.state in ("killed", "missing"):
            raise RunError(f"{found.state}: {said or 'no message'}")

    def resume(self, wait: bool = True) -> Run:
        """Goes on from the last checkpoint, here."""
        if self.state in GOING:
            raise InputError(f"{self.folder}: this run goes on")
        self._start(*records.going_on(self.study))
        return self.wait() if wait else self

    @property
    def results(self) -> Results | Table:
        """The results as chorale.io reads them; of a run that goes on those of now."""
        try:
            status = os.stat(self.file)
        except OSError as error:
            raise BadFile(self.file, f"no results yet: the run is {self.state}") from error
        made = (status.st_ino, status.st_mtime_ns)
        if made != self._made:
            self.close()
            self._results, self._made = io.open(self.file), made
        return self._results

    def close(self) -> None:
        """The results, if they are open."""
        if self._results is not None:
            self._results.close()
        self._results, self._made = None, ()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        """What the results have."""
        if name.startswith("_") or name in ("folder", "record"):
            raise AttributeError(name)
        return getattr(self.results, name)

    def __dir__(self) -> list[str]:
        names = [name for name in dir(Results) if not name.startswith("_")]
        return sorted({*super().__dir__(), *names})

    def __repr__(self) -> str:
        found = self.status()
        parts = [f"chorale {self.study}", found.state, found.realizations, found.clock]
        return f"<{', '.join(filter(None, parts))}: {os.path.relpath(self.folder)}>"

    def _repr_html_(self) -> str:
        from chorale.report import card

        return card.of_run(self)


def _new(
    study: str, decks: Sequence[Name], ranks: int, folder: Any, keys: dict
) -> tuple[Run, bool]:
    """The folder of a run, and whether it was made."""
    if not isinstance(ranks, int) or ranks < 1:
        raise InputError(f"ranks = {ranks}: must be a whole number from 1 on")
    given = [*words.decks(decks), *words.options(keys)]
    words.program()
    place, made = records.new_folder(study, folder)
    output = str(place / f"{study}{records.ending(study)}")
    record = Record(study, given, ranks, os.getcwd(), output)
    if (place / records.NAME).exists():
        _refuse_another(Run(place), record)
    record.keep(place)
    return Run(place), made


def _refuse_another(there: Run, record: Record) -> None:
    """A folder takes a run again, to go on or to find it complete, but no other one."""
    if (there.study, there.record.words) != (record.study, record.words):
        raise InputError(f"folder = {there.folder}: has another run; chorale.open finds it")
    if there.state in GOING:
        raise InputError(f"folder = {there.folder}: this run goes on; chorale.open finds it")


def run(
    study: str,
    *decks: Name,
    ranks: int = 1,
    folder: Optional[Name] = None,
    wait: bool = True,
    **keys: Any,
) -> Run:
    """Runs a study to its end, or with wait=False in the background; see help(chorale.runs)."""
    begun, made = _new(study, decks, ranks, folder, keys)
    again = bool(begun.log)
    try:
        begun._start(*(records.going_on(study) if again else []))
        return begun.wait() if wait else begun
    except InputError:
        if not again:
            records.forget(begun.folder, made, study)
        raise


def submit(
    study: str,
    *decks: Name,
    ranks: int = 1,
    time: str = "1:00:00",  # pylint: disable=redefined-outer-name
    sbatch: Sequence[str] = (),
    folder: Optional[Name] = None,
    **keys: Any,
) -> Run:
    """Submits a run as a job of Slurm: `time` is its limit, and `sbatch` more options, such as
    ["--partition=long"]. When time runs short it stops at a checkpoint and goes back into the
    queue."""
    begun, made = _new(study, decks, ranks, folder, keys)
    try:
        script = slurm.write(begun.record, begun.folder, begun.log_file, words.program(), time)
        begun.record.job = slurm.submit(script, sbatch)
    except RunError:
        if begun.log:  # of this run, before
            raise
        (begun.folder / "job.sbatch").unlink(missing_ok=True)
        records.forget(begun.folder, made, study)
        raise
    begun.record.keep(begun.folder)
    return begun


def open(folder: Name) -> Run | Results | Table:  # pylint: disable=redefined-builtin
    """The run of a folder; of a file the results that it has."""
    return Run(folder) if Path(folder).is_dir() else io.open(folder)
