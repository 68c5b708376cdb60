"""What tools say in words: findings that hide nothing, signs and plurals, names of what is
measured, and commands that run when they are pasted."""

import re
import shutil
import subprocess
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tools
from matplotlib.text import Text
from run import CHORALE, chorale, options

from chorale import command, io, state
from chorale.plot import files, movie, tokens, together, words as plot_words
from chorale.report import content, program

STUDIES = {"circle": "simulate", "limits": "limits", "chaos": "chaos", "sync": "sync"}
STUDIES |= {"density": "spde", "map": "sync", "starts": "sync", "levels": "simulate"}


@pytest.mark.parametrize(
    "course, words",
    [
        ([0.8, 0.5, 0.01], "falls from 0.8 to 0.01"),
        ([14, 40, 60, 1.1], "rises from 14 to 60, then falls to 1.1"),
        ([3, 0.1, 5], "falls from 3 to 0.1, then rises to 5"),
        ([0.1, 0.3, 0.12], "rises from 0.1 to 0.3, then falls to 0.12"),
        ([-2, -1.99, -2], "stays near −2"),
        ([1, np.nan, 4, np.nan], "rises from 1 to 4"),
        ([np.nan], "is not known"),
    ],
)
def test_a_course_is_told_with_its_turning_point(course, words):
    assert plot_words.change(np.array(course, dtype=float)) == words


@pytest.mark.parametrize(
    "course, words",
    [
        ([14.2, 60, 1.1], "14.2 clusters become 60, then 1.1"),
        ([64, 30, 1], "64 clusters become 1"),
        ([1, 1, 1], "1 cluster becomes 1"),
        ([1, 3, 1], "1 cluster becomes 3, then 1"),
        ([30, 8, 29], "30 clusters become 8, then 29"),
    ],
)
def test_clusters_are_told_with_their_turning_point(course, words):
    assert plot_words.clusters_words(np.array(course, dtype=float)) == words


@pytest.mark.parametrize(
    "words, expected",
    [
        ("v = -1, β = 0.5", "v = −1, β = 0.5"),
        ("[-0.5, -.25] (-3)", "[−0.5, −.25] (−3)"),
        ("-7 to run-1, 2026-11-29", "−7 to run-1, 2026-11-29"),
        ("$10^{-5}$ and -5, x-1", "$10^{-5}$ and −5, x-1"),
        ("-checkpoint_resume", "-checkpoint_resume"),
    ],
)
def test_numbers_have_minus_signs(words, expected):
    assert plot_words.with_minus(words) == expected


def variant(runs, folder, name, **keys):
    """The results of a shared run, as it were of other keys."""
    path = folder / f"{name}-{len(list(folder.iterdir()))}.h5"
    shutil.copy(runs.path(name), path)
    with h5py.File(path, "r+") as file:
        file["parameters"].attrs.update(keys)
    return path.name


def texts_of(figure):
    return [item.get_text() for item in figure.findobj(Text)]


@pytest.mark.parametrize("name", ["circle", "sync", "limits", "density"])
def test_no_text_of_a_picture_has_a_hyphen_for_a_minus_or_a_raw_letter(runs, folder, name):
    keys = {"attention_value": "-1.5", "mlp_bias_u": "0.5", "mlp_bias_w": "0.25"}
    one = variant(runs, folder, name, **keys)
    other = variant(runs, folder, name, **{**keys, "attention_value": "-2", "mlp_bias_u": "1"})
    for figure in (files.picture_of(one).figure, files.together_of([one, other]).figure):
        words = texts_of(figure)
        plain = ["".join(text.split("$")[::2]) for text in words]
        assert not [text for text in plain if re.search(r"(^|[\s(=])-\d|σ_|_U", text)], plain
        assert not [text for text in words if re.search(r"\bnan\b", text)], words


@pytest.mark.parametrize(
    "values, least_and_most",
    [
        (("5", "0.1", "1", "2"), "0.1 … 5"),
        (("16", "128", "8", "1000"), "8 … 1000"),
        (("-1", "1", "-0.5", "0"), "-1 … 1"),
        (("2", "10"), "2 / 10"),
        (("1e-3", "1e-4", "1", "10"), "0.0001 … 10"),
    ],
)
def test_what_differs_is_told_from_the_least_to_the_most(values, least_and_most):
    """Whatever the order of the files and of the other keys."""
    runs = [
        SimpleNamespace(
            parameters={"attention_beta": value, "mlp_width": str(9 - i)},
            complete=True,
            path=f"{i}.h5",
        )
        for i, value in enumerate(values)
    ]
    assert together.common(runs).parameters["attention_beta"] == least_and_most
    assert plot_words.range_of(",".join(values[:4])).replace(
        " … ", " / "
    ) in least_and_most.replace(" … ", " / ")


@pytest.mark.parametrize(
    "time, horizon, words",
    [
        (7.996, 8, "t = 7.996 of 8"),
        (7.9999, 8, "t = 7.9999 of 8"),
        (2.1, 5, "t = 2.1 of 5"),
        (8, 8, "t = 8 of 8"),
        (0.99999999, 1, "t = 0.99999999 of 1"),
    ],
)
def test_a_time_before_the_last_is_never_told_as_it(time, horizon, words):
    assert state.clock_words(time, horizon) == words


