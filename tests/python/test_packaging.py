"""An installed chorale as other programs see it: the examples of tools/packaging are built against
it with CMake's find_package and with pkg-config, and have the numbers of chorale itself; the
installed program and tools run; the manual page has every study and every key; all files say one
version."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
from run import TIMEOUT, chorale, datasets, options, same_bits, trajectories
from run import study as results_of

import chorale as package

pytestmark = pytest.mark.full

SOURCE, BUILD = Path(os.environ["CHORALE_SOURCE"]), Path(os.environ["CHORALE_BUILD"])
RUN = {
    "tokens_count": 300,
    "layers_depth": 400,
    "layers_horizon": 40,
    "mlp_width": 64,
    "ensemble_seed": 3,
}
NEEDS = (
    "mpi petsc hdf5 fftw-api blas lapack libyaml zlib-api random123 cmocka py-h5py py-matplotlib"
)


def run(*words, **keys):
    """What a program prints that must succeed."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=TIMEOUT, **keys
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_what_quickstart_builds_can_be_installed():
    """Whatever is installed of the build's folder is there after `tools/build chorale`: it is that
    target, or made for it, or made by CMake."""
    script = (BUILD / "cmake_install.cmake").read_text(encoding="utf-8")
    made = set(re.findall(rf'"{re.escape(str(BUILD))}/([\w.]+)"', script))
    needed = run("ninja", "-C", BUILD, "-t", "query", "chorale")
    needed += run("ninja", "-C", BUILD, "-t", "query", "manual") if "|| manual" in needed else ""
    needed += run("ninja", "-C", BUILD, "-t", "query", "CMakeFiles/manual")
    by_cmake = ["chorale.pc", "choraleConfig.cmake", "choraleConfigVersion.cmake", "chorale"]
    by_cmake += ["install_local_manifest.txt"]  # later versions of CMake, at install
    assert {"chorale", "chorale.1", "libchorale.a"} <= made
    assert [name for name in made if name not in by_cmake and name not in needed] == []
    assert "|| manual" in needed


