"""The results file of a run that was stopped: it opens, says that it is not complete and how many
realizations it has, and its numbers are those of a run of just these realizations; resuming
replaces it by the whole. Of study simulate, which also has frames of realizations in progress, the
means; the rest is in test_checkpoint.py."""

import os

import h5py
import numpy as np
import pytest
import tools
from run import chorale, datasets, options, same_bits

ALL = 8  # realizations
NOISE = dict(
    noise_type="spectral",
    noise_degree=6,
    ensemble_realizations=ALL,
    output_file="run.h5",
    progress="off",
)
# study: keys, steps of a realization, an array with the numbers of single realizations and its
# axis, the means and standard errors made of it
CASES = {
    "limits": (
        dict(
            tokens_count="64",
            layers_depth="10,20",
            limits_reference=80,
            mlp_width="inf",
            **NOISE,
        ),
        80,
        ("samples", 0),
        "error",
        "sem",
    ),
    "chaos": (
        dict(
            tokens_dim=2,
            tokens_count="64,256",
            chaos_reference=1024,
            layers_depth=20,
            layers_horizon=0.5,
            scheme_type="euler",
            **NOISE,
        ),
        20,
        ("w2sq_frames", 0),
        "w2sq",
        "w2sq_sem",
    ),
    "sync": (
        dict(
            tokens_count=300,
            layers_depth=20,
            layers_horizon=1,
            output_every=4,
            scheme_type="flow",
            **NOISE,
        ),
        20,
        ("energy", 1),
        "energy_mean",
        "energy_sem",
    ),
    "spde": (
        dict(
            tokens_dim=2,
            tokens_count=300,
            spde_degree=32,
            spde_tol=0.5,
            layers_depth=20,
            layers_horizon=0.1,
            output_every=5,
            **NOISE,
        ),
        20,
        ("distance_realizations", 1),
        "distance",
        "distance_sem",
    ),
}


def contents(folder):
    """Datasets and attributes of the results, by name, with what the file says of itself:
    (complete, realizations_done)."""
    found = datasets(f"{folder}/run.h5")
    with h5py.File(f"{folder}/run.h5", "r") as file:
        for name, group in file["study"].items():
            found.update({f"{name}@{key}": value for key, value in group.attrs.items()})
        said = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in file["provenance"].attrs.items()
        }
        assert "deck" in file["parameters"]
    return found, said["complete"], int(said.get("realizations_done", -1))


