"""tools/chorale as a package: its programs start from anywhere, by name and by python3, whatever
the environment; a Python that cannot run them says in one line what to use; its sources keep to the
rules."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tools
from run import TIMEOUT

from chorale import start

FOLDER = Path(tools.FOLDER)
SOURCES = sorted((FOLDER / "chorale").rglob("*.py"))
QUICK = ("info", "plot")
MOST_LINES, MOST_OF_A_FUNCTION = 500, 45


def run(*words, **variables):
    """The completed process."""
    environment = {**os.environ, **variables}
    keys = {"env": environment, "capture_output": True, "text": True, "timeout": TIMEOUT}
    return subprocess.run([str(word) for word in words], check=False, **keys)


def in_two_tiers(names):
    """Some in the quick tests, the others in the full ones."""
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.full]) for name in names]


@pytest.mark.parametrize("before", [[], ["/usr/bin/python3"]], ids=["by name", "by python3"])
@pytest.mark.parametrize("name", in_two_tiers(start.PROGRAMS))
def test_programs_start_from_any_directory(folder, name, before):
    done = run(*before, FOLDER / name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {name} "), done
    assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python that has nothing but itself."""
    folder = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    return folder / "bin/python3"


@pytest.mark.parametrize("name", in_two_tiers(start.PROGRAMS))
def test_a_python_without_the_modules_says_what_to_use(bare, folder, name):
    done = run(bare, FOLDER / name, "x.h5")
    missing = ", ".join(start.PROGRAMS[name][1])
    said = f"{name}: this Python has no {missing}; use /usr/bin/python3\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_the_system_s_python_without_the_modules_says_what_to_install(folder):
    done = run("/usr/bin/python3", "-S", FOLDER / "info", "x.h5")  # -S: no packages
    said = "info: this Python has no h5py, numpy; install python3-h5py python3-numpy\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_an_old_python_can_read_what_tells_it():
    text = (FOLDER / "chorale/start.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))


@pytest.fixture(name="hostile")
def variables_of_others(folder):
    """Variables that were set for other programs."""
    (folder / "path/chorale").mkdir(parents=True)
    (folder / "path/chorale/__init__.py").write_text("raise ImportError('another chorale')\n")
    return {
        "PYTHONPATH": str(folder / "path"),
        "PYTHONSAFEPATH": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONDEVMODE": "1",
        "PYTHONOPTIMIZE": "2",
        "PYTHONIOENCODING": "ascii",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": "",
        "MPLBACKEND": "nonsense",
    }


def compiled():
    """What Python leaves beside sources."""
    return sorted((FOLDER / "chorale").rglob("__pycache__/*"))


def test_what_is_said_does_not_depend_on_the_environment(runs, hostile):
    before = compiled()
    plain, other = (run(FOLDER / "info", runs.path("alone"), **v) for v in ({}, hostile))
    assert (plain.returncode, plain.stderr) == (0, "")
    assert (other.returncode, other.stdout, other.stderr) == (0, plain.stdout, "")
    assert compiled() == before, "the source tree stays clean"


@pytest.mark.full
def test_what_is_drawn_does_not_depend_on_the_environment(runs, folder, hostile):
    for name, variables in (("plain", {}), ("hostile", hostile)):
        words = (runs.path("alone"), "-o", f"{name}.png")
        done = run(FOLDER / "plot", *words, **variables)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}.png\n", "")
    assert (folder / "plain.png").read_bytes() == (folder / "hostile.png").read_bytes()


def functions(path):
    """(name, function) of all in a file; those of classes have the names of these, too."""

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                name = prefix + child.name
                if isinstance(child, ast.FunctionDef):
                    yield name, child
                yield from visit(child, name + ".")

    return visit(ast.parse(path.read_text(encoding="utf-8")), "")


def is_public(name):
    return not any(part.startswith("_") for part in name.split("."))


def lacks_hints(function):
    """Names of parameters, or `return`, without a type."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    free = ("self", "cls")
    names = [one.arg for one in every if one.annotation is None and one.arg not in free]
    return names + ([] if function.returns else ["return"])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_sources_are_short_and_public_functions_have_types(path):
    """Claims of the paper need no types: theirs are those of the fields of a Claim."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    found = dict(functions(path))
    long = {
        name: function.end_lineno - function.lineno + 1
        for name, function in found.items()
        if function.end_lineno - function.lineno >= MOST_OF_A_FUNCTION
    }
    assert not long
    if path.parent.name == "claims":
        return
    untyped = {name: lacks_hints(one) for name, one in found.items() if is_public(name)}
    assert not {name: words for name, words in untyped.items() if words}
