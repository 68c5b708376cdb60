"""Makes a file for attention_weights of the weights of a trained transformer.

SOURCE is a folder of TensorFlow.js (model.json, its shards, vocab.json), a state dict of PyTorch
saved as .npz (nn.MultiheadAttention, nn.TransformerEncoderLayer or a stack of them), or a file of
weights of chorale. Scales and shifts of layer norms, biases and the factor 1/sqrt(k) are folded
into Q, K, V, O, U, W and their biases, so that a point x of the sphere is what the layer reads.
Behind a layer norm, which takes the mean off, tokens of d numbers live in R^(d-1). One layer is
written as heads/ and mlp/, several as layers/<l>/heads/ and layers/<l>/mlp/. tools/README.md has
the layouts and recipes.
"""

from __future__ import annotations

import argparse
import os
from typing import Any, Optional, Sequence

import h5py
import numpy as np

from chorale import inputs
from chorale.command import Parser, check_target, of_file, whole
from chorale.errors import BadFile, Refused
from chorale.inputs import read_text
from chorale.io.hdf5 import open_file
from chorale.weights import pytorch, tensorflow
from chorale.weights.layer import Array, Arrays, Layer, basis, fields, logits, spread

PRECISIONS = {"double": "f8", "single": "f4", "half": "f2"}
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "erf", "softplus", "sin")
CHUNK, SMALL = 1 << 20, 1 << 12  # bytes: at most packed together; not packed
OPTIONS: dict[str, dict[str, Any]] = {
    "-o": {"dest": "out", "metavar": "OUT.h5", "help": "the file to be written"},
    "--layer": {"metavar": "I,J,...", "help": "which layers, from 0 on; default: all"},
    "--heads": {"type": int, "metavar": "H", "help": ".npz: number of heads"},
    "--norm": {
        "choices": ("pre", "post"),
        "default": "pre",
        "help": ".npz: where the layer norms stand, in front of a branch (norm_first=True; the "
        "default here) or behind it",
    },
    "--activation": {
        "choices": ACTIVATIONS,
        "default": "relu",
        "metavar": "NAME",
        "help": f".npz: of its MLP: {', '.join(ACTIVATIONS)}; default: relu",
    },
    "--eps": {"type": float, "metavar": "EPS", "help": ".npz: of its layer norms; default: 1e-5"},
    "--length": {
        "type": float,
        "metavar": "R",
        "help": "length of the stream that counts as one; default: the mean over the words, "
        "sqrt(d) without words",
    },
    "--words": {
        "metavar": "FILE",
        "help": "add tokens: what enters the first of the layers when each word of FILE is a text "
        "of its own; words that the vocabulary splits are left out",
    },
    "--count": {"type": int, "metavar": "N", "help": "of the words, the first N"},
    "--pieces": {
        "action": "store_true",
        "help": "no weights: say how the logits of a layer are spread over all pieces of the "
        "vocabulary, without positions, and with -o write these alone, for tokens_file",
    },
    "--no-mlp": {"action": "store_true", "help": "attention alone"},
    "--twin": {
        "type": int,
        "metavar": "SEED",
        "help": "in place of the weights, Gaussian ones of the same shapes and Frobenius norms",
    },
    "--precision": {
        "choices": PRECISIONS,
        "default": "double",
        "help": "of the file; default: double",
    },
    "--bits": {
        "type": int,
        "metavar": "B",
        "help": "keep so many binary digits of the weights behind the first one",
    },
    "--overwrite": {"action": "store_true", "help": "replace an existing OUT.h5"},
}
BEHIND = ("tokens", "words")  # of a file of weights: what are no weights


class Content:
    """What is written: weights by their places, tokens and their words, and what the file says."""

    def __init__(self, arrays: Arrays, attributes: dict[str, Any]):
        self.arrays, self.attributes = arrays, attributes
        self.activations: dict[str, str] = {}  # of the groups mlp
        self.tokens: Optional[Array] = None
        self.words: list[str] = []


def direction(stream: Array, layer: Layer) -> tuple[Array, float]:
    """Tokens on the sphere, and the mean length of what they were."""
    tokens = stream if layer.norm is None else stream @ basis(layer.width)
    length = np.linalg.norm(tokens, axis=1, keepdims=True)
    return tokens / length, float(length.mean())