@pytest.fixture(scope="module", params=CASES)
def study(request):
    return request.param


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """The numbers of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp(f"{study}-whole")
    chorale([study] + options(**CASES[study][0]), ranks=2, cwd=folder)
    found, complete, done = contents(folder)
    assert complete == "true" and done == -1
    return found


def stopped(folder, study, ranks, hook, **more):
    """Stopped by a signal in the middle. Contents of the file, and how many realizations it has."""
    keys, every = CASES[study][:2]
    words = [study] + options(**keys, **more, checkpoint_every=every)
    done = chorale(words, ranks=ranks, cwd=folder, check=False, hook=hook)
    assert done.returncode == 85 and "stopped (signal 15)" in done.stderr, done
    # no findings of a run that is not complete
    assert "slope" not in done.stdout and "lambda1    measured" not in done.stdout, done.stdout
    found, complete, number = contents(folder)
    assert complete == "false" and 1 <= number < ALL, (complete, number)
    return found, number


@pytest.fixture(scope="module")
def first_three(study, tmp_path_factory):
    """A run that was stopped in its fourth realization: folder and contents."""
    folder = tmp_path_factory.mktemp(f"{study}-stopped")
    found, number = stopped(folder, study, 1, "3 3 0 signal=15")
    assert number == 3
    return folder, found


def expect_subset(study, whole, part, number):
    """The single realizations are some of the whole run's, in order, and the table holds their
    means and standard errors."""
    _, _, (array, axis), mean, sem = CASES[study]
    some, every = (
        np.moveaxis(np.asarray(found[f"study/{study}/{array}"]), axis, 0) for found in (part, whole)
    )
    order = [
        next(r for r in range(len(every)) if np.array_equal(row, every[r], equal_nan=True))
        for row in some
    ]
    assert len(some) == number and order == sorted(set(order)), (number, order)
    values = every[order].max(axis=1) if study == "chaos" else every[order]
    values = values.reshape(number, -1)
    expected = {mean: values.mean(axis=0)}
    if number > 1:
        expected[sem] = values.std(axis=0, ddof=1) / np.sqrt(number)
    for name, numbers in expected.items():
        found = part[f"study/{study}/{name}"]
        np.testing.assert_allclose(found, numbers, rtol=1e-9, atol=1e-14, err_msg=name)


def test_partial_results_are_those_of_a_run_of_just_these_realizations(
    folder, study, whole, first_three
):
    """One group takes realizations in order: a run of the first ones alone has the same bits."""
    _, part = first_three
    expect_subset(study, whole, part, 3)
    keys = {**CASES[study][0], "ensemble_realizations": 3}
    chorale([study] + options(**keys), ranks=2)
    differing = same_bits(contents(".")[0], part)
    assert not differing, differing


@pytest.mark.full
@pytest.mark.parametrize("ranks, later", ((2, 3), (4, 1)))
def test_groups_leave_the_realizations_that_they_have_done(folder, study, whole, ranks, later):
    """The last rank gets a signal in the second realization of its group, before the first group
    has done its own second one; then on to the end on other ranks."""
    last = ranks - 1
    hook = f"3 3 {last} signal=15; 3 4 {last} touch=told; 2 3 0 wait=told"
    part, number = stopped(folder, study, ranks, hook, ensemble_groups=2)
    expect_subset(study, whole, part, number)
    chorale([study] + options(**CASES[study][0], checkpoint_resume=True), ranks=later)
    found, complete, _ = contents(".")
    differing = same_bits(whole, found)
    assert complete == "true" and not differing, differing


def test_the_tools_tell_and_draw_partial_results(study, first_three):
    path, _ = first_three
    code, out, err = tools.run("info", path / "run.h5")
    assert code == 0 and "incomplete" in out and f"of {ALL} realizations" in out, (out, err)
    code, _, err = tools.run("plot", path / "run.h5")
    assert code == 0, err


def test_results_without_realizations_do_not_stand_in_the_way(folder, study):
    """Stopped after its first step: a file that says so; resuming completes it."""
    # one group: of several, one may be done before it hears of the stop
    keys = {**CASES[study][0], "ensemble_realizations": 2, "ensemble_groups": 1}
    done = chorale([study] + options(**keys, checkpoint_walltime=1e-9), ranks=2, check=False)
    assert done.returncode == 85, done.stderr
    found, complete, number = contents(".")
    assert complete == "false" and number == 0, (complete, number)
    assert not any("realizations" in name for name in found), found.keys()
    if study == "spde":
        code, out, err = tools.run("info", "run.h5")
        assert code == 0 and "incomplete" in out and "0 of 2 realizations" in out, (out, err)
        code, _, err = tools.run("plot", "run.h5")
        assert code == 2 and len(err.splitlines()) == 1 and "incomplete" in err, err
    chorale([study] + options(**keys, checkpoint_resume=True))
    assert contents(".")[1] == "true"
    assert sorted(os.listdir()) == ["run.h5"], os.listdir()


def test_means_of_a_run_that_goes_on_are_over_the_same_realizations_at_all_times(folder):
    """Stopped in its second realization: those that have got farthest are the first alone."""
    keys = dict(
        tokens_count=20, layers_depth=6, output_every=2, mlp_width=8, ensemble_realizations=3
    )
    words = ["simulate"] + options(output_file="run.h5", progress="off", **keys)
    done = chorale(words, check=False, hook="1 3 0 signal=15")
    assert done.returncode == 85, done
    found = datasets("run.h5")
    energy = found["observables/energy/value"]
    assert np.isfinite(energy[:2, 1]).all() and np.isnan(energy[2:, 1]).all(), energy
    np.testing.assert_array_equal(found["ensemble/energy/mean"], energy[:, 0])
    assert np.isnan(found["ensemble/energy/sem"]).all()
