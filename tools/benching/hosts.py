"""What -dry_run says a step takes (told.py), on one host and on two: namespaces of this machine
(tests/support/hosts.py, only as root) whose messages go through TCP. They share the cores of this
machine.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Iterator, Mapping, Sequence

from benching import told
from chorale.command import TOP
from chorale.errors import Refused

PLACES = ((1, 1), (2, 1), (2, 2), (2, 4))  # hosts, and ranks of each


def rows(env: Mapping[str, str]) -> Iterator[str]:
    """Lines of the table."""
    build = str(TOP / "build")
    os.environ.update(env, CHORALE=f"{build}/chorale", CHORALE_BUILD=build, CHORALE_SOURCE=str(TOP))
    sys.path.insert(0, str(TOP / "tests/support"))
    support = importlib.import_module("hosts")
    if reason := support.lacking():
        raise Refused(reason, 1)
    with told.folder() as top, support.Hosts(top, 2) as hosts:

        def run(line: Sequence[object], place: told.Place) -> str:
            program, *words = line
            done = hosts.chorale(*words, program=program, hosts=place[0], ranks=place[1])
            return done.stdout + done.stderr

        yield from told.rows(run, PLACES)