@pytest.mark.parametrize("done", range(4))
def test_an_incomplete_run_says_how_many_realizations_are_done(runs, folder, done):
    """The time that is reached is that of all where the last frame is, and then says nothing."""
    path = variant(runs, folder, "circle")
    with h5py.File(path, "r+") as file:
        file["provenance"].attrs["complete"] = "false"
        for group in file["observables"].values():
            group["value"][8:, done:] = np.nan
    with io.open(path) as run:
        words = plot_words.incomplete(run)
    clock = "" if done else ", t = 2.92 of 5"
    assert words == f"INCOMPLETE (running or stopped): {done} of 3 realizations{clock}"


@pytest.mark.parametrize("dim", [2, 4, 7, 12])
def test_a_projection_is_drawn_by_how_far_tokens_are_apart(folder, dim):
    """Its points are none of the sphere."""
    keys = {"tokens_count": 16, "tokens_dim": dim, "noise_type": "none", "layers_horizon": 30}
    words = options(**keys, output_trajectories=1, output_file="run.h5", layers_depth=60)
    chorale(["simulate", *words, "-attention_beta", "0.1"])
    assert tools.run("project", "run/realization_00000.h5md", "-o", "p.h5md")[0] == 0
    picture = files.picture_of("p.h5md")
    assert picture.headline.startswith("The tokens gather in one point: their distance"), picture
    caption = picture.figure._supxlabel.get_text()  # pylint: disable=protected-access
    assert f"d = {dim}," in caption.replace("\u00a0", " ") and "principal components" in caption
    with io.open("p.h5md") as run:
        assert not tokens.View(tokens.of_run(run)).is_ball


@pytest.mark.parametrize("frames, seconds", [(5, 2.5), (21, 10), (41, 10), (200, 10), (400, 20)])
def test_a_movie_of_few_frames_is_slow(frames, seconds):
    assert abs(frames / movie.rate_of(frames) - seconds) < 0.51


@pytest.mark.parametrize(
    "count, word, said",
    [
        (1, "trajectory", "1 trajectory"),
        (2, "trajectory", "2 trajectories"),
        (0, "row", "0 rows"),
        (1, "run", "1 run"),
        (3, "day", "3 days"),
    ],
)
def test_plurals(count, word, said):
    assert command.plural(count, word) == said


@pytest.mark.parametrize(
    "names, title",
    [
        (["runs"], "runs"),
        (["a/b.h5"], "b.h5"),
        (["a.h5", "x/b.h5"], "a.h5 and b.h5"),
        (["a.h5", "b.h5", "c.h5"], "a.h5, b.h5 and c.h5"),
        ([f"{i}.h5" for i in range(14)], "0.h5 and 13 more files"),
    ],
)
def test_a_report_is_titled_by_its_files(names, title):
    assert program.title_of(names, names) == title


@pytest.mark.parametrize("name", STUDIES)
def test_every_attribute_is_explained_in_the_file_the_help_and_the_report(have, name):
    have(name)
    study, help_text = STUDIES[name], chorale([STUDIES[name], "-help"]).stdout
    with io.open(f"{name}.h5") as run:
        names = {*run.study_values, *run.study_data, *run.observables}
        unexplained = [key for key in names if not run.meaning(key)]
        scalars = {key: run.meaning(key) for key in run.scalars}
    assert unexplained == []
    ends = r"(_(mean|sem|low|high|realization|realizations|frames|tokens|verdict))?$"
    told = set(re.findall(r"^(\w+) ", help_text, re.M)) | {"step", "time", "interval_factor"}
    missing = [key for key in scalars if not {key, re.sub(ends, "", key)} & told]
    assert missing == [], (study, missing)
    with io.open(f"{name}.h5") as run:
        tips = re.findall(r'<abbr title="[^"]+"[^>]*>(\w+)</abbr>', content.numbers(run))
    assert set(tips) == set(scalars)


def pasted(label):
    """The commands that info and the report say, as they stand, in a shell without chorale on its
    PATH."""
    done = subprocess.run(["bash", "-e", "-c", label], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (label, done.stderr)


@pytest.mark.parametrize("wide", [None, 60])
@pytest.mark.parametrize("file", ["a.h5", "a b.h5", "folder/ä's.h5", "merged.h5", "table.h5"])
def test_again_runs_when_it_is_pasted(folder, monkeypatch, file, wide):
    monkeypatch.setenv("CHORALE", CHORALE)
    monkeypatch.setenv("COLUMNS", str(wide)) if wide else monkeypatch.delenv("COLUMNS", False)
    (folder / "folder").mkdir()
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 3, "progress": "off"}
    if file == "merged.h5":
        for seed in (1, 2):
            more = {"ensemble_seed": seed, "output_file": f"{seed}.h5"}
            chorale(["simulate", *options(**keys, **more)])
        chorale(["merge", "-merge_files", "1.h5,2.h5", "-output_file", file])
    else:
        more = {"output_table": "table.csv"} if file == "table.h5" else {}
        chorale(["simulate", *options(**keys, **more, output_file=file)])
    out = tools.run("info", file)[1]
    again = re.search(r"^  again +(.*?)\n(?=  \w|\n)", out, re.M | re.S)[1]
    before = {path for path in folder.rglob("*") if path.is_file()}
    pasted(again)
    code, said, _ = tools.run("compare", file, file.replace(".h5", "-again.h5"))
    assert code == 0, said
    made = {path.suffix for path in folder.rglob("*") if path.is_file() and path not in before}
    assert made >= ({".h5", ".csv"} if file == "table.h5" else {".h5"}), made
