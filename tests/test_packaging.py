"""An installed chorale as other programs see it: the example of tools/packaging is built against it with CMake's find_package and with
pkg-config, and says what chorale itself says; the installed program runs; the manual page has every study and every key."""
import os
import re
import shlex
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


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        prefix = directory / "prefix"
        run("cmake", "--install", BUILD, "--prefix", prefix)
        check_manual(prefix, prefix / "bin/chorale")
        check_revision(directory / "revision")
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
