"""Files that the tools read: what is no file ends in one line, texts of any system are the same
text, and no tool overwrites what it reads."""

import os
import socket

import h5py
import numpy as np
import pytest
import tools
from run import options, running

from chorale import inputs, io
from chorale.errors import BadFile

TRAJECTORY = "every_fifth/realization_00000.h5md"
NO_FILES = {
    "a pipe": os.mkfifo,
    "a socket": lambda name: socket.socket(socket.AF_UNIX).bind(name),
    "a folder": os.mkdir,
    "a device": lambda name: os.symlink("/dev/zero", name),
}
READERS = (
    "info {0}.h5",
    "info --brief {0}.h5",
    "info --deck {0}.h5",
    "plot {0}.h5 -o x.png",
    "plot {0}.csv -o x.png",
    "plot alone.h5 -o x.png --style {0}",
    "plot --movie {0}.h5md -o x.gif",
    "report {0}.csv -o x.html",
    "report {0}.h5md -o x.html",
    "compare alone.h5 {0}.h5",
    "project {0}.h5md -o x.h5md",
    "weights {0}.h5 -o x.h5",
    "weights {0}.npz --heads 2 -o x.h5",
    "merge x.h5 alone.h5 {0}.h5",
)


def in_two_tiers(kinds, quick):
    """Some of them, and in the full tests all."""
    full = [pytest.mark.full]
    return [pytest.param(kind, marks=[] if kind in quick else full) for kind in kinds]


@pytest.mark.parametrize("kind", in_two_tiers(NO_FILES, ("a pipe", "a folder")))
@pytest.mark.parametrize("words", READERS)
def test_what_is_no_file_ends_in_one_line(have, folder, kind, words):
    """Nothing waits for a pipe. A folder is what some tools take."""
    have("alone")
    name = next(word for word in words.format("odd").split() if word.startswith("odd"))
    NO_FILES[kind](name)
    before = sorted(folder.rglob("*"))
    tool, *rest = words.format("odd").split()
    code, out, err = tools.run(tool, *rest)
    if "--brief" in rest:
        assert code == 1 and err == "" and len(out.splitlines()) == 1, out
    else:
        assert code == 2 and err.count("\n") == 1 and out == "", (code, out, err)
        assert err.startswith(tools.prefixes(tool)) and name in err, err
    assert sorted(folder.rglob("*")) == before


def names_of(kind, path):
    """Another name of a file."""
    other = f"other{os.path.splitext(path)[1]}"
    if kind == "itself":
        return path
    if kind == "another path":
        return os.path.join(os.path.dirname(path), "..", os.path.basename(os.getcwd()), path)
    if kind == "an absolute path":
        return os.path.abspath(path)
    {"a link": os.symlink, "a hard link": os.link}[kind](path, other)
    return other


NAMES = ("itself", "another path", "an absolute path", "a link", "a hard link")
WRITERS = (
    ("report {0} -o {1}", "alone.h5"),
    ("report {0} alone.h5 -o {1}", "kernel.csv"),
    ("project {0} -o {1} --overwrite", "p.h5md"),
    ("weights {0} -o {1} --overwrite", "w.h5"),
    ("merge --overwrite {1} {0} alone.h5", "alone.h5"),
    ("plot {0} -o {1}", "picture.png"),
    ("plot --movie {0} -o {1}", "motion.gif"),
    ("plot --together {0} alone.h5 -o {1}", "picture.png"),
)


@pytest.mark.parametrize("kind", in_two_tiers(NAMES, ("itself", "a link")))
@pytest.mark.parametrize("words, path", WRITERS)
def test_no_tool_overwrites_what_it_reads(have, folder, kind, words, path):
    """Results may have any name, also that of a picture."""
    have("alone", "every_fifth", "kernel")
    os.link("alone.h5", "picture.png")
    os.link("every_fifth.h5", "motion.gif")
    os.link(TRAJECTORY, "p.h5md")
    with h5py.File("w.h5", "w") as file:
        for part in "QKV":
            file[f"heads/0/{part}"] = np.eye(3)
    tool, *rest = words.format(path, names_of(kind, path)).split()
    before = {name: name.read_bytes() for name in folder.rglob("*") if name.is_file()}
    code, out, err = tools.run(tool, *rest)
    assert (code, out) == (2, "") and err.count("\n") == 1, (code, out, err)
    assert "is an input file, so it is not overwritten" in err, err
    assert {name: name.read_bytes() for name in folder.rglob("*") if name.is_file()} == before


RUN = dict(
    tokens_count=32,
    layers_depth=6,
    mlp_width=4,
    output_trajectories=1,
    checkpoint_every=1,
    progress="off",
    output_file="run.h5",
)
ONTO = (
    "project {0} -o run/realization_00000.h5md --overwrite",
    "project {0} -o run/projected.h5md",
    "weights w.h5 -o run.h5 --overwrite",
    "weights w.h5 -o run/checkpoint.h5 --overwrite",
    "weights w.h5 -o link.h5 --overwrite",
)


