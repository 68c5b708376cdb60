"""chorale from Python: runs, their errors and states, results for pandas, xarray and notebooks,
jobs of Slurm, the notebook of the paper. Programs in the place of chorale end as a test wants."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import slurm
import tools  # noqa: F401  before matplotlib
from run import CHORALE, TIMEOUT, datasets, same_bits, wait_until

import chorale
from chorale import command
from chorale.errors import Refused
from chorale.runs import progress, words

SOURCE = Path(os.environ["CHORALE_SOURCE"])
SMALL = {"tokens_count": 16, "mlp_width": 8, "layers": {"depth": 12}}
NOTEBOOK = SOURCE / "input/story.ipynb"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two realizations on two ranks."""
    folder = tmp_path_factory.mktemp("made")
    keys = {"mlp": {"width": 8}, "attention_beta": np.float64(2), "ensemble_realizations": 2}
    return chorale.run("simulate", tokens_count=16, **keys, ranks=2, folder=folder / "run")


@pytest.fixture
def program(folder, monkeypatch):
    """program(text): a script of bash in the place of chorale."""

    def make(text):
        (folder / "program").write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (folder / "program").chmod(0o755)
        monkeypatch.setenv("CHORALE", str(folder / "program"))

    return make


def test_a_run_has_what_the_reader_has_and_is_found_again(made):
    assert made.state == "complete" and made.complete and made.ranks == 2
    assert made.parameters["attention_beta"] == "2.0" and made.parameters["mlp_width"] == "8"
    energy = made.observables["energy"].values()
    again = chorale.open(made.folder)
    assert again.study == "simulate" and energy.shape[1] == 2
    assert (again.table()["energy_mean"] == energy.mean(axis=1)).all()
    with chorale.open(made.file) as results:
        assert results.kind == "results"
    assert "complete, 2 of 2, t = 5 of 5" in repr(made) and "size " in made.log
    with pytest.raises(AttributeError):
        made.nothing


def test_results_as_tables_arrays_pictures_and_html(made):
    reason = "not installed (tools/install-deps all)"
    pandas = pytest.importorskip("pandas", reason=f"pandas is {reason}")
    pytest.importorskip("xarray", reason=f"xarray is {reason}")
    frame, arrays = made.to_pandas(), made.to_xarray()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == list(made.table())
    energy = arrays["energy"]
    assert energy.dims == ("time", "realization") and energy.attrs["units"] == "1"
    np.testing.assert_allclose(energy.mean("realization"), frame["energy_mean"], rtol=1e-12)
    assert arrays.attrs["deck"] == made.deck and float(arrays["time"][-1]) == 5
    html = made._repr_html_()
    for text in (
        "<b>chorale simulate</b>: complete",
        "energy_mean",
        f"{frame['order_mean'][0]:.6g}",
    ):
        assert text in html, html
    width = made.plot("energy", width="5cm").get_figwidth()
    assert abs(width - 5 / 2.54) < 1e-12 and made.plot().get_figwidth() == 13
    with pytest.raises(Refused, match="--panel x: .* has energy, order"):
        made.plot("x")


def test_other_studies_have_arrays_of_their_own(runs):
    pytest.importorskip("xarray", reason="xarray is not installed (tools/install-deps all)")
    with chorale.open(runs.path("sync")) as run:
        found = run.to_xarray()
        assert found["energy_mean"].dims == ("time",) and "lambda1" in found.attrs
        assert found["energy"].shape == run.study_data["energy"].shape
    with chorale.open(runs.path("kernel")) as table:
        assert table.to_pandas()["dim"].tolist() == table.table()["dim"].tolist()
        assert "<b>chorale kernel</b>" in table._repr_html_()


@pytest.mark.parametrize("name", ["pandas", "xarray"])
def test_without_a_library_one_line_says_what_to_install(made, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Refused) as error:
        getattr(made, f"to_{name}")()
    said = f"this Python has no {name}; install python3-{name} (Debian) or {name} (pip)"
    assert str(error.value) == said


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"tokens_count": -5}, "tokens_count = -5: must be an integer from 1 to 10000000000"),
        ({"tokens": {"count": 4}, "tokens_count": 4}, "tokens_count: is given twice"),
        ({"ranks": 0}, "ranks = 0: must be a whole number from 1 on"),
        ({"output_file": "x.h5"}, "output_file: is in the folder of the run; name that with "),
        ({"tokens_count": [3, -4]}, "tokens_count = 3,-4: each value must be an integer from 1 "),
    ],
)
def test_bad_input_is_the_line_of_chorale_and_leaves_nothing(folder, keys, said):
    with pytest.raises(chorale.InputError) as error:
        chorale.run("simulate", **keys)
    assert str(error.value).startswith(said) and not list(folder.iterdir())


