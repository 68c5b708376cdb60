"""Nothing is lost at an end that can be caught: two runs of one name, signals, a stdout or a table
that cannot be written, a limit on the size of files."""

import concurrent.futures
import os
import resource
import signal
import subprocess

import h5py
import pytest
from run import (
    CHORALE,
    TIMEOUT,
    chorale,
    datasets,
    options,
    prepared,
    running,
    same_bits,
    spoken,
    started,
)

RUN = dict(
    tokens_count=64,
    layers_depth=12,
    mlp_width=16,
    ensemble_realizations=2,
    ensemble_groups=1,
    output_file="run.h5",
    progress="off",
)
WORDS = ["simulate"] + options(**RUN)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers of a run that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole")
    chorale(WORDS, cwd=folder)
    return datasets(f"{folder}/run.h5")


SECOND = {
    "the same": {},
    "another seed": dict(ensemble_seed=2, output_overwrite=True),
    "another ending": dict(output_file="run.hdf5"),
    "another path": dict(output_file="../here/run.h5"),
    "that goes on": dict(checkpoint_resume=True),
}


@pytest.mark.parametrize("ranks", [pytest.param(1, marks=pytest.mark.full), 2])
def test_a_second_run_of_one_name_is_refused(folder, whole, ranks):
    """Whatever it computes, however its name is written; the first comes to its end."""
    here = folder / "here"
    here.mkdir()

    def second(keys):
        return chorale(["simulate"] + options(**{**RUN, **keys}), cwd=here, check=False)

    with running(WORDS, ranks, cwd=here, hook="0 3 0 wait=go") as first:
        holder = first.wait_until_held("go")
        with concurrent.futures.ThreadPoolExecutor() as pool:  # they wait most of the time
            for done in pool.map(second, SECOND.values()):
                assert done.returncode == 2, done
                (line,) = spoken(done)
                assert f"another run is writing it: process {holder} on host" in line, line
        first.release("go")
        assert first.end().returncode == 0
    assert not same_bits(whole, datasets(f"{here}/run.h5"))
    assert sorted(os.listdir(here)) == ["go", "go.0", "run.h5"]


def test_a_killed_run_stands_in_no_ones_way(folder, whole):
    """Its lock ends with it, its file is taken over."""
    with running(WORDS, 1, cwd=folder, hook="0 3 0 wait=go") as first:
        first.wait_until_held("go")
        first.kill()
        first.process.wait()
        assert os.path.exists("run.lock")
        chorale(WORDS, cwd=folder)
    assert not same_bits(whole, datasets("run.h5"))
    assert not os.path.exists("run.lock")


def test_a_run_that_is_refused_leaves_no_lock(folder):
    """Also where the refusal comes after the lock: what is there is of another deck."""
    chorale(WORDS + ["-checkpoint_walltime", "1e-9"], cwd=folder, check=False)
    done = chorale(WORDS + ["-checkpoint_resume", "-mlp_width", "8"], cwd=folder, check=False)
    assert done.returncode == 2 and len(spoken(done)) == 1, done
    assert not os.path.exists("run.lock")


SIGNALS = [(name, 1) for name in ("SIGHUP", "SIGINT", "SIGXCPU", "SIGUSR1", "SIGUSR2", "SIGTERM")]
QUICK_SIGNALS = [("SIGINT", 1), ("SIGTERM", 1), ("SIGUSR2", 2)]


@pytest.mark.parametrize(
    "name, ranks",
    [
        pytest.param(*one, marks=() if one in QUICK_SIGNALS else pytest.mark.full)
        for one in SIGNALS + [("SIGUSR2", 2), ("SIGHUP", 2)]
    ],
)
def test_every_signal_that_can_be_caught_leaves_a_checkpoint(folder, whole, name, ranks):
    number = int(getattr(signal, name))
    hook = f"checkpoint 1 {ranks - 1} signal={number}"
    words = WORDS + ["-checkpoint_every", "4"]
    done = started(words, ranks, folder, TIMEOUT, hook, CHORALE)
    assert done.returncode == 85, done
    (line,) = spoken(done)
    assert f"stopped (signal {number})" in line, line
    chorale(WORDS + ["-checkpoint_resume"], cwd=folder)
    assert not same_bits(whole, datasets("run.h5"))


def test_a_second_interrupt_ends_the_run_at_once(folder):
    done = chorale(WORDS, cwd=folder, hook="0 3 0 signal=2; 0 3 0 signal=2", check=False)
    assert done.returncode == -signal.SIGINT, done


STUDIES = {
    "simulate": RUN,
    "limits": dict(RUN, layers_depth="4,8", mlp_width="8,inf"),
    "chaos": dict(RUN, tokens_count="16,32", tokens_dim=2),
    "sync": dict(RUN, tokens_dim=3),
}


def into(stdout, words, cwd):
    """A run with this for its stdout."""
    with prepared(words) as (command, environment):
        return subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            cwd=cwd,
            env=environment,
            check=False,
        )


@pytest.mark.parametrize(
    "study, what",
    [("simulate", "full"), ("simulate", "closed")]
    + [
        pytest.param(study, "full", marks=pytest.mark.full)
        for study in STUDIES
        if study != "simulate"
    ],
)
def test_results_stand_where_stdout_cannot_be_written(folder, study, what):
    """The file and the table are as without it; one line, exit code 1."""
    keys = dict(STUDIES[study], output_table="run.csv")
    if study in ("limits", "chaos", "sync"):
        keys.pop("ensemble_groups")
    words = [study] + options(**keys)
    chorale(words + ["-output_file", "good.h5", "-output_table", "good.csv"], cwd=folder)
    if what == "full":
        with open("/dev/full", "wb") as stdout:
            done = into(stdout, words, folder)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = into(writer, words, folder)
        os.close(writer)
    (line,) = spoken(done)
    reason = "No space left on device" if what == "full" else "Broken pipe"
    assert done.returncode == 1 and f"printed: {reason}; the results are in run.h5" in line, done
    assert not same_bits(datasets("good.h5"), datasets("run.h5"))
    with h5py.File("run.h5", "r") as file:
        assert file["provenance"].attrs["complete"] == b"true"
    with open("good.csv", "rb") as good, open("run.csv", "rb") as table:
        assert good.read() == table.read()


@pytest.mark.parametrize("ranks", [pytest.param(1, marks=pytest.mark.full), 2])
def test_a_limit_on_the_size_of_files_is_a_failed_write(folder, ranks):
    """No death by SIGXFSZ: one line with the reason. The limit is above what MPI itself needs."""
    keys = dict(RUN, tokens_count=60000, tokens_dim=8, attention_type="none", output_trajectories=1)
    words = ["simulate"] + options(**keys)
    with prepared(words, ranks) as (command, environment):
        done = subprocess.run(
            command,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20)),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=folder,
            env=environment,
            check=False,
        )
    (line,) = spoken(done)
    assert done.returncode == 1 and "realization_00000.h5md: cannot write" in line, done
    assert "File too large" in line, line
