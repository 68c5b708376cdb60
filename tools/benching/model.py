"""What a step costs on many ranks: a model of few numbers, measured on this machine, and a network's two numbers, which are given.

A step of N tokens on P ranks takes, with the latency a and the bandwidth b of a message,

    moments   c N/P + allreduce,              allreduce = 2 log2(P) a + 2 (1 - 1/P) 8 K / b      of K = (d + 1) x harmonics numbers
    direct    N/256 x max(panel, messages),   panel = c' 256 N/P,   messages = 2 log2(P) (a + 256 (d + 1) 8 / b)

A panel's broadcast and the return of its sums go by a tree and travel while other panels are worked on; on this machine a and b are those
of a broadcast that was measured, in `moments` those of an allreduce. c and c' are those of one rank here: noise and the tokens' move
included. Writing a frame of positions takes 8 d N over the rate of all ranks or of the
file system, whichever is less.
"""
import math

COUNTS = (10**7, 10**8, 10**9, 10**10)
RANKS = (10, 100, 1000, 10**4)
BLOCK = 256
PROGRAM = 1.2  # memory that a rank of many has beside its tokens, as a multiple of that of a rank without any


class Model:
    def __init__(self, measured, d, latency, bandwidth):
        self.d, self.latency, self.bandwidth = d, latency, bandwidth
        self.token = measured[f"step_d{d}"] / measured[f"tokens_d{d}"]
        self.pair = measured[f"direct_d{d}"] / measured[f"direct_tokens_d{d}"] ** 2
        self.numbers = measured[f"numbers_d{d}"]
        self.program, self.bytes = PROGRAM * measured["memory_program"], measured["memory_d2"] * d / 2  # positions, weights and drift, per component

    def allreduce(self, ranks):
        return 2 * math.log2(ranks) * self.latency + 2 * (1 - 1 / ranks) * 8 * self.numbers / self.bandwidth

    def moments(self, count, ranks):
        return self.token * count / ranks + (self.allreduce(ranks) if ranks > 1 else 0)

    def direct(self, count, ranks):
        messages = 2 * math.log2(ranks) * (self.latency + BLOCK * (self.d + 1) * 8 / self.bandwidth)
        return count / BLOCK * max(self.pair * BLOCK * count / ranks, messages)

    def memory(self, count, ranks):
        return self.program + self.bytes * count / ranks

    def most_ranks(self, count):
        """Ranks at which the allreduce takes as long as the work."""
        low, high = 1.0, float(count)
        for _ in range(100):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.token * count / middle > self.allreduce(max(middle, 2)) else (low, middle)
        return low


def time(seconds):
    for unit, scale in (("us", 1e-6), ("ms", 1e-3), ("s", 1), ("h", 3600), ("d", 86400)):
        if seconds < 1000 * scale or unit == "d" or (unit == "s" and seconds < 3600):
            return f"{seconds / scale:.3g} {unit}"
    return ""


def table(measured, latency, bandwidth, rank_rate, filesystem):
    """Lines of the table."""
    yield f"network: latency {latency:.3g} s, bandwidth {bandwidth:.3g} byte/s; file system {filesystem:.3g} byte/s, a rank {rank_rate:.3g} byte/s"
    for d in (2, 3):
        model = Model(measured, d, latency, bandwidth)
        yield ""
        yield (f"d = {d}: {1e9 * model.token:.3g} ns per token-step (moments, degree 16; noise degree {64 if d == 2 else 32}), "
               f"{1e9 * model.pair:.3g} ns per pair (direct), allreduce of {model.numbers:.0f} numbers, {model.bytes:.0f} bytes per token")
        yield f"{'N':>8} {'ranks':>6} {'moments':>9} {'effic.':>7} {'direct':>9} {'effic.':>7} {'memory/rank':>12} {'frame':>9}"
        for count in COUNTS:
            for ranks in RANKS:
                moments, direct = model.moments(count, ranks), model.direct(count, ranks)
                frame = 8 * d * count / min(filesystem, ranks * rank_rate)
                yield (f"{count:8.0e} {ranks:6d} {time(moments):>9} {model.token * count / ranks / moments:7.1%} {time(direct):>9} "
                       f"{model.pair * count**2 / ranks / direct:7.1%} {model.memory(count, ranks) / 1e9:9.3g} GB {time(frame):>9}")
            yield f"{'':15} the allreduce takes more than the work beyond {model.most_ranks(count):.2g} ranks"


def check(measured, cores):
    """Lines that compare the model with steps measured on ranks of this machine: measured[ranks], whose messages go through memory."""
    yield "measured / model, messages through memory:"
    two = measured[2]
    for ranks in sorted(set(measured) - {1}):
        for d in (2, 3):
            model = Model(measured[1], d, two["allreduce_latency"] / 2, 2 * two["allreduce_bandwidth"])
            working = min(ranks, cores)
            count, pairs = two[f"tokens_d{d}"], two[f"direct_tokens_d{d}"]
            moments = model.moments(count, working) + model.allreduce(ranks) - model.allreduce(working)
            direct = Model(measured[1], d, two["broadcast_latency"], two["broadcast_bandwidth"]).direct(pairs, working)
            yield (f"  {ranks} ranks{'' if ranks <= cores else f' on {cores} cores'}, d = {d}: moments {measured[ranks][f'step_d{d}'] / moments:.2f}, "
                   f"direct {measured[ranks][f'direct_d{d}'] / direct:.2f}")
