"""Files that are larger than the memory: info, plot, report and analyze on a trajectory of 10 GB
within 1 GB, project where a frame is larger than what it may have. The files are sparse: chunks
that were never written read as the fill value, a point of the sphere."""

import os
import subprocess

import h5py
import numpy as np
import pytest
import tools
from run import CHORALE, TIMEOUT, options

pytestmark = pytest.mark.full

MOST = 1 << 30  # bytes that a process may have
FRAMES, TOKENS = 100, 4200000  # 100 MB a frame
MOVED = 4096  # tokens of the first and of the last frame that are somewhere else than all others


def trajectory(path, frames, tokens):
    """In R^3."""
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/all/position")
        keys = {"chunks": (1, 1 << 18, 3), "dtype": float, "fillvalue": 3**-0.5}
        value = group.create_dataset("value", (frames, tokens, 3), **keys)
        group["step"], group["time"] = np.arange(frames), np.arange(frames) / 10
        for frame in (0, frames - 1):
            x = np.random.default_rng(frame).normal(size=(MOVED, 3))
            value[frame, :MOVED] = x / np.linalg.norm(x, axis=1, keepdims=True)


def unfinished_results(path):
    """0.8 GB of energies of which a job has written the first 1000 frames of one realization."""
    frames, realizations = 100000, 1000
    with h5py.File(path, "w") as file:
        group = file.create_group("observables/energy")
        keys = {"chunks": (10000, 1), "dtype": float, "fillvalue": np.nan}
        value = group.create_dataset("value", (frames, realizations), **keys)
        value[:1000, 3] = 0.5
        group["step"], group["time"] = np.arange(frames), np.arange(frames) / 100
        file.create_group("study/simulate")
        file.create_group("parameters").attrs.update(layers_horizon="1000")
        file.create_group("provenance").attrs.update(complete="false")


def within(most, words, address_space=None):
    """What a program prints that is resident with less than so many bytes."""
    prefix = ["/usr/bin/python3", "-c", MEASURED, str(address_space or -1)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    keys = {"env": environment, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*prefix, *map(str, words)], timeout=TIMEOUT, **keys)
    assert done.returncode == 0, (words, done.returncode, done.stderr)
    size = int(done.stderr.splitlines()[-1])
    assert size < most, f"{words}: {size / 1e9:.2f} GB"
    return done.stdout


# Runs a program within an address space and says on stderr how large it has been.
MEASURED = """
import resource, subprocess, sys
most, words = int(sys.argv[1]), sys.argv[2:]
if most > 0:
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
code = subprocess.run(words).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10, file=sys.stderr)
sys.exit(code)
"""


def tool(name, *words):
    """A tool that may have half of MOST."""
    return within(MOST // 2, [os.path.join(tools.FOLDER, name), *words], MOST)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A trajectory of 10 GB."""
    assert FRAMES * TOKENS * 24 > 1e10
    path = tmp_path_factory.mktemp("large") / "long.h5md"
    trajectory(path, FRAMES, TOKENS)
    return path


def test_info_of_results_that_are_being_written(folder):
    unfinished_results("unfinished.h5")
    said = tool("info", "unfinished.h5")
    assert "1000 frames, step 0 to 999" in said and "of 100000 frames" in said, said


def test_info_of_a_frame_that_is_larger_than_the_memory(folder):
    trajectory("wide.h5md", 1, 40000000)  # 0.96 GB a frame
    said = tool("info", "wide.h5md")
    assert "40000000 tokens in R^3, double, 960 MB a frame" in said, said


def test_info_of_a_long_trajectory(long):
    assert "100 frames, step 0 to 99" in tool("info", long)


@pytest.mark.parametrize("name, ending", [("plot", "png"), ("report", "html")])
def test_a_long_trajectory_is_drawn(long, folder, name, ending):
    tool(name, long, "-o", f"long.{ending}")


def test_a_large_frame_is_projected(folder):
    trajectory("project.h5md", 1, 12000000)  # 0.29 GB a frame
    tool("project", "project.h5md")


def test_a_long_trajectory_is_analyzed(long, folder):
    keys = {"analyze_file": long, "analyze_every": 99, "attention_beta": 1, "progress": "off"}
    within(MOST, [CHORALE, "analyze", *options(**keys, output_file="analyze.h5")])
    with h5py.File("analyze.h5") as file:
        order = file["observables/order/value"][:, 0]
    assert len(order) == 2 and (np.abs(order - (1 - MOVED / TOKENS)) < 1e-4).all(), order
