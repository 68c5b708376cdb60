"""Study sync from end to end: the Lyapunov exponent of the noise and of attention, the energy on
its oracles and under the bound, antipodal points of odd fields, epsilon of repulsive attention, the
boundary of the phase map, same bits at any ranks, bad input.

Statistical bounds are 4 standard errors at fixed seeds, 3 for the exponent of the noise, which are
below 2% of it; the twins themselves are held to 1e-5 where there is no noise. The energy's are
about 2% of it until it has fallen by a half; test_sync.c holds it to 2% in k."""

import os

import numpy as np
import pytest
from scipy import optimize, stats

from activations import FUNCTIONS, lambda_bar, truncated_exponent
from run import chorale, datasets, options, refused, same_bits, spoken, study, table, with_error

NOISE = dict(attention_type="none", noise_type="spectral", scheme_type="flow")
COLUMNS = (
    "time,energy_mean,energy_sem,energy_exact,energy_bound,"
    "pair_mean,pair_sem,pair_exact,pair_energy,pair_bound"
).split(",")


def sync(ranks=1, **keys):
    """Attributes and datasets of /study/sync, and the completed process. More ranks have the same
    bits (below)."""
    words = options(
        output_file="sync.h5", output_overwrite=True, output_table="sync.csv", progress="off"
    )
    done = chorale(["sync"] + words + options(**keys), ranks)
    return *study("sync.h5", "sync"), done


# ---- exponents ----


def check_noise_exponent(activation, dim, bias):
    """Many short runs of few tokens: the flow is isotropic, so the exponent has no transient, and
    what scatters is the noise of a step, which all tokens share. Its linear part is taken away by
    the study."""
    R, degree = {2: (2400, 7), 3: (1500, 6), 5: (1500, 3)}[dim]  # few harmonics scatter more
    keys = dict(mlp_activation=activation, tokens_dim=dim, mlp_bias_u=bias, mlp_bias_w=bias)
    keys.update(noise_degree=degree, tokens_count=16, layers_horizon=0.1, layers_depth=20)
    found, data, done = sync(output_every=20, ensemble_realizations=R, **keys, **NOISE)
    value, sem = found["lambda1"], found["lambda1_sem"]
    exact = truncated_exponent(activation, dim, bias, degree)
    print(f"lambda1 {value:.5f} +- {sem:.5f}, exact {exact:.5f}")
    assert found["lambda1_exact"] == pytest.approx(exact, abs=5e-11)
    assert sem < 0.005 * abs(exact)
    assert abs(value - exact) < min(3 * sem, 0.03 * abs(exact))
    assert "lambda1" in done.stdout
    each = (data["growth"] - data["martingale"])[-1] / 0.1
    np.testing.assert_allclose(each, data["lambda1_realization"], rtol=1e-9)
    # the martingale has mean 0 and is most of the scatter
    free, free_sem = with_error(data["martingale"][-1])
    assert abs(free) < 4 * free_sem
    assert data["growth"][-1].std() > 3 * each.std() * 0.1


def test_the_exponent_of_the_noise_is_that_of_the_kernel(folder):
    check_noise_exponent("relu", 3, 0.1)


@pytest.mark.full
@pytest.mark.parametrize(
    "activation, dim, bias",
    [
        ("relu", 3, 0),
        ("relu", 5, 0),
        ("relu", 5, 0.1),
        ("tanh", 2, 0),
        ("tanh", 2, 0.1),
        ("sigmoid", 5, 0),
        ("sigmoid", 5, 0.1),
    ],
)
def test_the_exponent_of_every_noise_is_that_of_its_kernel(folder, activation, dim, bias):
    check_noise_exponent(activation, dim, bias)


@pytest.mark.parametrize("value", [0.8, -0.8])
@pytest.mark.parametrize("kind, beta", [("softmax", 1), ("usa", 0.5), ("sinkhorn", 2), ("l2", 1)])
def test_twins_close_in_at_the_rate_of_attention(folder, kind, beta, value):
    """Tokens that have all but met, no noise: by v, e^beta v for usa, whatever the scheme."""
    keys = dict(tokens_init="vmf", tokens_kappa=1e8, tokens_count=20, tokens_dim=4)
    keys.update(attention_type=kind, attention_beta=beta, attention_value=value)
    keys.update(noise_type="none", scheme_type="flow", layers_depth=40, layers_horizon=1)
    found, data, _ = sync(**keys)
    expected = -value * (np.exp(beta) if kind == "usa" else 1)
    assert found["lambda1"] == pytest.approx(expected, abs=5e-6)
    assert found["lambda1_cluster"] == pytest.approx(expected, abs=5e-13)
    np.testing.assert_allclose(data["growth_mean"], found["lambda1"] * data["time"], atol=1e-5)