def ends(*words, **keys):
    """The completed process of a program that may fail."""
    words = [str(word) for word in words]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, **keys)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where chorale is installed."""
    target = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", target)
    return target


EXAMPLES = SOURCE / "tools/packaging/example"


def with_cmake(prefix, folder):
    """The examples, built by find_package."""
    run("cmake", "-G", "Ninja", "-S", EXAMPLES, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder)


def with_pkg_config(prefix, folder):
    """The examples, built by pkg-config."""
    places = [str(place) for place in prefix.glob("lib*/**/pkgconfig")]
    path = ":".join([*places, os.environ.get("PKG_CONFIG_PATH", "")])
    environment = {**os.environ, "PKG_CONFIG_PATH": path}
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "chorale", env=environment))
    for source in EXAMPLES.glob("*.c"):
        run("mpicc", "-std=c11", source, *flags, "-lm", "-o", folder / source.stem)


@pytest.fixture(scope="module", params=[with_cmake, with_pkg_config])
def examples(request, prefix, tmp_path_factory):
    """The folder of the programs."""
    folder = tmp_path_factory.mktemp("examples")
    request.param(prefix, folder)
    return folder


def test_tokens_gather_when_chorale_says_so(examples, folder):
    """From its record of the order parameter."""
    chorale(["simulate", *options(**RUN, output_file="own.h5", progress="off")], ranks=2)
    with h5py.File("own.h5", "r") as file:
        order = file["observables/order"]
        above = order["value"][:, 0] > 0.999
        assert above.any() and not above.all(), "the case says nothing: choose another seed"
        expected = f"gathered in one point at t = {order['time'][above.argmax()]:.10g}\n"
    words = ["simulate", *options(**RUN)]
    for ranks in (1, 2):
        assert run("mpirun", "-n", ranks, examples / "gather", *words) == expected
    refused = ends(examples / "gather", "simulate", "-tokens_count", "x")
    assert refused.returncode == 2 and "tokens_count = x" in refused.stderr, refused


def test_an_activation_of_its_own_has_the_kernel_of_quadrature(examples):
    """k(1) = E σ(g)², k'(1) = E σ'(g)² / d, g normal of variance 1/d; and λ1 of the two."""
    x = np.linspace(-12, 12, 2400001)
    weight = np.exp(-x * x / 2) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    lines = run(examples / "activation", 3, 5).splitlines()
    for d, line in zip((3, 5), lines, strict=True):
        g = x / np.sqrt(d)
        k1, kp1 = (weight * np.arctan(g) ** 2).sum(), (weight / (1 + g * g) ** 2).sum() / d
        expected = (k1, kp1, (d - 3) / 2 * kp1 - (d - 1) / 2 * k1)
        found = [float(number) for number in re.findall(r"= (-?[\d.e-]+)(?:,|$)", line)]
        assert line.startswith(f"arctan, d = {d}: ")
        assert np.allclose(found[-3:], expected, rtol=0, atol=1e-9), (line, expected)
    refused = ends(examples / "activation", 1)
    assert refused.returncode == 2 and refused.stderr == "chorale: DIM = 1: must be at least 2\n"


MEMORY = {
    "tokens_count": 300,
    "layers_depth": 12,
    "layers_horizon": 3,
    "mlp_width": 64,
    "ensemble_realizations": 3,
    "output_trajectories": 0,
    "progress": "off",
}


def test_a_study_of_its_own_is_a_study(examples, folder):
    """Its numbers are those of recorded positions; it is stopped and goes on to the same bits on
    other ranks, its deck is checked, and tools read its file."""
    chorale(["simulate", *options(**{**MEMORY, "output_trajectories": 3}, output_file="x.h5")])
    _, x = trajectories("x", 3)
    program = examples / "memory"
    keys = options(**MEMORY, memory_level=0.7, output_file="memory.h5")
    assert run("mpirun", "-n", 2, program, "memory", *keys).startswith("memory     how long tokens")
    attributes, found = results_of("memory.h5", "memory")
    expected = (x * x[:, :1]).sum(axis=3).mean(axis=2)
    assert np.allclose(found["overlap"], expected.T, rtol=0, atol=1e-12)
    assert np.allclose(found["overlap_mean"], expected.mean(axis=0), rtol=0, atol=1e-12)
    first = (expected.mean(axis=0) < 0.7).argmax()
    assert first and attributes["time_forgotten"] == pytest.approx(3 / 12 * first)
    whole = datasets("memory.h5")
    stop = [*keys, "-output_overwrite", "-checkpoint_walltime", "1e-9"]
    assert ends("mpirun", "-n", 2, program, "memory", *stop).returncode == 85
    run("mpirun", "-n", 3, program, "memory", *keys, "-checkpoint_resume")
    assert not same_bits(whole, datasets("memory.h5"))
    with h5py.File("memory.h5") as results:
        assert results["study/memory/overlap"].attrs["description"].startswith(b"mean over")
        assert results["parameters"].attrs["memory_level"] == b"0.7"
        assert b"-checkpoint_resume" in results["provenance"].attrs["command_line"]
    refused = ends(program, "memory", "-memory_level", 2)
    assert refused.returncode == 2 and "memory_level = 2: must be" in refused.stderr, refused
    assert "memory_level" in run(program, "memory", "-help")
    assert "study memory" in run(SOURCE / "tools/info", "memory.h5")


def plain(page):
    """Text of a manual page."""
    page = re.sub(r"\\f[A-Z]", "", page)
    return page.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def test_the_manual_page_has_every_study_and_every_key(prefix):
    page, program = plain((prefix / "share/man/man1/chorale.1").read_text()), prefix / "bin/chorale"
    studies = re.findall(r"^  (\w+) {2,}\S", run(program, "--help").split("Options:")[0], re.M)
    assert len(studies) >= 6, studies
    for study in studies:
        assert f"\n.B {study}\n" in page, study
        for key in re.findall(r"^-(\w+) ", run(program, study, "-help"), re.M):
            assert re.search(rf"^\.B -{key}( |$)", page, re.M), f"{key} is not in the manual page"


class Clone:
    """A repository, and the revision that a build finds there."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.header = folder / "clone", folder / "revision.h"
        self.folder.mkdir()
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder))

    def git(self, *words):
        who = ["-c", "user.name=x", "-c", "user.email=x"]
        return run("git", "-C", self.folder, *who, *words).strip()

    def commit(self, text):
        (self.folder / "file").write_text(text)
        self.git("add", "file")
        self.git("commit", "-qm", text)
        return self.git("rev-parse", "--short", "HEAD")

    def revision(self):
        script = SOURCE / "tools/packaging/revision.cmake"
        run("cmake", f"-DSOURCE={self.folder}", f"-DHEADER={self.header}", "-P", script)
        text = self.header.read_text()
        return re.fullmatch(r'#define CHORALE_REVISION "(.+)"\n', text).group(1)