def test_no_tool_writes_what_a_run_is_writing(have, folder):
    """But pictures of it; when it has ended everything may be replaced."""
    have("alone", "every_fifth")
    with h5py.File("w.h5", "w") as file:
        for part in "QKV":
            file[f"heads/0/{part}"] = np.eye(3)
    os.symlink("run.h5", "link.h5")
    words = ["simulate", *options(**RUN)]
    with running(words, 1, hook="0 3 0 wait=go") as first:
        holder = first.wait_until_held("go")
        for line in ONTO:
            tool, *rest = line.format(TRAJECTORY).split()
            code, out, err = tools.run(tool, *rest)
            assert (code, out) == (2, "") and err.count("\n") == 1, (code, out, err)
            assert f"another run is writing it: process {holder} on host" in err, err
        assert tools.run("plot", "run.h5", "-o", "run.png")[0] == 0
        first.release("go")
        assert first.end().returncode == 0
    assert tools.run("weights", "w.h5", "-o", "run.h5", "--overwrite")[0] == 0


@pytest.mark.parametrize("target", ["/dev/null", "pipe.html", "socket.html", "link.html"])
def test_what_is_no_file_is_not_replaced(have, folder, target):
    have("kernel")
    os.mkfifo("pipe.html")
    socket.socket(socket.AF_UNIX).bind("socket.html")
    os.symlink("/dev/full", "link.html")
    kind = os.stat(target).st_mode
    code, out, err = tools.run("report", "kernel.csv", "-o", target)
    assert (code, out, err) == (2, "", f"report: {target}: is not a regular file\n")
    assert os.stat(target).st_mode == kind


SYSTEMS = {
    "Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "with a mark": lambda text: b"\xef\xbb\xbf" + text,
    "Windows with a mark": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    "old Macintosh": lambda text: text.replace(b"\n", b"\r"),
    "without a last end": lambda text: text.rstrip(b"\n"),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_table_is_the_same_from_any_system(runs, folder, system):
    plain = runs.path("kernel").read_bytes()
    (folder / "other.csv").write_bytes(SYSTEMS[system](plain))
    expected, found = io.open(runs.path("kernel")).table(), io.open("other.csv").table()
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("system", SYSTEMS)
def test_tasks_and_styles_are_the_same_from_any_system(have, folder, system):
    have("alone")
    (folder / "sweep").mkdir()
    (folder / "sweep/tasks.txt").write_bytes(
        SYSTEMS[system](b"-ensemble_seed 1\n\n-tokens_count 3\n")
    )
    code, out, _ = tools.run("info", "--brief", "sweep")
    assert code == 1 and [line.split()[:2] for line in out.splitlines()] == [
        ["sweep/task_0001.h5", "missing"],
        ["sweep/task_0003.h5", "missing"],
        ["2", "runs:"],
    ]
    (folder / "wide.mplstyle").write_bytes(SYSTEMS[system](b"lines.linewidth: 7\nfont.size: 5\n"))
    from chorale.plot import drawing

    assert drawing.style_of("wide.mplstyle") == {"lines.linewidth": 7, "font.size": 5}


@pytest.mark.parametrize(
    "data, line",
    [
        (b"\xff", 1),
        (b"\xef\xbb\xbfa\n\xe9\n", 2),
        (b"a\r\nb\r\nc \xe9\r\n", 3),
        (b"a\rb\rc\r\xfc", 4),
        ("a\nü\nb".encode("latin-1"), 2),
        ("a".encode("utf-16"), 1),
    ],
)
def test_an_encoding_error_names_its_line(folder, data, line):
    (folder / "x.txt").write_bytes(data)
    with pytest.raises(BadFile, match=f"^x.txt: line {line}: is not UTF-8"):
        inputs.read_text("x.txt")


@pytest.mark.parametrize(
    "old, new, said",
    [
        (",3,", ",x,", "line 2: dim = x is not a number"),
        ("tanh", "t\xe9nh", "is not UTF-8"),
        ("\n", ",1\n", "more cells than columns"),
        ("relu,3,0", "relu\nrelu,3,0", "line 2: not complete"),
    ],
)
def test_an_odd_row_of_a_table_is_named(runs, folder, old, new, said):
    head, rest = runs.path("kernel").read_text(encoding="ascii").split("\n", 1)
    (folder / "x.csv").write_bytes(f"{head}\n{rest.replace(old, new, 1)}".encode("latin-1"))
    code, out, err = tools.run("plot", "x.csv")
    assert (code, out) == (2, "") and err.count("\n") == 1 and said in err and "line " in err, err
