"""Frames equally spaced in the logarithm of time, and layers in substeps that adapt: the numbers of
every step, wherever a run was stopped and on any ranks; what is refused."""

import os

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, same_bits

KEYS = dict(tokens_count=300, tokens_dim=2, layers_depth=60, layers_horizon=3, progress="off")
NOISE = dict(noise_type="spectral", noise_degree=6, scheme_type="flow")
STUDIES = {
    "simulate": dict(ensemble_realizations=3, output_trajectories=1),
    "sync": dict(ensemble_realizations=3, sync_twins=16),
    "chaos": dict(ensemble_realizations=3),
    "spde": dict(spde_degree=24, layers_horizon=0.3),
}
ADAPTIVE = dict(scheme_type="flow", noise_type="none", layers_depth=6, layers_adaptive=1e-7)


def words(study, folder, **more):
    return [study] + options(**{**KEYS, **STUDIES[study], **more}, output_file=f"{folder}/run.h5")


def steps(path):
    with h5py.File(path, "r") as file:
        return file["observables/energy/step"][()]


@pytest.mark.parametrize("study", STUDIES)
def test_a_run_with_frames_in_log_time_goes_on_where_it_was_stopped(folder, study):
    keys = {**NOISE, "output_log": 7}
    os.mkdir("whole")
    chorale(words(study, "whole", **keys))
    cut = chorale(
        words(study, ".", **keys, checkpoint_every=1),
        ranks=2,
        check=False,
        hook="checkpoint 2 0 signal=15",
    )
    assert cut.returncode == 85, cut
    chorale(words(study, ".", **keys, checkpoint_resume=True), ranks=3)
    assert same_bits(datasets("whole/run.h5"), datasets("run.h5")) == []


def test_frames_in_log_time_are_frames_of_every_step(folder):
    chorale(words("simulate", ".", **NOISE))
    every = datasets("run.h5")
    chorale(words("simulate", ".", **NOISE, output_log=7, output_overwrite=True))
    some, at = datasets("run.h5"), steps("run.h5")
    assert at[0] == 0 and at[1] == 1 and at[-1] == 60 and len(at) == 8
    for name in ("energy", "cosine_hist"):
        values = every[f"observables/{name}/value"]
        assert np.array_equal(values[at], some[f"observables/{name}/value"])
    ratios = at[4:] / at[3:-1]
    assert abs(np.log(ratios) - np.log(ratios).mean()).max() < 0.2
    with h5py.File("run/realization_00000.h5md", "r") as file:
        assert np.array_equal(file["particles/all/position/step"][()], at)


def test_runs_with_frames_in_log_time_are_merged(folder):
    keys = {**NOISE, "output_log": 7, "output_trajectories": 0}
    for seed in (1, 2):
        os.mkdir(str(seed))
        chorale(words("simulate", seed, **keys, ensemble_seed=seed))
    chorale(["merge", "-merge_files", "1/run.h5,2/run.h5", "-output_file", "both.h5"])
    both = datasets("both.h5")["observables/energy/value"]
    parts = [datasets(f"{seed}/run.h5")["observables/energy/value"] for seed in (1, 2)]
    assert np.array_equal(both, np.concatenate(parts, axis=1))


def test_adaptive_layers_have_the_same_bits_on_any_ranks_and_after_a_stop(folder):
    keys = {**ADAPTIVE, "ensemble_realizations": 2, "tokens_count": 700}
    os.mkdir("1")
    chorale(words("simulate", 1, **keys))
    one = datasets("1/run.h5")
    for ranks in (2, 4):  # and on to the end on 3 and on 1
        os.mkdir(str(ranks))
        cut = words("simulate", ranks, **keys, checkpoint_every=1)
        assert (
            chorale(cut, ranks=ranks, hook="checkpoint 3 0 signal=15", check=False).returncode == 85
        )
        chorale(words("simulate", ranks, **keys, checkpoint_resume=True), ranks=5 - ranks)
        assert same_bits(one, datasets(f"{ranks}/run.h5")) == [], ranks


def test_what_has_no_effect_is_refused(folder):
    refused(
        ["simulate", "-output_log", "9", "-output_every", "2"],
        "output_every = 2: has no effect with output_log 9; it needs output_log 0",
    )
    refused(
        ["simulate", "-layers_adaptive", "1e-6"],
        "layers_adaptive = 1e-6: has no effect with scheme_type",
    )
    refused(
        ["simulate", "-layers_adaptive", "1e-6", "-scheme_type", "flow"],
        "layers_adaptive = 1e-6: has no effect with noise_type mlp",
    )
    refused(["limits", "-output_log", "5"], "output_log = 5: is not a key of study limits")
