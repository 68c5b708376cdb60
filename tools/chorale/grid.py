"""Runs the paper's grid of experiments and draws its figure.

81 runs of N = 64 tokens through L = 150 layers: activation (relu, silu, sigmoid, tanh) x dimension
(5, 64, 128) x value (1, 0, -1) with an MLP of width 2048, without a bias and with one of 0.1, and
dimension x value without an MLP. These are three sweeps of input/paper/grid.yaml, each with one
results file. What is complete is not run again, and what was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple, Optional

from chorale import io
from chorale.command import TOP, Parser, mpi_environment, of_file, whole
from chorale.errors import Refused

DECK = "input/paper/grid.yaml"
# options for each of the three sweeps
SWEEPS = {
    "no-bias": (),
    "bias": ("-mlp_bias_u", "0.1", "-mlp_bias_w", "0.1"),
    "no-mlp": ("-noise_type", "none", "-mlp_activation", "relu"),
}
ACTIVATIONS = ("relu", "silu", "sigmoid", "tanh")
DIMS, BIASES, VALUES = (5, 64, 128), (0.0, 0.1), (1, 0, -1)


class Cell(NamedTuple):
    """One run of the grid."""

    activation: Optional[str]
    dim: int
    bias: float
    value: int


def cells(runs: Iterable[io.Run]) -> Iterator[tuple[Cell, io.Run]]:
    """All cells of opened sweeps."""
    for run in runs:
        for _, one in run.cells():
            keys = one.parameters
            dim, value = keys.integer("tokens_dim"), round(keys.real("attention_value"))
            if keys["noise_type"] == "none":
                yield Cell(None, dim, 0.0, value), one
            else:
                yield Cell(keys["mlp_activation"], dim, keys.real("mlp_bias_u"), value), one


def execute(name: str, arguments: argparse.Namespace, env: dict[str, str]) -> None:
    """One sweep; Refused when it fails."""
    launch = ["mpirun", "-n", str(arguments.jobs)] if arguments.jobs > 1 else []
    out = str(arguments.folder / f"{name}.h5")
    command = [*launch, arguments.chorale, "simulate", str(TOP / DECK), *SWEEPS[name]]
    command += [*shlex.split(arguments.options), "-output_file", out, "-progress", "off"]
    command += ["-output_overwrite" if arguments.fresh else "-checkpoint_resume"]
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    keys = {"env": env, "stderr": subprocess.PIPE, "text": True, "check": False, **silent}
    done = subprocess.run(command, **keys)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("chorale: ")]
        last = (said or done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Refused(f"{out}: exit code {done.returncode}: {last} (--fresh runs all again)", 1)


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
    about = "ranks (default: the number of cores)"
    add("--jobs", type=whole_number, default=os.cpu_count() or 1, help=about)
    add("--fresh", action="store_true", help="run again what is there already")
    about = "colours of the figure (default: light)"
    add("--theme", choices=("light", "dark"), default="light", help=about)
    about = "of the figure (default: png)"
    add("--format", choices=("png", "pdf"), default="png", help=about)
    about = "the executable (default: build/chorale)"
    add("--chorale", default=str(TOP / "build/chorale"), help=about)
    about = "options for every sweep after its own, such as '-ensemble_realizations 8'"
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
    env, start = mpi_environment(), time.monotonic()
    for name in SWEEPS:
        execute(name, arguments, env)
    print(f"{len(SWEEPS)} sweeps, {arguments.jobs} ranks: {time.monotonic() - start:.1f} s")
    figure = folder / f"grid.{arguments.format}"
    matplotlib.use("Agg")
    with of_file(f"{folder} (--fresh runs all again)"), whole(figure) as temporary:
        picture.draw([folder / f"{name}.h5" for name in SWEEPS], temporary, arguments.theme)
    print(figure)
