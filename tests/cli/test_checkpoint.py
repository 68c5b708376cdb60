"""Nothing lost: runs that are stopped or killed go on from their checkpoints, on another number of
ranks and groups, to the bits of a run that was never interrupted; damage is noticed."""

import os
import random
import shutil

import pytest
from recorded import RECORDED, contents, expect_same
from run import chorale, datasets, options, running, same_bits, spoken

DEPTH = 60
RUN = dict(
    RECORDED,
    layers_depth=DEPTH,
    layers_horizon=2.0,
    mlp_width=64,
    ensemble_realizations=5,
    ensemble_seed=3,
    output_every=7,
)
SHORT = {**RUN, "layers_depth": 24, "ensemble_realizations": 4}


def simulate(folder, ranks, keys, hook=None, check=True, **more):
    os.makedirs(folder, exist_ok=True)
    words = ["simulate"] + options(**{**keys, **more})
    return chorale(words, ranks=ranks, cwd=folder, hook=hook, check=check)


def resume(folder, ranks, keys, check=True, **more):
    return simulate(folder, ranks, keys, check=check, checkpoint_resume=True, **more)


def expect_stop(done, reason):
    lines = spoken(done)
    assert done.returncode == 85 and len(lines) == 1, done.stderr
    assert f"stopped ({reason}" in lines[0], lines


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    simulate(folder, 2, RUN)
    return contents(folder)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """And of a shorter one."""
    folder = tmp_path_factory.mktemp("short")
    simulate(folder, 2, SHORT)
    return contents(folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was stopped after its second checkpoint."""
    folder = tmp_path_factory.mktemp("stopped")
    keys = dict(checkpoint_every=10, checkpoint_stop_file="stop")
    done = simulate(folder, 2, RUN, hook="checkpoint 2 0 touch=stop", check=False, **keys)
    expect_stop(done, "the stop file stop)")
    os.remove(f"{folder}/stop")
    assert os.path.exists(f"{folder}/run/checkpoint.prev.h5")
    return folder


# reason: the hook that arranges it, ranks of this run and of the one that goes on, keys
STOPS = {
    "signal 10)": (
        "checkpoint 1 1 signal=10",
        2,
        3,
        dict(checkpoint_every=10),
    ),  # rank 0 must hear of it
    "the stop file stop)": (
        "setup 1 0 clock=0; checkpoint 1 0 touch=stop",  # no time goes by until a look is due
        3,
        1,
        dict(checkpoint_every=10, checkpoint_stop_file="stop"),
    ),
    "wall time of 500 s)": ("0 9 0 clock=1000", 1, 4, dict(checkpoint_walltime=500)),
}


@pytest.mark.parametrize("reason", STOPS)
def test_a_run_goes_on_where_it_was_stopped(folder, whole, reason):
    """Exit code 85, one line, partial results that open; then on to the end on other ranks."""
    hook, ranks, later, keys = STOPS[reason]
    expect_stop(simulate(folder, ranks, RUN, hook=hook, check=False, **keys), reason)
    partial = datasets("run.h5")["observables/energy/value"]
    assert partial.shape == whole["run.h5"]["observables/energy/value"].shape
    if os.path.exists("stop"):
        os.remove("stop")
    resume(folder, later, RUN)
    expect_same(folder, whole)
    assert "complete" in resume(folder, 1, RUN).stdout


def test_checkpoints_come_at_an_interval(folder):
    """Every four steps of 10 s when 35 s are between them: three in twelve steps."""
    hook = "-1 -1 0 clock=10; checkpoint 3 0 touch=third; checkpoint 4 0 touch=fourth"
    keys = dict(layers_depth=12, ensemble_realizations=1, output_trajectories=0)
    simulate(folder, 1, RUN, hook=hook, checkpoint_interval=35, **keys)
    assert os.path.exists("third") and not os.path.exists("fourth")


@pytest.mark.parametrize("wall", range(200, 240, 5))
@pytest.mark.parametrize("ranks", (1, 2))
def test_the_last_checkpoint_is_there_before_the_wall_time(folder, ranks, wall):
    """Steps of 10 s, a checkpoint of 15 s every four of them: wherever between two of these the
    limit is, and not earlier than needed (two steps and two writes)."""
    hook = "-1 -1 0 clock=10; put -1 0 clock=5; checkpoint -1 0 tell=written"
    keys = dict(layers_depth=40, ensemble_realizations=1, output_trajectories=0)
    keys |= dict(checkpoint_every=4, checkpoint_walltime=wall)
    done = simulate(folder, ranks, RUN, hook=hook, check=False, **keys)
    expect_stop(done, f"wall time of {wall} s)")
    last = float((folder / "written").read_text(encoding="ascii").split()[-1])
    assert wall - 50 < last < wall


def kill(i):
    """The i-th of 25 random moments from the first step to the last: (ranks, keys, hook, all). The
    hook kills one rank, or holds rank 0 while all are killed."""
    chance = random.Random(i)
    ranks, realizations, depth = 1 + i % 4, SHORT["ensemble_realizations"], SHORT["layers_depth"]
    everyone = i % 2 == 0
    victim = 0 if everyone else chance.randrange(ranks)
    own = range(victim, realizations, ranks)  # a group per rank
    step = int((i + chance.random()) / 25 * len(own) * depth)
    place = f"{own[step // depth]} {1 + step % depth} {victim}"
    keys = dict(ensemble_groups=ranks, checkpoint_every=chance.choice((2, 5, 20)))
    return ranks, keys, place + (" wait=go" if everyone else " kill"), everyone


def expect_nothing_lost(folder, reference, ranks, keys, hook, everyone=False):
    words = ["simulate"] + options(**{**SHORT, **keys})
    with running(words, ranks, hook=hook) as run:
        if everyone:
            run.wait_until_held("go")
            run.kill()
        assert run.end().returncode not in (0, 85), "ended before it was killed"
    resume(folder, ranks % 4 + 1, SHORT)
    expect_same(folder, reference)


@pytest.mark.parametrize(
    "i", [pytest.param(i, marks=() if i in (14, 23) else pytest.mark.full) for i in range(25)]
)
def test_a_killed_run_loses_nothing(folder, short, i):
    """kill -9 of one rank or of all, and on with another number of ranks."""
    expect_nothing_lost(folder, short, *kill(i))


WRITES = [f"{place} {number}" for place in ("rename", "put") for number in (1, 2, 3, 4, 5, 7, 11)]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=() if place in ("rename 5", "put 11") else pytest.mark.full)
        for place in WRITES
    ],
)
def test_a_run_killed_while_it_writes_loses_nothing(folder, short, place):
    """Within a file and between the renames that put a checkpoint and partial results in place."""
    ranks = 1 + WRITES.index(place) % 3
    expect_nothing_lost(folder, short, ranks, dict(checkpoint_every=1), f"{place} 0 kill")


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def flip(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))


@pytest.mark.parametrize("harm", (cut, flip, os.remove))
def test_a_damaged_checkpoint_is_noticed(folder, stopped, whole, harm):
    """Truncated, altered or missing: the one before serves, with a warning."""
    shutil.copytree(stopped, folder, dirs_exist_ok=True)
    harm("run/checkpoint.h5")
    done = resume(folder, 3, RUN)
    assert harm is os.remove or "warning" in done.stderr, done.stderr
    expect_same(folder, whole)


def test_no_usable_checkpoint_is_an_error(folder, stopped):
    shutil.copytree(stopped, folder, dirs_exist_ok=True)
    flip("run/checkpoint.h5")
    cut("run/checkpoint.prev.h5")
    done = resume(folder, 2, RUN, check=False)
    lines = [line for line in spoken(done) if line.startswith("chorale: error")]
    assert done.returncode == 1 and len(lines) == 1, done.stderr
    assert "no checkpoint can be used" in lines[0], done.stderr


def expect_refusal(done, *phrases):
    lines = spoken(done)
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert all(phrase in lines[0] for phrase in phrases), lines


OTHERS = (
    ("tokens_count", 301),
    ("ensemble_seed", 4),
    ("layers_depth", DEPTH + 1),
    ("mlp_activation", "tanh"),
)


@pytest.mark.parametrize(
    "key, value",
    [OTHERS[0]] + [pytest.param(*other, marks=pytest.mark.full) for other in OTHERS[1:]],
)
def test_other_physics_is_refused(stopped, key, value):
    expect_refusal(resume(stopped, 2, RUN, check=False, **{key: value}), f"{key} = {value}")


def test_a_partial_result_is_not_replaced_without_asking(stopped):
    done = simulate(stopped, 1, RUN, check=False)
    assert done.returncode == 2 and "exists already" in done.stderr, done.stderr


FRAMES = dict(
    tokens_count=100,
    layers_depth=20,
    layers_horizon=1.0,
    noise_type="spectral",
    noise_degree=6,
    ensemble_realizations=3,
    output_file="run.h5",
    progress="off",
)


def expect_refused_frames(study, keys, phrase):
    done = chorale([study] + options(**keys, checkpoint_resume=True), check=False)
    expect_refusal(done, f"output_every = {keys['output_every']}: ", phrase)


@pytest.mark.parametrize(
    "study, every",
    [
        pytest.param("simulate", (2, 4, 8), marks=pytest.mark.full),
        ("simulate", (1, 3, 50)),  # also refuses fewer frames than a multiple
        pytest.param("sync", (2, 4, 8), marks=pytest.mark.full),
    ],
)
def test_a_resumed_run_may_have_fewer_frames(folder, study, every):
    """It may take a multiple of output_every, and gives what a run with it from the start does."""
    whole = {**FRAMES, "output_every": every[2], "output_file": "whole.h5"}
    chorale([study] + options(**whole))
    for ranks, now, wall, code in (
        (2, every[0], 1e-9, 85),
        (3, every[1], 1e-9, 85),
        (1, every[2], 0, 0),
    ):
        keys = dict(FRAMES, output_every=now, checkpoint_resume=True, checkpoint_walltime=wall)
        done = chorale([study] + options(**keys), ranks=ranks, check=False)
        assert done.returncode == code, done.stderr
        if now == 3 and wall:
            expect_refused_frames(study, {**FRAMES, "output_every": 1}, "may only take a multiple")
            expect_refused_frames(study, {**FRAMES, "output_every": 4}, "may only take a multiple")
    differing = same_bits(datasets("whole.h5"), datasets("run.h5"))
    assert not differing, differing
    # complete results stay as they are
    expect_refused_frames(study, {**FRAMES, "output_every": 16}, "was made with")


@pytest.mark.parametrize(
    "study, more, phrase",
    (
        ("simulate", dict(output_trajectories=1), "output_trajectories = 1"),
        ("spde", {}, "what this study gathers"),
    ),
)
def test_fewer_frames_are_refused(folder, study, more, phrase):
    """Where a trajectory, or what a study gathers at every frame, has the old ones."""
    keys = dict(FRAMES, **more, output_every=2)
    done = chorale([study] + options(**keys, checkpoint_walltime=1e-9), check=False)
    assert done.returncode == 85, done.stderr
    expect_refused_frames(study, {**keys, "output_every": 4}, phrase)
