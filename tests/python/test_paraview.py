"""ParaView opens what chorale and tools/project write: all points at all times."""

import shutil
import subprocess

import h5py
import numpy as np
import pytest
import tools
from run import TIMEOUT

pytestmark = pytest.mark.full

PARAVIEW = """
import sys
from paraview import servermanager, simple
for name in sys.argv[1:]:
    reader = simple.OpenDataFile(name)
    for time in reader.TimestepValues:
        reader.UpdatePipeline(time)
        data = servermanager.Fetch(reader)
        points = [value for i in range(data.GetNumberOfPoints()) for value in data.GetPoint(i)]
        print("POINTS", time, *points, flush=True)
"""


def positions(path):
    """time[T] and position[T][N][d] of a trajectory."""
    with h5py.File(path, locking=False) as file:
        group = file["particles/all/position"]
        return group["time"][:], group["value"][:]


def test_points_of_a_trajectory_and_of_a_projection_at_all_times(have, folder):
    """By the reader that ParaView takes by itself."""
    if not shutil.which("pvpython"):
        pytest.skip(
            "pvpython is not installed (tools/install-deps all: paraview, python3-paraview)"
        )
    have("sphere", "beyond")
    code, _, err = tools.run("project", "beyond/realization_00000.h5md")
    assert code == 0, err
    (folder / "open.py").write_text(PARAVIEW, encoding="ascii")
    shutil.move("sphere", "moved")  # links are relative
    names = ["moved/realization_00000", "beyond/realization_00000-projected"]
    program = ["pvpython", "--force-offscreen-rendering", "open.py"]
    words = program + [f"{name}.xmf" for name in names]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("POINTS")]
    rows = [np.array([float(word) for word in line.split()[1:]]) for line in lines]
    times, points = zip(*(positions(f"{name}.h5md") for name in names))
    assert [row[0] for row in rows] == list(np.concatenate(times)), done.stdout + done.stderr
    for row, expected in zip(rows, [*points[0], *points[1]]):
        np.testing.assert_allclose(row[1:].reshape(-1, 3), expected, atol=1e-6)
