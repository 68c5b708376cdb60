"""Reproduces the paper: every statement is measured, and stands with its data, its verdict, its
picture and its commands on one page, build/paper/index.html. The same table goes to
input/paper/README.md.

A claim whose results are there from the same deck, options and revision is not run again, so a run
that was interrupted goes on where it stopped. All of them take at most 15 minutes on two idle
cores. --full submits the large runs to Slurm by jobs/study.sbatch (options for sbatch in
SBATCH_OPTIONS); called again when they are done, with or without --full, the page has their
results in place of the small ones.

exit codes: 0 success, 1 a run failed or its results cannot be judged, 2 bad input
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Iterable, Optional

import matplotlib

from chorale.command import TOP, Parser, folded, whole
from chorale.errors import Refused
from chorale.paper import content, markdown, runs
from chorale.paper.claim import DID_NOT_RUN, FULL, SMALL, Claim, load
from chorale.paper.findings import Finding, find
from chorale.paper.runs import Failed, Program, below_top

README = TOP / "input/paper/README.md"


class Clock:
    """How long it may take still, by what the claims say and how fast they were so far."""

    def __init__(self, claims: Iterable[Claim]):
        self.left = sum(claim.seconds for claim in claims)
        self.said, self.took = 0.0, 0.0

    def done(self, claim: Claim, took: float, ran: bool) -> str:
        self.left -= claim.seconds
        if ran:
            self.said, self.took = self.said + claim.seconds, self.took + took
        rest = self.left * (self.took / self.said if self.said else 1)
        if rest < 1:
            return ""
        return f", about {rest:.0f} s left" if rest < 90 else f", about {rest / 60:.0f} min left"


def measure(claims: list[Claim], root: Path, program: Program, fresh: bool) -> dict[str, str]:
    """Runs what is missing; returns why claims have failed, by their names."""
    failed = {}
    todo = []
    for claim in claims:
        full = all(job.is_done(program) for job in runs.jobs_of(claim, FULL, root))
        small = all(job.is_done(program) for job in runs.jobs_of(claim, SMALL, root))
        if fresh or not (full or small):
            todo.append(claim)
    if len(todo) < len(claims):
        print(f"{len(claims) - len(todo)} of {len(claims)} claims have their results already")
    clock = Clock(todo)
    for number, claim in enumerate(todo, 1):
        print(f"[{number}/{len(todo)}] {claim.name}: {claim.title} ... ", end="", flush=True)
        begun, said = time.monotonic(), ""
        try:
            runs.run(claim, root, program, fresh)
        except Failed as error:
            failed[claim.name] = str(error)
            said = f"did not run: {error}, "
        took = time.monotonic() - begun
        print(f"{said}{took:.0f} s{clock.done(claim, took, claim.name not in failed)}", flush=True)
    return failed


def submit(claims: list[Claim], root: Path, program: Program, fresh: bool) -> None:
    """Jobs of full size for claims that have one."""
    for claim in claims:
        if claim.one_size:
            continue
        if fresh:
            shutil.rmtree(root / FULL / claim.name, ignore_errors=True)
        for line in runs.submit(claim, root, program):
            print(line)


def write(found: list[Finding], root: Path, readme: Optional[Path], cores: int) -> None:
    """Both pages."""
    table = markdown.document(found)
    pages = {root / "index.html": content.document(found, cores), root / "README.md": table}
    if readme:
        pages[readme] = table
    for path, text in pages.items():
        with whole(path) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")
        print(below_top(path))


def chosen(names: Optional[list[str]], claims: dict[str, Claim]) -> list[Claim]:
    """Those of --only."""
    for name in names or ():
        if name not in claims:
            raise Refused(f"--only {name}: there is no such claim; --list lists them")
    return [claim for claim in claims.values() if not names or claim.name in names]


def parse() -> argparse.Namespace:
    parser = Parser("paper", __doc__)
    add = parser.add_argument
    about = "run these claims alone; the page has all that have results"
    add("--only", nargs="+", metavar="NAME", help=about)
    add("--list", action="store_true", help="say which claims there are, and run nothing")
    about = "submit the large runs to Slurm, and write the page of what is there"
    add("--full", action="store_true", help=about)
    add("--fresh", action="store_true", help="run again what is there already")
    about = "results and page (default: build/paper)"
    add("--folder", type=Path, default=TOP / "build/paper", metavar="DIR", help=about)
    about = "the table (default: input/paper/README.md when all claims are run into build/paper)"
    add("--readme", type=Path, metavar="FILE", help=about)
    about = "the executable (default: build/chorale)"
    add("--chorale", default=str(TOP / "build/chorale"), metavar="FILE", help=about)
    return parser.parse_args()


def main() -> int:
    arguments, claims = parse(), load()
    some = chosen(arguments.only, claims)
    if arguments.list:
        for claim in some:
            numbers = f"{claim.kind:10} {claim.seconds:4.0f} s"
            print(folded(f"{claim.name:20} {numbers}  {claim.title}", 21 * " "))
        return 0
    program, root = Program.at(arguments.chorale), arguments.folder.absolute()
    root.mkdir(parents=True, exist_ok=True)
    matplotlib.use("Agg")
    failed = {}
    if arguments.full:
        submit(some, root, program, arguments.fresh)
    else:
        failed = measure(some, root, program, arguments.fresh)
    found = [find(claim, root, program, failed.get(claim.name)) for claim in claims.values()]
    is_all = not arguments.only and not arguments.full and root == TOP / "build/paper"
    readme = arguments.readme or (README if is_all else None)
    print("Drawing ...", flush=True)
    write(found, root, readme, runs.CORES)
    return int(any(finding.verdict == DID_NOT_RUN for finding in found))
