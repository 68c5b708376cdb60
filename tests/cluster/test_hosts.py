"""chorale on several hosts, which namespaces of this machine are: the bits are those of one rank,
also over a slow link and with clocks that differ, and what hosts do not have in common is told
before a run begins. Needs root; skipped elsewhere."""

import calendar
import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import slow_link
from hosts import lacking, lacking_clock
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


DELAY, RATE = 0.02, 50e6 / 8  # seconds, bytes per second
PLACES = {"": ((1, 2), (2, 1), (3, 1)), "slow": ((2, 1),)}  # hosts and ranks of each


def make_slow(hosts):
    """The way to the second host."""
    if not os.path.exists(slow_link.DEVICE):
        pytest.skip(f"no {slow_link.DEVICE} here, which the slow link is made of")
    hosts.slow_down(hosts.all[1], DELAY, RATE)


@pytest.mark.parametrize("link", PLACES)
@pytest.mark.parametrize("name", (*STUDIES, "kernel", "merge"))
def test_bits_are_the_same_on_any_hosts(hosts, tmp_path_factory, name, link, monkeypatch):
    if link:
        make_slow(hosts)
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
    for count, ranks in PLACES[link]:
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


def clock(host, name="CLOCK_REALTIME"):
    program = f"import time; print(time.clock_gettime(time.{name}))"
    return float(host.run("/usr/bin/python3", "-c", program))


CLOCKS = {  # what differs, and by how many seconds
    "ahead": ("CLOCK_REALTIME", 3600),
    "behind": ("CLOCK_REALTIME", -3600),
    "up longer": ("CLOCK_MONOTONIC", 864000),
}


def set_clock(host, name, seconds):
    """And sees that it is so, to half an hour."""
    if reason := lacking_clock(name):
        pytest.skip(reason)
    before = clock(host, name)
    host.set_clock(name, seconds)
    assert abs(clock(host, name) - before - seconds) < 1800


@pytest.mark.parametrize("which", (0, 1))
@pytest.mark.parametrize("clocks", CLOCKS)
def test_clocks_of_hosts_may_differ(hosts, clocks, which):
    """The limits are half an hour. A results file has the date of the first host."""
    set_clock(hosts.all[which], *CLOCKS[clocks])
    limits = dict(checkpoint_walltime=1800, checkpoint_patience=1800, checkpoint_every=2)
    keys = dict(RUN, **limits, output_every=2, progress=1e-6)
    chorale(["simulate", *options(**keys, output_file="alone.h5")])
    begun = clock(hosts.all[0])
    words = ["simulate", *options(**keys, output_file="run.h5")]
    done = hosts.chorale(*words, hosts=2)
    assert not same_bits(datasets("alone.h5"), datasets("run.h5"))
    with h5py.File("run.h5") as file:
        date = file["provenance"].attrs["date"].decode()
    date = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%SZ"))
    assert int(begun) <= date <= clock(hosts.all[0])
    left = re.findall(r", ([\d.e+]+)/s, ETA (.*)$", done.stderr, re.MULTILINE)
    assert left and all(
        re.fullmatch(r"\d+\.\d s|[0-2]?\d:\d\d", eta) for _, eta in left
    ), done.stderr
    assert re.search(
        r"^simulate.*: 6 of 6 in (\d+\.\d s|[0-2]?\d:\d\d)$", done.stderr, re.MULTILINE
    )


ANSWER = """
import socket
with socket.create_server(("", 5000)) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    with connection:
        while connection.recv(65536):
            pass
        connection.sendall(b".")
"""
ASK = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 5000)) as connection:
    start = time.monotonic()
    connection.sendall(bytes(int(sys.argv[2])))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(time.monotonic() - start)
"""


@pytest.mark.parametrize("size", (1, 10**6))
def test_the_slow_link_is_slow(hosts, size):
    make_slow(hosts)
    near, far = hosts.all[:2]
    answer = far.words("/usr/bin/python3", "-c", ANSWER)
    with subprocess.Popen(answer, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        seconds = float(near.run("/usr/bin/python3", "-c", ASK, far.address, size))
    assert seconds >= 2 * DELAY + size / RATE


# By the clock of the first rank, which stands still else, a step takes 10 s, and a write of a
# checkpoint 5 s for each of its three datasets.
TIMED = "-1 -1 0 clock=10; put -1 0 clock=5; checkpoint -1 0 tell=written"


def test_a_checkpoint_over_a_slow_link_is_in_time(hosts):
    """The last one is there before the limit, at the same step as on two ranks of one host, and
    whole: the run goes on from it over the slow link to the same bits."""
    make_slow(hosts)
    keys = dict(RUN, layers_depth=20, checkpoint_every=10)
    chorale(["simulate", *options(**keys, output_file="alone.h5")])
    limit, written = dict(checkpoint_walltime=175), []
    for name in ("near", "far"):
        words = ["simulate", *options(**keys, **limit, output_file=f"{name}.h5")]
        if name == "near":
            done = chorale(words, ranks=2, hook=TIMED, check=False)
        else:
            program = os.environ["CHORALE_HOOKED"]
            done = hosts.chorale(*words, check=False, hosts=2, program=program, CHORALE_HOOK=TIMED)
        assert done.returncode == 85 and "stopped (wall time of 175 s)" in done.stderr, done
        written.append(Path("written").read_text(encoding="ascii").split())
        os.remove("written")
    assert written[0] == written[1] and float(written[1][-1]) < 175, written
    on = dict(keys, output_file="far.h5", checkpoint_resume=True)
    hosts.chorale("simulate", *options(**on), hosts=2)
    assert not same_bits(datasets("alone.h5"), datasets("far.h5"))


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
