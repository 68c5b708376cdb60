"""Going on: complete results take more realizations, or a longer horizon, and come to the bits of
a run that was so large from the beginning; tokens start from a frame of a trajectory."""

import os
import shutil

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, same_bits, spoken, trajectory, without

RUN = dict(
    tokens_count=300,
    layers_depth=6,
    layers_horizon=1.3,
    mlp_width=16,
    ensemble_realizations=3,
    output_every=2,
    output_trajectories=2,
    output_file="run.h5",
    progress="off",
)
LONGER = dict(layers_depth=18, layers_horizon=3.9)  # times of frames are rounded otherwise
FILES = ("run.h5", "run/realization_00000.h5md", "run/realization_00001.h5md")


def simulate(folder, ranks=1, check=True, hook=None, **keys):
    os.makedirs(folder, exist_ok=True)
    words = ["simulate"] + options(**{**RUN, **keys})
    return chorale(words, ranks, cwd=folder, check=check, hook=hook)


def expect_same(folder, other, files=FILES):
    for name in files:
        skip = ("provenance", "parameters", "particles") if name == "run.h5" else ()
        found, expected = (datasets(f"{where}/{name}", skip) for where in (folder, other))
        assert found and not same_bits(found, expected), name


def continued(path):
    with h5py.File(path, "r") as file:
        assert file["provenance"].attrs["complete"] == b"true"
        return file["provenance"].attrs["continued"].decode()


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A complete run that keeps where its realizations ended; for copies."""
    folder = tmp_path_factory.mktemp("short")
    simulate(folder, 2, checkpoint_keep=True)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """With more realizations, and to a longer horizon, from the beginning."""
    folder = tmp_path_factory.mktemp("large")
    simulate(folder / "more", 1, ensemble_realizations=5)
    simulate(folder / "longer", 1, **LONGER)
    simulate(folder / "both", 2, ensemble_realizations=4, **LONGER)
    return folder


@pytest.fixture
def copy(folder, short):
    shutil.copytree(short, folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("ranks", [*(pytest.param(n, marks=pytest.mark.full) for n in (1, 2)), 3])
def test_more_realizations_are_those_of_a_larger_run(copy, large, ranks):
    done = simulate(copy, ranks, ensemble_realizations=5, checkpoint_resume=True)
    assert "goes on from run.h5: 3 of 5 realizations done, 0 begun" in done.stdout
    expect_same(copy, large / "more")
    assert "ensemble_realizations 3, layers_depth 6" in continued("run.h5")
    again = simulate(copy, ranks, ensemble_realizations=5, checkpoint_resume=True)
    assert "complete: nothing is left" in again.stdout


@pytest.mark.parametrize("ranks", [*(pytest.param(n, marks=pytest.mark.full) for n in (1, 2)), 3])
def test_a_longer_horizon_is_that_of_a_longer_run(copy, large, ranks):
    simulate(copy, ranks, checkpoint_resume=True, **LONGER)
    expect_same(copy, large / "longer")
    assert not [name for name in os.listdir("run") if name.startswith("end_")]


def test_both_at_once_and_one_after_the_other(copy, large):
    simulate(copy, 2, checkpoint_resume=True, checkpoint_keep=True, ensemble_realizations=4)
    simulate(copy, 1, checkpoint_resume=True, ensemble_realizations=4, **LONGER)
    expect_same(copy, large / "both")
    assert continued("run.h5").count("run.h5 of version") == 2


@pytest.mark.full
@pytest.mark.parametrize(
    "grown, like, realization, step",
    [(dict(ensemble_realizations=5), "more", 3, 3), (LONGER, "longer", 0, 9)],
    ids=["more", "longer"],
)
def test_a_run_that_goes_on_loses_nothing(copy, large, grown, like, realization, step):
    """Killed before its first checkpoint it leaves the complete results as they were; stopped it
    has a checkpoint, from which any number of ranks goes on."""
    before = datasets("run.h5")
    keys = dict(checkpoint_resume=True, ensemble_groups=1, **grown)
    killed = simulate(copy, 2, check=False, hook=f"{realization} {step} 0 kill", **keys)
    assert killed.returncode and not same_bits(datasets("run.h5"), before)
    hook = f"{realization} {step} 1 signal=15"
    stopped = simulate(copy, 2, check=False, hook=hook, **keys)
    assert stopped.returncode == 85, stopped.stderr
    simulate(copy, 3, checkpoint_resume=True, **grown)
    expect_same(copy, large / like)
    assert continued("run.h5").count("run.h5 of version") == 1
    assert not os.path.exists("run/checkpoint.h5")


REFUSED = {
    "fewer realizations": (
        dict(ensemble_realizations=2),
        "ensemble_realizations = 2: .* not fewer",
    ),
    "another step size": (
        dict(layers_depth=12),
        r"layers_horizon = 1.3: run.h5 has steps of 0.216.*; a run that goes on has the same",
    ),
    "a shorter horizon": (
        dict(layers_depth=3, layers_horizon=0.65),
        "layers_depth = 3: .* not fewer",
    ),
    "other physics": (dict(mlp_width=17), "mlp_width = 17: run.h5 was made with 16; .* more real"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_go_on_is_refused(copy, what):
    keys, message = REFUSED[what]
    words = ["simulate"] + options(**{**RUN, "checkpoint_resume": True, **keys})
    refused(words, message, ranks=2)


def test_a_longer_horizon_needs_the_ends(copy):
    os.remove("run/end_00001_6.h5")
    words = ["simulate"] + options(**{**RUN, "checkpoint_resume": True, **LONGER})
    refused(words, r"layers_depth = 18: run.h5 does not keep .* \(1 of 3 .*checkpoint_keep", 2)


def test_ends_of_another_run_are_refused(copy):
    """The results are of seed 1 again, the ends still those of seed 2."""
    simulate(copy, 1, output_overwrite=True, checkpoint_keep=True, ensemble_seed=2)
    shutil.copytree("run", "kept")
    simulate(copy, 1, output_overwrite=True)
    for r in range(3):
        shutil.copy(f"kept/end_{r:05}_6.h5", "run")
    words = ["simulate"] + options(**{**RUN, "checkpoint_resume": True, **LONGER})
    refused(words, r"ensemble_seed = 1: run/end_00000_6.h5 was made with 2")


FRAME = dict(
    tokens_init="file",
    output_file="next.h5",
    output_every=1,
    layers_depth=2,
    ensemble_realizations=2,
)


@pytest.mark.parametrize(
    "which, number", [("last", 3), ("1", 1), ("t=0.4333333", 1)], ids=["last", "number", "time"]
)
def test_tokens_start_from_a_frame(copy, which, number):
    """Realization r from realization r, to the rounding of a norm; N and d are the file's."""
    keys = {**RUN, **FRAME, "tokens_file": "run.h5", "tokens_frame": which}
    del keys["tokens_count"]
    chorale(["simulate"] + options(**keys), ranks=2)
    for r in range(2):
        before = trajectory(f"run/realization_{r:05}.h5md")[1][number]
        assert np.abs(trajectory(f"next/realization_{r:05}.h5md")[1][0] - before).max() < 1e-15
    with h5py.File("next.h5", "r") as file:
        assert file["parameters"].attrs["tokens_count"] == b"300"


