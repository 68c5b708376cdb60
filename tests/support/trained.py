"""Layers of trained transformers in the layouts of other programs, plainly evaluated there; and the
fields of a file of weights, by what input/README.md says of it."""

import json
import math

import numpy as np


def layer_norm(x, scale, shift, eps):
    mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * scale + shift


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def relu(x):
    return np.maximum(x, 0)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def heads_of(query, key, value, count, scale):
    """Outputs of all heads side by side."""
    split = (np.split(part, count, axis=1) for part in (query, key, value))
    return np.hstack([softmax(scale * q @ k.T) @ v for q, k, v in zip(*split)])


class TensorFlow:
    """A random model of two layers with norms in front, the first of which widens."""

    EPS, HEADS, WIDTHS, HIDDEN = 1e-6, 3, (8, 12), 20
    PIECES = ["<s>", "\u2581the", "\u2581and", "ing", "\u2581city", "\u2581war", "\u2581one"]
    AT = "module/Encoder/TransformerStack/Layer_{}/TransformerLayer/"

    def __init__(self, seed=1):
        self.rng, self.weights = np.random.default_rng(seed), {}
        self.add("module/Embeddings_en", len(self.PIECES), self.WIDTHS[0])
        self.add("Encode/TimingSignal/ExpandDims_1", 1, self.WIDTHS[0] // 2)
        self.put("TransformerLayer/FFN/layer_prepostprocess/layer_norm/Cast/x", self.EPS)
        self.put("some/Const", np.arange(3))
        for i, read in enumerate(self.WIDTHS):
            self.add_layer(i, read, self.WIDTHS[1])

    def put(self, name, values):
        values = np.asarray(values)
        self.weights[name] = values.astype("<i4" if values.dtype.kind == "i" else "<f4")

    def add(self, name, *shape):
        self.put(name, self.rng.normal(size=shape))

    def add_layer(self, i, read, write):
        at, inner = self.AT.format(i), self.HEADS * 4
        attention, mlp = at + "MultiheadAttention/", at + "FFN/"
        self.add(attention + "qkv_transform_single/kernel/part_0", 1, 1, read, 3 * inner)
        self.add(attention + "qkv_transform_single/bias/concat", 3 * inner)
        self.put(attention + "mul/y", 0.5)
        self.add(attention + "output_transform_single/kernel/part_0", 1, 1, inner, write)
        self.add(attention + "output_transform_single/bias/concat", write)
        for place, width in ((at, read), (mlp, write)):
            self.add(place + "layer_prepostprocess/layer_norm/layer_norm_scale/concat", width)
            self.add(place + "layer_prepostprocess/layer_norm/layer_norm_bias/concat", width)
        self.add(mlp + "conv1/Tensordot/Reshape_1", write, self.HIDDEN)
        self.add(mlp + "conv1/bias/concat", self.HIDDEN)
        self.add(mlp + "conv2/Tensordot/Reshape_1", self.HIDDEN, write)
        self.add(mlp + "conv2/bias/concat", write)
        if read != write:
            self.add(at + "dense/kernel/concat", read, write)
            self.add(at + "dense/bias/concat", write)

    def save(self, folder):
        """In two shards, the first of which ends within a number."""
        folder.mkdir()
        data = b"".join(values.tobytes() for values in self.weights.values())
        for name, part in (("shard1", data[:1001]), ("shard2", data[1001:])):
            (folder / name).write_bytes(part)
        entries = [
            {
                "name": name,
                "shape": list(w.shape),
                "dtype": "float32" if w.dtype == "<f4" else "int32",
            }
            for name, w in self.weights.items()
        ]
        manifest = [{"paths": ["shard1", "shard2"], "weights": entries}]
        (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
        vocabulary = [[piece, -1.0] for piece in self.PIECES]
        (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")

    def of(self, i, name):
        return self.weights[self.AT.format(i) + name].astype(float)

    def normed(self, i, place, x):
        names = (
            f"{place}layer_prepostprocess/layer_norm/layer_norm_{n}/concat"
            for n in ("scale", "bias")
        )
        return layer_norm(x, *(self.of(i, name) for name in names), float(np.float32(self.EPS)))

    def attention(self, i, x):
        at = "MultiheadAttention/"
        table = self.of(i, at + "qkv_transform_single/kernel/part_0")[0, 0]
        rows = self.normed(i, "", x) @ table + self.of(i, at + "qkv_transform_single/bias/concat")
        output = self.of(i, at + "output_transform_single/kernel/part_0")[0, 0]
        bias = self.of(i, at + "output_transform_single/bias/concat")
        return heads_of(*np.split(rows, 3, axis=1), self.HEADS, 0.5) @ output + bias

    def mlp(self, i, x):
        names = [f"FFN/conv{n}/{w}" for n in (1, 2) for w in ("Tensordot/Reshape_1", "bias/concat")]
        inner, b, outer, c = (self.of(i, name) for name in names)
        return relu(self.normed(i, "FFN/", x) @ inner + b) @ outer + c

    def entering(self, row):
        """What enters layer 1 when the model reads a text of one piece."""
        phase = 0 * self.weights["Encode/TimingSignal/ExpandDims_1"][0]
        x = self.weights["module/Embeddings_en"][row : row + 1].astype(float)
        x = 2 * x + np.concatenate([np.sin(phase), np.cos(phase)])
        y = x @ self.of(0, "dense/kernel/concat") + self.of(0, "dense/bias/concat")
        y = y + self.attention(0, x)
        return y + self.mlp(0, y)


class Torch:
    """A random state dict of nn.TransformerEncoderLayer, or of nn.MultiheadAttention."""

    EPS, HEADS, WIDTH, HIDDEN = 1e-5, 3, 12, 20

    def __init__(self, seed, bare=False):
        rng, d, m = np.random.default_rng(seed), self.WIDTH, self.HIDDEN
        at = "" if bare else "self_attn."
        shapes = {at + "in_proj_weight": (3 * d, d), at + "in_proj_bias": (3 * d,)}
        shapes |= {at + "out_proj.weight": (d, d), at + "out_proj.bias": (d,)}
        if not bare:
            shapes |= {"linear1.weight": (m, d), "linear1.bias": (m,)}
            shapes |= {"linear2.weight": (d, m), "linear2.bias": (d,)}
            shapes |= {f"norm{i}.{n}": (d,) for i in (1, 2) for n in ("weight", "bias")}
        self.at, self.state = at, {name: rng.normal(size=shape) for name, shape in shapes.items()}

    def norm(self, i, x):
        return layer_norm(x, self.state[f"norm{i}.weight"], self.state[f"norm{i}.bias"], self.EPS)

    def attention(self, x):
        """Of x as it is, without a norm."""
        d, rows = self.WIDTH, x @ self.state[self.at + "in_proj_weight"].T
        rows = rows + self.state[self.at + "in_proj_bias"]
        found = heads_of(*np.split(rows, 3, axis=1), self.HEADS, (d // self.HEADS) ** -0.5)
        return (
            found @ self.state[self.at + "out_proj.weight"].T
            + self.state[self.at + "out_proj.bias"]
        )

    def mlp(self, x):
        hidden = gelu(x @ self.state["linear1.weight"].T + self.state["linear1.bias"])
        return hidden @ self.state["linear2.weight"].T + self.state["linear2.bias"]


def attention(group, x):
    """Of a group with heads/<h>/{Q,K,V} of a file of weights, at tokens x of weight 1/N."""
    total = 0
    for head in group["heads"].values():
        w = {name: values[()].astype(float) for name, values in head.items()}
        query, key = (x @ w[n].T + w.get(f"{n}_bias", 0) for n in "QK")
        output = softmax(query @ key.T) @ (x @ w["V"].T + w.get("V_bias", 0))
        total = total + (output @ w["O"].T if "O" in w else output) + w.get("O_bias", 0)
    return total


def entropy(group, x):
    """Mean over tokens and heads, in nats."""
    found = []
    for head in group["heads"].values():
        query, key = (x @ head[n][()].astype(float).T + head[f"{n}_bias"][()] for n in "QK")
        weights = softmax(query @ key.T)
        found.append(-np.sum(weights * np.log(weights), axis=1).mean())
    return np.mean(found)


def mlp(group, x):
    """Of its group mlp."""
    w = {name: values[()].astype(float) for name, values in group["mlp"].items()}
    activation = {"relu": relu, "gelu": gelu}[group["mlp"].attrs["activation"]]
    return activation(x @ w["U"].T + w["b"]) @ w["W"].T + w["c"]