def random_tokens(seed, N, d, towards=0.0):
    """Tokens on the sphere, also in x.npy."""
    x = np.random.default_rng(seed).normal(size=(N, d))
    x[:, 0] += towards
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save("x.npy", x)
    return x


def unit(y):
    return y / np.linalg.norm(y)


def test_twins_grow_between_the_singular_values_of_a_step(folder):
    """Twins of a cloud against the Jacobian of one euler step in the frozen measure, by
    differences."""
    x = random_tokens(3, 12, 3)
    step, beta, value = 0.3, 1.5, 1.2
    keys = dict(tokens_init="file", tokens_file="x.npy", attention_beta=beta, attention_value=value)
    keys.update(noise_type="none", scheme_type="euler", layers_depth=1, layers_horizon=step)
    found, _, _ = sync(**keys)

    def move(y):
        weight = np.exp(beta * (x @ y))
        drift = value * weight @ x / weight.sum()
        return unit(y + step * (drift - (drift @ y) * y))

    # every direction's stretch lies between the smallest and the largest singular value at its
    # token
    low, high = [], []
    for y in x:
        tangent = np.linalg.svd(y[None])[2][1:]
        ends = [(move(unit(y + 1e-6 * e)), move(unit(y - 1e-6 * e))) for e in tangent]
        columns = [(after - before) / 2e-6 for after, before in ends]
        singular = np.linalg.svd(np.array(columns), compute_uv=False)
        low.append(np.log(singular[-1]) / step)
        high.append(np.log(singular[0]) / step)
    assert np.mean(high) - np.mean(low) < 1.2
    assert np.mean(low) - 1e-4 <= found["lambda1"] <= np.mean(high) + 1e-4


# ---- energy ----


def check_energy(data, until):
    inside = data["time"] <= until
    off = ((data["energy_mean"] - data["energy_exact"]) / data["energy_sem"])[inside]
    print(f"energy off by {off.min():+.2f} to {off.max():+.2f} sem at {inside.sum()} times")
    assert np.abs(off).max() < 4
    assert (data["energy_sem"] / data["energy_mean"])[1] < 0.02


@pytest.mark.full
def test_the_energy_of_noise_alone_is_exact_and_decays_under_the_bound(folder):
    keys = dict(tokens_count=32, tokens_dim=5, mlp_activation="sigmoid", layers_depth=120)
    keys.update(layers_horizon=4, output_every=6, ensemble_realizations=500)
    found, data, done = sync(**keys, **NOISE)
    check_energy(data, 4)
    assert len(data["time"]) == 21
    assert ((data["energy_mean"] - data["energy_bound"]) / data["energy_sem"]).max() < 4
    assert found["lambda_bar"] < 0
    assert found["lambda_rate"] <= found["lambda_rate_bound"] <= found["lambda_rate"] + 1e-8
    bound = data["energy_exact"][0] * np.exp(found["lambda_rate_bound"] * data["time"])
    np.testing.assert_allclose(data["energy_bound"], bound, rtol=1e-12)
    # the rate of the exact curve lies in the interval widened to 4 standard errors
    decay, low, high = (found["decay" + end] for end in ("", "_low", "_high"))
    assert decay - 2.04 * (decay - low) < found["decay_exact"] < decay + 2.04 * (high - decay)
    assert decay > -found["lambda_rate"]
    # long runs, tokens that have all but met
    assert found["lambda1_sem"] < 0.01 * abs(found["lambda1_exact"])
    assert abs(found["lambda1"] - found["lambda1_exact"]) < 4 * found["lambda1_sem"]
    assert "proves synchronization" in done.stdout
    rows = table("sync.csv")
    assert list(rows[0]) == COLUMNS
    np.testing.assert_array_equal([float(row["energy_mean"]) for row in rows], data["energy_mean"])


@pytest.mark.full
@pytest.mark.parametrize("value", [1, -1])
def test_the_energy_of_two_tokens_with_attention_is_exact(folder, value):
    keys = dict(tokens_count=2, tokens_dim=5, mlp_activation="sigmoid", noise_type="spectral")
    keys.update(attention_type="softmax", attention_value=value, scheme_type="heun", sync_twins=0)
    keys.update(layers_depth=60, layers_horizon=1.5, output_every=6, ensemble_realizations=3000)
    _, data, _ = sync(**keys)
    assert "growth_mean" not in data
    check_energy(data, 1.5)