def test_all_realizations_start_from_one_recording(copy):
    keys = {**FRAME, "tokens_file": "run/realization_00001.h5md", "tokens_frame": "last"}
    simulate(copy, 2, **keys)
    before = trajectory("run/realization_00001.h5md")[1][-1]
    for r in range(2):
        assert np.abs(trajectory(f"next/realization_{r:05}.h5md")[1][0] - before).max() < 1e-15


BAD_FRAME = {
    "too far": (dict(tokens_frame=4), "tokens_frame = 4: .* has frames 0 to 3"),
    "between": (dict(tokens_frame="t=0.5"), "tokens_frame = t=0.5: .* nearest is t=0.43"),
    "no word": (dict(tokens_frame="first"), "tokens_frame = first: must be last"),
    "no number": (dict(tokens_frame="t=x"), "tokens_frame = t=x: must be last"),
    "more": (dict(ensemble_realizations=3), "ensemble_realizations = 3: .* of 2 realizations"),
    "count": (dict(tokens_count=5), "tokens_count = 5: .* has 300 tokens"),
    "dim": (dict(tokens_dim=4), r"tokens_dim = 4: .* has tokens in R\^3"),
    "dataset": (dict(tokens_dataset="x"), "tokens_dataset = x: .*tokens_frame"),
    "no recording": (dict(tokens_file="run/end_00000_6.h5"), "holds no trajectory"),
}


@pytest.mark.parametrize("what", BAD_FRAME)
def test_a_wrong_frame_is_refused(copy, what):
    keys, message = BAD_FRAME[what]
    words = {**RUN, **FRAME, "tokens_file": "run.h5", "tokens_frame": "last", **keys}
    refused(["simulate"] + options(**words), message)


