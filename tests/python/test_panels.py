"""tools/plot --panel: single panels for a paper, of every study: their size, fonts, styles; several
runs over each other."""

import re
import shutil

import h5py
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tools
from PIL import Image
from studies import STUDIES as NAMES

from chorale import io
from chorale.plot import drawing, files, panels
from chorale.plot.common import LOOK

OTHERS = ("moments", "starts", "sphere", "kernel")
STYLE = "lines.linewidth: 3\naxes.prop_cycle: cycler('color', ['123456', 'abcdef'])\n"


@pytest.fixture(autouse=True)
def as_it_was():
    yield
    LOOK.use("light")
    plt.close("all")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("circle", "limits") else [pytest.mark.full])
        for name in (*NAMES, *OTHERS)
    ],
)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_panel_of_every_study_is_drawn_alone(runs, name, theme):
    """In its width, with both axes named, in small type, without a title."""
    with io.open(runs.path(name)) as run:
        every = panels.STUDIES[run.study](run)
        assert len(every) > 1
        for panel in every:
            figure = drawing.drawn(run, panel, theme, "86mm")
            axes = figure.axes[0]
            assert abs(figure.get_figwidth() - 8.6 / 2.54) < 1e-12
            assert axes.get_title() == "" and axes.get_xlabel()
            assert axes.get_ylabel(), panel
            sizes = [text.get_fontsize() for text in axes.findobj(matplotlib.text.Text)]
            assert max(sizes) <= 8, panel
            assert max([line.get_linewidth() for line in axes.lines], default=0) <= 1.5, panel
            plt.close(figure)


def test_a_panel_has_the_width_that_is_asked_for_in_all_formats(have, folder):
    have("alone")
    words = ("--panel", "energy", "--width", "3.4in", "--format", "pdf,svg,png", "alone.h5")
    code, out, err = tools.run("plot", *words)
    names = [f"alone-energy.{ending}" for ending in ("pdf", "svg", "png")]
    assert (code, out.split(), err) == (0, names, "")
    pdf = (folder / names[0]).read_bytes()
    box = [float(word) for word in re.search(rb"/MediaBox \[([^]]*)\]", pdf)[1].split()]
    assert abs(box[2] - 3.4 * 72) < 0.1
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf  # embedded TrueType
    svg = (folder / names[1]).read_text(encoding="utf-8")
    assert 'width="244.8pt"' in svg and "<text" not in svg  # outlines: no font is needed
    with Image.open(folder / names[2]) as image:
        assert image.width == 1020


def test_a_style_file_has_the_last_word(have, folder):
    have("alone")
    (folder / "paper.mplstyle").write_text(
        STYLE + "font.size: 5\naxes.labelsize: 5\nfigure.figsize: 4, 2\n", encoding="ascii"
    )
    with io.open("alone.h5") as run:
        figure = drawing.drawn(run, "energy", style="paper.mplstyle", width="4in")
    axes = figure.axes[0]
    widths = {line.get_label(): line.get_linewidth() for line in axes.lines}
    assert widths["mean of the realizations"] == 3 and axes.xaxis.label.get_fontsize() == 5
    colours = {line.get_label(): line.get_color() for line in axes.lines}
    assert colours["mean of the realizations"] == "#123456"
    assert tuple(figure.get_size_inches()) == (4, 2) and LOOK.blue != "#123456"
    code, out, err = tools.run("plot", "alone.h5", "--style", "ggplot", "--panel", "order")
    assert (code, out, err) == (0, "alone-order.png\n", "")


@pytest.mark.parametrize(
    "words, said",
    [
        ("--panel x", "--panel x: alone.h5 has energy, order, cosines, clusters"),
        ("--panel energy --width 3px", "--width 3px: must be a length from 0.5in to 40in"),
        ("--panel energy --width 0.1in", "--width 0.1in: must be a length from 0.5in to 40in"),
        ("--panel energy --style none", "--style none: no such file"),
        ("--panel energy --movie", "--movie shows tokens: take it without --panel"),
        ("--panel x --together alone.h5", "--panel x: these runs have in common energy, order, "),
        ("--panel energy alone/realization_00000.h5md", "panels are those of results"),
    ],
)
def test_what_is_no_panel_is_refused_in_one_line(have, runs, folder, words, said):
    have("alone")
    (folder / "alone").mkdir()
    trajectory = runs.path("circle").with_suffix("") / "realization_00000.h5md"
    shutil.copy(trajectory, folder / "alone")
    shown = ["-o", "x.png"] if "h5md" in words else ["alone.h5"]
    before = sorted(folder.rglob("*"))
    code, out, err = tools.run("plot", *words.split(), *shown)
    assert (code, out) == (2, "") and said in err and err.count("\n") == 1, err
    assert sorted(folder.rglob("*")) == before


def variants(runs, folder, name):
    """Three results of a study that seem to differ in two keys, given out of their order."""
    made = []
    for number in (100, 9, 20):
        path = folder / f"{name}{number}.h5"
        shutil.copy(runs.path(name), path)
        with h5py.File(path, "r+") as file:
            file["parameters"].attrs["attention_value"] = str(number)
            file["parameters"].attrs["ensemble_seed"] = str(number + 1)
        made.append(path.name)
    return made


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("sync", "limits") else [pytest.mark.full])
        for name in ("circle", "sync", "limits", "chaos", "density", "analyze")
    ],
)
def test_runs_of_any_study_are_drawn_over_each_other(runs, folder, monkeypatch, name):
    """The legend names every key that differs, in the order of numbers."""
    monkeypatch.setattr("chorale.plot.common.DPI", 40)
    made = variants(runs, folder, name)
    code, out, err = tools.run("plot", "--together", *made)
    assert (code, out, err) == (0, "together.png\n", "")
    with files.opened(made) as opened:
        panel = "w2sq" if name == "chaos" else "depth" if name == "limits" else "energy"
        figure = drawing.several(opened, panel, "3.4in")
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == [f"v = {v}, seed = {v + 1}" for v in (9, 20, 100)]
    assert figure.get_figwidth() == 3.4 and figure.axes[0].get_ylabel()
    code, out, err = tools.run("plot", "--together", "--panel", panel, *made, "--format", "pdf")
    assert (code, out, err) == (0, f"together-{panel}.pdf\n", "")


def test_curves_of_limits_are_the_errors_of_the_table(runs):
    with io.open(runs.path("limits")) as run:
        table = run.table()
        curve = files.together.overlay.of_depth(run)
        most = table["tokens"].max()
        rows = (table["tokens"] == most) & np.isinf(table["width"])
    np.testing.assert_array_equal(curve.x, np.sort(table["depth"][rows]))
    order = np.argsort(table["depth"][rows])
    np.testing.assert_array_equal(curve.mean, table["error"][rows][order])


def test_maps_and_tables_are_not_drawn_together(runs):
    for name in ("map", "kernel"):
        code, out, err = tools.run("plot", "--together", runs.path(name), runs.path(name))
        assert (code, out) == (2, "") and err.count("\n") == 1 and "--together draws" in err, err