def chosen(layers: list[Layer], words: Optional[str]) -> list[int]:
    """The numbers of --layer."""
    if words is None:
        return list(range(len(layers)))
    numbers = [int(word) if word.isdecimal() else -1 for word in words.split(",")]
    if not all(0 <= number < len(layers) for number in numbers):
        last = len(layers) - 1
        raise Refused(
            f"--layer {words}: must be numbers of layers, 0 to {last}, separated by commas"
        )
    return numbers


def words_of(path: str) -> list[str]:
    return read_text(path).split()


def source_of(arguments: argparse.Namespace) -> str:
    return os.path.basename(os.path.abspath(arguments.source))


def trained(arguments: argparse.Namespace) -> Content:
    """Of a model of another program."""
    folder = os.path.isdir(arguments.source)
    if arguments.words and not folder:
        raise Refused("--words: needs a folder of TensorFlow.js, which has a vocabulary")
    layers = (tensorflow if folder else pytorch).read(arguments.source, vars(arguments))
    numbers = chosen(layers, arguments.layer)
    several = [layers[i] for i in numbers]
    stream, words = None, []
    if arguments.words:
        words, rows = tensorflow.places(arguments.source, words_of(arguments.words))
        rows, words = rows[: arguments.count], words[: arguments.count]
        stream = tensorflow.tokens(arguments.source, numbers[0], rows, True)
    first = several[0]
    tokens, length = (None, first.width**0.5) if stream is None else direction(stream, first)
    length = arguments.length or length
    if arguments.no_mlp:
        several = [Layer(layer.heads, layer.norm) for layer in several]
    arrays = fields(several, [f"layer {i}" for i in numbers], length)
    attributes = {"source": source_of(arguments), "layers": numbers, "length": length}
    content = Content(arrays, attributes)
    for place in {path.rsplit("/", 1)[0] for path in arrays if "mlp/" in path}:
        content.activations[place] = several[0].mlp.activation
    content.tokens, content.words = tokens, words
    return content


def again(arguments: argparse.Namespace) -> Content:
    """Of a file of weights."""
    arrays: Arrays = {}
    with open_file(arguments.source) as file:
        content = Content(arrays, dict(file.attrs))

        def visit(path: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and path not in BEHIND:
                arrays[path] = np.asarray(item[()], dtype=float)
            elif "activation" in item.attrs:
                content.activations[path] = str(item.attrs["activation"])

        file.visititems(visit)
        if "tokens" in file:
            content.tokens = file["tokens"][()].astype(float)
        if "words" in file:
            content.words = [word.decode() for word in file["words"][()]]
    if not any("heads/" in path for path in arrays):
        raise BadFile(arguments.source, "has no heads/<h>/{Q,K,V}")
    if arguments.no_mlp:
        content.arrays = {path: a for path, a in arrays.items() if "mlp/" not in path}
        content.activations = {}
    return content


def twin(arrays: Arrays, seed: int) -> Arrays:
    """Gaussian weights of the same shapes and Frobenius norms, of every array for itself."""
    drawn: Arrays = {}
    for i, path in enumerate(sorted(arrays)):
        values = np.random.default_rng([seed, i]).standard_normal(arrays[path].shape)
        drawn[path] = values * (np.linalg.norm(arrays[path]) / np.linalg.norm(values))
    return drawn


def rounded(values: Array, bits: Optional[int]) -> Array:
    """To so many binary digits behind the first one, which makes files small."""
    if bits is None:
        return values
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(fraction, bits + 1)), exponent - bits - 1)


