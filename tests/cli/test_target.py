"""Error bars on order: realizations in batches until ensemble_target is met, the same ones as
without it, on any grid of ranks and over stop and resume; what is said, and what is refused."""

import os
import re

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, same_bits, spoken, study, without

SMALL = dict(tokens_count=4, layers_depth=3, layers_horizon=1, mlp_width=8, output_every=3)
SMALL.update(progress="off", output_file="run.h5")
TARGET = dict(SMALL, ensemble_realizations=1000, ensemble_target="energy:0.06,order:abs:0.02")
SYNC = dict(without(TARGET, "mlp_width"), noise_type="spectral", noise_degree=4, sync_twins=0)
SYNC.update(scheme_type="flow", ensemble_target="energy:0.06,pair:0.06")
FIRST = 32


def words(keys, name="simulate", **more):
    return [name] + options(**{**keys, **more})


def parameters(path="run.h5"):
    with h5py.File(path, "r") as file:
        return {key: value.decode() for key, value in file["parameters"].attrs.items()}


def contents(path="run.h5"):
    """Datasets, and attributes of the study, with those that say what was asked for."""
    found = datasets(path)
    for name in ("simulate", "sync"):
        with h5py.File(path, "r") as file:
            there = name in file["study"]
        if there:
            found.update({f"@{key}": value for key, value in study(path, name)[0].items()})
    return found | {f"/{key}": value for key, value in parameters(path).items() if "real" in key}


def test_the_target_is_met_by_the_first_realizations_of_a_longer_run(folder):
    """The numbers are those of a run without a target, bit for bit, and what is said of them is
    right."""
    done = chorale(words(TARGET))
    said = study("run.h5", "simulate")[0]
    energy = datasets("run.h5")["observables/energy/value"][-1]
    R = len(energy)
    assert FIRST < R < 1000 and said["target_met"] == 1
    assert f"target     met with {R} of at most 1000 realizations" in done.stdout
    assert parameters()["ensemble_realizations"] == str(R)
    assert parameters()["ensemble_realizations_most"] == "1000"
    for name, asked in (("energy", 0.06 * energy.mean()), ("order", 0.02)):
        values = datasets("run.h5")[f"observables/{name}/value"][-1]
        mean, low, high = (said[f"target_{name}{end}"] for end in ("", "_low", "_high"))
        np.testing.assert_allclose(mean, values.mean(), rtol=1e-14)
        np.testing.assert_allclose(said[f"target_{name}_asked"], asked, rtol=1e-14)
        factor = study("run.h5", "simulate")[0]["interval_factor"]
        half = factor * values.std(ddof=1) / np.sqrt(R)
        np.testing.assert_allclose([low, high], mean * np.exp(np.array([-1, 1]) * half / mean))
        np.testing.assert_allclose(said[f"target_{name}_half_width"], high - mean, rtol=1e-12)
        assert high - mean <= asked
    chorale(words(SMALL, ensemble_realizations=R, output_file="given.h5"))
    differing = same_bits(datasets("given.h5"), datasets("run.h5"))
    assert not differing, differing


def test_numbers_that_are_said_are_explained(folder):
    chorale(words(TARGET))
    with h5py.File("run.h5", "r") as file:
        texts = dict(file["quantities"].attrs)
        said = [key for key in file["study/simulate"].attrs if key.startswith("target_")]
    assert len(said) == 11
    assert all(texts[key] and texts[f"{key}_unit"] == b"1" for key in said)


@pytest.mark.parametrize(
    "ranks, groups",
    ((4, 2), *(pytest.param(*grid, marks=pytest.mark.full) for grid in ((2, 1), (2, 2), (3, 3)))),
)
def test_any_grid_of_ranks_decides_alike(folder, ranks, groups):
    keys = dict(TARGET, tokens_count=300)
    chorale(words(keys, output_file="one.h5"))
    done = chorale(words(keys, ensemble_groups=groups), ranks=ranks)
    differing = same_bits(contents("one.h5"), contents())
    assert not differing, differing
    assert "target     met with" in done.stdout


STOPS = {  # where: in the first batch, in the second, at the decision between them
    "first": "20 1 -1 signal=15",
    "second": "40 2 -1 signal=15",
    "between": "31 3 -1 signal=15",
}