@pytest.mark.parametrize("ranks", [pytest.param(1, marks=pytest.mark.full), 2])
def test_an_oracle_that_fails_is_a_warning_and_the_run_goes_on(folder, ranks):
    """Far beyond what the two-token diffusion is solved for."""
    keys = dict(tokens_count=2, attention_value=-1e6, noise_type="spectral", noise_degree=6)
    keys.update(layers_depth=5, layers_horizon=5, ensemble_realizations=2, sync_twins=0)
    _, data, done = sync(ranks, **keys)
    assert len(spoken(done)) == 1 and "attention_value = -1e+06" in spoken(done)[0], done.stderr
    assert not np.isnan(data["energy_exact"][0])
    assert np.isnan(data["energy_exact"][1:]).all()
    assert not np.isnan(data["energy_mean"]).any()


def test_one_realization_has_no_intervals(folder):
    keys = dict(tokens_count=8, tokens_dim=5, mlp_activation="sigmoid", layers_depth=60)
    found, data, done = sync(**keys, layers_horizon=8, **NOISE)
    assert np.isnan(data["energy_sem"]).all()
    assert not np.isnan(found["decay"])
    assert all(np.isnan(found[key]) for key in ("decay_low", "decay_high", "lambda1_sem"))
    assert "interval not known" in done.stdout
    assert "nan" not in done.stdout


@pytest.mark.parametrize("twins", ["auto", 0])
def test_clusters_are_counted_with_and_without_twins(folder, twins):
    """Of up to 4096 tokens, whatever stands beside them: in d = 16 none are neighbours."""
    keys = dict(tokens_count=2100, tokens_dim=16, attention_type="none", noise_type="none")
    _, data, _ = sync(sync_twins=twins, scheme_type="euler", layers_depth=1, **keys)
    np.testing.assert_array_equal(data["clusters_mean"], [2100, 2100])
    np.testing.assert_allclose(data["order_mean"], np.full(2, data["order_mean"][0]), rtol=1e-12)


def test_without_an_oracle_its_columns_are_empty(folder):
    keys = dict(tokens_count=8, layers_depth=4, layers_horizon=0.1, mlp_width=16)
    found, data, _ = sync(mlp_activation="relu", ensemble_realizations=2, **keys)
    assert np.isnan(data["energy_exact"]).all() and np.isnan(data["energy_bound"]).all()
    assert found["epsilon"] == 0
    assert found["attention_rate"] < 0
    assert all(row["energy_exact"] == row["energy_bound"] == "" for row in table("sync.csv"))


# ---- attractors ----

LONG = dict(tokens_count=24, tokens_dim=2, layers_horizon=40, layers_depth=320, output_every=320)
LONG.update(noise_degree=7, sync_twins=0, **NOISE)


@pytest.mark.full
def test_odd_fields_gather_tokens_in_two_points_that_coins_choose(folder):
    found, data, done = sync(mlp_activation="tanh", ensemble_realizations=200, **LONG)
    assert found["antipodal"] == 1
    assert "its own attractor is two antipodal points" in done.stdout
    caps = data["caps"]
    np.testing.assert_allclose(caps.sum(axis=1), 1, atol=1e-12)
    split = caps[caps[:, 2] < 1e-9, 0]
    print(f"{len(split)} of 200 in two points, share of the larger {split.mean():.4f}")
    assert len(split) > 150
    # x and -x are equally likely starts: tokens choose their point by fair coins
    heads = np.arange(25)
    share, coin = np.maximum(heads, 24 - heads) / 24, stats.binom.pmf(heads, 24, 0.5)
    mean = coin @ share
    assert abs(split.mean() - mean) < 4 * np.sqrt((coin @ share**2 - mean**2) / len(split))


@pytest.mark.full
@pytest.mark.parametrize("activation, bias", [("tanh", 0.3), ("relu", 0)])
def test_a_bias_or_another_activation_makes_one_point(folder, activation, bias):
    keys = dict(mlp_activation=activation, mlp_bias_w=bias, ensemble_realizations=4)
    found, data, done = sync(**keys, **LONG)
    assert found["antipodal"] == 0
    assert "caps" not in data
    assert "antipodal" not in done.stdout


def test_attention_is_said_to_change_the_attractor_of_an_odd_field(folder):
    _, _, done = sync(mlp_activation="tanh", tokens_count=8, layers_depth=2, layers_horizon=0.1)
    words = "its own attractor, without the attention, is two antipodal points"
    assert words in done.stdout


