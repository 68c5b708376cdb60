"""Names of files: long and odd ones, links, other ways to the same file, what is no file, and what
stands where a run will write. A run works, or refuses in one line and leaves nothing."""

import os
import shlex
import shutil
import socket

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, same_bits
from tiers import FULL, some

RUN = dict(tokens_count=16, layers_depth=2, mlp_width=4, ensemble_realizations=1, progress="off")


def simulate(folder, ranks=1, check=True, **more):
    return chorale(["simulate"] + options(**{**RUN, **more}), ranks, cwd=folder, check=check)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    simulate(folder, output_file="run.h5")
    return datasets(f"{folder}/run.h5")


# ---- long paths ----


@pytest.mark.parametrize(
    "length, ranks",
    some([(232, 1), (240, 2)], (225, 1), (228, 2), (237, 1), (245, 2), (251, 1), (300, 1)),
)
def test_a_path_of_any_length_is_written(folder, plain, length, ranks):
    """With trajectories, checkpoints and a table beside the results; absolute, so that no buffer
    of a library is spared."""
    inside = folder
    while length - len(str(inside)) > 150:
        inside = inside / ("d" * 100)
    inside.mkdir(parents=True, exist_ok=True)
    file = f"{inside}/" + "x" * (length - len(str(inside)) - 4) + ".h5"
    assert len(file) == length
    keys = dict(output_file=file, output_trajectories=1, output_table=f"{file[:-3]}.csv")
    done = simulate(folder, ranks, check=False, checkpoint_every=1, **keys)
    assert done.returncode == 0, done
    assert not same_bits(plain, datasets(file))


@pytest.mark.parametrize(
    "name",
    some([("n" * 252 + ".h5",)], ("n" * 249 + ".h5",), ("n/" * 2100 + ".h5",), ("n" * 5000,)),
)
def test_a_name_that_is_too_long_is_refused(folder, name):
    refused(["simulate"] + options(**RUN, output_file=name), "output_file = n", cwd=folder)


# ---- odd names ----

ODD = some(
    [("a b$HOME%s'\"\n.h5",), ("-ß漢.h5",)],
    ("%d%n{x}.h5",),
    ("${PWD}.h5",),
    ("a;b&c|d#e~.h5",),
    ("*?[x].h5",),
    ("a\\nb.h5",),
    ("tab\there.h5",),
)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("locale", ["C", pytest.param("C.UTF-8", marks=FULL)])
def test_odd_names_are_names(folder, plain, name, locale):
    """Of tokens, results and tables, in decks and in options; the deck that results keep runs."""
    np.save("tokens.npy", np.random.default_rng(1).normal(size=(16, 3)))
    shutil.copy("tokens.npy", f"./{name}.npy")
    keys = dict(tokens_init="file", output_file=f"./{name}", output_table=f"./{name}.csv")
    words = ["simulate"] + options(**RUN, **keys, tokens_file=f"./{name}.npy")
    words = [word for word in words if word not in ("-tokens_count", "16")]
    chorale(words, cwd=folder, LC_ALL=locale, LANG=locale)
    with h5py.File(name, "r") as file:
        deck = file["parameters/deck"][()].decode()
        assert file["parameters"].attrs["tokens_file"].decode() == f"./{name}.npy"
        line = file["provenance"].attrs["command_line"].decode()
    first = datasets(name)
    with open("again.yaml", "w", encoding="utf-8") as file:
        file.write(deck)
    chorale(["simulate", "again.yaml", "-output_overwrite"], cwd=folder, LC_ALL=locale)
    assert not same_bits(first, datasets(name))
    assert shlex.split(line)[1:] == words


BYTES = some(
    [(b"caf\xe9.h5",), (b"\xff.h5",)], (b"\xc0\xaf.h5",), (b"\xed\xa0\x80.h5",), (b"\xe4\xb8.h5",)
)


