"""Pages on which tokens move: their numbers are those of the file, what they leave out is said, and
no text of a file is markup. In a browser: test_view_browser.py."""

import html
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tools
from run import chorale, options
from studies import RUNS, in_two_tiers
from view_page import View, line_of, unpacked

from chorale import io
from chorale.errors import Refused
from chorale.runs.handle import run as begin
from chorale.view import motion, page

HALF = 0.5 / 32767  # of the last digit of a coordinate
HOSTILE = '"></script><img src=x onerror=alert(1)>&amp;'
PAPER = "https://arxiv.org/abs/2604.26898"
FIGURES = {  # titles and kinds of a page's figures
    "circle": ["motion"],
    "sphere": ["motion"],
    "beyond": ["motion"],
    "alone": ["motion"],
    "every_fifth": ["motion"],
    "levels": ["motion"],
    "limits": ["chart", "chart", "heat"],
    "chaos": ["chart", "chart"],
    "sync": ["chart"] * 5,
    "map": ["heat"],
    "moments": ["chart"] * 3,
    "starts": ["chart", "chart"],
    "density": ["motion", "chart"],
    "bare": ["chart"] * 3,
    "density_on_sphere": ["motion", "chart"],
    "analyze": ["motion"],
}


@pytest.fixture(autouse=True)
def stand_in(tmp_path_factory, monkeypatch):
    """D3 is only carried along here."""
    path = tmp_path_factory.mktemp("d3") / "d3.min.js"
    path.write_text("var d3; // geoOrthographic\n", encoding="utf-8")
    monkeypatch.setattr(page, "D3", (str(path),))
    return path


def viewed(*files, out="page.html"):
    """The page of files."""
    code, said, err = tools.run("view", *files, "-o", out)
    assert (code, said, err) == (0, f"{out}\n", "")
    return View(Path(out))


def positions(path, realization=0):
    """[frame][token][d] of a file."""
    with io.open(path) as run, run.trajectory(realization) as found:
        return np.array([found[f] for f in range(len(found))])


@pytest.mark.parametrize("name", in_two_tiers(FIGURES))
def test_every_study_has_its_figures_and_nothing_is_loaded(runs, folder, name):
    seen = viewed(runs.path(name))
    assert [one["kind"] for one in seen.figures] == FIGURES[name]
    assert set(seen.page.addresses) == {PAPER}
    assert "default-src 'none'" in html.unescape(seen.source)


def test_the_studies_with_figures_are_all_studies():
    assert FIGURES.keys() == RUNS.keys()


@pytest.mark.parametrize("name", ["circle", "sphere"])
def test_positions_are_those_of_the_file(runs, folder, name):
    points = viewed(runs.path(name)).figures[0]["points"]
    for one in points["realizations"]:
        number = int(one["name"].split()[1])
        exact = positions(runs.path(name), number)
        assert np.abs(unpacked(one["positions"]) / 32767 - exact).max() <= HALF
    with io.open(runs.path(name)) as run:
        assert (unpacked(points["time"]) == run.trajectory(0).time).all()
    assert points["notes"] == [] and points["count"] == 40


def test_beyond_three_dimensions_the_axes_are_those_of_all_frames(runs, folder):
    """By a singular value decomposition."""
    points, exact = viewed(runs.path("beyond")).figures[0]["points"], positions(runs.path("beyond"))
    cloud = exact.reshape(-1, exact.shape[2])
    _, values, axes = np.linalg.svd(cloud - cloud.mean(axis=0), full_matrices=False)
    seen = unpacked(points["realizations"][0]["positions"]).reshape(-1, 3) / 32767
    for k in range(3):
        flat = cloud @ axes[k]
        assert min(np.abs(seen[:, k] - flat).max(), np.abs(seen[:, k] + flat).max()) < 1e-4
    share = 100 * (values[:3] ** 2).sum() / (values**2).sum()
    (note,) = points["notes"]
    assert note.startswith("A projection from R⁶") and f"hold {share:.0f}% of the variance" in note


def test_what_is_observed_is_that_of_the_file(runs, folder):
    """Every realization that is shown, and the mean of all."""
    strips = viewed(runs.path("every_fifth")).figures[0]["strips"]
    with io.open(runs.path("every_fifth")) as run:
        for strip, name in zip(strips, ("energy", "order", "clusters")):
            seen = run.observables[name]
            for r in (0, 1):
                time, values = line_of(strip, f"{name} of realization {r}")
                assert (time == seen.time).all() and (values == seen.values()[:, r]).all()
            mean = line_of(strip, f"{name}: mean of 2")[1]
            np.testing.assert_allclose(mean, seen.values().mean(axis=1), rtol=1e-14)