def test_values_are_written_as_decks_have_them():
    keys = {"a": {"b": [1, 2.5], "c": {}}, "d": True, "e": np.array([1, 2]), "f": None, "g": "x"}
    expected = ["-a_b", "1,2.5", "-d", "true", "-e", "1,2", "-g", "x"]
    assert words.options({**keys, "h": Path("y")}) == [*expected, "-h", "y"]


def test_a_stop_is_a_state_and_the_run_goes_on_to_the_same_bits(folder):
    (folder / "now").touch()
    run = chorale.run("simulate", **SMALL, checkpoint_stop_file="now", folder="a")
    assert run.state == "stopped" and "the stop file now" in run.status().message
    (folder / "now").unlink()
    assert run.resume().state == "complete"
    whole = chorale.run("simulate", **SMALL)
    assert whole.folder == folder / "runs/simulate-0001" and "now" in run.deck
    run.close()
    whole.close()
    assert same_bits(datasets(run.file), datasets(whole.file)) == []
    before = run.file.stat().st_mtime_ns
    again = chorale.run("simulate", **SMALL, checkpoint_stop_file="now", folder="a")
    assert again.state == "complete" and run.file.stat().st_mtime_ns == before
    with pytest.raises(chorale.InputError, match="folder = .*: has another run"):
        chorale.run("simulate", tokens_count=4, folder="a")


@pytest.mark.parametrize(
    "text, kind, said",
    [
        ("echo 'chorale: error: no room (f, a.c:1, rank 0)' >&2; exit 1", chorale.RunError, "no r"),
        ("echo 'chorale: a = 1: must be 2' >&2; exit 2", chorale.InputError, "a = 1: must be 2"),
        ("echo words; kill -9 $$", chorale.RunError, "killed by signal 9: words"),
        ("exit 7", chorale.RunError, "exit code 7: no message"),
    ],
)
def test_ends_of_a_run_are_errors_of_their_kind(folder, program, text, kind, said):
    program(text)
    with pytest.raises(kind) as error:
        chorale.run("simulate", folder="x")
    assert str(error.value).startswith(said) and type(error.value) is kind
    assert (folder / "x").exists() is (kind is chorale.RunError)


def test_a_run_in_the_background_is_followed_also_from_elsewhere(folder, program):
    program(": > begun; until [ -e go ]; do sleep 0.05; done; exit 85")
    run = chorale.run("simulate", folder="x", wait=False)
    wait_until((folder / "begun").exists, "begun")
    other = chorale.open("x")
    assert run.state == other.state == "running" and "running" in repr(other)
    with pytest.raises(chorale.InputError, match="goes on"):
        other.resume()
    (folder / "go").touch()
    assert run.wait() is run and run.state == "missing"  # it wrote nothing
    with pytest.raises(chorale.RunError, match="missing: no message"):
        other.wait()


