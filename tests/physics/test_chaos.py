"""Study chaos against what it is made of.

Nested and twin designs: distances recomputed in numpy and scipy from trajectories of study
simulate, which has the same starts and noise; W2^2 must lie between its certified ends. Quadrature:
nodes, copies and systems moved by an independent numpy model (no noise). Twice the nodes change
nothing. Slopes, the correlation given the noise, same bits at any number of ranks and groups, what
is refused."""

import os
import re

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import identity, kron, vstack

from run import chorale, datasets, options, refused, same_bits, study, trajectories, with_error

QUIET = dict(progress="off", output_overwrite=True)


def chaos(ranks=1, **keys):
    """{dataset or attribute: value} of /study/chaos, and what was printed."""
    done = chorale(["chaos"] + options(output_file="chaos.h5", **QUIET, **keys), ranks)
    attributes, found = study("chaos.h5", "chaos")
    return {**found, **attributes, "printed": done.stdout}


def walks(realizations, **keys):
    """positions[r][frame][N][d] of study simulate."""
    keys.update(ensemble_realizations=realizations, output_trajectories=realizations)
    chorale(["simulate"] + options(output_file="walk.h5", **QUIET, **keys))
    return trajectories("walk", realizations)[1]


# ---- distances ----


def kernel_mean(x, y, beta, v=None, w=None):
    """sum_ij v_i w_j e^{beta <x_i,y_j>}"""
    v = np.full(len(x), 1 / len(x)) if v is None else v
    w = np.full(len(y), 1 / len(y)) if w is None else w
    return v @ np.exp(beta * x @ y.T) @ w


def mmd2(x, y, beta, w=None):
    cross = kernel_mean(x, y, beta, None, w)
    return kernel_mean(x, x, beta) - 2 * cross + kernel_mean(y, y, beta, w, w)


