"""What -dry_run says of the time of a run: counts are exact, numbers agree with each other, nothing
is left behind, and nothing measured reaches results. Never how fast anything is."""

import os
import re

import h5py
import pytest
from run import chorale, datasets, options, same_bits

RUN = dict(tokens_count=300, layers_depth=12, mlp_width=8, ensemble_realizations=5, output_every=4)
CHAOS = dict(
    tokens_count="16,32", tokens_dim=2, layers_depth=4, chaos_reference=64, ensemble_realizations=5
)
STUDIES = {
    "simulate": (RUN, 12, 4),
    "sync": (dict(RUN, tokens_count=16), 12, 4),
    "limits": (dict(tokens_count=4, layers_depth="4,8", mlp_width=8, limits_reference=16), 16, 0),
    "chaos": (CHAOS, 4, 5),
    "spde": (dict(RUN, tokens_dim=2, spde_degree=16, noise_degree=4, mlp_width=None), 12, 4),
}
TIME = re.compile(
    r"^time +(?:about \d\S* \w+(?: \d+ \w+)?|under a second) on (\d+) ranks?, "
    r"[\d.]+ [kMGT]B of files(.*)\n +([\d.]+) realizations? one after the other, of ([\d.]+) steps "
    r"and (\d+) frames; start-up aside",
    re.M,
)


def estimate(study, ranks=1, hook=None, **keys):
    """The numbers of the line for programs, after those of the lines to read agree with it."""
    words = [study] + options(**{k: v for k, v in keys.items() if v is not None}, dry_run=True)
    done = chorale(words, ranks, hook=hook)
    assert done.stderr == ""
    line = re.search(r"^estimate +(.*)$", done.stdout, re.M)
    told = TIME.search(done.stdout)
    assert line and told, done.stdout
    found = {name: float(value) for name, value in re.findall(r"(\w+)=(\S+)", line.group(1))}
    assert int(told.group(1)) == ranks
    assert float(told.group(3)) == pytest.approx(found["realizations"], rel=1e-3)
    assert (float(told.group(4)), int(told.group(5))) == (found["steps"], found["frames"])
    shares = [int(share) for share in re.findall(r"(\d+)%", told.group(2))]
    assert sum(shares) <= 103 and all(share >= 5 for share in shares), told.group(2)
    return found


def seconds(found):
    """What the parts add up to."""
    steps = found["steps"] * found["step"] + found["frames"] * found["frame"]
    return found["realizations"] * (found["start"] + steps) + found["writing"]


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(
    "ranks", [pytest.param(1, marks=pytest.mark.full), 2, pytest.param(4, marks=pytest.mark.full)]
)
def test_counts_are_exact_and_numbers_add_up(folder, study, ranks):
    keys, steps, frames = STUDIES[study]
    keys = dict(keys, ensemble_realizations=5, ensemble_groups=ranks)
    found = estimate(study, ranks, **keys)
    assert (found["steps"], found["frames"]) == (steps, frames)
    assert found["realizations"] in (5 // ranks, -(-5 // ranks)), "of the slowest group"
    assert found["seconds"] == pytest.approx(seconds(found), rel=1e-4)
    assert found["step"] > 0 and (found["frame"] > 0 or not frames)
    assert os.listdir(folder) == [], "leaves files"


def test_bytes_are_those_of_the_files(folder):
    """To what HDF5 needs to describe them, and the results' means. Every dataset of an observable
    takes a twentieth of a millisecond."""
    keys = dict(RUN, output_trajectories=2, output_precision="single", output_every=1)
    found = estimate("simulate", **keys)
    chorale(["simulate"] + options(progress="off", **keys))
    size = sum(os.path.getsize(f"simulate/realization_{r:05}.h5md") for r in range(2))
    size += os.path.getsize("simulate.h5")
    assert 2 * 13 * 300 * 3 * 4 < found["bytes"] < size < 2.5 * found["bytes"]
    with h5py.File("simulate.h5") as file:
        groups = [*file["observables"].values(), *file["ensemble"].values()]
        arrays = sum(len(group) for group in groups)
    assert found["writing"] == pytest.approx(found["bytes"] / 5e8 + arrays * 5e-5, rel=1e-5)


@pytest.mark.parametrize("ranks", [1, 2])
def test_on_a_clock_that_stands_still_it_takes_no_time(folder, ranks):
    """All steps of one realization are taken, and no more: it comes to an end."""
    keys = dict(RUN, ensemble_realizations=ranks)
    found = estimate("simulate", ranks, hook="-1 1000 0 clock=1", **keys)
    assert found["step"] == found["frame"] == found["start"] == 0
    assert found["seconds"] == pytest.approx(found["writing"])


def test_what_is_done_is_not_counted(folder):
    keys = dict(RUN, progress="off", output_file="run.h5")
    chorale(["simulate"] + options(**keys))
    keys["checkpoint_resume"] = True
    done = chorale(["simulate", "-dry_run"] + options(**keys))
    assert "estimate" not in done.stdout
    assert estimate("simulate", **{**keys, "ensemble_realizations": 12})["realizations"] == 7


def test_the_run_after_it_is_the_same(folder):
    keys = dict(RUN, progress="off")
    chorale(["simulate"] + options(output_file="a.h5", **keys), ranks=2)
    estimate("simulate", 2, **keys)
    chorale(["simulate"] + options(output_file="b.h5", **keys), ranks=2)
    assert not same_bits(datasets("a.h5"), datasets("b.h5"))


def test_what_would_take_minutes_is_not_timed(folder):
    """A step of so many tokens by all pairs has 10^13 operations."""
    keys = dict(tokens_count=2000000, attention_engine="direct", mlp_width=8, layers_depth=10)
    done = chorale(["simulate", "-dry_run"] + options(**keys))
    assert "too long to be timed, from the number of operations" in done.stdout
    step = float(re.search(r"\bstep=(\S+)", done.stdout).group(1))
    cost = float(re.search(r"^total +per step and rank: (\S+) Gflop", done.stdout, re.M).group(1))
    assert step == pytest.approx(cost / 10, rel=0.01)


SWEEP = dict(RUN, attention_beta="1,2,3", tokens_dim="3,4")
DEPTHS = dict(RUN, attention_beta="1,2,3", layers_depth="12,24", output_every=24)


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.full)])
@pytest.mark.parametrize("keys, steps, frames", [(SWEEP, 12, 4), (DEPTHS, 18, 2)])
def test_of_a_sweep_it_is_the_sum_over_cells(folder, keys, steps, frames, ranks):
    """Of six cells, which may have different numbers of steps."""
    found = estimate("simulate", ranks, **dict(keys, ensemble_groups=ranks))
    assert (found["steps"], found["frames"]) == (pytest.approx(steps, abs=0.5), frames)
    assert found["realizations"] == 30 / ranks
    assert found["seconds"] == pytest.approx(seconds(found), rel=1e-4)
    one = estimate("simulate", **dict(keys, attention_beta=1, tokens_dim=3, layers_depth=12))
    assert found["bytes"] == 6 * one["bytes"]
    assert os.listdir(folder) == [], "leaves files"


