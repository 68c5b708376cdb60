"""Checkpoints that do not fit the run, lost trajectories, and stop files: no hang, one line, nothing lost."""
import concurrent.futures
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

import h5py
import numpy as np

from run import CHORALE, chorale, datasets, options, same_bits

RUN = dict(tokens_count=300, tokens_dim=3, layers_depth=12, layers_horizon=1.0, mlp_width=32, ensemble_realizations=4, output_every=3, output_trajectories=2,
           output_file="run.h5", progress="off")
FILES = ("run.h5", "run/realization_00000.h5md", "run/realization_00001.h5md")
TRAILER, BLOCK, MASK = "<16sQQ", 1 << 20, (1 << 64) - 1


def run(folder, ranks, groups, code, **more):
    """Ends with this exit code; with one line of ours unless it is 0, and within a minute. Returns that, warnings and output."""
    done = chorale(["simulate"] + options(**{**RUN, "ensemble_groups": groups, **more}), ranks=ranks, cwd=folder, check=False, timeout=60)
    lines = [line for line in done.stderr.splitlines() if line.startswith("chorale")]
    spoken = [line for line in lines if "warning" not in line]
    assert done.returncode == code and len(spoken) == (code != 0), f"{more}: exit code {done.returncode}, not {code}: {done.stderr}"
    return "\n".join(lines + [done.stdout])


def seal(path):
    """Puts a trailer with the right length and checksum under an altered checkpoint, as the header of checkpoint_file.c says."""
    with open(path, "rb") as file:
        data = file.read()
    total = 0
    for place, first in enumerate(range(0, len(data), BLOCK)):
        z = ((place << 32) + zlib.crc32(data[first:first + BLOCK]) + 0x9E3779B97F4A7C15) & MASK
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        total = (total + (z ^ (z >> 31))) & MASK
    with open(path, "ab") as file:
        file.write(struct.pack(TRAILER, b"chorale trailer\0", len(data), total))


def altered(folder, copy, change):
    """A copy of a stopped run with a changed checkpoint."""
    shutil.copytree(folder, copy)
    path = f"{copy}/run/checkpoint.h5"
    os.truncate(path, os.path.getsize(path) - struct.calcsize(TRAILER))
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)
    return copy


def replace(file, name, shape):
    del file[name]
    file.create_dataset(name, shape, "f8")


def belongs_to_1(file, change):
    """Realization 1, not 0, is the one that was begun: with two groups only the second, which rank 0 is not in, reads its state."""
    file.move("state/0", "state/1")
    file["status/step"][:] = (0, 2, 0, 0)
    change(file)


def mismatches_end_all_ranks(top, folder):
    """What one group alone finds wrong must not leave the others waiting for it."""
    changes = {
        "no state of a realization": lambda file: file.__delitem__("state/1"),
        "a state of another size": lambda file: replace(file, "state/1/tokens", (300, 4)),
        "a state of other tokens": lambda file: replace(file, "state/1/tokens", (299, 3)),
        "rows of another width": lambda file: replace(file, "rows/observables", (4, 700)),
        "a step too far": lambda file: file["status/step"].write_direct(file["status/step"][()] + 100),
    }
    for i, (what, change) in enumerate(changes.items()):
        copy = altered(folder, f"{top}/altered-{i}", lambda file, change=change: belongs_to_1(file, change))
        line = run(copy, 2 + 2 * (i % 2), 2, 2 if "too far" in what else 1, checkpoint_resume=True)
        assert "run/checkpoint.h5" in line, f"{what}: {line}"
        print(f"{what}: {line.splitlines()[0]}", flush=True)
    copy = altered(folder, f"{top}/altered-not", lambda file: None)  # the seal is right
    run(copy, 3, 3, 0, checkpoint_resume=True)


def lost_trajectories_begin_again(top, folder, reference):
    """A realization whose trajectory is lost begins again, also when the run is stopped once more on its way."""
    copy = f"{top}/lost"
    shutil.copytree(folder, copy)
    os.remove(f"{copy}/run/realization_00000.h5md")
    text = run(copy, 2, 2, 85, checkpoint_resume=True, checkpoint_walltime=1e-9)
    assert "realization 0 begins again" in text, text
    with h5py.File(f"{copy}/run/checkpoint.h5", "r") as file:
        assert file["status/step"][0] == 1, file["status/step"][()]  # it was 2
    run(copy, 3, 3, 0, checkpoint_resume=True)
    expect_same(copy, reference, "lost trajectory")


