"""tools/plot: pictures of all studies in both themes and formats, movies, files of runs that are not complete, refusals. What the pictures
compute themselves is checked against closed forms."""
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import h5py
import numpy as np
from PIL import Image
from run import CHORALE, chorale, options

import tools

import chorale_io
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.text import Text
from chorale.plot import chaos, common, kernel, limits, movie, simulate, spde, sync, tokens, verdicts  # pylint: disable=wrong-import-position
from chorale.plot.common import LOOK, Series, short

PLOT = os.path.join(tools.FOLDER, "plot")

SMALL = {"mlp_width": 16, "layers_depth": 12, "progress": "off"}
RUNS = {
    "circle": ("simulate", {**SMALL, "tokens_count": 40, "tokens_dim": 2, "ensemble_realizations": 3, "output_trajectories": 1}),
    "sphere": ("simulate", {**SMALL, "tokens_count": 40, "tokens_dim": 3, "output_trajectories": 1}),
    "beyond": ("simulate", {**SMALL, "tokens_count": 40, "tokens_dim": 6, "output_trajectories": 1}),
    "alone": ("simulate", {**SMALL, "tokens_count": 8, "ensemble_realizations": 2}),
    "limits": ("limits", {"tokens_count": "8,16", "layers_depth": "2,4", "mlp_width": "16,inf", "noise_degree": 4, "ensemble_realizations": 2}),
    "chaos": ("chaos", {"tokens_count": "16,32,64", "tokens_dim": 2, "layers_depth": 8, "ensemble_realizations": 3, "noise_type": "spectral",
                        "noise_degree": 4, "scheme_type": "heun", "chaos_restarts": 3}),
    "sync": ("sync", {"tokens_count": 8, "tokens_dim": 5, "layers_depth": 20, "layers_horizon": 1, "attention_type": "none", "noise_type": "spectral",
                      "noise_degree": 3, "scheme_type": "flow", "mlp_activation": "sigmoid", "ensemble_realizations": 8, "output_every": 2}),
    "map": ("sync", {"sync_map": True, "tokens_dim": "4,5", "mlp_activation": "relu,tanh", "kernel_bias": "0,0.2,0.4"}),
    "density": ("spde", {"tokens_count": 64, "tokens_dim": 2, "layers_depth": 10, "layers_horizon": 0.1, "noise_degree": 3, "noise_type": "spectral",
                         "scheme_type": "flow", "spde_degree": 32, "spde_snapshots": 5, "ensemble_realizations": 8}),
    "bare": ("spde", {"tokens_count": 32, "tokens_dim": 2, "layers_depth": 4, "layers_horizon": 0.1, "noise_degree": 3, "noise_type": "spectral",
                      "scheme_type": "flow", "spde_degree": 32, "spde_snapshots": 0}),
    "two": ("simulate", {**SMALL, "tokens_count": 8, "ensemble_realizations": 2, "output_trajectories": 2}),
    "analyze": ("analyze", {"analyze_file": "circle.h5", "progress": "off"}),
    "map_of_density": ("spde", {"tokens_count": 128, "tokens_dim": 3, "layers_depth": 6, "layers_horizon": 0.05, "noise_degree": 2, "noise_type": "spectral",
                                "scheme_type": "flow", "spde_degree": 12, "spde_snapshots": 3}),
}