def test_a_sweep_that_is_done_in_part_has_the_rest_left(folder):
    keys = dict(SWEEP, progress="off", output_file="run.h5")
    chorale(["simulate"] + options(**keys))
    keys.update(checkpoint_resume=True, ensemble_realizations=7)
    assert estimate("simulate", **keys)["realizations"] == 6 * 2


def test_many_cells_are_told_from_few(folder):
    words = dict(tokens_count=4, layers_depth=2, mlp_width=2, attention_beta="lin:0.1:1:50")
    done = chorale(["simulate", "-dry_run"] + options(**words))
    told = re.search(r"(\d+) of its cells timed, others told from", done.stdout)
    assert told and 1 <= int(told.group(1)) <= 12


def test_steps_of_levels_are_taken_in_whole_strides(folder):
    """On a clock that stands still all steps of a realization."""
    keys = dict(tokens_count=8, layers_depth=16, scheme_levels=3, scheme_type="heun")
    keys.update(noise_type="spectral", noise_degree=4, ensemble_realizations=3)
    found = estimate("simulate", hook="-1 1000 0 clock=1", **keys)
    assert (found["step"], found["steps"], found["frames"]) == (0, 16, 2)
    assert estimate("simulate", **keys)["step"] > 0


def test_a_target_may_need_fewer(folder):
    keys = dict(RUN, ensemble_realizations=100, ensemble_target="energy:0.1")
    said = chorale(["simulate", "-dry_run"] + options(**keys)).stdout
    assert re.search(r"^time +at most (about|under) ", said, re.M)
    assert "ensemble_target may need fewer, at least 32 in all" in said


def test_shares_name_w2(folder):
    keys = dict(CHAOS, tokens_count="256,512", tokens_dim=4, chaos_reference=1024, layers_depth=1)
    said = chorale(["chaos", "-dry_run"] + options(**keys)).stdout
    assert re.search(r"^time .* of which W2 \d+%", said, re.M), said


@pytest.mark.parametrize(
    "ranks, blocks, realizations, said",
    [
        (3, 4, 1, "66.7% of the time; 2 ranks would be as fast"),  # two blocks, one, one
        (3, 1, 4, "66.7% of the time; 2 ranks would be as fast"),  # two realizations, one, one
        (4, 4, 1, "100% of the time"),
        (4, 1, 1, "25% of the time; 1 rank would be as fast"),
    ],
)
def test_how_much_of_the_time_ranks_have_work(ranks, blocks, realizations, said):
    keys = {"tokens_count": 256 * blocks, "ensemble_realizations": realizations, "layers_depth": 2}
    done = chorale(["simulate", "-dry_run"] + options(**keys), ranks)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert f"ranks have work for {said}" in lines, done.stdout


