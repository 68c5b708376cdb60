"""Tokens in motion: the first recorded realization frame by frame, with its energy where results are beside the trajectory. Memory holds
one frame of the trajectory at a time; frames are drawn as they are read and handed to ffmpeg, or to Pillow for a GIF."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time as clock
from itertools import chain

import chorale_io
import matplotlib.pyplot as plt
import numpy as np
from chorale_io import BadFile
from command import whole
from matplotlib.colors import to_rgb
from PIL import Image

from plotting.common import LOOK, dress, time_axis
from plotting.tokens import View, of_run, verb

RATE = 20  # frames a second
SIZE, DOTS_PER_INCH = (8, 9.2), 80
COLOURS = 255  # of a GIF
ENDINGS = (".mp4", ".gif")


class Progress:
    """A counter on a terminal, a line every ten seconds elsewhere, on stderr."""

    def __init__(self, count):
        self.count, self.shown = count, clock.monotonic()

    def __call__(self, done):
        line = f"plot: frame {done} of {self.count}"
        if sys.stderr.isatty():
            print("\r" + line, end="\n" if done == self.count else "", file=sys.stderr, flush=True)
        elif done == self.count or clock.monotonic() - self.shown > 10:
            self.shown = clock.monotonic()
            print(line, file=sys.stderr, flush=True)


def realization(run):
    """Number of the realization that is shown: of results the first that is recorded, of a trajectory that of its name."""
    named = re.search(r"realization_(\d+)\.", os.path.basename(run.path))
    return run.realizations[0] if run.kind == "results" else int(named[1]) if named else 0


class Stage:
    """The picture that changes from frame to frame."""

    def __init__(self, run, frames):
        self.frames, self.view, self.moving = frames, View(frames), []
        results = self.results(run)
        self.energy = results is not None
        if results:
            self.time, self.value = results[1]
        self.figure = plt.figure(figsize=SIZE if self.energy else (SIZE[0], SIZE[1] - 1.2), dpi=DOTS_PER_INCH, layout="constrained")
        places = self.figure.add_gridspec(2, 1, height_ratios=[4, 1]) if self.energy else self.figure.add_gridspec(1, 1)
        self.axes = self.figure.add_subplot(places[0])
        self.view.stage(self.axes)
        if self.energy:
            self.draw_energy(self.figure.add_subplot(places[1]))
        lengths = [np.linalg.norm(frames[f].mean(axis=0)) for f in (0, len(frames) - 1)]
        dress(self.figure, results[0] if results else run, verb(*lengths), f"{frames.drawn()}{self.view.note}. Colours: where a token started")
        self.title = self.axes.set_title(f"t = {frames.time[-1]:.3f}")
        self.figure.canvas.draw()
        self.figure.set_layout_engine("none")  # the layout of the first frame is that of all

    @staticmethod
    def results(run):
        """(open results, time and energy of the realization that is shown), or None."""
        if run.kind == "results":
            found = run
        elif run.results_path:
            try:
                found = chorale_io.open(run.results_path)
            except BadFile:
                return None
        else:
            return None
        energy, shown = found.observables.get("energy"), realization(run)
        if energy is None or not len(energy) or shown >= energy.value.shape[1]:
            return None
        return found, (energy.time, energy.value[: len(energy), shown])

    def draw_energy(self, axes):
        axes.plot(self.time, self.value, color=LOOK.blue, linewidth=2)
        self.point, = axes.plot([], [], "o", color=LOOK.orange, markersize=9)
        axes.set_ylim(bottom=min(0, np.nanmin(self.value)))
        axes.set_ylabel("energy")
        time_axis(axes, self.time)

    def image(self, frame):
        """RGB pixels."""
        for artist in self.moving:
            artist.remove()
        self.moving = self.view.place(self.axes, self.frames[frame])
        now = self.frames.time[frame]
        self.title.set_text(f"t = {now:.3f}")
        if self.energy:
            self.point.set_data([now], [np.interp(now, self.time, self.value)])
        self.figure.canvas.draw()
        return Image.fromarray(np.asarray(self.figure.canvas.buffer_rgba())).convert("RGB")


def palette(first):
    """Colours for all frames of a GIF, from the first one and, beside it, every colour that tokens can have, as bright and as faint ones."""
    shades = np.repeat((LOOK.ordered(np.linspace(0, 1, 64))[:, :3]), first.width // 64 + 1, axis=0)[: first.width]
    ground = np.array(LOOK.ball([0.25, 0.75]))[:, :3]
    rows = [shades] + [share * shades + (1 - share) * tone for share in (0.65, 0.28) for tone in ground]
    rows += [np.tile(to_rgb(colour), (first.width, 1)) for colour in (LOOK.blue, LOOK.orange)]
    strip = np.repeat(np.round(255 * np.array(rows)).astype(np.uint8), first.height // (2 * len(rows)), axis=0)
    return Image.fromarray(np.concatenate([np.asarray(first), strip])).quantize(COLOURS)


def write_gif(images, out):
    """Pillow holds the frames with a byte for every pixel until it writes them."""
    images = iter(images)
    first = next(images)
    colours = palette(first)
    reduced = (image.quantize(palette=colours, dither=Image.Dither.NONE) for image in chain([first], images))
    next(reduced).save(out, format="GIF", save_all=True, append_images=reduced, duration=1000 // RATE, loop=0)


def write_mp4(images, out):
    images = iter(images)
    first = next(images)
    wide, high = first.width // 2 * 2, first.height // 2 * 2  # H.264 takes even sizes
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{wide}x{high}", "-r", str(RATE), "-i", "-",
               "-pix_fmt", "yuv420p", "-f", "mp4", out]
    with tempfile.TemporaryFile() as messages, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages) as process:
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


def target(path, out):
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


def make(path, out, most):
    """Writes the movie of a file with at most so many frames; returns its name."""
    if path.endswith(".csv"):
        raise BadFile(path, "a table has no tokens to be shown in motion")
    out, with_ffmpeg = target(path, out)
    with chorale_io.open(path) as run:
        frames = of_run(run) if run.kind != "checkpoint" else None
        if frames is None:
            raise BadFile(path, "no positions of tokens to be shown in motion: -output_trajectories 1 records them (study simulate)")
        chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
        stage, progress = Stage(run, frames), Progress(len(chosen))

        def images():
            for done, frame in enumerate(chosen, start=1):
                yield stage.image(frame)
                progress(done)

        try:
            with whole(out) as temporary:
                (write_mp4 if with_ffmpeg else write_gif)(images(), temporary)
        finally:
            plt.close(stage.figure)
    return out
