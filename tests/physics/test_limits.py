"""Study limits from end to end: errors of order 1/L and 1/m with both couplings and none without, the numbers of the table from the samples,
gram noise at d = 64, commuting limits, the same bits on any ranks, and lists that must be refused."""
import csv
import os
import tempfile
import unittest

import h5py
import numpy as np

from run import chorale, datasets, options, same_bits

SMALL = dict(tokens_count=16, tokens_dim=3, layers_horizon=0.5, noise_degree=6, progress="off")


def relative_fit(depth, width, error, floor):
    """Least squares a/L + b/m (+ c), every error relative to its size: the coefficients and R^2."""
    a = np.column_stack([1 / depth, 1 / width] + ([np.ones_like(depth)] if floor else []))
    c = np.linalg.lstsq(a / error[:, None], np.ones_like(error), rcond=None)[0]
    w = 1 / error**2
    mean = (w * error).sum() / w.sum()
    return c, 1 - (w * (error - a @ c) ** 2).sum() / (w * (error - mean) ** 2).sum()


def datasets_of(file):
    found = []
    file.visititems(lambda name, item: found.append((name, item[()])) if isinstance(item, h5py.Dataset) else None)
    return found


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


class Limits(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_study(self, name, ranks=2, **keys):
        """The file's /study/limits: attributes, samples, and the columns by name."""
        done = chorale(["limits"] + options(**{**SMALL, **keys, "output_file": name + ".h5", "output_table": name + ".csv"}),
                       ranks=ranks, cwd=self.folder.name)
        with h5py.File(self.path(name + ".h5"), "r") as file:
            group = file["study/limits"]
            return done, dict(group.attrs), {key: group[key][()] for key in group}

    def check_numbers(self, name, attributes, found):
        """The table, its CSV and the fits are those of the samples."""
        samples = found["samples"].reshape(len(found["samples"]), -1)
        R = len(samples)
        np.testing.assert_allclose(found["error"], samples.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found["sem"], samples.std(axis=0, ddof=1) / np.sqrt(R), rtol=1e-10)
        with open(self.path(name + ".csv"), newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(list(rows[0]), ["tokens", "depth", "width", "error", "sem"])
        for key in rows[0]:
            np.testing.assert_array_equal([float(row[key]) for row in rows], found[key])
        largest = found["tokens"] == found["tokens"].max()
        depth, width, error = found["depth"][largest], found["width"][largest], found["error"][largest]
        infinite, deepest = np.isinf(width), depth == depth.max()
        self.assertAlmostEqual(attributes["slope_depth"], slope(depth[infinite], error[infinite]), 10)
        floor = error[infinite & deepest]
        self.assertAlmostEqual(attributes["slope_width"], slope(width[deepest & ~infinite], error[deepest & ~infinite] - floor), 10)
        (a, b), r2 = relative_fit(depth, width, error, False)
        np.testing.assert_allclose([attributes["fit_depth"], attributes["fit_width"], attributes["fit_r2"]], [a, b, r2], rtol=1e-9)
        for key in ("slope_depth", "slope_width", "fit_depth", "fit_width"):
            self.assertLess(attributes[key + "_low"], attributes[key])
            self.assertGreater(attributes[key + "_high"], attributes[key])

    def test_rates(self):
        # intervals of the slopes are about +- 0.05
        keys = dict(layers_depth="4,8,16,32", mlp_width="32,128,1024,inf")
        for name, more in (("tokens", dict(mlp_activation="relu", noise_degree=10, ensemble_realizations=96)),
                           ("harmonics", dict(mlp_activation="silu", noise_degree=4, limits_coupling="harmonics", attention_value=-1,
                                              mlp_bias_u=0.2, mlp_bias_w=0.1, ensemble_realizations=96)),
                           ("five", dict(tokens_dim=5, tokens_count=32, mlp_activation="relu", noise_degree=4, layers_horizon=1, ensemble_realizations=40))):
            done, attributes, found = self.run_study(name, **{**keys, **more})
            self.assertIn("slope in L", done.stdout)
            for key in ("slope_depth", "slope_width"):
                print(f"{name}: {key} {attributes[key]:.3f} [{attributes[key + '_low']:.3f}, {attributes[key + '_high']:.3f}]")
                self.assertLess(abs(attributes[key] + 1), 0.15)
                self.assertLess(attributes[key + "_high"] - attributes[key + "_low"], 0.3)
            print(f"{name}: R^2 = {attributes['fit_r2']:.4f}")
            self.assertGreater(attributes["fit_r2"], 0.98)
            self.check_numbers(name, attributes, found)

    def test_stops_at_once(self):
        """Where layers of all depths end together only at the end: one step and no more, checkpoints every so many steps, and the same bits."""
        keys = dict(SMALL, tokens_count=8, layers_depth="7,11,13", limits_reference=1001, mlp_width="8,inf", noise_degree=2, ensemble_realizations=2)
        words = ["limits"] + options(**keys, output_file="cut.h5")
        done = chorale(words + options(checkpoint_walltime=1e-9, ensemble_groups=1), ranks=2, cwd=self.folder.name, check=False)
        self.assertEqual(done.returncode, 85, done.stderr)
        with h5py.File(self.path("cut/checkpoint.h5"), "r") as file:
            steps = [value for name, value in datasets_of(file) if name.endswith("step")]
        self.assertEqual([list(step) for step in steps], [[1, 0]])
        done = chorale(words + options(checkpoint_resume=True, checkpoint_walltime=0.1), cwd=self.folder.name, check=False)
        self.assertIn(done.returncode, (0, 85), done.stderr)
        chorale(words + options(checkpoint_resume=True), ranks=3, cwd=self.folder.name)
        chorale(["limits"] + options(**keys, output_file="whole.h5"), cwd=self.folder.name)
        self.assertEqual(same_bits(datasets(self.path("cut.h5")), datasets(self.path("whole.h5"))), [])

    def test_one_realization(self):
        done, attributes, found = self.run_study("one", layers_depth="2,4", mlp_width="8,16,inf")
        self.assertTrue(np.isnan(found["sem"]).all())
        for key in ("slope_depth", "slope_width", "fit_depth", "fit_width", "fit_r2"):
            self.assertFalse(np.isnan(attributes[key]))
            self.assertTrue(np.isnan(attributes[key + "_low"]) and np.isnan(attributes[key + "_high"]))
        self.assertIn("[interval not known]", done.stdout)
        self.assertNotIn("nan", done.stdout)
        with open(self.path("one.csv"), newline="") as file:
            self.assertTrue(all(row["sem"] == "" for row in csv.DictReader(file)))

    def test_uncoupled(self):
        """Weights of their own: the error does not know m, and is that of two independent systems."""
        keys = dict(layers_depth="32", mlp_width="32,512,inf", ensemble_realizations=100, mlp_activation="relu")
        errors = {kind: self.run_study(kind, limits_coupling=kind, **keys)[2]["error"] for kind in ("none", "tokens")}
        print("uncoupled", errors["none"], "coupled", errors["tokens"])
        self.assertGreater(errors["none"][1], 0.8 * errors["none"][0])
        self.assertGreater(errors["none"][1], 50 * errors["tokens"][1])
        self.assertLess(errors["tokens"][1], 0.15 * errors["tokens"][0])
        self.assertEqual(errors["none"][2], errors["tokens"][2])  # infinite width takes the field itself

    def test_gram_in_many_dimensions(self):
        _, attributes, found = self.run_study("gram", tokens_dim=64, tokens_count=24, noise_degree=-1, layers_depth="4,8,16",
                                              mlp_width="64,1024,inf", ensemble_realizations=16, limits_reference=64)
        print("d = 64:", attributes["slope_depth"], attributes["slope_width"])
        with h5py.File(self.path("gram.h5"), "r") as file:
            self.assertEqual(file["parameters"].attrs["noise_type"], b"gram" if isinstance(file["parameters"].attrs["noise_type"], bytes) else "gram")
        self.assertLess(abs(attributes["slope_width"] + 1), 0.15)
        self.assertLess(abs(attributes["slope_depth"] + 1), 0.15)
        self.assertGreater(attributes["fit_r2"], 0.98)
        self.check_numbers("gram", attributes, found)

    def test_commuting(self):
        """Fewer tokens than the limit SDE has: every limit lowers the error, whatever the others are. (More layers have more times for
        the maximum: with few tokens, whose error is not one of depth, it rises.)"""
        _, _, found = self.run_study("commute", tokens_count="4,64,16", layers_depth="16,4", mlp_width="inf,32,512",
                                     ensemble_realizations=64, attention_beta=2, attention_value=3)
        self.assertEqual(list(found["tokens"][::6]), [4, 64, 16])
        self.assertEqual(list(found["depth"][:6]), [16] * 3 + [4] * 3)
        self.assertEqual(list(found["width"][:3]), [np.inf, 32, 512])
        error = found["error"].reshape(3, 2, 3)[np.ix_([0, 2, 1], [1, 0], [1, 2, 0])]  # ascending
        print(error)
        for axis, part in ((0, error), (2, error), (1, error[2:])):
            self.assertTrue((np.diff(part, axis=axis) < 0).all(), (axis, error))
        floor, width = found["fit_floor_tokens"], found["fit_width_tokens"]
        self.assertEqual(tuple(floor[1]), (0, 0, 0))
        self.assertGreater(floor[0, 1], floor[2, 2])  # 4 tokens against 16
        self.assertTrue((width[:, 1] > 0).all())

    def test_same_bits(self):
        keys = dict(tokens_count="300,16", layers_depth="2,4", limits_reference=8, mlp_width="16,inf", ensemble_realizations=3, noise_degree=3)
        reference = None
        for ranks, groups in ((1, 1), (2, 1), (2, 2), (3, 3), (4, 2), (4, 4)):
            for more in (dict(), dict(limits_coupling="harmonics"), dict(noise_type="gram", tokens_count="24,16")):
                name = "-".join(map(str, (ranks, groups, *more.values()))).replace(",", "_")
                done = chorale(["limits"] + options(**{**SMALL, **keys, **more, "ensemble_groups": groups, "output_file": name + ".h5"}),
                               ranks=ranks, cwd=self.folder.name)
                found = datasets(self.path(name + ".h5"))
                self.assertIn("study/limits/samples", found)
                kind = str(more)
                reference = reference or {}
                self.assertEqual(same_bits(reference.setdefault(kind, found), found), [], (ranks, groups, more))
                self.assertNotIn("nan", done.stdout)
        # the deck of the file runs again to the same bits
        with h5py.File(self.path("1-1.h5"), "r") as file:
            deck = [item for item in file["parameters"].values() if isinstance(item, h5py.Dataset)][0][()]
        with open(self.path("again.yaml"), "wb") as file:
            file.write(deck if isinstance(deck, bytes) else deck.encode())
        chorale(["limits", "again.yaml"] + options(output_file="again.h5", ensemble_groups="auto"), ranks=2, cwd=self.folder.name)
        self.assertEqual(same_bits(reference["{}"], datasets(self.path("again.h5"))), [])

    def test_dry_run(self):
        done = chorale(["limits"] + options(**{**SMALL, "layers_depth": "4,8", "mlp_width": "8,inf", "dry_run": True}), ranks=2, cwd=self.folder.name)
        for text in ("limits_reference", "64", "4 transformers", "24 layers", "MB", "heun", "limits.h5"):
            self.assertIn(text, done.stdout)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_refusals(self):
        cases = [
            (dict(layers_depth="4,6", limits_reference=32), "layers_depth = 6"),
            (dict(layers_depth="8,4", limits_reference=4), "layers_depth = 8"),
            (dict(layers_depth="4,8,4"), "layers_depth"),
            (dict(layers_depth="4,0"), "layers_depth"),
            (dict(mlp_width="8,inf,8"), "mlp_width"),
            (dict(mlp_width="inf,inf"), "mlp_width"),
            (dict(mlp_width="8,infinite"), "mlp_width"),
            (dict(mlp_width="0"), "mlp_width"),
            (dict(tokens_count="16,16"), "tokens_count"),
            (dict(tokens_count="32,72", tokens_init="quadrature"), "tokens_count"),
            (dict(limits_coupling="token"), "limits_coupling"),
            (dict(noise_type="mlp"), "noise_type = mlp"),
            (dict(noise_type="none"), "noise_type = none"),
            (dict(noise_type="gram", limits_coupling="harmonics"), "limits_coupling = harmonics"),
            (dict(noise_type="gram", tokens_count=2048), "tokens_count"),
            (dict(noise_type="gram", tokens_count=256, tokens_dim=64, layers_depth="8,16,32,64,128", mlp_width="32,64,128,256,512,1024,inf", noise_degree=-1),
             "tokens_count = 256, 5 values of layers_depth, 7 of mlp_width: noise_type gram would be asked for at 9984 points per draw"),
            (dict(scheme_type="layer"), "scheme_type = layer"),
            (dict(tokens_count=4096, layers_depth="2", mlp_width="4"), "tokens_count = 4096"),
        ]
        for i, (case, text) in enumerate(cases):
            self.refused(["limits"] + options(**{**SMALL, **case}), text, 1 + 2 * (i % 3 == 0))
        # what only limits takes
        self.refused(["simulate"] + options(mlp_width="inf"), "mlp_width = inf", 1)
        self.refused(["simulate"] + options(noise_type="spectral", mlp_width="64,inf"), "mlp_width", 1)
        self.refused(["simulate"] + options(limits_reference=8), "limits_reference", 1)

    def refused(self, words, text, ranks):
        done = chorale(words, ranks=ranks, cwd=self.folder.name, check=False)
        self.assertEqual(done.returncode, 2, (words, done.stdout, done.stderr))
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale:")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(text, lines[0])
        self.assertEqual(os.listdir(self.folder.name), [])


if __name__ == "__main__":
    unittest.main()
