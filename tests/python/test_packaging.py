"""An installed chorale as other programs see it: the example of tools/packaging is built against it with CMake's find_package and with
pkg-config, and says what chorale itself says; the installed program runs; the manual page has every study and every key."""
import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
from run import chorale, options

SOURCE, BUILD = Path(os.environ["CHORALE_SOURCE"]), Path(os.environ["CHORALE_BUILD"])
RUN = {"tokens_count": 300, "layers_depth": 400, "layers_horizon": 40, "mlp_width": 64, "ensemble_seed": 3}


def run(*words, **keywords):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, timeout=200, **keywords).stdout


def with_cmake(prefix, directory):
    run("cmake", "-G", "Ninja", "-S", SOURCE / "tools/packaging/example", "-B", directory, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", directory)
    return directory / "gather"


def with_pkg_config(prefix, directory):
    path = ":".join([str(p) for p in prefix.glob("lib*/**/pkgconfig")] + [os.environ.get("PKG_CONFIG_PATH", "")])
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "chorale", env=dict(os.environ, PKG_CONFIG_PATH=path)))
    run("mpicc", "-std=c11", SOURCE / "tools/packaging/example/gather.c", *flags, "-o", directory / "gather2")
    return directory / "gather2"


def gathered(directory):
    """The same time from chorale's own record of the order parameter."""
    chorale(["simulate", *options(**RUN, output_file=directory / "own.h5", progress="off")], ranks=2)
    with h5py.File(directory / "own.h5", "r") as file:
        order = file["observables/order"]
        above = order["value"][:, 0] > 0.999
        assert above.any() and not above.all(), "the case says nothing: choose another seed"
        return f"gathered in one point at t = {order['time'][above.argmax()]:.10g}\n"


def plain(page):
    return re.sub(r"\\f[A-Z]", "", page).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def check_manual(prefix, program):
    page = plain((prefix / "share/man/man1/chorale.1").read_text())
    studies = re.findall(r"^  (\w+) {2,}\S", run(program, "--help").split("Options:")[0], re.M)
    assert len(studies) >= 6, studies
    for study in studies:
        assert f"\n.B {study}\n" in page, study
        for key in re.findall(r"^-(\w+) ", run(program, study, "-help"), re.M):
            assert re.search(rf"^\.B -{key}( |$)", page, re.M), f"{key} is not in the manual page"


def check_revision(directory):
    """What every build finds out: the commit, whether files differ from it, and nothing where there is no git; a header that is right stays."""
    header = directory / "revision.h"

    def revision():
        run("cmake", f"-DSOURCE={directory}", f"-DHEADER={header}", "-P", SOURCE / "tools/packaging/revision.cmake")
        return re.fullmatch(r'#define CHORALE_REVISION "(.+)"\n', header.read_text()).group(1)

    def git(*words):
        return run("git", "-C", directory, "-c", "user.name=x", "-c", "user.email=x", *words).strip()

    directory.mkdir()
    os.environ["GIT_CEILING_DIRECTORIES"] = str(directory.parent)
    assert revision() == "unknown"
    git("init", "-q")
    (directory / "file").write_text("a")
    git("add", "file")
    git("commit", "-qm", "a")
    first = git("rev-parse", "--short", "HEAD")
    assert revision() == first
    before = header.stat().st_mtime_ns
    assert revision() == first and header.stat().st_mtime_ns == before
    (directory / "file").write_text("b")
    assert revision() == first + "-dirty"
    git("commit", "-qam", "b")
    assert revision() == git("rev-parse", "--short", "HEAD") != first


def check_tools(prefix, directory):
    """The installed tools need neither the source tree nor a PATH."""
    assert not (prefix / "libexec/chorale/bench").exists()
    environment = {key: value for key, value in os.environ.items() if key not in ("CHORALE", "PYTHONPATH")}
    sync = ["tokens_count", 8, "layers_depth", 6, "mlp_width", 8, "progress", "off"]
    for seed in (1, 2):
        words = options(**dict(zip(sync[::2], sync[1::2])), ensemble_seed=seed, ensemble_realizations=2, output_file=f"seed{seed}.h5")
        run(prefix / "bin/chorale", "sync", *words, cwd=directory)
    environment["PATH"] = "/usr/bin:/bin"
    said = run(prefix / "libexec/chorale/merge", "both.h5", "seed1.h5", "seed2.h5", cwd=directory, env=environment)
    assert "4 realizations of 2 files" in said, said
    assert "results of study sync, complete" in run(prefix / "libexec/chorale/info", "both.h5", cwd=directory, env=environment)
    assert run(prefix / "libexec/chorale/plot", "both.h5", cwd=directory, env=environment) == "both.png\n"


