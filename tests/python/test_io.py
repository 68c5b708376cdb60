"""chorale.io, the reader: what it says of files of every study is what is in them; its recipes run
as they stand in its documentation; chorale_io is another name of it."""

import glob
import os
import re
from pathlib import Path

import chorale_io
import h5py
import numpy as np
import pytest
from run import chorale, options
from studies import STUDIES

from chorale import io


@pytest.mark.parametrize("name", STUDIES)
def test_parameters_are_those_of_the_file(runs, name):
    path = runs.path(name)
    with io.open(path) as run, h5py.File(path, locking=False) as file:
        (study,) = file["study"]
        assert (run.kind, run.study, run.complete) == ("results", study, True)
        keys = {key: io.text(value) for key, value in file["parameters"].attrs.items()}
        assert run.parameters == keys


def columns_on_the_page(study):
    """Of the study's table, as tools/README.md has them."""
    page = (Path(os.environ["CHORALE_SOURCE"]) / "tools" / "README.md").read_text(encoding="utf-8")
    return re.search(rf"^\| `{study}` \| `(\S+)`", page, re.MULTILINE)[1].split(",")


@pytest.mark.parametrize("name", STUDIES)
def test_the_table_is_that_of_the_study(runs, name):
    path = runs.path(name)
    with io.open(path) as run, h5py.File(path, locking=False) as file:
        table, data = run.table(), file[f"study/{run.study}"]
        for column, values in table.items():
            if column in data:
                assert np.array_equal(values, data[column][:], equal_nan=True), column
        declared = io.text(data.attrs["columns"]).split(",")
    assert list(table) == declared
    if name != "map":  # analyze measures no distances here
        assert declared == columns_on_the_page("simulate" if name == "analyze" else run.study)


def test_columns_of_a_file_that_does_not_say_them(have):
    """Of version 0.5.0."""
    have("sync")
    with io.open("sync.h5") as run:
        columns = set(run.table())
    with h5py.File("sync.h5", "r+") as file:
        del file["study/sync"].attrs["columns"]
    with io.open("sync.h5") as run:
        table = run.table()
    assert columns <= set(table) and len({len(values) for values in table.values()}) == 1


@pytest.fixture(name="recorded")
def recorded_run(runs):
    """Open results with trajectories, every fifth of 12 layers, and the file of realization 0."""
    path = runs.path("every_fifth")
    positions = path.with_suffix("") / "realization_00000.h5md"
    with io.open(path) as run, h5py.File(positions, locking=False) as file:
        yield run, file["particles/all/position/value"][:]


def test_observables_have_steps_units_and_descriptions(recorded):
    run, _ = recorded
    energy = run.observables["energy"]
    assert energy.values().shape == (4, 2) and list(energy.step) == [0, 5, 10, 12]
    assert energy.unit == "1" and "E_beta" in energy.description
    mean = energy.values().mean(axis=1)
    np.testing.assert_allclose(mean, run.ensemble["energy"].mean, rtol=1e-14)


def test_parameters_are_numbers_where_they_are_asked_for_as_such(recorded):
    run, _ = recorded
    assert run.parameters.integer("tokens_count") == 40
    assert run.parameters.real("layers_horizon") == 1 and run.realizations == [0, 1]


def test_positions_come_by_frame_by_step_and_by_slabs(recorded):
    run, value = recorded
    energy, found = run.observables["energy"], run.trajectory(0)
    for i, frame in enumerate(found):
        assert (frame.position == value[i]).all() and frame.step == energy.step[i]
    assert (found[-1] == value[3]).all() and (found.at(step=10) == value[2]).all()
    slabs = [x for _, x in found.slabs(1, size=200)]
    assert len(slabs) > 1 and (np.concatenate(slabs) == value[1]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda run: run.trajectory(0)[4],
        lambda run: run.trajectory(0).at(step=3),
        lambda run: run.trajectory(7),
    ],
    ids=["frame", "step", "realization"],
)
def test_what_is_not_recorded_is_refused_in_one_line(recorded, wrong):
    run, _ = recorded
    with pytest.raises(io.BadFile) as error:
        wrong(run)
    folder = run.path.removesuffix("every_fifth.h5")
    assert str(error.value).startswith(folder) and "\n" not in str(error.value)