def some_ranks_meet_bad_input():
    """Bad input that one group alone meets: one line, exit code 2, no hang, whether or not rank 0 is among those that met it."""
    hook = os.path.join(os.environ["CHORALE_BUILD"], "tests", "hook_error")
    cases = [(0, 0), (1, 1), (1, 2), (0, 2)]
    with concurrent.futures.ThreadPoolExecutor() as pool:  # they sleep most of the time
        runs = [pool.submit(subprocess.run, ["mpirun", "-n", "3", hook, str(first), str(last)], capture_output=True, text=True, timeout=60, check=False)
                for first, last in cases]
    for (first, last), run_ in zip(cases, runs):
        done = run_.result()
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale")]
        assert done.returncode == 2 and lines == ["chorale: key = value: must be another"], (first, last, done.returncode, done.stderr)


def early_signals_are_heard(top):
    """A signal that comes as soon as it can be caught, while the run is still set up, stops it at its first step."""
    folder = f"{top}/early"
    os.mkdir(folder)
    for number in (signal.SIGUSR1, signal.SIGTERM):
        command = [CHORALE, "simulate"] + options(**{**RUN, "layers_depth": 10**6, "output_every": 10**6, "output_overwrite": True})
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        caught = 0
        while process.poll() is None and not caught >> number - 1 & 1:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                caught = int(next(line for line in file if line.startswith("SigCgt")).split()[1], 16)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 85 and f"stopped (signal {int(number)})" in error, (process.returncode, error)


def stop_files(top, reference):
    """A stop file that is there before the run stops it after its first step; one that comes when nothing is left to do, not at all."""
    folder = f"{top}/stop"
    os.mkdir(folder)
    with open(f"{folder}/now", "w", encoding="ascii"):
        pass
    line = run(folder, 2, 1, 85, checkpoint_stop_file="now")
    assert "stop file now" in line, line
    line = run(folder, 3, 3, 85, checkpoint_stop_file="now", checkpoint_resume=True)
    assert "1 begun" in line, line
    os.remove(f"{folder}/now")
    # at the last step: the file appears while the last realization is under way; whichever is first, the run ends well
    command = ["mpirun", "-n", "2", CHORALE, "simulate"] + options(**{**RUN, "checkpoint_every": 1, "checkpoint_resume": True, "checkpoint_stop_file": "late"})
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    steps = 0
    while process.poll() is None and steps < RUN["layers_depth"] - 1:
        try:
            with h5py.File(f"{folder}/run/checkpoint.h5", "r", locking=False) as file:
                steps = file["status/step"][3]
        except (OSError, KeyError):
            pass
    with open(f"{folder}/late", "w", encoding="ascii"):
        pass
    process.communicate(timeout=60)
    assert process.returncode in (0, 85), process.returncode
    os.remove(f"{folder}/late")
    run(folder, 4, 2, 0, checkpoint_resume=True)
    expect_same(folder, reference, "stop files")


def block_checkpoints(folder):
    """A run whose every checkpoint fails: so it is seen whether there was one."""
    os.makedirs(f"{folder}/run/checkpoint.tmp.h5")
    return folder


def checkpoints_come(top, folder):
    """By steps while the first group is idle, and after the first step of a run with a limit, which must know what one costs."""
    def first_group_is_done(file):
        file.move("state/0", "state/1")
        file["status/step"][:] = (12, 2, 12, 12)

    copy = block_checkpoints(altered(folder, f"{top}/idle", first_group_is_done))
    keys = dict(checkpoint_resume=True, checkpoint_interval=0)
    assert "checkpoint.tmp.h5" in run(copy, 2, 2, 1, checkpoint_every=11, **keys)
    assert "checkpoint.tmp.h5" in run(copy, 2, 2, 1, checkpoint_walltime=1000, **keys)
    run(copy, 2, 2, 0, checkpoint_every=13, **keys)  # more than there is to do


