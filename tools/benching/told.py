"""What -dry_run says a step takes, against what it takes, on 1 to 8 ranks: as -dry_run on these
ranks says, and as -dry_ranks plans on one. Told and measured alternate, so that both see the
machine as it is; the table has the medians.

A plan has a core for each rank. Where there are more ranks than cores they take turns: the work of
a step is then as many times as long. As many plans as there are cores are made at once, since a
core is slower when the others have work.
"""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

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
PLACES = ((1, 1), (1, 2), (1, 4), (1, 8))  # hosts, and ranks of each
SECONDS = 2.0  # of the steps of a run, as they are said to be
REPEAT = 3
NEAR = 0.2  # a step that is told so well is told well
WARM = 2  # steps that are not looked at
LEAST = 4  # and those that are
Place = tuple[int, int]
Runner = Callable[[Sequence[object], Place], str]  # what a program prints there, errors too


class Told(NamedTuple):
    """Seconds of a step, as they are told and as they are."""

    dry: float
    plan: Optional[float]
    took: float


def number(name: str, text: str) -> float:
    found = re.search(rf"^(?:estimate .* )?{name}[= ](\S+)", text, re.MULTILINE)
    if not found:
        raise Refused(f"no {name} is told:\n{text}", 1)
    return float(found[1])


def words(deck: str, keys: Mapping[str, object], **more: object) -> list[object]:
    """A run."""
    options = [word for key, value in {**keys, **more}.items() for word in (f"-{key}", value)]
    return [TOP / "build/chorale", "simulate", TOP / f"input/{deck}.yaml", *options]


def measured(text: str) -> float:
    """Seconds of a step, from lines of progress: steps that are done, and how many a second."""
    found = re.findall(r"%, (\d+) of (\d+), (\S+)/s", text)
    times = [
        (int(done), int(done) / float(rate))
        for done, total, rate in found
        if WARM <= int(done) < int(total)
    ]
    if len(times) < 2:
        raise Refused(f"a run tells too little of its progress:\n{text}", 1)
    return (times[-1][1] - times[0][1]) / (times[-1][0] - times[0][0])


def plan(line: Sequence[object], ranks: int, network: Mapping[str, float]) -> float:
    """Seconds of a step on so many ranks, as one of them plans it."""
    cores = len(os.sched_getaffinity(0))
    line = [*line, "-dry_run", "-dry_ranks", ranks]
    for name, value in network.items():
        line += [f"-dry_{name}", value]
    plans = [
        subprocess.Popen([str(word) for word in line], stdout=subprocess.PIPE, text=True)
        for _ in range(min(ranks, cores))
    ]
    texts = [one.communicate()[0] for one in plans]
    work = statistics.mean(number("step", text) - number("network", text) for text in texts)
    return max(1, ranks / cores) * work + number("network", texts[0])


def compare(
    run: Runner, place: Place, deck: str, keys: Mapping[str, object], network: Mapping[str, float]
) -> Told:
    """Once."""
    ranks = place[0] * place[1]
    dry = number("step", run([*words(deck, keys, layers_depth=300), "-dry_run"], place))
    planned = plan(words(deck, keys, layers_depth=300), ranks, network) if ranks > 1 else None
    depth = max(LEAST, math.ceil(SECONDS / dry)) + WARM
    more = {"layers_depth": depth, "output_every": depth, "output_file": "run.h5", "progress": 1e-6}
    return Told(
        dry, planned, measured(run([*words(deck, keys, **more), "-output_overwrite"], place))
    )


def medians(tries: Sequence[Told]) -> Told:
    dry, planned, took = zip(*tries)
    middle = None if planned[0] is None else statistics.median(planned)
    return Told(statistics.median(dry), middle, statistics.median(took))


def rows(run: Runner, places: Sequence[Place]) -> Iterator[str]:
    """Lines of the table."""
    yield (
        f"{'a step':26} {'hosts':>5} {'ranks':>5} {'measured':>9} {'-dry_run':>9} {'ratio':>6} "
        f"{'-dry_ranks':>10} {'ratio':>6}"
    )
    near, networks, count = [0, 0], {}, [0, 0]
    for place in places:
        if place[0] * place[1] > 1:
            text = run([TOP / "build/tests/bench_network"], place)
            networks[place] = {name: number(name, text) for name in ("latency", "bandwidth")}
    for what, deck, keys in CASES:
        for place in places:
            network = networks.get(place, {})
            told = medians([compare(run, place, deck, keys, network) for _ in range(REPEAT)])
            line = f"{what:26} {place[0]:5} {place[0] * place[1]:5} {model.time(told.took):>9}"
            for i, said in enumerate(told[:2]):
                if said is None:
                    continue
                line += f" {model.time(said):>{9 + i}} {said / told.took:6.2f}"
                count[i] += 1
                near[i] += abs(said / told.took - 1) <= NEAR
            yield line
    yield (
        f"within {NEAR:.0%}: {near[0]} of {count[0]} by -dry_run, {near[1]} of {count[1]} by "
        "-dry_ranks"
    )
    for (hosts, ranks), network in networks.items():
        yield (
            f"{hosts * ranks} ranks on {hosts} host{'s' if hosts > 1 else ''}: dry_latency "
            f"{network['latency']:.3g} us, dry_bandwidth {network['bandwidth']:.3g} GB/s"
        )


@contextmanager
def folder() -> Iterator[Path]:
    """Where runs leave their files: the working directory meanwhile."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="chorale-", dir="/var/tmp") as top:
        os.chdir(top)
        try:
            yield Path(top)
        finally:
            os.chdir(before)


def here(env: Mapping[str, str]) -> Iterator[str]:
    """Lines of the table of this machine."""

    def run(line: Sequence[object], place: Place) -> str:
        launch = [str(word) for word in ("mpirun", "-n", place[1], *line)]
        done = subprocess.run(
            launch, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise Refused(f"{' '.join(launch)}: exit code {done.returncode}:\n{done.stderr}", 1)
        return done.stdout + done.stderr

    os.environ.update(env)
    with folder():
        yield from rows(run, PLACES)
