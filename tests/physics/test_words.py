"""What input/README.md says of the word vectors, against shorter runs of input/words.yaml: the cone in which they begin, when their energy and that of
uniform tokens has fallen to a tenth, and the rate from there on.

The times of single realizations scatter by 0.06, so the mean of two is within 0.15 of the number at 3.5 standard errors; layers are as
thick as in the deck."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from run import CHORALE, options

import tools  # pylint: disable=unused-import

import chorale_io
from plotting import together

SOURCE = Path(os.environ["CHORALE_SOURCE"])
RUNS = {"words": {"layers_depth": 60, "layers_horizon": 3},
        "uniform": {"layers_depth": 120, "layers_horizon": 6, "tokens_init": "uniform", "tokens_count": 512, "tokens_dim": 100}}


def main():
    readme = " ".join((SOURCE / "input/README.md").read_text(encoding="utf-8").split())
    said = re.search(r"mean cosine ([\d.]+)\): their energy falls to a tenth at t = ([\d.]+), that of uniform tokens at ([\d.]+), and from there both at the rate ([\d.]+)", readme)
    cosine, *times, rate = map(float, said.groups())
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(SOURCE / "input", f"{folder}/input")
        runs = [subprocess.Popen([CHORALE, "simulate", "input/words.yaml", *options(**keys, ensemble_realizations=2, output_every=2, output_file=f"{name}.h5", progress="off")],
                                 cwd=folder, stdout=subprocess.DEVNULL) for name, keys in RUNS.items()]
        assert [process.wait() for process in runs] == [0, 0]
        for name, expected in zip(RUNS, times):
            with chorale_io.open(f"{folder}/{name}.h5") as run:
                energy = run.observables["energy"]
                tenth, found = together.decay(energy.time, energy.values().mean(axis=1))
                first = run.table()["cosine_mean"][0]
            assert abs(tenth - expected) < 0.15 and abs(found - rate) < 0.15, (name, tenth, found)
            assert abs(first - (cosine if name == "words" else 0)) < 0.01, (name, first)
    return 0


if __name__ == "__main__":
    sys.exit(main())
