"""README's new activation, put into a copy of src/law/kernel/activation.c: the program that is linked with it knows the name and has the numbers of
Gauss quadrature."""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SOURCE, BUILD = Path(os.environ["CHORALE_SOURCE"]), Path(os.environ["CHORALE_BUILD"])
REGISTRY = "src/law/kernel/activation.c"


def with_example(source):
    """The functions before the registry, the row as its last."""
    example = re.search(r"\*\*A new activation\*\*.*?```c\n(.*?)```", (SOURCE / "README.md").read_text(encoding="utf-8"), re.S)[1]
    functions, row = example.split("    /* name")
    row = row.split("\n", 1)[1].strip()
    assert row.startswith("{") and row.endswith("},"), row
    before, registry = source.split("/* The registry:")
    rows, after = registry.split("\n};\n", 1)
    return before + functions + "/* The registry:" + rows + "\n    " + row + "\n};\n" + after


def compiled(folder):
    """The program with the changed file, by the commands of the build: its object comes before the library, which has the old one."""
    path = folder / "activation.c"
    path.write_text(with_example((SOURCE / REGISTRY).read_text(encoding="utf-8")), encoding="utf-8")
    known = json.loads((BUILD / "compile_commands.json").read_text())
    entry = next(entry for entry in known if entry["file"] == str(SOURCE / REGISTRY))
    words = [word for word in shlex.split(entry["command"]) if "ccache" not in word]
    words[words.index("-o") + 1], words[-1] = str(folder / "activation.o"), str(path)
    subprocess.run(words, cwd=entry["directory"], check=True, timeout=100)
    link = subprocess.run(["ninja", "-t", "commands", "chorale"], cwd=BUILD, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    words = shlex.split(re.sub(r"^: && | && :$", "", link))
    words[words.index("-o") + 1] = str(folder / "chorale")
    words.insert(words.index("-o"), str(folder / "activation.o"))
    subprocess.run(words, cwd=BUILD, check=True, timeout=100)
    return folder / "chorale"


def main():
    with tempfile.TemporaryDirectory() as name:
        program = compiled(Path(name))
        said = subprocess.run([program, "kernel", "-mlp_activation", "relu,arctan", "-tokens_dim", "3", "-output_table", "k.csv"], cwd=name, capture_output=True, text=True,
                              check=False)
        assert said.returncode == 0, said.stderr
        rows = [line.split(",") for line in Path(name, "k.csv").read_text().splitlines()]
        found = dict(zip(rows[0], next(row for row in rows if row[0] == "arctan")))
        x = np.linspace(-12, 12, 2400001)  # k(1) = E σ(g)², k'(1) = E σ'(g)² / d, g normal of variance 1/d
        weight = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
        g = x / np.sqrt(3)
        k1, kp1 = (weight * np.arctan(g) ** 2).sum(), (weight / (1 + g * g) ** 2).sum() / 3
        assert abs(float(found["k1"]) - k1) < 1e-8 and abs(float(found["kp1"]) - kp1) < 1e-8, (found, k1, kp1)
        refused = subprocess.run([program, "kernel", "-mlp_activation", "nothing"], cwd=name, capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and "sin identity arctan" in refused.stderr, refused.stderr
        run = [program, "simulate", "-mlp_activation", "arctan", "-layers_depth", "4", "-tokens_count", "8", "-progress", "off"]
        assert subprocess.run(run, cwd=name, capture_output=True, check=False).returncode == 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
