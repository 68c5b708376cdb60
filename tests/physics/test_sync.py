"""Study sync from end to end: the Lyapunov exponent of the noise and of attention, the energy on its oracles and under the bound, antipodal
points of odd fields, epsilon of repulsive attention, the boundary of the phase map, same bits at any ranks and across a stop, bad input.

Statistical bounds are 4 standard errors at fixed seeds, 3 for the exponent of the noise, which are below 2% of it; the twins themselves are
held to 1e-5 where there is no noise. The energy's are about 2% of it until it has fallen by a half; test_sync.c holds it to 2% in k."""
import csv
import os
import tempfile
import unittest

import h5py
import numpy as np
from scipy import optimize, special, stats

from run import chorale, datasets, options, same_bits

NOISE = dict(attention_type="none", noise_type="spectral", scheme_type="flow")
# Gauss-Legendre on 80 intervals, a kink at 0 between two of them: E f(Z) is WEIGHT @ f(NODE)
EDGE = np.linspace(-12, 12, 81)
NODE, WEIGHT = (a.ravel() for a in ((EDGE[1:, None] + EDGE[:-1, None]) / 2 + 0.15 * np.polynomial.legendre.leggauss(16)[0],
                                    0.15 * np.broadcast_to(np.polynomial.legendre.leggauss(16)[1], (80, 16))))
WEIGHT = WEIGHT * stats.norm.pdf(NODE)
FUNCTIONS = {  # activations and their derivatives
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "gelu": (lambda z: z * stats.norm.cdf(z), lambda z: stats.norm.cdf(z) + z * stats.norm.pdf(z)),
    "silu": (lambda z: z * special.expit(z), lambda z: special.expit(z) * (1 + z * special.expit(-z))),
    "sigmoid": (special.expit, lambda z: special.expit(z) * special.expit(-z)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "erf": (special.erf, lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2))),
    "softplus": (lambda z: np.logaddexp(0, z), special.expit),
    "sin": (np.sin, np.cos),
    "identity": (lambda z: z, np.ones_like),
}


def at_one(name, d, sigma):
    """k(1) and k'(1) for both biases of standard deviation sigma."""
    root = np.sqrt(1 / d + sigma**2)
    value, derivative = (WEIGHT @ f(root * NODE) ** 2 for f in FUNCTIONS[name])
    return value + sigma**2, derivative / d


def lambda_bar(name, d, sigma):
    k, slope = at_one(name, d, sigma)
    return (d - 1) * slope - (d - 3) * k


def truncated_exponent(name, d, sigma, degree):
    """lambda1 of the kernel cut off at a degree, from k by Gauss-Hermite in two variables and c_n by Gauss-Gegenbauer."""
    nodes = 512 if name == "relu" else 40
    u, weight = special.roots_gegenbauer(nodes, (d - 2) / 2) if d > 2 else special.roots_chebyt(nodes)
    root, share = np.sqrt(1 / d + sigma**2), (u / d + sigma**2) / (1 / d + sigma**2)
    f = FUNCTIONS[name][0]
    if name == "relu":  # the kink: the arc-cosine kernel
        k = root**2 / (2 * np.pi) * (np.sqrt(1 - share**2) + share * (np.pi - np.arccos(share))) + sigma**2
    else:
        k = [(WEIGHT @ (f(root * NODE) * (f(root * (s * NODE[:, None] + np.sqrt(1 - s**2) * NODE)) @ WEIGHT))) + sigma**2 for s in share]
    total = 0
    for n in range(degree + 1):
        P = special.eval_gegenbauer(n, (d - 2) / 2, u) / special.eval_gegenbauer(n, (d - 2) / 2, 1) if d > 2 else special.eval_chebyt(n, u)
        c = (weight * k * P).sum() / (weight * P * P).sum()
        total += c * ((d - 3) / 2 * n * (n + d - 2) / (d - 1) - (d - 1) / 2)
    return total


COLUMNS = "time,energy_mean,energy_sem,energy_exact,energy_bound".split(",")


