"""What a user would take in the place of chorale, beside it, in processor time of one core: numpy,
scipy, PyTorch, and the transforms of ducc0 for what a step consists of. What is not installed is
left out, with a line that says so."""

from __future__ import annotations

import os
from typing import Iterator, Union

from benching.measure import Env, measure, python_has, python_seconds
from benching.table import Row

NUMPY = """
import numpy as np, sys, time
N, d = int(sys.argv[1]), int(sys.argv[2])
X = np.random.default_rng(1).normal(size=(N, d))
X /= np.linalg.norm(X, axis=1)[:, None]
for _ in range(int(sys.argv[3])):
    t = time.process_time()
    K = np.exp(X @ X.T); Y = (K @ X) / K.sum(1)[:, None]
    print(time.process_time() - t)
    del K, Y
"""
NORMALS = """
import numpy as np, time
r = np.random.default_rng(1)
for _ in range(7):
    t = time.process_time()
    r.standard_normal(20000000)
    print((time.process_time() - t) / 2e7)
"""
SCIPY = """
import numpy as np, sys, time
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
r = np.random.default_rng(1)
X, Y = (r.normal(size=(8192, int(sys.argv[1]))) for _ in range(2))
X, Y = (v / np.linalg.norm(v, axis=1)[:, None] for v in (X, Y))
t = time.process_time()
linear_sum_assignment(cdist(X, Y, "sqeuclidean"))
print(time.process_time() - t)
"""
TORCH = """
import sys, time, torch
torch.set_num_threads(1)
torch.manual_seed(1)
what, N, d = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = torch.nn.functional.normalize(torch.randn(N, d, dtype=torch.float64), dim=1)
def attention():
    torch.softmax(X @ X.T, 1) @ X
def mlp(m=2048):
    U, W = (torch.randn(m, d, dtype=torch.float64) for _ in range(2))
    torch.relu(X @ U.T) @ W
for _ in range(5):
    t = time.process_time()
    with torch.no_grad(): attention() if what == "attention" else mlp()
    print(time.process_time() - t)
"""
SPHERE = """
import ducc0, numpy as np, sys, time
n, degree, eps = 300000, 32, float(sys.argv[1])
r = np.random.default_rng(1)
at = np.stack([np.arccos(r.uniform(-1, 1, n)), r.uniform(0, 2 * np.pi, n)], 1)
f = r.normal(size=(1, n))
alm = ducc0.sht.adjoint_synthesis_general
syn = ducc0.sht.synthesis_general
how = dict(lmax=degree, loc=at, epsilon=eps, nthreads=1)
for _ in range(7):
    t = time.process_time()
    a = alm(map=f, spin=0, **how)
    syn(alm=a, spin=0, **how)
    for _ in range(2): syn(alm=a, spin=1, mode="DERIV1", **how)
    print((time.process_time() - t) / n)
"""
CIRCLE = """
import ducc0, numpy as np, sys, time
n, modes, eps = 2000000, 129, float(sys.argv[1])
r = np.random.default_rng(1)
at = r.uniform(0, 2 * np.pi, (n, 1))
f = r.normal(size=n) + 0j
how = dict(coord=at, epsilon=eps, nthreads=1)
for _ in range(7):
    t = time.process_time()
    a = ducc0.nufft.nu2u(points=f, forward=True, out=np.empty(modes, complex), **how)
    for _ in range(2): ducc0.nufft.u2nu(grid=a, forward=False, **how)  # two real ones in each
    print((time.process_time() - t) / n)
"""
SPACES = (  # d, what, goals of the ratio at the two tolerances
    (3, "degree 32", SPHERE, 4, 4),
    (2, "degree 64", CIRCLE, None, None),
)


def torch_rows(env: Env) -> Iterator[Union[Row, str]]:
    if not python_has("torch", env):
        yield "PyTorch is not installed (apt-get install python3-torch): its rows are left out"
        return
    attention, mlp = (measure(f"bench_{what}", 1, env) for what in ("attention", "mlp"))
    for count, dim in ((8192, 64), (16384, 8)):
        ratio = python_seconds(TORCH, "attention", count, dim, env=env)
        ratio /= attention[f"attention_{count}_{dim}_fair"]
        yield Row(f"attention N = {count}, d = {dim}: PyTorch / chorale", ratio, "x", (">", 1))
    ratio = python_seconds(TORCH, "mlp", 8192, 64, env=env) / mlp["mlp_n8192_d64_fair"]
    yield Row("MLP N = 8192, d = 64, m = 2048, drawn: PyTorch / chorale", ratio, "x", (">", 1))


def ducc_rows(env: Env) -> Iterator[Union[Row, str]]:
    """An analysis of a scalar, a synthesis of one and of two gradients, against a whole step; 3e5
    tokens on the sphere, 2e6 on the circle."""
    if not python_has("ducc0", env):
        yield "ducc0 is not installed: its rows are left out"
        return
    own = measure("bench_peers", 1, env)
    alone = {**(env or os.environ), "DUCC0_NUM_THREADS": "1"}
    for d, what, program, *goals in SPACES:
        for tol, goal in zip(("1e-12", "1e-6"), goals):
            rate = own[f"step_d{d}_tol{tol}"]
            yield Row(f"step, d = {d}, {what}, tol {tol}: tokens / s", rate / 1e6, "x 1e6")
            ratio = rate * python_seconds(program, tol, env=alone)
            label = f"step, d = {d}, {what}, tol {tol}: ducc0's transforms / it"
            yield Row(label, ratio, "x", (">", goal) if goal else None)


def normal_rows(env: Env) -> Iterator[Row]:
    ratio = measure("bench_rng", 1, env)["normals_per_second"]
    ratio *= python_seconds(NORMALS, env=env)
    yield Row("normals: numpy's standard_normal / chorale", ratio, "x", (">", 1))


def rows(env: Env) -> Iterator[Union[Row, str]]:
    for part in (normal_rows, torch_rows, ducc_rows):
        yield from part(env)
