"""The recipes of src/ADDING.md: what it adds is added to one copy of the tree, which is built
without a warning; each addition runs, and has the numbers that it must have.

What a recipe does not touch, by the dependencies that Ninja knows, is not compiled again: its
objects are those of the build that is tested, whose settings the copy has."""
import functools
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.full
SOURCE, BUILD = Path(os.environ["CHORALE_SOURCE"]), Path(os.environ["CHORALE_BUILD"])
SETTINGS = ("C_COMPILER", "C_FLAGS", "BUILD_TYPE", "ARCH", "SANITIZE", "FUZZ")
# Stands before each call of the compiler: takes an object that is on the list, compiles the others,
# through the launcher of the build that is tested, where ccache knows a file in any tree.
LAUNCHER = """#!/bin/sh
while read -r object; do
  case " $* " in *" -o $object "*)
    cp "{build}/$object" "$object" && echo "$object:" >"$object.d" && exit 0 ;;
  esac
done <"{list}"
export CCACHE_BASEDIR="{top}" CCACHE_NOHASHDIR=1
exec {own} "$@"
"""
SMALL = "-tokens_count 64 -ensemble_realizations 2 -progress off -output_overwrite"


def recipes():
    """heading -> [(kind, file, block)]: the blocks of a recipe, diff and c with the file that the
    text before them names last."""
    text = (SOURCE / "src/ADDING.md").read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
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


def unchanged(files):
    """The objects of the build that do not depend on these files, and are newer than what they do
    depend on."""
    ninja = ["ninja", "-C", BUILD, "-t", "deps"]
    said = subprocess.run(ninja, capture_output=True, text=True, check=False).stdout
    found, touched = [], {str(SOURCE / file) for file in files}
    for entry in re.findall(r"^(\S+\.o): .*\(VALID\)\n((?: +.*\n)*)", said, re.M):
        needs = {os.path.normpath(BUILD / line.strip()) for line in entry[1].splitlines()}
        made = (BUILD / entry[0]).stat().st_mtime if (BUILD / entry[0]).exists() else 0
        own = [need for need in needs if need.startswith(f"{SOURCE}/")]
        if not needs & touched and all(os.path.getmtime(need) <= made for need in own):
            found.append(entry[0])
    return found


def configure(top, touched):
    """With the settings of the build that is tested."""
    cache = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    keys = re.findall(rf"^((?:CMAKE|CHORALE)_(?:{'|'.join(SETTINGS)}):.*)$", cache, re.M)
    (top / "unchanged").write_text("\n".join([*unchanged(touched), ""]), encoding="utf-8")
    launcher = top / "launcher"
    own = re.search(r"^CMAKE_C_COMPILER_LAUNCHER:\w+=(.*)$", cache, re.M)
    places = {"build": BUILD, "list": top / "unchanged", "top": top}
    text = LAUNCHER.format(**places, own=shlex.join(own[1].split(";")) if own else "")
    launcher.write_text(text, encoding="utf-8")
    launcher.chmod(0o755)
    words = ["cmake", "-G", "Ninja", "-S", top, "-B", top / "build", "-DCHORALE_WERROR=ON"]
    words += [f"-D{key}" for key in keys] + [f"-DCMAKE_C_COMPILER_LAUNCHER={launcher}"]
    subprocess.run(words, check=True, capture_output=True)


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
                (top / file).parent.mkdir(exist_ok=True)
                (top / file).write_text(block, encoding="utf-8")
    configure(top, {file for blocks in RECIPES.values() for _, file, _ in blocks if file})
    subprocess.run(["ninja", "-C", top / "build", "--quiet", "chorale"], check=True, timeout=1500)
    return top


ONE_FILE = ("An activation", "An attention", "A noise", "A scheme", "A study")


def test_sizes():
    """Each recipe is one file, and one line elsewhere, which a key is a field for."""
    assert {*ONE_FILE, "A key"} == RECIPES.keys()
    for heading, blocks in RECIPES.items():
        new = {file for kind, file, _ in blocks if kind == "c"}
        added = {}
        for kind, file, block in blocks:
            if kind == "diff":
                added[file] = added.get(file, 0) + len(re.findall(r"^[+]", block, re.M))
        files = new | added.keys()
        lines = min(added.values())
        assert len(files) == 1 or (len(files) == 2 and lines == 1), heading


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


@functools.cache
def order_at_end(built, scheme, depth):
    """Of a run with spectral noise, whose path is that of every scheme."""
    noise = "-noise_type spectral -noise_degree 2 -layers_horizon 0.5"
    steps = f"-layers_depth {depth} -output_every {depth} -scheme_type {scheme}"
    return run(built, scheme, noise, steps)["order"][-1]


@pytest.mark.parametrize("other", ["heun", "flow"])
def test_midpoint_agrees_with(built, other):
    """Two schemes for one form along one path of the noise: they come together as steps shrink."""

    def far(depth):
        found = [order_at_end(built, name, depth) for name in ("midpoint", other)]
        return np.abs(found[0] - found[1]).max()

    assert far(40) < 1e-2 and far(640) < far(40) / 4


@pytest.mark.parametrize("memory,code", [(1, 0), (1e-3, 2)])
def test_memory_of_a_scheme(built, memory, code):
    line = (
        f"{built}/build/chorale simulate {SMALL} -scheme_type heun -layers_depth 2 "
        f"-scheme_memory {memory} -output_file key.h5"
    )
    done = subprocess.run(line.split(), cwd=built, capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    if code:
        assert done.stderr.startswith("chorale: scheme_memory = 0.001: "), done
        assert done.stderr.count("\n") == 1, done
    else:
        with h5py.File(built / "key.h5") as file:
            assert file["parameters"].attrs["scheme_memory"] in ("1", b"1")


def test_the_new_study_has_the_numbers_of_another(built):
    """Its deck is checked as any other, and its file explains what it holds."""
    deck = built / "spectrum.yaml"
    deck.write_text("tokens: {dim: 4}\nmlp: {activation: silu}\nspectrum: {degree: 6}\n")
    law = "-tokens_dim 4 -mlp_activation silu -kernel_degree 6 -output_table kernel.csv"
    for line in (f"spectrum {deck} -output_file own.h5 -output_overwrite", f"kernel {law}"):
        subprocess.run([built / "build/chorale", *line.split()], cwd=built, check=True)
    names, values = (line.split(",") for line in (built / "kernel.csv").read_text().splitlines())
    kernel = dict(zip(names, values))
    with h5py.File(built / "own.h5") as file:
        found = file["study/spectrum"]
        assert list(found["degree"]) == list(range(7)) and found["share"].attrs["description"]
        expected = [float(kernel[f"c{n}"]) for n in range(7)]
        assert list(found["coefficient"]) == expected
        shares = found["share"][()]
    assert np.allclose(shares * float(kernel["k1"]), expected, rtol=1e-14) and shares.sum() <= 1
    wrong = ["spectrum", "-spectrum_degree", "1001"]
    done = subprocess.run(
        [built / "build/chorale", *wrong], cwd=built, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "spectrum_degree = 1001" in done.stderr, done


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
