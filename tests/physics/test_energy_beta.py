"""The energy at a beta of its own: the same tokens, E_beta by numpy, the exact energies and the
distances of pairs by a slow solver of the diffusion of two tokens, the theorem at each beta, and
the best. The bounds of epsilon: unit/study/test_verdict.c."""

import numpy as np
import pytest
from scipy import linalg, special

from activations import kernel, lambda_bar
from run import chorale, datasets, options, refused, same_bits, study, trajectory, without

pytestmark = pytest.mark.full

SMALL = dict(tokens_count=40, tokens_dim=4, layers_depth=6, layers_horizon=0.6, mlp_width=16)


def simulate(file, **keys):
    more = dict(output_file=file, output_trajectories=1, progress="off")
    return chorale(["simulate"] + options(**SMALL, **more, **keys))


def sync(file="sync.h5", **keys):
    """Attributes and datasets of /study/sync, and what was said."""
    more = dict(output_file=file, progress="off", sync_twins=0)
    done = chorale(["sync"] + options(**more, **keys))
    return *study(file, "sync"), done.stdout


def energy(x, beta):
    return 0.5 * (np.exp(beta) - np.exp(beta * x @ x.T).mean())


@pytest.mark.parametrize(
    "keys",
    [
        dict(attention_engine="direct"),
        dict(attention_engine="moments", attention_tol=1e-13),
        dict(attention_type="l2"),
        dict(attention_type="sinkhorn"),
        dict(attention_mask="causal"),
        dict(attention_weights="random"),
        dict(attention_type="none"),
    ],
    ids=lambda keys: " ".join(map(str, keys.values())),
)
def test_the_energy_has_its_own_beta_and_the_tokens_do_not_feel_it(folder, keys):
    simulate("plain.h5", **keys)
    simulate("other.h5", energy_beta=2.5, **keys)
    plain, other = (datasets(f"{name}.h5") for name in ("plain", "other"))
    assert all("energy" in name for name in same_bits(plain, other))
    time, x = trajectory("other/realization_00000.h5md")
    np.testing.assert_array_equal(x, trajectory("plain/realization_00000.h5md")[1])
    expected = [energy(frame, 2.5) for frame in x]
    np.testing.assert_allclose(other["observables/energy/value"][:, 0], expected, rtol=1e-11)
    assert len(time) == 7


def test_attentions_beta_is_the_default(folder):
    simulate("plain.h5")
    simulate("same.h5", energy_beta=1)
    assert same_bits(datasets("plain.h5"), datasets("same.h5")) == []


def test_beyond_double_precision_it_is_scaled(folder):
    simulate("large.h5", energy_beta=1000)
    x = trajectory("large/realization_00000.h5md")[1]
    found = datasets("large.h5")["observables/energy/value"][:, 0]
    expected = [0.5 * (1 - np.exp(1000 * (frame @ frame.T - 1)).mean()) for frame in x]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def analyzed(**keys):
    more = dict(analyze_file="run.h5", output_file="a.h5", output_overwrite=True, progress="off")
    chorale(["analyze"] + options(**more, **keys))
    return datasets("a.h5")["observables/energy/value"]


def test_analyze_takes_the_beta_as_recorded_or_as_given(folder):
    simulate("run.h5", energy_beta=2.5, attention_beta=1.5)
    recorded = datasets("run.h5")["observables/energy/value"]
    x = trajectory("run/realization_00000.h5md")[1]
    assert analyzed().tobytes() == recorded.tobytes()
    for keys, beta in (
        (dict(attention_beta=0.7), 0.7),
        (dict(energy_beta=0.3), 0.3),
        (dict(energy_beta=0.3, attention_beta=2), 0.3),
    ):
        expected = [energy(frame, beta) for frame in x]
        np.testing.assert_allclose(analyzed(**keys)[:, 0], expected, rtol=1e-11)