def recipes():
    """{title: program} of the documentation."""
    found = re.findall(r"^(\S.*):\n\n((?:    .*\n|\n)+)", io.__doc__, re.MULTILINE)
    return {title: re.sub("^    ", "", block, flags=re.M) for title, block in found}


@pytest.fixture(name="sweep")
def sweep_over_beta(folder):
    """Two runs and a sweep as the recipes want them."""
    (folder / "sweep").mkdir()
    keys = {"layers_depth": 100, "tokens_count": 8, "mlp_width": 8, "output_trajectories": 1}
    for beta in (1, 3):
        more = {"attention_beta": beta, "output_file": f"sweep/{beta}.h5", "progress": "off"}
        chorale(["simulate", *options(**keys, **more)])
    lists = {"attention_beta": "1,3", "attention_value": "lin:-1:1:3"}
    keys = {**keys, **lists, "output_trajectories": 0}
    chorale(["simulate", *options(**keys, output_file="sweep.h5", progress="off")])
    return folder


def test_recipes_run_as_they_stand(sweep):
    """That for pandas and xarray: below."""
    found = recipes()
    assert len(found) == 5, found
    scope = {"io": io, "glob": glob, "np": np}
    for title, program in found.items():
        if "pandas" not in title:
            exec(program.replace('"simulate.h5"', '"sweep/1.h5"'), scope)
    cosine, beta, energy = (scope[name] for name in ("cosine", "beta", "energy"))
    curve = scope["curve"]
    assert cosine.shape == (8, 8) and np.allclose(np.diag(cosine), 1)
    assert list(beta) == [1, 3] and (energy > 0).all() and len(curve) == 101


@pytest.mark.full
def test_the_recipe_for_pandas_and_xarray_runs_as_it_stands(folder):
    reason = "not installed (tools/install-deps all installs python3-pandas and python3-xarray)"
    pandas = pytest.importorskip("pandas", reason=f"pandas is {reason}")
    xarray = pytest.importorskip("xarray", reason=f"xarray is {reason}")
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 10, "ensemble_realizations": 3}
    chorale(["simulate", *options(**keys, output_file="simulate.h5", progress="off")])
    scope = {"io": io, "pandas": pandas, "xarray": xarray}
    exec(recipes()["For pandas and xarray"], scope)
    frame, array = scope["frame"], scope["array"]
    assert list(frame.columns) == columns_on_the_page("simulate") and len(frame) == 11
    assert array.sizes == {"time": 11, "realization": 3} and array.attrs["units"] == "1"
    mean = array.mean("realization").values
    np.testing.assert_allclose(mean, frame["energy_mean"], rtol=1e-12)


def test_chorale_io_is_another_name_of_the_reader():
    for name in io.__all__:
        assert getattr(chorale_io, name) is getattr(io, name), name


def bytes_read():
    """By this process so far."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])


def test_what_is_there_is_told_without_the_index_of_all_chunks(folder):
    with h5py.File("frames.h5md", "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/all/position")
        group["step"], group["time"] = np.arange(20000), np.arange(20000.0)
        group.create_dataset("value", (20000, 1, 2), chunks=(1, 1, 2), maxshape=(None, 1, 2))
        for frame in range(20000):
            group["value"][frame] = 1
    with io.open("frames.h5md") as run:
        before = bytes_read()
        names = [f"particles/all/position/{name}" for name in ("step", "time", "value")]
        assert list(run.datasets()) == names
        assert bytes_read() - before < 100000  # the index has more than a million