PLANS = {
    "moments": dict(tokens_count=5000, tokens_dim=3, attention_engine="moments"),
    "all pairs": dict(tokens_count=5000, tokens_dim=5, attention_engine="direct"),
    "mixture": dict(tokens_count=3000, tokens_dim=16, attention_engine="mixture", mlp_width=16),
    "groups": dict(tokens_count=1100, ensemble_realizations=6),
    "more ranks than blocks": dict(tokens_count=600, tokens_dim=4),
}
SPECTRAL = dict(tokens_dim=3, noise_type="spectral", noise_degree=4, ensemble_groups=1)
OTHERS = {
    "sync": dict(SPECTRAL, tokens_count=3000),
    "limits": dict(SPECTRAL, tokens_count="600,1500", mlp_width=16, limits_coupling="harmonics"),
    "chaos": dict(SPECTRAL, tokens_count="600,1500", chaos_reference=3000),
    "spde": dict(SPECTRAL, tokens_count=3000, spde_degree=8),
}


@pytest.mark.parametrize(
    "words, groups, said",
    [
        ("simulate", 1, None),
        ("simulate -noise_type gram", 4, "1 shard of a group: no faster, each factorises"),
        ("spde -noise_type spectral -noise_degree 4 -spde_degree 5", 4, None),
        (
            "spde -noise_type spectral -noise_degree 4 -spde_degree 6 -ensemble_groups 1",
            1,
            "7 shards",
        ),
    ],
)
def test_groups_are_preferred_where_more_shards_have_no_work(folder, words, groups, said):
    """Three realizations of eight blocks: as eight shards, unless these cannot share a step."""
    keys = {"tokens_count": 2048, "ensemble_realizations": 3, "layers_depth": 2, "tokens_dim": 3}
    keys |= {"mlp_activation": "tanh", "verbose": True}
    out = chorale(words.split() + options(**keys, dry_run=True, dry_ranks=8)).stdout
    assert f"8 ranks = {groups} group" in out, out
    assert ("no faster" in out) == (said is not None) and (said or "") in out, out


def told(study, ranks, **keys):
    """What a dry run says, but for its times and for the plan itself."""
    words = [study] + options(layers_depth=4, dry_run=True, **keys)
    lines = chorale(words, ranks).stdout.splitlines()
    free = ("time", "estimate", "network")
    assert sum(line.startswith("estimate") for line in lines) == 1
    kept = [line for line in lines if "dry_ranks" not in line and not line.startswith(free)]
    return [line for line in kept if "dry_latency" not in line]


@pytest.mark.parametrize("name", [*PLANS, *OTHERS])
@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.full)])
def test_planned_ranks_have_what_ranks_have(folder, name, ranks):
    """Groups, blocks, memory and work of each rank, told by one that plans for them."""
    study, keys = (name, OTHERS[name]) if name in OTHERS else ("simulate", PLANS[name])
    assert told(study, 1, **keys, dry_ranks=ranks) == told(study, ranks, **keys)


def test_a_plan_of_more_tokens_than_fit_here(folder):
    """One rank of 4096 has its part of 10^9 tokens."""
    keys = dict(tokens_count=10**9, tokens_dim=2, noise_degree=8, layers_depth=2)
    keys = dict(keys, noise_type="spectral", attention_engine="moments", dry_run=True)
    said = chorale(["simulate"] + options(**keys, dry_ranks=4096)).stdout
    assert "4096 ranks = 1 group" in said and "at most 954 per rank" in said, said
    calls, waits = 1, 2 * 12  # there and back over 2^12 ranks
    times = {}
    for latency in (1, 1000):
        more = dict(dry_ranks=4096, dry_latency=latency, dry_bandwidth=1e6)
        said = chorale(["simulate"] + options(**keys, **more)).stdout
        found = dict(re.findall(r"(\w+)=(\S+)", said.splitlines()[-1]))
        assert float(found["calls"]) == calls
        times[latency] = float(found["network"])
        efficiency = 1 - float(found["network"]) / float(found["step"])
        assert f"ms: efficiency {100 * efficiency:.0f}%" in said
    assert times[1000] - times[1] == pytest.approx(999e-6 * waits, rel=1e-4)


def test_what_cannot_be_planned(folder):
    for ranks, words, message in (
        (2, "simulate -dry_run -dry_ranks 8", "dry_ranks = 8: is planned by one rank, not by 2"),
        (1, "simulate -dry_ranks 8", "dry_ranks = 8: "),
        (1, "simulate -dry_run -dry_latency 3", "dry_latency = 3: "),
        (1, "simulate -dry_run -dry_ranks -1", "dry_ranks = -1: "),
        (
            1,
            "simulate -dry_run -dry_ranks 8 -ensemble_groups 3",
            "ensemble_groups = 3: must divide",
        ),
    ):
        done = chorale(words.split(), ranks, check=False)
        assert done.returncode == 2 and message in done.stderr, done.stderr
