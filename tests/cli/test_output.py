"""What stands where results and tables are to be: neither takes the place of what is not its own, a
refusal leaves nothing, and a table that cannot be written keeps the run from being complete."""

import csv
import os

import h5py
import numpy as np
import pytest
from run import chorale, options, running, spoken

R = 5
RUN = dict(
    tokens_count=300,
    layers_depth=20,
    mlp_width=64,
    ensemble_realizations=R,
    output_every=3,
    output_trajectories=2,
)


def simulate(folder, ranks=2, check=True, **more):
    return chorale(["simulate"] + options(**{**RUN, **more}), ranks=ranks, cwd=folder, check=check)


SMALL = dict(
    tokens_count=16, layers_depth=4, mlp_width=8, ensemble_realizations=1, output_trajectories=0
)
RESUME = dict(SMALL, checkpoint_resume=True)
READ = dict(
    SMALL, tokens_init="file", tokens_file="tokens.npy", output_file="new.h5", output_overwrite=True
)


def make_others(folder):
    """Results of another run and files that are not chorale's."""
    simulate(folder, ranks=1, **SMALL, output_file="run.h5", output_table="run.csv")
    with h5py.File(f"{folder}/tokens.h5", "w") as file:
        file["tokens"] = np.eye(3)
    np.save(f"{folder}/tokens.npy", np.random.default_rng(1).normal(size=(16, 3)))
    with open(f"{folder}/mine.csv", "w", encoding="ascii") as file:
        file.write("x,y\n1,2\n")
    with open(f"{folder}/run.h5.tmp", "w", encoding="ascii") as file:
        file.write("of a job that runs")
    os.mkfifo(f"{folder}/fifo")
    os.makedirs(f"{folder}/new")


def snapshot(folder):
    found = {}
    for name in os.listdir(folder):
        status = os.stat(f"{folder}/{name}")
        found[name] = (status.st_mode, status.st_ino, status.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    make_others(folder)
    return folder


@pytest.mark.parametrize(
    "what, words, keys",
    (
        ("output_file = tokens.h5", ["simulate"], dict(RESUME, output_file="tokens.h5")),
        ("output_file = tokens.npy", ["simulate"], dict(RESUME, output_file="tokens.npy")),
        (
            "mlp_width = 9: run.h5 was made with 8",
            ["simulate"],
            dict(RESUME, output_file="run.h5", mlp_width=9),
        ),
        (
            "run.h5 was made with",
            ["sync", "-sync_map"],
            dict(checkpoint_resume=True, output_file="run.h5"),
        ),
        ("is also the tokens_file", ["simulate"], dict(READ, output_table="./tokens.npy")),
        ("no earlier table", ["simulate"], dict(READ, output_table="mine.csv")),
        ("no earlier table", ["simulate"], dict(READ, output_table="run.h5")),
        ("new is for trajectories", ["simulate"], dict(READ, output_table="new/t.csv")),
        ("not a regular file", ["simulate"], dict(READ, output_table="fifo")),
        ("not a regular file", ["kernel"], dict(output_table="/dev/null")),
        ("no earlier table", ["kernel"], dict(output_table="run.csv")),
        (
            None,
            ["simulate", "-dry_run"],
            dict(SMALL, output_file="run.h5", output_overwrite=True, output_table="run.csv"),
        ),
    ),
)
def test_files_of_others_stay(others, what, words, keys):
    """Neither results nor tables take their place, also where a job script always resumes."""
    before = snapshot(others)
    base = RUN if words[0] == "simulate" else {}
    done = chorale(words + options(**{**base, **keys}), cwd=others, check=False)
    if what is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 2 and what in done.stderr, done
    assert snapshot(others) == before


def test_results_and_tables_take_the_place_of_their_own_kind(folder):
    make_others(folder)
    before = snapshot(folder)
    done = simulate(folder, ranks=2, **dict(RESUME, output_file="run.h5"))
    assert "complete: nothing is left" in done.stdout and snapshot(folder) == before, done.stdout
    (folder / "empty.csv").touch()
    keys = dict(output_overwrite=True, output_table="empty.csv")
    simulate(folder, ranks=2, **dict(SMALL, **keys, output_file="run.h5", output_every=2))
    simulate(folder, ranks=2, **dict(RESUME, **keys, output_file="tokens.h5"))
    with open("empty.csv", newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3, rows
    # one realization has no error
    assert all(row["energy_mean"] and row["energy_sem"] == "" for row in rows), rows
    with h5py.File("tokens.h5", "r") as file:
        assert np.isnan(file["ensemble/energy/sem"][()]).all()
        assert np.isnan(file["study/simulate/energy_sem"][()]).all()
    made, mine = (os.stat(name).st_mode & 0o777 for name in ("empty.csv", "mine.csv"))
    assert made == mine  # what umask says


@pytest.mark.parametrize(
    "study, keys",
    (
        ("simulate", dict(tokens_count=64, output_every=20, output_trajectories=0)),
        ("chaos", dict(tokens_count="16,32")),
    ),
)
def test_a_table_that_cannot_be_written_loses_no_results(folder, study, keys):
    """They are complete on disk before it is written."""
    os.makedirs("tables")
    keys = dict(
        keys,
        layers_depth=20,
        mlp_width=64,
        ensemble_realizations=1,
        output_file="run.h5",
        output_table="tables/t.csv",
        checkpoint_every=1,
        checkpoint_resume=True,
        progress="off",
    )
    with running([study] + options(**keys), hook="0 3 0 wait=go") as run:
        run.wait_until_held("go")
        os.rmdir("tables")
        run.release("go")
        done = run.end()
    assert done.returncode == 1 and "output_table = tables/t.csv" in done.stderr, done
    with h5py.File("run.h5", "r") as file:
        assert file["provenance"].attrs["complete"] == b"true"
    os.makedirs("tables")
    done = chorale([study] + options(**keys))
    assert "run.h5 is complete" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A folder in which names are taken."""
    folder = tmp_path_factory.mktemp("taken")
    (folder / "simulate.h5").mkdir()
    (folder / "taken").touch()
    return folder


@pytest.mark.parametrize(
    "change",
    (
        dict(output_file="missing/x.h5"),
        dict(output_file="/proc/x.h5"),
        dict(output_file="x"),
        dict(output_file=".h5"),
        dict(),
        dict(output_file="taken.h5", output_trajectories=1),
        dict(output_file="x.h5", output_trajectories=R + 1),
        dict(output_file="x.h5", output_table="missing/x.csv"),
        dict(output_file="x.h5/"),
    ),
    ids=str,
)
def test_a_refusal_leaves_nothing(taken, change):
    done = simulate(taken, check=False, **change)
    lines = [line for line in spoken(done) if line.startswith("chorale: ")]
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert lines[0].startswith("chorale: output_"), lines
    assert sorted(os.listdir(taken)) == ["simulate.h5", "taken"]
    assert os.listdir(taken / "simulate.h5") == []
