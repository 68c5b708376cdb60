"""What all tools do alike: files of running and of killed jobs, files that are none, files that are
larger than the memory, errors of the machine."""

import contextlib
import io as streams
import os
import resource
import shutil
import subprocess

import h5py
import numpy as np
import pytest
import tools
from run import TIMEOUT, chorale, options, running

from chorale import command, io

JOB = {
    "tokens_count": 300,
    "layers_depth": 1000,
    "mlp_width": 64,
    "output_trajectories": 1,
    "ensemble_realizations": 2,
    "ensemble_groups": 1,
    "output_every": 50,
    "checkpoint_every": 200,
}
RESULTS, TRAJECTORY = "killed.h5", "killed/realization_00000.h5md"
CHECKPOINT = "killed/checkpoint.h5"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a job of two ranks that was looked at and killed after step 450, 50 steps after
    its second checkpoint."""
    folder = tmp_path_factory.mktemp("killed")
    words = ["simulate", *options(**JOB, output_file=RESULTS, progress="off")]
    with running(words, ranks=2, cwd=folder, hook="0 450 -1 wait=go") as run:
        for rank in (0, 1):
            run.wait_until_held("go", rank)
        for name in (RESULTS, TRAJECTORY, CHECKPOINT):  # answers, or says in one line why not
            code, _, err = tools.run("info", name, cwd=folder)
            assert (code, err.count("\n")) in ((0, 0), (2, 1)), err
        run.kill()
    return folder


def test_info_on_files_of_a_killed_job(killed):
    code, out, err = tools.run("info", RESULTS, TRAJECTORY, CHECKPOINT, cwd=killed)
    assert code == 0 and out.count("incomplete") == 2 and "steps done" in out, out + err


@pytest.mark.parametrize("alter, said", [("missing", 0), ("short", 2)])
def test_info_on_checkpoints_that_say_otherwise_how_many_steps_there_are(
    killed, folder, alter, said
):
    """Of an earlier version what is known is told; what no version has written is refused."""
    shutil.copy(killed / CHECKPOINT, "old.h5")
    with h5py.File("old.h5", "r+") as file:
        steps = file["status/steps"][()]
        assert list(steps) == [JOB["layers_depth"]] * JOB["ensemble_realizations"]
        del file["status/steps"]
        if alter == "short":
            file["status/steps"] = steps[1:]
    code, out, err = tools.run("info", "old.h5")
    assert code == said, out + err
    assert ("steps done" in out and "in progress" not in out) if not said else "status/steps" in err


@pytest.mark.parametrize("name", [TRAJECTORY, CHECKPOINT])
def test_compare_on_files_of_a_killed_job(killed, name):
    assert tools.run("compare", name, name, cwd=killed)[0] == 0


def test_the_reader_on_files_of_a_killed_job(killed):
    """Frames up to the last checkpoint, and no number that was not written."""
    with io.open(killed / RESULTS) as run:
        frames, positions = len(run.observables["energy"]), run.trajectory(0)
        energy = run.table()["energy_mean"]
        assert frames == 9 and not run.complete and len(energy) == frames
        assert not np.isnan(energy).any()
        assert len(positions) >= 3
        for i in range(len(positions)):
            np.testing.assert_allclose(np.linalg.norm(positions[i], axis=1), 1, rtol=1e-12)


def test_the_trajectory_of_a_killed_job_is_projected(killed, folder):
    assert tools.run("project", killed / TRAJECTORY, "-o", folder / "x.h5md")[0] == 0


def test_results_of_a_killed_job_are_not_joined(killed, folder):
    code, _, err = tools.run("merge", folder / "x.h5", killed / RESULTS)
    assert code == 2 and "not complete" in err
    assert not list(folder.iterdir())


@pytest.fixture(name="wrong")
def wrong_files(have, folder):
    """Names of files that no tool can read, beside whole ones of each kind."""
    have("every_fifth", "sync")
    keys = {"tokens_count": 8, "mlp_width": 8, "layers_depth": 6, "checkpoint_walltime": 1e-6}
    words = ["simulate", *options(**keys, output_file="one.h5", progress="off")]
    assert chorale(words, check=False).returncode == 85
    whole = {
        "h5": "every_fifth.h5",
        "h5md": "every_fifth/realization_00000.h5md",
        "checkpoint.h5": "one/checkpoint.h5",
    }
    names = []
    for ending, path in whole.items():
        for share in (0.02, 0.9):
            names.append(f"cut-{share}.{ending}")
            shutil.copyfile(path, names[-1])
            os.truncate(names[-1], int(share * os.path.getsize(path)))
    (folder / "empty.h5").write_bytes(b"")
    (folder / "text.h5").write_bytes(b"no results\n")
    with h5py.File("foreign.h5", "w") as file:
        file["tokens"] = np.zeros(3)
    (folder / "deck.yaml").write_text(tools.run("info", "--deck", "sync.h5")[1], encoding="utf-8")
    return [*names, "empty.h5", "text.h5", "foreign.h5", "missing.h5", str(folder), "deck.yaml"]


def test_info_has_a_line_for_every_wrong_file(wrong):
    code, out, err = tools.run("info", *wrong)
    assert (code, out) == (2, "")
    said = [line.removeprefix("info: ").split(": ")[0] for line in err.splitlines()]
    assert said == wrong, err


@pytest.mark.parametrize("number", range(12))
def test_no_tool_takes_a_wrong_file(wrong, folder, number):
    path, before = wrong[number], sorted(folder.iterdir())
    for words in (
        ("compare", "every_fifth.h5", path),
        ("project", path, "-o", "x.h5md"),
        ("merge", "x.h5", path),
        ("plot", path, "-o", "x.png"),
        ("report", path, "-o", "x.html"),
    ):
        if words[0] == "report" and os.path.isdir(path):
            continue  # takes what it can read of a folder
        code, out, err = tools.run(*words)
        assert (code, out) == (2, ""), (words, err)
        assert err.startswith(tools.prefixes(words[0])) and err.count("\n") == 1, (words, err)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        "project every_fifth/realization_00000.h5md -o no/x.h5md",
        "merge no/x.h5 every_fifth.h5",
        "plot every_fifth.h5 -o no/x.png",
        "report every_fifth.h5 -o no/x.html",
        "project every_fifth/realization_00000.h5md -o x.txt",
        "info",
        "grid --jobs 0",
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(have, folder, words):
    have("every_fifth")
    before = sorted(folder.iterdir())
    code, out, err = tools.run(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(tools.prefixes(words.split()[0])) and err.count("\n") == 1, err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "error, said",
    [
        (KeyboardInterrupt(), "interrupted"),
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device", "x.h5"), "x.h5: No space left on device"),
    ],
)
def test_errors_of_the_machine_are_one_line_and_exit_code_1(error, said):
    def main():
        raise error

    with contextlib.redirect_stderr(streams.StringIO()) as err:
        assert command.run("tool", main) == 1
    assert err.getvalue() == f"tool: {said}\n"


def sparse_trajectory(path):
    """0.8 GB of positions that were never written, so the disk has none of them."""
    with h5py.File(path, "w") as file:
        file.create_group("h5md")
        group = file.create_group("particles/all/position")
        group.create_dataset("value", (10, 5000000, 2), chunks=(1, 1000000, 2), dtype=float)
        group["step"], group["time"] = np.arange(10), np.arange(10.0)


@pytest.mark.parametrize(
    "words, expected, text",
    [
        ("info large.h5md", 0, "80 MB a frame"),
        pytest.param(
            "compare large.h5md larger.h5md",
            1,
            "1 of 100000000 entries; first at [9, 4999999, 1]",
            marks=pytest.mark.full,
        ),
    ],
)
def test_large_files_need_little_memory(folder, words, expected, text):
    """600 MB of address space; 10 GB: test_large.py."""
    for name in ("large", "larger"):
        sparse_trajectory(f"{name}.h5md")
    with h5py.File("larger.h5md", "r+") as file:
        file["particles/all/position/value"][9, 4999999, 1] = 1
    tool, *names = words.split()
    done = subprocess.run(
        [os.path.join(tools.FOLDER, tool), *names],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20)),
        timeout=TIMEOUT,
    )
    assert done.returncode == expected and text in done.stdout, done.stdout + done.stderr
