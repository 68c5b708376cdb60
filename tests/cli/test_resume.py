"""Every study goes on where it was stopped: cut off in the middle (signal, kill -9), once more after its next step, and
on to the end, each time on another grid of ranks and groups, gives the bits of a run that was never interrupted."""
import os
import signal
import subprocess
import sys
import tempfile
import time

import h5py

from run import CHORALE, chorale, datasets, options, same_bits

NOISE = dict(noise_type="spectral", noise_degree=6)
# name: study, how the first run ends, (ranks, groups) of the three runs, keys. The second run has the one group of what several had begun.
CASES = {
    "limits": ("limits", "signal", ((4, 2), (2, 1), (3, 3)),
               dict(tokens_count="24,300", layers_depth="5,7", limits_reference=70, mlp_width="inf", ensemble_realizations=3, **NOISE)),  # layers that end together last
    "limits by the tokens' covariance": ("limits", "kill", ((3, 3), (2, 1), (4, 4)),
                                         dict(tokens_count="40", layers_depth="12,24", limits_reference=48, mlp_width="16,inf", ensemble_realizations=3, noise_type="gram")),
    "chaos, quadrature and restarts": ("chaos", "signal", ((3, 3), (2, 1), (4, 2)),
                                       dict(tokens_dim=2, tokens_count="100,300", chaos_reference="quadrature", chaos_nodes=256, chaos_restarts=1,
                                            layers_depth=15, layers_horizon=1, ensemble_realizations=3, scheme_type="euler", **NOISE)),
    "chaos, twins": ("chaos", "kill", ((3, 3), (4, 1), (2, 2)),
                     dict(tokens_count="20,300", layers_depth=15, layers_horizon=1, mlp_width=64, ensemble_realizations=4)),
    "sync": ("sync", "signal", ((4, 2), (3, 1), (2, 2)),
             dict(tokens_count=300, layers_depth=25, layers_horizon=1, output_every=4, ensemble_realizations=4, scheme_type="flow", **NOISE)),
    "spde on the circle": ("spde", "kill", ((2, 2), (3, 1), (4, 4)),
                           dict(tokens_dim=2, tokens_count=300, spde_degree=32, layers_depth=25, layers_horizon=0.3, output_every=3, ensemble_realizations=4,
                                **NOISE)),
    "spde on the sphere": ("spde", "signal", ((3, 3), (2, 1), (4, 2)),
                           dict(tokens_dim=3, tokens_init="harmonic", spde_particles="quadrature", tokens_count=450, spde_degree=16, spde_tol=0.5, layers_depth=20,
                                layers_horizon=0.1, output_every=3, ensemble_realizations=3, **NOISE)),
}


def words(study, keys, groups, **more):
    return [study] + options(**{**keys, "ensemble_groups": groups, "output_file": "run.h5", "progress": "off", **more})


def contents(folder):
    """Datasets and attributes of the results, by name."""
    found = datasets(f"{folder}/run.h5")
    with h5py.File(f"{folder}/run.h5", "r") as file:
        for name, group in file["study"].items():
            found.update({f"{name}@{key}": value for key, value in group.attrs.items()})
    assert not os.path.exists(f"{folder}/run"), "the checkpoint of a complete run is left"
    return found


def ranks_of(process, count):
    """Process numbers of the ranks under an mpirun, once all are there."""
    while True:
        found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
        if len(found) == count:
            return sorted(int(pid) for pid in found)
        assert process.poll() is None, f"ended before it began:\n{process.stderr.read()}"
        time.sleep(0.01)


def cut(folder, how, ranks, command):
    """A run that writes a checkpoint after every step is ended soon after its first: by a signal to the last rank, or for good."""
    process = subprocess.Popen(["mpirun", "-n", str(ranks), CHORALE] + command + options(checkpoint_every=1), cwd=folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    pids = ranks_of(process, ranks)
    while not os.path.exists(f"{folder}/run/checkpoint.h5"):
        assert process.poll() is None, f"ended before its first checkpoint:\n{process.stderr.read()}"
        time.sleep(0.002)
    for pid in pids if how == "kill" else pids[-1:]:
        os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines() if line.startswith("chorale")]
    assert how == "kill" or (process.returncode == 85 and len(lines) == 1 and "stopped (signal" in lines[0]), (process.returncode, err)
    assert os.path.exists(f"{folder}/run/checkpoint.h5"), "complete before it was stopped"


def goes_on(top, name):
    study, how, grids, keys = CASES[name]
    folders = []
    for part in ("whole", "parts"):
        folders.append(f"{top}/{name}-{part}")
        os.mkdir(folders[-1])
    whole, folder = folders
    chorale(words(study, keys, 1), cwd=whole)
    (ranks, groups), *later = grids
    cut(folder, how, ranks, words(study, keys, groups))
    for (ranks, groups), wall, code in zip(later, (1e-9, 0), (85, 0)):
        done = chorale(words(study, keys, groups, checkpoint_resume=True, checkpoint_walltime=wall), ranks=ranks, cwd=folder, check=False)
        assert done.returncode == code, f"{ranks} ranks, {groups} groups: exit code {done.returncode}\n{done.stderr}"
        assert "goes on from" in done.stdout, done.stdout
    return same_bits(contents(whole), contents(folder))


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as top:
        for name in CASES:
            differing = goes_on(top, name)
            print(f"{name}:", differing or "same bits", flush=True)
            failed += bool(differing)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
