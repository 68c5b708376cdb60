"""lean.py PROGRAM FOLDER: makes what a program loads in vain empty, so that it starts sooner.

PETSc and HDF5 are linked with solvers, compressors and networks of which chorale calls nothing, and
more than half of the time of a start goes into loading some eighty libraries. FOLDER gets a single
one, by the names of these, with the symbols that are asked for: whoever calls one of them is
stopped by a trap. A program started with LD_LIBRARY_PATH=FOLDER takes it in their place. FOLDER has
none of the names where a program would not start so.
"""

import os
import re
import shutil
import subprocess
import sys

# What is called: by chorale, by what it calls, and before main().
CALLED = re.compile(
    r"lib(petsc|mpi\.|open-|hdf5|fftw3\.|openblas|blas|lapack|yaml|c\.|m\.|mvec|z\.|sz|aec|gfortran"
    r"|quadmath|gcc|gomp|stdc|hwloc|event|pmix|munge|udev|pthread|asan|ubsan|ld-)"
)


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def needed(path):
    """Names of the libraries that a file names."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", path))


def symbols(path, kind):
    """{name: version or empty} of what a file defines or asks for."""
    found = {}
    for line in output("nm", "-D", kind, path).splitlines():
        *_, letter, name = line.split()
        if letter in "UTDBRVWi" and (kind == "--defined-only" or letter == "U"):
            name, _, version = name.replace("@@", "@").partition("@")
            found[name] = version
    return found


def split(program):
    """Paths of the libraries that are called, and {name: path} of the others next to them."""
    paths = dict(re.findall(r"(\S+) => (/\S+)", output("ldd", program)))
    called, others, files = set(), {}, [program]
    while files:
        for name in filter(paths.get, needed(files.pop())):
            if not CALLED.match(name):
                others[name] = paths[name]
            elif paths[name] not in called:
                called.add(paths[name])
                files.append(paths[name])
    return called, others


def make(folder, called, others):
    """The library, and its names."""
    theirs = set().union(*(symbols(path, "--defined-only") for path in others.values()))
    asked = {}
    for path in called:
        asked.update(symbols(path, "--undefined-only"))
    asked = {name: version for name, version in asked.items() if name in theirs}
    for path in called:
        for name in symbols(path, "--defined-only"):
            asked.pop(name, None)
    versions = {version for version in asked.values() if version}
    lines = [f"void {name}(void) {{ __builtin_trap(); }}" for name in sorted(asked)]
    nodes = [
        f"{version} {{ {' '.join(n + ';' for n in sorted(asked) if asked[n] == version)} }};"
        for version in sorted(versions)
    ]
    source, script, library = (
        os.path.join(folder, f"unused{end}") for end in (".c", ".map", ".so")
    )
    for path, text in ((source, lines), (script, nodes)):
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(text) + "\n")
    words = ["cc", "-w", "-fno-builtin", "-shared", "-fPIC", "-nostdlib", "-o", library, source]
    subprocess.run([*words, f"-Wl,--version-script={script}"] if nodes else words, check=True)
    for name in others:
        os.symlink("unused.so", os.path.join(folder, name))


def main(program, folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    called, others = split(program)
    make(folder, called, others)
    trial = {**os.environ, "LD_LIBRARY_PATH": folder, "OMPI_MCA_ess_singleton_isolated": "1"}
    trial["ASAN_OPTIONS"] = "detect_leaks=0"  # MPI keeps memory until the end
    done = subprocess.run([program, "--version"], env=trial, capture_output=True, check=False)
    if done.returncode or done.stderr:
        reason = done.stderr.decode().strip() or f"exit code {done.returncode}"
        print(f"lean.py: runs of the tests load every library: {reason}")
        for name in others:
            os.remove(os.path.join(folder, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