def write(path: str, content: Content, precision: str, bits: Optional[int]) -> None:
    keys = {"compression": "gzip", "compression_opts": 6, "shuffle": True}

    def put(file: h5py.File, name: str, values: Array) -> None:
        with np.errstate(over="ignore"):
            stored = values.astype(PRECISIONS[precision])
        if not np.isfinite(stored).all():
            raise Refused(f"--precision {precision}: {name} has numbers that are too large for it")
        rows = min(len(stored), max(1, CHUNK // stored[0].nbytes))
        packed = {"chunks": (rows, *stored.shape[1:]), **keys} if stored.nbytes > SMALL else {}
        file.create_dataset(name, data=stored, **packed)

    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in content.arrays.items():
            put(file, name, rounded(values, bits))
        for name, activation in content.activations.items():
            file[name].attrs["activation"] = activation
        if content.tokens is not None:
            put(file, "tokens", content.tokens)
        if content.words:
            file["words"] = np.array([word.encode() for word in content.words])
        for name, value in content.attributes.items():
            file.attrs[name] = value


def say_logits(heads: list[Arrays], tokens: Array) -> None:
    """How far the attention of each head is from a mean over all tokens."""
    print(f"{len(tokens)} tokens, log N = {np.log(len(tokens)):.2f}")
    print("head  std of logits  entropy")
    for h, head in enumerate(heads):
        deviation, entropy = spread(head, tokens)
        print(f"{h:4d}  {deviation:13.2f}  {entropy:7.2f}")


def say_pieces(arguments: argparse.Namespace) -> None:
    """Logits of all pieces of a vocabulary, without positions; the pieces themselves to a file."""
    if not os.path.isdir(arguments.source):
        raise Refused("--pieces: needs a folder of TensorFlow.js, which has a vocabulary")
    if arguments.words:
        raise Refused("--pieces: takes all of the vocabulary, and no --words")
    if arguments.out:
        check(arguments)
    layers = tensorflow.read(arguments.source, vars(arguments))
    first = chosen(layers, arguments.layer)[0]
    stream = tensorflow.tokens(arguments.source, first, None, False)
    tokens, length = direction(stream, layers[first])
    if arguments.out:
        names = tensorflow.pieces(arguments.source)
        if len(names) > len(tokens):
            raise BadFile(arguments.source, f"{len(names)} pieces, and embeddings of {len(tokens)}")
        names += [""] * (len(tokens) - len(names))  # rows behind the vocabulary have no piece
        attributes = {"source": source_of(arguments), "layers": [first], "length": length}
        content = Content({}, attributes)
        content.tokens, content.words = tokens, names
        write(arguments.out, content, arguments.precision, arguments.bits)
    say_logits(logits(layers[first], arguments.length or length), tokens)


def say(path: str, content: Content) -> None:
    heads = [name for name in content.arrays if name.endswith("/Q")]
    k, dim = content.arrays[heads[0]].shape
    hidden = [values.shape[0] for name, values in content.arrays.items() if name.endswith("mlp/U")]
    mlp = f", MLP of {hidden[0]} units" if hidden else ""
    print(f"{path}: {len(heads)} heads, Q and K {k} x {dim}{mlp}; tokens_dim {dim}")
    first = heads[0].rsplit("heads/", 1)[0]
    if content.tokens is not None:
        names = [name[:-1] for name in heads if name.startswith(first)]
        parts = ("Q", "K", "Q_bias", "K_bias")
        zero = {"Q_bias": np.zeros(k), "K_bias": np.zeros(k)}
        every = [
            {part: content.arrays.get(name + part, zero.get(part)) for part in parts}
            for name in names
        ]
        say_logits(every, content.tokens)


def parse(words: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = Parser("weights", __doc__)
    parser.add_argument("source", metavar="SOURCE", help="a folder of TensorFlow.js, .npz, or .h5")
    for name, keys in OPTIONS.items():
        parser.add_argument(name, **keys)
    return parser.parse_args(words)


def check(arguments: argparse.Namespace) -> None:
    """What the options say before a file is read."""
    for name in ("heads", "length", "count", "bits", "eps"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise Refused(f"--{name} {value:g}: must be positive")
    if not os.path.isdir(arguments.source):
        inputs.claim(arguments.source)
    if not arguments.out:
        raise Refused("-o OUT.h5: the file to be written is missing")
    inputs.protect(filter(None, (arguments.source, arguments.words)))
    check_target(arguments.out)
    if os.path.exists(arguments.out) and not arguments.overwrite:
        raise Refused(f"{arguments.out}: exists already; --overwrite replaces it")


def make(arguments: argparse.Namespace) -> Content:
    """Writes the file; returns what is in it."""
    check(arguments)
    if arguments.source.endswith(".h5"):
        with of_file(arguments.source):
            content = again(arguments)
    else:
        with of_file(arguments.source, "a program that trains"):
            content = trained(arguments)
    if arguments.twin is not None:
        content.arrays = twin(content.arrays, arguments.twin)
        content.attributes["twin"] = arguments.twin
    write(arguments.out, content, arguments.precision, arguments.bits)
    return content


def main() -> None:
    arguments = parse()
    if arguments.pieces:
        say_pieces(arguments)
    else:
        say(arguments.out, make(arguments))
