"""A rank that waits for one that is gone says so in one line and ends the run with exit code 75,
wherever it waits; the run goes on from its last checkpoint to the same bits. The rank that is gone
is one that a hook holds; the other waits for a second, from its own hook on."""

import os
import re

import pytest
from run import chorale, datasets, options, running, same_bits, spoken, wait_until

pytestmark = pytest.mark.full

RUN = dict(
    tokens_count=300,
    layers_depth=12,
    mlp_width=16,
    ensemble_realizations=2,
    ensemble_groups=1,
    checkpoint_every=5,
    progress="off",
    output_file="run.h5",
)
# where: what happens there, what is waited in, keys
PLACES = {
    "start-up": ("setup 1 1 wait=go", "MPI_", {"checkpoint_patience": 1}),
    "a step": ("0 8 1 wait=go; 0 8 0 patience=1", "MPI_Allreduce", {}),
    "a step, rank 0 gone": ("0 8 0 wait=go; 0 8 1 patience=1", "MPI_Allreduce", {}),
    "a write": ("put 1 1 wait=go; put 1 0 patience=1", "MPI_", {}),
    "the file of a checkpoint": (
        "1 3 1 wait=go; 0 3 0 patience=1",
        "MPI_Barrier",
        {"ensemble_groups": 2},
    ),
    "other groups": (
        "1 11 1 wait=go; 0 11 0 patience=1",
        "the other groups",
        {"ensemble_groups": 2, "checkpoint_every": 0},
    ),
    "other groups, rank 0 gone": (
        "0 11 0 wait=go; 1 11 1 patience=1",
        "the other groups",
        {"ensemble_groups": 2, "checkpoint_every": 0},
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    chorale(["simulate", *options(**RUN)], cwd=folder)
    return datasets(folder / "run.h5")


@pytest.mark.parametrize("place", PLACES)
def test_a_rank_that_waits_for_one_that_is_gone_ends_the_run(folder, whole, place):
    hook, call, keys = PLACES[place]
    words = ["simulate", *options(**{**RUN, **keys})]
    done = chorale(words, ranks=2, hook=hook, check=False)
    assert done.returncode == 75, done
    (line,) = spoken(done)
    said = rf"chorale: error: rank \d on \S+ has waited 1 s for other ranks in {call}.*patience"
    assert re.fullmatch(said, line), line
    chorale(
        ["simulate", *options(**{**RUN, **keys, "checkpoint_patience": 0}), "-checkpoint_resume"],
        ranks=2,
    )
    differing = same_bits(whole, datasets("run.h5"))
    assert not differing, differing


@pytest.mark.parametrize("hook", ("0 8 0 patience=0", ""), ids=("for ever", "by the steps"))
def test_a_rank_that_is_late_is_waited_for(folder, whole, hook):
    """The watch of the other looks three times meanwhile."""
    hook = f"0 8 1 wait=go; look -1 0 touch=looked; {hook}"
    with running(["simulate", *options(**RUN)], ranks=2, hook=hook) as run:
        run.wait_until_held("go", rank=1)
        for _ in range(3):
            if os.path.exists("looked"):
                os.remove("looked")
            wait_until(lambda: os.path.exists("looked") or run.process.poll() is not None, "a look")
        run.release("go")
        done = run.end()
    assert done.returncode == 0, done
    assert not same_bits(whole, datasets("run.h5"))
