"""What surrounds a tool does not reach into it: matplotlib's and Python's settings, languages,
libraries in front of Debian's, and the variables of a launcher."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tools
from run import CHORALE, TIMEOUT, options

from chorale import command, io
from chorale.runs import progress

CENTRAL = Path("/usr/lib/x86_64-linux-gnu")


def started(words, **variables):
    """The completed process."""
    environment = {**os.environ, **variables}
    keys = {"env": environment, "capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run([str(w) for w in words], check=False, timeout=TIMEOUT, **keys)


@pytest.fixture(scope="module", name="plain")
def plain_picture(runs, tmp_path_factory):
    """The bytes of a picture as it is to be."""
    out = tmp_path_factory.mktemp("plain") / "plain.png"
    done = started(
        [Path(tools.FOLDER) / "plot", "--panel", "energy", runs.path("alone"), "-o", out]
    )
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


SETTINGS = (
    "text.usetex: True\nfont.family: nonsense\nimage.cmap: bwr\nlines.linewidth: 9\n"
    "axes.prop_cycle: cycler('color', ['ff0000'])\nsavefig.dpi: 7\n"
    "nonsense: 3\n\xe9"
)
SURROUNDINGS = (
    "matplotlibrc here",
    "MATPLOTLIBRC",
    "MPLCONFIGDIR",
    "HOME",
    "PYTHON",
    "LANG",
    "conda",
)


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_no_setting_reaches_a_picture(runs, plain, folder, what):
    """By name, as users start it. /tmp may be full of the fonts' cache of a test: a folder of its
    own."""
    for name in ("matplotlibrc", "settings/matplotlibrc", "own/.config/matplotlib/matplotlibrc"):
        if name == "matplotlibrc" and what != "matplotlibrc here":
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(SETTINGS.encode("latin-1"))
    (folder / "path/numpy").mkdir(parents=True)
    (folder / "path/numpy/__init__.py").write_text("raise RuntimeError('another one')\n")
    (folder / "path/sitecustomize.py").write_text("print('customized')\n")
    variables = {
        "matplotlibrc here": {},
        "MATPLOTLIBRC": {"MATPLOTLIBRC": f"{folder}/settings/matplotlibrc"},
        "MPLCONFIGDIR": {"MPLCONFIGDIR": f"{folder}/settings", "MPLBACKEND": "nonsense"},
        "HOME": {"HOME": f"{folder}/own", "XDG_CONFIG_HOME": f"{folder}/own/.config"},
        "PYTHON": {
            "PYTHONPATH": f"{folder}/path",
            "PYTHONHOME": f"{folder}/none",
            "PYTHONOPTIMIZE": "2",
            "PYTHONWARNINGS": "error",
            "PYTHONIOENCODING": "nonsense",
            "PYTHONINSPECT": "1",
        },
        "LANG": {
            "LANG": "de_DE.ISO-8859-1",
            "LC_ALL": "C",
            "LC_NUMERIC": "de_DE",
            "LANGUAGE": "de",
        },
        "conda": {"CONDA_PREFIX": f"{folder}/conda", "LD_LIBRARY_PATH": f"{folder}/conda/lib:"},
    }[what]
    words = [Path(tools.FOLDER) / "plot", "--panel", "energy", runs.path("alone"), "-o", "x.png"]
    done = started(words, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x.png\n", "")
    assert (folder / "x.png").read_bytes() == plain


def test_a_style_that_is_asked_for_does(runs, plain, folder):
    (folder / "paper.mplstyle").write_text("lines.linewidth: 9\n", encoding="ascii")
    words = ("--panel", "energy", runs.path("alone"), "-o", "x.png", "--style", "paper.mplstyle")
    assert tools.run("plot", *words)[0] == 0
    assert (folder / "x.png").read_bytes() != plain


@pytest.mark.parametrize(
    "text, said",
    [
        ("lines.linewidht: 3\n", "Bad key lines.linewidht"),
        ("font.size: 9\nlines.linewidth: x\n", "line 2"),
        ("no colon\n", "Missing colon"),
        ("\xe9", "line 1: is not UTF-8"),
    ],
)
def test_what_is_wrong_in_a_style_is_one_line(runs, folder, text, said):
    (folder / "a.mplstyle").write_bytes(text.encode("latin-1"))
    code, out, err = tools.run("plot", runs.path("alone"), "--style", "a.mplstyle", "-o", "x.png")
    assert (code, out) == (2, "") and err.count("\n") == 1, err
    assert err.startswith("plot: --style a.mplstyle: ") and said in err, err


BROKEN = {  # a library in front of the right one, of HDF5 the one that is here
    "libhdf5_serial.so.*": lambda path: path.write_bytes(b""),
    "libblas.so.3": lambda path: path.write_bytes(b"no library"),
    "libsz.so.2": lambda path: path.symlink_to(CENTRAL / "libm.so.6"),
    "libstdc++.so.6": lambda path: shutil.copyfile(CENTRAL / "libm.so.6", path),
    "libhdf5_serial_hl.so.*": lambda path: path.write_bytes(b"\x7fELF"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_library_that_is_another_one_is_named(runs, folder, name):
    make = BROKEN[name]
    if name != "libblas.so.3":
        found = sorted(path.name for path in CENTRAL.glob(name))
        if not found:
            pytest.skip(f"{name} is not of this system")
        name = min(found, key=len)
    (folder / "lib").mkdir()
    make(folder / "lib" / name)
    words = [Path(tools.FOLDER) / "plot", runs.path("alone"), "-o", "x.png"]
    done = started(words, LD_LIBRARY_PATH=f"/nowhere:{folder}/lib")
    if done.returncode == 0:
        pytest.skip(f"nothing here is linked with {name}")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith(f"plot: {folder}/lib/{name} does not fit "), done.stderr
    assert "LD_LIBRARY_PATH" in done.stderr


@pytest.mark.parametrize(
    "text, said",
    [
        ("raise ImportError('broken')", "h5py of this Python cannot be imported (broken)"),
        ("raise ValueError('numpy.dtype size\\nchanged')", "(numpy.dtype size)"),
        ("import nothing_at_all", "No module named 'nothing_at_all'"),
        ("raise RuntimeError", "(RuntimeError)"),
        ("this is no Python", "invalid syntax"),
    ],
)
def test_a_broken_module_ends_in_one_line(folder, text, said):
    (folder / "h5py.py").write_text(text + "\n", encoding="ascii")
    words = [sys.executable, Path(tools.FOLDER) / "info", "x.h5"]
    done = started(words, PYTHONPATH=str(folder))
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith("info: ") and said in done.stderr, done.stderr


LAUNCHERS = {
    "srun": {
        "SLURM_JOB_ID": "7",
        "SLURM_JOBID": "7",
        "SLURM_STEP_ID": "0",
        "SLURM_STEPID": "0",
        "SLURM_PROCID": "1",
        "SLURM_NTASKS": "2",
        "SLURM_LOCALID": "1",
        "SLURM_NODELIST": "a",
    },
    "srun with pmi2": {
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_ID": "0",
        "PMI_RANK": "1",
        "PMI_FD": "9",
        "PMI_SIZE": "2",
        "PMI_JOBID": "7.0",
        "SLURM_MPI_TYPE": "pmi2",
    },
    "srun with pmix": {
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_ID": "0",
        "PMIX_RANK": "1",
        "PMIX_NAMESPACE": "slurm.pmix.7.0",
        "PMIX_SERVER_URI2": "x;tcp4://127.0.0.1:9",
    },
    "mpirun": {
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_MCA_ess": "pmi",
        "PMIX_RANK": "1",
        "PMIX_NAMESPACE": "1",
        "OMPI_MCA_ess_base_jobid": "1",
        "OMPI_MCA_orte_hnp_uri": "1.0;tcp://127.0.0.1:9",
        "OMPI_UNIVERSE_SIZE": "2",
    },
    "mpiexec of MPICH": {"PMI_RANK": "1", "PMI_SIZE": "2", "PMI_FD": "9", "HYDI_CONTROL_FD": "9"},
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_tool_starts_chorale_as_if_no_launcher_had_started_it(folder, monkeypatch, launcher):
    """From Python, alone and by mpirun; tools/merge and tools/grid go the same way."""
    for name, value in LAUNCHERS[launcher].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEPT", "for it\nself")
    found = command.mpi_environment()
    assert found["KEPT"] == "for it\nself" and not set(LAUNCHERS[launcher]) & set(found)
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 2, "progress": "off"}
    words = [CHORALE, "simulate", *options(**keys, output_file="a.h5")]
    done = subprocess.run(words, env=found, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with io.open("a.h5") as run:
        assert run.ranks == 1 and run.complete
    monkeypatch.setenv("CHORALE", CHORALE)
    done = tools.start("merge", "b.h5", "a.h5")
    assert done[0] == 0 or "seed" in done[2] or "files" in done[2], done


@pytest.mark.parametrize("wide", [60, 80, 100])
@pytest.mark.parametrize("name", ["circle", "sync", "limits", "density"])
def test_what_is_told_fits_a_terminal(have, monkeypatch, wide, name):
    """But for a word that is wider itself, such as a path."""
    have(name)
    monkeypatch.setenv("COLUMNS", str(wide))
    code, out, _ = tools.run("info", f"{name}.h5")
    long = [line for line in out.splitlines() if len(line) > wide]
    assert code == 0 and not [
        line for line in long if max(map(len, line.split())) < wide - 20
    ], long
    code, out, _ = tools.run("info", "--brief", f"{name}.h5")
    assert code == 0 and max(map(len, out.splitlines())) <= wide


@pytest.mark.parametrize(
    "name", ["info", "plot", "report", "compare", "project", "weights", "grid"]
)
@pytest.mark.parametrize("wide", [60, 80])
def test_help_fits_a_terminal(monkeypatch, name, wide):
    monkeypatch.setenv("COLUMNS", str(wide))
    code, out, err = tools.run(name, "--help")
    assert (code, err) == (0, "") and max(map(len, out.splitlines())) <= wide, out


@pytest.mark.parametrize(
    "path",
    [f"tools/{name}" for name in "quickstart test build install-deps merge".split()]
    + [f"tools/{name}" for name in "fuzz check-memory check-floors format paper view".split()]
    + ["jobs/chain.sh", "tools/check-debian", "tools/check-compile"],
)
def test_help_of_every_program_fits_a_small_terminal(monkeypatch, path):
    monkeypatch.setenv("COLUMNS", "60")
    words = [f"{os.environ['CHORALE_SOURCE']}/{path}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert max(map(len, done.stdout.splitlines())) <= 60, done.stdout


@pytest.mark.parametrize("wide", [60, 72, 80, 100])
def test_differences_and_claims_fit_a_terminal(have, monkeypatch, wide):
    have("alone", "circle")
    monkeypatch.setenv("COLUMNS", str(wide))
    for words in (("compare", "alone.h5", "circle.h5"), ("paper", "--list")):
        code, out, err = tools.run(*words)
        assert code in (0, 1) and not err and max(map(len, out.splitlines())) <= wide, out


@pytest.mark.parametrize("wide", [40, 60, 80, 120])
def test_a_line_of_progress_fits_a_terminal(monkeypatch, capsys, wide):
    monkeypatch.setenv("COLUMNS", str(wide))
    shown = progress.Progress(True)
    shown.show("realization 3 of 128, step 1200 of 10000: 37%, 37 of 100, 5.1/s, ETA 1:02:03")
    assert len(capsys.readouterr().err.removeprefix("\r\033[K")) < wide