def other_input_files(top):
    """A file of tokens whose contents are replaced while the run is stopped."""
    folder = f"{top}/input"
    os.mkdir(folder)
    tokens = np.random.default_rng(5).normal(size=(2, 300, 3))
    keys = dict(tokens_init="file", tokens_file="tokens.npy")
    np.save(f"{folder}/tokens.npy", tokens[0])
    run(folder, 2, 1, 85, checkpoint_walltime=1e-9, **keys)
    np.save(f"{folder}/tokens.npy", tokens[1])
    line = run(folder, 3, 1, 2, checkpoint_resume=True, **keys)
    assert "tokens_file = tokens.npy: the file had other contents" in line, line
    np.save(f"{folder}/tokens.npy", tokens[0])
    run(folder, 3, 1, 0, checkpoint_resume=True, **keys)


def broken_results(top, folder, reference):
    """Partial results that cannot be read are written anew from a good checkpoint; without one they may be anything."""
    copy = f"{top}/broken"
    shutil.copytree(folder, copy)
    os.truncate(f"{copy}/run.h5", os.path.getsize(f"{copy}/run.h5") // 2)
    text = run(copy, 3, 1, 0, checkpoint_resume=True)
    assert text.count("warning: run.h5 cannot be read: it will be written anew") == 1, text
    expect_same(copy, reference, "broken results")
    with open(f"{copy}/run.h5", "w", encoding="ascii") as file:
        file.write("notes")
    line = run(copy, 2, 1, 2, checkpoint_resume=True)
    assert "output_file = run.h5: cannot be read" in line, line
    with open(f"{copy}/run.h5", encoding="ascii") as file:
        assert file.read() == "notes"


def leftovers(top, folder, reference):
    """Checkpoints beside complete results, as of a run that was killed in between, and those of an older run."""
    names = ("checkpoint.h5", "checkpoint.prev.h5", "checkpoint.tmp.h5")
    copy = f"{top}/leftovers"
    shutil.copytree(folder, copy)
    run(copy, 2, 1, 0, checkpoint_resume=True)
    for name in names:
        shutil.copy(f"{folder}/run/checkpoint.h5", f"{copy}/run/{name}")
    run(copy, 2, 1, 0, checkpoint_resume=True, dry_run=True)
    assert os.path.exists(f"{copy}/run/checkpoint.h5"), "removed by -dry_run"
    run(copy, 2, 1, 0, checkpoint_resume=True)
    assert sorted(os.listdir(f"{copy}/run")) == sorted(os.path.basename(name) for name in os.listdir(f"{copy}/run") if name.startswith("real"))
    expect_same(copy, reference, "leftovers")
    copy = f"{top}/older"
    shutil.copytree(folder, copy)
    block_checkpoints(copy)  # ends at its first checkpoint, which it does not make
    run(copy, 2, 1, 1, ensemble_seed=9, output_overwrite=True, checkpoint_every=1)
    os.rmdir(f"{copy}/run/checkpoint.tmp.h5")
    text = run(copy, 2, 1, 0, ensemble_seed=9, output_overwrite=True, checkpoint_resume=True)
    assert "goes on from" not in text, text


def contents(folder):
    return {name: datasets(f"{folder}/{name}", skip=("provenance", "parameters", "particles") if name == "run.h5" else ()) for name in FILES}


def expect_same(folder, reference, what):
    found = contents(folder)
    for name in FILES:
        differing = same_bits(reference[name], found[name])
        assert not differing, f"{what}: {name}: {differing}"


def main():
    with tempfile.TemporaryDirectory() as top:
        for name in ("whole", "stopped"):
            os.mkdir(f"{top}/{name}")
        run(f"{top}/whole", 2, 1, 0)
        reference = contents(f"{top}/whole")
        for resume in ("false", "true"):
            run(f"{top}/stopped", 2, 1, 85, checkpoint_walltime=1e-9, checkpoint_resume=resume)
        mismatches_end_all_ranks(top, f"{top}/stopped")
        lost_trajectories_begin_again(top, f"{top}/stopped", reference)
        stop_files(top, reference)
        early_signals_are_heard(top)
        checkpoints_come(top, f"{top}/stopped")
        other_input_files(top)
        broken_results(top, f"{top}/stopped", reference)
        leftovers(top, f"{top}/stopped", reference)
    some_ranks_meet_bad_input()


if __name__ == "__main__":
    sys.exit(main())