def w2sq(x, y):
    """Exact assignment; len(y) is a multiple of len(x)."""
    cost = 2 - 2 * np.repeat(x, len(y) // len(x), axis=0) @ y.T
    return cost[linear_sum_assignment(cost)].mean()


def weighted_w2sq(x, y, w):
    """By a linear program, to about 1e-9; y has the weights w."""
    n, m = len(x), len(y)
    rows, columns = kron(identity(n), np.ones(m)), kron(np.ones(n), identity(m))
    right = np.concatenate([np.full(n, 1 / n), w / w.sum()])
    cost = (2 - 2 * x @ y.T).ravel()
    return linprog(cost, A_eq=vstack([rows, columns]), b_eq=right, method="highs").fun


def outside(found, i, exact, tol=1e-4):
    """How far exact values[realization][frame] of the i-th N are outside of the certified ends,
    which must be close enough."""
    low, high = found["w2sq_low_frames"][:, :, i], found["w2sq_frames"][:, :, i]
    assert (low <= high).all() and (high - low <= tol * high).all(), (low, high)
    return max((low - exact).max(), (exact - high).max())


def over(distance, systems, references):
    """A distance at every frame of every realization."""
    return np.array([[distance(x, y) for x, y in zip(*pair)] for pair in zip(systems, references)])


def worst(found, expected):
    return np.abs(found - expected).max()


# ---- designs ----


@pytest.mark.parametrize(
    "keys, counts, size",
    [
        (
            dict(tokens_dim=3, noise_type="spectral", noise_degree=6, scheme_type="heun"),
            (20, 100),
            400,
        ),
        (dict(tokens_dim=2, noise_type="mlp", mlp_width=64, scheme_type="layer"), (7, 300), 700),
    ],
    ids=["spectral", "mlp"],
)
def test_nested_systems_are_those_of_simulate(folder, keys, counts, size):
    """The reference is simulate with `size` tokens, the systems simulate with N."""
    R, beta = 2, 1.5
    keys = dict(keys, layers_horizon=1, layers_depth=6, output_every=2, attention_beta=beta)
    words = dict(
        tokens_count=",".join(map(str, counts)), chaos_reference=size, ensemble_realizations=R
    )
    found = chaos(**words, **keys)
    reference = walks(R, tokens_count=size, **keys)
    off = []
    for i, N in enumerate(counts):
        system = walks(R, tokens_count=N, **keys)
        # the first N tokens of a large start are the start of N
        assert np.array_equal(system[:, 0], reference[:, 0, :N])
        coupling = ((system - reference[:, :, :N]) ** 2).sum(axis=3).mean(axis=2)
        assert coupling[:, 0].max() == 0 and coupling[:, -1].min() > 1e-6, coupling
        off.append(worst(found["coupling_frames"][:, :, i], coupling))
        distance = over(lambda x, y: mmd2(x, y, beta), system, reference)
        off.append(worst(found["mmd2_frames"][:, :, i], distance))
        assert abs(found["mmd2"][i] - distance.max(axis=1).mean()) < 1e-12
        assert abs(found["coupling_sem"][i] - with_error(coupling.max(axis=1))[1]) < 1e-14
        if size % N == 0:
            off.append(outside(found, i, over(w2sq, system, reference)))
    assert max(off) < 1e-12, off


def test_the_twin_of_a_realization_is_another_one_without_noise(folder):
    """Of realization r it is realization r + R."""
    R, beta, counts = 2, 1.0, (17, 300)
    keys = dict(
        tokens_dim=4, layers_horizon=2, layers_depth=4, noise_type="none", scheme_type="heun"
    )
    keys.update(tokens_init="vmf", tokens_kappa=1)
    found = chaos(tokens_count="17,300", chaos_reference="twin", ensemble_realizations=R, **keys)
    for i, N in enumerate(counts):
        x = walks(2 * R, tokens_count=N, **keys)
        assert outside(found, i, over(w2sq, x[:R], x[R:])) < 1e-12
        distance = over(lambda x, y: mmd2(x, y, beta), x[:R], x[R:])
        assert worst(found["mmd2_frames"][:, :, i], distance) < 1e-12
    assert np.isnan(found["coupling"]).all() and np.isnan(found["slope_coupling"])


# ---- quadrature ----


def rule(dim, count):
    """Nodes and weights of the uniform measure."""
    if dim == 2:
        angle = 2 * np.pi * (np.arange(count) + 0.5) / count
        return np.column_stack([np.cos(angle), np.sin(angle)]), np.full(count, 1 / count)
    n = round((count / 2) ** 0.5)
    z, w = np.polynomial.legendre.leggauss(n)
    angle = np.pi * (np.arange(2 * n) + 0.5) / n
    around, up = np.column_stack([np.cos(angle), np.sin(angle)]), np.repeat(
        z[:, None], 2 * n, axis=1
    )
    x = np.concatenate([np.sqrt(1 - z**2)[:, None, None] * around, up[..., None]], axis=2)
    return x.reshape(-1, 3), np.repeat(w, 2 * n) / w.sum() / (2 * n)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def attention(x, y, w, beta, value):
    """Softmax attention of the measure (y, w) at x."""
    kernel = np.exp(beta * x @ y.T) * w
    return value * kernel @ y / kernel.sum(axis=1, keepdims=True)


def slope(x, y, w, beta, value, dt):
    s = dt * attention(x, y, w, beta, value)
    return s - (s * x).sum(axis=1, keepdims=True) * x


def step(scheme, x, y, w, beta, value, dt):
    """Tokens x and the measure (y, w) that moves both, one step later."""
    if scheme == "layer":
        return tuple(unit(z + dt * attention(z, y, w, beta, value)) for z in (x, y))
    first = [slope(z, y, w, beta, value, dt) for z in (x, y)]
    stage = [unit(z + s) for z, s in zip((x, y), first)]
    second = [slope(z, stage[1], w, beta, value, dt) for z in stage]
    return tuple(unit(z + (s + t) / 2) for z, s, t in zip((x, y), first, second))


@pytest.mark.parametrize(
    "dim, kappa, scheme",
    [
        (2, 0, "layer"),
        (3, 0, "heun"),
        (2, 3, "heun"),
        pytest.param(3, 3, "layer", marks=pytest.mark.full),
    ],
)
def test_copies_and_systems_move_with_the_nodes_of_a_quadrature(folder, dim, kappa, scheme):
    nodes, counts, beta, value, depth, horizon = 512, (9, 260), 2.0, 1.5, 5, 1.5
    keys = dict(tokens_dim=dim, noise_type="none", scheme_type=scheme, layers_depth=depth)
    keys.update(layers_horizon=horizon, attention_beta=beta, attention_value=value)
    keys.update(dict(tokens_init="vmf", tokens_kappa=kappa) if kappa else {})
    found = chaos(tokens_count="9,260", chaos_reference="quadrature", chaos_nodes=nodes, **keys)
    copies = walks(1, tokens_count=counts[-1], **keys)[0, 0]
    y, w = rule(dim, nodes)
    w = w * np.exp(kappa * (y[:, 0] - 1))
    w /= w.sum()
    systems, off = [copies[:N] for N in counts], []
    exact = []
    for f in range(depth + 1):
        exact.append(weighted_w2sq(systems[0], y, w))
        for i, (N, x) in enumerate(zip(counts, systems)):
            coupling = ((x - copies[:N]) ** 2).sum(axis=1).mean()
            off.append(abs(found["coupling_frames"][0, f, i] - coupling))
            off.append(abs(found["mmd2_frames"][0, f, i] - mmd2(x, y, beta, w)))
        own = [np.full(N, 1 / N) for N in counts]
        dt = horizon / depth
        systems = [step(scheme, x, x, v, beta, value, dt)[0] for x, v in zip(systems, own)]
        copies, y = step(scheme, copies, y, w, beta, value, dt)
    assert max(off) < 1e-11 and found["coupling"].min() > 1e-5
    # to the tolerance of the linear program
    assert outside(found, 0, np.array([exact])) < 1e-7


@pytest.mark.full
def test_twice_the_nodes_change_nothing(folder):
    """The limit is that of the continuous measure: the same moments and copies (smooth noise)."""
    keys = dict(tokens_dim=2, noise_type="spectral", noise_degree=12, scheme_type="euler")
    keys.update(layers_depth=50, layers_horizon=1, output_every=10, tokens_count=1024)
    keys.update(chaos_reference="quadrature", attention_beta=2, ensemble_realizations=2)
    few, many = (chaos(chaos_nodes=nodes, **keys) for nodes in (2048, 4096))
    for name in ("coupling_frames", "mmd2_frames"):
        assert worst(few[name], many[name]) < 1e-12
    # W2^2 sees the nodes themselves: theirs is about 3.3/M^2, and it enters through W2 as a cross
    # term at most
    assert worst(few["w2sq_frames"], many["w2sq_frames"]) < 0.01 * few["w2sq"][0]


# ---- both ends ----


def test_both_ends_of_w2sq_are_averaged_and_told(folder):
    keys = dict(tokens_dim=3, tokens_count="40,80,160", ensemble_realizations=5, layers_depth=4)
    keys.update(noise_type="spectral", noise_degree=4, scheme_type="heun", output_every=2)
    fine, coarse = chaos(**keys), chaos(distance_tol=0.1, **keys)
    exact = fine["w2sq"]
    for found, tol in ((fine, 1e-4), (coarse, 0.1)):
        low, high = found["w2sq_low"], found["w2sq_high"]
        assert high.tobytes() == found["w2sq"].tobytes()
        lowest = found["w2sq_low_frames"].max(axis=1).mean(axis=0)
        np.testing.assert_allclose(low, lowest, rtol=1e-13)
        assert (low <= exact * (1 + 1e-12)).all() and (exact * (1 - 1e-4) <= high).all()
        gap = ((high - low) / high).max()
        assert abs(found["w2sq_gap"] - gap) < 1e-13 and gap <= tol
        assert found["method"] == b"auction"
        percent = float(re.search(r"at most ([\d.e+-]+)% below w2sq", found["printed"]).group(1))
        assert abs(percent - 100 * gap) <= 0.06 * 100 * gap


def test_on_the_circle_near_measures_have_exact_distances(folder):
    keys = dict(tokens_dim=2, tokens_count="50,100", ensemble_realizations=2, layers_depth=2)
    found = chaos(noise_type="none", scheme_type="heun", layers_horizon=0.1, **keys)
    assert found["w2sq_low"].tobytes() == found["w2sq_high"].tobytes() and found["w2sq_gap"] == 0
    assert found["method"] == b"circle" and "w2sq is exact" in found["printed"]


# ---- rates ----


@pytest.mark.full
def test_distances_on_the_circle_fall_like_one_over_n(folder):
    """Faster than the paper's bound N^{-1/2}: -1 is within 4 standard errors, which are small
    enough to tell -1 from -1/2."""
    keys = dict(tokens_dim=2, tokens_count="64,128,256,512,1024,2048", chaos_reference="quadrature")
    keys.update(ensemble_realizations=64, layers_depth=20, layers_horizon=1, output_every=5)
    found = chaos(noise_type="spectral", noise_degree=16, scheme_type="euler", **keys)
    for name in ("w2sq", "mmd2", "coupling"):
        value, low, high = (found[f"slope_{name}{end}"] for end in ("", "_low", "_high"))
        sem = (high - low) / (2 * found["interval_factor"])
        print(f"slope of {name} {value:.3f} [{low:.3f}, {high:.3f}]")
        assert abs(value + 1) < 4 * sem < 0.5
        fitted = np.polyfit(np.log(found["tokens"]), np.log(found[name]), 1)[0]
        assert abs(value - fitted) < 1e-10
        largest = found[f"{name}_frames"].max(axis=1).mean(axis=0)
        np.testing.assert_allclose(found[name], largest, rtol=1e-13)
        assert f"{value:.3f}" in found["printed"]
    assert abs(found["slope_bound"] + 0.5) < 1e-12 and abs(found["slope_intrinsic"] + 1) < 1e-12


PAIRS = dict(tokens_dim=3, tokens_count="8,32", chaos_restarts=9, ensemble_realizations=64)
PAIRS.update(layers_depth=10, layers_horizon=1, output_every=10)
PAIRS.update(noise_type="spectral", noise_degree=6, scheme_type="euler")


@pytest.mark.full
def test_tokens_that_do_not_interact_are_independent_given_the_noise(folder):
    free = chaos(attention_type="none", **PAIRS)
    print("correlation", free["correlation"], "+-", free["correlation_sem"])
    assert free["correlation_frames"].shape == (64, 2, 2)
    assert (np.abs(free["correlation"]) < 4 * free["correlation_sem"]).all()


@pytest.mark.full
def test_tokens_that_attract_each_other_are_correlated_like_one_over_n(folder):
    bound = chaos(**PAIRS)
    value, sem = bound["correlation"], bound["correlation_sem"]
    print("correlation", value, "+-", sem)
    assert bound["correlation_frames"].shape == (64, 2, 2)
    assert (value > 4 * sem).all()
    # at time 0 all starts are independent
    start, start_sem = with_error(bound["correlation_frames"][:, 0])
    assert (np.abs(start) < 4 * start_sem).all()
    ratio = 8 * value[0] / (32 * value[1])
    error = ratio * np.hypot(*(sem / value))
    print(f"N times the correlation: ratio {ratio:.2f} +- {error:.2f}")
    assert 0.4 - 4 * error < ratio < 2 + 4 * error


# ---- bits ----

CIRCLE = dict(
    tokens_dim=2, tokens_count="100,700,1300", chaos_reference="quadrature", chaos_restarts=1
)
CIRCLE.update(noise_type="spectral", noise_degree=16, scheme_type="euler")
SPHERE = dict(tokens_dim=3, tokens_count="300", chaos_reference="quadrature", noise_type="spectral")
SPHERE.update(noise_degree=6, attention_engine="direct", chaos_nodes=512, ensemble_realizations=1)
NESTED = dict(tokens_dim=2, tokens_count="7,300,1000", chaos_reference=1500, mlp_width=64)
BITS = {
    "quadrature with restarts": CIRCLE,
    "twin": dict(tokens_dim=4, tokens_count="60,300,520", mlp_width=64),
    "nested": dict(NESTED, scheme_type="heun"),
    "quadrature on the sphere": SPHERE,
}


def check_bits(name, layouts):
    """Every (ranks, groups) makes the bits of one rank."""
    common = dict(ensemble_realizations=3, layers_depth=4, layers_horizon=1, output_every=2)
    reference = None
    for ranks, groups in ((1, 1),) + layouts:
        chaos(ranks, ensemble_groups=groups, **{**common, **BITS[name]})
        attributes, _ = study("chaos.h5", "chaos")
        found = {**datasets("chaos.h5"), **{f"@{key}": value for key, value in attributes.items()}}
        reference = reference or found
        assert same_bits(reference, found) == [], (ranks, groups)


@pytest.mark.parametrize("name", list(BITS)[:3])
def test_two_groups_of_two_ranks_have_the_bits_of_one_rank(folder, name):
    check_bits(name, ((4, 2),))


@pytest.mark.full
@pytest.mark.parametrize("name", BITS)
def test_any_ranks_and_groups_have_the_bits_of_one_rank(folder, name):
    check_bits(name, ((2, 1), (3, 3), (4, 2)))


# ---- what is said before a run ----

REFUSED = {
    "tokens_count = 8,8": dict(tokens_count="4,8,8"),
    "tokens_count = 8,4": dict(tokens_count="8,4"),
    "tokens_count = 64: must be below chaos_reference": dict(
        tokens_count="8,64", chaos_reference=64
    ),
    "tokens_count = 65: must be below chaos_reference": dict(
        tokens_count="8,65", chaos_reference=64
    ),
    "chaos_reference = quadrature: needs tokens_dim 2 or 3": dict(
        tokens_dim=4, chaos_reference="quadrature"
    ),
    "chaos_reference = half": dict(chaos_reference="half"),
    "distance_tol = 0: must be a number from 1e-12 to 0.99": dict(distance_tol=0),
    "distance_tol = 1: must be a number from 1e-12 to 0.99": dict(distance_tol=1),
    "distance_tol = nan: must be a number": dict(distance_tol="nan"),
    "distance_tol = 1e-3: has no effect with tokens_dim 2": dict(tokens_dim=2, distance_tol="1e-3"),
    "chaos_nodes = 300": dict(tokens_dim=2, chaos_reference="quadrature", chaos_nodes=300),
    "chaos_nodes = 768": dict(tokens_dim=3, chaos_reference="quadrature", chaos_nodes=768),
    "chaos_nodes = 256: has no effect with chaos_reference twin": dict(chaos_nodes=256),
    "tokens_init = clusters": dict(tokens_init="clusters"),
    "tokens_count = 1: must be at least 2": dict(tokens_count="1,8", chaos_restarts=3),
    "tokens_count = 4096: must be at most 2048": dict(tokens_count=4096, noise_type="gram"),
    "tokens_count = 1800 and 2 smaller: noise_type gram": dict(
        tokens_count="512,1024,1800", noise_type="gram", scheme_type="flow"
    ),
}


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_a_wrong_key_is_refused(folder, case):
    message, keys = list(REFUSED.items())[case]
    keys = dict(output_file="refused.h5", output_table="refused.csv", **keys)
    refused(["chaos"] + options(**keys), re.escape(message), ranks=1 if case % 6 else 2)


def test_a_dry_run_says_what_would_run_and_writes_nothing(folder):
    keys = dict(tokens_count="64,128", tokens_dim=2, chaos_reference="quadrature", dry_run=True)
    done = chorale(["chaos"] + options(output_file="dry.h5", **keys))
    assert "4096 quadrature nodes" in done.stdout and "token steps" in done.stdout
    assert re.search(r"^transport  W2\^2 by circle, about [\d.]+ s in all", done.stdout, re.M)
    assert os.listdir(folder) == []


def test_a_dry_run_says_how_long_w2sq_takes(folder):
    """In proportion to frames and realizations."""
    times = []
    for realizations, depth in ((100, 3), (200, 7)):
        keys = dict(tokens_count="4096", ensemble_realizations=realizations, layers_depth=depth)
        keys.update(noise_type="spectral", noise_degree=4, distance_tol="1e-3", dry_run=True)
        keys.update(layers_horizon=0.01)  # later frames are as hard as the first
        said = chorale(["chaos"] + options(**keys)).stdout
        pattern = (
            r"^transport  W2\^2 by auction to a certified gap of 0.001, about ([\d.]+) (s|min|h)"
        )
        number, unit = re.search(pattern, said, re.M).groups()
        times.append(float(number) * {"s": 1, "min": 60, "h": 3600}[unit])
    assert 3.5 < times[1] / times[0] < 4.6, times


def test_the_nodes_of_a_sphere_follow_the_tokens(folder):
    """Theirs, about 2/M, is at most a twentieth of W2^2 of N tokens, about log(N)/N."""
    found = {}
    for N in (64, 4096, 30000):
        keys = dict(tokens_count=N, chaos_reference="quadrature", noise_type="spectral")
        said = chorale(["chaos"] + options(noise_degree=4, dry_run=True, **keys)).stdout
        found[N] = int(re.search(r"(\d+) quadrature nodes", said).group(1))
        assert 2 / found[N] <= 0.05 * np.log(N) / N, found
    assert found[64] == 4608 and found[30000] < 5 * 30000, found
