"""tools/compare: one number that was changed by a known amount is found at its place, in every kind
of file; checkpoints of one state are the same whatever the number of ranks."""

import shutil

import h5py
import numpy as np
import pytest
import tools
from run import chorale, options

TRAJECTORY = "every_fifth/realization_00000.h5md"
VALUE = "particles/all/position/value"


def altered(source, target, name, index, change):
    """A copy in which one number is another."""
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        value = file[name][:]
        value[index] = change(value[index])
        file[name][...] = value


def compare(*words):
    """(exit code, what it says) of files that it can read."""
    code, out, err = tools.run("compare", *words)
    assert code in (0, 1) and err == "", err
    return code, out


def test_a_number_two_places_on_is_found(have):
    have("every_fifth")

    def two_on(x):
        return np.nextafter(np.nextafter(x, 9), 9)

    altered(TRAJECTORY, "changed.h5md", VALUE, (2, 7, 1), two_on)
    code, out = compare(TRAJECTORY, "changed.h5md")
    place = "1 of 480 entries; first at [2, 7, 1] (step 10, time 0.833333)"
    assert code == 1 and place in out and " 2 ulp" in out, out


def test_another_sign_is_found(have):
    have("every_fifth")
    altered(TRAJECTORY, "sign.h5md", VALUE, (0, 0, 0), lambda x: -x)
    assert "relative 2," in compare(TRAJECTORY, "sign.h5md")[1]


def test_sweeps_are_compared_with_their_axes(folder):
    keys = dict(tokens_count=8, layers_depth=2, mlp_width=4, attention_beta="1,2", progress="off")
    for ranks, name in ((1, "one.h5"), (2, "two.h5")):
        chorale(["simulate"] + options(**keys, output_file=name), ranks=ranks)
    assert compare("one.h5", "two.h5")[0] == 0
    altered("two.h5", "axis.h5", "sweep/attention_beta", 1, lambda x: x + 1)
    code, out = compare("one.h5", "axis.h5")
    assert code == 1 and "differ in 1 of" in out and "/sweep/attention_beta" in out, out
    shutil.copyfile("two.h5", "loose.h5")
    with h5py.File("loose.h5", "r+") as file:
        scale, energy = file["sweep/attention_beta"], file["observables/energy/value"]
        energy.dims[0].detach_scale(scale)
    code, out = compare("one.h5", "loose.h5")
    assert code == 1 and "dimension scales" in out, out


@pytest.fixture(name="changed")
def changed_limits(have):
    """limits.h5 beside changed.h5, in which one error is another."""
    have("limits")
    altered("limits.h5", "changed.h5", "study/limits/samples", (1, 0, 1, 0), lambda x: x + 0.5)
    return "changed.h5"


def test_a_number_of_results_is_found(changed):
    code, out = compare("limits.h5", changed)
    assert code == 1 and "differ in 1 of" in out, out
    assert "[1, 0, 1, 0]" in out and "absolute 0.5," in out, out


def test_attributes_and_what_is_missing_are_found(changed):
    with h5py.File(changed, "r+") as file:
        file["study/limits"].attrs["fit_r2"] = 0.25
        del file["study/limits/width"]
    _, out = compare("limits.h5", changed)
    assert "differ in 3 of" in out and "@fit_r2" in out, out
    assert "/study/limits/width: only in limits.h5" in out, out
    assert len(compare("-q", "limits.h5", changed)[1].splitlines()) == 1


def test_a_trajectory_with_fewer_frames_is_another(have):
    have("every_fifth")
    shutil.copyfile(TRAJECTORY, "shorter.h5md")
    with h5py.File("shorter.h5md", "r+") as file:
        file["particles/all/position"].attrs["frames_valid"] = np.int32(3)
    code, out = compare(TRAJECTORY, "shorter.h5md")
    assert code == 1 and "/frames: 4 and 3" in out and "differ in 1 of" in out, out


def test_files_of_two_kinds_are_refused(have):
    have("every_fifth")
    code, _, err = tools.run("compare", "every_fifth.h5", TRAJECTORY)
    assert code == 2 and "of another kind" in err


def stopped(name, ranks, **keys):
    """A run that is stopped after its first step."""
    run = {
        "tokens_count": 700,
        "mlp_width": 32,
        "layers_depth": 12,
        "layers_horizon": 1,
        "ensemble_realizations": 2,
        "ensemble_groups": 1,
        "output_every": 5,
        "checkpoint_walltime": 1e-6,
    }
    words = ["simulate", *options(**run, **keys, output_file=f"{name}.h5", progress="off")]
    done = chorale(words, ranks=ranks, check=False)
    assert done.returncode == 85, done.stderr


def test_checkpoints_of_one_state_are_the_same_on_any_number_of_ranks(folder):
    for name, ranks in (("one", 1), ("three", 3)):
        stopped(name, ranks)
    code, out = compare("one/checkpoint.h5", "three/checkpoint.h5")
    assert code == 0 and "note: ranks 1 and 3" in out, out
    code, out, _ = tools.run("info", "three/checkpoint.h5", "three.h5")
    assert "steps done  1, 0 in 2 realizations" in out, out
    assert "incomplete" in out and "-checkpoint_resume" in out, out


def test_checkpoints_of_other_noises_differ_in_every_token(folder):
    stopped("one", 1)
    stopped("other", 1, mlp_activation="tanh")
    code, out = compare("one/checkpoint.h5", "other/checkpoint.h5")
    assert code == 1 and "note: mlp_activation = relu and tanh" in out, out
    assert "/state/tokens: 2100 of 2100" in out, out
