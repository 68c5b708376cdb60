"""Files that are nearly those of chorale: every tool ends with its answer or with one line and exit
code 2, never with a traceback.

First the kinds of damage that are known, then valid files in which one thing at random is deleted,
replaced or made something else, with fixed seeds. Pictures are laid out but not drawn."""

import os
import random
import shutil

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tools
from matplotlib.figure import Figure

from chorale.report import content

RESULTS, TRAJECTORY = "every_fifth.h5", "every_fifth/realization_00000.h5md"
SOURCES = (RESULTS, "limits.h5", "chaos.h5", "sync.h5", "density.h5", "analyze.h5", TRAJECTORY)
POSITION = "particles/all/position"
MUTANTS = 1, 5  # of each file: in the quick tests, and more in the full ones


def no_picture(figure, out, **_):
    """Makes the file of a picture."""
    if not hasattr(out, "write"):
        with open(out, "wb"):
            pass


@pytest.fixture(autouse=True)
def without_drawing(monkeypatch, folder):
    """Pictures are not what is tested here, nor is D3."""
    (folder / "d3.js").write_text("geoOrthographic", encoding="utf-8")
    monkeypatch.setattr(content, "PICTURES", 0)  # a page would draw what plot draws
    monkeypatch.setattr(Figure, "savefig", no_picture)
    yield
    plt.close("all")


def commands(name, source):
    """Every tool on a file; project is for trajectories, merge for results."""
    yield "info", (name,)
    yield "info", ("--deck", name)
    yield "compare", (source, name)
    yield "plot", (name, "-o", "odd.png")
    yield "report", (name, "-o", "odd.html")
    yield "view", (name, "-o", "odd.html", "--js", "d3.js")
    if name.endswith(".h5md"):
        yield "project", (name, "-o", "projected.h5md", "--overwrite")
        yield "plot", ("--movie", "--frames", "1", name, "-o", "odd.gif")
    else:
        yield "merge", ("merged.h5", name, "--overwrite")


def examine(name, source, what, refused=()):
    """Runs all tools; those of `refused` must refuse."""
    for tool, words in commands(name, source):
        code, out, err = tools.run(tool, *words, warn=False)
        told = ("plot: frame", "plot: " + name[:5])  # of a movie, and of lost tokens
        said = [line for line in err.splitlines() if code or not line.startswith(told)]
        where = (what, tool, words, code, out, err)
        if code == 2:
            assert len(said) == 1 and said[0].startswith(tools.prefixes(tool)), where
        else:
            assert code == 0 or code == 1 and tool == "compare", where
            assert len(said) <= 1, where
            assert tool not in refused or words[0] == "--deck", where


def damaged(source, action):
    """A copy of a file to which something was done."""
    odd = os.path.join(os.path.dirname(source), "odd" + os.path.splitext(source)[1])
    shutil.copyfile(source, odd)
    with h5py.File(odd, "r+") as file:
        action(file)
    return odd


def put(name, value):
    """Another dataset in the place of one."""

    def action(file):
        del file[name]
        file[name] = value

    return action


def not_numbers(file):
    """All positions."""
    file[f"{POSITION}/value"][...] = np.nan


