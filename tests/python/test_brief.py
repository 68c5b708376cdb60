"""tools/info --brief: states of runs, by what they leave behind; tasks of arrays and runs of the
grid that left nothing; reports and pictures of any mix of them."""

import os
import shutil
import signal

import h5py
import pytest
import tools
from run import chorale, options, running
from test_report import Page

from chorale import brief, io, lock, state
from chorale.plot import files

KEYS = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 20, "ensemble_realizations": 2}
STUDIES = {
    "simulate": {},
    "sync": {"attention_type": "none", "noise_type": "spectral", "noise_degree": 3},
    "limits": {"layers_depth": "4,8", "mlp_width": "8,inf", "noise_degree": 3},
    "chaos": {"tokens_count": "8,16", "noise_type": "spectral", "noise_degree": 3},
    "spde": {
        "noise_type": "spectral",
        "noise_degree": 3,
        "tokens_dim": 2,
        "spde_degree": 32,
        "scheme_type": "flow",
        "layers_horizon": 0.1,
    },
}


def words(name, study="simulate", **more):
    """Of a small run."""
    keys = {**KEYS, **more, "output_file": f"{name}.h5", "progress": "off"}
    if keys.get("noise_type") == "spectral":
        del keys["mlp_width"]
    return [study, *options(**keys)]


def told(*names):
    """{file: line} of the runs, the last line, and the exit code."""
    code, out, err = tools.run("info", "--brief", *names)
    assert err == "" and code in (0, 1), err
    lines = out.splitlines()
    return {line.split()[0]: line for line in lines}, lines[-1], code


