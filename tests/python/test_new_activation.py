"""README's new activation, put into a copy of src/law/kernel/activation.c: the program that is
linked with it knows the name and has the numbers of Gauss quadrature."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from run import TIMEOUT

pytestmark = pytest.mark.full

SOURCE, BUILD = Path(os.environ["CHORALE_SOURCE"]), Path(os.environ["CHORALE_BUILD"])
REGISTRY = "src/law/kernel/activation.c"


def with_example(source):
    """The functions before the registry, the row as its last."""
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    example = re.search(r"\*\*A new activation\*\*.*?```c\n(.*?)```", readme, re.S)[1]
    functions, row = example.split("  /*  name")
    row = row.split("\n", 1)[1].strip()
    assert row.startswith("ROW(") and row.endswith(")"), row
    before, registry = source.split("/* The registry:")
    macro, after = registry.split("\n\n", 1)
    return before + functions + "/* The registry:" + macro + " \\\n  " + row + "\n\n" + after


def compiled(path):
    """The object of a changed file, by the command of the build."""
    known = json.loads((BUILD / "compile_commands.json").read_text())
    entry = next(entry for entry in known if entry["file"] == str(SOURCE / REGISTRY))
    words = [word for word in shlex.split(entry["command"]) if "ccache" not in word]
    made = path.with_suffix(".o")
    words[words.index("-o") + 1], words[-1] = str(made), str(path)
    subprocess.run(words, cwd=entry["directory"], check=True, timeout=TIMEOUT)
    return made


def linked(made, program):
    """chorale with an object that comes before the library, which has the old one."""
    words = ["ninja", "-t", "commands", "chorale"]
    commands = subprocess.run(words, cwd=BUILD, capture_output=True, text=True, check=True).stdout
    words = shlex.split(re.sub(r"^: && | && :$", "", commands.splitlines()[-1]))
    words[words.index("-o") + 1] = str(program)
    words.insert(words.index("-o"), str(made))
    subprocess.run(words, cwd=BUILD, check=True, timeout=TIMEOUT)
    return program


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """chorale with the activation arctan."""
    folder = tmp_path_factory.mktemp("activation")
    path = folder / "activation.c"
    source = (SOURCE / REGISTRY).read_text(encoding="utf-8")
    path.write_text(with_example(source), encoding="utf-8")
    return linked(compiled(path), folder / "chorale")


def run(program, words):
    """The completed process."""
    keys = {"capture_output": True, "text": True, "check": False, "timeout": TIMEOUT}
    return subprocess.run([program, *words.split()], **keys)


def test_its_kernel_is_that_of_quadrature(program, folder):
    """k(1) = E σ(g)², k'(1) = E σ'(g)² / d, g normal of variance 1/d."""
    words = "kernel -mlp_activation relu,arctan -tokens_dim 3 -output_table k.csv"
    said = run(program, words)
    assert said.returncode == 0, said.stderr
    rows = [line.split(",") for line in (folder / "k.csv").read_text().splitlines()]
    found = dict(zip(rows[0], next(row for row in rows if row[0] == "arctan")))
    x = np.linspace(-12, 12, 2400001)
    weight = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    g = x / np.sqrt(3)
    k1, kp1 = (weight * np.arctan(g) ** 2).sum(), (weight / (1 + g * g) ** 2).sum() / 3
    assert abs(float(found["k1"]) - k1) < 1e-8 and abs(float(found["kp1"]) - kp1) < 1e-8, found


def test_its_name_is_told_to_who_chooses_another(program, folder):
    refused = run(program, "kernel -mlp_activation nothing")
    assert refused.returncode == 2 and "sin identity arctan" in refused.stderr, refused.stderr


def test_it_moves_tokens(program, folder):
    words = "simulate -mlp_activation arctan -layers_depth 4 -tokens_count 8 -progress off"
    assert run(program, words).returncode == 0
