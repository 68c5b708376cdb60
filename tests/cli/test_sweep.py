"""Sweeps: lists of keys that take one value. Each cell has the bits of the single run with its
values; the same bits on any number of ranks and groups and over stops; what cannot be swept is
refused."""

import itertools
import os

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, same_bits, table

SMALL = {
    "simulate": dict(tokens_count=300, layers_depth=6, mlp_width=16, output_every=2),
    "sync": dict(
        tokens_count=40, layers_depth=6, noise_type="spectral", noise_degree=5, scheme_type="flow"
    ),
    "limits": dict(tokens_count="16,32", layers_depth="4,8", mlp_width="inf", noise_degree=5),
    "chaos": dict(
        tokens_dim=2,
        tokens_count="32,64",
        chaos_reference=128,
        layers_depth=4,
        noise_type="spectral",
        noise_degree=4,
        scheme_type="euler",
    ),
    "spde": dict(
        tokens_dim=2,
        tokens_count=64,
        spde_degree=16,
        spde_tol=0.9,
        layers_depth=4,
        layers_horizon=0.05,
        noise_type="spectral",
        noise_degree=4,
    ),
}
SHARED = ("columns", "interval_factor")  # attributes that all cells have alike
RUN = dict(ensemble_realizations=2, progress="off", output_file="sweep.h5")
BETA, VALUE = ("0.5", "2"), ("-1", "0", "1")
SWEEP = dict(attention_beta=",".join(BETA), attention_value=",".join(VALUE))


def study_of(path):
    """Arrays, numbers and texts of a single run, by the path that they have in a sweep."""
    found = datasets(path)
    with h5py.File(path, "r") as file:
        for name, group in file["study"].items():
            for key, value in group.attrs.items():
                if key not in SHARED:
                    found[f"study/{name}/{key}"] = value
    return found


def plain(value):
    value = np.asarray(value)
    if value.dtype.kind in "SOU":
        return [v.decode() if isinstance(v, bytes) else str(v) for v in value.ravel()]
    return value.tobytes()