def test_the_density_has_it_too(folder):
    """On a rule with the density's values the tokens' energy is that of the density; all else stays
    as it is."""
    keys = dict(tokens_dim=2, tokens_count=256, tokens_init="harmonic", spde_particles="quadrature")
    keys.update(spde_degree=48, noise_degree=4, layers_depth=5, layers_horizon=0.1, progress="off")
    found = []
    for file, more in (("a.h5", {}), ("b.h5", dict(energy_beta=3))):
        chorale(["spde"] + options(output_file=file, **keys, **more))
        found.append(datasets(file))
    changed = same_bits(*found)
    assert changed and all("energy" in name for name in changed)
    (a, b) = (one["study/spde/energy"] for one in found)
    assert (b > 2 * a).all()
    tokens = found[1]["study/spde/tokens_energy_realizations"][:, 0]
    np.testing.assert_allclose(b, tokens, rtol=1e-6)
    # of the density 1 + a cos 3 theta, a = 0.5
    exact = 0.5 * (np.exp(3) - special.iv(0, 3) - 0.5**2 / 2 * special.iv(3, 3))
    assert b[0] == pytest.approx(exact, rel=1e-12)


# ---- sync ----


def exact_pairs(name, dim, sigma, functions, pull):
    """E f(u_t) of two uniform tokens at times 0, 1/2, 1 and 2, by function and time: collocation at
    Chebyshev's nodes and the exponential of a matrix for ∂_t f = (G0 + pull) f' + G1 f''
    (THEORY.md (6.1), (6.4))."""
    n = 60
    u = np.cos(np.pi * np.arange(n + 1) / n)
    scale = np.r_[2, np.ones(n - 1), 2] * (-1.0) ** np.arange(n + 1)
    apart = u[:, None] - u + np.eye(n + 1)
    D = scale[:, None] / scale / apart
    D -= np.diag(D.sum(axis=1))
    k = kernel(name, dim, sigma, np.clip(u, -1, 1))
    g0 = k * (dim - 2 + u**2) - k[0] * (dim - 1) * u + pull(u)
    A = g0[:, None] * D + ((1 - u**2) * (k[0] - u * k))[:, None] * (D @ D)
    half = linalg.expm(A / 2)
    start = np.array([f(u) for f in functions]).T
    at = [start, half @ start, half @ half @ start, half @ half @ half @ half @ start]
    node, weight = special.roots_gegenbauer(40, dim / 2 - 1)
    to = np.polynomial.chebyshev.chebvander(node, n)
    to = to @ np.linalg.inv(np.polynomial.chebyshev.chebvander(u, n))
    return (weight @ to @ np.array(at)).T / weight.sum()


@pytest.mark.parametrize("count, value", [(8, 0), (2, 1.0), (2, -0.5)])
def test_exact_energies_and_distances_are_those_of_another_solver(folder, count, value):
    """Energies at three beta and the mean square distance, under noise alone and of two tokens with
    softmax at a fourth."""
    betas, beta, times = (0.5, 3, 1), 2, np.array([0, 0.5, 1, 2])
    keys = dict(tokens_count=count, tokens_dim=5, mlp_activation="sigmoid", mlp_bias_u=0.1)
    keys.update(mlp_bias_w=0.1, layers_depth=4, layers_horizon=2, mlp_width=8, attention_beta=beta)
    keys.update(attention_value=value, energy_beta=",".join(map(str, betas)))
    _, data, _ = sync(**keys)
    np.testing.assert_allclose(data["time"][[0, 1, 2, 4]], times)

    def pull(u):
        return 2 * value * (1 - u**2) / (1 + np.exp(beta * (1 - u)))

    share = 1 - 1 / count
    functions = [lambda u, b=b: np.exp(b * u) for b in betas] + [lambda u: u]
    *means, cosine = exact_pairs("sigmoid", 5, 0.1, functions, pull)
    for i, (b, mean) in enumerate(zip(betas, means)):
        expected = 0.5 * share * (np.exp(b) - mean)
        found = data["beta_energy_exact"][[0, 1, 2, 4], i]
        np.testing.assert_allclose(found, expected, rtol=3e-8, err_msg=f"beta = {b}")
    np.testing.assert_allclose(
        data["pair_exact"][[0, 1, 2, 4]], 2 * share * (1 - cosine), rtol=3e-8
    )
    assert data["pair_exact"][0] == pytest.approx(2 * share, rel=1e-12)