# ---- epsilon ----


def energy_rates(kind, x, beta, steps, step):
    """dE/dt and dE/dt / E along euler steps of attention of value -1, without noise."""
    pushes, rates = [], []
    for _ in range(steps + 1):
        kernel = np.exp(beta * x @ x.T)
        logits = kernel**2 if kind == "l2" else kernel
        drift = -logits @ x / (len(x) if kind == "usa" else logits.sum(axis=1, keepdims=True))
        drift -= np.sum(drift * x, axis=1, keepdims=True) * x
        # dE = -1/2 beta / N^2 sum_ij k_ij (<dx_i, x_j> + <x_i, dx_j>)
        pushes.append(-0.5 * beta * np.mean(kernel * (drift @ x.T + x @ drift.T)))
        rates.append(pushes[-1] / (0.5 * (np.exp(beta) - kernel.mean())))
        x = x + step * drift
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.array(pushes), max(rates)


@pytest.mark.parametrize(
    "kind, engine",
    [
        ("softmax", "direct"),
        ("softmax", "moments"),
        ("usa", "direct"),
        ("l2", "direct"),
        ("l2", "moments"),
    ],
)
def test_the_largest_growth_rate_of_the_energy_is_below_epsilon(folder, kind, engine):
    """v = -1 without noise: along the run, against numpy; of all measures, those that have met."""
    x, beta, depth, horizon = random_tokens(5, 40, 4, 1), 2.0, 12, 1.5
    keys = dict(tokens_init="file", tokens_file="x.npy", attention_type=kind, attention_beta=beta)
    keys.update(attention_engine=engine, attention_value=-1, noise_type="none", output_every=8)
    found, data, done = sync(
        scheme_type="euler", layers_depth=depth, layers_horizon=horizon, **keys
    )
    pushes, rate = energy_rates(kind, x, beta, depth, horizon / depth)
    np.testing.assert_allclose(data["attention_push_mean"], pushes[[0, 8, 12]], rtol=1e-9)
    assert found["attention_rate"] == pytest.approx(rate, abs=5e-10)
    assert 0 < rate < found["epsilon"] == found["epsilon_low"]
    assert found["epsilon"] == pytest.approx(2 * (np.exp(beta) if kind == "usa" else 1), rel=1e-12)
    np.testing.assert_allclose(data["attention_rate_realization"], rate, rtol=1e-9)
    assert "at most in this run" in done.stdout


@pytest.mark.parametrize(
    "kind, value, word",
    [
        ("softmax", -0.1, "applies"),
        ("softmax", -1, "does not apply"),
        ("l2", -0.1, "applies"),
        ("l2", 0.1, "applies"),
        ("l2", 1, "open"),
        ("sinkhorn", 1, "open"),
        ("usa", 1, "applies"),
    ],
)
def test_the_verdict_follows_from_bounds_and_the_energy_is_under_its_bound(
    folder, kind, value, word
):
    keys = dict(tokens_dim=5, tokens_count=16, mlp_activation="sigmoid", noise_type="spectral")
    keys.update(scheme_type="flow", layers_depth=40, layers_horizon=2, ensemble_realizations=60)
    found, data, done = sync(attention_type=kind, attention_value=value, sync_twins=0, **keys)
    words = {"applies": "it proves synchronization", "open": "open: the theorem applies if"}
    assert found["theorem"].decode() == word
    assert words.get(word, "neither proves nor excludes") in done.stdout
    assert found["attention_rate"] <= found["epsilon"] and found["epsilon_low"] <= found["epsilon"]
    if value < 0:
        assert found["epsilon"] == pytest.approx(-2 * value, rel=1e-12)
    assert (data["energy_mean"] < data["energy_bound"] + 4 * data["energy_sem"]).all()
    rate = found["epsilon"] + found["lambda_rate_bound"]
    assert (rate < 0) == (word == "applies")
    decay = data["energy_bound"][1:] / data["energy_bound"][0]
    np.testing.assert_allclose(decay, np.exp(rate * data["time"][1:]), rtol=1e-12)


# ---- map ----


