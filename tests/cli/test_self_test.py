"""chorale --self-test: a line for each check at any number of ranks, nothing left; and it fails
where something is wrong."""

import os

import h5py
import pytest
from run import chorale, options, spoken

HOOK = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_self_test")
CHECKS = ["kernels and exponents", "3 layers", "rank", "a file in this directory"]


def lines_of(done):
    """[passed], after a look at what each line says."""
    lines = done.stdout.splitlines()
    assert len(lines) == len(CHECKS) and all(map(str.__contains__, lines, CHECKS)), done
    assert max(map(len, lines)) <= 80, done
    return [line.split()[0] == "ok" for line in lines]


@pytest.mark.parametrize(
    "ranks",
    (1, 2, pytest.param(4, marks=pytest.mark.full), pytest.param(9, marks=pytest.mark.full)),
)
def test_a_good_installation_passes(folder, ranks):
    """Nine ranks have more than there are blocks of tokens."""
    done = chorale(["--self-test"], ranks, cwd=folder)
    assert lines_of(done) == [True] * 4 and not done.stderr, done
    assert f"{ranks} rank" in done.stdout and os.listdir(folder) == []


@pytest.mark.full
@pytest.mark.parametrize(
    "wrong, failed", (("kernel", 0), ("layer", 1), ("ranks", 2), ("file", 3), ("none", None))
)
@pytest.mark.parametrize("ranks", (2, 4))
def test_it_fails_where_something_is_wrong(folder, ranks, wrong, failed):
    done = chorale([wrong], ranks, cwd=folder, program=HOOK, check=False)
    assert lines_of(done) == [i != failed for i in range(4)], done
    said = ["chorale: error: --self-test: 1 of 4 checks failed"]
    assert [line.split(" (")[0] for line in spoken(done)] == said[: failed is not None], done
    assert done.returncode == (failed is not None) and os.listdir(folder) == []


def test_a_directory_without_room_is_one_line(folder):
    done = chorale(
        ["-c", "ulimit -f 1; exec $CHORALE --self-test"], cwd=folder, program="bash", check=False
    )
    assert done.returncode == 1 and len(spoken(done)) == 1, done
    assert "chorale-self-test." in done.stderr and "File too large" in done.stderr, done


def test_the_stored_numbers_are_those_of_a_run(folder):
    """The same layers as a study: what the check compares with is not only what it computes."""
    keys = dict(tokens_count=2000, tokens_dim=3, mlp_width=64, mlp_bias_u=0.3, mlp_bias_w=0.2)
    keys.update(mlp_activation="tanh", attention_beta=2, ensemble_seed=5, layers_depth=3)
    keys.update(layers_horizon=0.3, attention_engine="direct", output_file="run.h5")
    chorale(["simulate"] + options(**keys), cwd=folder)
    source = os.path.join(os.environ["CHORALE_SOURCE"], "src/study/self_test.c")
    with open(source, encoding="utf-8") as file:
        (line,) = [line for line in file if "PetscReal energy = " in line]
    numbers = [float(word.split()[0].rstrip(";,")) for word in line.split(" = ")[1:]]
    with h5py.File("run.h5", "r") as file:
        found = [file[f"observables/{name}/value"][-1, 0] for name in ("energy", "order")]
    assert abs(found[0] - numbers[0]) < 1e-13 and abs(found[1] - numbers[1]) < 1e-14, found