def test_energies_push_and_distances_along_a_run_are_those_of_numpy(folder):
    """Repulsive softmax at beta 2 without noise, the energy's beta another."""
    x = np.random.default_rng(5).normal(size=(40, 4)) + [1, 0, 0, 0]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save("x.npy", x)
    keys = dict(tokens_init="file", tokens_file="x.npy", attention_beta=2, attention_value=-1)
    keys.update(noise_type="none", scheme_type="euler", layers_depth=6, layers_horizon=0.9)
    found, data, _ = sync(energy_beta="0.7,4", **keys)
    rates = []
    for frame in range(7):
        apart = ((x[:, None] - x) ** 2).sum(axis=2).mean()
        assert data["pair_mean"][frame] == pytest.approx(apart, rel=1e-12)
        for i, beta in enumerate((0.7, 4)):
            expected = energy(x, beta)
            assert data["beta_energy_mean"][frame, i] == pytest.approx(expected, rel=1e-11)
        weight = np.exp(2 * x @ x.T)
        drift = -weight @ x / weight.sum(axis=1, keepdims=True)
        drift -= np.sum(drift * x, axis=1, keepdims=True) * x
        push = -0.7 * np.mean(np.exp(0.7 * x @ x.T) * (drift @ x.T))
        assert data["attention_push_mean"][frame] == pytest.approx(push, rel=1e-10)
        rates.append(push / energy(x, 0.7))
        x = x + 0.15 * drift
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert found["attention_rate"] == pytest.approx(max(rates), rel=1e-9)
    factor = 4 / np.sinh(0.7)
    np.testing.assert_allclose(data["pair_energy"], factor * data["energy_mean"], rtol=1e-14)
    assert (data["pair_mean"] <= data["pair_energy"]).all()


def test_the_distance_of_pairs_keeps_its_digits_where_they_meet(folder):
    x = np.random.default_rng(6).normal(size=(300, 5)) * 1e-6 + [3, 1, 0, 0, 2]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save("x.npy", x)
    keys = dict(tokens_init="file", tokens_file="x.npy", noise_type="none", scheme_type="euler")
    _, data, _ = sync(layers_depth=1, layers_horizon=1e-9, attention_type="none", **keys)
    expected = 2 * ((x - x.mean(axis=0)) ** 2).sum(axis=1).mean()
    assert 1e-13 < expected < 1e-11
    assert data["pair_mean"][0] == pytest.approx(expected, rel=1e-8)


MODEL = dict(tokens_count=16, tokens_dim=5, mlp_activation="sigmoid", mlp_bias_u=0.1)
MODEL.update(mlp_bias_w=0.1, noise_type="spectral", noise_tol=1e-7, scheme_type="flow")
MODEL.update(layers_depth=20, layers_horizon=1, output_every=5, ensemble_realizations=6)


def test_each_of_several_energies_is_that_of_a_run_of_its_own(folder):
    betas = (1, 0.4, 2)
    several, data, _ = sync("all.h5", energy_beta="1,0.4,2", attention_value=-0.3, **MODEL)
    keys = ("lambda_rate", "lambda_rate_bound", "epsilon", "epsilon_low", "energy_off")
    for i, beta in enumerate(betas):
        found, own, _ = sync(f"{i}.h5", energy_beta=beta, attention_value=-0.3, **MODEL)
        for name in ("energy_mean", "energy_sem", "energy_bound", "energy_exact"):
            np.testing.assert_allclose(data[f"beta_{name}"][:, i], own[name], rtol=1e-10)
        np.testing.assert_allclose(data["beta_pair_bound"][:, i], own["pair_bound"], rtol=1e-12)
        for key in keys + ("bound_excess",):
            np.testing.assert_allclose(data[f"beta_{key}"][i], found[key], rtol=1e-9)
        sign = {b"applies": 1, b"open": 0, b"does not apply": -1}[found["theorem"]]
        assert data["beta_applies"][i] == sign
    np.testing.assert_array_equal(data["beta_energy"][:, :, 0], data["energy"])
    assert several["beta_best"] == 0.4


