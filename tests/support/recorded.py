"""A run with trajectories, as the tests of checkpoints compare it: all its files, to the bit."""
import os

from run import datasets, same_bits

RECORDED = dict(
    tokens_count=300, tokens_dim=3, output_trajectories=2, output_file="run.h5", progress="off"
)
FILES = ("run.h5", "run/realization_00000.h5md", "run/realization_00001.h5md")
SKIP = {"run.h5": ("provenance", "parameters", "particles")}


def contents(folder):
    return {name: datasets(f"{folder}/{name}", skip=SKIP.get(name, ())) for name in FILES}


def expect_same(folder, reference):
    """The run in this folder came to its end, with these numbers."""
    found = contents(folder)
    for name in FILES:
        differing = same_bits(reference[name], found[name])
        assert not differing, f"{name}: {differing}"
    assert not os.path.exists(f"{folder}/run/checkpoint.h5"), "a checkpoint is left"