def test_more_tokens_and_frames_than_a_page_has_room_for_are_left_out_and_said(
    runs, folder, monkeypatch
):
    """The same tokens in every frame, and every time."""
    monkeypatch.setattr(motion, "MOST", 16)
    monkeypatch.setattr(motion, "NUMBERS", 16 * 3 * 5)
    exact = positions(runs.path("sphere"))
    points = viewed(runs.path("sphere")).figures[0]["points"]
    tokens = unpacked(points["tokens"]).astype(int)
    frames = unpacked(points["step"]).astype(int)
    assert len(set(tokens)) == 16 and (np.diff(tokens) > 0).all() and tokens[-1] < 40
    assert len(frames) == 5 and (frames[0], frames[-1]) == (0, 12)
    seen = unpacked(points["realizations"][0]["positions"]) / 32767
    assert np.abs(seen - exact[frames][:, tokens]).max() <= HALF
    said = ["Shown: a random sample of 16 of 40 tokens.", "Shown: 5 of 13 frames, evenly chosen."]
    assert points["notes"] == said
    assert (motion.sample(40, 16) == tokens).all()


def test_a_sample_of_very_many_tokens_is_drawn_at_once():
    found = motion.sample(10**10, motion.MOST)
    assert len(np.unique(found)) == motion.MOST and 0 <= found[0] and found[-1] < 10**10
    middle = found.mean() / 10**10
    assert abs(middle - 0.5) < 4 / np.sqrt(12 * motion.MOST)


def by_pairs(x, near):
    """Components of the graph of all pairs, by joining labels until nothing changes."""
    label = np.arange(len(x))
    while True:
        before = label.copy()
        for i in range(len(x)):
            for j in range(i):
                if x[i] @ x[j] > near:
                    label[[i, j]] = min(label[i], label[j])
        if (label == before).all():
            return label


def test_clusters_are_components_of_all_pairs(monkeypatch):
    monkeypatch.setattr(motion, "ROWS", 3)
    draw = np.random.default_rng(7)
    x = np.repeat(draw.normal(size=(6, 3)), [20, 12, 12, 3, 1, 1], axis=0)
    x += 0.08 * draw.normal(size=x.shape)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    exact, found = by_pairs(x, 0.99), motion.clusters(x, 0.99)
    assert len(set(zip(exact, found))) == len(set(exact)) == len(set(found)) > 6
    sizes = np.bincount(found)
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.full
def test_a_trajectory_alone_and_beside_its_results(have, folder):
    have("sphere")
    path = "sphere/realization_00000.h5md"
    seen = viewed(path).figures[0]
    assert len(seen["strips"]) == 3 and len(unpacked(seen["points"]["time"])) == 13
    os.unlink("sphere.h5")
    assert viewed(path).figures[0]["strips"] == []


@pytest.mark.full
def test_results_whose_trajectory_was_moved_away_say_so(have, folder):
    have("sphere")
    shutil.rmtree("sphere")
    seen = viewed("sphere.h5").figures[0]
    assert "points" not in seen and "moved away" in seen["note"] and len(seen["strips"]) == 3


def test_charts_have_the_numbers_of_the_table(runs, folder):
    seen = viewed(runs.path("sync"))
    with io.open(runs.path("sync")) as run:
        table = run.table()
        time, energy = line_of(seen.figure("Energy"), "measured")
        assert (time == table["time"]).all() and (energy == table["energy_mean"]).all()
        (rate,) = [one["name"] for one in seen.figure("Energy")["lines"] if "bound" in one["name"]]
        assert (line_of(seen.figure("Energy"), rate)[1] == table["energy_bound"]).all()
        twins = seen.figures[1]
        assert (line_of(twins, "twins")[1] == run.study_data["growth_mean"][:]).all()


@pytest.mark.full
def test_a_map_has_the_rates_and_a_click_the_exponents(runs, folder):
    heat = viewed(runs.path("map")).figures[0]
    with io.open(runs.path("map")) as run:
        table = run.study_data
        dims, biases = np.unique(table["dim"]), np.unique(table["bias_u"])
        names = np.array(run.study_values["activation"])
        for panel in heat["panels"]:
            curves = heat["curves"][panel["cells"]]["curves"]
            for i, d in enumerate(dims):
                mine = (names == panel["name"]) & (table["dim"][:] == d)
                rate = -table["lambda_rate_bound"][:][mine]
                assert (unpacked(panel["values"])[i] == rate).all() and len(rate) == len(biases)
                assert (unpacked(curves[0]["y"])[i] == table["lambda1"][:][mine]).all()
                proved = [phase is None for phase in panel["phases"]["cells"][i]]
                assert proved == list((rate > 0) & (table["lambda_bar"][:][mine] < 0))


