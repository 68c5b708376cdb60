"""Draws files of chorale: a picture for every file, of the study that made it, with --panel one
panel of it in the size of a paper's column, with --together all files over each other, or with
--movie tokens in motion.

Takes results of any study, trajectories (.h5md), checkpoints and the CSV table of `chorale kernel`;
of an incomplete run (running or stopped) it draws what is there and says so. A trajectory is read
frame by frame, and of many tokens only some thousands are drawn.

exit codes: 0 success, 1 failure at run time, 2 bad input
"""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import Sequence

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from chorale import inputs, io
from chorale.command import Parser, check_target, of_file, whole
from chorale.errors import Refused
from chorale.plot import common, drawing, files, movie

FORMATS = ("png", "pdf", "svg")
WINDOWS = ("TkAgg", "QtAgg", "GTK3Agg")


def outputs(path: str, arguments: argparse.Namespace) -> list[str]:
    """The pictures to write of a file."""
    if not arguments.out:
        names = [f"{os.path.splitext(path)[0]}.{ending}" for ending in arguments.formats]
        for name in () if arguments.show else names:
            check_target(name)
        return names
    if os.path.splitext(arguments.out)[1][1:].lower() not in FORMATS:
        endings = ", ".join(f".{ending}" for ending in FORMATS)
        raise Refused(f"-o {arguments.out}: the ending must be one of {endings}")
    check_target(arguments.out)
    return [arguments.out]


def save(figure: Figure, out: str, dpi: int) -> None:
    """Writes a picture and says so."""
    with whole(out) as temporary:
        figure.savefig(temporary, dpi=dpi)
    print(out)


def open_window() -> None:
    """Chooses a toolkit that can open windows."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise Refused("--show needs a display: neither DISPLAY nor WAYLAND_DISPLAY is set", 1)
    for name in WINDOWS:
        with contextlib.suppress(Exception):  # of whatever kind in a toolkit that is not installed
            plt.switch_backend(name)
            return
    raise Refused("--show: no window can be opened on this display (is python3-tk installed?)", 1)


def give(figure: Figure, names: Sequence[str], arguments: argparse.Namespace) -> None:
    """Writes a picture under all its names; one that is shown stays open."""
    for out in names:
        if arguments.out or not arguments.show:
            save(figure, out, drawing.DPI if arguments.panel else common.DPI)
    if not arguments.show:
        plt.close(figure)


def draw_together(arguments: argparse.Namespace) -> None:
    """One picture of all files."""
    name = f"together-{arguments.panel}" if arguments.panel else "together"
    beside = os.path.join(os.path.dirname(arguments.files[0]), f"{name}.h5")
    names = outputs(beside, arguments)
    with of_file(", ".join(arguments.files)):
        if arguments.panel:
            with files.opened(arguments.files) as runs:
                figure = drawing.several(runs, arguments.panel, arguments.width)
        else:
            figure = files.together_of(arguments.files).figure
    give(figure, names, arguments)


def draw_movie(path: str, arguments: argparse.Namespace) -> None:
    """Tokens of a file in motion."""
    with of_file(path):
        print(movie.make(path, arguments.out, arguments.frames))


def draw_file(path: str, arguments: argparse.Namespace) -> None:
    """The picture of a file, or a panel of it."""
    stem, end = os.path.splitext(path)
    names = outputs(f"{stem}-{arguments.panel}{end}" if arguments.panel else path, arguments)
    with of_file(path):
        if arguments.panel:
            with io.open(path) as run:
                figure = drawing.alone(run, arguments.panel, arguments.width)
        else:
            figure = files.picture_of(path, arguments.quantity).figure
    give(figure, names, arguments)


def draw(arguments: argparse.Namespace) -> None:
    """Everything that was asked for."""
    inputs.protect(arguments.files)
    if arguments.together:
        draw_together(arguments)
    else:
        for path in arguments.files:
            (draw_movie if arguments.movie else draw_file)(path, arguments)
    if arguments.show:
        plt.show()


def formats(words: str) -> list[str]:
    """The value of --format."""
    found = words.split(",")
    if not set(found) <= set(FORMATS):
        raise argparse.ArgumentTypeError(f"{words}: must be a list of " + ", ".join(FORMATS))
    return found


def frames(word: str) -> int:
    """The value of --frames."""
    if not word.isdigit() or not 1 <= int(word) <= 100000:
        raise argparse.ArgumentTypeError(f"{word}: must be a whole number from 1 to 100000")
    return int(word)


def add_pictures(parser: Parser) -> None:
    """Options of pictures."""
    parser.add_argument(
        "--format",
        dest="formats",
        type=formats,
        default=["png"],
        metavar="LIST",
        help="png, pdf and svg, or a list such as pdf,svg; fonts are embedded (default: png)",
    )
    parser.add_argument(
        "--theme",
        choices=("light", "dark"),
        default="light",
        help="colours of the paper and the ink (default: light)",
    )
    parser.add_argument(
        "--show", action="store_true", help="open windows; pictures are then written only for -o"
    )
    parser.add_argument(
        "--quantity",
        metavar="NAME",
        help="the number that is drawn of each cell of a sweep, such as energy_mean or lambda1",
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="one picture of all FILEs, results of any one study but kernel, a curve for each, "
        "named by the keys that differ; runs without results are left out (default: together.png "
        "beside the first)",
    )


def add_panels(parser: Parser) -> None:
    """Options of figures for a paper."""
    parser.add_argument(
        "--panel",
        metavar="NAME",
        help="one panel alone, such as energy, also with --together; an unknown name lists all",
    )
    parser.add_argument(
        "--width",
        default=drawing.WIDTH,
        help="width of a panel, in in, cm, mm or pt (default: %(default)s)",
    )
    parser.add_argument(
        "--style",
        metavar="FILE",
        help="a style file of matplotlib, or the name of one of its styles; it has the last word",
    )


def add_movies(parser: Parser) -> None:
    """Options of movies."""
    parser.add_argument(
        "--movie",
        action="store_true",
        help="tokens in motion, from the recorded trajectory: mp4 where ffmpeg is installed, "
        "else gif",
    )
    parser.add_argument(
        "--frames",
        type=frames,
        default=200,
        metavar="N",
        help="at most so many frames of a movie, evenly chosen (default: 200)",
    )


def parse() -> argparse.Namespace:
    parser = Parser("plot", __doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file of chorale")
    parser.add_argument(
        "-o",
        dest="out",
        metavar="OUT",
        help="the picture, .png, .pdf or .svg, or the movie, .mp4 or .gif (one FILE only; default: "
        "FILE with that ending)",
    )
    add_pictures(parser)
    add_panels(parser)
    add_movies(parser)
    arguments = parser.parse_args()
    if arguments.together and (arguments.movie or len(arguments.files) < 2):
        raise Refused("--together takes two or more FILEs, and no --movie")
    if arguments.out and len(arguments.files) > 1 and not arguments.together:
        raise Refused("-o names one picture, so it takes one FILE")
    if arguments.movie and arguments.panel:
        raise Refused("--movie shows tokens: take it without --panel")
    drawing.inches(arguments.width)
    if arguments.movie and arguments.show:
        raise Refused("--movie writes a file: take it without --show")
    return arguments


def main() -> None:
    arguments = parse()
    if arguments.show:
        open_window()
    else:
        matplotlib.use("Agg")
    styled = drawing.style_of(arguments.style)
    with drawing.settings(arguments.theme, styled, arguments.panel is not None):
        draw(arguments)