@pytest.mark.parametrize("name", BYTES)
def test_names_that_are_not_utf8_are_refused(folder, name):
    text = os.fsdecode(name)
    for words in (["-output_file", text], ["-tokens_init", "file", "-tokens_file", text]):
        refused(["simulate", *words], "is not UTF-8", cwd=folder)


def test_a_name_with_a_dash_in_front_is_said_how_to_write(folder):
    refused(
        ["simulate", "-output_file", "-x.h5"], r"output_file: has no value.*\./-x\.h5", cwd=folder
    )


# ---- links, other ways to a file ----


def test_an_output_that_is_a_link_stays_one(folder, plain):
    os.mkdir("far")
    os.symlink("far/run.h5", "near.h5")
    refused(["simulate"] + options(**RUN, output_file="near.h5"), "a link that leads nowhere")
    with open("far/run.h5", "wb"):
        pass
    os.symlink("far/run.csv", "near.csv")
    with open("far/run.csv", "wb"):
        pass
    keys = dict(output_file="near.h5", output_table="near.csv", output_overwrite=True)
    simulate(folder, **keys, output_trajectories=1)
    assert os.path.islink("near.h5") and os.path.islink("near.csv")
    assert not same_bits(plain, datasets("far/run.h5"))
    assert sorted(os.listdir("far")) == ["run", "run.csv", "run.h5"]


