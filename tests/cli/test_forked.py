"""Runs of the tests are forks of ranks that have started already (support/forked.py). They are
those that a user starts: the same bits, words and exit codes, one after the other; and a rank that
ends alone ends the others."""

import os
import signal

import forked
import pytest
from run import CHORALE, TIMEOUT, chorale, datasets, options, own_lines, same_bits, started
from studies import KERNEL, RUNS

CASES = ("circle", "levels", "limits", "chaos", "sync", "map", "density", "analyze")
LONG = dict(tokens_count=64, layers_depth=12, mlp_width=16, progress="off")


def fork(words, ranks, hook="", cwd=None):
    """The completed process of a run that has not been started."""
    done = forked.run([CHORALE, *words], ranks, cwd, TIMEOUT, hook)
    if done is None:
        pytest.skip("no forks of ranks: CHORALE_FORKED is not set, or MPI is not Open MPI 4")
    return done


def start(words, ranks, cwd=None):
    return started(words, ranks, cwd, TIMEOUT, None, CHORALE)


def new(folder, name):
    (folder / name).mkdir()
    return folder / name


def compare(one, other):
    """What a user sees of two runs, but for what mpirun says."""
    assert one.returncode == other.returncode, (one, other)
    assert own_lines(one.stderr) == own_lines(other.stderr)
    assert one.stdout == other.stdout


def words_of(name):
    if name == "kernel":
        return ["kernel", *options(**KERNEL, output_table="kernel.csv")]
    study, keys = RUNS[name]
    return [study, *options(**keys, output_file=f"{name}.h5", progress="off", verbose=True)]


def made(folder):
    """The bits of all files in a folder but the names of their runs."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if name.endswith((".h5", ".h5md")):
                found |= {f"{name}:{key}": value for key, value in datasets(path).items()}
            else:
                with open(path, "rb") as file:
                    found[name] = file.read()
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """recorded(ranks, way): all studies one after the other, the first once more at the end; what
    each said, and the folder they were run in."""
    ran = {}

    def once(ranks, way):
        if (ranks, way) not in ran:
            here = tmp_path_factory.mktemp(way.__name__)
            ends = [way(words_of(name), ranks, cwd=here) for name in (*CASES, "kernel")]
            ends.append(way(words_of("circle"), ranks, cwd=new(here, "again")))
            ran[ranks, way] = ends, here
        return ran[ranks, way]

    return once


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.full)])
def test_forks_have_the_bits_and_the_words_of_runs_that_are_started(recorded, ranks):
    """Every study, by mpirun as a user runs it."""
    (here, there), folders = zip(*(recorded(ranks, way) for way in (fork, start)))
    for one, other in zip(here, there):
        compare(one, other)
        assert one.returncode == 0, one
    bits = [made(folder) for folder in folders]
    assert len(bits[0]) > 100 and same_bits(*bits) == []


# what: words
ENDS = {
    "refused": ["simulate", "-tokens_count", "0"],
    "refused by rank 0": ["simulate", *options(**LONG, output_file="/proc/run.h5")],
    "stopped": ["simulate", *options(**LONG, checkpoint_walltime=1e-9)],
    "failed": ["kernel", "-output_table", "/proc/table.csv"],
    "help": ["simulate", "-help"],
}


@pytest.mark.parametrize("what", ENDS)
def test_ends_are_those_of_runs_that_are_started(folder, what):
    compare(*(way(ENDS[what], 3, cwd=new(folder, way.__name__)) for way in (fork, start)))


def test_what_only_a_start_can_do_is_started(folder):
    """PETSc reads these options when it starts."""
    words = ["kernel", "-log_view", ":log.txt", "-tokens_dim", "3"]
    assert forked.run([CHORALE, *words], 2, folder, TIMEOUT, "") is None
    chorale(words, 2, cwd=folder)
    assert (folder / "log.txt").stat().st_size > 1000


@pytest.mark.parametrize("ranks", (2, 4))
def test_a_rank_that_is_killed_ends_the_others(folder, ranks):
    """As mpirun has it; the next run begins as if nothing had been."""
    words = ["simulate", *options(**LONG, ensemble_groups=1, output_overwrite=True)]
    assert fork(words, ranks).returncode == 0
    whole = made(folder)
    for rank in (0, ranks - 1):
        assert fork(words, ranks, f"0 3 {rank} kill").returncode == 128 + signal.SIGKILL
        assert fork(words, ranks).returncode == 0
        assert same_bits(whole, made(folder)) == []
