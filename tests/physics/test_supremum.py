"""Study limits with the supremum over all times: exact laws of the supremum of Brownian motion, an
independent program in numpy, laws in L by other formulas, the same bits on any ranks, and a
polynomial, to which the theorem on width does not apply."""

import re

import numpy as np
import pytest
from scipy.special import j1, jn_zeros
from scipy.stats import f as fisher

from run import chorale, datasets, options, refused, same_bits, study, without

SMALL = dict(
    tokens_count=8,
    tokens_dim=3,
    layers_horizon=0.5,
    noise_degree=3,
    mlp_width="inf",
    limits_supremum="all",
    progress="off",
    output_file="all.h5",
    output_overwrite=True,
    verbose=True,
)


def run(ranks=1, **keys):
    """What was printed; attributes and datasets of /study/limits."""
    done = chorale(["limits"] + options(**{**SMALL, **keys}), ranks)
    return done.stdout, *study("all.h5", "limits")


def word(attributes, key):
    value = attributes[key]
    return value.decode() if isinstance(value, bytes) else value


def variance(printed):
    return float(re.search(r"variance ([0-9.e+-]+)", printed).group(1))


# ---- a token in a short time is a Brownian motion ----


def inside(r, x):
    """P(the norm of an r-dimensional Brownian motion stays below x until time 1), (3.6)."""
    if r == 1:
        k = np.arange(200)
        odd = 2 * k + 1
        terms = (-1.0) ** k / odd * np.exp(-((odd * np.pi / x[:, None]) ** 2) / 8)
        return 4 / np.pi * terms.sum(axis=1)
    zero = jn_zeros(0, 300)
    return (2 / (zero * j1(zero)) * np.exp(-((zero / x[:, None]) ** 2) / 2)).sum(axis=1)


def exact(r, depth):
    """The integral of (3.6), of the path at the ends of 2^14 parts of a layer: between them it goes
    on by 0.5826 roots of a part in the mean."""
    x, beyond = np.linspace(0.01, 10, 20001), 0.5826 / 2**7
    return np.trapz(2 * x * (1 - np.clip(inside(r, x + beyond), 0, 1) ** depth), x)


SHORT = dict(tokens_count=1, attention_type="none", noise_degree=1, layers_horizon=1e-3)
# d, L: realizations of the full tier, of which four standard errors are 1.4%; and of the quick
MANY = {(2, 4): 26000, (2, 16): 12500, (3, 4): 17500, (3, 16): 8700}
FEW = {(2, 4): 3250, (2, 16): 2250, (3, 4): 2500, (3, 16): 2250}
short = pytest.mark.parametrize("dim, depth", MANY)


def check_short(dim, depth, realizations):
    """Steps of the limit SDE that are whole layers: all is left to the bridges. Returns what 4
    standard errors are of the exact value."""
    keys = dict(tokens_dim=dim, layers_depth=depth, limits_reference=depth, **SHORT)
    printed, _, found = run(ensemble_realizations=realizations, **keys)
    scale, expected = variance(printed) * 1e-3 / depth, exact(dim - 1, depth)
    error, off = found["error"][0] / scale, 4 * found["sem"][0] / scale
    print(f"d = {dim}, L = {depth}: {error:.4f} +- {off / 4:.4f}, exact {expected:.4f}")
    assert abs(error - expected) < off + 0.001 * expected  # halves that are left as they are
    assert (found["error_layers"] < 1e-3 * found["error"]).all()
    return off / expected


@short
def test_a_token_in_a_short_time_has_the_supremum_of_brownian_motion(folder, dim, depth):
    check_short(dim, depth, FEW[dim, depth])


@pytest.mark.full
@short
def test_the_supremum_of_brownian_motion_is_met_to_one_percent(folder, dim, depth):
    assert check_short(dim, depth, MANY[dim, depth]) < 0.015


# ---- tokens that move ----

CIRCLE = dict(
    tokens_dim=2,
    tokens_count=6,
    layers_horizon=1,
    layers_depth="4,16",
    noise_degree=1,
    attention_type="softmax",
    attention_beta=2,
)


