"""Runs of claims: command lines, results that are there already, and what makes the others, here or
as jobs of Slurm."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

from chorale import io
from chorale.command import TOP, mpi_environment
from chorale.errors import BadFile, Refused
from chorale.paper.claim import FULL, SMALL, Claim, Results, Study
from chorale.plot import kernel
from chorale.runs import slurm

SILENT = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
CORES = 2  # that runs of small size are made for


class Failed(Exception):
    """A run that did not end well; the text says why."""


def below_top(path: str | os.PathLike[str]) -> str:
    """A path as one types it in the root of the source tree."""
    path = os.path.abspath(path)
    return os.path.relpath(path, TOP) if path.startswith(f"{TOP}{os.sep}") else path


def digest(path: str | os.PathLike[str]) -> str:
    """Of a file's contents."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def machine() -> str:
    """The processor, and on how many cores of it this runs."""
    name = "an unknown processor"
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    cores = len(os.sched_getaffinity(0))
    return f"{name}, {cores} core{'s' if cores > 1 else ''}"


@dataclass(frozen=True)
class Program:
    """The executable, and the revision of the sources that it was built from."""

    path: str
    revision: str

    @staticmethod
    def at(path: str) -> Program:
        if not os.access(path, os.X_OK):
            raise Refused(f"{path} is not there; tools/quickstart builds it", 1)
        words = [path, "--version"]
        keys = {"capture_output": True, "text": True, "check": False, "env": mpi_environment()}
        said = subprocess.run(words, **keys).stdout.split()
        if "revision" not in said:
            raise Refused(f"{path} --version: says no revision", 1)
        revision = said[said.index("revision") + 1]
        if revision.endswith("-dirty"):  # such builds differ
            revision += f" {digest(path)}"
        return Program(path, revision)


@dataclass(frozen=True)
class Job:
    """A run of a claim in one size, and its place."""

    claim: Claim
    name: str
    size: str
    root: Path  # of all results

    @property
    def study(self) -> Study:
        return self.claim.runs[self.name]

    @property
    def folder(self) -> Path:
        return self.root / self.size / (self.study.home or self.claim.name)

    @property
    def results(self) -> Path:
        return self.folder / f"{self.name}{self.study.ending}"

    @property
    def note(self) -> Path:
        """What is known of the run beside its results."""
        return self.folder / f"{self.name}.json"

    def arguments(self) -> list[str]:
        """Of chorale."""
        words = self.study.words(self.size, below_top(self.folder))
        key = "-output_table" if self.study.study == "kernel" else "-output_file"
        return [*words, key, below_top(self.results)]

    def order(self) -> dict[str, Any]:
        """What must be the same for results to be those of this run."""
        deck = digest(TOP / self.study.deck) if self.study.deck else ""
        return {"words": self.arguments(), "deck": deck}

    def noted(self) -> dict[str, Any]:
        """The note; empty where there is none of this run."""
        try:
            found = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if self.order().items() <= found.items() else {}

    def keep(self, **more: Any) -> None:
        """Writes the note."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**self.order(), **more}, indent=1, ensure_ascii=False)
        self.note.write_text(text + "\n", encoding="utf-8")

    def is_done(self, program: Program) -> bool:
        """Its results are there: small ones of this revision, full ones of any, which they say."""
        noted = self.noted()
        if not noted or not self.results.is_file():
            return False
        if self.size == SMALL:
            return noted.get("revision") == program.revision and "seconds" in noted
        return self.study.study == "kernel" or _is_complete(str(self.results))

    def command(self, program: Program) -> list[str]:
        launch = ["mpirun", "-n", str(self.study.ranks)] if self.study.ranks > 1 else []
        more = [] if self.study.study == "kernel" else ["-output_overwrite", "-progress", "off"]
        return [*launch, below_top(program.path), *self.arguments(), *more]


def _is_complete(path: str) -> bool:
    try:
        with io.open(path) as run:
            return run.kind == "results" and run.complete is True
    except BadFile:
        return False


def jobs_of(claim: Claim, size: str, root: Path) -> list[Job]:
    return [Job(claim, name, size, root) for name in claim.runs]


@contextlib.contextmanager
def opened(jobs: list[Job]) -> Iterator[Results]:
    """The results of a claim's runs."""
    with contextlib.ExitStack() as stack:
        paths = {job.name: below_top(job.results) for job in jobs}
        found = {}
        for job in jobs:
            path = str(job.results)
            table = job.study.study == "kernel"
            found[job.name] = kernel.read(path) if table else stack.enter_context(io.open(path))
        yield Results(paths, found)


def prepare(job: Job) -> None:
    """The folder of a run, and in it what the run reads."""
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.study.prepare:
        job.study.prepare(str(job.folder))


def execute(job: Job, program: Program, environment: dict[str, str]) -> None:
    """One run; Failed when it does not end well."""
    prepare(job)
    job.note.unlink(missing_ok=True)
    command, begun = job.command(program), time.monotonic()
    if job.study.study == "kernel":
        job.results.unlink(missing_ok=True)
    keys = {"cwd": TOP, "env": environment, "text": True, "check": False, **SILENT}
    try:
        done = subprocess.run(command, **keys)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("chorale: ")]
        last = (said or done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failed(f"{job.name}: exit code {done.returncode}: {last}")
    seconds = round(time.monotonic() - begun, 1)
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = {"revision": program.revision, "machine": machine(), "date": date}
    job.keep(**made, seconds=seconds, command=shlex.join(command))


def run(claim: Claim, root: Path, program: Program, fresh: bool) -> None:
    """Makes what is missing of a claim's results of small size. Runs of one rank go two at a time
    where they follow each other."""
    environment = mpi_environment()
    waiting: list[Job] = []

    def make() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(lambda job: execute(job, program, environment), waiting))
        waiting.clear()

    for job in jobs_of(claim, SMALL, root):
        if job.is_done(program) and not fresh:
            continue
        if job.study.ranks > 1:
            make()
        waiting.append(job)
        if job.study.ranks > 1:
            make()
    make()


def _is_queued(number: str) -> bool:
    """Whether Slurm still has a job."""
    words = ["squeue", "--noheader", "--jobs", number]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:  # no Slurm here
        return False
    return not done.returncode and bool(done.stdout.strip())


def submit(claim: Claim, root: Path, program: Program) -> list[str]:
    """Jobs for what is missing of a claim's results of full size; a line for each run. A run that
    reads what another makes waits for it."""
    said, before = [], ""
    environment = {"CHORALE_JOBS": str(TOP / "jobs"), "CHORALE_SOURCE": str(TOP)}
    environment = {**os.environ, **environment, "CHORALE": program.path}
    for job in jobs_of(claim, FULL, root):
        number = str(job.noted().get("job", ""))
        where = f"{claim.name} {job.name}"
        if job.is_done(program):
            said.append(f"{where}: is there")
        elif number and _is_queued(number):
            said.append(f"{where}: waits or runs as job {number}")
            before = number
        else:
            before = _sbatch(job, before if "{here}" in job.study.full else "", environment)
            job.keep(job=before, revision=program.revision)
            said.append(f"{where}: job {before}")
    return said


def _sbatch(job: Job, after: str, environment: dict[str, str]) -> str:
    """Submits a run; its number."""
    prepare(job)
    options = ["--output", str(job.folder / "%x-%j.log")]
    options += [f"--dependency=afterok:{after}"] if after else []
    script = TOP / "jobs/study.sbatch"
    return slurm.submit(script, options, job.arguments(), cwd=TOP, env=environment)
