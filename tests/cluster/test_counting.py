"""How runs scale, by what ranks ask of MPI (support/counting.c) and by no clock: with as many
tokens on every rank, neither what a rank receives nor its memory grows with the ranks, and a step
takes as many calls."""

import functools
import os
import re
import signal
import subprocess

import pytest
from forked import STARTS
from run import CHORALE, TIMEOUT, chorale, options

COUNTING = os.environ["CHORALE_COUNTING"]
MORE = 1.1  # what may grow: 10%
SMALL = 4096  # bytes: a few numbers of each rank, which all need to know
STOPPED = 85  # exit code of a run that is to go on later
EACH = 32768  # tokens of a rank
# What starts are spared, but libraries: of the memory of a rank they are a part.
WHOLE = {name: value for name, value in STARTS.items() if name != "LD_LIBRARY_PATH"}
COMMON = {"noise_type": "spectral", "attention_engine": "moments", "ensemble_groups": 1}
CIRCLE = {**COMMON, "tokens_dim": 2}
SPHERE = {**COMMON, "tokens_dim": 3, "noise_degree": 4}
SHORT = {"layers_horizon": 0.001}
# name: study, keys, and how many tokens a rank has; COUNT is their number over all ranks
RUNS = {
    "simulate on the circle": ("simulate", CIRCLE, "COUNT"),
    "simulate on the sphere": ("simulate", SPHERE, "COUNT"),
    # of so high a degree that no number of tokens here makes attention and noise one table, which
    # takes a call more (TABLE)
    "spde on the circle": ("spde", {**CIRCLE, **SHORT, "noise_degree": 128}, "COUNT"),
    "spde on the sphere": ("spde", {**SPHERE, **SHORT, "spde_degree": 16}, "COUNT"),
    "chaos on the circle": ("chaos", {**CIRCLE, **SHORT}, "1024,COUNT"),
    "sync": ("sync", {**SPHERE, "attention_type": "none", "scheme_type": "flow"}, "COUNT"),
    "limits": (
        "limits",
        {**SPHERE, "mlp_width": "16,inf", "limits_coupling": "harmonics"},
        "COUNT",
    ),
}


def of_depth(study, depth):
    """Keys of so many steps, of limits the deepest layers as well."""
    if study != "limits":
        return {"layers_depth": depth}
    return {"layers_depth": f"2,{depth}", "limits_reference": depth}


