"""How tools/bench measures: programs that print numbers, and runs of chorale."""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import tempfile
import time
from typing import Optional, Sequence

from chorale.command import TOP
from chorale.errors import Refused

PYTHON = "/usr/bin/python3"
Env = Optional[dict[str, str]]


def output(words: Sequence[object], env: Env) -> str:
    """What a program prints."""
    words = [str(word) for word in words]
    done = subprocess.run(
        words, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Refused(f"{' '.join(words)}: exit code {done.returncode}: {last}", 1)
    return done.stdout


def build() -> None:
    output(["cmake", "-G", "Ninja", "-S", TOP, "-B", TOP / "build"], None)
    output(["ninja", "-C", TOP / "build", "--quiet"], None)


def measure(program: str, ranks: int, env: Env, *words: object) -> dict[str, float]:
    """{name: value} of the lines `name value unit` that a bench program prints."""
    text = output(["mpirun", "-n", ranks, TOP / "build/tests" / program, *words], env)
    return {match[1]: float(match[2]) for match in re.finditer(r"^(\S+) (\S+) \S", text, re.M)}


def python_seconds(program: str, *words: object, env: Env) -> float:
    """The median of the numbers that a program in Python prints."""
    text = output([PYTHON, "-c", program, *words], env)
    return statistics.median(map(float, text.split()))


def python_has(module: str, env: Env) -> bool:
    words = [PYTHON, "-c", f"import {module}"]
    return not subprocess.run(words, env=env, capture_output=True, check=False).returncode


def spent_by(words: Sequence[object], env: Env) -> float:
    """Processor time of a program and of all that it has started, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output(words, env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def processor_seconds(words: Sequence[object], env: Env, repeat: int = 9) -> float:
    """The median of several starts of a program."""
    return statistics.median(spent_by(words, env) for _ in range(repeat))


def run_seconds(ranks: int, env: Env, *words: object) -> tuple[float, float]:
    """What a run takes: seconds that pass, and processor time of all ranks."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        launch = ["mpirun", "-n", ranks, *words, "-output_file", f"{folder}/run.h5"]
        spent = spent_by([*launch, "-progress", "off"], env)
        return time.monotonic() - start, spent


def more_seconds(ranks: int, few: int, many: int, env: Env, *words: object) -> tuple[float, float]:
    """What many realizations take beyond a few, as the difference of two runs: starting and ending
    do not count."""
    less, more = (
        run_seconds(ranks, env, *words, "-ensemble_realizations", count) for count in (few, many)
    )
    return more[0] - less[0], more[1] - less[1]


def group_scaling(study: str, few: int, many: int, env: Env, repeat: int = 9) -> float:
    """Two groups of one rank against one group: the median of neighbours in time, since a shared
    machine is not as fast in one minute as in the next."""
    words = [TOP / "build/chorale", study, TOP / f"input/{study}.yaml"]
    ratios = []
    for _ in range(repeat):
        one, two = (more_seconds(ranks, few, many, env, *words)[0] for ranks in (1, 2))
        ratios.append(one / two)
    return statistics.median(ratios)
