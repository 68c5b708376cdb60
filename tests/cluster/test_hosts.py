"""chorale on several hosts, which namespaces of this machine are: the bits are those of one rank,
and what hosts do not have in common is told before a run begins. Needs root; skipped elsewhere."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hosts import lacking
from run import chorale, datasets, options, same_bits, spoken, wait_until
from studies import KERNEL, RUNS, STUDIES

pytestmark = pytest.mark.full


def files():
    """The numbers of all HDF5 files here, and the bytes of the table."""
    found = {}
    for path in sorted(Path().rglob("*.h5*")):
        for name, value in datasets(path, skip=("provenance", "parameters")).items():
            found[f"{path}:{name}"] = value
    if os.path.exists("table.csv"):
        found["table"] = np.frombuffer(Path("table.csv").read_bytes(), np.uint8)
    return found


def words(name, inputs):
    """The command line of a run of a study. inputs: results that are there."""
    if name == "kernel":
        return ["kernel", *options(**KERNEL, output_table="table.csv")]
    if name == "merge":
        return ["merge", *options(merge_files=inputs, output_file="merged.h5")]
    study, keys = RUNS[name]
    keys = dict(keys, progress="off", output_file=f"{name}.h5")
    if "analyze_file" in keys:
        keys["analyze_file"] = inputs
    return [study, *options(**keys)]


@pytest.mark.parametrize("name", (*STUDIES, "kernel", "merge"))
def test_bits_are_the_same_on_any_number_of_hosts(hosts, tmp_path_factory, name, monkeypatch):
    inputs = tmp_path_factory.mktemp("inputs")
    seeds = [inputs / f"{seed}.h5" for seed in (1, 2)]
    for seed, path in enumerate(seeds):
        study, keys = RUNS["circle"]
        chorale([study, *options(**keys, ensemble_seed=seed, output_file=path)])
    line = words(name, ",".join(map(str, seeds)) if name == "merge" else seeds[0])

    def here(run, *what, **how):
        monkeypatch.chdir(tmp_path_factory.mktemp("run"))
        run(*what, **how)
        return files()

    alone = here(chorale, line)
    assert alone, line
    for count, ranks in ((1, 2), (2, 1), (3, 1)):
        differing = same_bits(alone, here(hosts.chorale, *line, hosts=count, ranks=ranks))
        assert not differing, (count, differing)


RUN = dict(tokens_count=300, layers_depth=6, mlp_width=16, ensemble_groups=1, progress="off")


def test_a_directory_that_one_host_does_not_see_is_refused(hosts):
    os.mkdir("results")
    blind = hosts.all[1]
    blind.run("mount", "-t", "tmpfs", "none", "results")
    words = ["simulate", *options(**RUN, output_trajectories=1, output_file="results/run.h5")]
    done = hosts.chorale(*words, check=False)
    assert done.returncode == 2, done
    (line,) = spoken(done)
    assert line == (
        "chorale: output_file = results/run.h5: host h2 (rank 1) does not see what rank 0 writes "
        "into results; all hosts must share it"
    )
    assert not os.listdir("results") and not blind.run("ls", "results")
    blind.run("umount", "results")
    hosts.chorale(*words)


@pytest.mark.parametrize("key", ("output_file", "tokens_file"))
def test_a_path_too_long_for_several_hosts_is_refused(hosts, key):
    """Open MPI writes past a buffer there; on one host such a path is as good as any."""
    long = Path("x" * 120, "y" * 120)
    long.mkdir(parents=True)
    path = str(long / "run.h5")
    keys = dict(RUN, output_file="run.h5")
    words = ["simulate", *options(**RUN, output_file=path)]
    if key == "tokens_file":
        chorale(["simulate", *options(**RUN, output_trajectories=1, output_file="run.h5")])
        os.rename("run/realization_00000.h5md", path)
        keys |= dict(tokens_init="file", tokens_file=path, tokens_frame="last", output_file="on.h5")
        words = ["simulate", *options(**keys)]
    done = hosts.chorale(*words, check=False)
    assert done.returncode == 2, done
    (line,) = spoken(done)
    assert re.match(rf"chorale: {key} = x+\.\.\.: the path has \d+ characters; MPI takes \d+", line)
    assert not os.path.exists("on.h5")
    chorale(words, ranks=2)


# By the processor alone, without the variable that chorale sets.
KERNELS = """
import ctypes, ctypes.util
library = ctypes.CDLL(ctypes.util.find_library("openblas"))
library.openblas_get_corename.restype = ctypes.c_char_p
print(library.openblas_get_corename().decode())
"""


def test_a_host_with_other_instructions_is_told(hosts, folder):
    """chorale asks the system whether there is AVX-512, and takes kernels of BLAS by that."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    if "avx512dq" not in flags:
        pytest.skip("needs a processor with AVX-512")
    without = hosts.head.run(
        "env", "-u", "OPENBLAS_CORETYPE", "/usr/bin/python3", "-c", KERNELS
    ).strip()
    if without == "SkylakeX":
        pytest.skip("BLAS finds AVX-512 by itself")
    Path("cpuinfo").write_text(flags.replace("avx512dq", ""), encoding="utf-8")
    hosts.all[1].run("mount", "--bind", folder / "cpuinfo", "/proc/cpuinfo")
    words = ["simulate", *options(**RUN, output_file="run.h5")]
    (line,) = spoken(hosts.chorale(*words))
    assert re.match(r"chorale: warning: host h2 \(rank 1\) has .*, but host h1 ", line), line
    assert f"BLAS for {without}," in line and "BLAS for SkylakeX:" in line, line
    hosts.all[1].run("umount", "/proc/cpuinfo")
    assert not spoken(hosts.chorale(*words, "-output_overwrite"))


@pytest.mark.parametrize("rank", (0, 1))
def test_clocks_of_hosts_may_differ(hosts, rank):
    """By an hour, twice the time that the run is given."""
    keys = dict(RUN, checkpoint_walltime=1800, checkpoint_every=2, output_every=2)
    chorale(["simulate", *options(**keys, output_file="alone.h5")])
    hook = f"setup 1 {rank} clock=3600"
    words = ["simulate", *options(**keys, output_file="run.h5")]
    hosts.chorale(*words, hosts=2, program=os.environ["CHORALE_HOOKED"], CHORALE_HOOK=hook)
    assert not same_bits(datasets("alone.h5"), datasets("run.h5"))


# A test that is killed with its hosts there, in one of which something runs.
KILLED = """
import os, sys
from hosts import Hosts
from run import children
with Hosts(sys.argv[1], 2) as hosts:
    hosts.all[1].run("sh", "-c", "sleep infinity >/dev/null 2>&1 </dev/null &")
    print(os.readlink(f"/proc/{children(hosts.holder.pid)[0]}/ns/net"), flush=True)
    print(hosts.all[1].run("readlink", "/proc/self/ns/net").strip(), flush=True)
    sys.stdin.read()
"""


def networks():
    """Those that any process has."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/ns/net"))
    return found


def test_nothing_is_left_of_hosts_whose_test_is_killed(folder):
    if reason := lacking():
        pytest.skip(reason)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.path.dirname(sys.modules[lacking.__module__].__file__)},
    ) as test:
        theirs = {test.stdout.readline().strip() for _ in range(2)}
        assert len(theirs) == 2 and theirs < networks(), theirs
        test.kill()
    wait_until(lambda: not theirs & networks(), "the end of all processes")