def check_versions():
    """All files that say the version say the same; the Spack recipe is Python and names what CMakeLists.txt looks for."""
    version = re.search(r"project\(chorale VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())[1]
    recipe = (SOURCE / "tools/packaging/spack/packages/chorale/package.py").read_text()
    citation, image = (SOURCE / "CITATION.cff").read_text(), (SOURCE / "tools/packaging/chorale.def").read_text()
    for text, pattern in ((recipe, r"chorale@([\d.]+)"), (recipe, r'version\("([\d.]+)"\)'), (citation, r"^version: ([\d.]+)"),
                          (image, r"Version ([\d.]+)")):
        assert re.search(pattern, text, re.M)[1] == version, (pattern, version)
    calls = [node for node in ast.walk(ast.parse(recipe)) if isinstance(node, ast.Call)]
    needs = {call.args[0].value.split("@")[0].split("+")[0] for call in calls if getattr(call.func, "id", "") == "depends_on"}
    assert {"mpi", "petsc", "hdf5", "fftw-api", "blas", "lapack", "libyaml", "zlib-api", "random123", "cmocka", "py-h5py", "py-matplotlib"} <= needs, needs
    copied = re.search(r"%files\n(.*?)\n\n", image, re.S)[1].split("\n")
    assert all((SOURCE / line.split()[0]).exists() for line in copied), copied


FAKE_QUERY = """#!/bin/sh
case " $MISSING " in *" $4 "*) [ -e "$STATE/$4" ] && echo -n installed; exit 0 ;; esac
echo -n installed
"""
# Installs, unless one of its packages is not to be had.
FAKE_APT = """#!/bin/sh
for word; do case " $LOST " in *" $word "*) echo "E: Unable to locate package $word" >&2; exit 100 ;; esac; done
for word; do case " $MISSING " in *" $word "*) touch "$STATE/$word" ;; esac; done
"""


def check_install_deps(directory):
    """Without a package that only tests need, it goes on and says so in one line; without one that chorale needs, it fails."""
    bin_, state = directory / "bin", directory / "state"
    bin_.mkdir()
    for name, text in (("dpkg-query", FAKE_QUERY), ("apt-get", FAKE_APT), ("sudo", '#!/bin/sh\nexec "$@"\n')):
        (bin_ / name).write_text(text)
        (bin_ / name).chmod(0o755)
    for missing, lost, code, lines in (("", "", 0, 0), ("cmake paraview ffmpeg", "", 0, 0), ("cmake paraview ffmpeg", "paraview", 0, 1), ("cmake paraview", "cmake", 1, 2)):
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        done = subprocess.run([SOURCE / "tools/install-deps"], capture_output=True, text=True, timeout=60, check=False,
                              env=dict(os.environ, PATH=f"{bin_}:{os.environ['PATH']}", MISSING=missing, LOST=lost, STATE=str(state)))
        assert done.returncode == code and len(done.stderr.splitlines()) == lines, (missing, lost, done)
        assert sorted(path.name for path in state.iterdir()) == sorted(set(missing.split()) - set(lost.split())), (missing, lost)
    for words in (["nothing"], ["all", "run"]):
        done = subprocess.run([SOURCE / "tools/install-deps", *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    for tool in ("quickstart", "format"):
        done = subprocess.run([SOURCE / "tools" / tool, "nothing"], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and done.stderr.startswith(f"{tool}: ") and done.stderr.count("\n") == 1, done


def main():
    check_versions()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        prefix = directory / "prefix"
        run("cmake", "--install", BUILD, "--prefix", prefix)
        check_manual(prefix, prefix / "bin/chorale")
        check_revision(directory / "revision")
        check_tools(prefix, directory)
        check_install_deps(directory)
        words = ["simulate", *options(**RUN)]
        expected = gathered(directory)
        for program in (with_cmake(prefix, directory / "build"), with_pkg_config(prefix, directory)):
            for ranks in (1, 2):
                found = run("mpirun", "-n", ranks, program, *words)
                assert found == expected, f"{program.name} on {ranks} ranks: {found!r}, not {expected!r}"
        refused = subprocess.run([str(program), "simulate", "-tokens_count", "x"], capture_output=True, text=True, timeout=60)
        assert refused.returncode == 2 and "tokens_count = x" in refused.stderr, refused
    return 0


if __name__ == "__main__":
    sys.exit(main())
