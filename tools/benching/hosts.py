"""What -dry_run says a step takes, against what it takes, on one host and on two: namespaces of
this machine (tests/support/hosts.py, only as root) whose messages go through TCP. They share the
cores of this machine.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import statistics
import sys
import tempfile
import time
from typing import Any, Iterator, Mapping

from benching import model
from chorale.command import TOP
from chorale.errors import Refused

CASES = (  # what, deck, and what is other than there
    ("moments, d = 2, N = 2^19", "large-circle", {"tokens_count": 1 << 19}),
    ("moments, d = 3, N = 2^16", "large-sphere", {"tokens_count": 1 << 16}),
    (
        "direct, d = 3, N = 4096",
        "large-sphere",
        {"tokens_count": 1 << 12, "attention_engine": "direct"},
    ),
)
PLACES = ((1, 1), (2, 1), (2, 2), (2, 4))  # hosts, and ranks of each
SECONDS = 1.0  # of the steps of the shorter run, as they are said to be
REPEAT = 3
Times = tuple[float, float]


def words(deck: str, keys: Mapping[str, object], depth: int) -> list[str]:
    """A run of so many steps, of which only the first and the last are looked at."""
    keys = {**keys, "layers_depth": depth, "output_every": depth, "output_file": "run.h5"}
    more = [word for key, value in keys.items() for word in (f"-{key}", str(value))]
    return ["simulate", str(TOP / f"input/{deck}.yaml"), *more, "-output_overwrite"]


def step(hosts: Any, place: tuple[int, int], deck: str, keys: Mapping[str, object]) -> Times:
    """What it is said to take, and what it takes: the difference of two runs, in which starting
    and ending do not count."""
    how = dict(hosts=place[0], ranks=place[1])

    def seconds(depth: int) -> float:
        start = time.monotonic()
        hosts.chorale(*words(deck, keys, depth), **how)
        return time.monotonic() - start

    text = hosts.chorale(*words(deck, keys, 300), "-dry_run", **how).stdout
    found = re.search(r"^estimate .* step=(\S+)", text, re.MULTILINE)
    if not found:
        raise Refused("-dry_run tells no time of a step", 1)
    said = float(found[1])
    depth = math.ceil(SECONDS / said)
    took = [(seconds(3 * depth) - seconds(depth)) / (2 * depth) for _ in range(REPEAT)]
    return said, statistics.median(took)


def rows(env: Mapping[str, str]) -> Iterator[str]:
    """Lines of the table."""
    build = str(TOP / "build")
    os.environ.update(env, CHORALE=f"{build}/chorale", CHORALE_BUILD=build, CHORALE_SOURCE=str(TOP))
    sys.path.insert(0, str(TOP / "tests/support"))
    support = importlib.import_module("hosts")
    if reason := support.lacking():
        raise Refused(reason, 1)
    yield f"{'a step':26} {'hosts':>5} {'ranks':>5} {'-dry_run':>9} {'measured':>9} {'ratio':>6}"
    with tempfile.TemporaryDirectory(prefix="chorale-", dir="/var/tmp") as top:
        os.chdir(top)
        with support.Hosts(top, 2) as hosts:
            for what, deck, keys in CASES:
                for place in PLACES:
                    said, took = step(hosts, place, deck, keys)
                    yield (
                        f"{what:26} {place[0]:5} {place[0] * place[1]:5} {model.time(said):>9} "
                        f"{model.time(took):>9} {said / took:6.2f}"
                    )
        os.chdir(TOP)
