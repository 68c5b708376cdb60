"""What input/README.md says of the word vectors, against shorter runs of input/words.yaml: the cone
in which they begin, when their energy and that of uniform tokens has fallen to a tenth, and the
rate from there on.

The times of single realizations scatter by 0.06, so the mean of two is within 0.15 of the number at
3.5 standard errors; layers are as thick as in the deck."""

import os
import re
from pathlib import Path

import pytest
from run import chorale, options

from chorale import io
from chorale.plot import together

SOURCE = Path(os.environ["CHORALE_SOURCE"])
RUNS = {
    "words": dict(layers_depth=60, layers_horizon=3),
    "uniform": dict(
        layers_depth=120, layers_horizon=6, tokens_init="uniform", tokens_count=512, tokens_dim=100
    ),
}
SAID = (
    r"mean cosine ([\d.]+)\): their energy falls to a tenth at t = ([\d.]+), "
    r"that of uniform tokens at ([\d.]+), and from there both at the rate ([\d.]+)"
)


@pytest.mark.parametrize("name", RUNS)
def test_the_energy_falls_as_input_readme_says(folder, name):
    readme = " ".join((SOURCE / "input" / "README.md").read_text(encoding="utf-8").split())
    cosine, *times, rate = map(float, re.search(SAID, readme).groups())
    os.symlink(SOURCE / "input", "input")
    keys = dict(ensemble_realizations=2, output_every=2, output_file="run.h5", progress="off")
    chorale(["simulate", "input/words.yaml", *options(**RUNS[name], **keys)])
    with io.open("run.h5") as run:
        tenth, found = together.decay(together.Series(run, "energy"))
        first = run.table()["cosine_mean"][0]
    assert abs(tenth - dict(zip(RUNS, times))[name]) < 0.15
    assert abs(found - rate) < 0.15
    assert abs(first - (cosine if name == "words" else 0)) < 0.01