class Slow:
    """Tokens on the circle as angles x, ReLU up to degree 1: the field sqrt(c0) a + sqrt(c1) (b cos
    + c sin) with vectors a, b, c, and softmax attention."""

    def __init__(self, beta, tokens):
        angle = (np.arange(4096) + 0.5) * np.pi / 4096
        kernel = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (4 * np.pi)
        self.roots = np.sqrt([kernel.mean(), 2 * (kernel * np.cos(angle)).mean()])
        self.beta = beta
        self.pairs = np.triu_indices(tokens, 1)

    def field(self, p, dw):
        """At the points p[2][token][realization] of the circle; dw[3][2][1][realization]."""
        return self.roots[0] * dw[0] + self.roots[1] * (dw[1] * p[0] + dw[2] * p[1])

    def attention(self, p):
        i, j = self.pairs
        weights = np.full((p.shape[1], *p.shape[1:]), np.exp(self.beta))
        weights[i, j] = weights[j, i] = np.exp(self.beta * (p[0][i] * p[0][j] + p[1][i] * p[1][j]))
        return np.array([(weights * q).sum(1) for q in p]) / weights.sum(1)

    def slope(self, x, dw, dt):
        p = np.array([np.cos(x), np.sin(x)])
        vector = self.attention(p) * dt + self.field(p, dw)
        return vector[1] * p[0] - vector[0] * p[1]

    def layer(self, y, dw, dt):
        y = y + dt * self.attention(y)
        y /= np.hypot(*y)
        y = y + self.field(y, dw)
        return y / np.hypot(*y)

    def suprema(self, count, tokens, depths, steps, horizon, random):
        """Of every depth, on one path: over layer times and over all times; the latter from every
        point and from every fourth, which miss it by 1 and 2 parts."""
        dt = horizon / steps
        x = random.uniform(0, 2 * np.pi, (count, tokens)).T
        p = np.array([np.cos(x), np.sin(x)])
        y, total = [p] * len(depths), [0] * len(depths)
        layers, worst, fourth = np.zeros((3, len(depths), count))
        for s in range(1, steps + 1):
            dw = random.standard_normal((3, count, 1, 2)).transpose(0, 3, 2, 1)
            dw = dw * np.sqrt(dt)
            first = self.slope(x, dw, dt)
            x = x + (first + self.slope(x + first, dw, dt)) / 2
            p = np.array([np.cos(x), np.sin(x)])
            for i, depth in enumerate(depths):
                total[i] = total[i] + dw
                square = ((p - y[i]) ** 2).sum(axis=0).mean(axis=0)
                worst[i] = np.maximum(worst[i], square)
                if s % 4 == 0:
                    fourth[i] = np.maximum(fourth[i], square)
                if s % (steps // depth) == 0:
                    y[i], total[i] = self.layer(y[i], total[i], horizon / depth), 0
                    square = ((p - y[i]) ** 2).sum(axis=0).mean(axis=0)
                    for most in (layers, worst, fourth):
                        most[i] = np.maximum(most[i], square)
        return layers, 2 * worst - fourth

    def errors(self, count, *keys):
        """E of the suprema and their standard errors [over all times][depth]; as many at a time as
        a cache holds."""
        parts = [self.suprema(500, *keys) for _ in range(count // 500)]
        values = np.concatenate(parts, axis=2)
        return values.mean(axis=2), values.std(axis=2) / count**0.5


@pytest.mark.full
def test_tokens_that_attract_each_other_have_the_suprema_of_a_slow_program(folder):
    _, _, found = run(limits_reference=256, ensemble_realizations=1800, **CIRCLE)
    depths, random = (4, 16), np.random.default_rng(7)
    slow = Slow(2, 6).errors(12000, 6, depths, 1024, 1, random)
    for i, depth in enumerate(depths):
        for k, name in enumerate(("_layers", "")):
            mean, other = found[f"error{name}"][i], found[f"error{name}_sem" if name else "sem"][i]
            error, sem = (value[k, i] for value in slow)
            print(
                f"L = {depth} error{name}: {mean:.5f} +- {other:.5f}, slow {error:.5f} +- {sem:.5f}"
            )
            assert abs(mean - error) < 4 * np.hypot(sem, other)
            assert np.hypot(sem, other) < (0.06 if name else 0.015) * error


@pytest.mark.full
def test_more_steps_of_the_limit_do_not_move_the_supremum(folder):
    keys = dict(layers_horizon=1, layers_depth="4,16", mlp_activation="relu", noise_degree=1)
    coarse, fine = (
        run(limits_reference=F, ensemble_realizations=R, **keys)[2]
        for F, R in ((64, 1350), (256, 1100))  # the coarse one varies more and takes less
    )
    for i in range(2):
        error = np.hypot(coarse["sem"][i], fine["sem"][i])
        print(coarse["error"][i], fine["error"][i], "+-", error)
        assert abs(coarse["error"][i] - fine["error"][i]) < 4 * error
        assert error < 0.02 * fine["error"][i]


# ---- laws in L ----


def generalized(errors, columns):
    """Fisher's statistic of what a law leaves, by generalized least squares."""
    R, n = errors.shape
    p = columns.shape[1]
    inverse = np.linalg.inv(np.cov(errors.T) / R)
    mean = errors.mean(axis=0)
    c = np.linalg.solve(columns.T @ inverse @ columns, columns.T @ inverse @ mean)
    rest = mean - columns @ c
    return rest @ inverse @ rest * (R - n + p) / ((n - p) * (R - 1))


def test_laws_are_those_of_the_samples(folder):
    printed, attributes, found = run(layers_depth="4,8,16,32", ensemble_realizations=24)
    depth = np.array([4.0, 8, 16, 32])
    plain, log = 1 / depth, np.log(depth) / depth
    for k, name in enumerate(("samples", "samples_layers")):
        errors = found[name][:, 0, :, 0]
        laws = [plain[:, None], log[:, None], np.column_stack([log, plain])]
        misfits = [generalized(errors, law) for law in laws]
        np.testing.assert_allclose(found["law_misfit"][k], misfits, rtol=1e-6)
        chances = [fisher.sf(f, 4 - p, 24 - 4 + p) for f, p in zip(misfits, (1, 1, 2))]
        np.testing.assert_allclose(found["law_chance"][k], chances, rtol=1e-6)
        mean = errors.mean(axis=0)
        fit = np.linalg.lstsq(laws[2] / mean[:, None], np.ones(4), rcond=None)[0]
        end = "_layers" if k else ""
        values = [attributes[f"log_{key}{end}"] for key in ("slope", "constant")]
        np.testing.assert_allclose(values, fit, rtol=1e-8)
        np.testing.assert_allclose(found["error" + end], mean, rtol=1e-12)
    slope = np.polyfit(np.log(depth / np.log(depth)), np.log(found["error"]), 1)[0]
    assert attributes["slope_depth"] == pytest.approx(slope, abs=1e-9)
    assert (found["samples"] > found["samples_layers"]).all()
    assert f"all times: {word(attributes, 'log_verdict')}" in printed


def test_the_logarithm_is_resolved(folder):
    keys = dict(layers_depth="4,8,16,32", ensemble_realizations=60, tokens_count=4)
    printed, attributes, found = run(noise_degree=2, limits_reference=64, **keys)
    assert word(attributes, "log_verdict") == "resolved" and attributes["log_slope_low"] > 0
    assert found["law_chance"][0, 0] < 1e-6
    assert word(attributes, "slope_depth_verdict") == "agrees"
    assert "a/L" in printed and "refused" in printed


# ---- bits ----

BITS = dict(tokens_count="8,300", layers_depth="3,6", limits_reference=6, mlp_width="8,inf")
BITS.update(ensemble_realizations=2, layers_horizon=1)


def test_layer_times_have_the_bits_of_a_run_of_layer_times(folder):
    keys = dict(BITS, tokens_count=8)
    _, _, found = run(**keys)
    _, _, layers = run(**{**keys, "limits_supremum": "layers"})
    assert (found["samples_layers"] == layers["samples"]).all()
    assert (found["error_layers"] == layers["error"]).all()
    assert "error_layers" not in layers


def check_bits(noise, layouts):
    keys = {**SMALL, **BITS}
    if noise == "gram":
        keys = without(dict(keys, tokens_count="8,24", noise_type="gram"), "noise_degree")
    reference = None
    for ranks, groups in layouts:
        chorale(["limits"] + options(**keys, ensemble_groups=groups), ranks)
        reference = reference or datasets("all.h5")
        assert same_bits(reference, datasets("all.h5")) == [], (ranks, groups)


@pytest.mark.full
def test_two_shards_have_the_bits_of_one_rank(folder):
    check_bits("spectral", ((1, 1), (2, 1)))


@pytest.mark.full
@pytest.mark.parametrize("noise", ("spectral", "gram"))
def test_any_ranks_have_the_bits_of_one_rank(folder, noise):
    check_bits(noise, ((1, 1), (2, 2), (3, 1), (4, 2), (4, 1)))


# ---- what is said ----


def test_a_polynomial_is_outside_the_theorem_on_width(folder):
    keys = dict(mlp_width="8,16,inf", layers_depth="4,8", ensemble_realizations=6)
    line = "the theorem on width does not apply: sigma is a polynomial"
    for supremum in ("layers", "all"):
        keys.update(limits_supremum=supremum)
        printed, attributes, _ = run(mlp_activation="identity", **keys)
        assert line in printed
        assert word(attributes, "slope_width_verdict") == "does not apply"
        assert np.isfinite(attributes["slope_width"])
    printed, attributes, _ = run(mlp_activation="tanh", **keys)
    assert line not in printed
    assert word(attributes, "slope_width_verdict") != "does not apply"


REFUSED = [
    (dict(limits_supremum="most"), "limits_supremum = most"),
    (dict(layers_depth="2,8"), "layers_depth = 2: must be at least 3"),
    (dict(layers_depth="8", limits_reference=131200), "limits_reference = 131200: must be at most"),
]


@pytest.mark.parametrize("keys, text", REFUSED)
def test_a_wrong_key_is_refused(folder, keys, text):
    refused(["limits"] + options(**{**SMALL, **keys}), re.escape(text), 2)


def test_simulate_has_no_supremum(folder):
    refused(["simulate"] + options(limits_supremum="all"), "limits_supremum")