@pytest.mark.full
def test_the_table_of_kernels_is_a_map_whose_cells_have_kernels(runs, folder):
    """At u = 1 all are 1; the sum of all coefficients but what is cut off."""
    heat = viewed(runs.path("kernel")).figures[0]
    table = io.open(runs.path("kernel")).table()
    assert unpacked(heat["panels"][0]["values"]).shape == (3, 4)
    assert sorted(unpacked(heat["panels"][0]["values"]).flat) == sorted(table["lambda1"])
    ends = unpacked(heat["curves"][0]["curves"][0]["y"])[..., -1]
    exact = sum(table[f"c{n}"] for n in range(41)) / table["k1"]
    np.testing.assert_allclose(sorted(ends.flat), sorted(exact), rtol=1e-12)


@pytest.fixture(name="sweep", scope="module")
def two_keys(tmp_path_factory):
    """A sweep over β and v, not in order."""
    folder = tmp_path_factory.mktemp("sweep")
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 6, "progress": "off"}
    words = options(**keys, attention_beta="2,1,4", attention_value="1,-1")
    chorale(["simulate", *words, "-output_file", "sweep.h5"], cwd=folder)
    return folder / "sweep.h5"


def test_a_sweep_is_a_map_whose_cells_have_their_curves(sweep, folder):
    heat = viewed(sweep).figures[0]
    assert heat["x"]["values"] == ["1", "2", "4"] and heat["y"]["values"] == ["−1", "1"]
    (panel,) = [one for one in heat["panels"] if one["name"].startswith("order")]
    shown = heat["curves"][panel["cells"]]
    with io.open(sweep) as run:
        order = run.study_data["order_mean"][:][[1, 0, 2]][:, [1, 0]]
        assert (unpacked(panel["values"]) == order[..., -1]).all()
        assert (unpacked(shown["curves"][0]["y"]) == order).all()
        assert (unpacked(shown["at"])[0, 0] == run.study_data["time"][0, 0]).all()


@pytest.mark.full
def test_a_sweep_over_one_key_is_a_family(folder):
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 6, "output_file": "one.h5"}
    chorale(["simulate", *options(**keys, attention_beta="4,1,2")])
    seen = viewed("one.h5").figure("Order over time")
    assert [one["name"] for one in seen["lines"]] == ["β = 1", "β = 2", "β = 4"]
    with io.open("one.h5") as run:
        assert (line_of(seen, "β = 4")[1] == run.study_data["order_mean"][0]).all()


def test_several_runs_of_a_study_are_a_family(runs, folder):
    seen = viewed(runs.path("sphere"), runs.path("beyond"), runs.path("sync"))
    assert len(seen.data["groups"]) == 2 and seen.figures[0]["named"]
    with io.open(runs.path("beyond")) as run:
        found = line_of(seen.figures[0], "d = 6")[1]
        assert (found == run.observables["energy"].values()[:, 0]).all()


@pytest.mark.full
def test_densities_are_those_of_the_snapshots(runs, folder):
    """To a step of their logarithm."""
    for name in ("density", "density_on_sphere"):
        seen = viewed(runs.path(name)).figures[0]["density"]
        step = np.log(seen["high"] / seen["low"]) / 255
        level = np.log(seen["low"]) + step * unpacked(seen["levels"])
        with io.open(runs.path(name)) as run:
            exact = np.maximum(run.study_data["snapshot_density"][:], seen["low"])
        known = np.isfinite(exact)
        assert known.any() and np.abs(level - np.log(exact))[known].max() <= 0.51 * step


def test_texts_of_a_file_stay_text(have, folder):
    """Names, keys and messages."""
    have("alone")
    name = "<b>&'\".h5"
    os.rename("alone.h5", name)
    with h5py.File(name, "r+") as file:
        file["parameters"].attrs["mlp_activation"] = HOSTILE
        file["parameters"].attrs["tokens_init"] = HOSTILE
        file["provenance"].attrs["host"] = HOSTILE
        file["observables/energy/value"].attrs["unit"] = HOSTILE
    shutil.copyfile(name, "2" + name)
    with h5py.File("2" + name, "r+") as file:
        file["parameters"].attrs["mlp_activation"] = "2" + HOSTILE
    for files in ([name], [name, "2" + name]):
        seen = viewed(*files)
        assert seen.page.images == 0 and set(seen.page.addresses) == {PAPER}
        assert "<img" not in seen.source and "<b>" not in seen.source
        assert seen.source.count("</script>") == 4


def test_data_inside_a_script_cannot_end_it():
    text = page.as_json({HOSTILE: [HOSTILE, "<!--", "\u2028"]})
    assert not set("<>&\u2028") & set(text)


