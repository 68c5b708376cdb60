"""tools/plot: pictures of all studies in both themes and formats, movies, files of runs that are
not complete, refusals. What the pictures compute themselves is checked against closed forms."""

import os
import shutil
import subprocess
import warnings

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tools
from matplotlib.text import Text
from PIL import Image
from run import chorale, options

from chorale import io
from chorale.plot import common, files, kernel, movie, simulate, tokens, verdicts
from chorale.plot.common import LOOK, Series
from chorale.plot.words import short

PAPER = {"light": (255, 255, 255), "dark": (20, 23, 28)}
QUICK = ("circle", "limits", "kernel")
OTHERS = "sync starts density levels chaos map moments sphere beyond bare analyze"
LONGER = (*OTHERS.split(), "density_on_sphere")
SIZED = ("limits", "chaos", "sync", "density")  # whose results are of realizations that are done
CHECKPOINT_OF_STOPPED = "stopped/checkpoint.h5"


@pytest.fixture(autouse=True)
def as_it_was():
    """What a test has set for its pictures does not reach the next one."""
    yield
    LOOK.use("light")
    plt.close("all")


@pytest.fixture
def small_pictures(monkeypatch):
    """They are written faster."""
    monkeypatch.setattr(common, "DPI", 50)


def drawn(path):
    """The Picture of a file."""
    return files.picture_of(str(path))


def headline(picture):
    """The words above a picture, with plain spaces."""
    words = picture.figure._suptitle.get_text()  # pylint: disable=protected-access
    return words.replace("\u00a0", " ")


def caption(picture):
    """The words below a picture, as one line."""
    words = picture.figure._supxlabel.get_text()  # pylint: disable=protected-access
    return words.replace("\u00a0", " ").replace("\n", " ")


def expect_picture(path, theme):
    """A PNG that has its theme's paper at the corner and many colours."""
    with Image.open(path) as image:
        assert image.getpixel((2, 2))[:3] == PAPER[theme], (path, theme)
        assert min(image.size) > 250, path
        assert len(image.convert("RGB").getcolors(1 << 24)) > 200, path


@pytest.mark.parametrize(
    "name, theme",
    [(name, "light" if name == "limits" else "dark") for name in QUICK]
    + [
        pytest.param(name, theme, marks=pytest.mark.full)
        for theme in PAPER
        for name in (LONGER if theme == "dark" else LONGER + QUICK)
    ],
)
def test_every_study_has_a_picture(runs, folder, small_pictures, name, theme):
    path = runs.path(name)
    code, out, err = tools.run("plot", path, "--theme", theme, "-o", "picture.png")
    assert (code, out, err) == (0, "picture.png\n", "")
    expect_picture(folder / "picture.png", theme)


def test_several_files_each_get_a_picture_beside_them(have, folder, small_pictures):
    have("circle", "alone")
    code, out, err = tools.run("plot", "alone.h5", "circle/realization_00000.h5md", "--theme=dark")
    assert (code, err) == (0, "")
    assert out.split() == ["alone.png", "circle/realization_00000.png"]
    for name in out.split():
        expect_picture(folder / name, "dark")


def test_a_picture_is_also_written_as_pdf(have, folder, small_pictures):
    have("alone")
    code, out, err = tools.run("plot", "alone.h5", "--format", "png,pdf")
    assert code == 0 and out.split() == ["alone.png", "alone.pdf"], err
    assert (folder / "alone.pdf").read_bytes()[:5] == b"%PDF-"


@pytest.fixture(name="partial")
def partial_results(runs, folder):
    """circle.h5 as its job had left it when realization 2 had not begun, 1 was at frame 5 and 0 at
    frame 8."""
    shutil.copytree(runs.path("circle").with_suffix(""), folder / "partial")
    shutil.copy(runs.path("circle"), folder / "partial.h5")
    with h5py.File(folder / "partial.h5", "r+") as file:
        file["provenance"].attrs["complete"] = "false"
        for group in file["observables"].values():
            group["value"][:, 2] = np.nan
            group["value"][6:, 1] = np.nan
            group["value"][9:, 0] = np.nan
        del file["particles/realization_00000"]
        link = h5py.ExternalLink("partial/realization_00000.h5md", "/particles/all")
        file["particles/realization_00000"] = link
    with h5py.File(folder / "partial/realization_00000.h5md", "r+") as file:
        file["particles/all/position"].attrs["frames_valid"] = 9
    return folder / "partial.h5"


