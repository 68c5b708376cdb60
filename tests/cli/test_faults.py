"""Checkpoints that do not fit, lost trajectories, stop files: no hang, one line, nothing lost."""

import concurrent.futures
import os
import shutil
import signal
import struct
import subprocess
import zlib

import h5py
import numpy as np
import pytest
from recorded import RECORDED, contents, expect_same
from run import TIMEOUT, chorale, options, spoken

pytestmark = pytest.mark.full

DEPTH = 12
RUN = dict(
    RECORDED,
    layers_depth=DEPTH,
    layers_horizon=1.0,
    mlp_width=32,
    ensemble_realizations=4,
    output_every=3,
)
TRAILER, BLOCK, MASK = "<16sQQ", 1 << 20, (1 << 64) - 1


def run(folder, ranks, groups, code, hook=None, **more):
    """Ends with this exit code, and one line of ours unless it is 0; that, warnings and output."""
    words = ["simulate"] + options(**{**RUN, "ensemble_groups": groups, **more})
    done = chorale(words, ranks=ranks, cwd=folder, check=False, hook=hook)
    lines = [line for line in spoken(done) if "warning" not in line]
    assert done.returncode == code and len(lines) == (code != 0), done.stderr
    return "\n".join(spoken(done) + [done.stdout])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, 2, 1, 0)
    return contents(folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was stopped after the second step of its first realization; for copies."""
    folder = tmp_path_factory.mktemp("stopped")
    for resume in ("false", "true"):
        run(folder, 2, 1, 85, checkpoint_walltime=1e-9, checkpoint_resume=resume)
    return folder


@pytest.fixture
def copy(folder, stopped):
    """A copy of it, in which the test runs."""
    shutil.copytree(stopped, folder, dirs_exist_ok=True)
    return folder


def seal(path):
    """Puts the right trailer, as described in checkpoint_file.c, under an altered checkpoint."""
    with open(path, "rb") as file:
        data = file.read()
    total = 0
    for place, first in enumerate(range(0, len(data), BLOCK)):
        z = ((place << 32) + zlib.crc32(data[first : first + BLOCK]) + 0x9E3779B97F4A7C15) & MASK
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        total = (total + (z ^ (z >> 31))) & MASK
    with open(path, "ab") as file:
        file.write(struct.pack(TRAILER, b"chorale trailer\0", len(data), total))


def alter(folder, change):
    """Changes what is in a checkpoint, which stays whole."""
    path = f"{folder}/run/checkpoint.h5"
    os.truncate(path, os.path.getsize(path) - struct.calcsize(TRAILER))
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)


def replace(file, name, shape):
    del file[name]
    file.create_dataset(name, shape, "f8")


CHANGES = {
    "no state of a realization": lambda file: file.__delitem__("state"),
    "a state of another size": lambda file: replace(file, "state/tokens", (300, 4)),
    "a state of other tokens": lambda file: replace(file, "state/tokens", (299, 3)),
    "rows of another width": lambda file: replace(file, "rows/samples", (4, 700)),
    "a step too far": lambda file: file["status/step"].write_direct(file["status/step"][()] + 100),
}


@pytest.mark.parametrize("what, ranks", zip(CHANGES, (2, 4, 2, 4, 2)))
def test_a_checkpoint_that_does_not_fit_ends_all_ranks(copy, what, ranks):
    """What one group alone finds wrong must not leave the others waiting for it. Realization 1 is
    the one that was begun: with two groups only the second reads it, which rank 0 is not in."""

    def change(file):
        file["status/step"][:] = (0, 2, 0, 0)
        CHANGES[what](file)

    alter(copy, change)
    line = run(copy, ranks, 2, 2 if "too far" in what else 1, checkpoint_resume=True)
    assert "run/checkpoint.h5" in line, line


def test_a_checkpoint_of_another_version_is_refused(copy):
    older = np.array(b"3", dtype=h5py.string_dtype("utf-8", 1))
    alter(copy, lambda file: file["checkpoint"].attrs.__setitem__("format", older))
    line = run(copy, 2, 1, 2, checkpoint_resume=True)
    assert "run/checkpoint.h5 has format '3', this program reads 4" in line, line


def test_a_checkpoint_that_is_sealed_again_is_used(copy):
    alter(copy, lambda file: None)
    assert "goes on from" in run(copy, 3, 3, 0, checkpoint_resume=True)


def test_a_realization_whose_trajectory_is_lost_begins_again(copy, whole):
    """Also when the run is stopped once more on its way."""
    os.remove("run/realization_00000.h5md")
    text = run(copy, 2, 2, 85, checkpoint_resume=True, checkpoint_walltime=1e-9)
    assert "realization 0 begins again" in text, text
    with h5py.File("run/checkpoint.h5", "r") as file:
        assert file["status/step"][0] == 1, file["status/step"][()]  # it was 2
    run(copy, 3, 3, 0, checkpoint_resume=True)
    expect_same(copy, whole)


def test_bad_input_that_some_ranks_meet_ends_all():
    """One line, exit code 2, no hang, whether or not rank 0 is among those that met it."""
    hook = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_error")

    def meet(first, last):
        words = ["mpirun", "-n", "3", hook, str(first), str(last)]
        return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)

    with concurrent.futures.ThreadPoolExecutor() as pool:  # they sleep most of the time
        for done in pool.map(meet, (0, 1, 1, 0), (0, 1, 2, 2)):
            assert done.returncode == 2, done
            assert spoken(done) == ["chorale: key = value: must be another"], done


def test_a_rank_whose_write_fails_alone_ends_all(folder):
    """The others wait in that call for ever. One line, exit code 1, whichever rank it is."""
    hook = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_write")

    def write(case):
        call, rank = case
        words = ["mpirun", "-n", "3", hook, call, str(rank), f"{call}{rank}.h5"]
        return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, check=False)

    cases = [(call, rank) for call in ("create", "write", "flush", "close") for rank in (0, 1)]
    with concurrent.futures.ThreadPoolExecutor() as pool:  # they sleep most of the time
        for case, done in zip(cases, pool.map(write, cases)):
            assert done.returncode == 1, (case, done)
            (line,) = spoken(done)
            assert line.startswith(f"chorale: error: {case[0]}{case[1]}.h5: cannot "), (case, done)
    assert write(("none", 0)).returncode == 0


@pytest.mark.parametrize("number", (signal.SIGUSR1, signal.SIGTERM))
def test_a_signal_while_the_run_is_set_up_stops_it_at_its_first_step(folder, number):
    line = run(folder, 1, 1, 85, hook=f"setup 1 0 signal={int(number)}")
    assert f"stopped (signal {int(number)})" in line, line
    with h5py.File("run/checkpoint.h5", "r") as file:
        assert list(file["status/step"]) == [1, 0, 0, 0]


def test_a_stop_file_that_is_there_stops_a_run_after_its_first_step(folder, whole):
    (folder / "now").touch()
    line = run(folder, 2, 1, 85, checkpoint_stop_file="now")
    assert "stop file now" in line, line
    line = run(folder, 3, 3, 85, checkpoint_stop_file="now", checkpoint_resume=True)
    assert "1 begun" in line, line
    os.remove("now")
    run(folder, 4, 2, 0, checkpoint_resume=True)
    expect_same(folder, whole)


@pytest.mark.parametrize(
    "place, code", ((f"3 {DEPTH - 1} 0", 85), (f"3 {DEPTH} 0", 85), ("finish 1 0", 0))
)
def test_a_stop_file_that_comes_at_the_end_loses_nothing(folder, whole, place, code):
    """Before the last step, after it, and when nothing is left to do, where it stops nothing."""
    keys = dict(checkpoint_every=1, checkpoint_stop_file="late")
    run(folder, 2, 1, code, hook=f"{place} touch=late", **keys)
    assert os.path.exists("late")
    run(folder, 4, 2, 0, checkpoint_resume=True)
    expect_same(folder, whole)


def block_checkpoints(folder):
    """A run whose every checkpoint fails: so it is seen whether there was one."""
    os.makedirs(f"{folder}/run/checkpoint.tmp.h5")


def test_checkpoints_come_while_the_first_group_is_idle(copy):
    """By steps, and after the first step of a run with a limit, which must know what one costs."""

    def first_group_is_done(file):
        file["status/step"][:] = (DEPTH, 2, DEPTH, DEPTH)

    alter(copy, first_group_is_done)
    block_checkpoints(copy)
    keys = dict(checkpoint_resume=True, checkpoint_interval=0)
    assert "checkpoint.tmp.h5" in run(copy, 2, 2, 1, checkpoint_every=DEPTH - 1, **keys)
    assert "checkpoint.tmp.h5" in run(copy, 2, 2, 1, checkpoint_walltime=1000, **keys)
    run(copy, 2, 2, 0, checkpoint_every=DEPTH + 1, **keys)  # more than there is to do


def test_input_that_was_replaced_while_the_run_was_stopped_is_refused(folder):
    tokens = np.random.default_rng(5).normal(size=(2, 300, 3))
    keys = dict(tokens_init="file", tokens_file="tokens.npy")
    np.save("tokens.npy", tokens[0])
    run(folder, 2, 1, 85, checkpoint_walltime=1e-9, **keys)
    np.save("tokens.npy", tokens[1])
    line = run(folder, 3, 1, 2, checkpoint_resume=True, **keys)
    assert "tokens_file = tokens.npy: the file had other contents" in line, line
    np.save("tokens.npy", tokens[0])
    run(folder, 3, 1, 0, checkpoint_resume=True, **keys)


def test_broken_partial_results_are_written_anew(copy, whole):
    """From a good checkpoint; without one they may be anything, and stay."""
    os.truncate("run.h5", os.path.getsize("run.h5") // 2)
    text = run(copy, 3, 1, 0, checkpoint_resume=True)
    assert text.count("warning: run.h5 cannot be read: it will be written anew") == 1, text
    expect_same(copy, whole)
    with open("run.h5", "w", encoding="ascii") as file:
        file.write("notes")
    line = run(copy, 2, 1, 2, checkpoint_resume=True)
    assert "output_file = run.h5: cannot be read" in line, line
    with open("run.h5", encoding="ascii") as file:
        assert file.read() == "notes"


def test_checkpoints_beside_complete_results_are_removed(copy, stopped, whole):
    """As of a run that was killed in between."""
    run(copy, 2, 1, 0, checkpoint_resume=True)
    for name in ("checkpoint.h5", "checkpoint.prev.h5", "checkpoint.tmp.h5"):
        shutil.copy(f"{stopped}/run/checkpoint.h5", f"run/{name}")
    run(copy, 2, 1, 0, checkpoint_resume=True, dry_run=True)
    assert os.path.exists("run/checkpoint.h5"), "removed by -dry_run"
    run(copy, 2, 1, 0, checkpoint_resume=True)
    assert all(name.startswith("real") for name in os.listdir("run")), os.listdir("run")
    expect_same(copy, whole)


def test_checkpoints_of_an_older_run_are_not_taken_for_those_of_a_new_one(copy):
    block_checkpoints(copy)  # ends at its first checkpoint, which it does not make
    run(copy, 2, 1, 1, ensemble_seed=9, output_overwrite=True, checkpoint_every=1)
    os.rmdir("run/checkpoint.tmp.h5")
    keys = dict(ensemble_seed=9, output_overwrite=True, checkpoint_resume=True)
    text = run(copy, 2, 1, 0, **keys)
    assert "goes on from" not in text, text