def check_cells(study, keys, axes, folder, sweep="sweep.h5"):
    """Every cell of folder/sweep against the single run."""
    with h5py.File(folder / sweep, "r") as file:
        seen = {name for name in datasets(folder / sweep) if not name.startswith("sweep/")}
        for index in itertools.product(*(range(len(values)) for values in axes.values())):
            cell = {key: values[i] for i, (key, values) in zip(index, axes.items())}
            name = "cell" + "".join(map(str, index)) + ".h5"
            chorale([study] + options(**{**keys, **RUN, **cell, "output_file": name}), cwd=folder)
            single = study_of(folder / name)
            assert single.keys() <= seen
            for path in seen - single.keys():  # not measured in this cell
                value = file[path][index]
                assert not value if file[path].dtype.kind in "SO" else np.isnan(value).all(), path
            for path, value in single.items():
                assert plain(file[path][index]) == plain(value), (path, index)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A sweep of simulate on one rank, and its datasets."""
    folder = tmp_path_factory.mktemp("sweep")
    words = ["simulate"] + options(**SMALL["simulate"], **RUN, **SWEEP, output_table="sweep.csv")
    done = chorale(words, cwd=folder)
    return folder, words, done.stdout


def test_every_cell_is_the_single_run(small):
    folder, _, _ = small
    axes = {"attention_beta": BETA, "attention_value": VALUE}
    check_cells("simulate", SMALL["simulate"], axes, folder)


def test_axes_are_scales(small):
    with h5py.File(small[0] / "sweep.h5", "r") as file:
        assert list(file["sweep"].attrs["keys"]) == [b"attention_beta", b"attention_value"]
        assert file["sweep/attention_beta"][()].tolist() == [0.5, 2]
        assert h5py.h5ds.is_scale(file["sweep/attention_value"].id)
        energy = file["observables/energy/value"]
        assert energy.shape == (2, 3, 4, 2)
        assert energy.dims[1][0] == file["sweep/attention_value"]
        assert file["parameters"].attrs["attention_beta"] == b"0.5,2"


def test_the_printed_table_has_a_row_for_each_cell(small):
    lines = small[2].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("attention_beta"))
    assert lines[first].split()[:4] == [
        "attention_beta",
        "attention_value",
        "energy_mean",
        "energy_sem",
    ]
    assert [line.split()[:2] for line in lines[first + 1 :]] == [
        [b, v] for b in BETA for v in VALUE
    ]
    rows = table(small[0] / "sweep.csv")
    assert len(rows) == 6 * 4 and list(rows[0])[:4] == [
        "attention_beta",
        "attention_value",
        "step",
        "time",
    ]
    with h5py.File(small[0] / "sweep.h5", "r") as file:
        mean = file["study/simulate/energy_mean"][()]
    assert [float(row["energy_mean"]) for row in rows] == mean.ravel().tolist()


@pytest.mark.parametrize(
    "ranks, groups",
    [(4, 2), *(pytest.param(*grid, marks=pytest.mark.full) for grid in ((2, "auto"), (4, 4)))],
)
def test_same_bits_on_any_ranks(small, folder, ranks, groups):
    chorale(small[1] + options(ensemble_groups=groups), ranks=ranks, cwd=folder)
    assert not same_bits(datasets(small[0] / "sweep.h5"), datasets("sweep.h5"))


def test_its_deck_runs_again(small, folder):
    with h5py.File(small[0] / "sweep.h5", "r") as file, open("again.yaml", "wb") as deck:
        deck.write(file["parameters/deck"][()])
    chorale(["simulate", "again.yaml"], cwd=folder)
    assert not same_bits(datasets(small[0] / "sweep.h5"), datasets("sweep.h5"))


RESUME = options(checkpoint_resume=True, checkpoint_every=0)


# of 6 cells of 2 realizations of 6 steps: number 5 is realization 1 of cell 2
@pytest.mark.parametrize(
    "ranks, again, hook",
    [
        (2, 4, "5 3 0 kill"),
        pytest.param(4, 1, "8 1 -1 kill", marks=pytest.mark.full),
        pytest.param(1, 2, "11 5 0 kill", marks=pytest.mark.full),
    ],
)
def test_killed_and_resumed(small, folder, ranks, again, hook):
    if ranks > 1:
        hook = hook.replace(" 0 kill", " -1 kill")
    words = small[1] + options(checkpoint_every=1)
    chorale(words, ranks=ranks, cwd=folder, check=False, hook=hook)
    assert os.path.exists("sweep/checkpoint.h5")
    with h5py.File("sweep.h5", "r") as file:
        assert file["provenance"].attrs["complete"] == b"false"
        assert file["observables/energy/value"].shape == (2, 3, 4, 2)
    chorale(words + RESUME, ranks=again, cwd=folder)
    assert not same_bits(datasets(small[0] / "sweep.h5"), datasets("sweep.h5"))


def test_a_finished_cell_is_not_computed_again(small, folder):
    words = small[1] + options(checkpoint_every=1)
    chorale(words, cwd=folder, check=False, hook="5 3 0 kill")
    with h5py.File("sweep/checkpoint.h5", "r") as file:
        finished = np.flatnonzero(file["status/step"][()] == 6)
    assert len(finished) > 4
    hook = "; ".join(f"{item} -1 -1 kill" for item in finished)  # were it to take a step again
    chorale(words + RESUME, cwd=folder, hook=hook)
    assert not same_bits(datasets(small[0] / "sweep.h5"), datasets("sweep.h5"))


@pytest.mark.parametrize("bias, team", [("0", 6), ("0,1", 3)])
def test_cells_that_draw_the_same_go_side_by_side(folder, bias, team):
    """When one has done its fourth step, all others of its team have done three."""
    keys = dict(SMALL["simulate"], **RUN, mlp_bias_u=bias, mlp_activation="relu,tanh,sigmoid")
    if team == 6:
        keys.update(attention_beta="1,2")
    keys.update(ensemble_realizations=1, checkpoint_every=1)
    told = chorale(["simulate", "-dry_run"] + options(**keys), cwd=folder).stdout
    assert f"a layer is drawn once for up to {team} cells" in told
    chorale(["simulate"] + options(**keys), cwd=folder, check=False, hook="-1 4 0 kill")
    with h5py.File("sweep/checkpoint.h5", "r") as file:
        steps = file["status/step"][()].tolist()
    assert sorted(steps) == [0] * (6 - team) + [3] * team


@pytest.mark.full
@pytest.mark.parametrize("study", ["sync", "limits", "chaos", "spde"])
def test_cells_of_other_studies(folder, study):
    keys, axes = SMALL[study], {"attention_value": ("-1", "0", "1")}
    lists = {key: ",".join(values) for key, values in axes.items()}
    chorale([study] + options(**keys, **RUN, **lists), ranks=2, cwd=folder)
    check_cells(study, keys, axes, folder)


@pytest.mark.full
def test_cells_of_words_and_of_other_sizes(folder):
    keys = dict(layers_depth=4, mlp_width=8)
    axes = {
        "tokens_count": ("30", "300"),
        "tokens_dim": ("2", "4"),
        "attention_type": ("softmax", "usa"),
    }
    lists = {key: ",".join(values) for key, values in axes.items()}
    chorale(["simulate"] + options(**keys, **RUN, **lists), ranks=4, cwd=folder)
    check_cells("simulate", keys, axes, folder)


def test_ranges_have_their_ends(folder):
    keys = dict(tokens_count=4, layers_depth=1, mlp_width=4, progress="off")
    lists = dict(attention_beta="log:0.1:10:5", attention_value="lin:-1:0.3:3")
    chorale(["simulate"] + options(**keys, **lists), cwd=folder)
    with h5py.File("simulate.h5", "r") as file:
        beta, value = file["sweep/attention_beta"][()], file["sweep/attention_value"][()]
    assert beta[0] == 0.1 and beta[-1] == 10 and beta[2] == 1
    assert np.allclose(beta, np.geomspace(0.1, 10, 5), rtol=1e-14)
    assert value.tolist() == [-1, -0.35, 0.3]


WRONG = [
    (dict(output_every="1,2"), "takes one value here, not a list"),
    (dict(ensemble_realizations="1,2"), "takes one value here, not a list"),
    (dict(attention_beta="1,1.0"), "has the value 1.0 twice|has the value 1 twice"),
    (dict(attention_beta="1,-2"), "each value must be"),
    (dict(attention_beta="log:0:1:3"), "must be lin:a:b:n or log:a:b:n"),
    (dict(attention_beta="lin:0:1:1"), "must be lin:a:b:n or log:a:b:n"),
    (
        dict(attention_beta="1,2", output_trajectories=1),
        "output_trajectories = 1: must be 0 in a sweep",
    ),
    (
        dict(attention_beta="1,2", ensemble_target="order:0.1", ensemble_realizations=40),
        "ensemble_target = order:0.1: must be empty in a sweep",
    ),
    (dict(layers_depth="10,20"), "changes the number of frames"),
    (dict(noise_type="none", mlp_width="4,8"), "has no effect with noise_type none"),
    (dict(attention_beta="lin:1:2:100", attention_value="lin:1:2:100"), "at most 4096"),
    (
        dict(attention_beta="1,2", attention_value="1,2", tokens_dim="2,3", tokens_count="4,5"),
        "at most 3 keys",
    ),
]


@pytest.mark.parametrize(
    "keys, message",
    WRONG[:4] + [pytest.param(*wrong, marks=pytest.mark.full) for wrong in WRONG[4:]],
)
def test_what_is_refused(folder, keys, message):
    refused(["simulate"] + options(**keys), message, cwd=folder)


def test_merge_refuses_sweeps(small, folder):
    one = small[0] / "sweep.h5"
    words = ["merge", "-merge_files", f"{one},{one}", "-output_file", "both.h5"]
    refused(words, "is a sweep", cwd=folder)
