"""What is known of every claim: of its results, of the larger size where they are there, the rows
and the verdict, the command lines, and where and when they were run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np

from chorale.command import first_line
from chorale.errors import BadFile
from chorale.io import Run
from chorale.paper.claim import (
    CONSISTENT,
    DID_NOT_RUN,
    FULL,
    NOT_RUN,
    SMALL,
    VIOLATED,
    Claim,
    Row,
    overall,
)
from chorale.paper.runs import Job, Program, jobs_of, opened

MARKS = {CONSISTENT: "✓ consistent", VIOLATED: "✗ violated", DID_NOT_RUN: "✗ did not run"}
# Of a function of a claim, where results have not what it looks for.
WRONG = (
    BadFile,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    StopIteration,
    np.linalg.LinAlgError,
)


@dataclass
class Finding:
    """Of one claim."""

    claim: Claim
    verdict: str = NOT_RUN
    why: str = ""  # it has none
    size: str = ""
    rows: list[Row] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """Of the verdict."""
        return MARKS.get(self.verdict, self.verdict)

    @property
    def shown_size(self) -> str:
        return FULL if self.size and self.claim.one_size else self.size

    @property
    def revisions(self) -> set[str]:
        return {note["revision"].split()[0] for note in self.notes if "revision" in note}

    @property
    def machines(self) -> set[str]:
        return {note.get("machine", "a cluster") for note in self.notes}

    @property
    def seconds(self) -> float:
        return sum(note.get("seconds", np.nan) for note in self.notes)


def command_of(job: Job, note: dict[str, Any]) -> str:
    """The line that was run, or submitted."""
    if job.size == FULL:
        return "sbatch jobs/study.sbatch " + " ".join(job.arguments())
    return note.get("command", "")


def date_of(found: Any, note: dict[str, Any]) -> str:
    """When results were made, as they say; a table says nothing."""
    date = found.provenance.get("date", "") if isinstance(found, Run) else note.get("date", "")
    return date[:10]


def judge(finding: Finding) -> None:
    """Rows and verdict from the results."""
    try:
        with opened(finding.jobs) as results:
            finding.rows = finding.claim.rows(results)
            dates = {
                date_of(results[job.name], note)
                for job, note in zip(finding.jobs, finding.notes, strict=True)
            }
            finding.dates = sorted(dates - {""})
        finding.verdict = overall(finding.rows)
        if not finding.rows:
            finding.verdict, finding.why = DID_NOT_RUN, "its results have no rows"
    except WRONG as error:
        finding.verdict = DID_NOT_RUN
        finding.why = f"its results cannot be judged: {type(error).__name__}: {first_line(error)}"


def find(claim: Claim, root: Path, program: Program, failed: Optional[str]) -> Finding:
    """Of full size where all results of it are there, else of small size; `failed`: why this run
    has none of that."""
    finding = Finding(claim)
    for size in (FULL, SMALL):
        jobs = jobs_of(claim, size, root)
        if all(job.is_done(program) for job in jobs):
            finding.size, finding.jobs = size, jobs
            finding.notes = [job.noted() for job in jobs]
            judge(finding)
            return finding
    if failed:
        finding.verdict, finding.why = DID_NOT_RUN, failed
    return finding