def make_task(folder, number, **more):
    """A task of an array with its log, as jobs/array.sbatch makes it."""
    stem = folder / f"task_{number:04d}"
    done = chorale(words(stem, **more), check=False)
    stem.with_suffix(".log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return done


def test_states_of_an_array_by_what_they_leave(folder):
    """Complete, stopped by a signal after step 7, refused, killed after step 5, going on, never
    begun, blank."""
    (folder / "sweep").mkdir()
    lines = [f"-ensemble_seed {i}\n" for i in range(1, 7)] + ["\n"]
    (folder / "sweep/tasks.txt").write_text("".join(lines), encoding="ascii")
    make_task(folder / "sweep", 1)
    with running(words("sweep/task_0002"), hook="0 7 0 signal=10") as run:
        done = run.end()
    assert done.returncode == 85
    (folder / "sweep/task_0002.log").write_text(done.stderr, encoding="utf-8")
    assert make_task(folder / "sweep", 3, attention_tol=-1).returncode == 2
    done = chorale(words("sweep/task_0004"), check=False, hook="0 5 0 signal=9")
    assert done.returncode != 0
    with running(words("sweep/task_0005"), hook="0 5 0 wait=go") as run:
        run.wait_until_held("go")
        found, last, code = told("sweep")
        run.release("go")
        assert run.end().returncode == 0
    states = [found[f"sweep/task_000{i}.h5"].split()[1] for i in range(1, 7)]
    assert states == ["complete", "stopped", "failed", "killed", "running", "missing"]
    assert "2 of 2  t = 5 of 5" in found["sweep/task_0001.h5"]
    assert "0 of 2  t = 1.75 of 5  stopped (" in found["sweep/task_0002.h5"]
    assert found["sweep/task_0003.h5"].endswith(
        "attention_tol = -1: must be a number from 1e-14 to 0.1"
    )
    assert code == 1 and last.startswith("6 runs: ") and "1 missing" in last
    found, last, code = told("sweep/task_0005.h5", "sweep/task_0001.h5")
    assert (code, last) == (0, "2 runs: 2 complete")


def test_a_task_between_others_is_missing_without_a_list_of_tasks(have, folder):
    have("alone")
    for i in (1, 3):
        shutil.copy("alone.h5", folder / f"task_000{i}.h5")
    found, _, code = told(".")
    assert code == 1 and found["task_0002.h5"].split()[1] == "missing" and len(found) == 5


def test_lines_are_cut_to_the_terminal(folder):
    one = state.State(str(folder / "a.h5"), "failed", message="chorale: " + "x" * 200)
    for wide in (60, 80):
        (line,) = brief.lines_of([one], wide)
        assert len(line) == wide and line.endswith("…") and line.startswith("a.h5  failed  xxx")


def test_the_output_of_a_job_is_found_by_what_it_names(folder):
    with running(words("a"), hook="0 7 0 signal=10") as run:
        done = run.end()
    (folder / "chorale-17.log").write_text(done.stderr, encoding="utf-8")
    (folder / "chorale-18.log").write_text("chorale: b.h5: other\n", encoding="utf-8")
    found, _, _ = told("a.h5")
    assert "stopped (signal" in found["a.h5"] or "stopped (" in found["a.h5"], found


@pytest.mark.parametrize("names", [("none.h5",), ("text.h5",), (".",)])
def test_what_is_no_run_is_told_in_a_line(folder, names):
    (folder / "text.h5").write_text("not HDF5", encoding="utf-8")
    found, _, code = told(*names)
    assert code == 1
    expected = {"none.h5": "missing", "text.h5": "failed"}
    for name, line in found.items():
        assert line.split()[1] == expected.get(name, line.split()[1])
    assert tools.run("info", "--brief", "--deck", "text.h5")[0] == 2


def mix(folder, study):
    """Two complete runs, one that stopped early, one that was killed before its first frame was
    written, and one that was refused."""
    keys = STUDIES[study]
    for name, seed in (("b", 11), ("a", 9)):
        chorale(words(name, study, **keys, ensemble_seed=seed))
    stopped = words("c", study, **keys, ensemble_seed=10)
    done = chorale(stopped, check=False, hook="0 3 0 signal=10")
    assert done.returncode == 85, done.stderr
    done = chorale(words("d", study, **keys), check=False, hook="0 1 0 signal=9")
    assert done.returncode not in (0, 85)
    (folder / "e.log").write_text("chorale: tokens_count = 0: must be more\n", encoding="ascii")
    return ["b.h5", "a.h5", "c.h5", "d.h5", "e.h5"]


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(name, marks=[] if name in ("simulate", "limits") else [pytest.mark.full])
        for name in STUDIES
    ],
)
def test_any_mix_is_reported_and_drawn_together(folder, monkeypatch, study):
    monkeypatch.setattr("chorale.report.content.DPI", 25)
    monkeypatch.setattr("chorale.plot.common.DPI", 40)
    names = mix(folder, study)
    found, _, code = told(*names)
    states = [found[name].split()[1] for name in names]
    assert states == ["complete", "complete", "stopped", "killed", "failed"] and code == 1
    code, out, err = tools.run("plot", "--together", *names)
    assert (code, out) == (0, "together.png\n"), err
    said = [line for line in err.splitlines() if line.startswith("plot: skipped ")]
    assert {"d.h5", "e.h5"} <= {line.split()[2].strip(":") for line in said} and len(said) < 4, err
    code, out, err = tools.run("report", *names)
    assert (code, out) == (0, "report.html\n"), err
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "INCOMPLETE" in page.text and "e.h5: no such file" in page.text
    assert "tokens_count = 0: must be more" in page.text and "Traceback" not in err
    seeds = page.columns("file", "state", "ensemble_seed")["ensemble_seed"]
    assert seeds == [9, 10, 11], seeds  # as numbers


def test_all_that_left_nothing_is_refused_in_one_line(folder):
    for tool in (("plot", "--together"), ("report",)):
        code, out, err = tools.run(*tool, "x.h5", "y.h5")
        assert (code, out) == (2, "") and err.count("\n") == 1, err


def test_a_lock_is_of_a_run_that_goes_on_or_was_killed(folder):
    with running(words("a"), hook="0 5 0 wait=go") as run:
        process = run.wait_until_held("go")
        assert lock.lock_of("a.h5") == "held"
        os.kill(process, signal.SIGKILL)
        run.end()
    assert lock.lock_of("a.h5") == "left" and lock.lock_of("b.h5") == ""


def test_labels_name_every_key_in_the_order_of_numbers(folder):
    for i, (count, beta) in enumerate(((100, 10), (16, 1), (8, 2))):
        chorale(words(f"r{i}", tokens_count=count, attention_beta=beta, layers_depth=4))
    with files.opened(["r0.h5", "r1.h5", "r2.h5"]) as runs:
        assert [run.parameters["tokens_count"] for run in runs] == ["16", "8", "100"]
        names = files.together.labels(runs)
    assert names == ["β = 1, N = 16", "β = 2, N = 8", "β = 10, N = 100"]
    with io.open("r0.h5") as run:
        assert state.reached(run)["done"] == 2
    with h5py.File("r0.h5", "r+") as file:
        file["provenance"].attrs["complete"] = "false"
    assert state.state_of("r0.h5").state == "stopped"
