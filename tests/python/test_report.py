"""tools/report: pages of files of every study, of runs that are not complete and of a sweep:
well-formed, of one piece, with the numbers of the files. tools/plot --together; refusals. In a
browser: test_browser.py."""

import math
import re
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tools
from html_page import Page
from run import chorale, options
from studies import RUNS, in_two_tiers

from chorale import io
from chorale.plot import files, together
from chorale.report import content, page

# Two runs that differ in their start alone.
LONG = {"mlp_width": 16, "tokens_count": 24, "layers_depth": 24, "layers_horizon": 12}
SWEEP = {"near": {"tokens_init": "vmf"}, "far": {"output_trajectories": 1}}


def read(path):
    """A page that a tool wrote."""
    return Page(path.read_text(encoding="utf-8"))


def written(*files):
    """The page of these files, by the functions of the tool."""
    files = [str(file) for file in files]
    body = content.sweeps(files) if len(files) > 1 else ""
    for file in files:
        body += content.section(file, len(files) == 1)
    return Page(page.document("a page", body))


def same(found, expected):
    """Numbers to the last bit; NaN is NaN."""
    pairs = list(zip(found, map(float, expected)))
    return len(found) == len(expected) and all(
        a == b or math.isnan(a) and math.isnan(b) for a, b in pairs
    )


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Written faster, and in one theme."""
    monkeypatch.setattr(content, "DPI", 25)
    monkeypatch.setattr(content, "THEMES", ("light",))


@pytest.fixture(scope="module")
def pages(runs):
    """pages(name): the page of a shared run, made once."""
    made = {}

    def of(name):
        if name not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(content, "DPI", 25)
                patch.setattr(content, "THEMES", ("light",))
                made[name] = written(runs.path(name))
        return made[name]

    return of


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A folder with two runs of which one starts near its end."""
    folder = tmp_path_factory.mktemp("sweep")
    for name, more in SWEEP.items():
        keys = {**LONG, **more, "ensemble_realizations": 4, "output_file": f"{name}.h5"}
        chorale(["simulate", *options(**keys, progress="off")], cwd=folder)
    return folder


def expect_table(found, run):
    """Every number of the printed table."""
    table = {head: values for head, values in run.table().items() if np.ndim(values) == 1}
    shown = found.columns(*table)
    for head, values in table.items():
        if head == "activation":
            assert shown[head] == [str(value) for value in values]
        else:
            assert same(shown[head], values), head


def expect_numbers(found, run):
    """Every number of the study that is not the end of an interval."""
    numbers = {
        key: value
        for key, value in run.study_values.items()
        if isinstance(value, float) and not key.endswith(("_low", "_high"))
    }
    if numbers:
        columns = found.columns("quantity", "value")
        shown = dict(zip(columns["quantity"], columns["value"]))
        for key, value in numbers.items():
            assert same([shown[key]], [value]), key


@pytest.mark.parametrize("name", in_two_tiers())
def test_a_page_has_every_number_of_its_file_to_the_last_bit(runs, pages, name):
    found = pages(name)
    with io.open(runs.path(name)) as run:
        expect_table(found, run)
        expect_numbers(found, run)
        parameters = found.columns("key", "value")
        assert dict(zip(parameters["key"], parameters["value"])) == run.parameters
        assert run.provenance["command_line"] in found.text and run.deck.strip() in found.text


@pytest.mark.parametrize("name", in_two_tiers())
def test_a_page_is_of_one_piece_and_has_its_picture(pages, name):
    found = pages(name)
    assert found.images == 1 and "No picture" not in found.text
    inside = ("data:image/png;base64,", "#")
    outside = [address for address in found.addresses if not address.startswith(inside)]
    assert outside == [page.PAPER], outside
    assert len(re.findall("https?://", found.source)) == 1


@pytest.mark.parametrize(
    "name, quantity",
    [
        ("far", "energy at t = 0"),
        ("density", "|mass − 1|, at most"),
        ("sync", "λ1 of twin tokens"),
    ],
)
def test_a_page_says_what_agrees_with_theory(pages, sweep, name, quantity):
    found = written(sweep / "far.h5") if name == "far" else pages(name)
    heads = ("quantity", "measured", "± s.e.", "theory", "its value", "s.e. apart", "verdict")
    shown = found.columns(*heads)
    assert "✓ agrees" in shown["verdict"][shown["quantity"].index(quantity)], shown


@pytest.mark.full
def test_a_page_of_analyze_says_what_was_analyzed(pages):
    text, keys = pages("analyze").text, RUNS["circle"][1]
    said = f"N = {keys['tokens_count']}, d = {keys['tokens_dim']}, L = {keys['layers_depth']}"
    assert said in text and "1 realization, seed 1" in text
    assert "not resolved" in text  # by the one realization that was recorded


def test_findings_with_verdicts_are_on_the_page(pages):
    assert "✓" in pages("limits").text + pages("density").text


def test_the_page_of_a_table_has_its_rows(runs):
    rows = runs.path("kernel").read_text(encoding="utf-8").splitlines()[1:]
    dims = [float(row.split(",")[1]) for row in rows]
    assert len(dims) == 12 and set(dims) == {3, 5, 8}
    assert written(runs.path("kernel")).columns("activation", "dim")["dim"] == dims


