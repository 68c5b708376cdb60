"""The recipes of src/README.md: what it adds is added to one copy of the tree, which is built
without a warning; each addition runs, and has
the numbers that it must have."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.full
SOURCE = Path(os.environ["CHORALE_SOURCE"])
SMALL = "-tokens_count 64 -ensemble_realizations 2 -progress off -output_overwrite"


def recipes():
    """heading -> [(kind, file, block)]: the blocks of a recipe, diff and c with the file that the
    text before them names last."""
    text = (
        (SOURCE / "src/README.md")
        .read_text(encoding="utf-8")
        .split("\n## Adding to it\n")[1]
        .split("\n## ")[0]
    )
    found = {}
    for part in text.split("\n### ")[1:]:
        heading, body = part.split("\n", 1)
        found[heading], file = [], None
        for before, kind, block in re.findall(r"(.*?)^```(\w+)\n(.*?)^```$", body, re.M | re.S):
            file = [file, *re.findall(r"`((?:src|include)/[\w./]+)`", before)][-1]
            found[heading].append((kind, file, block))
    return found


RECIPES = recipes()


def words(line):
    return " ".join(line.split())


def apply(path, block):
    """A block with signs: its lines without + follow each other in the file, up to blanks, in one
    place."""
    lines = path.read_text(encoding="utf-8").splitlines()
    signs = [(line[:1], line[1:]) for line in block.splitlines()]
    old = [words(text) for sign, text in signs if sign != "+"]
    places = [
        i for i in range(len(lines)) if [words(line) for line in lines[i : i + len(old)]] == old
    ]
    assert len(places) == 1, (path, places, old)
    new, at = [], places[0]
    for sign, text in signs:
        if sign == "+":
            new.append(text)
        else:
            new += [lines[at]] if sign != "-" else []
            at += 1
    path.write_text("\n".join(lines[: places[0]] + new + lines[at:]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module", name="built")
def extended(tmp_path_factory):
    """The program with all recipes in it."""
    top = tmp_path_factory.mktemp("tree")
    for name in ("CMakeLists.txt", "include", "src", "tools", "input", "tests"):
        copy = shutil.copytree if (SOURCE / name).is_dir() else shutil.copy
        copy(SOURCE / name, top / name)
    for blocks in RECIPES.values():
        for kind, file, block in blocks:
            if kind == "diff":
                apply(top / file, block)
            elif kind == "c":
                assert not (top / file).exists()
                (top / file).write_text(block, encoding="utf-8")
    subprocess.run(
        ["cmake", "-G", "Ninja", "-S", top, "-B", top / "build", "-DCHORALE_WERROR=ON"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["ninja", "-C", top / "build", "--quiet", "chorale"], check=True, timeout=1500)
    return top


def test_sizes():
    """Each recipe is one file, and one line elsewhere; a key has a field as well."""
    assert {"An activation", "An attention", "A noise", "A scheme", "A key"} <= RECIPES.keys()
    for heading, blocks in RECIPES.items():
        if heading == "A key":
            continue
        files = {file for kind, file, _ in blocks if kind in ("c", "diff")}
        new = {file for kind, file, _ in blocks if kind == "c"}
        changed = [
            line
            for kind, file, block in blocks
            if kind == "diff"
            for line in block.splitlines()
            if line.startswith("+")
        ]
        assert len(files) == 1 or (len(new) == 1 and len(files) == 2 and len(changed) == 1), heading


@pytest.mark.parametrize("heading", RECIPES)
def test_commands(built, heading):
    lines = [
        line for kind, _, block in RECIPES[heading] if kind == "sh" for line in block.splitlines()
    ]
    assert lines
    for line in lines:
        subprocess.run(
            ["bash", "-c", f"{line} -output_overwrite" if "output_file" in line else line],
            cwd=built,
            check=True,
            capture_output=True,
        )


def run(top, name, *options):
    line = [
        top / "build/chorale",
        "simulate",
        *SMALL.split(),
        *(word for option in options for word in option.split()),
        "-output_file",
        f"{name}.h5",
    ]
    subprocess.run(line, cwd=top, check=True, capture_output=True)
    with h5py.File(top / f"{name}.h5") as file:
        return {key: group["value"][()] for key, group in file["observables"].items()}


def test_sharp_is_l2(built):
    """Softmax at 2 beta: on the sphere l2 is the same, THEORY.md (1.5)."""
    sharp, l2 = (
        run(built, name, f"-attention_type {name} -layers_depth 20") for name in ("sharp", "l2")
    )
    assert all(sharp[key].tobytes() == l2[key].tobytes() for key in l2) and not np.array_equal(
        sharp["energy"][0], sharp["energy"][-1]
    )


def test_wind_is_degree_0(built):
    """Spectral noise cut off at degree 0 is the same field."""
    noise = "-attention_type none -scheme_type heun -layers_depth 20 -layers_horizon 1"
    wind, spectral = run(built, "wind", noise, "-noise_type wind"), run(
        built, "degree", noise, "-noise_type spectral -noise_degree 0"
    )
    assert (
        np.allclose(wind["order"], spectral["order"], rtol=0, atol=1e-12)
        and wind["order"].std() > 0.01
    )


@pytest.mark.parametrize("other", ["heun", "flow"])
def test_midpoint_agrees_with(built, other):
    """Two schemes for one form along one path of the noise: they come together as steps shrink."""

    def far(depth):
        found = [
            run(
                built,
                name,
                f"-noise_type spectral -noise_degree 2 -layers_horizon 0.5 -layers_depth {depth} "
                f"-output_every {depth} -scheme_type {name}",
            )["order"][-1]
            for name in ("midpoint", other)
        ]
        return np.abs(found[0] - found[1]).max()

    assert far(40) < 1e-2 and far(640) < far(40) / 4


@pytest.mark.parametrize("depth,code", [(100, 0), (99, 2), (1, 2)])
def test_longest_step(built, depth, code):
    line = (
        f"{built}/build/chorale simulate {SMALL} -layers_horizon 1 -layers_depth {depth} "
        "-scheme_longest 0.01 -output_file key.h5"
    )
    done = subprocess.run(line.split(), cwd=built, capture_output=True, text=True, check=False)
    assert done.returncode == code
    if code:
        assert (
            done.stderr.startswith("chorale: scheme_longest = 0.01: ")
            and done.stderr.count("\n") == 1
        )
    else:
        with h5py.File(built / "key.h5") as file:
            assert file["parameters"].attrs["scheme_longest"] in ("0.01", b"0.01")


def test_arctan(built):
    """The new activation has the numbers of Gauss quadrature, and is among the choices."""
    subprocess.run(
        [
            built / "build/chorale",
            "kernel",
            "-mlp_activation",
            "relu,arctan",
            "-tokens_dim",
            "3",
            "-output_table",
            "k.csv",
        ],
        cwd=built,
        check=True,
        capture_output=True,
    )
    rows = [line.split(",") for line in (built / "k.csv").read_text().splitlines()]
    found = dict(zip(rows[0], next(row for row in rows if row[0] == "arctan")))
    x = np.linspace(
        -12, 12, 2400001
    )  # k(1) = E σ(g)², k'(1) = E σ'(g)² / d, g normal of variance 1/d
    weight = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    g = x / np.sqrt(3)
    k1, kp1 = (weight * np.arctan(g) ** 2).sum(), (weight / (1 + g * g) ** 2).sum() / 3
    assert abs(float(found["k1"]) - k1) < 1e-8 and abs(float(found["kp1"]) - kp1) < 1e-8
    refused = subprocess.run(
        [built / "build/chorale", "kernel", "-mlp_activation", "nothing"],
        cwd=built,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2 and "arctan" in refused.stderr
