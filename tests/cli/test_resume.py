"""Every study goes on where it was stopped: cut off in the middle (signal, kill -9), once more
after its next step, and on to the end, each time on another grid of ranks and groups, gives the
bits of a run that was never interrupted."""

import os

import h5py
import pytest
from run import chorale, datasets, options, same_bits, spoken

NOISE = dict(noise_type="spectral", noise_degree=6)
# name: study, how the first run ends, (ranks, groups) of the three runs, keys. The second run has
# one group for what several had begun.
CASES = {
    "limits": (
        "limits",
        "signal",
        ((4, 2), (2, 1), (3, 3)),
        dict(
            tokens_count="24,300",
            layers_depth="5,7",
            limits_reference=70,  # layers that end together last
            mlp_width="inf",
            ensemble_realizations=3,
            **NOISE,
        ),
    ),
    "limits by the tokens' covariance": (
        "limits",
        "kill",
        ((3, 3), (2, 1), (4, 4)),
        dict(
            tokens_count="40",
            layers_depth="12,24",
            limits_reference=48,
            mlp_width="16,inf",
            ensemble_realizations=3,
            noise_type="gram",
        ),
    ),
    "limits over all times": (
        "limits",
        "signal",
        ((4, 2), (2, 1), (3, 3)),
        dict(
            tokens_count="24,300",
            layers_depth="5,7",
            limits_reference=70,
            limits_supremum="all",
            mlp_width="16,inf",
            ensemble_realizations=3,
            **NOISE,
        ),
    ),
    "chaos, quadrature and restarts": (
        "chaos",
        "signal",
        ((3, 3), (2, 1), (4, 2)),
        dict(
            tokens_dim=2,
            tokens_count="100,300",
            chaos_reference="quadrature",
            chaos_nodes=256,
            chaos_restarts=1,
            layers_depth=15,
            layers_horizon=1,
            ensemble_realizations=3,
            scheme_type="euler",
            **NOISE,
        ),
    ),
    "chaos, twins": (
        "chaos",
        "kill",
        ((3, 3), (4, 1), (2, 2)),
        dict(
            tokens_count="20,300",
            layers_depth=15,
            layers_horizon=1,
            mlp_width=64,
            ensemble_realizations=4,
        ),
    ),
    "simulate, values at barycentres": (
        "simulate",
        "kill",
        ((3, 3), (2, 1), (4, 2)),
        dict(
            tokens_count=300,
            tokens_dim=5,
            layers_depth=20,
            layers_horizon=1,
            ensemble_realizations=3,
            attention_value=0,
            noise_type="values",
            noise_at="barycentre",
        ),
    ),
    "chaos, random heads": (
        "chaos",
        "signal",
        ((3, 3), (2, 1), (4, 2)),
        dict(
            tokens_count="20,300",
            layers_depth=15,
            layers_horizon=1,
            ensemble_realizations=3,
            attention_weights="random",
            attention_heads=2,
            noise_type="values",
        ),
    ),
    "sync": (
        "sync",
        "signal",
        ((4, 2), (3, 1), (2, 2)),
        dict(
            tokens_count=300,
            layers_depth=25,
            layers_horizon=1,
            output_every=4,
            ensemble_realizations=4,
            scheme_type="flow",
            energy_beta="1,0.4",
            **NOISE,
        ),
    ),
    "sync, several starts": (
        "sync",
        "kill",
        ((2, 1), (3, 3), (4, 2)),
        dict(
            sync_starts=3,
            tokens_count=300,
            layers_depth=12,
            layers_horizon=1,
            output_every=4,
            ensemble_realizations=3,
            **NOISE,
        ),
    ),
    "simulate, own noise": (
        "simulate",
        "kill",
        ((2, 1), (3, 3), (4, 2)),
        dict(
            noise_independent=0.5,
            tokens_count=300,
            layers_depth=12,
            layers_horizon=1,
            ensemble_realizations=3,
            **NOISE,
        ),
    ),
    "spde on the circle": (
        "spde",
        "kill",
        ((2, 2), (3, 1), (4, 4)),
        dict(
            tokens_dim=2,
            tokens_count=300,
            spde_degree=32,
            layers_depth=25,
            layers_horizon=0.3,
            output_every=3,
            ensemble_realizations=4,
            **NOISE,
        ),
    ),
    "spde on the sphere": (
        "spde",
        "signal",
        ((3, 3), (2, 1), (4, 2)),
        dict(
            tokens_dim=3,
            tokens_init="harmonic",
            spde_particles="quadrature",
            tokens_count=450,
            spde_degree=16,
            spde_tol=0.5,
            layers_depth=20,
            layers_horizon=0.1,
            output_every=3,
            ensemble_realizations=3,
            **NOISE,
        ),
    ),
}


def words(study, keys, groups, **more):
    own = dict(ensemble_groups=groups, output_file="run.h5", progress="off")
    return [study] + options(**{**keys, **own, **more})


def contents(folder):
    """Datasets and attributes of the results, by name."""
    found = datasets(f"{folder}/run.h5")
    with h5py.File(f"{folder}/run.h5", "r") as file:
        for name, group in file["study"].items():
            found.update({f"{name}@{key}": value for key, value in group.attrs.items()})
    assert not os.path.exists(f"{folder}/run"), "the checkpoint of a complete run is left"
    return found


def cut(study, how, ranks, groups, keys):
    """A run that writes a checkpoint after every step is ended soon after its first: by a signal to
    the last rank, or for good."""
    action = "checkpoint 1 -1 kill" if how == "kill" else f"checkpoint 1 {ranks - 1} signal=15"
    command = words(study, keys, groups, checkpoint_every=1)
    done = chorale(command, ranks=ranks, check=False, hook=action)
    if how == "signal":
        lines = spoken(done)
        assert done.returncode == 85 and len(lines) == 1, done.stderr
        assert "stopped (signal 15)" in lines[0], lines
    else:
        assert done.returncode not in (0, 85), done
    assert os.path.exists("run/checkpoint.h5"), "complete before it was stopped"


QUICK = ("limits", "chaos, twins", "chaos, random heads", "sync", "spde on the circle")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case in QUICK else pytest.mark.full) for case in CASES],
)
def test_a_study_goes_on_where_it_was_stopped(folder, case):
    study, how, grids, keys = CASES[case]
    os.mkdir("whole")
    chorale(words(study, keys, 1), cwd="whole")
    (ranks, groups), *later = grids
    cut(study, how, ranks, groups, keys)
    for (ranks, groups), wall, code in zip(later, (1e-9, 0), (85, 0)):
        command = words(study, keys, groups, checkpoint_resume=True, checkpoint_walltime=wall)
        done = chorale(command, ranks=ranks, check=False)
        assert done.returncode == code, done
        assert "goes on from" in done.stdout, done.stdout
    differing = same_bits(contents("whole"), contents("."))
    assert not differing, differing