@pytest.mark.parametrize(
    "value, word, best",
    [(0, "applies", 0.1), (-0.2, "does not apply", 0.1), (1, "applies", 0.6)],
)
def test_the_best_beta_need_not_be_that_of_attention(folder, value, word, best):
    """Sums of lambda_bar'(beta), which study kernel has too, and epsilon: 2|v|, or the bound of
    (5.9) near attention's beta."""
    betas = np.array([1, 0.1, 0.6, 0.9, 1.5, 4])
    words = ",".join(map(str, betas))
    found, data, said = sync(energy_beta=words, attention_value=value, **MODEL)
    assert found["theorem"].decode() == word
    assert found["beta_best"] == best and found["beta_best_theorem"] == b"applies"
    assert f"best at beta {best:g}: the theorem applies" in said
    far = np.maximum(1, betas)
    epsilon = value * np.minimum(0.5 * (betas - 1) ** 2 * far, np.sqrt(8 * far))
    epsilon = np.minimum(epsilon, 2 * value * 1.25) if value > 0 else np.full(6, -2.0 * value)
    np.testing.assert_allclose(data["beta_epsilon"], epsilon, rtol=1e-12)
    np.testing.assert_allclose(
        data["beta_rate"], epsilon + data["beta_lambda_rate_bound"], atol=1e-14
    )
    assert found["beta_best_rate"] == data["beta_rate"].min() < 0
    # at small beta lambda_bar' is lambda_bar itself, which no beta can be better than
    smallest = lambda_bar("sigmoid", 5, 0.1)
    assert data["beta_lambda_rate_bound"][1] == pytest.approx(smallest, abs=1e-6)
    assert (data["beta_lambda_rate_bound"] >= smallest - 1e-6).all()


def test_l2_is_the_gradient_flow_of_the_energy_at_twice_its_beta(folder):
    found, data, said = sync(energy_beta="2,1", attention_type="l2", **MODEL)
    assert found["epsilon"] == found["epsilon_low"] == 0
    assert found["attention_rate"] < 0 and "attention_rate_realization" not in data
    np.testing.assert_allclose(data["beta_epsilon"], [0, 0.5])
    assert "attention's 1, epsilon 0 (proved)" in said


@pytest.mark.parametrize("kind", ["usa", "sinkhorn", "causal"])
def test_where_no_bound_is_known_or_it_is_too_large_the_theorem_is_open(folder, kind):
    keys = {"causal": dict(attention_mask="causal")}.get(kind, dict(attention_type=kind))
    found, data, said = sync(energy_beta="3,0.2", **keys, **without(MODEL, "layers_depth"))
    assert found["theorem"] == b"open" and found["beta_best_theorem"] == b"open"
    assert (data["beta_applies"] == 0).all() and (data["beta_epsilon_low"] == 0).all()
    assert "best at beta" in said and "applies: it proves" not in said


def test_the_distance_of_pairs_under_noise_alone_is_exact_and_under_its_bounds(folder):
    keys = dict(MODEL, tokens_count=32, layers_depth=120, layers_horizon=4, output_every=6)
    keys.update(ensemble_realizations=500, attention_type="none")
    found, data, said = sync(energy_beta="1,0.2", **keys)
    off = (data["pair_mean"] - data["pair_exact"]) / data["pair_sem"]
    print(f"pairs off by {off.min():+.2f} to {off.max():+.2f} standard errors")
    assert np.abs(off).max() < 4
    assert (data["pair_sem"] / data["pair_mean"])[1] < 0.02
    assert (data["pair_exact"] < data["pair_bound"]).all()
    assert (data["pair_exact"] < data["beta_pair_bound"].min(axis=1)).all()
    assert found["pair_verdict"] == found["pair_bound_verdict"] == b"agrees"
    assert "pairs      at most" in said


def test_a_list_has_the_bits_of_one_rank_on_three(folder):
    keys = dict(MODEL, tokens_count=600, layers_depth=4, output_every=2, progress="off")
    keys.update(energy_beta="0.5,2", attention_type="sinkhorn", ensemble_realizations=2)
    for ranks in (1, 3):
        chorale(["sync"] + options(output_file=f"{ranks}.h5", **keys), ranks)
    assert same_bits(datasets("1.h5"), datasets("3.h5")) == []


def test_wrong_values_are_refused(folder):
    for words, message in (
        ("-energy_beta 1,701", r"energy_beta = 701: must be at most 700"),
        ("-attention_beta 701", r"attention_beta = 701: must be at most 700"),
        ("-energy_beta 1,2 -sync_map", r"energy_beta = 1,2,\.\.\.: must be one value"),
    ):
        refused(["sync", "-progress", "off"] + words.split(), message)
