"""Sweeps in the tools: axes and cells in the reader, pictures, info."""

import numpy as np
import pytest
import tools
from run import chorale, options

from chorale import io
from chorale.errors import BadFile

KEYS = dict(tokens_count=16, layers_depth=4, mlp_width=8, ensemble_realizations=2, progress="off")
BETA, VALUE = "4,0.5,1", "lin:-1:1:3"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with sweeps over one key, over two and over words, and the single run of a cell."""
    folder = tmp_path_factory.mktemp("sweeps")
    for name, lists in {
        "one": dict(attention_beta=BETA),
        "two": dict(attention_beta=BETA, attention_value=VALUE),
        "words": dict(attention_type="softmax,l2"),
        "single": dict(attention_beta="0.5", attention_value="1"),
    }.items():
        chorale(["simulate"] + options(**KEYS, **lists, output_file=f"{name}.h5"), cwd=folder)
    return folder


def test_the_reader_knows_the_axes(swept):
    with io.open(swept / "two.h5") as run:
        assert list(run.sweep) == ["attention_beta", "attention_value"]
        assert run.sweep["attention_beta"].tolist() == [4, 0.5, 1]
        assert run.table()["energy_mean"].shape == (3, 3, 5)
    with io.open(swept / "words.h5") as run:
        assert run.sweep["attention_type"].tolist() == ["softmax", "l2"]
    with io.open(swept / "single.h5") as run:
        assert not run.sweep


def test_a_cell_is_read_as_the_run_that_it_is(swept):
    with io.open(swept / "two.h5") as run, io.open(swept / "single.h5") as single:
        cell = run.cell(1, 2)
        for key in ("attention_beta", "attention_value"):
            assert cell.parameters.real(key) == single.parameters.real(key)
        for name, column in single.table().items():
            assert np.array_equal(cell.table()[name], column, equal_nan=True), name
        for name, seen in single.observables.items():
            assert np.array_equal(cell.observables[name].values(), seen.values()), name
        assert cell.study_values.keys() == single.study_values.keys()
        assert cell.complete
        with pytest.raises(BadFile, match="has no cell"):
            run.cell(3, 0)


def test_a_sweep_as_pandas_has_the_rows_of_all_cells(swept):
    pytest.importorskip("pandas")
    with io.open(swept / "two.h5") as run, io.open(swept / "single.h5") as single:
        frame, expected = run.to_pandas(), single.to_pandas()
    assert list(frame)[:2] == ["attention_beta", "attention_value"] and len(frame) == 9 * 5
    mine = frame[(frame.attention_beta == 0.5) & (frame.attention_value == 1)]
    for name in expected:
        assert np.array_equal(mine[name], expected[name], equal_nan=True), name


def test_a_sweep_as_xarray_has_its_keys_as_dimensions(swept):
    pytest.importorskip("xarray")
    for name, cell in (
        ("two", {"attention_beta": 0.5, "attention_value": 1}),
        ("words", {"attention_type": "softmax"}),
    ):
        with io.open(swept / f"{name}.h5") as run:
            made = run.to_xarray()
            index = [list(values).index(cell[key]) for key, values in run.sweep.items()]
            energy = run.cell(*index).observables["energy"]
            for key, values in run.sweep.items():
                assert made[key].values.tolist() == values.tolist()
            found = made["energy"].sel(cell)
            assert found.dims == ("time", "realization")
            assert np.array_equal(found.values, energy.values()), name
            assert found.time.values.tolist() == energy.time.tolist()


@pytest.mark.parametrize("name", ["one", "two", "words"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_sweep_has_a_picture(swept, folder, name, theme):
    words = ("plot", swept / f"{name}.h5", "--theme", theme, "-o", "picture.png")
    assert tools.run(*words) == (0, "picture.png\n", "")
    assert tools.run(*words, "--quantity", "energy_mean") == (0, "picture.png\n", "")


def test_curves_are_in_the_order_of_numbers(swept):
    from chorale.plot import sweep

    with io.open(swept / "one.h5") as run:
        drawn = sweep.figure(run).figure
        labels = [words.get_text() for words in drawn.axes[0].get_legend().get_texts()]
        assert labels == ["β = 0.5", "β = 1", "β = 4"]
        ends = run.study_data["order_mean"][:, -1]
        line = drawn.axes[1].get_lines()[0]
        assert line.get_xdata().tolist() == [0.5, 1, 4]
        assert line.get_ydata().tolist() == [ends[1], ends[2], ends[0]]


def test_a_map_has_its_cells_in_their_places(swept):
    from chorale.plot import sweep

    with io.open(swept / "two.h5") as run:
        drawn = sweep.figure(run, "energy_mean").figure
        image = drawn.axes[0].collections[0].get_array().reshape(3, 3)  # rows: values
        ends = run.study_data["energy_mean"][:, :, -1]
        assert np.array_equal(image, ends[[1, 2, 0]].T)


@pytest.mark.parametrize(
    "name, quantity, words",
    [("two", "nothing", "has no number nothing"), ("single", "energy_mean", "is not a sweep")],
)
def test_a_wrong_quantity_is_refused(swept, folder, name, quantity, words):
    code, out, err = tools.run("plot", swept / f"{name}.h5", "--quantity", quantity)
    assert (code, out) == (2, "") and words in err and err.count("\n") == 1


def test_info_tells_the_axes(swept):
    code, out, err = tools.run("info", swept / "two.h5")
    assert (code, err) == (0, "")
    assert "attention_beta, 3 values from 4 to 1" in out
    assert "3 x 3 x 5 x 2" in out