@pytest.mark.parametrize(
    "words, said",
    [
        ("missing.h5", "missing.h5: no such file"),
        ("alone.h5 -o alone.h5", "alone.h5: is an input file, so it is not overwritten"),
        ("alone.h5 -o no/where.html", "no/where.html: there is no folder no"),
        ("alone.h5 --js missing.js", "--js missing.js: No such file or directory"),
        ("alone.h5 --js alone.h5", "--js alone.h5: not a text"),
        ("alone.h5 --js text.js", "--js text.js: is not D3 (d3.min.js)"),
        ("text.js", "text.js: not an HDF5 file"),
        ("--follow alone.h5 alone.h5", "--follow takes one FILE"),
        ("--follow missing.h5", "missing.h5: no such run: neither results nor a lock of one"),
        ("checkpoint.h5", "checkpoint.h5: a checkpoint has nothing that moves"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(have, folder, words, said):
    have("alone")
    (folder / "text.js").write_text("nothing\n", encoding="utf-8")
    with h5py.File("checkpoint.h5", "w") as file:
        file.create_group("checkpoint").attrs["study"] = "simulate"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, out, err = tools.run("view", *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1) and err.startswith(f"view: {said}"), err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_without_d3_one_line_says_what_to_install(have, folder, monkeypatch):
    """A page of tools/report is made all the same, with still pictures."""
    have("alone")
    monkeypatch.setattr(page, "D3", ("/no/d3.min.js",))
    code, out, err = tools.run("view", "alone.h5")
    assert (code, out) == (2, "") and err.startswith("view: D3 is not installed: install node-d3")
    code, out, err = tools.run("report", "--interactive", "alone.h5")
    assert (code, out) == (0, "report.html\n") and err.startswith("report: D3 is not installed")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<picture>" in text and "chorale-data" not in text
    code, out, err = tools.run("report", "--js", "d3.js", "alone.h5")
    assert (code, err) == (2, "report: --js is of --interactive\n")


def test_a_report_has_the_same_figures_above_its_still_pictures(have, folder):
    have("sphere", "beyond")
    code, _, err = tools.run("report", "--interactive", "sphere.h5", "beyond.h5", "-o", "page.html")
    assert (code, err) == (0, "")
    seen = View(folder / "page.html")
    assert [one["kind"] for one in seen.figures] == ["motion", "motion", "chart", "chart"]
    assert seen.page.images == 3 and seen.figures[0] == viewed("sphere.h5", out="x.html").figures[0]


def test_a_notebook_shows_the_page_and_prints_a_picture(runs, folder, monkeypatch):
    with io.open(runs.path("alone")) as run:
        shown = run.view(height=500)
        bundle = shown._repr_mimebundle_()
        shown.save("saved.html")
        monkeypatch.setattr(page, "D3", ())
        still = run.view()
    inside = html.unescape(bundle["text/html"].split('srcdoc="')[1].split('"')[0])
    assert inside == (folder / "saved.html").read_text(encoding="utf-8")
    assert View(folder / "saved.html").figures[0]["kind"] == "motion"
    assert bundle["image/png"].startswith("iVBORw0KGgo") and "height:500px" in bundle["text/html"]
    assert "install node-d3" in still._repr_mimebundle_()["text/html"]
    with pytest.raises(Refused, match="install node-d3"):
        still.save("no.html")


def test_a_run_from_python_has_its_page(folder):
    begin("simulate", tokens_count=8, mlp_width=8, layers_depth=4, folder="run").view().save(
        "x.html"
    )
    assert "N\u00a0=\u00a08, d\u00a0=\u00a03" in View(folder / "x.html").page.text
    assert len(View(folder / "x.html").figures[0]["strips"]) == 3


def recorded(path, frames, tokens):
    """A trajectory of tokens that stay where they are."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(tokens, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    with h5py.File(path, "w") as file:
        file.create_group("h5md")
        group = file.create_group("particles/all/position")
        group["step"], group["time"] = np.arange(frames), np.arange(frames) / 10
        group["value"] = np.broadcast_to(x, (frames, tokens, 3))


@pytest.mark.full
def test_pages_are_small(folder, monkeypatch):
    """With D3, of which Debian's has 258 kB."""
    (folder / "d3.js").write_text("geoOrthographic " + "x" * 260_000, encoding="utf-8")
    monkeypatch.setattr(page, "D3", ("d3.js",))
    recorded("many.h5md", 200, 2000)
    viewed("many.h5md", out="many.html")
    assert os.path.getsize("many.html") < 5e6
    chorale(["simulate", "-output_trajectories", "1", "-output_file", "default.h5"])
    viewed("default.h5", out="default.html")
    assert os.path.getsize("default.html") < 1e6