def test_means_of_an_unfinished_run_end_where_a_begun_realization_does(partial):
    with io.open(partial) as run:
        series, values = Series(run, "energy"), run.observables["energy"].values()
    assert len(series.time) == 9
    assert np.isfinite(series.mean[:6]).all() and np.isnan(series.mean[6:]).all()
    begun = values[:6, :2]
    np.testing.assert_allclose(series.mean[:6], begun.mean(axis=1), rtol=1e-14)
    error = begun.std(axis=1, ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(series.sem[:6], error, rtol=1e-14)
    assert np.isnan(series.low).all()  # two realizations have no interval


def test_the_picture_of_an_unfinished_run_says_how_far_it_is(partial):
    with io.open(partial) as run:
        picture, time = simulate.figure(run), run.observables["energy"].time
    words = headline(picture)
    assert words.startswith("INCOMPLETE (running or stopped): 0 of 3 realizations, t = "), words
    assert f"= {time[-1]:.3g} of 5" in words, words
    assert picture.complete is False and len(picture.findings) == 4
    assert picture.findings[1].startswith("Order rises"), picture


@pytest.mark.parametrize("name", SIZED)
def test_the_picture_of_fewer_realizations_says_how_many_are_done(runs, folder, name):
    shutil.copy(runs.path(name), folder / "fewer.h5")
    with h5py.File(folder / "fewer.h5", "r+") as file:
        there = file["parameters"].attrs["ensemble_realizations"].decode()
        file["parameters"].attrs["ensemble_realizations"] = "24"
        file["provenance"].attrs.update(complete="false", realizations_done=there)
    words = headline(drawn(folder / "fewer.h5"))
    assert words.startswith(f"INCOMPLETE (running or stopped): {there} of 24 realizations\n"), words


def test_together_with_a_run_that_is_not_complete(partial, have, folder, small_pictures):
    have("alone")
    code, out, err = tools.run("plot", "--together", "alone.h5", "partial.h5")
    assert (code, out, err) == (0, "together.png\n", "")


def test_results_trajectory_and_checkpoint_of_a_stopped_run(folder, small_pictures):
    """It stops by a signal after step 7 of 40."""
    keys = {"mlp_width": 16, "layers_depth": 40, "tokens_count": 8, "output_trajectories": 1}
    words = ["simulate", *options(**keys, output_file="stopped.h5", progress="off")]
    stopped = chorale(words, cwd=folder, check=False, hook="0 7 0 signal=10")
    assert stopped.returncode == 85, stopped.stderr
    names = ["stopped.h5", CHECKPOINT_OF_STOPPED, "stopped/realization_00000.h5md"]
    code, out, err = tools.run("plot", *names)
    assert code == 0 and len(out.splitlines()) == 3, err


def frames_of(path):
    """The pictures of a GIF."""
    with Image.open(path) as image:
        pictures = []
        for frame in range(image.n_frames):
            image.seek(frame)
            pictures.append(np.asarray(image.convert("RGB")))
        return pictures


def expect_movie(path, most, expected):
    """As many frames as there are, at most so many, and each differs from the one before."""
    words = ("--movie", "--frames", most, path, "-o", "movie.gif", "--theme", "dark")
    code, _, err = tools.run("plot", *words)
    assert code == 0 and err.splitlines()[-1] == f"plot: frame {expected} of {expected}", err
    pictures = frames_of("movie.gif")
    assert len(pictures) == expected
    assert all((a != b).any() for a, b in zip(pictures, pictures[1:])), "frames that do not move"


@pytest.mark.full
def test_a_movie_of_results(runs, folder):
    expect_movie(runs.path("circle"), 5, 5)


def test_a_movie_of_a_trajectory(runs, folder):
    expect_movie(runs.path("sphere").with_suffix("") / "realization_00000.h5md", 4, 4)


@pytest.mark.full
def test_a_movie_of_an_unfinished_run_has_the_frames_that_are_there(partial):
    expect_movie(partial, 100, 9)


def test_without_ffmpeg_an_mp4_is_refused(runs, folder, monkeypatch):
    """With it: test_movie.py."""
    monkeypatch.setenv("PATH", "")
    assert tools.run("plot", "--movie", runs.path("beyond"), "-o", "x.mp4")[0] == 2
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["every_fifth.h5", "every_fifth/realization_00001.h5md"])
def test_a_movie_shows_the_energy_of_the_tokens_that_it_shows(runs, name):
    path = runs.path("every_fifth")
    with io.open(path.parent / name) as run, io.open(path) as results:
        stage = movie.Stage(run, tokens.of_run(run))
        shown = int("realization" in name)
        assert (stage.value == results.observables["energy"].values()[:, shown]).all()


