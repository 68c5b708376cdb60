"""ParaView opens what chorale and tools/project write."""
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from run import CHORALE, options
from test_tools import RUNS, SMALL, TRAJECTORY, projections_are_principal

PARAVIEW = """
import sys
from paraview import servermanager, simple
for name in sys.argv[1:]:
    reader = simple.OpenDataFile(name)
    for time in reader.TimestepValues:
        reader.UpdatePipeline(time)
        data = servermanager.Fetch(reader)
        print("POINTS", time, *(value for i in range(data.GetNumberOfPoints()) for value in data.GetPoint(i)), flush=True)
"""


def paraview_shows_them(folder, path, expected, times):
    """ParaView, by the reader that it takes by itself: all points at all times, of a trajectory in R^3 and of a projection."""
    with open(f"{folder}/open.py", "w", encoding="ascii") as file:
        file.write(PARAVIEW)
    moved = shutil.copytree(f"{folder}/simulate", f"{folder}/moved")  # links are relative
    with h5py.File(f"{folder}/{TRAJECTORY}", "r", locking=False) as file:
        x, t = file["particles/all/position/value"][:], file["particles/all/position/time"][:]
    done = subprocess.run(["pvpython", "--force-offscreen-rendering", f"{folder}/open.py", f"{moved}/realization_00000.xmf", f"{path}-projected.xmf"],
                          capture_output=True, text=True, check=False, timeout=120)
    rows = [np.array([float(word) for word in line.split()[1:]]) for line in done.stdout.splitlines() if line.startswith("POINTS")]
    assert [row[0] for row in rows] == list(t) + list(times), done.stdout + done.stderr
    for row, points in zip(rows, list(x) + list(expected)):
        np.testing.assert_allclose(row[1:].reshape(-1, 3), points, atol=1e-6)


def main():
    if not shutil.which("pvpython"):
        print("skipped: there is no pvpython (tools/install-deps all installs paraview and python3-paraview)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([CHORALE, "simulate", *options(**{**SMALL, **RUNS["simulate"]}, output_file="simulate.h5")], cwd=folder, capture_output=True, check=True)
        paraview_shows_them(folder, *projections_are_principal(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
