"""The results file of a run that was stopped: it opens, says that it is not complete and how many realizations it has, and its numbers are those
of a run of just these realizations; resuming replaces it by the whole. Study simulate, which also has frames of realizations in progress, is in
test_checkpoint.py."""
import os
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

from run import CHORALE, chorale, datasets, options, same_bits

TOOLS = os.path.join(os.environ["CHORALE_SOURCE"], "tools")
NOISE = dict(noise_type="spectral", noise_degree=6, ensemble_realizations=40, output_file="run.h5", progress="off")
# study: keys, steps of a realization, an array with the numbers of single realizations and its axis, the means and standard errors made of it
CASES = {
    "limits": (dict(tokens_count="64", layers_depth="10,20", limits_reference=80, mlp_width="inf", **NOISE), 80, ("samples", 0), "error", "sem"),
    "chaos": (dict(tokens_dim=2, tokens_count="64,256", chaos_reference=1024, layers_depth=20, layers_horizon=0.5, scheme_type="euler", **NOISE), 20,
              ("w2sq_frames", 0), "w2sq", "w2sq_sem"),
    "sync": (dict(tokens_count=300, layers_depth=20, layers_horizon=1, output_every=4, scheme_type="flow", **NOISE), 20, ("energy", 1),
             "energy_mean", "energy_sem"),
    "spde": (dict(tokens_dim=2, tokens_count=300, spde_degree=32, spde_tol=0.5, layers_depth=20, layers_horizon=0.1, output_every=5, **NOISE), 20,
             ("distance_realizations", 1), "distance", "distance_sem"),
}


def contents(folder):
    """Datasets and attributes of the results, by name, with what the file says of itself: (complete, realizations_done)."""
    found = datasets(f"{folder}/run.h5")
    with h5py.File(f"{folder}/run.h5", "r", locking=False) as file:
        for name, group in file["study"].items():
            found.update({f"{name}@{key}": value for key, value in group.attrs.items()})
        said = {key: value.decode() if isinstance(value, bytes) else value for key, value in file["provenance"].attrs.items()}
        assert "deck" in file["parameters"]
    return found, said["complete"], int(said.get("realizations_done", -1))


def stopped(folder, study, ranks, every, keys):
    """Stopped by a signal as soon as the results file has a realization. Its contents and how many it has."""
    command = ["mpirun", "-n", str(ranks), CHORALE, study] + options(**keys, checkpoint_every=every)
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not os.path.exists(f"{folder}/run.h5") or contents(folder)[2] < 1:
        assert process.poll() is None, f"ended before it was stopped:\n{process.stderr.read()}"
        time.sleep(0.005)
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
    os.kill(int(found[0]), signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 85 and "stopped" in err, (process.returncode, err)
    assert "slope" not in out and "lambda1    measured" not in out, out  # no findings of a run that is not complete
    found, complete, done = contents(folder)
    assert complete == "false" and 1 <= done < keys["ensemble_realizations"], (complete, done)
    return found, done


def check_subset(study, case, whole, part, done):
    """The single realizations are some of the whole run's, in order, and the table holds their means and standard errors."""
    _, _, (array, axis), mean, sem = case
    some, every = (np.moveaxis(np.asarray(found[f"study/{study}/{array}"]), axis, 0) for found in (part, whole))
    order = [next(r for r in range(len(every)) if np.array_equal(row, every[r], equal_nan=True)) for row in some]
    assert len(some) == done and order == sorted(set(order)), (done, order)
    values = every[order].max(axis=1) if study == "chaos" else every[order]
    values = values.reshape(done, -1)
    expected = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(done) if done > 1 else None
    for name, numbers in zip((mean, sem), expected):
        if numbers is not None:
            np.testing.assert_allclose(part[f"study/{study}/{name}"], numbers, rtol=1e-9, atol=1e-14, err_msg=name)


def check(top, study):
    case = CASES[study]
    keys, every = case[:2]
    folders = {name: f"{top}/{study}-{name}" for name in ("whole", "one", "two", "four", "just")}
    for folder in folders.values():
        os.mkdir(folder)
    chorale([study] + options(**keys), ranks=2, cwd=folders["whole"])
    whole, complete, done = contents(folders["whole"])
    assert complete == "true" and done == -1
    # one group takes realizations in order: a run of the first ones alone has the same bits
    part, done = stopped(folders["one"], study, 1, every, keys)
    chorale([study] + options(**{**keys, "ensemble_realizations": done}), ranks=2, cwd=folders["just"])
    differing = same_bits(contents(folders["just"])[0], part)
    assert not differing, f"{study}, the first {done} realizations: {differing}"
    for name, ranks, later in (("two", 2, 3), ("four", 4, 1)):
        part, done = stopped(folders[name], study, ranks, every, dict(keys, ensemble_groups=2))
        check_subset(study, case, whole, part, done)
        print(f"{study}, {ranks} ranks: {done} realizations when stopped")
    chorale([study] + options(**keys, checkpoint_resume=True), ranks=later, cwd=folders["four"])
    found, complete, _ = contents(folders["four"])
    differing = same_bits(whole, found)
    assert complete == "true" and not differing, f"{study}, resumed: {differing}"
    return folders["one"]


def check_none(top, study):
    """Stopped after its first step: a file without realizations, which does not stand in the way of resuming."""
    folder = f"{top}/{study}-none"
    os.mkdir(folder)
    keys = {**CASES[study][0], "ensemble_realizations": 2}
    done = chorale([study] + options(**keys, checkpoint_walltime=1e-9), ranks=2, cwd=folder, check=False)
    assert done.returncode == 85, done.stderr
    found, complete, realizations = contents(folder)
    assert complete == "false" and realizations == 0 and not any("realizations" in name for name in found), found.keys()
    if study == "spde":
        said = tool("info", f"{folder}/run.h5")
        assert said.returncode == 0 and "not complete" in said.stdout and "0 of 2 realizations" in said.stdout, said
        said = tool("plot", f"{folder}/run.h5")
        assert said.returncode == 2 and len(said.stderr.splitlines()) == 1 and "not complete" in said.stderr, said
    chorale([study] + options(**keys, checkpoint_resume=True), ranks=1, cwd=folder)
    assert contents(folder)[1] == "true"


def tool(name, *arguments):
    return subprocess.run([f"{TOOLS}/{name}", *arguments], capture_output=True, text=True, check=False, timeout=240)


def main():
    with tempfile.TemporaryDirectory() as top:
        for study in CASES:
            folder = check(top, study)
            check_none(top, study)
            said = tool("info", f"{folder}/run.h5")
            assert said.returncode == 0 and "not complete" in said.stdout and "of 40 realizations" in said.stdout, said
            said = tool("plot", f"{folder}/run.h5")
            assert said.returncode == 0, said.stderr


if __name__ == "__main__":
    sys.exit(main())