@pytest.mark.parametrize(
    "name, where",
    (
        ("simulate", "second"),
        ("sync", "between"),
        pytest.param("simulate", "first", marks=pytest.mark.full),
        pytest.param("simulate", "between", marks=pytest.mark.full),
        pytest.param("sync", "first", marks=pytest.mark.full),
        pytest.param("sync", "second", marks=pytest.mark.full),
    ),
)
def test_a_stopped_run_goes_on_to_the_same_decisions(folder, name, where):
    """Stopped and resumed on other grids, once more a step later."""
    keys = SYNC if name == "sync" else TARGET
    chorale(words(keys, name, output_file="whole.h5"))
    command = words(keys, name, checkpoint_resume=True)
    stopped = chorale(command, ranks=2, check=False, hook=STOPS[where])
    assert stopped.returncode == 85 and "stopped (signal 15)" in spoken(stopped)[0], stopped
    again = chorale(command + ["-checkpoint_walltime", "1e-9"], ranks=3, check=False)
    assert again.returncode == 85, again
    assert os.path.exists("run/checkpoint.h5")
    done = chorale(command, ranks=4)
    assert "goes on from" in done.stdout
    differing = same_bits(contents("whole.h5"), contents())
    assert not differing, differing
    assert not os.path.exists("run")
    assert "is complete" in chorale(command).stdout
    refused(command + ["-layers_horizon", "2"], "layers_horizon = 2: run.h5 has 3 and 1")


def test_partial_results_have_the_realizations_of_the_batch(folder):
    command = words(TARGET, checkpoint_resume=True)
    done = chorale(command, check=False, hook="40 2 -1 signal=15")
    assert done.returncode == 85
    energy = datasets("run.h5")["observables/energy/value"]
    assert energy.shape[1] > 41 and np.isfinite(energy[-1, :40]).all()
    assert np.isnan(energy[-1, 40:]).all()
    assert not [key for key in study("run.h5", "simulate")[0] if key.startswith("target")]


def test_sync_has_its_own_numbers(folder):
    done = chorale(words(SYNC, "sync"), ranks=2)
    said, found = study("run.h5", "sync")
    R = found["energy"].shape[1]
    assert FIRST <= R < 1000 and found["pair"].shape[1] == R
    assert said["target_met"] == 1 and f"met with {R} of at most 1000" in done.stdout
    np.testing.assert_allclose(said["target_pair"], found["pair"][-1].mean(), rtol=1e-14)
    np.testing.assert_allclose(found["energy_mean"][-1], said["target_energy"], rtol=1e-14)


@pytest.mark.parametrize("most", (32, 50))
def test_what_is_not_met_is_said(folder, most):
    done = chorale(words(TARGET, ensemble_realizations=most, ensemble_target="energy:0.001"))
    said = study("run.h5", "simulate")[0]
    assert f"target     not met with {most} of at most {most} realizations" in done.stdout
    assert said["target_met"] == 0
    assert said["target_energy_half_width"] > said["target_energy_asked"]
    assert datasets("run.h5")["observables/energy/value"].shape[1] == most


def test_numbers_all_alike_are_known(folder):
    keys = dict(without(TARGET, "mlp_width"), noise_type="none")
    keys.update(tokens_init="quadrature", tokens_dim=2)
    chorale(words(keys, ensemble_target="energy:1e-9"))
    said = study("run.h5", "simulate")[0]
    assert said["target_met"] == 1 and said["target_energy_half_width"] < 1e-15
    assert parameters()["ensemble_realizations"] == str(FIRST)


def test_a_deck_has_it_as_a_list_and_keeps_it(folder):
    with open("deck.yaml", "w", encoding="utf-8") as deck:
        deck.write("ensemble: {realizations: 1000, target: [energy:0.06, order:abs:0.02]}\n")
    chorale(["simulate", "deck.yaml"] + options(**SMALL))
    with h5py.File("run.h5", "r") as file:
        text = file["parameters/deck"][()].decode()
    with open("again.yaml", "w", encoding="utf-8") as deck:
        deck.write(text)
    chorale(["simulate", "again.yaml"] + options(output_file="again.h5"))
    chorale(words(TARGET, output_file="words.h5"))
    for path in ("again.h5", "words.h5"):
        differing = same_bits(contents("run.h5"), contents(path))
        assert not differing, differing


def test_runs_of_two_seeds_are_joined(folder):
    counts = []
    for seed in (1, 2):
        chorale(words(TARGET, ensemble_seed=seed, output_file=f"seed{seed}.h5"))
        counts.append(datasets(f"seed{seed}.h5")["observables/energy/value"].shape[1])
    chorale(["merge"] + options(merge_files="seed1.h5,seed2.h5", output_file="both.h5"))
    energy = datasets("both.h5")["observables/energy/value"]
    assert energy.shape[1] == sum(counts)
    assert parameters("both.h5")["ensemble_realizations"] == str(sum(counts))