class Sync(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_sync(self, ranks=2, name="sync.h5", **keys):
        """(attributes, datasets, stdout) of a run."""
        words = options(output_file=name, output_overwrite=True, output_table="sync.csv", progress="off", **keys)
        done = chorale(["sync"] + words, ranks=ranks, cwd=self.folder.name)
        with h5py.File(self.path(name), "r") as file:
            group = file["study/sync"]
            self.stderr = done.stderr
            return dict(group.attrs), {key: value[:] for key, value in group.items()}, done.stdout

    # ---- exponents ----

    def check_noise(self, activation, dim, bias):
        """Many short runs of few tokens: the flow is isotropic, so the exponent has no transient, and what scatters is the noise of a step,
        which all tokens share. Its linear part is taken away by the study."""
        R, degree = {2: (2400, 7), 3: (1500, 6), 5: (1500, 3)}[dim]  # few harmonics scatter more
        found, data, stdout = self.run_sync(mlp_activation=activation, tokens_dim=dim, mlp_bias_u=bias, mlp_bias_w=bias, noise_degree=degree, tokens_count=16,
                                            layers_horizon=0.1, layers_depth=20, output_every=20, ensemble_realizations=R, **NOISE)
        value, sem = found["lambda1"], found["lambda1_sem"]
        exact = truncated_exponent(activation, dim, bias, degree)
        print(f"{activation}, d = {dim}, bias {bias}: lambda1 {value:.5f} +- {sem:.5f}, exact {exact:.5f}")
        self.assertAlmostEqual(found["lambda1_exact"], exact, 10)
        self.assertLess(sem, 0.005 * abs(exact))
        self.assertLess(abs(value - exact), min(3 * sem, 0.03 * abs(exact)))
        self.assertIn("lambda1", stdout)
        each = (data["growth"] - data["martingale"])[-1] / 0.1
        np.testing.assert_allclose(each, data["lambda1_realization"], rtol=1e-9)
        # the martingale has mean 0 and is most of the scatter
        free = data["martingale"][-1]
        self.assertLess(abs(free.mean()), 4 * free.std(ddof=1) / np.sqrt(R))
        self.assertGreater(data["growth"][-1].std(), 3 * each.std() * 0.1)

    def test_noise_exponents(self):
        for activation, dim in (("relu", 3), ("relu", 5), ("tanh", 2), ("sigmoid", 5)):
            for bias in (0, 0.1):
                self.check_noise(activation, dim, bias)

    def test_attention_exponent(self):
        """Tokens that have all but met, no noise: twins close in by v, e^beta v for usa, whatever the scheme."""
        for kind, beta, expected in (("softmax", 1, -0.8), ("usa", 0.5, -0.8 * np.exp(0.5)), ("sinkhorn", 2, -0.8), ("l2", 1, -0.8)):
            for value in (0.8, -0.8):
                found, data, _ = self.run_sync(
                    tokens_init="vmf", tokens_kappa=1e8, tokens_count=20, tokens_dim=4, attention_type=kind, attention_beta=beta, attention_value=value,
                    noise_type="none", scheme_type="flow", layers_depth=40, layers_horizon=1)
                self.assertAlmostEqual(found["lambda1"], np.sign(value) * expected, 5)
                self.assertAlmostEqual(found["lambda1_cluster"], np.sign(value) * expected, 12)
                np.testing.assert_allclose(data["growth_mean"], found["lambda1"] * data["time"], atol=1e-5)

    def test_jacobian(self):
        """Twins of a cloud against the Jacobian of the step in the frozen measure, by differences in numpy: one euler step."""
        rng = np.random.default_rng(3)
        x = rng.normal(size=(12, 3))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        np.save(self.path("x.npy"), x)
        step, beta, value = 0.3, 1.5, 1.2
        found, _, _ = self.run_sync(tokens_init="file", tokens_file="x.npy", attention_beta=beta, attention_value=value, noise_type="none", scheme_type="euler",
                                    layers_depth=1, layers_horizon=step)

        def move(y):
            weight = np.exp(beta * (x @ y))
            drift = value * weight @ x / weight.sum()
            y = y + step * (drift - (drift @ y) * y)
            return y / np.linalg.norm(y)

        # every direction's stretch lies between the smallest and the largest singular value at its token
        low, high = [], []
        for y in x:
            tangent = np.linalg.svd(y[None])[2][1:]
            columns = [(move((y + 1e-6 * e) / np.linalg.norm(y + 1e-6 * e)) - move((y - 1e-6 * e) / np.linalg.norm(y - 1e-6 * e))) / 2e-6 for e in tangent]
            singular = np.linalg.svd(np.array(columns), compute_uv=False)
            low.append(np.log(singular[-1]) / step)
            high.append(np.log(singular[0]) / step)
        self.assertLess(np.mean(high) - np.mean(low), 1.2)
        self.assertTrue(np.mean(low) - 1e-4 <= found["lambda1"] <= np.mean(high) + 1e-4, (np.mean(low), found["lambda1"], np.mean(high)))

    # ---- energy ----

    def check_energy(self, data, until):
        inside = data["time"] <= until
        off = (data["energy_mean"] - data["energy_exact"])[inside] / data["energy_sem"][inside]
        print(f"energy off by {off.min():+.2f} to {off.max():+.2f} standard errors at {inside.sum()} times")
        self.assertLess(np.abs(off).max(), 4)
        self.assertLess((data["energy_sem"] / data["energy_mean"])[1], 0.02)

    def test_energy_of_noise(self):
        found, data, stdout = self.run_sync(tokens_count=32, tokens_dim=5, mlp_activation="sigmoid", layers_depth=120, layers_horizon=4,
                                            output_every=6, ensemble_realizations=500, **NOISE)
        self.check_energy(data, 4)
        self.assertEqual(len(data["time"]), 21)
        above = (data["energy_mean"] - data["energy_bound"]) / data["energy_sem"]
        self.assertLess(above.max(), 4)
        self.assertLess(found["lambda_bar"], 0)
        np.testing.assert_allclose(data["energy_bound"], data["energy_exact"][0] * np.exp(found["lambda_rate_bound"] * data["time"]), rtol=1e-12)
        self.assertTrue(found["lambda_rate"] <= found["lambda_rate_bound"] <= found["lambda_rate"] + 1e-8)
        # the rate of the exact curve lies in the interval widened to 4 standard errors
        self.assertGreater(found["decay_exact"], found["decay"] - 2.04 * (found["decay"] - found["decay_low"]))
        self.assertLess(found["decay_exact"], found["decay"] + 2.04 * (found["decay_high"] - found["decay"]))
        self.assertGreater(found["decay"], -found["lambda_rate"])
        self.assertLess(found["lambda1_sem"], 0.01 * abs(found["lambda1_exact"]))  # long runs, tokens that have all but met
        self.assertLess(abs(found["lambda1"] - found["lambda1_exact"]), 4 * found["lambda1_sem"])
        self.assertIn("proves synchronization", stdout)
        with open(self.path("sync.csv"), newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(list(rows[0]), COLUMNS)
        np.testing.assert_array_equal([float(row["energy_mean"]) for row in rows], data["energy_mean"])

    def test_energy_of_two_tokens(self):
        for value in (1, -1):
            _, data, _ = self.run_sync(tokens_count=2, tokens_dim=5, mlp_activation="sigmoid", attention_type="softmax", attention_value=value,
                                       layers_depth=60, layers_horizon=1.5, output_every=6, ensemble_realizations=3000, noise_type="spectral",
                                       scheme_type="heun", sync_twins=0)
            self.assertNotIn("growth_mean", data)
            self.check_energy(data, 1.5)

    def test_oracle_that_fails(self):
        """Far beyond what the two-token diffusion is solved for: a warning before the run, and all results."""
        keys = dict(tokens_count=2, attention_value=-1e6, noise_type="spectral", noise_degree=6, layers_depth=5, layers_horizon=5, ensemble_realizations=2,
                    sync_twins=0)
        for ranks in (1, 2):
            _, data, _ = self.run_sync(ranks=ranks, **keys)
            lines = [line for line in self.stderr.splitlines() if line.startswith("chorale")]
            self.assertEqual(len(lines), 1, self.stderr)
            self.assertIn("attention_value = -1e+06", lines[0])
            self.assertFalse(np.isnan(data["energy_exact"][0]))
            self.assertTrue(np.isnan(data["energy_exact"][1:]).all())
            self.assertFalse(np.isnan(data["energy_mean"]).any())

    def test_one_realization(self):
        found, data, stdout = self.run_sync(tokens_count=8, tokens_dim=5, mlp_activation="sigmoid", layers_depth=60, layers_horizon=8, **NOISE)
        self.assertTrue(np.isnan(data["energy_sem"]).all())
        self.assertFalse(np.isnan(found["decay"]))
        self.assertTrue(all(np.isnan(found[key]) for key in ("decay_low", "decay_high", "lambda1_sem")))
        self.assertIn("interval not known", stdout)
        self.assertNotIn("nan", stdout)

    def test_clusters_without_twins(self):
        """Tokens count, up to 4096 of them, whatever stands beside them: in d = 16 none are neighbours."""
        keys = dict(tokens_count=2100, tokens_dim=16, attention_type="none", noise_type="none", scheme_type="euler", layers_depth=1)
        for twins in ("auto", 0):
            _, data, _ = self.run_sync(sync_twins=twins, **keys)
            np.testing.assert_array_equal(data["clusters_mean"], [2100, 2100])
            np.testing.assert_allclose(data["order_mean"], np.full(2, data["order_mean"][0]), rtol=1e-12)

    def test_no_oracle(self):
        found, data, _ = self.run_sync(tokens_count=8, layers_depth=4, layers_horizon=0.1, mlp_width=16, mlp_activation="relu", ensemble_realizations=2)
        self.assertTrue(np.isnan(data["energy_exact"]).all() and np.isnan(data["energy_bound"]).all())
        self.assertEqual(found["epsilon"], 0)
        self.assertLess(found["attention_rate"], 0)
        with open(self.path("sync.csv"), newline="") as file:
            self.assertTrue(all(row["energy_exact"] == row["energy_bound"] == "" for row in csv.DictReader(file)))

    # ---- attractors ----

    def test_odd_fields(self):
        keys = dict(tokens_count=24, tokens_dim=2, layers_horizon=40, layers_depth=320, output_every=320, ensemble_realizations=200, noise_degree=7,
                    sync_twins=0, **NOISE)
        found, data, stdout = self.run_sync(mlp_activation="tanh", **keys)
        self.assertEqual(found["antipodal"], 1)
        self.assertIn("its own attractor is two antipodal points", stdout)
        caps = data["caps"]
        np.testing.assert_allclose(caps.sum(axis=1), 1, atol=1e-12)
        split = caps[caps[:, 2] < 1e-9, 0]
        print(f"{len(split)} of 200 realizations in two points, share of the larger {split.mean():.4f}")
        self.assertGreater(len(split), 150)
        # x and -x are equally likely starts: tokens choose their point by fair coins
        heads = np.arange(25)
        share = np.maximum(heads, 24 - heads) / 24
        coin = stats.binom.pmf(heads, 24, 0.5)
        mean = coin @ share
        sem = np.sqrt((coin @ share**2 - mean**2) / len(split))
        self.assertLess(abs(split.mean() - mean), 4 * sem)
        # a bias or another activation: one point
        for activation, bias in (("tanh", 0.3), ("relu", 0)):
            found, data, stdout = self.run_sync(mlp_activation=activation, mlp_bias_w=bias, **{**keys, "ensemble_realizations": 4})
            self.assertEqual(found["antipodal"], 0)
            self.assertNotIn("caps", data)
            self.assertNotIn("antipodal", stdout)
        _, _, stdout = self.run_sync(mlp_activation="tanh", tokens_count=8, layers_depth=2, layers_horizon=0.1)
        self.assertIn("its own attractor, without the attention, is two antipodal points", stdout)

    # ---- epsilon ----

    def test_epsilon(self):
        """v = -1 without noise: the energy's growth rate along the run, against numpy."""
        rng = np.random.default_rng(5)
        x = rng.normal(size=(40, 4)) + [1, 0, 0, 0]
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        np.save(self.path("x.npy"), x)
        beta, depth, horizon, every = 2.0, 12, 1.5, 8
        for kind, engine in (("softmax", "direct"), ("softmax", "moments"), ("usa", "direct"), ("l2", "direct"), ("l2", "moments")):
            found, data, stdout = self.run_sync(tokens_init="file", tokens_file="x.npy", attention_type=kind, attention_engine=engine, attention_beta=beta,
                                                attention_value=-1, noise_type="none", scheme_type="euler", layers_depth=depth, layers_horizon=horizon,
                                                output_every=every)
            y, rates, pushes = x.copy(), [], []
            for _ in range(depth + 1):
                kernel = np.exp(beta * y @ y.T)
                logits = kernel**2 if kind == "l2" else kernel
                drift = -logits @ y / (len(y) if kind == "usa" else logits.sum(axis=1, keepdims=True))
                drift -= np.sum(drift * y, axis=1, keepdims=True) * y
                energy = 0.5 * (np.exp(beta) - kernel.mean())
                # dE = -1/2 beta / N^2 sum_ij k_ij (<dx_i, x_j> + <x_i, dx_j>)
                pushes.append(-0.5 * beta * np.mean(kernel * (drift @ y.T + y @ drift.T)))
                rates.append(pushes[-1] / energy)
                y = y + horizon / depth * drift
                y /= np.linalg.norm(y, axis=1, keepdims=True)
            np.testing.assert_allclose(data["attention_push_mean"], np.array(pushes)[[0, 8, 12]], rtol=1e-9)
            self.assertAlmostEqual(found["attention_rate"], max(rates), 9)
            self.assertGreater(found["attention_rate"], 0)
            # the supremum over all measures: tokens that have nearly met
            self.assertAlmostEqual(found["epsilon"], 2 * (np.exp(beta) if kind == "usa" else 1), 12)
            self.assertEqual(found["epsilon_low"], found["epsilon"])
            np.testing.assert_allclose(data["attention_rate_realization"], max(rates), rtol=1e-9)
            self.assertIn("in this run", stdout)

    def test_verdict(self):
        keys = dict(tokens_dim=5, tokens_count=16, mlp_activation="sigmoid", noise_type="spectral", scheme_type="flow", layers_depth=40, layers_horizon=2,
                    ensemble_realizations=60, sync_twins=0)
        for kind, value, word in (("softmax", -0.1, "applies"), ("softmax", -1, "does not apply"), ("l2", -0.1, "applies"), ("l2", 0.1, "applies"),
                                  ("l2", 1, "open"), ("sinkhorn", 1, "open"), ("usa", 1, "applies")):
            found, data, stdout = self.run_sync(attention_type=kind, attention_value=value, **keys)
            self.assertEqual(found["theorem"].decode(), word)
            self.assertIn({"applies": "it proves synchronization", "does not apply": "neither proves nor excludes", "open": "open: "}[word], stdout)
            self.assertLessEqual(found["epsilon_low"], found["epsilon"])
            self.assertLessEqual(found["attention_rate"], found["epsilon"])
            if value < 0:
                self.assertAlmostEqual(found["epsilon"], -2 * value, 12)
            self.assertTrue((data["energy_mean"] < data["energy_bound"] + 4 * data["energy_sem"]).all())
            rate = found["epsilon"] + found["lambda_rate_bound"]
            self.assertEqual(rate < 0, word == "applies")
            np.testing.assert_allclose(data["energy_bound"][1:] / data["energy_bound"][0], np.exp(rate * data["time"][1:]), rtol=1e-12)

    # ---- map ----

    def test_boundary(self):
        """sigma with lambda_bar = 0 against another quadrature and root finder, all activations; there is never more than one."""
        functions = FUNCTIONS
        biases = (0, 0.2)
        _, data, stdout = self.run_sync(sync_map=True, mlp_activation=",".join(functions), tokens_dim="3,4,5,12", kernel_bias=",".join(map(str, biases)))
        with open(self.path("sync.csv"), newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(list(rows[0]), "activation,dim,bias_u,bias_w,lambda1,lambda_bar,lambda_rate,boundary".split(","))
        self.assertEqual(len(rows), 10 * 4 * 2)
        for row in rows:
            name, d = row["activation"], int(row["dim"])
            if float(row["bias_u"]) > 0:
                self.assertAlmostEqual(float(row["lambda_bar"]), lambda_bar(name, d, float(row["bias_u"])), 9)
                continue
            changes = np.diff(np.sign([lambda_bar(name, d, sigma) for sigma in np.linspace(0, 2, 101)])).nonzero()[0]
            if d == 3 or name in ("sigmoid", "softplus"):  # one sign for all sigma
                self.assertEqual(len(changes), 0)
                self.assertEqual(row["boundary"], "")
                self.assertIn(f"{name}, d = {d}: none, lambda_bar {'>' if d == 3 else '<'} 0", stdout)
                continue
            self.assertEqual(len(changes), 1)
            root = optimize.brentq(lambda s: lambda_bar(name, d, s), 1e-3, 2, xtol=1e-12)
            self.assertLess(abs(float(row["boundary"]) / root - 1), 1e-7, (name, d))
        self.assertEqual(len(data["boundary"]), len(rows))

    # ---- bits ----

    def test_same_bits(self):
        cases = {
            "softmax": dict(tokens_count=300, tokens_dim=3, attention_value=-0.5, noise_type="spectral", noise_degree=5, scheme_type="flow"),
            "quadrature": dict(tokens_count=450, tokens_dim=3, tokens_init="quadrature", attention_type="sinkhorn", mlp_width=32, scheme_type="heun", sync_twins=100),
            "odd": dict(tokens_count=50, tokens_dim=5, attention_type="none", mlp_activation="tanh", noise_type="spectral", noise_degree=5, scheme_type="euler"),
        }
        common = dict(layers_depth=9, layers_horizon=0.5, output_every=4, ensemble_realizations=3)
        for name, case in cases.items():
            self.run_sync(ranks=1, **common, **case)
            reference = datasets(self.path("sync.h5"))
            self.assertIn("study/sync/energy", reference)
            for ranks, groups in ((2, 1), (3, "auto"), (4, 2)):
                self.run_sync(ranks=ranks, ensemble_groups=groups, **common, **case)
                self.assertEqual(same_bits(reference, datasets(self.path("sync.h5"))), [], (name, ranks, groups))

    # ---- bad input ----

    def test_bad_input(self):
        for words, expected in (
            (["-tokens_dim", "3,5"], "tokens_dim"),
            (["-mlp_activation", "relu,tanh"], "mlp_activation"),
            (["-kernel_bias", "0.1"], "kernel_bias"),
            (["-sync_twins", "65"], "sync_twins"),
            (["-sync_twins", "-1"], "sync_twins"),
            (["-sync_map", "-tokens_dim", "3,1"], "tokens_dim"),
            (["-sync_map", "-layers_depth", "1,2"], "layers_depth"),
            (["-sync_mapp"], "sync_map"),
        ):
            for ranks in (1, 3) if expected == "tokens_dim" else (1,):
                done = chorale(["sync", "-output_file", "bad.h5", "-progress", "off"] + words, ranks=ranks, cwd=self.folder.name, check=False)
                lines = [line for line in done.stderr.splitlines() if line.startswith("chorale: ")]
                self.assertEqual(done.returncode, 2, (words, done.stderr))
                self.assertEqual(len(lines), 1, done.stderr)
                self.assertIn(expected, lines[0])
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_dry_run(self):
        for words in (["-tokens_count", "32"], ["-sync_map", "-tokens_dim", "3,5"]):
            done = chorale(["sync", "-dry_run"] + words, cwd=self.folder.name)
            self.assertIn("sync.h5", done.stdout)
        self.assertEqual(os.listdir(self.folder.name), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