def check_boundary(activations, dims):
    """Against another quadrature and root finder; there is never more than one."""
    keys = dict(mlp_activation=",".join(activations), tokens_dim=",".join(map(str, dims)))
    _, data, done = sync(sync_map=True, kernel_bias="0,0.2", **keys)
    rows = table("sync.csv")
    columns = "activation,dim,bias_u,bias_w,lambda1,lambda_bar,lambda_rate,boundary"
    assert list(rows[0]) == columns.split(",") + ["lambda_rate_bound"]
    assert len(rows) == len(data["boundary"]) == len(activations) * len(dims) * 2
    for row in rows:
        assert 0 < float(row["lambda_rate_bound"]) - float(row["lambda_rate"]) < 1e-7
        name, d, bias = row["activation"], int(row["dim"]), float(row["bias_u"])
        if bias > 0:
            assert float(row["lambda_bar"]) == pytest.approx(lambda_bar(name, d, bias), abs=5e-10)
            continue
        signs = np.sign([lambda_bar(name, d, sigma) for sigma in np.linspace(0, 2, 101)])
        changes = np.count_nonzero(np.diff(signs))
        if d == 3 or name in ("sigmoid", "softplus"):  # one sign for all sigma
            assert changes == 0
            assert row["boundary"] == ""
            sign = ">" if d == 3 else "<"
            assert f"{name}, d = {d}: none, lambda_bar {sign} 0" in done.stdout
            continue
        assert changes == 1
        root = optimize.brentq(lambda s: lambda_bar(name, d, s), 1e-3, 2, xtol=1e-12)
        assert abs(float(row["boundary"]) / root - 1) < 1e-7, (name, d)


def test_the_boundary_of_the_map_is_where_lambda_bar_vanishes(folder):
    check_boundary(["relu", "sigmoid", "tanh"], [3, 5])


@pytest.mark.full
def test_the_boundary_of_every_activation_is_where_lambda_bar_vanishes(folder):
    check_boundary(list(FUNCTIONS), [3, 4, 5, 12])


# ---- bits ----

BITS = {
    "softmax": dict(
        tokens_count=300,
        tokens_dim=3,
        attention_value=-0.5,
        noise_type="spectral",
        noise_degree=5,
        scheme_type="flow",
    ),
    "quadrature": dict(
        tokens_count=450,
        tokens_dim=3,
        tokens_init="quadrature",
        attention_type="sinkhorn",
        mlp_width=32,
        scheme_type="heun",
        sync_twins=100,
    ),
    "odd": dict(
        tokens_count=50,
        tokens_dim=5,
        attention_type="none",
        mlp_activation="tanh",
        noise_type="spectral",
        noise_degree=5,
        scheme_type="euler",
    ),
}


def check_bits(name, layouts):
    """Every (ranks, groups) makes the bits of one rank."""
    common = dict(layers_depth=9, layers_horizon=0.5, output_every=4, ensemble_realizations=3)
    sync(**common, **BITS[name])
    reference = datasets("sync.h5")
    assert "study/sync/energy" in reference
    for ranks, groups in layouts:
        sync(ranks, ensemble_groups=groups, **common, **BITS[name])
        assert same_bits(reference, datasets("sync.h5")) == [], (ranks, groups)


@pytest.mark.parametrize("name", BITS)
def test_three_groups_have_the_bits_of_one_rank(folder, name):
    check_bits(name, [(3, "auto")])


@pytest.mark.full
@pytest.mark.parametrize("name", BITS)
def test_any_ranks_and_groups_have_the_bits_of_one_rank(folder, name):
    check_bits(name, [(2, 1), (4, 2)])


# ---- what is said before a run ----


@pytest.mark.parametrize(
    "words, expected",
    [
        ("-tokens_dim 3,5", "tokens_dim"),
        ("-mlp_activation relu,tanh", "mlp_activation"),
        ("-kernel_bias 0.1", "kernel_bias"),
        ("-sync_twins 65", "sync_twins"),
        ("-sync_twins -1", "sync_twins"),
        ("-sync_map -tokens_dim 3,1", "tokens_dim"),
        ("-sync_map -layers_depth 1,2", "layers_depth"),
        ("-sync_mapp", "sync_map"),
    ],
)
def test_a_wrong_key_is_refused(folder, words, expected):
    for ranks in (1, 3) if expected == "tokens_dim" else (1,):
        refused(
            ["sync", "-output_file", "bad.h5", "-progress", "off"] + words.split(), expected, ranks
        )


@pytest.mark.parametrize("words", ["-tokens_count 32", "-sync_map -tokens_dim 3,5"])
def test_a_dry_run_says_what_would_run_and_writes_nothing(folder, words):
    done = chorale(["sync", "-dry_run"] + words.split())
    assert "sync.h5" in done.stdout
    assert os.listdir(folder) == []
