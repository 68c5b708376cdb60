"""False alarms: 40 seeds of every deck of input/ that prints a verdict. Most decks are shortened in
realizations, steps and tokens, as the keys of DECKS say; the three of THREE run as they were when
they said ✗ of correct runs. As a program it takes about ten minutes of one core and ends with 1
when one of them says ✗ in more than one seed:

    source tools/mpi-env; CHORALE_SOURCE=$PWD CHORALE=$PWD/build/chorale \\
      PYTHONPATH=tests/support:tools /usr/bin/python3 tests/support/alarms.py [NAME ...]

test_verdicts.py runs THREE. sync-map, kernel and words have no verdict, analyze has that of what it
reads; reference, grid, figure1 and large-* decide nothing with their one realization, so here they
have 4."""

import os
import sys
import tempfile
import time

from run import chorale, options

from chorale import io
from chorale.plot import verdicts

INPUT = os.path.join(os.environ["CHORALE_SOURCE"], "input")
SEEDS = range(1, 41)
START = dict(layers_depth=1, layers_horizon=0.01, output_every=1)  # all that has a verdict
FOUR = dict(ensemble_realizations=4)
CELL = dict(attention_value=1, mlp_activation="relu")  # of a sweep
COARSE = dict(layers_depth=200, output_every=5)

# name: study, deck, keys
THREE = {
    "late energies": (
        "sync",
        "sync.yaml",
        dict(sync_twins=0, layers_depth=160, output_every=8, ensemble_realizations=16),
    ),
    "rare pairs": (
        "simulate",
        "",
        dict(tokens_dim=16, attention_beta=60, ensemble_realizations=16, mlp_width=8, **START),
    ),
    "large steps": (
        "sync",
        "sync.yaml",
        dict(
            layers_depth=16,
            layers_horizon=3.2,
            output_every=4,
            tokens_count=8,
            ensemble_realizations=400,
        ),
    ),
}
DECKS = {
    "quickstart": ("simulate", "quickstart.yaml", dict(output_trajectories=0, **START)),
    "limit": ("simulate", "limit.yaml", dict(output_trajectories=0, **START)),
    "reference": ("simulate", "reference.yaml", dict(**FOUR, **START)),
    "large-circle": ("simulate", "large-circle.yaml", dict(tokens_count=100000, **FOUR, **START)),
    "large-sphere": ("simulate", "large-sphere.yaml", dict(tokens_count=20000, **FOUR, **START)),
    "figure1-relu": ("simulate", "paper/figure1-relu.yaml", dict(**FOUR, **START)),
    "figure1-tanh": ("simulate", "paper/figure1-tanh.yaml", dict(**FOUR, **START)),
    "grid, d = 5": ("simulate", "paper/grid.yaml", dict(tokens_dim=5, **CELL, **FOUR, **START)),
    "grid, d = 128": ("simulate", "paper/grid.yaml", dict(tokens_dim=128, **CELL, **FOUR, **START)),
    "limits": (
        "limits",
        "limits.yaml",
        dict(ensemble_realizations=8, layers_depth="8,16,32", mlp_width="32,64,128,256,inf"),
    ),
    "limits-commuting": (
        "limits",
        "limits-commuting.yaml",
        dict(ensemble_realizations=12, tokens_count="8,32", mlp_width="16,64,256,inf"),
    ),
    "limits-harmonics": (
        "limits",
        "limits-harmonics.yaml",
        dict(ensemble_realizations=12, layers_depth="8,16,32", tokens_count="16,64"),
    ),
    "limits-supremum": (
        "limits",
        "paper/limits-supremum.yaml",
        dict(ensemble_realizations=24, layers_depth="8,16,32", limits_reference=256),
    ),
    "limits-d64": ("limits", "limits-d64.yaml", dict(ensemble_realizations=6, tokens_count=32)),
    "chaos-circle": (
        "chaos",
        "chaos-circle.yaml",
        dict(ensemble_realizations=24, layers_depth=50, tokens_count="256,512,1024,2048,4096"),
    ),
    "chaos-sphere": (
        "chaos",
        "chaos-sphere.yaml",
        dict(ensemble_realizations=12, tokens_count="32,64,128,256,512"),
    ),
    "chaos-d4": (
        "chaos",
        "chaos-d4.yaml",
        dict(ensemble_realizations=12, tokens_count="32,64,128,256,512"),
    ),
    "chaos-d6": (
        "chaos",
        "chaos-d6.yaml",
        dict(ensemble_realizations=12, tokens_count="32,64,128,256,512"),
    ),
    "chaos-sphere-large": (
        "chaos",
        "chaos-sphere-large.yaml",
        dict(ensemble_realizations=4, layers_depth=20, tokens_count="500,1000,2000"),
    ),
    "chaos-large": (
        "chaos",
        "chaos-large.yaml",
        dict(ensemble_realizations=4, layers_depth=20, tokens_count="1000,10000,100000"),
    ),
    "sync": (
        "sync",
        "sync.yaml",
        dict(ensemble_realizations=100, layers_depth=400, output_every=10),
    ),
    "sync, repelled": (
        "sync",
        "sync.yaml",
        dict(attention_type="softmax", attention_value=-0.1, ensemble_realizations=24, **COARSE),
    ),
    "sync, all near": (  # the energy falls at the guaranteed rate itself
        "sync",
        "sync.yaml",
        dict(tokens_init="vmf", tokens_kappa=1e6, ensemble_realizations=100, **COARSE),
    ),
    "spde-circle": (
        "spde",
        "spde-circle.yaml",
        dict(layers_depth=60, layers_horizon=0.3, spde_snapshots=0, ensemble_realizations=4),
    ),
    "spde-sphere": ("spde", "spde-sphere.yaml", dict(spde_degree=32, tokens_count=2048)),
}


def alarms(case, seeds, **more):
    """{what was told as wrong: the seeds} of a case."""
    study, deck, keys = case
    words = [os.path.join(INPUT, deck)] if deck else []
    wrong = {}
    for seed in seeds:
        keys = {**keys, "output_file": "run.h5", "output_overwrite": True, "progress": "off"}
        chorale([study, *words, *options(**{**keys, **more, "ensemble_seed": seed})])
        with io.open("run.h5") as run:
            for row in verdicts.of_run(run):
                if row.verdict is False:
                    wrong.setdefault(row.quantity.split(",")[0], []).append(seed)
    return wrong


def main(names):
    """Prints a line for each case; returns whether one says ✗ of more than one seed."""
    failed = False
    for name, case in {**THREE, **DECKS}.items():
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            before = time.monotonic()
            wrong = alarms(case, SEEDS)
            os.chdir("/")
        count = len(set().union(*wrong.values()))
        failed |= count > 1
        seconds = time.monotonic() - before
        print(f"{name:20} {count:2} of {len(SEEDS)} ({seconds:.0f} s) {wrong or ''}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