def test_a_dry_run_shows_what_is_asked(folder):
    said = chorale(words(TARGET, dry_run=True)).stdout
    assert "target     mean energy at the end within 0.06 of itself\n" in said
    assert "           mean order at the end within 0.02\n" in said
    assert "           by batches, from 32 to at most 1000 realizations in all\n" in said
    assert not os.path.exists("run.h5")


def test_progress_counts_realizations_over_the_most(folder):
    keys = dict(TARGET, progress=1, ensemble_target="energy:0.06")
    lines = chorale(words(keys), hook="-1 -1 0 clock=1").stderr.splitlines()
    found = [re.match(r"simulate (\d+)/1000: (\d+)%, (\d+) of (\d+), \S+/s, ETA", s) for s in lines]
    assert all(found[:-1]) and len(found) > 3 * FIRST, lines[:5]
    counts = [tuple(int(m[i]) for i in (1, 3, 4)) for m in found[:-1]]
    assert {total / R for R, _, total in counts} == {3}, "steps of the present stage"
    assert [done for _, done, _ in counts] == sorted(done for _, done, _ in counts)
    R = datasets("run.h5")["observables/energy/value"].shape[1]
    assert counts[0][0] == FIRST and counts[-1] == (R, 3 * R, 3 * R)
    assert lines[-1].startswith(f"simulate {R}/1000: {3 * R} of {3 * R} in ")


WRONG = (
    ("energy", "must be NAME:c or NAME:abs:c with a number c > 0"),
    ("energy:", "NAME:abs:c"),
    (":0.1", "NAME:abs:c"),
    ("energy:0", "c > 0"),
    ("energy:-0.1", "c > 0"),
    ("energy:nan", "c > 0"),
    ("energy:rel:0.1", "NAME:c"),
    ("energy:abs:", "NAME:c"),
    ("order:0.1,energy", "ensemble_target = energy: "),
    ("cosine_hist:0.1", "one of: energy order cosine_mean nematic clusters$"),
    ("entropy:0.1", "one of: energy order cosine_mean nematic clusters$"),
    ("energy:0.1,energy:abs:2", "energy:abs:2: must be the only value for energy"),
)


@pytest.mark.parametrize(
    "value, message",
    [
        *WRONG[::4],
        *(pytest.param(*w, marks=pytest.mark.full) for i, w in enumerate(WRONG) if i % 4),
    ],
)
def test_targets_that_are_none_are_refused(folder, value, message):
    refused(words(TARGET, ensemble_target=value), message)


def test_what_does_not_go_with_a_target_is_refused(folder):
    for most in (1, 31):
        refused(words(TARGET, ensemble_realizations=most), f"realizations = {most}: must be at lea")
    refused(words(TARGET, output_trajectories=33), "output_trajectories = 33: must be at most 32")
    target = ["-ensemble_target", "energy:0.1"]
    for other in ("limits", "chaos", "spde", "kernel"):
        refused([other, *target], f"is not a key of study {other}")
    refused(["sync", *target, "-sync_starts", "2"], "has no effect with sync_starts 2")
    refused(["sync", *target, "-sync_map"], "has no effect with sync_map true")


SEEDS = 200


@pytest.mark.full
def test_intervals_at_the_end_cover(folder):
    """Runs of 4 tokens that stop by themselves, against the mean of 20000 realizations more."""
    chorale(words(SMALL, ensemble_realizations=20000, ensemble_seed=SEEDS + 1, output_file="l.h5"))
    names = ("energy", "order")
    exact = {n: datasets("l.h5")[f"observables/{n}/value"][-1].mean() for n in names}
    covered, counts = dict.fromkeys(names, 0), []
    for seed in range(1, SEEDS + 1):
        keys = dict(TARGET, ensemble_seed=seed, output_overwrite=True)
        chorale(words(keys, ensemble_target="energy:0.08,order:0.05"))
        said = study("run.h5", "simulate")[0]
        assert said["target_met"] == 1
        counts.append(datasets("run.h5")["observables/energy/value"].shape[1])
        for n in names:
            covered[n] += said[f"target_{n}_low"] <= exact[n] <= said[f"target_{n}_high"]
    print(exact, covered, min(counts), np.mean(counts), max(counts))
    assert min(counts) > FIRST and max(counts) < 1000
    assert all(count >= 0.93 * SEEDS for count in covered.values()), covered
