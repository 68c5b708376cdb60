"""tools/project: the three components of largest variance, by a singular value decomposition of all
positions; MDAnalysis reads them, and so does ParaView (test_paraview.py)."""

import os
import re
import shutil
import warnings
import xml.etree.ElementTree
from pathlib import Path

import h5py
import numpy as np
import pytest
import tools

SOURCE = Path(os.environ["CHORALE_SOURCE"])
TRAJECTORY = "beyond/realization_00000"


def principal(positions):
    """Three components of positions [T][N][d], and all variances."""
    flat = positions.reshape(-1, positions.shape[-1])
    flat = flat - flat.mean(axis=0)
    _, values, rows = np.linalg.svd(flat, full_matrices=False)
    signs = np.sign([[row[np.argmax(abs(row))]] for row in rows[:3]])
    expected = (flat @ (rows[:3] * signs).T).reshape(positions.shape[:2] + (3,))
    return expected, values**2 / len(flat)


@pytest.fixture(name="projected")
def projected_trajectory(have):
    """(expected positions, variances, times) of what the tool has written, and what it said."""
    have("beyond")
    code, out, err = tools.run("project", f"{TRAJECTORY}.h5md")
    assert code == 0, err
    with h5py.File(f"{TRAJECTORY}.h5md", locking=False) as file:
        position = file["particles/all/position"]
        expected, variances = principal(position["value"][:])
        return expected, variances, position["time"][:], out


def test_components_are_those_of_largest_variance(projected):
    expected, variances, _, said = projected
    shares = 100 * variances[:3] / variances.sum()
    words = " + ".join(f"{share:.1f}%" for share in shares) + f" = {shares.sum():.1f}%"
    assert words in said, said
    with h5py.File(f"{TRAJECTORY}-projected.h5md", locking=False) as file:
        found = file["particles/all/position/value"][:]
        np.testing.assert_allclose(found, expected, atol=1e-12)
        np.testing.assert_allclose(file["projection/variances"][:], variances, rtol=1e-10)


@pytest.mark.full
def test_mdanalysis_reads_what_is_projected_as_the_page_says(projected):
    text = (SOURCE / "tools/README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(import MDAnalysis\n.*?)^```", text, re.M | re.S)
    reason = "MDAnalysis is not installed (tools/install-deps all installs python3-mdanalysis)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdanalysis = pytest.importorskip("MDAnalysis", reason=reason)
        assert mdanalysis
        named = re.sub(r'"d7.*?"', f'"{TRAJECTORY}-projected.h5md"', block)
        found = {}
        exec(named.replace("n_atoms=64", "n_atoms=40"), found)  # pylint: disable=exec-used
        universe = found["tokens"]
        expected, _, times, _ = projected
        assert len(universe.trajectory) == len(times)
        for i, frame in enumerate(universe.trajectory):
            np.testing.assert_allclose(frame.positions, expected[i], atol=1e-6)
            assert frame.time == times[i]


def test_any_name_of_a_file_stands_in_what_is_written(have, folder):
    have("beyond")
    shutil.copyfile(f"{TRAJECTORY}.h5md", folder / "a&b é.h5md")
    assert tools.run("project", "a&b é.h5md")[0] == 0
    items = list(xml.etree.ElementTree.parse("a&b é-projected.xmf").iter("DataItem"))
    assert items and all(item.text.startswith("a&b é-projected.h5md:/") for item in items)
    with h5py.File("a&b é-projected.h5md", locking=False) as file:
        assert file["projection"].attrs["source"].decode() == "a&b é.h5md"


def test_what_is_there_is_not_replaced_unasked(projected):
    code, _, err = tools.run("project", f"{TRAJECTORY}.h5md")
    assert code == 2 and "--overwrite" in err
    assert tools.run("project", f"{TRAJECTORY}.h5md", "--overwrite")[0] == 0


def test_three_dimensions_are_shown_whole(runs, folder):
    path = runs.path("sphere").with_suffix("") / "realization_00000.h5md"
    assert tools.run("project", path, "-o", "three.h5md")[1].endswith("= 100.0%\n")
