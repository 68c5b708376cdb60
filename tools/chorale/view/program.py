"""Writes a page on which tokens move: one HTML file that needs no other file and no network.

Of results with positions (output_trajectories 1) and of trajectories: tokens on the circle or the
sphere that the reader turns, a slider of time, and what energy, order and clusters do meanwhile. Of
spde: the density, too. Of other studies: charts whose curves a click switches, and maps whose cells
show their curves. Results of one study stand together. D3 is that of Debian's node-d3.

exit codes: 0 success, 1 failure at run time, 2 bad input
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Optional, Sequence

import matplotlib

from chorale import follow, inputs
from chorale.command import Parser, check_target, whole
from chorale.errors import Refused
from chorale.report.page import document, escape
from chorale.view import content, page

EVERY = 5.0  # seconds after which a browser reads the page of a running job anew


def text_of(shown: Sequence[content.Shown], library: str, every: Optional[float] = None) -> str:
    """The page; every: seconds after which a browser reads it anew."""
    figures, body = page.Figures(library, every), ""
    for one in shown:
        level = "h2" if len(shown) > 1 else "h1"
        body += f"<{level}>{escape(one.name)}</{level}>\n{one.finding}{one.about}"
        body += figures.place(one.figures)
    title = shown[0].name if len(shown) == 1 else f"{len(shown)} figures"
    return document(f"{title}: chorale", body + figures.block(), "tools/view")


def write(paths: Sequence[str], out: str, library: str, every: Optional[float] = None) -> None:
    text = text_of(content.of_files(paths), library, every)
    with whole(out) as temporary:
        Path(temporary).write_text(text, encoding="utf-8", errors="backslashreplace")


def keep_up(path: str, out: str, library: str) -> None:
    """Writes the page at every checkpoint, and once more when the run has ended."""
    for found in follow.checkpoints(path):
        going = found.state == "running"
        if not os.path.exists(path):
            continue
        write([path], out, library, EVERY if going else None)
        print(
            ", ".join(filter(None, [out, found.state, found.realizations, found.clock])), flush=True
        )
    follow.judge(found)


def parse() -> argparse.Namespace:
    parser = Parser("view", __doc__)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="results, trajectory (.h5md), or table of chorale kernel (.csv)",
    )
    parser.add_argument(
        "-o", dest="out", metavar="OUT", help="the page (default: FILE.html beside the first FILE)"
    )
    parser.add_argument("--js", metavar="D3", help="d3.min.js (default: that of Debian's node-d3)")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="write the page again at every checkpoint of the run, which reads itself anew in the "
        "browser, until the run has ended",
    )
    arguments = parser.parse_args()
    if arguments.follow and len(arguments.files) > 1:
        raise Refused("--follow takes one FILE")
    return arguments


def main() -> None:
    arguments = parse()
    matplotlib.use("Agg")
    library = page.library_of(arguments.js)
    out = arguments.out or f"{os.path.splitext(arguments.files[0])[0]}.html"
    inputs.protect(arguments.files)
    check_target(out)
    if arguments.follow:
        keep_up(arguments.files[0], out, library)
    else:
        write(arguments.files, out, library)
        print(out)