def cut_table(source, target):
    """The table of kernel, whose last row is not complete."""
    text = source.read_text(encoding="utf-8")
    target.write_text(text[:-400].rsplit("\n", 1)[0] + "\nrelu,3,0\n", encoding="utf-8")


@pytest.fixture(name="odd")
def odd_files(have, runs, folder, monkeypatch):
    """The test's folder with files that cannot be drawn, on a machine without a screen."""
    have("circle", "alone", "sphere", "limits", "kernel")
    (folder / "text.h5").write_text("not HDF5", encoding="utf-8")
    cut_table(runs.path("kernel"), folder / "short.csv")
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"] = 1
    (folder / "truncated.h5").write_bytes((folder / "circle.h5").read_bytes()[:4000])
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.mark.parametrize(
    "expected, words",
    [
        (2, "missing.h5"),
        (2, "."),
        (2, "text.h5"),
        (2, "other.h5"),
        (2, "truncated.h5"),
        (2, "short.csv"),
        (2, ""),
        (2, "circle.h5 sphere.h5 -o x.png"),
        (2, "circle.h5 -o x.jpg"),
        (2, "circle.h5 --theme blue"),
        (2, "circle.h5 --format png,gif"),
        (2, "circle.h5 --frames 0"),
        (2, "--movie alone.h5"),
        (2, "--movie limits.h5"),
        (2, "--movie kernel.csv"),
        (2, "--movie circle.h5 -o x.png"),
        (2, "--movie --show circle.h5"),
        (1, "circle.h5 --show"),
        (2, "circle.h5 -o no/where.png"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(odd, expected, words):
    before = sorted(odd.rglob("*"))
    code, out, err = tools.run("plot", *words.split())
    assert (code, out) == (expected, ""), err
    assert err.startswith("plot: ") and err.count("\n") == 1, err
    assert sorted(odd.rglob("*")) == before


def test_help_tells_of_movies_and_exit_codes():
    words = [os.path.join(tools.FOLDER, "plot"), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "--movie" in done.stdout and "exit codes" in done.stdout


def first_realization(values, axis):
    """Of many."""
    return values[:, :1] if axis else values[:1]


def lose_errors(file):
    """A file of several realizations as it were of the first of them."""
    file["parameters"].attrs["ensemble_realizations"] = "1"
    groups = [file["study"][name] for name in file["study"]]
    for group in groups + [file[f"ensemble/{name}"] for name in file.get("ensemble", ())]:
        for name in list(group):
            if name.endswith("sem"):
                group[name][...] = np.nan
            axis = {"energy": 1, "outgrown": 0}.get(
                name, 1 if name.endswith("_realizations") else None
            )
            if axis is not None and group[name].ndim > axis:
                values = first_realization(group[name][:], axis)
                del group[name]
                group[name] = values
        for name in group.attrs:
            if name.endswith(("_low", "_high", "_sem", "_excess", "energy_off")):
                group.attrs[name] = np.nan
    for group in file.get("observables", {}).values():
        value, attributes = group["value"][:, :1], dict(group["value"].attrs)
        del group["value"]
        group["value"] = value
        group["value"].attrs.update(attributes)


@pytest.mark.parametrize("name", (*SIZED, "circle"))
def test_one_realization_has_no_errors_no_verdicts_and_no_nan(runs, folder, name):
    with h5py.File(runs.path(name)) as source, h5py.File(folder / "one.h5", "w") as file:
        for group in source:
            source.copy(group, file, expand_external=False)
        lose_errors(file)
    with io.open(folder / "one.h5") as run, warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = files.module_of(run).figure(run)
        rows = verdicts.of_run(run)
    words = [picture.headline, *picture.findings]
    for axes in picture.figure.axes:
        words += [text.get_text() for text in (axes.get_legend() or axes).findobj(Text)]
    assert not [word for word in words if "nan" in word.lower()], words
    if name != "density":  # whose mass and degrees one realization decides
        assert not [word for word in words if "✓" in word or "✗" in word], words
    assert all(row.verdict is None or "mass" in row.quantity for row in rows), rows


def verdicts_of(path):
    """{quantity: verdict} of a results file."""
    with io.open(path) as run:
        return {row.quantity.split(",")[0]: row for row in verdicts.of_run(run)}


def test_the_verdict_on_the_first_energy_is_that_of_uniform_tokens(runs):
    (row,) = verdicts_of(runs.path("circle")).values()
    with io.open(runs.path("circle")) as run:
        values = run.observables["energy"].values()[0]
    exact = 0.5 * (1 - 1 / 40) * (np.exp(1) - np.i0(1))
    variance = (np.exp(-2) * np.i0(2) - np.exp(-2) * np.i0(1) ** 2) * 40 * 39 / 2
    error = np.exp(1) / 40**2 * np.sqrt(variance / 3)
    numbers = (values.mean(), error, exact, (values.mean() - exact) / error)
    found = (row.measured, row.error, row.theory, row.deviation)
    np.testing.assert_allclose(found, numbers, rtol=1e-9)
    assert row.verdict is None  # of three realizations


def test_chance_reaches_four_standard_deviations():
    assert [common.is_chance(off, 1000) for off in (3.9, 4.1)] == [True, False]
    # Student's law with 8 degrees of freedom: 4 sigma are 7.6.
    assert [common.is_chance(off, 9) for off in (7, 8.5)] == [True, False]


def test_verdicts_of_sync_are_those_that_the_study_says(runs):
    rows = verdicts_of(runs.path("sync"))
    with io.open(runs.path("sync")) as run:
        value = run.study_values
    row = rows["λ1 of twin tokens"]
    numbers = (value["lambda1"], value["lambda1_sem"], value["lambda1_exact"])
    assert (row.measured, row.error, row.theory) == numbers and row.verdict is True
    assert abs(abs(rows["energy"].deviation) - value["energy_off"]) < 1e-9
    assert rows["energy"].verdict is True


def test_a_wrong_number_is_told_as_wrong(runs, folder):
    shutil.copy(runs.path("sync"), folder / "wrong.h5")
    with h5py.File(folder / "wrong.h5", "r+") as file:
        group = file["study/sync"]
        exact, error = (group.attrs[f"lambda1_{name}"] for name in ("exact", "sem"))
        group.attrs["lambda1"] = exact + 12 * error
        for name in ("lambda1_verdict", "energy_verdict"):
            group.attrs[name] = "does not agree"
    rows = verdicts_of(folder / "wrong.h5")
    assert rows["λ1 of twin tokens"].verdict is False and rows["energy"].verdict is False
    assert abs(rows["λ1 of twin tokens"].deviation - 12) < 1e-9


@pytest.mark.parametrize(
    "gap, words",
    [
        (0, "$W_2^2$ is exact."),
        (4.98e-5, "$W_2^2$ is certified, the true value at most 0.005% below what is drawn."),
        (1e-9, "at most $10^{-7}$% below"),
        (None, "lines: fitted power laws."),
    ],
)
def test_the_picture_of_chaos_says_how_well_w2sq_is_known(runs, folder, gap, words):
    """Files of version 0.5.0 say nothing of it."""
    shutil.copy(runs.path("chaos"), folder / "chaos.h5")
    with h5py.File(folder / "chaos.h5", "r+") as file:
        assert file["study/chaos"].attrs.pop("w2sq_gap") == 0
        if gap is not None:
            file["study/chaos"].attrs["w2sq_gap"] = gap
    assert words in caption(drawn(folder / "chaos.h5"))


def test_verdicts_of_limits_are_those_of_the_intervals(runs):
    rows = verdicts_of(runs.path("limits"))
    with io.open(runs.path("limits")) as run:
        values = run.study_values
    assert rows
    for row in rows.values():
        key = "slope_depth" if "depth" in row.quantity else "slope_width"
        assert row.measured == values[key], row
        known = np.isfinite(values[f"{key}_low"])
        assert row.verdict is (
            {"agrees": True}.get(values[f"{key}_verdict"]) if known else None
        ), row


def test_verdicts_of_a_density_are_on_its_mass_and_on_chance(runs):
    rows = verdicts_of(runs.path("density"))
    assert rows["|mass − 1|"].measured < 1e-12 and rows["|mass − 1|"].verdict is True
    # The uniform law on the circle: E MMD² = (e^β - I0(β)) / N.
    chance = rows["MMD² of density and tokens at t = 0"]
    assert abs(chance.theory - (np.exp(1) - np.i0(1)) / 64) < 1e-12, chance
    assert abs(chance.deviation) < 4 and chance.verdict is True, chance


def test_a_distance_that_is_only_bounded_is_told_as_a_bound(runs, folder):
    shutil.copy(runs.path("density"), folder / "density.h5")
    for low, bounded in ((1, False), (0.9, True)):
        with h5py.File(folder / "density.h5", "r+") as file:
            file["study/spde/distance_low"][...] = low * file["study/spde/distance"][...]
        with io.open(folder / "density.h5") as run:
            (row,) = (row for row in verdicts.of_run(run) if row.quantity.startswith("W2 of"))
            assert row.measured == run.study_data["distance"][-1]
        assert row.quantity.endswith(", at most") is bounded, row


def test_the_energy_of_uniform_tokens_on_the_sphere_has_a_closed_form(runs):
    """In R^3: E e^{βu} = sinh β / β."""
    with io.open(runs.path("sphere")) as run:
        exact = 0.5 * (1 - 1 / 40) * (np.exp(1) - np.sinh(1))
        assert abs(simulate.uniform_energy(run) - exact) < 1e-14


def test_kernels_are_drawn_from_their_coefficients(runs):
    """Legendre and Chebyshev; ReLU's closed form."""
    u = np.linspace(-1, 1, 101)
    given = np.random.default_rng(1).standard_normal(20)
    legendre, chebyshev = np.polynomial.legendre.legval, np.polynomial.chebyshev.chebval
    np.testing.assert_allclose(kernel.zonal(3, given, u), legendre(u, given), atol=1e-12)
    np.testing.assert_allclose(kernel.zonal(2, given, u), chebyshev(u, given), atol=1e-12)
    table = kernel.read(runs.path("kernel"))
    keys = {"activation": "relu", "dim": 5, "bias_u": 0, "bias_w": 0}
    row = np.flatnonzero(kernel.chosen(table, **keys))[0]
    found = kernel.zonal(5, [table[f"c{n}"][row] for n in range(41)], u)
    relu = (np.sqrt(1 - u * u) + (np.pi - np.arccos(u)) * u) / (2 * np.pi * 5)
    np.testing.assert_allclose(found, relu, atol=1e-5)


def test_the_ends_of_pairs_are_drawn(folder):
    """A table with kernel_values has its own picture."""
    keys = dict(tokens_dim="3,5", attention_beta="0.5,1,2", kernel_values="true")
    chorale(["kernel", *options(output_table="ends.csv", **keys)])
    whole = kernel.figure("ends.csv").figure
    shares, plane = whole.axes
    assert [line.get_label() for line in shares.lines] == ["d = 3", "d = 5"]
    attract, repel, edge = plane.lines
    assert len(attract.get_xdata()) == 5 and list(repel.get_ydata()) == [5]
    assert edge.get_ydata().max() <= 5


def test_numbers_are_written_as_people_write_them():
    assert short(0.00004) == "$4\\cdot10^{-5}$"
    assert short(128.0, 3) == "128" and short(-0.5) == "−0.5"


@pytest.mark.parametrize("block", [24, 24 * 7, 1 << 20])
def test_of_many_tokens_every_nth_is_read(runs, monkeypatch, block):
    """In whatever pieces."""
    monkeypatch.setattr(tokens, "BLOCK", block)
    with io.open(runs.path("sphere")) as run:
        whole = run.trajectory(0)[7]
        for most in (1, 6, 13, 39, 40, 100):
            stride = -(-40 // most)
            assert (tokens.of_run(run, most)[7] == whole[::stride]).all()


def test_a_mean_of_rare_pairs_decides_nothing(folder):
    """Of 64 uniform tokens in d = 16 at β = 60: 94 standard errors off, by 1e-5 of the number."""
    keys = {"tokens_dim": 16, "attention_beta": 60, "layers_depth": 1, "mlp_width": 8}
    chorale(["simulate", *options(ensemble_realizations=16, output_file="rare.h5", **keys)])
    (row,) = verdicts_of("rare.h5").values()
    assert row.verdict is None and row.why == "not resolved"
    assert abs(row.measured / row.theory - 1) < 1e-5


def test_frames_in_log_time_are_drawn_on_a_log_axis(folder, small_pictures):
    keys = dict(tokens_count=40, layers_depth=200, layers_horizon=2, mlp_width=16, output_log=12)
    chorale(["simulate"] + options(**keys, scheme_norm="pre", output_file="run.h5"))
    picture = drawn("run.h5")
    panels = [axes for axes in picture.figure.axes if axes.get_xlabel() == "time t"]
    assert len(panels) == 4
    for axes in panels:
        assert axes.get_xscale() == "log" and np.allclose(axes.get_xlim(), (0.01, 2))
    assert "norm pre" in caption(picture)
    equal = np.array([0, 0.3, 0.6, 0.9, 1.0])
    assert not common.in_log_time(equal) and not common.in_log_time(equal[:2])