STUDIES = {
    "sync": dict(tokens_count=16, layers_depth=8, mlp_width=8),
    "limits": dict(
        tokens_count=4, layers_depth="4,8", mlp_width="8,inf", limits_reference=16, noise_degree=4
    ),
    "chaos": dict(tokens_count="16,32", tokens_dim=2, layers_depth=4, chaos_reference=64),
    "spde": dict(
        tokens_count=64,
        tokens_dim=2,
        layers_depth=8,
        spde_degree=16,
        spde_tol=0.9,
        noise_type="spectral",
        noise_degree=4,
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("study", STUDIES)
def test_every_study_takes_more_realizations(folder, study, ranks):
    keys = dict(STUDIES[study], progress="off", layers_horizon=0.05)
    for file, r in (("whole.h5", 5), ("part.h5", 3)):
        chorale([study] + options(output_file=file, ensemble_realizations=r, **keys), ranks=2)
    keys.update(output_file="part.h5", ensemble_realizations=5, checkpoint_resume=True)
    chorale([study] + options(**keys), ranks)
    assert not same_bits(datasets("part.h5"), datasets("whole.h5"))


@pytest.mark.full
@pytest.mark.parametrize(
    "study, more, key",
    [
        ("chaos", dict(chaos_reference="twin"), "chaos_reference"),
        ("chaos", dict(chaos_restarts=2), "chaos_restarts"),
        ("sync", dict(sync_starts=2), "sync_starts"),
    ],
)
def test_numbers_that_depend_on_how_many_there_are_cannot_go_on(folder, study, more, key):
    keys = dict(STUDIES[study], progress="off", output_file="run.h5", **more)
    chorale([study] + options(ensemble_realizations=3, **keys))
    words = [study] + options(ensemble_realizations=4, checkpoint_resume=True, **keys)
    refused(words, rf"ensemble_realizations = 4: .* has 3, .* \({key}\); .*merge")


@pytest.mark.full
def test_only_observables_go_on_to_a_longer_horizon(folder):
    keys = dict(STUDIES["sync"], progress="off", output_file="run.h5")
    chorale(["sync"] + options(**keys))
    keys.update(layers_depth=16, layers_horizon=10, checkpoint_resume=True)
    refused(["sync"] + options(**keys), "layers_depth = 16, .* only study simulate")


def test_spoken_lines(copy):
    """A run that goes on has nothing to warn of."""
    assert not spoken(simulate(copy, 2, checkpoint_resume=True, ensemble_realizations=4))


SWEEP = dict(attention_beta="0.5,2", attention_value="-1,1")


@pytest.mark.parametrize("ranks", [*(pytest.param(n, marks=pytest.mark.full) for n in (1, 2)), 4])
def test_a_sweep_takes_more_realizations(folder, ranks):
    keys = dict(RUN, output_trajectories=0, **SWEEP)
    chorale(["simulate"] + options(**keys), ranks=2)
    keys.update(ensemble_realizations=5)
    chorale(["simulate"] + options(**keys | dict(output_file="whole.h5")))
    keys.update(checkpoint_resume=True)
    done = chorale(["simulate"] + options(**keys), ranks)
    assert "goes on from run.h5: 12 of 20 realizations done, 0 begun" in done.stdout
    assert not same_bits(datasets("run.h5"), datasets("whole.h5"))
    assert "ensemble_realizations 3" in continued("run.h5")


@pytest.mark.full
@pytest.mark.parametrize("study", STUDIES)
def test_a_sweep_of_every_study_takes_more_realizations(folder, study):
    """Stopped in the middle of it, once."""
    keys = dict(STUDIES[study], progress="off", layers_horizon=0.05, attention_value="0,1")
    if study == "spde":
        keys["spde_snapshots"] = 2
    for file, r in (("whole.h5", 5), ("run.h5", 3)):
        chorale([study] + options(output_file=file, ensemble_realizations=r, **keys), ranks=2)
    keys.update(output_file="run.h5", ensemble_realizations=5, checkpoint_resume=True)
    words = options(**keys, ensemble_groups=1)
    stopped = chorale([study] + words, 2, check=False, hook="9 2 -1 signal=15")
    assert stopped.returncode == 85, stopped
    chorale([study] + options(**keys), 3)
    assert not same_bits(datasets("run.h5"), datasets("whole.h5"))


def test_a_sweep_goes_to_no_longer_horizon(folder):
    keys = dict(RUN, output_trajectories=0, **SWEEP)
    refused(
        ["simulate"] + options(**keys, checkpoint_keep=True), "checkpoint_keep = true: .* sweep"
    )
    chorale(["simulate"] + options(**keys))
    keys.update(LONGER, checkpoint_resume=True)
    refused(["simulate"] + options(**keys), "layers_depth = 18, .* goes on with more realizations")


LEVELS = dict(without(RUN, "output_trajectories", "mlp_width"), tokens_count=5)
LEVELS.update(scheme_levels=3, layers_depth=8, output_every=8, scheme_type="heun")
LEVELS.update(noise_type="spectral", noise_degree=4)


@pytest.mark.parametrize("ranks", [1, pytest.param(3, marks=pytest.mark.full)])
def test_levels_take_more_realizations(folder, ranks):
    chorale(["simulate"] + options(**LEVELS), ranks=2)
    chorale(["simulate"] + options(**LEVELS | dict(output_file="w.h5", ensemble_realizations=5)))
    keys = dict(LEVELS, checkpoint_resume=True, ensemble_realizations=5)
    chorale(["simulate"] + options(**keys), ranks)
    assert not same_bits(datasets("run.h5"), datasets("w.h5"))
    longer = dict(keys, layers_depth=16, layers_horizon=2.6)
    refused(["simulate"] + options(**longer), r"layers_depth = 16, .* \(scheme_levels\); .*output_")
    refused(["simulate"] + options(**keys, checkpoint_keep=True), "checkpoint_keep .*scheme_levels")


TARGET = dict(tokens_count=4, layers_depth=3, layers_horizon=1, mlp_width=8, output_every=3)
TARGET.update(progress="off", output_file="run.h5", checkpoint_resume=True)
TARGET.update(ensemble_realizations=1000, ensemble_target="energy:0.06")


def count(path="run.h5"):
    return datasets(path)["observables/energy/value"].shape[1]


CHANGED = {
    "tighter": dict(ensemble_target="energy:0.04"),
    "another number": dict(ensemble_target="order:abs:0.01"),
    "none": dict(ensemble_target=None, ensemble_realizations=300),
}


@pytest.mark.parametrize("ranks", [1, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 4))])
@pytest.mark.parametrize("what", CHANGED)
def test_a_target_may_change(folder, what, ranks):
    """To the decisions and the bits of the run with that target from the beginning."""
    chorale(["simulate"] + options(**TARGET), ranks=2)
    before = count()
    keys = {key: value for key, value in (TARGET | CHANGED[what]).items() if value is not None}
    chorale(["simulate"] + options(**keys | dict(output_file="whole.h5")))
    done = chorale(["simulate"] + options(**keys), ranks)
    assert f"goes on from run.h5: {before} of " in done.stdout and count() > before
    assert not same_bits(datasets("run.h5"), datasets("whole.h5"))
    assert "complete: nothing is left" in chorale(["simulate"] + options(**keys)).stdout


