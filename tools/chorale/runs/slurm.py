"""Runs as jobs of Slurm, in the style of jobs/: the script, its submission, and what the queue says
of it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any, Optional, Sequence

from chorale.command import TOOLS, first_line
from chorale.errors import RunError
from chorale.runs.record import Record

SCRIPT = """#!/bin/bash
# Written by chorale.submit; to be submitted again at any time: sbatch {name}
#SBATCH --job-name={job}
#SBATCH --ntasks={ranks}
#SBATCH --time={time}
#SBATCH --signal=B:USR1@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={log}
set -euo pipefail
cd {cwd}
program={program}
: "${{CHORALE:=$program}}"
export CHORALE
source {common}
run_to_the_end {words}
"""
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "CONFIGURING")


def common() -> Path:
    """jobs/common.sh: of the variable CHORALE_JOBS, of this source tree, or installed."""
    places = [Path(os.environ["CHORALE_JOBS"])] if os.environ.get("CHORALE_JOBS") else []
    places += [TOOLS.parent / "jobs", TOOLS / "jobs"]
    for place in places:
        if (place / "common.sh").is_file():
            return place / "common.sh"
    raise RunError("jobs/common.sh is not there: name its folder in the variable CHORALE_JOBS")


def write(record: Record, folder: Path, log: Path, program: str, time: str) -> Path:
    """The script of a job."""
    script = folder / "job.sbatch"
    text = SCRIPT.format(
        name=script.name,
        job=shlex.quote(folder.name),
        ranks=record.ranks,
        time=time,
        log=shlex.quote(str(log)),
        cwd=shlex.quote(record.cwd),
        program=shlex.quote(program),
        common=shlex.quote(str(common())),
        words=shlex.join(record.arguments()),
    )
    script.write_text(text, encoding="utf-8")
    return script


def submit(script: Path, options: Sequence[str], words: Sequence[str] = (), **where: Any) -> str:
    """The number of the new job; words: what the script is given, where: cwd and env."""
    given = ["sbatch", "--parsable", *shlex.split(os.environ.get("SBATCH_OPTIONS", "")), *options]
    keys = {"capture_output": True, "text": True, "check": False, **where}
    try:
        done = subprocess.run([*given, str(script), *words], **keys)
    except OSError as error:
        raise RunError("jobs are submitted to Slurm, but there is no sbatch here") from error
    if done.returncode:
        raise RunError(f"sbatch: {first_line(RunError(done.stderr.strip()))}")
    return done.stdout.strip().split(";")[0]


def state_of(job: str) -> Optional[str]:
    """`waiting` or `running`; None of a job that is not in the queue."""
    words = ["squeue", "--noheader", "--jobs", job, "--format", "%T"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:  # no Slurm here
        return None
    said = done.stdout.split()
    ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
    if done.returncode or not said or said[0] in ended:
        return None
    return "waiting" if said[0] in WAITING else "running"
