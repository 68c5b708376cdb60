"""A disk that is full or read-only: one clear line, exit code 1, the older checkpoint still good,
and on to the same bits when there is room."""

import contextlib
import os
import re
import subprocess

import pytest
from run import chorale, datasets, options, running, same_bits

pytestmark = pytest.mark.full

DEPTH = 60
RUN = dict(
    tokens_count=2000,
    tokens_dim=3,
    layers_depth=DEPTH,
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
RECORDED = {**RUN, "output_trajectories": 2}
RUNS = {
    "plain": ("simulate", RUN),
    "recorded": ("simulate", RECORDED),
    "circle": ("simulate", {**RECORDED, "tokens_dim": 2}),
    "limits": ("limits", LIMITS),
}


class Disk:
    """A small file system of its own, mounted on a folder."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        words = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
        subprocess.run(words, check=True, capture_output=True)

    def close(self):
        subprocess.run(["umount", "-l", self.folder], check=True)

    def fill(self, all_but=0):
        """Takes all room but so many bytes."""
        found = os.statvfs(self.folder)
        with open(f"{self.folder}/filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_bsize - all_but)

    def free(self):
        os.remove(f"{self.folder}/filler")


@contextlib.contextmanager
def read_only(folder):
    """What is opened in this folder by its path from now on meets a read-only file system; files
    that are open, as the lock of a run is, do not feel it."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def disk(folder):
    try:
        disk = Disk(f"{folder}/disk")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small file system (needs root): {error}")
    yield disk
    disk.close()


def contents(folder):
    found = datasets(f"{folder}/run.h5")
    for name in sorted(os.listdir(f"{folder}/run")) if os.path.isdir(f"{folder}/run") else []:
        assert name.endswith((".h5md", ".xmf")), f"{name} is left"
        if name.endswith(".h5md"):
            for key, value in datasets(f"{folder}/run/{name}", skip=()).items():
                found[f"{name}/{key}"] = value
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """whole(name): the numbers of a run that nothing happens to."""
    found = {}

    def numbers(name):
        if name not in found:
            folder = tmp_path_factory.mktemp(name)
            study, keys = RUNS[name]
            chorale([study] + options(**keys), ranks=2, cwd=folder)
            found[name] = contents(folder)
        return found[name]

    return numbers


def expect_line(done, code, phrase):
    """One line of ours, at once visible: nothing of HDF5 or PETSc, and no line of ours inside that
    of another program."""
    lines = [line for line in done.stderr.splitlines() if "chorale: " in line]
    assert done.returncode == code and len(lines) == 1, done
    assert lines[0].startswith("chorale: ") and phrase in lines[0], lines
    assert not re.search(r"HDF5-DIAG|PETSC ERROR|Segmentation|core dumped", done.stderr), done


def expect_to_go_on(disk, name, whole, ranks):
    """On to the end once there is room."""
    study, keys = RUNS[name]
    words = [study] + options(**keys, checkpoint_resume=True)
    done = chorale(words, ranks=ranks, cwd=disk.folder)
    assert "goes on from" in done.stdout, done.stdout
    differing = same_bits(whole(name), contents(disk.folder))
    assert not differing, differing
    left = [name for name in os.listdir(disk.folder) if name.endswith(".tmp")]
    assert not left, left


def run_with(happening, disk, name, ranks, step, **more):
    """The end of a run to which something happens after this step of its first realization."""
    study, keys = RUNS[name]
    words = [study] + options(**{**keys, **more})
    go = os.path.abspath("go")
    with running(words, ranks, cwd=disk.folder, hook=f"0 {step} 0 wait={go}") as run:
        run.wait_until_held(go)
        assert os.path.exists(f"{disk.folder}/run/checkpoint.h5")
        happening()
        run.release(go)
        return run.end()


@pytest.mark.parametrize(
    "name, every, all_but, phrase",
    (
        ("plain", 1, 0, "cannot"),
        ("plain", 1, 30000, "cannot"),
        ("recorded", DEPTH // 3, 0, "realization_0000"),
    ),
    ids=("at a checkpoint", "within a checkpoint", "at a trajectory"),
)
def test_a_disk_that_fills_up_ends_the_run_in_one_line(disk, whole, name, every, all_but, phrase):
    def happening():
        disk.fill(all_but)

    done = run_with(happening, disk, name, 2, every + 1, checkpoint_every=every)
    expect_line(done, 1, phrase)
    expect_line(done, 1, "No space left on device")
    disk.free()
    expect_to_go_on(disk, name, whole, 3)


def test_a_disk_that_becomes_read_only_ends_the_run_in_one_line(disk, whole):
    more = dict(checkpoint_every=1, output_file=f"{disk.folder}/run.h5")
    with contextlib.ExitStack() as mounted:
        done = run_with(
            lambda: mounted.enter_context(read_only(disk.folder)), disk, "plain", 3, 2, **more
        )
        expect_line(done, 1, "Read-only file system")
        words = ["simulate"] + options(**RUN, checkpoint_resume=True)
        done = chorale(words, ranks=2, cwd=disk.folder, check=False)
        expect_line(done, 2, "output_file = run.h5: cannot be written")
    expect_to_go_on(disk, "plain", whole, 2)


def test_a_folder_that_becomes_read_only_between_realizations_is_told_in_one_line(disk, whole):
    """The directory of the trajectories, while the first is written, which its open file does not
    feel: the next one cannot be made. No checkpoint comes in between, and in d = 2 no sidecar."""
    every = DEPTH * 2 // 3
    with contextlib.ExitStack() as mounted:
        done = run_with(
            lambda: mounted.enter_context(read_only(f"{disk.folder}/run")),
            disk,
            "circle",
            2,
            every + 1,
            checkpoint_every=every,
        )
    expect_line(done, 1, "run/realization_00001.h5md: cannot create: Read-only file system")
    expect_to_go_on(disk, "circle", whole, 3)


@pytest.mark.parametrize("name", ("plain", "limits"))
def test_a_disk_that_is_full_at_the_end_loses_nothing(disk, whole, name):
    """No room for the results, nor for the checkpoint of a run that is to stop."""
    study, keys = RUNS[name]

    def run(ranks, **more):
        words = [study] + options(**keys, **more)
        return chorale(words, ranks=ranks, cwd=disk.folder, check=False)

    assert run(2, checkpoint_walltime=1e-9).returncode == 85
    disk.fill()
    expect_line(run(3, checkpoint_resume=True, checkpoint_walltime=1e-9), 1, "checkpoint")
    expect_line(run(2, checkpoint_resume=True), 1, "run.h5")
    disk.free()
    expect_to_go_on(disk, name, whole, 1)


@pytest.mark.parametrize("room", (0, 5000, 100000, 1000000))
def test_merging_onto_a_full_disk_is_one_line(disk, folder, room):
    """No room for the file, nor for parts of it; what is joined lies elsewhere."""
    keys = dict(tokens_count=16, layers_depth=500, noise_type="none", progress="off")
    for seed in (1, 2):
        words = ["simulate"] + options(**keys, ensemble_seed=seed, output_file=f"{seed}.h5")
        chorale(words, cwd=folder)
    disk.fill(room)
    words = ["merge", "-merge_files", "1.h5,2.h5", "-output_file", f"{disk.folder}/all.h5"]
    done = chorale(words, cwd=folder, check=False)
    expect_line(done, 1, "all.h5")
    assert "No space left" in done.stderr, done
    # Open MPI keeps the files of its shared pointers where a run without a daemon cannot write
    left = [name for name in os.listdir(disk.folder) if ".h5" in name]
    assert all(re.fullmatch(r"all\.h5\.tmp\.(meta)?data\.0", name) for name in left), left
