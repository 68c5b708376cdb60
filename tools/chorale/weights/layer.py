"""A layer of a transformer as it was trained, and the fields that it makes of tokens on the sphere.

A layer norm takes the mean off its input, brings the rest to the length sqrt(d), and applies a
scale g and a shift s that were learned: it reads nothing but the direction x of the rest, which is
a point of the sphere in the subspace orthogonal to (1, ..., 1). With an orthonormal basis B of that
subspace, d x (d-1), and r the length of the rest, what it gives is

    g (c B x) + s,     c = r / sqrt(r²/d + eps)

So g, c, s, the biases and the factor 1/sqrt(k) of the logits belong into Q, K, V and their biases,
and the mean that a branch adds to the stream is not read by anybody: outputs are B^T of what they
were, over r, in units of the length that tokens have. Tokens are points in R^{d-1} then. A layer
without norms reads r x, in R^d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np

from chorale.errors import Refused

Array = np.ndarray
Arrays = dict[str, Array]  # by their places in a file of weights


@dataclass(frozen=True)
class Norm:
    """A layer norm, with its learned scale and shift."""

    scale: Array
    shift: Array
    eps: float


@dataclass(frozen=True)
class Heads:
    """Rows of Q, K and V of all heads, one head after the other; y = Q x + Q_bias. Logits are
    scale <Q x, K y>; output_bias is added once, whatever the number of heads."""

    count: int
    query: Array
    query_bias: Array
    key: Array
    key_bias: Array
    value: Array
    value_bias: Array
    output: Array  # one row for each number that is written
    output_bias: Array
    scale: float


@dataclass(frozen=True)
class Mlp:
    """W sigma(U x + b) + c."""

    inner: Array
    inner_bias: Array
    outer: Array
    outer_bias: Array
    activation: str


@dataclass(frozen=True)
class Layer:
    """One layer; norm and mlp_norm are what attention and MLP read through."""

    heads: Heads
    norm: Optional[Norm] = None
    mlp: Optional[Mlp] = None
    mlp_norm: Optional[Norm] = None

    @property
    def width(self) -> int:
        """Numbers that it reads for each token."""
        return self.heads.query.shape[1]

    @property
    def dim(self) -> int:
        """Of the tokens."""
        return self.width - (self.norm is not None)


def basis(width: int) -> Array:
    """Orthonormal columns orthogonal to (1, ..., 1), width x (width - 1): those of the reflection
    that takes (1, ..., 1)/sqrt(width) to the last axis, but its last one."""
    mirror = np.full(width, width**-0.5)
    mirror[-1] -= 1
    return (np.eye(width) - np.outer(mirror, mirror) * (2 / (mirror @ mirror)))[:, :-1]


def reading(norm: Optional[Norm], width: int, length: float) -> tuple[Array, Array]:
    """(A, a): what is read of a token x is A x + a."""
    if norm is None:
        return length * np.eye(width), np.zeros(width)
    factor = length / np.sqrt(length**2 / width + norm.eps)
    return (factor * norm.scale)[:, np.newaxis] * basis(width), norm.shift


def writing(norm: Optional[Norm], width: int, length: float) -> Array:
    """What takes an output to where tokens are."""
    return (np.eye(width) if norm is None else basis(width).T) / length


def parts(rows: Array, count: int) -> list[Array]:
    """Those of each head."""
    return np.split(rows, count)


def logits(layer: Layer, length: float) -> list[Arrays]:
    """Q, K and their biases of each head: <Q x + Q_bias, K y + K_bias> are its logits."""
    heads = layer.heads
    read, shift = reading(layer.norm, layer.width, length)
    rows = {
        "Q": heads.scale * heads.query @ read,
        "Q_bias": heads.scale * (heads.query @ shift + heads.query_bias),
        "K": heads.key @ read,
        "K_bias": heads.key @ shift + heads.key_bias,
    }
    split = {name: parts(values, heads.count) for name, values in rows.items()}
    return [{name: split[name][h] for name in split} for h in range(heads.count)]


def attention(layer: Layer, length: float) -> Arrays:
    """heads/<h>/{Q,K,V,O} and their biases."""
    heads = layer.heads
    read, shift = reading(layer.norm, layer.width, length)
    write = writing(layer.norm, layer.width, length)
    value = parts(heads.value @ read, heads.count)
    value_bias = parts(heads.value @ shift + heads.value_bias, heads.count)
    output = parts((write @ heads.output).T, heads.count)
    arrays: Arrays = {}
    for h, head in enumerate(logits(layer, length)):
        head.update(V=value[h], V_bias=value_bias[h], O=output[h].T)
        head["O_bias"] = write @ heads.output_bias / heads.count
        arrays.update({f"heads/{h}/{name}": values for name, values in head.items()})
    return arrays


def mlp(layer: Layer, length: float) -> Arrays:
    """mlp/{U,b,W,c}."""
    if layer.mlp is None:
        return {}
    read, shift = reading(layer.mlp_norm, layer.width, length)
    write = writing(layer.norm, layer.width, length)
    inner, outer = layer.mlp.inner, layer.mlp.outer
    return {
        "mlp/U": inner @ read,
        "mlp/b": inner @ shift + layer.mlp.inner_bias,
        "mlp/W": write @ outer,
        "mlp/c": write @ layer.mlp.outer_bias,
    }


def check(layer: Layer, name: str) -> None:
    """What is written must be as long as what is read, or no second layer could read it."""
    width, written = layer.width, len(layer.heads.output)
    if written != width:
        raise Refused(
            f"{name} reads {width} numbers for each token and writes {written}: it cannot be "
            "iterated; choose another one with --layer"
        )
    if layer.mlp is not None and (layer.norm is None) != (layer.mlp_norm is None):
        raise Refused(f"{name} has one layer norm: either both branches have one, or none has")


def fields(layers: list[Layer], names: list[str], length: float) -> Arrays:
    """The arrays of a file of weights: of one layer, or of several in their order."""
    for layer, name in zip(layers, names):
        check(layer, name)
        if layer.dim != layers[0].dim:
            raise Refused(f"{name} and {names[0]} read tokens of different dimensions")
    every: Arrays = {}
    for i, layer in enumerate(layers):
        arrays = {**attention(layer, length), **mlp(layer, length)}
        every.update(
            {(f"layers/{i}/" if len(layers) > 1 else "") + k: a for k, a in arrays.items()}
        )
    return every


def spread(head: Arrays, tokens: Array) -> tuple[float, float]:
    """(standard deviation of the logits of all pairs, mean entropy of the weights in nats)."""
    query, key = (tokens @ head[name].T + head[f"{name}_bias"] for name in "QK")
    entropy, total, squares = 0.0, 0.0, 0.0
    for rows in np.array_split(query, -(-len(query) // 512)):
        values = rows @ key.T
        total, squares = total + values.sum(), squares + (values**2).sum()
        values -= values.max(axis=1, keepdims=True)
        weights = np.exp(values)
        sums = weights.sum(axis=1)
        entropy += (np.log(sums) - (weights * values).sum(axis=1) / sums).sum()
    mean = total / len(tokens) ** 2
    return float(np.sqrt(squares / len(tokens) ** 2 - mean**2)), float(entropy / len(tokens))
