"""Nothing lost: runs that are stopped (signal, stop file, wall time) or killed go on from their checkpoints, on another number
of ranks and groups, to the bits of a run that was never interrupted; damaged checkpoints are noticed."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from run import CHORALE, chorale, datasets, options, same_bits

RUN = dict(tokens_count=300, tokens_dim=3, layers_depth=240, layers_horizon=2.0, mlp_width=256, ensemble_realizations=5,
           ensemble_seed=3, output_every=7, output_trajectories=2, output_file="run.h5", progress="off")
FILES = ("run.h5", "run/realization_00000.h5md", "run/realization_00001.h5md")
SHORT = dict(layers_depth=60, ensemble_realizations=4)


def start(folder, ranks, **more):
    """A run in the background; its own process group, so that all of it can be killed."""
    command = ["mpirun", "-n", str(ranks), CHORALE, "simulate"] + options(**{**RUN, **more})
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def resume(folder, ranks, check=True, **more):
    return chorale(["simulate"] + options(**{**RUN, "checkpoint_resume": True, **more}), ranks=ranks, cwd=folder, check=check)


def contents(folder):
    return {name: datasets(f"{folder}/{name}", skip=("provenance", "parameters") if name == "run.h5" else ()) for name in FILES}


def expect_same(folder, reference, what):
    found = contents(folder)
    for name in FILES:
        differing = same_bits(reference[name], found[name])
        assert not differing, f"{what}: {name}: {differing}"
    assert not os.path.exists(f"{folder}/run/checkpoint.h5"), f"{what}: the checkpoint of a complete run is left"


def stops_and_goes_on(top, reference):
    """Each way to stop: exit code 85, one line, partial results that open; then on to the end on other ranks."""
    def by_signal(process):
        wait_for_checkpoint(process.folder, process)
        os.kill(ranks_of(process)[-1], signal.SIGUSR1)  # the last rank: rank 0 must hear of it

    def by_file(process):
        wait_for_checkpoint(process.folder, process)
        open(f"{process.folder}/stop", "w", encoding="ascii").close()

    cases = (("signal", by_signal, 2, 3, dict(checkpoint_every=40)), ("stop file", by_file, 3, 1, dict(checkpoint_every=40, checkpoint_stop_file="stop")),
             ("wall time", lambda process: None, 1, 4, dict(checkpoint_walltime=0.05)))
    for what, stop, ranks, later, keys in cases:
        folder = f"{top}/{what.replace(' ', '-')}"
        os.mkdir(folder)
        process = start(folder, ranks, **keys)
        process.folder = folder
        stop(process)
        _, err = process.communicate(timeout=120)
        lines = [line for line in err.splitlines() if line.startswith("chorale")]
        assert process.returncode == 85 and len(lines) == 1 and "stopped" in lines[0], f"{what}: {process.returncode}: {err}"
        partial = datasets(f"{folder}/run.h5")
        assert partial["observables/energy/value"].shape == reference["run.h5"]["observables/energy/value"].shape
        if what == "stop file":
            os.remove(f"{folder}/stop")
        resume(folder, later)
        expect_same(folder, reference, what)
        again = resume(folder, 1)
        assert "complete" in again.stdout, again.stdout
    return len(cases)


def ranks_of(process):
    """Process numbers of the ranks under an mpirun, in order."""
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
    return sorted(int(pid) for pid in found)


def wait_for_checkpoint(folder, process):
    while not os.path.exists(f"{folder}/run/checkpoint.h5"):
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.01)


def wait_for_step(process, share):
    """Until the first group has done this share of its steps, which it tells one by one."""
    for line in process.stderr:
        done = re.match(r"simulate: \d+%, (\d+) of (\d+)", line)
        if done and int(done[1]) >= share * int(done[2]):
            return


def killed_runs_go_on(top):
    """kill -9 of one rank or all at 25 random moments from the first step to the last, and on with another number of ranks."""
    folder = f"{top}/short"
    os.mkdir(folder)
    chorale(["simulate"] + options(**{**RUN, **SHORT}), ranks=2, cwd=folder)
    reference = contents(folder)
    chance = random.Random(11)
    for i in range(25):
        folder, ranks = f"{top}/kill-{i}", 1 + i % 4
        later = ranks % 4 + 1
        os.mkdir(folder)
        process = start(folder, ranks, **SHORT, checkpoint_every=chance.choice((3, 10, 40)), progress=1e-9)
        wait_for_step(process, (i + chance.random()) / 25)
        victims = ranks_of(process)
        if i % 2 and victims:
            os.kill(chance.choice(victims), signal.SIGKILL)
            process.communicate(timeout=60)
        else:
            os.killpg(process.pid, signal.SIGKILL)
            for victim in victims:
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.communicate(timeout=60)
        resume(folder, later, **SHORT)
        expect_same(folder, reference, f"kill {i}, {ranks} then {later} ranks")
        shutil.rmtree(folder)


def damage_is_noticed(top, reference):
    """A truncated, altered or missing checkpoint: the one before serves, with a warning; none usable is one line."""
    folder = f"{top}/damage"
    os.mkdir(folder)
    process = start(folder, 2, checkpoint_every=30, checkpoint_stop_file="stop")
    while not os.path.exists(f"{folder}/run/checkpoint.prev.h5"):
        assert process.poll() is None, "the run ended before its second checkpoint"
        time.sleep(0.01)
    open(f"{folder}/stop", "w", encoding="ascii").close()
    process.communicate(timeout=120)
    assert process.returncode == 85
    os.remove(f"{folder}/stop")

    def cut(path):
        os.truncate(path, os.path.getsize(path) // 2)

    def flip(path):
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 4]))

    for harm in (cut, flip, os.remove):
        copy = f"{top}/damage-{harm.__name__}"
        shutil.copytree(folder, copy)
        harm(f"{copy}/run/checkpoint.h5")
        done = resume(copy, 3)
        assert harm is os.remove or "warning" in done.stderr, done.stderr
        expect_same(copy, reference, harm.__name__)
    flip(f"{folder}/run/checkpoint.h5")
    cut(f"{folder}/run/checkpoint.prev.h5")
    done = resume(folder, 2, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("chorale: error")]
    assert done.returncode == 1 and len(lines) == 1 and "no checkpoint can be used" in lines[0], done.stderr


def other_physics_is_refused(top):
    folder = f"{top}/physics"
    os.mkdir(folder)
    process = start(folder, 1, checkpoint_walltime=0.05)
    process.communicate(timeout=120)
    assert process.returncode == 85
    for key, value in (("tokens_count", 301), ("ensemble_seed", 4), ("layers_depth", 241), ("mlp_activation", "tanh")):
        done = resume(folder, 2, check=False, **{key: value})
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale")]
        assert done.returncode == 2 and len(lines) == 1 and f"{key} = {value}" in lines[0], done.stderr
    done = chorale(["simulate"] + options(**RUN), cwd=folder, check=False)
    assert done.returncode == 2 and "exists already" in done.stderr, "a partial result was about to be replaced without asking"


def refused(study, folder, keys, phrase):
    done = chorale([study] + options(**keys, checkpoint_resume=True), cwd=folder, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("chorale")]
    assert done.returncode == 2 and len(lines) == 1 and f"output_every = {keys['output_every']}: " in lines[0] and phrase in lines[0], done.stderr


def fewer_frames(top):
    """A resumed run may take a multiple of output_every: the results are those of a run that had it from the start."""
    keys = dict(tokens_count=100, layers_depth=20, layers_horizon=1.0, noise_type="spectral", noise_degree=6, ensemble_realizations=3,
                output_file="run.h5", progress="off")
    for study, every in (("simulate", (2, 4, 8)), ("simulate", (1, 3, 50)), ("sync", (2, 4, 8))):
        folder = f"{top}/{study}-{every[2]}"
        os.mkdir(folder)
        chorale([study] + options(**{**keys, "output_every": every[2], "output_file": "whole.h5"}), cwd=folder)
        for ranks, now, wall, code in ((2, every[0], 1e-9, 85), (3, every[1], 1e-9, 85), (1, every[2], 0, 0)):
            done = chorale([study] + options(**keys, output_every=now, checkpoint_resume=True, checkpoint_walltime=wall), ranks=ranks, cwd=folder, check=False)
            assert done.returncode == code, done.stderr
            if now == 3 and wall:
                refused(study, folder, {**keys, "output_every": 1}, "may only take a multiple")
                refused(study, folder, {**keys, "output_every": 4}, "may only take a multiple")
        differing = same_bits(datasets(f"{folder}/whole.h5"), datasets(f"{folder}/run.h5"))
        assert not differing, f"{study}, output_every {every}: {differing}"
    refused(study, folder, {**keys, "output_every": 16}, "was made with")  # complete results stay as they are
    for study, more, phrase in (("simulate", dict(output_trajectories=1), "output_trajectories = 1"), ("spde", {}, "what this study gathers")):
        folder = f"{top}/{study}-refused"
        os.mkdir(folder)
        done = chorale([study] + options(**keys, **more, output_every=2, checkpoint_walltime=1e-9), cwd=folder, check=False)
        assert done.returncode == 85, done.stderr
        refused(study, folder, {**keys, **more, "output_every": 4}, phrase)


def main():
    with tempfile.TemporaryDirectory() as top:
        folder = f"{top}/reference"
        os.mkdir(folder)
        chorale(["simulate"] + options(**RUN), ranks=2, cwd=folder)
        reference = contents(folder)
        stops_and_goes_on(top, reference)
        damage_is_noticed(top, reference)
        other_physics_is_refused(top)
        fewer_frames(top)
        killed_runs_go_on(top)


if __name__ == "__main__":
    sys.exit(main())