WAYS = {
    "the same": lambda: "tokens.h5",
    "a link": lambda: os.symlink("tokens.h5", "link.h5") or "link.h5",
    "a hard link": lambda: os.link("tokens.h5", "hard.h5") or "hard.h5",
    "the folder's link": lambda: os.symlink(".", "here") or "here/tokens.h5",
    "dots": lambda: "./x/../tokens.h5",
    "the whole path": lambda: os.path.abspath("tokens.h5"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", ["output_file", pytest.param("output_table", marks=FULL)])
def test_no_run_writes_over_what_it_reads(folder, way, key):
    os.mkdir("x")
    with h5py.File("tokens.h5", "w") as file:
        file["tokens"] = np.random.default_rng(1).normal(size=(16, 3))
    keys = dict(tokens_init="file", tokens_file="tokens.h5", output_overwrite=True)
    keys[key] = WAYS[way]()
    words = ["simulate"] + options(**keys)
    refused(words, "is also the tokens_file|no HDF5|no earlier table", cwd=folder)


FOREIGN = {
    "thesis.h5": b"%PDF-1.4",
    "tokens.npy": b"\x93NUMPY",
    "deck.yaml": b"tokens: {count: 4}\n",
    "notes.txt": b"x",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_overwriting_takes_no_file_of_other_programs(folder, name):
    (folder / name).write_bytes(FOREIGN[name])
    words = ["simulate"] + options(**RUN, output_file=name, output_overwrite=True)
    refused(words, "is no HDF5 file", cwd=folder)
    assert (folder / name).read_bytes() == FOREIGN[name]


# ---- only regular files are read ----


def make(kind, name):
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "folder":
        os.mkdir(name)
    elif kind == "device":
        os.symlink("/dev/zero", name)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(name)


READ = {
    "x.yaml": ["simulate", "x.yaml"],
    "x.npy": ["simulate", "-tokens_init", "file", "-tokens_file", "x.npy"],
    "x.h5": ["simulate", "-tokens_init", "file", "-tokens_file", "x.h5"],
    "w.h5": ["simulate", "-attention_weights", "w.h5"],
    "r.h5": ["analyze", "-analyze_file", "r.h5"],
    "m.h5": ["merge", "-merge_files", "m.h5,n.h5", "-output_file", "out.h5"],
}


@pytest.mark.parametrize("kind", some([("pipe",)], ("folder",), ("device",), ("socket",)))
@pytest.mark.parametrize("name", READ)
def test_only_regular_files_are_read(folder, kind, name):
    """Nothing waits for the writer of a pipe, or reads a device without end."""
    make(kind, name)
    refused(READ[name], f"{name}.*not a regular file", cwd=folder)


# ---- what the run will need ----


def dangling(name):
    os.symlink("nowhere", name)


def file_at(name):
    with open(name, "w", encoding="ascii") as file:
        file.write("mine")


WAY = {
    "a file for the folder": ("run", file_at, "run is in the way"),
    "a dangling link for the folder": ("run", dangling, "run, .*leads nowhere"),
    "a pipe for the folder": ("run", os.mkfifo, "run is in the way"),
    "a pipe for the temporary file": ("run.h5.tmp", os.mkfifo, "run.h5.tmp is in its way"),
    "a link for the temporary file": ("run.h5.tmp", dangling, "run.h5.tmp is in its way"),
    "a file for the lock": ("run.lock", file_at, "run.lock is no lock"),
    "a link for the lock": ("run.lock", dangling, "run.lock is no lock"),
    "a pipe for the checkpoint": (
        "run/checkpoint.tmp.h5",
        lambda name: os.mkdir("run") or os.mkfifo(name),
        "checkpoint.tmp.h5 is not a regular file",
    ),
}


@pytest.mark.parametrize("what", WAY)
@pytest.mark.parametrize("dry", [False, pytest.param(True, marks=FULL)])
def test_what_stands_in_the_way_is_found_before_the_run(folder, what, dry):
    name, put, message = WAY[what]
    put(name)
    more = dict(dry_run=True) if dry else {}
    refused(["simulate"] + options(**RUN, output_file="run.h5", **more), message, cwd=folder)
    assert os.path.lexists(name)


MISSING = {
    "results": dict(output_file="missing/x.h5"),
    "a table": dict(output_file="x.h5", output_table="missing/x.csv"),
    "results, deep": dict(output_file="a/b/c/x.h5"),
    "results in a file": dict(output_file="here/x.h5"),
}


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize("what", MISSING)
def test_missing_folders_are_refused(folder, what, dry):
    file_at("here")
    more = dict(dry_run=True) if dry else {}
    refused(["simulate"] + options(**RUN, **MISSING[what], **more), "output_", cwd=folder)


@pytest.mark.parametrize("dry", [False, True])
def test_a_disk_with_too_little_room_is_said_before(folder, dry):
    """More than any disk has; a run that is not dry is not begun."""
    keys = dict(RUN, tokens_count=2048, layers_depth=30000000, output_trajectories=1)
    keys.update(attention_type="none", output_file="run.h5")
    if not dry:
        keys.update(tokens_count=16, layers_depth=2)
    done = simulate(folder, **keys, **(dict(dry_run=True) if dry else {}))
    assert ("warning: output_file = run.h5: the run will write" in done.stderr) == dry, done


# ---- results and their folder ----


@pytest.fixture
def recorded(folder):
    simulate(folder, output_file="run.h5", output_trajectories=1)
    return folder


def analyze(folder, file):
    words = ["analyze"] + options(analyze_file=file, output_file="found.h5", progress="off")
    return chorale(words, cwd=folder, check=False)


def test_results_that_moved_with_their_folder_are_found(recorded):
    os.mkdir("other")
    shutil.move("run.h5", "other")
    shutil.move("run", "other")
    assert analyze(recorded, "other/run.h5").returncode == 0
    os.symlink("other/run.h5", "link.h5")
    os.remove("found.h5")
    assert analyze(recorded, "link.h5").returncode == 0


def test_of_results_that_moved_apart_the_missing_part_is_named(recorded):
    os.mkdir("other")
    shutil.move("run.h5", "other")
    done = analyze(recorded, "other/run.h5")
    assert done.returncode == 2 and "other/run/realization_00000.h5md" in done.stderr, done


def test_results_that_moved_with_their_folder_go_on(folder, plain):
    done = simulate(folder, output_file="run.h5", checkpoint_walltime=1e-9, check=False)
    assert done.returncode == 85
    os.mkdir("other")
    shutil.move("run.h5", "other")
    shutil.move("run", "other")
    simulate(folder, output_file="other/run.h5", checkpoint_resume=True)
    assert not same_bits(plain, datasets("other/run.h5"))