def counted(name, ranks, depth, hook="", **more):
    """What each rank counted in a run of so many steps: one dict per rank."""
    study, keys, tokens = RUNS[name]
    keys = {
        **keys,
        **of_depth(study, depth),
        "tokens_count": tokens.replace("COUNT", str(EACH * ranks)),
        "output_file": f"{study}{ranks}.{depth}.{len(more)}.h5",
        **more,
    }
    program = os.environ["CHORALE_HOOKED"] if hook else CHORALE
    words = ["mpirun", "-n", str(ranks), "-x", f"LD_PRELOAD={COUNTING}", "-x", "COUNTING=count"]
    done = subprocess.run(
        [*words, program, study, *options(**keys)],
        env={**os.environ, **WHOLE, "CHORALE_HOOK": hook},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == (STOPPED if "signal" in hook else 0), done.stderr
    counts = []
    for rank in range(ranks):
        with open(f"count.{rank}", encoding="ascii") as file:
            counts.append({word: int(number) for word, number in map(str.split, file)})
    return counts


def most(counts, word):
    return max(count[word] for count in counts)


@functools.cache
def at_two_depths(name, ranks, hook):
    """A run on few ranks is compared with several on more."""
    return {depth: counted(name, ranks, depth, hook) for depth in (4, 8)}


def growing(name, few, many, hook=""):
    """What grows from few to many ranks, in words; empty when nothing does."""
    found = []
    runs = {p: at_two_depths(name, p, hook) for p in (few, many)}
    for word in ("received", "largest", "private"):
        before, after = (most(runs[p][8], word) for p in (few, many))
        if after > MORE * before + SMALL:
            found.append(f"{word}: {before} on {few} ranks, {after} on {many}")
    for word in ("collectives", "received"):
        step = {p: (most(runs[p][8], word) - most(runs[p][4], word)) / 4 for p in (few, many)}
        if step[many] > (step[few] if word == "collectives" else MORE * step[few] + SMALL):
            found.append(f"{word} in a step: {step[few]} on {few} ranks, {step[many]} on {many}")
    return found


BRIEF = {"tokens_count": 2048, "output_every": 1000}
TABLE = {"tokens_count": 1 << 17, "noise_degree": 8, "scheme_type": "euler"}
# collective calls of a step that has no frame: the sums of the moments, which bring along whether
# to stop; without sums of integers in a step, one more brings it
CALLS = {
    "moments on the circle": ({"tokens_dim": 2}, 1),
    "moments on the sphere": ({"tokens_dim": 3, "noise_degree": 4}, 1),
    "heun": ({"tokens_dim": 2, "scheme_type": "heun"}, 2),
    "no attention": ({"tokens_dim": 2, "attention_type": "none"}, 1),
    # and one for the values of both fields where they are made into a table
    "one table": ({**TABLE, "tokens_dim": 2}, 2),
    # each rank sends its 16 panels in two groups and gets the sums of two groups
    "all pairs": ({"tokens_dim": 2, "attention_engine": "direct", "tokens_count": 8192}, 4 + 4 + 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_step_takes_no_call_beside_its_sums(folder, name):
    keys, calls = CALLS[name]
    few, many = (
        counted("simulate on the circle", 2, depth, **{**BRIEF, **keys}) for depth in (4, 8)
    )
    assert most(many, "collectives") - most(few, "collectives") == 4 * calls


GRAM = {"tokens_dim": 3, "noise_type": "gram", "ensemble_groups": 1}
LIMITS = {**SPHERE, "mlp_width": "16,inf", "limits_coupling": "harmonics"}
# Steps that are planned: study, keys, and the tokens. One table: ranks share out where its values
# are wanted.
PLANS = {
    **{
        name: ("simulate", {**COMMON, **CALLS[name][0]}, CALLS[name][0].get("tokens_count", 2048))
        for name in ("moments on the circle", "moments on the sphere", "all pairs")
    },
    "one table on the circle": ("simulate", {**CIRCLE, **TABLE}, 1 << 17),
    "one table on the sphere": ("simulate", {**SPHERE, **TABLE}, 1 << 17),
    "sync": ("sync", {**SPHERE, "sync_twins": 100}, 4096),
    "limits of fewer tokens": ("limits", LIMITS, "2048,4096"),
    "chaos": ("chaos", CIRCLE, "2048,4096"),
}
RARE = {
    "levels": ("simulate", {**CIRCLE, "scheme_levels": 2, "scheme_samples": "4,2"}, 2048),
    "gram noise": ("simulate", GRAM, 512),
    "the push of attention": ("sync", {**SPHERE, "attention_type": "usa"}, 4096),
    "exponents of all tokens": ("sync", {**SPHERE, "sync_exponents": 2, "sync_twins": 100}, 4096),
    "starts": ("sync", {**SPHERE, "sync_starts": 2}, 4096),
    "limits coupled at tokens": ("limits", {**LIMITS, "limits_coupling": "tokens"}, 256),
    "chaos against more tokens": ("chaos", {**CIRCLE, "chaos_reference": 8192}, "2048,4096"),
    "spde on the circle": ("spde", {**CIRCLE, **SHORT}, 4096),
    "spde on the sphere": ("spde", {**SPHERE, **SHORT, "spde_degree": 16}, 4096),
}
PLANS |= RARE
STILL = "-1 1000000 0 clock=1"  # the clock stands still: a dry run takes all steps


def planned(study, keys, ranks, depth):
    """Calls and bytes of all steps, as -dry_ranks on one rank tells them."""
    keys = {**keys, **of_depth(study, depth), "dry_run": True, "dry_ranks": ranks}
    words = [study, *options(**keys)]
    said = chorale(words, hook=STILL).stdout.splitlines()[-1]
    found = {word: float(number) for word, number in re.findall(r"(\w+)=(\S+)", said)}
    return [found[word] * found["steps"] for word in ("calls", "traffic")]


def taken(name, study, keys, ranks, depth):
    """Calls of a rank and bytes that it received, over all steps and some more that do not depend
    on their number. Frames of chaos take calls by what they find: it is stopped before the last."""
    keys = dict(keys, output_file=f"{depth}.h5")
    hook = ""
    if study == "chaos":
        hook, depth = f"-1 {depth} 0 signal={signal.SIGUSR1.value}", 16
    counts = counted(name, ranks, depth, hook, **keys)
    return [sum(count[word] for count in counts) / ranks for word in ("collectives", "received")]


@pytest.mark.parametrize("ranks", [2, pytest.param(8, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.full) if name in RARE else name for name in PLANS]
)
def test_a_plan_knows_what_a_step_asks_of_the_network(folder, name, ranks, monkeypatch):
    """-dry_ranks on one rank. Its bytes go there and back: twice what arrives, on the mean over the
    ranks."""
    study, keys, count = PLANS[name]
    monkeypatch.setitem(RUNS, name, (study, keys, str(count)))
    more = {} if study == "limits" else {"output_every": 1000}
    keys = {**keys, **more, "tokens_count": count}
    said, seen = (
        [after - before for before, after in zip(*(what(depth) for depth in (4, 8)))]
        for what in (
            lambda depth: planned(study, keys, ranks, depth),
            lambda depth: taken(name, study, more, ranks, depth),
        )
    )
    assert said[0] == pytest.approx(seen[0], rel=1e-5)
    assert said[0] == 8 or not name.startswith("one table")
    if name != "exponents of all tokens" or ranks == 2:  # the last of more ranks has one neighbour
        assert said[1] == pytest.approx(2 * seen[1], rel=0.01)


def test_the_axis_of_two_caps_takes_no_call_for_each_iteration(folder):
    """An odd activation has it measured, in 64 iterations of the power method."""
    even, odd = (
        counted("sync", 2, 2, tokens_count=2048, mlp_activation=name, output_file=f"{name}.h5")
        for name in ("relu", "tanh")
    )
    assert 0 < most(odd, "collectives") - most(even, "collectives") < 8


@pytest.mark.parametrize("name", ["simulate on the circle"])
def test_nothing_grows_on_few_ranks(folder, name):
    assert not growing(name, 2, 4)


@pytest.mark.full
def test_a_planted_gathering_is_found(folder):
    """Two vectors of all ranks' tokens on every rank, once in every step."""
    found = growing("simulate on the circle", 2, 4, f"-1 -1 -1 gather={4 * EACH}")
    assert any(line.startswith("received in a step") for line in found), found
    assert any(line.startswith("private") for line in found), found


@pytest.mark.full
def test_a_checkpoint_opens_as_many_files(folder):
    """Of each rank, and on the rank that opens most."""
    opened = {}
    for ranks in (2, 8):
        without, kept = (
            counted("simulate on the circle", ranks, 4, tokens_count=4096, **keys)
            for keys in ({}, {"checkpoint_every": 2})
        )
        opened[ranks] = [most(kept, "opened") - most(without, "opened")]
        opened[ranks].append(kept[-1]["opened"] - without[-1]["opened"])
    assert opened[2][0] > 0 and opened[2] == opened[8]


def test_results_are_written_by_those_who_have_them(folder):
    """The first rank of every group; others open no file."""
    first = {}
    for ranks, groups in ((2, 1), (4, 1), (4, 2)):
        keys = {"ensemble_groups": groups, "ensemble_realizations": 2, "tokens_count": 2048}
        keys["output_file"] = f"{ranks}.{groups}.h5"
        counts = counted("simulate on the circle", ranks, 4, **keys)
        opened = [count["opened"] for count in counts]
        assert sum(n > 0 for n in opened) == groups, opened
        assert sum(count["placed"] > 0 for count in counts) <= groups
        first[ranks, groups] = opened[0]
    assert len(set(first.values())) == 1, first


@pytest.mark.full
def test_one_rank_writes_what_describes_data(folder):
    """Others have a piece of data at most; the calls of all do not grow with the ranks."""
    placed = {}
    for ranks in (2, 8):
        keys = {"tokens_count": 4096, "checkpoint_every": 2}
        kept = counted("simulate on the circle", ranks, 4, **keys)
        placed[ranks] = [count["placed"] for count in kept]
    assert max(placed[2][1:] + placed[8][1:]) <= 2 < placed[2][0], placed
    assert sum(placed[8]) <= MORE * sum(placed[2]), placed


def test_a_checkpoint_takes_as_many_calls_for_more_groups(folder):
    """Groups write the states of their realizations together. A limit of time has one checkpoint
    written, after the first step of rank 0."""
    calls = {}
    for ranks in (2, 4):
        keys = {"tokens_count": 256, "ensemble_groups": ranks, "ensemble_realizations": ranks}
        without, kept = (
            counted("simulate on the circle", ranks, 50, **BRIEF | keys, **more)
            for more in ({}, {"checkpoint_walltime": 1000000})
        )
        calls[ranks] = kept[0]["collectives"] - without[0]["collectives"]
    assert 0 < calls[2] == calls[4]


@pytest.mark.full
@pytest.mark.parametrize("name", RUNS)
def test_nothing_grows(folder, name):
    assert not growing(name, 2, 8)


@pytest.mark.full
@pytest.mark.parametrize("name", ["simulate on the circle", "spde on the sphere"])
def test_nothing_grows_on_many_ranks(folder, name):
    assert not growing(name, 2, 32)
