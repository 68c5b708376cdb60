"""The rows of tools/bench: what is measured, and the goals."""

from __future__ import annotations

import tempfile
import time
from typing import Callable, Iterator, Mapping, Union

from benching import peers
from benching.measure import (
    Env,
    group_scaling,
    measure,
    more_seconds,
    processor_seconds,
    python_seconds,
    spent_by,
)
from benching.table import Row
from chorale.command import TOP

AUCTIONS = ((3, 100000), (4, 50000), (8, 20000))
SIZES = ((8192, 64), (16384, 8))
# Largest error of Att at 100 tokens of a mixture written in numpy, N = 30000 to 200000.
PROTOTYPE = {
    (64, "uniform", 1): 3.0e-5,
    (64, "uniform", 4): 5.3e-4,
    (64, "cone", 1): 4.8e-5,
    (64, "cone", 4): 7.4e-4,
    (64, "five", 1): 1.6e-6,
    (64, "five", 4): 3.3e-5,
    (64, "uniform", 9): 6.6e-3,
    (16, "uniform", 9): 0.12,
    (256, "uniform", 1): 1.3e-5,
    (256, "cone", 1): 3.4e-6,
    (256, "five", 1): 3.7e-7,
}
GROUPS = (("sync", 30, 150), ("limits", 2, 4))  # realizations of two runs
SMALL = 200  # realizations that are measured
RANKS = (
    ("attention_8192_64", "attention N = 8192, d = 64"),
    ("attention_16384_8", "attention N = 16384, d = 8"),
    ("mlp_8192_64", "MLP N = 8192, d = 64, m = 2048"),
)


def rng_rows(env: Env) -> Iterator[Row]:
    rng = measure("bench_rng", 1, env)
    rate, fastest = (rng[f"normals_per_second{ending}"] / 1e8 for ending in ("", "_fastest"))
    yield Row("normals, one core", rate, "x 1e8 /s", (">", 2.5))
    yield Row("normals, one core, fastest of 21 stretches", fastest, "x 1e8 /s")


def attention_rows(env: Env) -> Iterator[Row]:
    one = measure("bench_attention", 1, env)
    yield Row("dgemm, one core", one["dgemm_rate"] / 1e9, "GF/s")
    for (count, dim), times, share in zip(SIZES, (3, 15), (0.8, None)):
        key, label = f"attention_{count}_{dim}", f"attention N = {count}, d = {dim}"
        goal = (">", share) if share else None
        yield Row(f"{label}: share of dgemm", one[f"{key}_fraction"], "", goal)
        ratio = python_seconds(peers.NUMPY, count, dim, 5, env=env) / one[f"{key}_fair"]
        yield Row(f"{label}: numpy / chorale", ratio, "x", (">", times))


def mlp_rows(env: Env) -> Iterator[Row]:
    one = measure("bench_mlp", 1, env)
    key, label = "mlp_n8192_d64", "MLP N = 8192, d = 64, m = 2048"
    yield Row(f"{label}: share of dgemm", one[f"{key}_fraction"], "", (">", 0.75))


def mixture_rows(env: Env) -> Iterator[Row]:
    """All pairs are visited of fewer tokens, and their seconds counted as the square of N."""
    one = measure("bench_mixture", 1, env)
    two = measure("bench_mixture", 2, env, "-only", "five")
    pairs = one["pairs"] * (200000 / 16384) ** 2
    label = "mixture N = 2e5, d = 64"
    yield Row(f"{label}, k = 5: all pairs (scaled) / it", pairs / one["five"], "x", (">", 200))
    yield Row(f"{label}, k = 1: it / two products", one["one_products"], "x", ("<", 2))
    growth = one["million"] / one["five"]
    yield Row("mixture d = 64, k = 5: N = 10^6 / 2e5", growth, "x", ("<", 6))
    yield Row(f"{label}: two ranks / one", one["five"] / two["five"], "x", (">", 1.8))
    for (dim, kind, beta), error in PROTOTYPE.items():
        ratio = one[f"error_{dim}_{kind}_{beta}"] / error
        what = f"mixture d = {dim}, {kind}, beta = {beta}: error / numpy's"
        yield Row(what, ratio, "x", ("<", 2))  # others of the same law, and 256 of them


def step_rows(env: Env) -> Iterator[Row]:
    one, two = (measure("bench_step", ranks, env) for ranks in (1, 2))
    for d, goal in ((2, 4e7), (3, 4e6)):
        key, label = f"step_d{d}", f"limit SDE step, d = {d}"
        rate = one[f"{key}_n1000000"]
        what = f"{label}, N = 10^6: token-steps / s / core"
        yield Row(what, rate / goal, f"x {goal:.0e}", (">", 1))
        cost = one[f"{key}_n100000"] / one[f"{key}_n10000000"]
        yield Row(f"{label}: cost at N = 10^7 / at 10^5", cost, "x", ("<", 1.2))
        memory = one[f"{key}_n10000000_memory"]
        yield Row(f"{label}: memory at N = 10^7", memory, "doubles", ("<", 10))
        ratio = 2 * two[f"{key}_n1000000"] / rate
        yield Row(f"{label}: two ranks / one", ratio, "x", (">", 1.9))
        share = two[f"{key}_n100000_allreduce"]
        yield Row(f"{label}: allreduce, two ranks, N = 10^5", share, "% of step")
        direct = one[f"direct_d{d}_n16384"] / 1e3
        yield Row(f"{label}: direct engine, N = 16384", direct, "x 1e3 /s")
        numpy = 16.384 / python_seconds(peers.NUMPY, 16384, d, 3, env=env)
        yield Row(f"{label}: numpy's attention, N = 16384", numpy, "x 1e3 /s")


