"""Study kernel from end to end: the paper's table, the reference kernels, decks with lists, the same bytes at any rank count."""
import csv
import os
import tempfile
import unittest

from run import chorale, options

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
FIXED = "activation,dim,bias_u,bias_w,beta,k1,kp1,lambda1,lambda_bar,lambda_rate".split(",")


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def law(row):
    return row["activation"], int(row["dim"]), float(row["bias_u"]), float(row["bias_w"])


class KernelStudy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_table(self, name, *words, ranks=1, **keys):
        keys["output_table"] = self.path(name)
        done = chorale(["kernel", *words, *options(**keys)], ranks=ranks, cwd=self.folder.name)
        with open(self.path(name), "rb") as file:
            return done, rows(self.path(name)), file.read()

    def test_paper_table(self):
        keys = dict(mlp_activation="relu,silu,sigmoid,tanh", tokens_dim="5,64,128", kernel_bias="0,0.1")
        done, table, content = self.run_table("one.csv", **keys)
        self.assertEqual(list(table[0]), FIXED)
        self.assertIn("lambda_bar", done.stdout)
        self.assertEqual(self.run_table("three.csv", ranks=3, **keys)[2], content)
        expected = {law(row): row for row in rows(os.path.join(DATA, "table1.csv"))}
        self.assertEqual(len(table), 24)
        self.assertEqual({law(row) for row in table}, set(expected))
        for row in table:
            for name in ("k1", "kp1", "lambda1", "lambda_bar"):
                value = float(expected[law(row)][name])
                self.assertLessEqual(abs(float(row[name]) - value), 1e-9 * abs(value), (law(row), name))
            self.assertGreaterEqual(float(row["lambda_rate"]), float(row["lambda_bar"]) - 1e-12)
        # only results on disk: the study writes no HDF5 file
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["one.csv", "three.csv"])

    def test_reference_kernels(self):
        laws = {}
        for row in rows(os.path.join(DATA, "kernel.csv")):
            laws.setdefault(law(row), []).append((row["quantity"], float(row["index"]), float(row["value"])))
        for (activation, dim, bias_u, bias_w), values in laws.items():
            betas = [index for quantity, index, _ in values if quantity == "rate"]
            _, table, _ = self.run_table(
                "law.csv", mlp_activation=activation, tokens_dim=dim, mlp_bias_u=bias_u, mlp_bias_w=bias_w,
                attention_beta=",".join(map(str, betas)), kernel_degree=8)
            self.assertEqual(list(table[0]), FIXED + [f"c{n}" for n in range(9)])
            self.assertEqual([float(row["beta"]) for row in table], betas)
            k1 = float(table[0]["k1"])
            for quantity, index, value in values:
                if quantity == "rate":
                    found = next(float(row["lambda_rate"]) for row in table if float(row["beta"]) == index)
                elif quantity == "c":
                    found = float(table[0][f"c{int(index)}"])
                elif index == 1:
                    found = k1
                else:
                    continue  # k(u) inside the interval is not a column; tests/test_kernel.c compares it
                self.assertLessEqual(abs(found - value), 1e-7 * k1, (activation, dim, quantity, index))

    def test_deck_with_lists(self):
        with open(self.path("deck.yaml"), "w") as file:
            file.write("mlp:\n  activation: [tanh, relu]\n  bias_u: 0.3\n  bias_w: 0.2\n"
                       "tokens:\n  dim: [7, 3]\nattention:\n  beta: [0.5, 2]\nkernel:\n  degree: 2\n")
        _, table, content = self.run_table("deck.csv", self.path("deck.yaml"))
        order = [(row["activation"], int(row["dim"]), float(row["beta"])) for row in table]
        self.assertEqual(order, [(a, d, b) for a in ("tanh", "relu") for d in (7, 3) for b in (0.5, 2.0)])
        self.assertEqual({(row["bias_u"], row["bias_w"]) for row in table}, {(table[0]["bias_u"], table[0]["bias_w"])})
        self.assertEqual((float(table[0]["bias_u"]), float(table[0]["bias_w"])), (0.3, 0.2))
        self.assertEqual(self.run_table("again.csv", self.path("deck.yaml"), ranks=3)[2], content)
        # kernel_bias overrides both standard deviations; options override decks
        _, table, _ = self.run_table("bias.csv", self.path("deck.yaml"), kernel_bias="0,0.4", tokens_dim=2)
        order = [(row["activation"], int(row["dim"]), float(row["bias_u"]), float(row["bias_w"]), float(row["beta"]))
                 for row in table]
        self.assertEqual(order, [(a, 2, s, s, b) for a in ("tanh", "relu") for s in (0.0, 0.4) for b in (0.5, 2.0)])

    def test_defaults(self):
        _, table, _ = self.run_table("plain.csv")
        self.assertEqual(list(table[0]), FIXED)
        self.assertEqual(len(table), 1)
        self.assertEqual((law(table[0]), float(table[0]["beta"])), (("relu", 3, 0.0, 0.0), 1.0))

    def test_dry_run(self):
        done = chorale(["kernel", *options(tokens_dim="2,3,4", kernel_bias="0,1", dry_run=True,
                                           output_table=self.path("dry.csv"))], ranks=2, cwd=self.folder.name)
        self.assertIn("6 rows", done.stdout)
        self.assertIn("kernel_bias", done.stdout)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_bad_lists(self):
        for ranks, key, value in ((1, "tokens_dim", "3,1"), (3, "kernel_bias", "0,-0.1"),
                                  (3, "mlp_activation", "relu,rely"), (1, "mlp_bias_u", "0,1")):
            done = chorale(["kernel", *options(**{key: value})], ranks=ranks, cwd=self.folder.name, check=False)
            self.assertEqual(done.returncode, 2, (key, value, done.stderr))
            lines = [line for line in done.stderr.splitlines() if line.startswith("chorale:")]
            self.assertEqual(len(lines), 1, done.stderr)
            self.assertIn(key, lines[0])


if __name__ == "__main__":
    unittest.main()
