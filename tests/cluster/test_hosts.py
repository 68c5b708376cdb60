"""chorale on several hosts, which namespaces of this machine are: the bits are those of one rank,
and what hosts do not have in common is told before a run begins. Needs root; skipped elsewhere."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hosts import lacking
from run import chorale, datasets, options, same_bits, wait_until
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
