"""Tokens in motion: the first recorded realization frame by frame, with its energy where results
are beside the trajectory. Memory holds one frame of the trajectory at a time; frames are drawn as
they are read and handed to ffmpeg, or to Pillow for a GIF."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time as clock
from itertools import chain
from typing import Iterable, Iterator, Optional

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from PIL import Image

from chorale import io
from chorale.command import whole
from chorale.errors import BadFile
from chorale.io import Observable, Run
from chorale.plot.common import LOOK, dress, time_axis
from chorale.plot.tokens import Frames, View, of_run, verb

FASTEST, SLOWEST, LONG = 20, 2, 10  # frames a second; seconds that a movie of few frames takes
SIZE, DOTS_PER_INCH = (8, 9.2), 80
COLOURS = 255  # of a GIF
ENDINGS = (".mp4", ".gif")
NO_POSITIONS = (
    "no positions of tokens to be shown in motion: "
    "-output_trajectories 1 records them (study simulate)"
)


class Progress:
    """A counter on a terminal, a line every ten seconds elsewhere, on stderr."""

    def __init__(self, count: int):
        self.count, self.shown = count, clock.monotonic()

    def __call__(self, done: int) -> None:
        line = f"plot: frame {done} of {self.count}"
        if sys.stderr.isatty():
            print("\r" + line, end="\n" if done == self.count else "", file=sys.stderr, flush=True)
        elif done == self.count or clock.monotonic() - self.shown > 10:
            self.shown = clock.monotonic()
            print(line, file=sys.stderr, flush=True)


def realization(run: Run) -> int:
    """Number of the realization that is shown: of results the first that is recorded, of a
    trajectory that of its name."""
    named = re.search(r"realization_(\d+)\.", os.path.basename(run.path))
    return run.realizations[0] if run.kind == "results" else int(named[1]) if named else 0


class Stage:
    """The picture that changes from frame to frame."""

    def __init__(self, run: Run, frames: Frames):
        self.frames, self.view, self.moving = frames, View(frames), []
        results = self.results(run)
        energy = results and self.energy_of(results, realization(run))
        size = SIZE if energy else (SIZE[0], SIZE[1] - 1.2)
        self.figure = plt.figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
        rows = 2 if energy else 1
        places = self.figure.add_gridspec(rows, 1, height_ratios=[4, 1][:rows])
        self.axes = self.figure.add_subplot(places[0])
        self.view.stage(self.axes)
        self.point = None
        if energy:
            self.time, self.value = energy
            self.draw_energy(self.figure.add_subplot(places[1]))
        lengths = frames.lengths()
        about = f"{frames.drawn()}{self.view.note}. Colours: where a token started"
        dress(self.figure, results if energy else run, verb(*lengths), about)
        self.title = self.axes.set_title(f"t = {frames.time[-1]:.3f}")
        self.figure.canvas.draw()
        self.figure.set_layout_engine("none")  # the layout of the first frame is that of all

    @staticmethod
    def results(run: Run) -> Optional[Run]:
        """The run itself, or the open results beside a trajectory."""
        if run.kind == "results":
            return run
        try:
            return io.open(run.results_path) if run.results_path else None
        except BadFile:
            return None

    @staticmethod
    def energy_of(results: Run, shown: int) -> Optional[tuple[np.ndarray, np.ndarray]]:
        """Time and energy of a realization; None where they are not recorded."""
        energy: Optional[Observable] = results.observables.get("energy")
        if energy is None or not len(energy) or shown >= energy.value.shape[1]:
            return None
        return energy.time, energy.value[: len(energy), shown]

    def draw_energy(self, axes: Axes) -> None:
        """Over all of the time, with the point that moves."""
        axes.plot(self.time, self.value, color=LOOK.blue, linewidth=2)
        (self.point,) = axes.plot([], [], "o", color=LOOK.orange, markersize=9)
        axes.set_ylim(bottom=min(0, np.nanmin(self.value)))
        axes.set_ylabel("energy")
        time_axis(axes, self.time)

    def image(self, frame: int) -> Image.Image:
        """RGB pixels."""
        for artist in self.moving:
            artist.remove()
        self.moving = self.view.place(self.axes, self.frames[frame])
        now = self.frames.time[frame]
        self.title.set_text(f"t = {now:.3f}")
        if self.point:
            self.point.set_data([now], [np.interp(now, self.time, self.value)])
        self.figure.canvas.draw()
        return Image.fromarray(np.asarray(self.figure.canvas.buffer_rgba())).convert("RGB")


def palette(first: Image.Image) -> Image.Image:
    """Colours for all frames of a GIF, from the first one and, beside it, every colour that tokens
    can have, as bright and as faint ones."""
    wide = first.width
    shades = np.repeat(LOOK.ordered(np.linspace(0, 1, 64))[:, :3], wide // 64 + 1, axis=0)[:wide]
    ground = np.array(LOOK.ball([0.25, 0.75]))[:, :3]
    faint = [share * shades + (1 - share) * tone for share in (0.65, 0.28) for tone in ground]
    lines = [np.tile(to_rgb(colour), (wide, 1)) for colour in (LOOK.blue, LOOK.orange)]
    rows = np.round(255 * np.array([shades, *faint, *lines])).astype(np.uint8)
    strip = np.repeat(rows, first.height // (2 * len(rows)), axis=0)
    return Image.fromarray(np.concatenate([np.asarray(first), strip])).quantize(COLOURS)


def rate_of(count: int) -> float:
    """Frames a second of a movie of so many."""
    return min(FASTEST, max(SLOWEST, count / LONG))


def write_gif(images: Iterable[Image.Image], out: str, rate: float) -> None:
    """Pillow holds the frames with a byte for every pixel until it writes them."""
    images = iter(images)
    first = next(images)
    colours, dither = palette(first), Image.Dither.NONE
    every = chain([first], images)
    reduced = (image.quantize(palette=colours, dither=dither) for image in every)
    timing = {"duration": 10 * round(100 / rate), "loop": 0}
    next(reduced).save(out, format="GIF", save_all=True, append_images=reduced, **timing)


def write_mp4(images: Iterable[Image.Image], out: str, rate: float) -> None:
    """ffmpeg takes the pixels of one frame after the other."""
    images = iter(images)
    first = next(images)
    wide, high = first.width // 2 * 2, first.height // 2 * 2  # H.264 takes even sizes
    taken = f"-f rawvideo -pix_fmt rgb24 -s {wide}x{high} -r {rate:g} -i -"
    given = "-pix_fmt yuv420p -f mp4"
    command = ["ffmpeg", "-y", "-loglevel", "error", *taken.split(), *given.split(), out]
    with tempfile.TemporaryFile() as messages, subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=messages
    ) as process:
        try:
            process.stdin.write(first.crop((0, 0, wide, high)).tobytes())
            for image in images:
                process.stdin.write(image.crop((0, 0, wide, high)).tobytes())
            process.stdin.close()
        except BrokenPipeError:
            pass
        if process.wait():
            messages.seek(0)
            lines = messages.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise OSError(0, f"ffmpeg: {lines[-1]}", out)


def target(path: str, out: Optional[str]) -> tuple[str, bool]:
    """Name of the movie, and whether ffmpeg writes it."""
    has_ffmpeg = shutil.which("ffmpeg") is not None
    if not out:
        return os.path.splitext(path)[0] + (".mp4" if has_ffmpeg else ".gif"), has_ffmpeg
    ending = os.path.splitext(out)[1].lower()
    if ending not in ENDINGS:
        raise BadFile(out, "the ending of a movie must be one of " + ", ".join(ENDINGS))
    if ending == ".mp4" and not has_ffmpeg:
        raise BadFile(out, "needs ffmpeg, which is not installed; a .gif does not")
    return out, ending == ".mp4"


def make(path: str, out: Optional[str], most: int) -> str:
    """Writes the movie of a file with at most so many frames; returns its name."""
    if path.endswith(".csv"):
        raise BadFile(path, "a table has no tokens to be shown in motion")
    out, with_ffmpeg = target(path, out)
    with io.open(path) as run:
        frames = of_run(run) if run.kind != "checkpoint" else None
        if frames is None:
            raise BadFile(path, NO_POSITIONS)
        count = min(most, len(frames))
        chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
        stage, progress = Stage(run, frames), Progress(len(chosen))

        def images() -> Iterator[Image.Image]:
            for done, frame in enumerate(chosen, start=1):
                yield stage.image(frame)
                progress(done)

        try:
            with whole(out) as temporary:
                writer = write_mp4 if with_ffmpeg else write_gif
                writer(images(), temporary, rate_of(len(chosen)))
        finally:
            plt.close(stage.figure)
    return out