def test_an_interrupt_stops_the_run_at_a_checkpoint(folder, program, monkeypatch):
    program("trap 'echo got > signal; exit 85' USR1; : > begun; while :; do sleep 0.05; done")

    def interrupted(_):
        if (folder / "begun").exists():
            raise KeyboardInterrupt

    monkeypatch.setattr("chorale.runs.handle.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chorale.run("simulate", folder="x")
    assert (folder / "signal").read_text(encoding="ascii") == "got\n"


def test_progress_is_shown_as_a_bar_and_taken_away(capsys):
    line = "simulate: 50%, 10 of 20, 3.1/s, ETA 3.2 s"
    shown = progress.Progress(True)
    for text in ("ensemble 1 rank", line, line):
        shown.show(text)
    shown.end()
    bar = f"simulate [{'#' * 12}{'.' * 12}]  50%  ETA 3.2 s"
    assert capsys.readouterr().err == f"\r\033[K{bar}\r\033[K" and len(bar) < 60
    assert progress.bar("chorale: stopped") is None and not command.in_notebook()


def test_a_study_without_progress_runs_where_somebody_looks(folder, monkeypatch):
    monkeypatch.setattr("chorale.runs.handle.is_shown", lambda: True)
    run = chorale.run("kernel", tokens_dim=[3, 4])
    assert run.state == "complete" and run.table()["dim"].tolist() == [3, 4]
    assert "-progress" in chorale.run("simulate", **SMALL).provenance["command_line"]


def test_a_job_is_written_in_the_style_of_the_job_scripts(folder, program, monkeypatch):
    program("")
    (folder / "bin").mkdir()
    for name, text in (("sbatch", 'echo "$@" > said; echo 17'), ("squeue", "echo PENDING")):
        (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n", encoding="ascii")
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    run = chorale.submit("simulate", **SMALL, ranks=8, time="4:00:00", sbatch=["--qos=long"])
    assert run.record.job == "17" and chorale.open(run.folder).state == "waiting"
    said = (folder / "said").read_text(encoding="ascii").split()
    assert said == ["--parsable", "--qos=long", str(run.folder / "job.sbatch")]
    script = (run.folder / "job.sbatch").read_text(encoding="utf-8")
    for text in ("--ntasks=8", "--time=4:00:00", "--signal=B:USR1@60", "--requeue", "common.sh"):
        assert text in script, script
    assert script.endswith("-layers_depth 12 -output_file runs/simulate-0001/simulate.h5\n")
    assert subprocess.run(["bash", "-n", run.folder / "job.sbatch"], check=False).returncode == 0


def test_without_slurm_submit_says_so_and_leaves_nothing(folder, program, monkeypatch):
    program("")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(chorale.RunError, match="there is no sbatch here"):
        chorale.submit("simulate")
    assert [path.name for path in folder.iterdir()] == ["program"]


@pytest.mark.full
def test_a_job_runs_on_slurm_to_its_results(folder, monkeypatch):
    """And one that is refused is an error of its kind."""
    absent = slurm.missing()
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed (slurm-wlm and munge)")
    with tempfile.TemporaryDirectory() as top, slurm.Slurm(top) as cluster:
        for name in ("PATH", "SLURM_CONF"):
            monkeypatch.setenv(name, cluster.environment[name])
        run = chorale.submit("simulate", **SMALL, ranks=2)
        assert run.wait().state == "complete" and run.table()["step"][-1] == 12
        assert run.ranks == 2
        wrong = chorale.submit("simulate", tokens_count=-5)
        with pytest.raises(chorale.InputError, match="tokens_count = -5: must be"):
            wrong.wait()


def code_of(notebook):
    """Its programs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_has_ten_cells_and_no_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert len(cells) == 10
    for cell in cells:
        assert not cell.get("outputs") and not cell.get("execution_count")
        assert max(map(len, cell["source"])) <= 120


@pytest.mark.full
def test_the_cells_of_the_notebook_run_in_their_order(folder):
    pytest.importorskip("pandas", reason="pandas is not installed (tools/install-deps all)")
    program = "\n".join(code_of(NOTEBOOK)) + "\nprint(betas, rows)\n"
    variables = {"PYTHONPATH": str(SOURCE / "tools"), "CHORALE": CHORALE, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "tokens_count = -1: must be an integer" in done.stdout and "λ1 of the noise" in done.stdout
    )
    assert len(list((folder / "runs").iterdir())) == 8


@pytest.mark.full
def test_the_notebook_runs_in_a_kernel_of_jupyter(folder, monkeypatch):
    """With pictures and cards of runs as outputs, each once, and progress while it waits."""
    reason = "not installed (tools/install-deps all: python3-nbclient, python3-ipykernel)"
    nbclient = pytest.importorskip("nbclient", reason=f"nbclient is {reason}")
    pytest.importorskip("ipykernel", reason=f"ipykernel is {reason}")
    nbformat = pytest.importorskip("nbformat", reason=f"nbformat is {reason}")
    path = os.pathsep.join([str(SOURCE / "tools"), *filter(None, sys.path)])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=TIMEOUT, resources=where).execute()
    outputs = [cell.get("outputs", []) for cell in notebook.cells]
    shown = [[key for one in cell for key in one.get("data", {})] for cell in outputs]
    assert "text/html" in shown[1] and "chorale simulate" in str(outputs[1])
    for cell in (2, 4, 5, 6):
        assert shown[cell].count("image/png") == 1, shown
