"""Files that are nearly those of chorale: every tool ends with its answer or with one line and exit code 2, never with a traceback.

First the kinds of damage that are known, then valid files in which one thing at random is deleted, replaced or made something else, with
fixed seeds. Pictures are laid out but not drawn."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from run import CHORALE, options

import tools

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure
from chorale.report import content

SMALL = {"mlp_width": 8, "layers_depth": 6, "progress": "off"}
SPECTRAL = {"noise_type": "spectral", "noise_degree": 3}
RUNS = {
    "simulate": {**SMALL, "tokens_count": 12, "ensemble_realizations": 2, "output_trajectories": 2},
    "limits": {"tokens_count": "8", "layers_depth": "2,4", "mlp_width": "8,inf", "noise_degree": 3, "ensemble_realizations": 2},
    "chaos": {**SPECTRAL, "tokens_count": "8,16", "tokens_dim": 2, "layers_depth": 4, "ensemble_realizations": 2, "scheme_type": "heun"},
    "sync": {**SPECTRAL, "tokens_count": 6, "layers_depth": 6, "scheme_type": "heun", "ensemble_realizations": 2},
    "spde": {**SPECTRAL, "tokens_count": 16, "tokens_dim": 2, "layers_depth": 4, "layers_horizon": 0.1, "spde_degree": 16, "spde_snapshots": 2},
    "analyze": {"analyze_file": "simulate.h5"},
}
TRAJECTORY = "simulate/realization_00000.h5md"
MUTANTS = int(sys.argv[1]) if len(sys.argv) > 1 else 3  # of each file; more can be asked for


def commands(name, source):
    """Every tool on a file; project is for trajectories, merge for results."""
    yield "info", (name,)
    yield "info", ("--deck", name)
    yield "compare", (source, name)
    yield "plot", (name, "-o", "odd.png")
    yield "report", (name, "-o", "odd.html")
    if name.endswith(".h5md"):
        yield "project", (name, "-o", "projected.h5md", "--overwrite")
        yield "plot", ("--movie", "--frames", "1", name, "-o", "odd.gif")
    else:
        yield "merge", ("merged.h5", name, "--overwrite")


def examine(folder, name, source, what, refused=()):
    """Runs all tools; those of `refused` must refuse."""
    for tool, words in commands(name, source):
        code, out, err = tools.run(tool, *words, cwd=folder)
        said = [line for line in err.splitlines() if not line.startswith(("plot: frame", "plot: " + name[:5])) or code]
        assert code in ((0, 1) if tool in ("compare", "merge") else (0,)) and len(said) <= 1 or code == 2 and len(said) == 1 and said[0].startswith(f"{tool}: "), (what, tool, words, code, out, err)
        assert code == 2 or tool not in refused or words[0] == "--deck", (what, tool, words, code, out)


def change(path, action):
    with h5py.File(path, "r+") as file:
        action(file)


def put(file, name, value):
    """Another dataset in the place of one."""
    del file[name]
    file[name] = value


POSITION = "particles/all/position"
KNOWN = [  # file, damage, tools that must refuse
    (TRAJECTORY, lambda f: put(f, f"{POSITION}/step", 3), ("info", "plot", "project")),
    (TRAJECTORY, lambda f: put(f, f"{POSITION}/time", 0.5), ("info", "plot", "project")),
    (TRAJECTORY, lambda f: put(f, f"{POSITION}/value", np.zeros((7, 12))), ("info", "plot", "project")),
    (TRAJECTORY, lambda f: put(f, f"{POSITION}/value", np.zeros((7, 0, 3))), ("info", "plot", "project")),
    (TRAJECTORY, lambda f: put(f, f"{POSITION}/value", np.ones((7, 12, 1))), ("info", "plot", "project")),
    (TRAJECTORY, lambda f: f[f"{POSITION}/value"].write_direct(np.full((7, 12, 3), np.nan)), ("plot", "project")),
    (TRAJECTORY, lambda f: f[POSITION].attrs.__setitem__("frames_valid", "many"), ("info", "plot", "project")),
    ("simulate.h5", lambda f: put(f, "particles/realization_00000", np.zeros(3)), ()),
    ("simulate.h5", lambda f: f["particles"].create_group("realization"), ()),
    ("simulate.h5", lambda f: f["observables"].pop("nematic"), ("plot",)),
    ("simulate.h5", lambda f: f["provenance"].attrs.__setitem__("ranks", "some"), ("info", "report")),
    ("simulate.h5", lambda f: f["parameters"].attrs.__delitem__("ensemble_seed"), ("merge",)),
    ("simulate.h5", lambda f: f["study"].pop("simulate"), ("info", "plot", "report", "merge")),
    ("simulate.h5", lambda f: put(f, "observables", 1.0), ("info", "plot", "report", "merge")),
    ("sync.h5", lambda f: f["study/sync"].pop("energy_mean"), ("plot",)),
    ("analyze.h5", lambda f: None, ("merge",)),
]


def known_damage(folder):
    for source, action, refused in KNOWN:
        odd = os.path.join(os.path.dirname(source), "odd" + os.path.splitext(source)[1])
        shutil.copyfile(os.path.join(folder, source), os.path.join(folder, odd))
        change(os.path.join(folder, odd), action)
        examine(folder, odd, source, (source, action.__code__.co_consts), refused)
        os.unlink(os.path.join(folder, odd))


def mutate(file, dice):
    """Changes one thing and says which."""
    names = []
    file.visit(names.append)
    name = dice.choice(names)
    item = file[name]
    keys = list(item.attrs)
    if keys and dice.random() < 0.4:
        key, value = dice.choice(keys), dice.choice([None, "", "odd", -1, np.nan, np.zeros(3)])
        del item.attrs[key]
        if value is not None:
            item.attrs[key] = value
        return f"{name}@{key} = {value}"
    kind = dice.choice(["deleted", "group", "scalar", "text", "empty", "shorter", "flat", "nan"])
    old = item[()] if isinstance(item, h5py.Dataset) else None
    if kind in ("shorter", "flat", "nan") and (old is None or not old.shape if isinstance(old, np.ndarray) else True):
        kind = "scalar"
    del file[name]
    if kind == "group":
        file.create_group(name)
    elif kind != "deleted":
        file[name] = {"scalar": lambda: 1.5, "text": lambda: "odd", "empty": lambda: np.zeros(0), "shorter": lambda: old[:-1], "flat": old.ravel if old is not None else None,
                      "nan": lambda: np.full(old.shape, np.nan)}[kind]()
    return f"{name} {kind}"


def random_damage(folder):
    for source in [f"{name}.h5" for name in RUNS] + [TRAJECTORY]:
        for seed in range(MUTANTS):
            dice = random.Random(f"{source} {seed}")
            odd = os.path.join(os.path.dirname(source), "odd" + os.path.splitext(source)[1])
            shutil.copyfile(os.path.join(folder, source), os.path.join(folder, odd))
            what = []
            change(os.path.join(folder, odd), lambda file, dice=dice, what=what: what.append(mutate(file, dice)))
            examine(folder, odd, source, (source, seed, what))


def one_odd_file_does_not_stop_a_folder(folder):
    inside = os.path.join(folder, "inside")
    os.mkdir(inside)
    shutil.copyfile(f"{folder}/sync.h5", f"{inside}/good.h5")
    shutil.copyfile(f"{folder}/sync.h5", f"{inside}/odd.h5")
    change(f"{inside}/odd.h5", lambda file: file["study"].pop("sync"))
    code, _, err = tools.run("report", inside)
    assert code == 0 and err.startswith(f"report: skipped {inside}/odd.h5: says no study") and err.count("\n") == 1, err


def main():
    content.PICTURES = 0  # a page would draw what plot draws
    Figure.savefig = lambda figure, out, **_: None if hasattr(out, "write") else open(out, "wb").close()
    with tempfile.TemporaryDirectory() as folder:
        for study, keys in RUNS.items():
            subprocess.run([CHORALE, study, *options(**keys, output_file=f"{study}.h5", **({} if "progress" in keys else {"progress": "off"}))], cwd=folder,
                           capture_output=True, check=True)
        os.environ["CHORALE"] = shutil.which("false")  # merge hands what it read to the program, which is tested elsewhere
        known_damage(folder)
        random_damage(folder)
        one_odd_file_does_not_stop_a_folder(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