def run_alone(folder, *words):
    """chorale in one process, which needs no mpirun."""
    done = subprocess.run([CHORALE, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make(folder):
    for name, (study, keys) in RUNS.items():
        run_alone(folder, study, *options(**{**keys, "output_file": f"{name}.h5"}))
    run_alone(folder, "kernel", *options(tokens_dim="3,5,8", mlp_activation="relu,tanh", kernel_bias="0,0.3", kernel_degree=40, output_table="kernel.csv"))
    partial(folder)


def partial(folder):
    """circle.h5 as its job had left it when realization 2 had not begun, 1 was at frame 5 and 0 at frame 8."""
    shutil.copytree(os.path.join(folder, "circle"), os.path.join(folder, "partial"))
    shutil.copy(os.path.join(folder, "circle.h5"), os.path.join(folder, "partial.h5"))
    with h5py.File(os.path.join(folder, "partial.h5"), "r+") as file:
        file["provenance"].attrs["complete"] = "false"
        for group in file["observables"].values():
            group["value"][:, 2] = np.nan
            group["value"][6:, 1] = np.nan
            group["value"][9:, 0] = np.nan
        del file["particles/realization_00000"]
        file["particles/realization_00000"] = h5py.ExternalLink("partial/realization_00000.h5md", "/particles/all")
    with h5py.File(os.path.join(folder, "partial/realization_00000.h5md"), "r+") as file:
        file["particles/all/position"].attrs["frames_valid"] = 9


def plot(*arguments, cwd=None):
    """tools/plot in this process: (exit code, stdout, stderr)."""
    try:
        return tools.run("plot", *arguments, cwd=cwd)
    finally:
        LOOK.use("light")


def check_pictures(folder):
    """Every study: PNGs of either theme have its paper at the corner and many colours; and a PDF."""
    common.DPI = 50  # small pictures are written faster
    files = [f"{name}.h5" for name in RUNS if name not in ("alone", "two")] + ["kernel.csv", "circle/realization_00000.h5md"]
    for theme, paper in (("light", (255, 255, 255)), ("dark", (20, 23, 28))):
        drawn = files if theme == "dark" else files[3:4]
        code, out, err = plot(*drawn, "--theme", theme, cwd=folder)
        assert code == 0 and err == "", err
        assert len(out.splitlines()) == len(drawn)
        for line in out.splitlines():
            with Image.open(os.path.join(folder, line)) as image:
                assert image.getpixel((2, 2))[:3] == paper, (line, theme)
                assert min(image.size) > 250 and len(image.convert("RGB").getcolors(1 << 24)) > 200, line
    code, out, err = plot("alone.h5", "--format", "png,pdf", cwd=folder)
    assert code == 0 and out.split() == ["alone.png", "alone.pdf"], err
    with open(os.path.join(folder, "alone.pdf"), "rb") as file:
        assert file.read(5) == b"%PDF-"


def check_partial(folder):
    """The picture says so; the mean ends where the first of those that have begun does; nothing of the realization that has not is used."""
    with chorale_io.open(os.path.join(folder, "partial.h5")) as run:
        series = Series(run, "energy")
        values = run.observables["energy"].values()
        assert len(series.time) == 9 and np.isfinite(series.mean[:6]).all() and np.isnan(series.mean[6:]).all()
        np.testing.assert_allclose(series.mean[:6], values[:6, :2].mean(axis=1), rtol=1e-14)
        np.testing.assert_allclose(series.half[:6], 1.96 * values[:6, :2].std(axis=1, ddof=1) / np.sqrt(2), rtol=1e-14)
        picture = simulate.figure(run)
        words = picture.figure._suptitle.get_text()  # pylint: disable=protected-access
        assert words.startswith("NOT COMPLETE: up to t = ") and f"= {series.time[-1]:.3g} of 5" in words.replace("\u00a0", " "), words
        assert picture.complete is False and len(picture.findings) == 4 and picture.findings[1].startswith("Order rises"), picture
    for name, module in (("limits", limits), ("chaos", chaos), ("sync", sync), ("density", spde)):  # with fewer realizations than were asked for
        shutil.copy(os.path.join(folder, f"{name}.h5"), os.path.join(folder, "fewer.h5"))
        with h5py.File(os.path.join(folder, "fewer.h5"), "r+") as file:
            there = file["parameters"].attrs["ensemble_realizations"].decode()
            file["provenance"].attrs["complete"], file["parameters"].attrs["ensemble_realizations"] = "false", "24"
            file["provenance"].attrs["realizations_done"] = there
        with chorale_io.open(os.path.join(folder, "fewer.h5")) as run:
            words = module.figure(run).figure._suptitle.get_text()  # pylint: disable=protected-access
            assert words.replace("\u00a0", " ").startswith(f"NOT COMPLETE: {there} of 24 realizations\n"), words
        plt.close("all")
    keys = {**SMALL, "layers_depth": 2000000, "output_every": 1000, "tokens_count": 8, "checkpoint_walltime": 1, "output_trajectories": 1,
            "output_file": "stopped.h5"}
    stopped = chorale(["simulate", *options(**keys)], cwd=folder, check=False)
    assert stopped.returncode == 85, stopped.stderr
    code, out, err = plot("stopped.h5", "stopped/checkpoint.h5", "stopped/realization_00000.h5md", cwd=folder)
    assert code == 0 and len(out.splitlines()) == 3, err


def frames_of(path):
    with Image.open(path) as image:
        pictures = []
        for frame in range(image.n_frames):
            image.seek(frame)
            pictures.append(np.asarray(image.convert("RGB")))
        return pictures


def check_movie(folder):
    for name, file, most, expected in (("circle", "circle.h5", 5, 5), ("sphere", "sphere/realization_00000.h5md", 4, 4), ("partial", "partial.h5", 100, 9)):
        code, _, err = plot("--movie", "--frames", most, file, "-o", f"{name}.gif", "--theme", "dark", cwd=folder)
        assert code == 0 and err.splitlines()[-1] == f"plot: frame {expected} of {expected}", err
        pictures = frames_of(os.path.join(folder, f"{name}.gif"))
        assert len(pictures) == expected, (name, len(pictures))
        assert all((a != b).any() for a, b in zip(pictures, pictures[1:])), "frames that do not move"
    path = os.environ["PATH"]
    os.environ["PATH"] = ""  # without ffmpeg; with it: test_movie.py
    assert plot("--movie", "beyond.h5", "-o", "x.mp4", cwd=folder)[0] == 2
    os.environ["PATH"] = path
    assert not [name for name in os.listdir(folder) if ".part" in name]
    for path in ("two.h5", "two/realization_00001.h5md"):  # the energy is that of the tokens that are shown
        with chorale_io.open(os.path.join(folder, path)) as run, chorale_io.open(os.path.join(folder, "two.h5")) as results:
            stage = movie.Stage(run, tokens.of_run(run))
            assert (stage.value == results.observables["energy"].values()[:, int("realization" in path)]).all()


def check_refusals(folder):
    """One line that begins with the tool's name, the right exit code, and nothing written."""
    with open(os.path.join(folder, "text.h5"), "w", encoding="utf-8") as file:
        file.write("not HDF5")
    with open(os.path.join(folder, "kernel.csv"), encoding="utf-8") as file, open(os.path.join(folder, "short.csv"), "w", encoding="utf-8") as out:
        out.write(file.read()[:-400].rsplit("\n", 1)[0] + "\nrelu,3,0\n")
    with h5py.File(os.path.join(folder, "other.h5"), "w") as file:
        file["x"] = 1
    with open(os.path.join(folder, "circle.h5"), "rb") as file, open(os.path.join(folder, "truncated.h5"), "wb") as out:
        out.write(file.read()[:4000])
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        os.environ.pop(name, None)
    before = set(os.listdir(folder))
    for expected, *arguments in (
            (2, "missing.h5"), (2, "."), (2, "text.h5"), (2, "other.h5"), (2, "truncated.h5"), (2, "short.csv"), (2,), (2, "circle.h5", "sphere.h5", "-o", "x.png"),
            (2, "circle.h5", "-o", "x.jpg"), (2, "circle.h5", "--theme", "blue"), (2, "circle.h5", "--format", "png,gif"), (2, "circle.h5", "--frames", "0"),
            (2, "--movie", "alone.h5"), (2, "--movie", "limits.h5"), (2, "--movie", "kernel.csv"), (2, "--movie", "circle.h5", "-o", "x.png"),
            (2, "--movie", "--show", "circle.h5"), (1, "circle.h5", "--show"), (2, "circle.h5", "-o", "no/where.png")):
        code, out, err = plot(*arguments, cwd=folder)
        assert code == expected and out == "" and err.startswith("plot: ") and err.count("\n") == 1, (arguments, code, out, err)
    assert set(os.listdir(folder)) == before
    done = subprocess.run([PLOT, "--help"], capture_output=True, text=True, check=True)
    assert "--movie" in done.stdout and "exit codes" in done.stdout


def check_one_realization(folder):
    """One realization has no standard errors: no mark of a verdict, no interval, and not a word of nan."""
    for name, module in (("limits", limits), ("chaos", chaos), ("sync", sync), ("density", spde), ("circle", simulate)):
        with h5py.File(os.path.join(folder, f"{name}.h5")) as source, h5py.File(os.path.join(folder, "one.h5"), "w") as file:
            for group in source:
                source.copy(group, file, expand_external=False)
            lose_errors(file)
        with chorale_io.open(os.path.join(folder, "one.h5")) as run, warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = module.figure(run)
            words = [picture.headline, *picture.findings] + [text.get_text() for axes in picture.figure.axes for text in (axes.get_legend() or axes).findobj(Text)]
            assert not [word for word in words if "nan" in word.lower()], (name, words)
            if name != "density":  # whose mass and degrees one realization decides
                assert not [word for word in words if "✓" in word or "✗" in word], (name, words)
            for row in verdicts.of_run(run):
                assert row.verdict is None or "mass" in row.quantity, row
        plt.close("all")


def lose_errors(file):
    """A file of several realizations as it were of the first of them."""
    file["parameters"].attrs["ensemble_realizations"] = "1"
    for group in [file["study"][name] for name in file["study"]] + [file[f"ensemble/{name}"] for name in file.get("ensemble", ())]:
        for name in list(group):
            if name.endswith("sem"):
                group[name][...] = np.nan
            axis = {"energy": 1, "outgrown": 0}.get(name, 1 if name.endswith("_realizations") else None)
            if axis is not None and group[name].ndim > axis:
                values = group[name][:]
                del group[name]
                group[name] = values[:, :1] if axis else values[:1]
        for name in group.attrs:
            if name.endswith(("_low", "_high", "_sem", "_excess", "energy_off")):
                group.attrs[name] = np.nan
    for group in file.get("observables", {}).values():
        value = group["value"][:, :1]
        attributes = dict(group["value"].attrs)
        del group["value"]
        group["value"] = value
        group["value"].attrs.update(attributes)


def check_verdicts(folder):
    """What the pages tell of measurements beside theory, against numbers computed here; a wrong number is told as wrong."""
    with chorale_io.open(os.path.join(folder, "circle.h5")) as run:
        row, = verdicts.of_run(run)
        values = run.observables["energy"].values()[0]
        exact = 0.5 * (1 - 1 / 40) * (np.exp(1) - np.i0(1))
        np.testing.assert_allclose(row[1:4] + row[5:6], (values.mean(), values.std(ddof=1) / 3**0.5, exact, (values.mean() - exact) / values.std(ddof=1) * 3**0.5), rtol=1e-9)
        assert row.verdict is None  # of three realizations
    assert [common.is_chance(off, 1000) for off in (3.9, 4.1)] == [True, False]
    assert [common.is_chance(off, 9) for off in (7, 8.5)] == [True, False]  # Student's law with 8 degrees of freedom: 4 sigma are 7.6
    with chorale_io.open(os.path.join(folder, "sync.h5")) as run:
        rows = {row.quantity.split(",")[0]: row for row in verdicts.of_run(run)}
        value = run.study_values
        row = rows["λ1 of twin tokens"]
        assert row[1:4] == (value["lambda1"], value["lambda1_sem"], value["lambda1_exact"]) and row.verdict is True
        assert abs(abs(rows["energy"].deviation) - value["energy_off"]) < 1e-9 and rows["energy"].verdict is True
    shutil.copy(os.path.join(folder, "sync.h5"), os.path.join(folder, "wrong.h5"))
    with h5py.File(os.path.join(folder, "wrong.h5"), "r+") as file:
        group = file["study/sync"]
        group.attrs["lambda1"] = group.attrs["lambda1_exact"] + 12 * group.attrs["lambda1_sem"]
        group["energy_mean"][7] = group["energy_exact"][7] - 12 * group["energy_sem"][7]
    with chorale_io.open(os.path.join(folder, "wrong.h5")) as run:
        rows = {row.quantity.split(",")[0]: row for row in verdicts.of_run(run)}
        assert rows["λ1 of twin tokens"].verdict is False and rows["energy"].verdict is False and abs(rows["energy"].deviation + 12) < 1e-9
    with chorale_io.open(os.path.join(folder, "limits.h5")) as run:
        for row in verdicts.of_run(run):
            key = "slope_depth" if "depth" in row.quantity else "slope_width"
            assert row.measured == run.study_values[key] and row.verdict is (run.study_values[f"{key}_low"] <= -1), row
    with chorale_io.open(os.path.join(folder, "density.h5")) as run:
        rows = {row.quantity.split(",")[0]: row for row in verdicts.of_run(run)}
        assert rows["|mass − 1|"].measured < 1e-12 and rows["|mass − 1|"].verdict is True
        chance = rows["MMD² of density and tokens at t = 0"]  # the uniform law on the circle: E MMD² = (e^β - I0(β)) / N
        assert abs(chance.theory - (np.exp(1) - np.i0(1)) / 64) < 1e-12 and abs(chance.deviation) < 4 and chance.verdict is True, chance


def check_numbers(folder):
    """Energy of uniform tokens on the sphere in R^3: E e^{βu} = sinh β / β. Kernels from coefficients: Legendre; ReLU's closed form."""
    with chorale_io.open(os.path.join(folder, "sphere.h5")) as run:
        exact = 0.5 * (1 - 1 / 40) * (np.exp(1) - np.sinh(1))
        assert abs(simulate.uniform_energy(run) - exact) < 1e-14
    u = np.linspace(-1, 1, 101)
    coefficients = np.random.default_rng(1).standard_normal(20)
    np.testing.assert_allclose(kernel.zonal(3, coefficients, u), np.polynomial.legendre.legval(u, coefficients), atol=1e-12)
    np.testing.assert_allclose(kernel.zonal(2, coefficients, u), np.polynomial.chebyshev.chebval(u, coefficients), atol=1e-12)
    table = kernel.read(os.path.join(folder, "kernel.csv"))
    row = np.flatnonzero(kernel.chosen(table, activation="relu", dim=5, bias_u=0, bias_w=0))[0]
    found = kernel.zonal(5, [table[f"c{n}"][row] for n in range(41)], u)
    np.testing.assert_allclose(found, (np.sqrt(1 - u * u) + (np.pi - np.arccos(u)) * u) / (2 * np.pi * 5), atol=1e-5)
    assert short(0.00004) == "$4\\cdot10^{-5}$" and short(128.0, 3) == "128" and short(-0.5) == "−0.5"


def check_thinning(folder):
    """Of many tokens every n-th is read, in whatever pieces."""
    with chorale_io.open(os.path.join(folder, "sphere.h5")) as run:
        whole = run.trajectory(0)[7]
        for block in (24, 24 * 7, 1 << 20):
            tokens.BLOCK = block
            for most in (1, 6, 13, 39, 40, 100):
                stride = -(-40 // most)
                assert (tokens.of_run(run, most)[7] == whole[::stride]).all()


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        for check in (check_pictures, check_partial, check_movie, check_one_realization, check_verdicts, check_numbers, check_thinning, check_refusals):
            try:
                check(folder)
                print(f"{check.__name__}: ok")
            except AssertionError as error:
                print(f"{check.__name__}: failed: {error}")
                failed += 1
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
