"""Writes a report of runs of chorale: one HTML page that needs no other file and no network.

It has for every file its finding, its picture, numbers beside what theory says of them, its table
(a click on a head sorts it), parameters, provenance, and how to run it again; several results of
one study also stand together in one picture and one table, by the keys in which they differ. Takes
results of any study, also of incomplete runs, trajectories (.h5md), checkpoints,
and the table of `chorale kernel` (.csv). Of a folder it takes the results in it and in the folders
below, and says what it could not read; trajectories and checkpoints only where there are no
results.

exit codes: 0 success, 1 failure at run time, 2 bad input
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Optional, Sequence

import matplotlib

from chorale import inputs
from chorale.brief import is_part, runs_in
from chorale.command import Parser, check_target, of_file, whole
from chorale.errors import BadFile, Refused
from chorale.report import content, page
from chorale.state import state_of
from chorale.view.report import Interactive

NAMED = 4  # files in a title
ENDINGS = (".h5", ".hdf5", ".csv", ".h5md")


def files_in(folder: str) -> list[str]:
    """What a report of a folder takes."""
    every = sorted(Path(folder).rglob("*"))
    found = [path for path in every if path.suffix in ENDINGS and path.is_file()]
    results = [path for path in found if not is_part(path)]
    if not found:
        raise BadFile(folder, "a folder without files of chorale")
    return [str(path) for path in results or found]


def read(
    paths: Sequence[str], named: Sequence[str], moving: Optional[content.Moving] = None
) -> tuple[dict[str, str], list[str]]:
    """{path: section} of files, and why others cannot be read: of a run that left nothing also what
    it said last."""
    sections, skipped = {}, []
    for path in paths:
        try:
            with of_file(path):
                sections[path] = content.section(path, len(paths) <= content.PICTURES, moving)
        except BadFile as error:
            if path in named and len(paths) == 1:
                raise
            words = state_of(path).message.removeprefix("chorale: ")
            more = f" ({words})" if words and words not in str(error) else ""
            skipped.append(f"{error}{more}")
    return sections, skipped


def missing_of(folder: str) -> str:
    """How many runs of a job array or a grid have no results; empty when all have."""
    every = runs_in(folder)
    count = sum(not os.path.exists(path) for path in every)
    words = f"{count} of {len(every)} runs in {folder} have no results"
    return f"{words}: tools/info --brief {shlex.quote(folder)} says which" if count else ""


def several(sections: dict[str, str], moving: Optional[content.Moving]) -> str:
    """Links to all sections, and what results of one study have in common."""
    links = ""
    for path in sections:
        links += f'<li><a href="#{content.anchor(path)}">{page.escape(path)}</a></li>'
    return f"<ul>{links}</ul>\n" + content.sweeps(sections, moving)


def title_of(names: Sequence[str], paths: Sequence[str]) -> str:
    """The folder or the files."""
    if len(names) == 1:
        return os.path.basename(os.path.abspath(names[0]))
    known = [os.path.basename(path) for path in paths]
    if len(known) <= NAMED:
        return " and ".join(filter(None, (", ".join(known[:-1]), known[-1])))
    return f"{known[0]} and {len(known) - 1} more files"


def figures_of(library: Optional[str]) -> Optional[Interactive]:
    """Those that move; None, which is said, without D3."""
    try:
        return Interactive(library)
    except Refused as error:
        if library:
            raise
        print(f"report: {error}", file=sys.stderr)
        return None


def report(names: Sequence[str], out: Optional[str], figures: Optional[Interactive] = None) -> None:
    """Writes the page of files and folders; of OUT none is needed."""
    moving = figures.of_files if figures else None
    folders = {name: files_in(name) for name in names if os.path.isdir(name)}
    paths = list(dict.fromkeys(path for name in names for path in folders.get(name, [name])))
    inputs.protect(paths)
    out = out or os.path.join(names[0] if folders else os.path.dirname(names[0]), "report.html")
    check_target(out)
    sections, skipped = read(paths, [name for name in names if name not in folders], moving)
    if not sections:
        raise BadFile(names[0], f"nothing here can be read; the first reason: {skipped[0]}")
    title = title_of(names, list(sections))
    head = f"<h1>{page.escape(title)}</h1>\n" if len(sections) > 1 or folders else ""
    if len(sections) > 1:
        head += several(sections, moving)
    if len(paths) > content.PICTURES:
        few = f"With more than {content.PICTURES} files, single pictures are left out"
        head += page.soft(f"{few}: tools/plot FILE draws one.")
    for words in filter(None, map(missing_of, folders)):
        head += page.alarm(words)
        print(f"report: {words}", file=sys.stderr)
    for reason in skipped:
        head += page.alarm(f"Skipped: {reason}")
        print(f"report: skipped {reason}", file=sys.stderr)
    body = head + "".join(sections.values()) + (figures.block() if figures else "")
    text = page.document(f"{title}: chorale", body)
    with whole(out) as temporary:
        Path(temporary).write_text(text, encoding="utf-8", errors="backslashreplace")
    print(out)


def main() -> None:
    parser = Parser("report", __doc__)
    parser.add_argument(
        "names", nargs="+", metavar="DIR|FILE", help="a folder of results, or a file of chorale"
    )
    parser.add_argument(
        "-o",
        dest="out",
        metavar="OUT",
        help="the page (default: report.html in DIR, or beside the first FILE)",
    )
    parser.add_argument(
        "--interactive",
        action="store_true",
        help="figures that move, as tools/view has them; the still pictures are below them",
    )
    parser.add_argument(
        "--js", metavar="D3", help="of --interactive: d3.min.js (default: that of Debian's node-d3)"
    )
    arguments = parser.parse_args()
    if arguments.js and not arguments.interactive:
        raise Refused("--js is of --interactive")
    matplotlib.use("Agg")
    figures = figures_of(arguments.js) if arguments.interactive else None
    report(arguments.names, arguments.out, figures)
