"""A disk that is full or read-only: one clear line, exit code 1, the older checkpoint still good, and on to the same bits when there is room."""
import errno
import os
import re
import subprocess
import sys
import tempfile
import time

from run import CHORALE, chorale, datasets, options, same_bits

SKIPPED = 77
WAIT = 60  # seconds in which a run must have ended after the fault
RUN = dict(
    tokens_count=2000,
    tokens_dim=3,
    layers_depth=60,
    layers_horizon=1.0,
    mlp_width=32,
    ensemble_realizations=2,
    ensemble_groups=1,
    output_every=2,
    output_file="run.h5",
    progress="off",
)
LIMITS = dict(
    tokens_count=40,
    layers_depth="6,12",
    limits_reference=24,
    mlp_width="inf",
    ensemble_realizations=4,
    output_file="run.h5",
    progress="off",
)


class Disk:
    """A small file system of its own."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
            check=True,
            capture_output=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=True)

    def fill(self, all_but=0):
        """Takes all room but so many bytes."""
        found = os.statvfs(self.folder)
        room = found.f_bavail * found.f_bsize - all_but
        if room <= 0:
            return
        with open(f"{self.folder}/filler", "ab") as file:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), room)
            except OSError as error:
                assert error.errno == errno.ENOSPC, error  # the run was faster: the next time

    def free(self):
        os.remove(f"{self.folder}/filler")

    def remount(self, how):
        """Read-only or not; a file that is open for writing is waited for."""
        while subprocess.run(
            ["mount", "-o", f"remount,{how}", self.folder], check=False, capture_output=True
        ).returncode:
            time.sleep(0.002)


def start(study, keys, ranks, folder, **more):
    command = ["mpirun", "-n", str(ranks), CHORALE, study] + options(**{**keys, **more})
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path, process):
    while not os.path.exists(path):
        assert process.poll() is None, f"ended before there was {path}: {process.stderr.read()}"
        time.sleep(0.005)


def expect_line(what, code, err, expected, name):
    """One line of ours, at once visible: nothing of HDF5 or PETSc, and no line of ours inside that of another program."""
    lines = [line for line in err.splitlines() if "chorale: " in line]
    assert (
        code == expected and len(lines) == 1 and lines[0].startswith("chorale: ")
    ), f"{what}: exit code {code}:\n{err}"
    assert name in lines[0], f"{what}: {lines[0]}"
    assert not re.search(r"HDF5-DIAG|PETSC ERROR|Segmentation|core dumped", err), f"{what}: {err}"
    print(f"{what}: {lines[0]}", flush=True)


def contents(folder):
    found = datasets(f"{folder}/run.h5")
    for name in sorted(os.listdir(f"{folder}/run")) if os.path.isdir(f"{folder}/run") else []:
        assert name.endswith((".h5md", ".xmf")), f"{name} is left"
        if name.endswith(".h5md"):
            found.update(
                {
                    f"{name}/{key}": value
                    for key, value in datasets(f"{folder}/run/{name}", skip=()).items()
                }
            )
    return found


def goes_on(what, study, keys, folder, reference, ranks):
    """On to the end once there is room."""
    done = chorale([study] + options(**keys, checkpoint_resume=True), ranks=ranks, cwd=folder)
    assert "goes on from" in done.stdout, f"{what}: {done.stdout}"
    differing = same_bits(reference, contents(folder))
    assert not differing, f"{what}: {differing}"
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")], os.listdir(folder)


def full_while_running(disk, what, keys, name, reference, all_but=0, **more):
    """The disk fills up between checkpoints, and stays full when the run replaces a file and so makes room."""
    process = start("simulate", keys, 2, disk.folder, **more)
    wait_for(f"{disk.folder}/run.h5", process)  # partial results, which come after a checkpoint
    deadline = time.monotonic() + WAIT
    while process.poll() is None and time.monotonic() < deadline:
        disk.fill(all_but)
        time.sleep(0.001)
    _, err = process.communicate(timeout=WAIT)
    expect_line(what, process.returncode, err, 1, name)
    disk.free()
    goes_on(what, "simulate", keys, disk.folder, reference, 3)


def read_only_while_running(disk, reference):
    process = start("simulate", RUN, 3, disk.folder, checkpoint_every=1)
    wait_for(f"{disk.folder}/run/checkpoint.h5", process)
    disk.remount("ro")
    _, err = process.communicate(timeout=WAIT)
    expect_line("read-only while running", process.returncode, err, 1, "cannot")
    done = chorale(
        ["simulate"] + options(**RUN, checkpoint_resume=True),
        ranks=2,
        cwd=disk.folder,
        check=False,
        timeout=WAIT,
    )
    expect_line(
        "read-only at the start",
        done.returncode,
        done.stderr,
        2,
        "output_file = run.h5: cannot be written",
    )
    disk.remount("rw")
    goes_on("read-only", "simulate", RUN, disk.folder, reference, 2)


def read_only_between(disk, reference, recorded):
    """The directory of the trajectories becomes read-only while the first is written, which its open file does not feel: the next one cannot
    be made. No checkpoint comes in between, and in d = 2 no sidecar."""
    process = start("simulate", recorded, 2, disk.folder, checkpoint_every=40)
    wait_for(f"{disk.folder}/run.h5", process)  # partial results, which come after a checkpoint
    folder = f"{disk.folder}/run"
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    _, err = process.communicate(timeout=WAIT)
    subprocess.run(["umount", "-l", folder], check=True)
    expect_line(
        "read-only between realizations",
        process.returncode,
        err,
        1,
        "run/realization_00001.h5md: cannot create: Read-only file system",
    )
    goes_on("read-only between realizations", "simulate", recorded, disk.folder, reference, 3)


def full_at_the_end(disk, study, keys, reference):
    """No room for the results, nor for the checkpoint of a run that is to stop."""
    done = chorale(
        [study] + options(**keys, checkpoint_walltime=1e-9), ranks=2, cwd=disk.folder, check=False
    )
    assert done.returncode == 85, done.stderr
    disk.fill()
    done = chorale(
        [study] + options(**keys, checkpoint_resume=True, checkpoint_walltime=1e-9),
        ranks=3,
        cwd=disk.folder,
        check=False,
        timeout=WAIT,
    )
    expect_line(f"{study}, full when it is to stop", done.returncode, done.stderr, 1, "checkpoint")
    done = chorale(
        [study] + options(**keys, checkpoint_resume=True),
        ranks=2,
        cwd=disk.folder,
        check=False,
        timeout=WAIT,
    )
    expect_line(f"{study}, full at the end", done.returncode, done.stderr, 1, "run.h5")
    disk.free()
    goes_on(f"{study}, full at the end", study, keys, disk.folder, reference, 1)


def main():
    with tempfile.TemporaryDirectory() as top:
        try:
            with Disk(f"{top}/disk"):
                pass
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"skipped: cannot mount a small file system (needs root): {error}")
            return SKIPPED
        recorded = {**RUN, "output_trajectories": 2}
        circle = {**recorded, "tokens_dim": 2}
        reference = {}
        for name, study, keys in (
            ("plain", "simulate", RUN),
            ("recorded", "simulate", recorded),
            ("circle", "simulate", circle),
            ("limits", "limits", LIMITS),
        ):
            os.mkdir(f"{top}/{name}")
            chorale([study] + options(**keys), ranks=2, cwd=f"{top}/{name}")
            reference[name] = contents(f"{top}/{name}")
        cases = (
            lambda disk: full_while_running(
                disk, "full at a checkpoint", RUN, "cannot", reference["plain"], checkpoint_every=1
            ),
            lambda disk: full_while_running(
                disk,
                "full within a checkpoint",
                RUN,
                "cannot",
                reference["plain"],
                all_but=30000,
                checkpoint_every=1,
            ),
            lambda disk: full_while_running(
                disk,
                "full at a trajectory",
                recorded,
                "realization_0000",
                reference["recorded"],
                checkpoint_every=20,
            ),
            lambda disk: read_only_while_running(disk, reference["plain"]),
            lambda disk: read_only_between(disk, reference["circle"], circle),
            lambda disk: full_at_the_end(disk, "simulate", RUN, reference["plain"]),
            lambda disk: full_at_the_end(disk, "limits", LIMITS, reference["limits"]),
        )
        for case in cases:
            with Disk(f"{top}/disk") as disk:
                case(disk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