def test_a_sweep_has_a_row_for_each_file(sweep):
    """With the key that differs and the last mean; tokens that start near gather first."""
    found = written(sweep / "far.h5", sweep / "near.h5")
    rows = found.columns("file", "state", "tokens_init", "until t", "energy")
    assert rows["tokens_init"] == ["uniform", "vmf"] and rows["state"] == ["complete"] * 2
    for name, energy, order in zip(("far", "near"), rows["energy"], rows["order"]):
        with h5py.File(sweep / f"{name}.h5") as file:
            assert energy == file["ensemble/energy/mean"][-1]
            assert order == file["ensemble/order/mean"][-1]
    late, early = rows["t at a tenth of the energy"]
    assert found.images == 1 and early < late, (early, late)


def test_pictures_have_both_themes(sweep, monkeypatch):
    monkeypatch.setattr(content, "THEMES", ("light", "dark"))
    paths = [str(sweep / f"{name}.h5") for name in ("far", "near")]
    drawn, _ = content.draw(lambda: files.together_of(paths), "")
    assert "prefers-color-scheme: dark" in drawn


def test_several_runs_are_drawn_together(sweep, folder):
    for name in SWEEP:
        shutil.copy(sweep / f"{name}.h5", folder)
    code, out, err = tools.run("plot", "--together", "far.h5", "near.h5")
    assert (code, out, err) == (0, "together.png\n", "")
    assert (folder / "together.png").stat().st_size > 20000


def test_the_time_to_a_tenth_and_the_rate_from_there():
    """Of c e^{-rt} a tenth is reached at log 10 / r. Late means that are not known do not count."""
    time = np.linspace(0, 9, 91)
    energy = SimpleNamespace(time=time, mean=0.7 * np.exp(-1.3 * time), sem=np.full(91, np.nan))
    np.testing.assert_allclose(together.decay(energy), (math.log(10) / 1.3, 1.3), rtol=1e-12)
    energy.sem = np.where(time > 4, 0.2, 0.01) * energy.mean
    energy.mean[time > 4] *= 0.1
    np.testing.assert_allclose(together.decay(energy), (math.log(10) / 1.3, 1.3), rtol=1e-12)
    energy.mean = 1 / (1 + 0.1 * time)
    assert np.isnan(together.decay(energy)).all()


def test_formulas_of_pictures_become_html():
    formula = "W<sub>2</sub><sup>2</sup> &lt; MMD<sup>2</sup>"
    good = '<span class="good">✓</span>'
    assert page.formulas("$W_2^2$ < MMD$^2$ ✓") == f"{formula} {good}"
    plain = page.plain("$-\\bar\\lambda'(\\beta)$ is $4\\cdot10^{-5}$")
    assert plain == "−λ\u0304’(β) is 4·10−5"


@pytest.fixture(name="some")
def some_files(sweep, folder):
    """A folder with results that are not complete, and a file that cannot be read."""
    (folder / "some").mkdir()
    shutil.copy(sweep / "far.h5", folder / "some/partial.h5")
    with h5py.File(folder / "some/partial.h5", "r+") as file:
        file["provenance"].attrs["complete"] = "false"
        for group in file["observables"].values():
            group["value"][9:] = np.nan
    (folder / "some/text.h5").write_text("not HDF5", encoding="utf-8")
    return folder / "some"


def test_a_report_of_a_folder_says_what_is_not_complete_and_what_it_skipped(some):
    code, out, err = tools.run("report", some)
    assert (code, out) == (0, f"{some}/report.html\n")
    assert err == f"report: skipped {some}/text.h5: not an HDF5 file\n"
    text = read(some / "report.html").text
    assert "INCOMPLETE (running or stopped): 0 of 4 realizations, t = 4 of 12" in text
    assert "Skipped: " in text and "-checkpoint_resume" in text


def test_a_report_with_a_run_that_is_not_complete_among_others(some, sweep):
    (some / "text.h5").unlink()
    shutil.copy(sweep / "near.h5", some)
    code, _, err = tools.run("report", some)
    assert (code, err) == (0, "")
    rows = read(some / "report.html").columns("file", "state")
    assert rows["state"] == ["incomplete", "complete"]  # tokens_init: uniform, vmf


@pytest.mark.parametrize(
    "name, words",
    [
        ("report", "missing.h5"),
        ("report", "some/text.h5"),
        ("report", "kernel.csv -o no/where.html"),
        ("plot", "--together limits.h5 far.h5"),
        ("plot", "--together far.h5"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_one_line(some, folder, have, sweep, name, words):
    have("kernel", "limits")
    shutil.copy(sweep / "far.h5", folder)
    before = sorted(folder.rglob("*"))
    code, out, err = tools.run(name, *words.split())
    assert (code, out) == (2, "") and err.startswith(f"{name}: ") and err.count("\n") == 1, err
    assert sorted(folder.rglob("*")) == before


def test_help_tells_the_exit_codes():
    code, out, _ = tools.run("report", "--help")
    assert code == 0 and "exit codes" in out