READERS = ("info", "plot", "project")
KNOWN = {  # file, damage, tools that must refuse
    "a single step": (TRAJECTORY, put(f"{POSITION}/step", 3), READERS),
    "a single time": (TRAJECTORY, put(f"{POSITION}/time", 0.5), READERS),
    "positions without components": (
        TRAJECTORY,
        put(f"{POSITION}/value", np.zeros((4, 40))),
        READERS,
    ),
    "no tokens": (TRAJECTORY, put(f"{POSITION}/value", np.zeros((4, 0, 3))), READERS),
    "one dimension": (TRAJECTORY, put(f"{POSITION}/value", np.ones((4, 40, 1))), READERS),
    "positions that are not numbers": (TRAJECTORY, not_numbers, ("plot", "project")),
    "many frames": (
        TRAJECTORY,
        lambda file: file[POSITION].attrs.__setitem__("frames_valid", "many"),
        READERS,
    ),
    "no link to a trajectory": (RESULTS, put("particles/realization_00000", np.zeros(3)), ()),
    "a realization without a number": (
        RESULTS,
        lambda file: file["particles"].create_group("realization"),
        (),
    ),
    "no nematic order": (RESULTS, lambda file: file["observables"].pop("nematic"), ("plot",)),
    "some ranks": (
        RESULTS,
        lambda file: file["provenance"].attrs.__setitem__("ranks", "some"),
        ("info", "report"),
    ),
    "no seed": (
        RESULTS,
        lambda file: file["parameters"].attrs.__delitem__("ensemble_seed"),
        ("merge",),
    ),
    "no study": (
        RESULTS,
        lambda file: file["study"].pop("simulate"),
        ("info", "plot", "report", "merge"),
    ),
    "observables that are a number": (
        RESULTS,
        put("observables", 1.0),
        ("info", "plot", "report", "merge"),
    ),
    "no mean energy": ("sync.h5", lambda file: file["study/sync"].pop("energy_mean"), ("plot",)),
    "a study without seeds": ("analyze.h5", lambda file: None, ("merge",)),
}


def have_source(have, source):
    """The run that a file is of."""
    have(source.split("/")[0].removesuffix(".h5"))


@pytest.mark.parametrize("what", KNOWN)
def test_known_damage_is_an_answer_or_one_line(have, folder, what):
    source, action, refused = KNOWN[what]
    have_source(have, source)
    examine(damaged(source, action), source, what, refused)


CHANGES = {  # of a dataset
    "scalar": lambda old: 1.5,
    "text": lambda old: "odd",
    "empty": lambda old: np.zeros(0),
    "shorter": lambda old: old[:-1],
    "flat": np.ravel,
    "nan": lambda old: np.full(old.shape, np.nan),
}


def mutate_attribute(item, key, dice):
    """Deletes it or gives it another value, which is returned."""
    value = dice.choice([None, "", "odd", -1, np.nan, np.zeros(3)])
    del item.attrs[key]
    if value is not None:
        item.attrs[key] = value
    return value


def mutate(file, dice):
    """Changes one thing and says which."""
    names = []
    file.visit(names.append)
    name = dice.choice(names)
    item = file[name]
    keys = list(item.attrs)
    if keys and dice.random() < 0.4:
        key = dice.choice(keys)
        return f"{name}@{key} = {mutate_attribute(item, key, dice)}"
    kind = dice.choice(["deleted", "group", *CHANGES])
    old = item[()] if isinstance(item, h5py.Dataset) else None
    if kind in ("shorter", "flat", "nan") and not isinstance(old, np.ndarray):
        kind = "scalar"
    del file[name]
    if kind == "group":
        file.create_group(name)
    elif kind != "deleted":
        file[name] = CHANGES[kind](old)
    return f"{name} {kind}"


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=[pytest.mark.full] if seed >= MUTANTS[0] else [])
        for seed in range(sum(MUTANTS))
    ],
)
@pytest.mark.parametrize("source", SOURCES)
def test_random_damage_is_an_answer_or_one_line(have, folder, source, seed):
    have_source(have, source)
    dice, what = random.Random(f"{source} {seed}"), []
    odd = damaged(source, lambda file: what.append(mutate(file, dice)))
    examine(odd, source, what)


def test_one_odd_file_does_not_stop_a_folder(have, folder):
    have("sync")
    (folder / "inside").mkdir()
    shutil.copyfile("sync.h5", "inside/good.h5")
    shutil.copyfile("sync.h5", "inside/odd.h5")
    with h5py.File("inside/odd.h5", "r+") as file:
        file["study"].pop("sync")
    code, _, err = tools.run("report", "inside")
    assert code == 0 and err.count("\n") == 1, err
    assert err.startswith("report: skipped inside/odd.h5: says no study"), err
