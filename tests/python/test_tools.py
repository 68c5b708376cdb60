"""tools/info, compare, project and the reader chorale_io on files of every study: complete ones, those of running and killed jobs, and
files that are none. What they write opens in MDAnalysis; in ParaView: test_paraview.py."""
import contextlib
import glob
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import xml.etree.ElementTree

import h5py
import numpy as np

from run import CHORALE, chorale, options

TOOLS = os.path.join(os.environ["CHORALE_SOURCE"], "tools")
import tools

import chorale_io
from chorale import command

SMALL = dict(layers_depth=12, layers_horizon=1, ensemble_realizations=2, progress="off")
SPECTRAL = dict(noise_type="spectral", noise_degree=6)
RUNS = {
    "simulate": dict(tokens_count=40, mlp_width=32, output_every=5, output_trajectories=2),
    "limits": dict(tokens_count="8,16", layers_depth="4,8", mlp_width="16,inf"),
    "chaos": dict(tokens_dim=2, tokens_count="16,32", scheme_type="euler", **SPECTRAL),
    "sync": dict(tokens_count=16, scheme_type="heun", output_every=4, **SPECTRAL),
    "spde": dict(tokens_dim=2, tokens_count=64, spde_degree=64, spde_snapshots=2, **SPECTRAL),
    "map": dict(tokens_dim="3,4", mlp_activation="relu,tanh", sync_map=True),
}
TRAJECTORY = "simulate/realization_00000.h5md"