def distance_rows(env: Env) -> Iterator[Row]:
    seconds = measure("bench_distance", 2, env, "-only", "circle")
    label, key = "circle W2, N = 10^7 against", "circle_d2_n10000000"
    yield Row(f"{label} 16384, two ranks", seconds[f"{key}_m16384"], "s", ("<", 4))
    yield Row(f"{label} 10^7, two ranks", seconds[f"{key}_m10000000"], "s")
    one, two = (measure("bench_distance", n, env, "-only", "auction") for n in (1, 2))
    for d, N in AUCTIONS:
        key, label = f"auction_d{d}_n{N}_m{N}", f"W2^2 to 1e-4, N = {N}, d = {d}"
        ratio = python_seconds(peers.SCIPY, d, env=env) / one[key]
        yield Row(f"{label}: exact N = 8192 by scipy / chorale", ratio, "x", (">", 1))
        yield Row(f"{label}: one rank / two", one[key] / two[key], "x", (">", 1.7))
    growth = one["auction_d3_n1000000_m1000000"] / one["auction_d3_n100000_m100000"]
    yield Row("W2^2 to 1e-4, d = 3, N = 10^6 against 10^5", growth, "x", ("<", 15.8))


def density_rows(env: Env) -> Iterator[Row]:
    density = measure("bench_density", 1, env)
    for space, size, scale, unit, goal in (
        ("circle", "1024 modes", 1, "us", 100),
        ("sphere", "degree 64", 1e-3, "ms", 20),
    ):
        key = f"density_{space}_{''.join(filter(str.isdigit, size))}"
        step = scale * density[f"{key}_flow_one_substep"]
        yield Row(f"SPDE step of one RK4 substep, {space}, {size}", step, unit, ("<", goal))
        rule = next(name for name in density if name.startswith(f"density_{space}_tokens_rule"))
        yield Row(f"quadrature tokens of equal accuracy, {space}", scale * density[rule], unit)


def file_rows(env: Env) -> Iterator[Row]:
    trajectory = measure("bench_trajectory", 2, env)
    share, rate = trajectory["trajectory_fraction"], trajectory["trajectory_rate"]
    yield Row("trajectory, on disk: rate / plain MPI-IO, two ranks", share, "", (">", 0.9))
    yield Row("trajectory, on disk: rate, two ranks", rate / 1e6, "MB/s")
    packed, share = (trajectory[f"trajectory_packed_{what}"] for what in ("rate", "size"))
    yield Row("trajectory, compressed (deflate 1): rate, two ranks", packed / 1e6, "MB/s")
    yield Row("trajectory, compressed: share of its bytes", share)
    share = 100 * measure("bench_checkpoint", 2, env)["checkpoint_write"] / 600
    yield Row("checkpoint, N = 10^6, d = 3, every 600 s", share, "% of time", ("<", 1))


def rank_rows(env: Env) -> Iterator[Row]:
    """Two ranks against one, beside what two dgemm at once are against one: the machine's limit."""
    found = measure("bench_ranks", 2, env)
    limit = found["dgemm_ranks"]
    yield Row("dgemm: two at once / one", limit, "x")
    for key, what in RANKS:
        yield Row(f"{what}: two ranks / one", found[f"{key}_ranks"], "x", (">", 1.9), limit)
    for study, few, many in GROUPS:
        ratio = group_scaling(study, few, many, env)
        what = f"{study}, realizations over groups: two ranks / one"
        yield Row(what, ratio, "x", (">", 1.9), limit)


def small_rows(env: Env) -> Iterator[Row]:
    """Starts, in processor time of a process, and many realizations of few tokens."""
    for key, what in (("mpi", "MPI"), ("petsc", "MPI, PETSc"), ("hdf5", "MPI, PETSc, HDF5")):
        spent = processor_seconds([TOP / "build/tests/bench_start", key], env)
        yield Row(f"start and end of {what}, libraries: processor time", 1e3 * spent, "ms")
    run = [TOP / "build/chorale", "simulate", "-tokens_dim", 3]
    with tempfile.TemporaryDirectory() as folder:
        words = [*run, "-tokens_count", 8, "-layers_depth", 2, "-output_file", f"{folder}/run.h5"]
        spent = processor_seconds([*words, "-output_overwrite", "-progress", "off"], env)
    yield Row("the same of a run, 8 tokens, 2 layers: processor time", 1e3 * spent, "ms")
    words = [*run, "-tokens_count", 64, "-layers_depth", 150]
    spent = more_seconds(2, SMALL, 3 * SMALL, env, *words)[1] * 1e4 / (2 * SMALL)
    what = "10^4 realizations, N = 64, L = 150, d = 3: each of two cores"
    yield Row(what, spent / 2, "s", ("<", 60))


def grid_rows(env: Env) -> Iterator[Row]:
    words = [TOP / "tools/grid", TOP / "build/bench-grid", "--jobs", 2, "--fresh"]
    start = time.monotonic()
    spent = spent_by(words, env)
    yield Row("the paper's grid of 81 runs, two cores", time.monotonic() - start, "s", ("<", 60))
    yield Row("the same: time of each of two cores", spent / 2, "s")


PARTS: Mapping[str, Callable[[Env], Iterator[Union[Row, str]]]] = {
    "rng": rng_rows,
    "attention": attention_rows,
    "mixture": mixture_rows,
    "mlp": mlp_rows,
    "step": step_rows,
    "distance": distance_rows,
    "density": density_rows,
    "file": file_rows,
    "peers": peers.rows,
    "ranks": rank_rows,
    "small": small_rows,
    "grid": grid_rows,
}