def test_every_build_finds_its_revision(folder, monkeypatch):
    """The commit, whether files differ from it, and nothing where there is no git; a header that is
    right stays."""
    clone = Clone(folder, monkeypatch)
    assert clone.revision() == "unknown"
    clone.git("init", "-q")
    first = clone.commit("a")
    assert clone.revision() == first
    before = clone.header.stat().st_mtime_ns
    assert clone.revision() == first and clone.header.stat().st_mtime_ns == before
    (clone.folder / "file").write_text("b")
    assert clone.revision() == first + "-dirty"
    second = clone.commit("b")
    assert clone.revision() == second != first


def test_installed_tools_need_neither_the_source_tree_nor_a_path(prefix, folder):
    tools = prefix / "libexec/chorale"
    assert not (tools / "bench").exists()
    keys = {"tokens_count": 8, "layers_depth": 6, "mlp_width": 8, "ensemble_realizations": 2}
    for seed in (1, 2):
        more = {"ensemble_seed": seed, "output_file": f"seed{seed}.h5", "progress": "off"}
        run(prefix / "bin/chorale", "sync", *options(**keys, **more))
    hidden = ("CHORALE", "CHORALE_SOURCE", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    environment["PATH"] = "/usr/bin:/bin"
    said = run(tools / "merge", "both.h5", "seed1.h5", "seed2.h5", env=environment)
    assert "4 realizations of 2 files" in said, said
    said = run(tools / "info", "both.h5", env=environment)
    assert "results of study sync, complete" in said
    assert run(tools / "plot", "both.h5", env=environment) == "both.png\n"
    assert run(tools / "report", "both.h5", env=environment) == "report.html\n"
    assert run(tools / "view", "both.h5", env=environment) == "both.html\n"
    reader = "import chorale_io; print(chorale_io.open('both.h5').study)"
    environment["PYTHONPATH"] = str(tools)
    assert run("/usr/bin/python3", "-c", reader, env=environment) == "sync\n"
    program = "import chorale; from chorale.runs import slurm, words; print(words.program())\n"
    program += "print(slurm.common()); keys = dict(layers_depth=4, mlp_width=8)\n"
    program += "print(chorale.run('simulate', tokens_count=8, ranks=2, **keys).state)"
    said = run("/usr/bin/python3", "-c", program, env=environment).split()
    assert said == [str(prefix / "bin/chorale"), str(tools / "jobs/common.sh"), "complete"]


def text_of(name):
    return (SOURCE / name).read_text(encoding="utf-8")


VERSION = re.search(r"project\(chorale VERSION (\S+)", text_of("CMakeLists.txt"))[1]
RECIPE = "tools/packaging/spack/packages/chorale/package.py"


@pytest.mark.parametrize(
    "name, pattern",
    [
        (RECIPE, r"chorale@([\d.]+)"),
        (RECIPE, r'version\("([\d.]+)"\)'),
        ("CITATION.cff", r"^version: ([\d.]+)"),
        ("tools/packaging/chorale.def", r"Version ([\d.]+)"),
        ("tools/chorale/__init__.py", r'^__version__ = "(.*)"'),
    ],
)
def test_all_files_say_one_version(name, pattern):
    assert re.search(pattern, text_of(name), re.M)[1] == VERSION == package.__version__


def test_the_spack_recipe_is_python_and_names_what_cmake_looks_for():
    calls = [node for node in ast.walk(ast.parse(text_of(RECIPE))) if isinstance(node, ast.Call)]
    words = [call.args[0].value for call in calls if getattr(call.func, "id", "") == "depends_on"]
    needs = {word.split("@")[0].split("+")[0] for word in words}
    assert set(NEEDS.split()) <= needs, needs


def test_the_image_copies_files_that_are_there():
    image = text_of("tools/packaging/chorale.def")
    copied = re.search(r"%files\n(.*?)\n\n", image, re.S)[1].split("\n")
    assert copied and all((SOURCE / line.split()[0]).exists() for line in copied), copied


FAKE_QUERY = """#!/bin/sh
case " $MISSING " in *" $4 "*) [ -e "$STATE/$4" ] && echo -n installed; exit 0 ;; esac
echo -n installed
"""
# Installs, unless one of its packages is not to be had.
FAKE_APT = """#!/bin/sh
for word; do
  case " $LOST " in *" $word "*) echo "E: Unable to locate package $word" >&2; exit 100 ;; esac
done
for word; do case " $MISSING " in *" $word "*) touch "$STATE/$word" ;; esac; done
"""
FAKES = {"dpkg-query": FAKE_QUERY, "apt-get": FAKE_APT, "sudo": '#!/bin/sh\nexec "$@"\n'}


@pytest.fixture(name="debian")
def machine_that_only_pretends(folder):
    """A folder of programs that say which packages are missing, and install them."""
    (folder / "bin").mkdir()
    (folder / "state").mkdir()
    for name, text in FAKES.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "missing, lost, code, lines",
    [
        ("", "", 0, 0),
        ("cmake paraview ffmpeg", "", 0, 0),
        ("cmake paraview ffmpeg", "paraview", 0, 1),
        ("cmake paraview", "cmake", 1, 2),
    ],
)
def test_a_package_that_only_tests_need_may_be_lost(debian, missing, lost, code, lines):
    """It goes on and says so in one line; without one that chorale needs, it fails."""
    path, state = f"{debian}/bin:{os.environ['PATH']}", debian / "state"
    variables = {"PATH": path, "MISSING": missing, "LOST": lost, "STATE": str(state)}
    done = ends(SOURCE / "tools/install-deps", env={**os.environ, **variables})
    assert done.returncode == code and len(done.stderr.splitlines()) == lines, done
    installed = sorted(set(missing.split()) - set(lost.split()))
    assert sorted(path.name for path in state.iterdir()) == installed