def tool(name, *words, cwd=None, memory=None, refusals=1):
    """Runs a tool; whatever happens it must end without a traceback, and a refusal is one line per file."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
    done = subprocess.run([os.path.join(TOOLS, name), *words], cwd=cwd, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=120)
    assert "Traceback" not in done.stderr and done.returncode in (0, 1, 2), f"{name} {words}: {done.returncode}: {done.stderr}"
    if done.returncode == 2:
        lines = done.stderr.splitlines()
        assert len(lines) == refusals and all(line.startswith(f"{name}: ") for line in lines), f"{name} {words}: {done.stderr}"
    return done


def make(folder):
    for name, keys in RUNS.items():
        chorale([("sync" if name == "map" else name)] + options(**{**SMALL, **keys}, output_file=f"{name}.h5"), cwd=folder)


def reader_gives_what_is_there(folder):
    for study in RUNS:
        with chorale_io.open(f"{folder}/{study}.h5") as run, h5py.File(f"{folder}/{study}.h5", "r", locking=False) as file:
            name = "sync" if study == "map" else study
            assert (run.kind, run.study, run.complete) == ("results", name, True)
            assert run.parameters == {key: chorale_io.text(value) for key, value in file["parameters"].attrs.items()}
            for column, values in run.table().items():
                if column in file[f"study/{name}"]:
                    assert np.array_equal(values, file[f"study/{name}/{column}"][:], equal_nan=True), column
            assert list(run.table()) == list(chorale_io.COLUMNS["sync_map" if study == "map" else study]), study
    with chorale_io.open(f"{folder}/simulate.h5") as run, h5py.File(f"{folder}/{TRAJECTORY}", "r", locking=False) as file:
        energy = run.observables["energy"]
        assert energy.values().shape == (4, 2) and list(energy.step) == [0, 5, 10, 12] and energy.unit == "1" and "E_beta" in energy.description
        np.testing.assert_allclose(energy.values().mean(axis=1), run.ensemble["energy"].mean, rtol=1e-14)
        assert run.parameters.integer("tokens_count") == 40 and run.parameters.real("layers_horizon") == 1 and run.realizations == [0, 1]
        found, value = run.trajectory(0), file["particles/all/position/value"][:]
        assert all((frame.position == value[i]).all() and frame.step == energy.step[i] for i, frame in enumerate(found))
        assert (found[-1] == value[3]).all() and (found.at(step=10) == value[2]).all()
        assert (np.concatenate([x for _, x in found.slabs(1, size=200)]) == value[1]).all()
        for wrong in (lambda: found[4], lambda: found.at(step=3), lambda: run.trajectory(7)):
            try:
                wrong()
                raise AssertionError("a frame or realization that is not there was read")
            except chorale_io.BadFile as error:
                assert str(error).startswith(folder) and "\n" not in str(error)


def recipes_of_the_reader_run(folder):
    """The examples of its documentation, as they stand (that for pandas and xarray: test_recipes.py)."""
    import matplotlib

    matplotlib.use("Agg")
    blocks = re.findall(r"^\S.*:\n\n((?:    .*\n|\n)+)", chorale_io.__doc__, re.MULTILINE)
    assert len(blocks) == 4, len(blocks)
    before = os.getcwd()
    os.chdir(folder)
    os.makedirs("sweep")
    for beta in (1, 3):
        chorale(["simulate"] + options(**{**SMALL, "layers_depth": 100}, tokens_count=8, mlp_width=8, attention_beta=beta, output_trajectories=1,
                                       output_file=f"sweep/{beta}.h5"))
    try:
        for block in blocks:
            code = re.sub(r"^    ", "", block, flags=re.MULTILINE).replace('"simulate.h5"', '"sweep/1.h5"')
            scope = {"chorale_io": chorale_io, "glob": glob, "np": np}
            if "pandas" in code:  # test_recipes.py
                continue
            exec(code, scope)  # pylint: disable=exec-used
            if "cosine" in scope:
                assert scope["cosine"].shape == (8, 8) and np.allclose(np.diag(scope["cosine"]), 1)
            if "beta" in scope:
                assert list(scope["beta"]) == [1, 3] and (scope["energy"] > 0).all()
    finally:
        os.chdir(before)


def info_tells(folder):
    for name in RUNS:
        done = tool("info", f"{name}.h5", cwd=folder)
        assert done.returncode == 0 and ", complete, " in done.stdout.splitlines()[0], done.stdout + done.stderr
        assert all(len(line) < 100 for line in done.stdout.splitlines() if "/chorale" not in line), done.stdout
        assert all(word in done.stdout for word in ("made ", "command ", "again ", "rank", "table "))
        deck = tool("info", "--deck", f"{name}.h5", cwd=folder).stdout
        with open(f"{folder}/{name}.yaml", "w", encoding="utf-8") as file:
            file.write(deck)
        if name not in ("simulate", "sync"):
            continue
        chorale([name, f"{name}.yaml"] + options(output_file=f"again-{name}.h5"), cwd=folder, ranks=2)
        same = tool("compare", f"{name}.h5", f"again-{name}.h5", cwd=folder)
        assert same.returncode == 0 and "note: ranks 1 and 2" in same.stdout and "note: output_file" in same.stdout, same.stdout + same.stderr
    text = tool("info", TRAJECTORY, "limits.h5", cwd=folder).stdout
    assert "4 frames, step 0 to 12" in text and "40 tokens in R^3, double, 960 B a frame" in text and "slope_depth" in text or "fit_" in text, text
    assert tool("info", "--deck", TRAJECTORY, cwd=folder).stdout == tool("info", "--deck", "simulate.h5", cwd=folder).stdout
    done = tool("info", "simulate.h5", "none.h5", cwd=folder)
    assert done.returncode == 2 and "complete" in done.stdout and "none.h5: no such file" in done.stderr


def alter(source, target, name, index, change):
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        value = file[name][:]
        value[index] = change(value[index])
        file[name][...] = value


def compare_finds(folder):
    """One number changed by a known amount is found at its place, in every kind of file."""
    name = "particles/all/position/value"
    alter(f"{folder}/{TRAJECTORY}", f"{folder}/changed.h5md", name, (2, 7, 1), lambda x: np.nextafter(np.nextafter(x, 9), 9))
    done = tool("compare", TRAJECTORY, "changed.h5md", cwd=folder)
    assert done.returncode == 1 and "1 of 480 entries; first at [2, 7, 1] (step 10, time 0.833333)" in done.stdout and " 2 ulp" in done.stdout, done.stdout
    alter(f"{folder}/{TRAJECTORY}", f"{folder}/sign.h5md", name, (0, 0, 0), lambda x: -x)
    assert "relative 2," in tool("compare", TRAJECTORY, "sign.h5md", cwd=folder).stdout
    alter(f"{folder}/limits.h5", f"{folder}/changed.h5", "study/limits/samples", (1, 0, 1, 0), lambda x: x + 0.5)
    done = tool("compare", "limits.h5", "changed.h5", cwd=folder)
    assert done.returncode == 1 and "differ in 1 of" in done.stdout and "[1, 0, 1, 0]" in done.stdout and "absolute 0.5," in done.stdout, done.stdout
    with h5py.File(f"{folder}/changed.h5", "r+") as file:
        file["study/limits"].attrs["fit_r2"] = 0.25
        del file["study/limits/width"]
    done = tool("compare", "limits.h5", "changed.h5", cwd=folder)
    assert "differ in 3 of" in done.stdout and "@fit_r2" in done.stdout and "/study/limits/width: only in limits.h5" in done.stdout, done.stdout
    assert len(tool("compare", "-q", "limits.h5", "changed.h5", cwd=folder).stdout.splitlines()) == 1
    shutil.copyfile(f"{folder}/{TRAJECTORY}", f"{folder}/shorter.h5md")
    with h5py.File(f"{folder}/shorter.h5md", "r+") as file:
        file["particles/all/position"].attrs["frames_valid"] = np.int32(3)
    done = tool("compare", TRAJECTORY, "shorter.h5md", cwd=folder)
    assert done.returncode == 1 and "/frames: 4 and 3" in done.stdout and "differ in 1 of" in done.stdout, done.stdout
    done = tool("compare", "simulate.h5", TRAJECTORY, cwd=folder)
    assert done.returncode == 2 and "of another kind" in done.stderr


def stop(folder, name, ranks, seconds, **keys):
    done = chorale(["simulate"] + options(**{**SMALL, **RUNS["simulate"], **keys}, output_file=f"{name}.h5", checkpoint_walltime=seconds), ranks=ranks,
                   cwd=folder, check=False)
    assert done.returncode == 85, done.stderr


def checkpoints_of_one_state_are_the_same(folder):
    """Two runs stopped after their first step, on other numbers of ranks."""
    for name, ranks in (("one", 1), ("three", 3)):
        stop(folder, name, ranks, 1e-6, tokens_count=700, ensemble_groups=1)
    done = tool("compare", "one/checkpoint.h5", "three/checkpoint.h5", cwd=folder)
    assert done.returncode == 0 and "note: ranks 1 and 3" in done.stdout, done.stdout + done.stderr
    done = tool("info", "three/checkpoint.h5", "three.h5", cwd=folder)
    assert "steps done  1, 0 in 2 realizations" in done.stdout and "not complete" in done.stdout and "-checkpoint_resume" in done.stdout, done.stdout
    stop(folder, "other", 1, 1e-6, tokens_count=700, ensemble_groups=1, mlp_activation="tanh")
    done = tool("compare", "one/checkpoint.h5", "other/checkpoint.h5", cwd=folder)
    assert done.returncode == 1 and "note: mlp_activation = relu and tanh" in done.stdout and "/state/0/tokens: 2100 of 2100" in done.stdout, done.stdout


def files_of_a_running_and_a_killed_job(folder):
    keys = dict(tokens_count=300, layers_depth=100000, mlp_width=64, output_trajectories=1, ensemble_realizations=2, output_every=50,
                checkpoint_every=200, progress="off")
    process = subprocess.Popen(["mpirun", "-n", "2", CHORALE, "simulate"] + options(**keys, output_file="killed.h5"), cwd=folder, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = ["killed.h5", "killed/realization_00000.h5md", "killed/checkpoint.h5"]
    while not all(os.path.exists(f"{folder}/{name}") for name in files):
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.05)
    for name in files:  # running: answers, or says in one line why not
        tool("info", name, cwd=folder)
    ranks = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
    for rank in ranks:
        os.kill(int(rank), signal.SIGKILL)
    process.wait(timeout=60)
    if not os.path.exists(f"{folder}/{files[2]}"):  # killed between two renames: the previous checkpoint is the one that serves
        files[2] = "killed/checkpoint.prev.h5"
    done = tool("info", *files, cwd=folder)
    assert done.returncode == 0 and done.stdout.count("not complete") == 2 and "steps done" in done.stdout, done.stdout + done.stderr
    assert all(tool("compare", name, name, cwd=folder).returncode == 0 for name in files[1:])
    with chorale_io.open(f"{folder}/killed.h5") as run:
        frames, positions = len(run.observables["energy"]), run.trajectory(0)
        assert 3 <= frames < 2001 and not run.complete and len(run.table()["energy_mean"]) == frames
        assert not np.isnan(run.table()["energy_mean"]).any()
        for i in range(min(3, len(positions))):
            np.testing.assert_allclose(np.linalg.norm(positions[i], axis=1), 1, rtol=1e-12)
    assert tool("project", files[1], cwd=folder).returncode == 0
    done = tool("merge", "x.h5", "killed.h5", cwd=folder)
    assert done.returncode == 2 and "not complete" in done.stderr


def wrong_files_are_one_line(folder):
    whole = {"h5": f"{folder}/simulate.h5", "h5md": f"{folder}/{TRAJECTORY}", "checkpoint.h5": f"{folder}/one/checkpoint.h5"}
    wrong = []
    for ending, path in whole.items():
        for share in (0.02, 0.9):
            wrong.append(f"{folder}/cut-{share}.{ending}")
            shutil.copyfile(path, wrong[-1])
            os.truncate(wrong[-1], int(share * os.path.getsize(path)))
    for name, content in (("empty.h5", b""), ("text.h5", b"no results\n")):
        wrong.append(f"{folder}/{name}")
        with open(wrong[-1], "wb") as file:
            file.write(content)
    wrong += [f"{folder}/foreign.h5", f"{folder}/missing.h5", folder, f"{folder}/simulate.yaml"]
    with h5py.File(f"{folder}/foreign.h5", "w") as file:
        file["tokens"] = np.zeros(3)
    done = tool("info", *wrong, refusals=len(wrong))
    assert done.returncode == 2 and not done.stdout, done.stdout + done.stderr
    assert [line.removeprefix("info: ").split(": ")[0] for line in done.stderr.splitlines()] == wrong, done.stderr
    for path in wrong[1::4]:
        assert tool("compare", whole["h5"], path).returncode == 2
        assert tool("project", path, "-o", f"{folder}/x.h5md").returncode == 2
        assert tool("merge", f"{folder}/x.h5", path).returncode == 2
    for words in (("project", whole["h5md"], "-o", f"{folder}/no/x.h5md"), ("merge", f"{folder}/no/x.h5", whole["h5"]), ("plot", whole["h5"], "-o", f"{folder}/no/x.png"),
                  ("report", whole["h5"], "-o", f"{folder}/no/x.html"), ("project", whole["h5md"], "-o", f"{folder}/x.txt"), ("info",), ("grid", "--jobs", "0")):
        code, out, err = tools.run(*words)
        assert code == 2 and out == "" and err.startswith(f"{words[0]}: ") and err.count("\n") == 1, (words, code, out, err)
    for error, said in ((KeyboardInterrupt(), "interrupted"), (MemoryError(), "out of memory"), (OSError(28, "No space left on device", "x.h5"), "x.h5: No space left on device")):
        with contextlib.redirect_stderr(io.StringIO()) as err:
            assert command.run("tool", lambda error=error: (_ for _ in ()).throw(error)) == 1 and err.getvalue() == f"tool: {said}\n", err.getvalue()
    assert not glob.glob(f"{folder}/.*part*")
    left = {os.path.basename(path) for path in glob.glob(f"{folder}/x.*") + glob.glob(f"{folder}/*.tmp")}
    assert left <= {"killed.h5.tmp"}, left  # which the killed run may have left


def large_files_need_little_memory(folder):
    """0.8 GB of positions (never written, so the disk has none of them) within 600 MB of address space."""
    for name in ("large", "larger"):
        with h5py.File(f"{folder}/{name}.h5md", "w") as file:
            file.create_group("h5md")
            group = file.create_group("particles/all/position")
            group.create_dataset("value", (10, 5000000, 2), chunks=(1, 1000000, 2), dtype=float)
            group["step"], group["time"] = np.arange(10), np.arange(10.0)
            if name == "larger":
                group["value"][9, 4999999, 1] = 1
    for words, code, text in ((("info", "large.h5md"), 0, "80 MB a frame"), (("compare", "large.h5md", "larger.h5md"), 1, "1 of 100000000 entries; first at [9, 4999999, 1]")):
        done = tool(*words, cwd=folder, memory=600 << 20)
        assert done.returncode == code and text in done.stdout, done.stdout + done.stderr


def projections_are_principal(folder):
    """The three components of largest variance by a singular value decomposition of all positions; MDAnalysis reads them."""
    warnings.simplefilter("ignore")
    import MDAnalysis

    chorale(["simulate"] + options(**{**SMALL, **RUNS["simulate"], "tokens_dim": 6, "output_trajectories": 1}, output_file="high.h5"), cwd=folder)
    path = f"{folder}/high/realization_00000"
    done = tool("project", f"{path}.h5md")
    assert done.returncode == 0, done.stderr
    with h5py.File(f"{path}.h5md", "r", locking=False) as file:
        x, times = file["particles/all/position/value"][:], file["particles/all/position/time"][:]
    flat = x.reshape(-1, 6) - x.reshape(-1, 6).mean(axis=0)
    _, values, rows = np.linalg.svd(flat, full_matrices=False)
    axes = rows[:3] * np.sign([[row[np.argmax(abs(row))]] for row in rows[:3]])
    expected = (flat @ axes.T).reshape(x.shape[:2] + (3,))
    shares = 100 * values[:3] ** 2 / (values**2).sum()
    assert " + ".join(f"{share:.1f}%" for share in shares) + f" = {shares.sum():.1f}%" in done.stdout, done.stdout
    with h5py.File(f"{path}-projected.h5md", "r", locking=False) as file:
        np.testing.assert_allclose(file["particles/all/position/value"][:], expected, atol=1e-12)
        np.testing.assert_allclose(file["projection/variances"][:], values**2 / len(flat), rtol=1e-10)
    universe = MDAnalysis.Universe(f"{path}-projected.h5md", n_atoms=40, convert_units=False)
    assert len(universe.trajectory) == len(times)
    for i, frame in enumerate(universe.trajectory):
        np.testing.assert_allclose(frame.positions, expected[i], atol=1e-6)
        assert frame.time == times[i]
    shutil.copyfile(f"{path}.h5md", f"{folder}/a&b é.h5md")
    assert tool("project", "a&b é.h5md", cwd=folder).returncode == 0
    items = xml.etree.ElementTree.parse(f"{folder}/a&b é-projected.xmf").iter("DataItem")
    assert all(item.text.startswith("a&b é-projected.h5md:/") for item in items)
    with h5py.File(f"{folder}/a&b é-projected.h5md", "r", locking=False) as file:
        assert file["projection"].attrs["source"].decode() == "a&b é.h5md"
    again = tool("project", f"{path}.h5md")
    assert again.returncode == 2 and "--overwrite" in again.stderr
    assert tool("project", f"{folder}/{TRAJECTORY}", "-o", f"{folder}/three.h5md").stdout.endswith("= 100.0%\n")
    return path, expected, times  # also for test_paraview.py


def main():
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        reader_gives_what_is_there(folder)
        recipes_of_the_reader_run(folder)
        info_tells(folder)
        compare_finds(folder)
        checkpoints_of_one_state_are_the_same(folder)
        files_of_a_running_and_a_killed_job(folder)
        wrong_files_are_one_line(folder)
        large_files_need_little_memory(folder)
        projections_are_principal(folder)


if __name__ == "__main__":
    sys.exit(main())