@pytest.mark.full
def test_a_target_that_was_not_met_takes_a_larger_maximum(folder):
    keys = dict(TARGET, ensemble_target="energy:0.03", ensemble_realizations=50)
    assert "not met with 50 of at most 50" in chorale(["simulate"] + options(**keys)).stdout
    keys["ensemble_realizations"] = 2000
    chorale(["simulate"] + options(**keys | dict(output_file="whole.h5")))
    stopped = chorale(["simulate"] + options(**keys), 2, check=False, hook="80 2 -1 signal=15")
    assert stopped.returncode == 85 and count() > 80
    assert "target     met with" in chorale(["simulate"] + options(**keys), 4).stdout
    assert not same_bits(datasets("run.h5"), datasets("whole.h5"))


def test_a_plain_run_takes_a_target(folder):
    keys = {key: value for key, value in TARGET.items() if key != "ensemble_target"}
    chorale(["simulate"] + options(**keys | dict(ensemble_realizations=40)))
    chorale(["simulate"] + options(**TARGET | dict(output_file="whole.h5")))
    chorale(["simulate"] + options(**TARGET), ranks=2)
    assert count() > 40 and not same_bits(datasets("run.h5"), datasets("whole.h5"))


def test_a_target_that_fewer_meet_is_refused(folder):
    chorale(["simulate"] + options(**TARGET))
    before, content = count(), datasets("run.h5")
    for keys, message in (
        (dict(ensemble_target="order:0.5"), f"is met by 32 of the {before} realizations"),
        (dict(ensemble_realizations=before - 1), f"realizations = {before - 1}: .* has {before};"),
        (dict(layers_depth=6, layers_horizon=2), r"layers_depth = 6, .* \(ensemble_target\)"),
    ):
        refused(["simulate"] + options(**TARGET | keys), message, 2)
        assert not same_bits(datasets("run.h5"), content)


def test_results_of_a_version_without_some_key_go_on(copy, large):
    with h5py.File("run.h5", "r+") as file:
        for key in ("tokens_frame", "checkpoint_keep", "ensemble_target", "scheme_type"):
            del file["parameters"].attrs[key]
    keys = dict(checkpoint_resume=True, ensemble_realizations=5)
    words = ["simulate"] + options(**{**RUN, **keys, "scheme_type": "heun"})
    refused(words, "scheme_type = heun: run.h5 was made with no such key")
    simulate(copy, 2, **keys)
    expect_same(copy, large / "more")
