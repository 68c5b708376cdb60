"""Runs the paper's grid of experiments and draws its figure.

81 runs of N = 64 tokens through L = 150 layers: activation (relu, silu, sigmoid, tanh) x dimension
(5, 64, 128) x bias (0, 0.1) x value (1, 0, -1) with an MLP of width 2048, and dimension x value
without one. Each run is one process and one results file; runs whose file is there already are
skipped, so an interrupted grid goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Sequence

from chorale.command import TOP, Parser, mpi_environment, of_file, whole
from chorale.errors import Refused

ACTIVATIONS = ("relu", "silu", "sigmoid", "tanh")
DIMS, BIASES, VALUES = (5, 64, 128), (0.0, 0.1), (1, 0, -1)


class Cell(NamedTuple):
    """One run of the grid."""

    activation: Optional[str]
    dim: int
    bias: float
    value: int

    @property
    def name(self) -> str:
        kind = self.activation or "none"
        return f"{kind}-d{self.dim}-bias{self.bias:g}-value{self.value:g}"

    @property
    def options(self) -> list[str]:
        words = ["-tokens_dim", self.dim, "-attention_value", self.value]
        if self.activation:
            biases = ["-mlp_bias_u", self.bias, "-mlp_bias_w", self.bias]
            words += ["-mlp_activation", self.activation, *biases]
        else:
            words += ["-noise_type", "none"]
        return [str(word) for word in words]


def cells() -> Iterator[Cell]:
    """All runs, the expensive ones first so that the last processes end together."""
    for dim in sorted(DIMS, reverse=True):
        for activation in ACTIVATIONS:
            for bias in BIASES:
                for value in VALUES:
                    yield Cell(activation, dim, bias, value)
    for dim in DIMS:
        for value in VALUES:
            yield Cell(None, dim, 0.0, value)


def execute(cell: Cell, arguments: argparse.Namespace, env: dict[str, str]) -> Optional[str]:
    """One run in one process (no mpirun: a single rank needs none). Returns an error line or
    None."""
    deck, extra = str(TOP / "input/paper/grid.yaml"), shlex.split(arguments.options)
    out = str(arguments.folder / f"{cell.name}.h5")
    command = [arguments.chorale, "simulate", deck, *cell.options, *extra]
    command += ["-output_file", out, "-output_overwrite", "-progress", "off"]
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    keys = {"env": env, "stderr": subprocess.PIPE, "text": True, "check": False, **silent}
    done = subprocess.run(command, **keys)
    log = arguments.folder / f"{cell.name}.log"  # for tools/info --brief
    log.unlink(missing_ok=True)
    if not done.returncode:
        return None
    log.write_text(done.stderr, encoding="utf-8")
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"{cell.name}: exit code {done.returncode}: {last}"


def run(todo: Sequence[Cell], arguments: argparse.Namespace) -> None:
    """So many at a time; Refused when one fails."""
    env, start = mpi_environment(), time.monotonic()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        said = pool.map(lambda cell: execute(cell, arguments, env), todo)
        errors = [line for line in said if line]
    if errors:
        more = f" (and {len(errors) - 1} more of {len(todo)} runs failed)"
        raise Refused(errors[0] + (more if len(errors) > 1 else ""), 1)
    if todo:
        took = time.monotonic() - start
        print(f"{len(todo)} runs, {arguments.jobs} at a time: {took:.1f} s")


def whole_number(word: str) -> int:
    """The value of --jobs."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word}: must be a whole number from 1 on")
    return int(word)


def parse() -> argparse.Namespace:
    parser = Parser("grid", __doc__)
    add = parser.add_argument
    about = "results and figure (default: build/grid)"
    where = {"nargs": "?", "type": Path, "default": TOP / "build/grid", "metavar": "DIR"}
    add("folder", help=about, **where)
    about = "runs at a time (default: the number of cores)"
    add("--jobs", type=whole_number, default=os.cpu_count() or 1, help=about)
    add("--fresh", action="store_true", help="run again what is there already")
    about = "colours of the figure (default: light)"
    add("--theme", choices=("light", "dark"), default="light", help=about)
    about = "of the figure (default: png)"
    add("--format", choices=("png", "pdf"), default="png", help=about)
    about = "the executable (default: build/chorale)"
    add("--chorale", default=str(TOP / "build/chorale"), help=about)
    about = "options for every run after its own, such as '-ensemble_realizations 8'"
    add("--options", default="", metavar="WORDS", help=about)
    return parser.parse_args()


def main() -> None:
    import matplotlib

    from chorale.plot import grid as picture  # needs no more than the cells of this module

    arguments = parse()
    if not os.access(arguments.chorale, os.X_OK):
        raise Refused(f"{arguments.chorale} is not there; tools/quickstart builds it", 1)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    there = {cell for cell in cells() if (folder / f"{cell.name}.h5").is_file()}
    run([cell for cell in cells() if arguments.fresh or cell not in there], arguments)
    figure = folder / f"grid.{arguments.format}"
    matplotlib.use("Agg")
    with of_file(f"{folder} (--fresh runs all again)"), whole(figure) as temporary:
        picture.draw(
            {cell: folder / f"{cell.name}.h5" for cell in cells()}, temporary, arguments.theme
        )
    print(figure)
