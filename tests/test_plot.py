"""tools/plot: pictures of all studies in both themes and formats, movies, files of runs that are not complete, refusals. What the pictures
compute themselves is checked against closed forms."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from PIL import Image
from run import CHORALE, chorale, options

TOOLS = os.path.join(os.environ["CHORALE_SOURCE"], "tools")
PLOT = os.path.join(TOOLS, "plot")
os.environ["MPLCONFIGDIR"] = os.environ.get("MPLCONFIGDIR", os.path.join(tempfile.gettempdir(), f"chorale-matplotlib-{os.getuid()}"))
sys.dont_write_bytecode = True
sys.path.insert(0, TOOLS)
import chorale_io
import matplotlib

matplotlib.use("Agg")
from plotting import common, kernel, simulate, tokens  # pylint: disable=wrong-import-position
from plotting.common import LOOK, Series, short

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
                         "scheme_type": "flow", "spde_degree": 32, "spde_snapshots": 5}),
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
    """Runs tools/plot in this process: (exit code, stdout, stderr)."""
    loader = importlib.machinery.SourceFileLoader("plot_tool", PLOT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("plot_tool", loader))
    loader.exec_module(module)
    out, err, before, argv = io.StringIO(), io.StringIO(), os.getcwd(), sys.argv
    sys.argv = ["plot", *map(str, arguments)]
    try:
        os.chdir(cwd or before)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = module.main()
            except SystemExit as end:
                code = end.code
    finally:
        os.chdir(before)
        sys.argv = argv
        LOOK.use("light")
    return code, out.getvalue(), err.getvalue()


def check_pictures(folder):
    """Every study: PNGs of either theme have its paper at the corner and many colours; and a PDF."""
    common.DPI = 50  # small pictures are written faster
    files = [f"{name}.h5" for name in RUNS if name != "alone"] + ["kernel.csv", "circle/realization_00000.h5md"]
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
        words = simulate.figure(run)._suptitle.get_text()  # pylint: disable=protected-access
        assert words.startswith("NOT COMPLETE: up to t = ") and f"= {series.time[-1]:.3g} of 5" in words.replace("\u00a0", " "), words
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
    if shutil.which("ffmpeg"):
        code, out, err = plot("--movie", "--frames", 3, "beyond.h5", cwd=folder)
        assert code == 0 and out == "beyond.mp4\n" and os.path.getsize(os.path.join(folder, "beyond.mp4")) > 1000, err
    else:
        assert plot("--movie", "beyond.h5", "-o", "x.mp4", cwd=folder)[0] == 2
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]


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
        for check in (check_pictures, check_partial, check_movie, check_numbers, check_thinning, check_refusals):
            try:
                check(folder)
                print(f"{check.__name__}: ok")
            except AssertionError as error:
                print(f"{check.__name__}: failed: {error}")
                failed += 1
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