@pytest.mark.parametrize(
    "words",
    ["install-deps nothing", "install-deps all run", "quickstart nothing", "format nothing"],
)
def test_programs_of_the_tree_refuse_words_that_they_do_not_know(words):
    tool, *rest = words.split()
    done = ends(SOURCE / "tools" / tool, *rest)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith(f"{tool}: "), done


@pytest.fixture(scope="module")
def environment_of_pip(tmp_path_factory):
    """A virtual environment with the packages of the system in which `pip install tools/` was run,
    from a copy of tools/ and without a network."""
    folder = tmp_path_factory.mktemp("pip")
    if ends("/usr/bin/python3", "-c", "import ensurepip, setuptools, wheel").returncode:
        pytest.skip("python3-venv, python3-setuptools or python3-wheel is not installed")
    shutil.copytree(SOURCE / "tools", folder / "source/tools")
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", folder / "venv")
    pip = [folder / "venv/bin/pip", "install", "--no-build-isolation", "--no-index"]
    run(*pip, folder / "source/tools")
    left = {path.name for path in (folder / "source/tools").iterdir()}
    assert left - {path.name for path in (SOURCE / "tools").iterdir()} <= {"chorale.egg-info"}
    shutil.rmtree(folder / "source")
    return folder / "venv/bin"


def test_pip_installs_the_package_and_its_programs(environment_of_pip, prefix, have, folder):
    have("alone")
    scripts = tomllib.loads(text_of("tools/pyproject.toml"))["project"]["scripts"]
    for name in scripts:
        assert name.startswith("chorale-"), name
        run(environment_of_pip / name, "--help")
    program = "from chorale import io; print(io.open('alone.h5').study)"
    assert run(environment_of_pip / "python", "-c", program) == "simulate\n"
    assert run(environment_of_pip / "chorale-plot", "alone.h5") == "alone.png\n"
    assert run(environment_of_pip / "chorale-report", "alone.h5") == "report.html\n"
    assert run(environment_of_pip / "chorale-view", "alone.h5") == "alone.html\n"
