"""What a step costs on many ranks: a model of few numbers, measured on this machine, and a
network's two numbers, which are given.

A step of N tokens on P ranks takes, with the latency a and the bandwidth b of a message,

    moments   c N/P + allreduce,            allreduce = 2 log2(P) a + 2 (1 - 1/P) 8 K / b
    direct    N/256 x max(panel, messages), panel = c' 256 N/P,
                                            messages = 2 log2(P) (a + 256 (d + 1) 8 / b)

with K = (d + 1) x harmonics numbers. A panel's broadcast and the return of its sums go by a tree
and travel while other panels are worked on; on this machine a and b are those of a broadcast that
was measured, in `moments` those of an allreduce. c and c' are those of one rank here: noise and the
tokens' move included. Writing a frame of positions takes 8 d N over the rate of all ranks or of the
file system, whichever is less.
"""

from __future__ import annotations

import math
from typing import Iterator, Mapping

COUNTS = (10**7, 10**8, 10**9, 10**10)
RANKS = (10, 100, 1000, 10**4)
BLOCK = 256
PROGRAM = 1.2  # memory of a rank of many beside its tokens over that of a rank without any
Measured = Mapping[str, float]


class Model:
    """Of a dimension and a network."""

    def __init__(self, measured: Measured, d: int, latency: float, bandwidth: float):
        self.d, self.latency, self.bandwidth = d, latency, bandwidth
        self.token = measured[f"step_d{d}"] / measured[f"tokens_d{d}"]
        self.pair = measured[f"direct_d{d}"] / measured[f"direct_tokens_d{d}"] ** 2
        self.numbers = measured[f"numbers_d{d}"]
        self.program = PROGRAM * measured["memory_program"]
        self.bytes = measured["memory_d2"] * d / 2  # positions, weights and drift, per component

    def allreduce(self, ranks: float) -> float:
        """Seconds for the sum of all moments."""
        numbers = 8 * self.numbers / self.bandwidth
        return 2 * math.log2(ranks) * self.latency + 2 * (1 - 1 / ranks) * numbers

    def moments(self, count: float, ranks: int) -> float:
        """Seconds for a step by moments."""
        return self.token * count / ranks + (self.allreduce(ranks) if ranks > 1 else 0)

    def direct(self, count: float, ranks: int) -> float:
        """Seconds for a step by all pairs."""
        message = self.latency + BLOCK * (self.d + 1) * 8 / self.bandwidth
        panel = self.pair * BLOCK * count / ranks
        return count / BLOCK * max(panel, 2 * math.log2(ranks) * message)

    def memory(self, count: float, ranks: int) -> float:
        """Bytes of a rank."""
        return self.program + self.bytes * count / ranks

    def most_ranks(self, count: float) -> float:
        """Ranks at which the allreduce takes as long as the work."""
        low, high = 1.0, float(count)
        for _ in range(100):
            middle = math.sqrt(low * high)
            if self.token * count / middle > self.allreduce(max(middle, 2)):
                low = middle
            else:
                high = middle
        return low


def time(seconds: float) -> str:
    """In the unit that people would take."""
    for unit, scale in (("us", 1e-6), ("ms", 1e-3), ("s", 1), ("h", 3600), ("d", 86400)):
        if seconds < 1000 * scale or unit == "d" or (unit == "s" and seconds < 3600):
            return f"{seconds / scale:.3g} {unit}"
    return ""


def row(model: Model, count: int, ranks: int, rate: float) -> str:
    """A line of the table; rate is that of writing, in bytes per second."""
    moments, direct = model.moments(count, ranks), model.direct(count, ranks)
    frame = 8 * model.d * count / rate
    share = model.token * count / ranks / moments
    direct_share = model.pair * count**2 / ranks / direct
    return (
        f"{count:8.0e} {ranks:6d} {time(moments):>9} {share:7.1%} {time(direct):>9} "
        f"{direct_share:7.1%} {model.memory(count, ranks) / 1e9:9.3g} GB {time(frame):>9}"
    )


def rows(model: Model, rank_rate: float, filesystem: float) -> Iterator[str]:
    """The table of a dimension."""
    d = model.d
    yield (
        f"d = {d}: {1e9 * model.token:.3g} ns per token-step (moments, degree 16; "
        f"noise degree {64 if d == 2 else 32}), {1e9 * model.pair:.3g} ns per pair (direct), "
        f"allreduce of {model.numbers:.0f} numbers, {model.bytes:.0f} bytes per token"
    )
    yield (
        f"{'N':>8} {'ranks':>6} {'moments':>9} {'effic.':>7} {'direct':>9} {'effic.':>7} "
        f"{'memory/rank':>12} {'frame':>9}"
    )
    for count in COUNTS:
        for ranks in RANKS:
            yield row(model, count, ranks, min(filesystem, ranks * rank_rate))
        most = f"{model.most_ranks(count):.2g} ranks"
        yield f"{'':15} the allreduce takes more than the work beyond {most}"


def table(
    measured: Measured, latency: float, bandwidth: float, rank_rate: float, filesystem: float
) -> Iterator[str]:
    """Lines of the table."""
    yield (
        f"network: latency {latency:.3g} s, bandwidth {bandwidth:.3g} byte/s; "
        f"file system {filesystem:.3g} byte/s, a rank {rank_rate:.3g} byte/s"
    )
    for d in (2, 3):
        yield ""
        yield from rows(Model(measured, d, latency, bandwidth), rank_rate, filesystem)


def check(measured: Mapping[int, Measured], cores: int) -> Iterator[str]:
    """Lines that compare the model with steps measured on ranks of this machine: measured[ranks],
    whose messages go through memory."""
    yield "measured / model, messages through memory:"
    one, two = measured[1], measured[2]
    for ranks in sorted(set(measured) - {1}):
        working = min(ranks, cores)
        where = f"{ranks} ranks" + ("" if ranks <= cores else f" on {cores} cores")
        for d in (2, 3):
            network = two["allreduce_latency"] / 2, 2 * two["allreduce_bandwidth"]
            model = Model(one, d, *network)
            moments = model.moments(two[f"tokens_d{d}"], working)
            moments += model.allreduce(ranks) - model.allreduce(working)
            model = Model(one, d, two["broadcast_latency"], two["broadcast_bandwidth"])
            direct = model.direct(two[f"direct_tokens_d{d}"], working)
            ratios = (
                measured[ranks][f"step_d{d}"] / moments,
                measured[ranks][f"direct_d{d}"] / direct,
            )
            yield f"  {where}, d = {d}: moments {ratios[0]:.2f}, direct {ratios[1]:.2f}"
