"""Layers of PyTorch from a state dict that was saved as .npz.

nn.MultiheadAttention has in_proj_weight [3d, d], the rows of Q, K and V of all heads, one head
after the other; in_proj_bias [3d], out_proj.weight [d, d], out_proj.bias [d]; its logits have the
factor 1/sqrt(d/heads). nn.TransformerEncoderLayer has the same as self_attn.in_proj_weight and so
on, beside linear1 [m, d], linear2 [d, m], norm1 and norm2 (.weight, .bias each). In a stack of
layers their names begin with layers.0., layers.1., ...; biases may be missing. The state dict knows
neither the number of heads nor the activation nor where the norm stands.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Mapping, Optional

import numpy as np

from chorale.errors import BadFile, Refused
from chorale.inputs import claim
from chorale.weights.layer import Array, Heads, Layer, Mlp, Norm

EPS = 1e-5  # of nn.LayerNorm, where it is not told
STACKED = "in_proj_weight"
STRANGE = ("bias_k", "bias_v", "q_proj_weight")  # tokens or dimensions that chorale has not


class States:
    """What was saved: arrays by their names, in double precision."""

    def __init__(self, path: str):
        self.path = path
        claim(path)
        with np.load(path, allow_pickle=False) as file:
            self.arrays = {name: np.asarray(file[name], dtype=float) for name in file.files}
        for name, values in self.arrays.items():
            if not np.isfinite(values).all():
                raise BadFile(path, f"{name} has numbers that are not finite")

    def get(self, name: str, *shape: int) -> Array:
        if name not in self.arrays:
            raise BadFile(self.path, f"has no {name}")
        if self.arrays[name].shape != shape:
            found = " x ".join(map(str, self.arrays[name].shape))
            wanted = " x ".join(map(str, shape))
            raise BadFile(self.path, f"{name} must have the shape {wanted}, not {found}")
        return self.arrays[name]

    def or_zero(self, name: str, *shape: int) -> Array:
        return self.get(name, *shape) if name in self.arrays else np.zeros(shape)

    def attentions(self) -> list[str]:
        """What comes before in_proj_weight, in the order of the layers."""
        for name in self.arrays:
            if name.endswith(STRANGE):
                raise BadFile(self.path, f"has {name}: chorale has no such attention")
        found = [name[: -len(STACKED)] for name in self.arrays if name.endswith(STACKED)]
        if not found:
            raise BadFile(self.path, f"has no {STACKED}, as nn.MultiheadAttention does")
        return sorted(found, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])


def heads_of(states: States, prefix: str, count: int) -> Heads:
    width = states.arrays[prefix + STACKED].shape[-1]
    if width % count:
        raise Refused(f"--heads {count}: does not divide the {width} numbers of a token")
    stacked = np.split(states.get(prefix + STACKED, 3 * width, width), 3)
    biases = np.split(states.or_zero(prefix + "in_proj_bias", 3 * width), 3)
    return Heads(
        count,
        *(values for pair in zip(stacked, biases) for values in pair),
        output=states.get(prefix + "out_proj.weight", width, width),
        output_bias=states.or_zero(prefix + "out_proj.bias", width),
        scale=(width // count) ** -0.5,
    )


def norm_of(states: States, name: str, width: int, eps: float) -> Optional[Norm]:
    if name + ".weight" not in states.arrays:
        return None
    scale, shift = states.get(name + ".weight", width), states.or_zero(name + ".bias", width)
    return Norm(scale, shift, eps)


def mlp_of(states: States, prefix: str, width: int, activation: str) -> Optional[Mlp]:
    if prefix + "linear1.weight" not in states.arrays:
        return None
    inner = states.arrays[prefix + "linear1.weight"]
    return Mlp(
        states.get(prefix + "linear1.weight", len(inner), width),
        states.or_zero(prefix + "linear1.bias", len(inner)),
        states.get(prefix + "linear2.weight", width, len(inner)),
        states.or_zero(prefix + "linear2.bias", width),
        activation,
    )


def read(path: str, options: Mapping[str, object]) -> list[Layer]:
    """All layers of a file. A layer with its norm in front (norm_first) reads norm1 and norm2; one
    with its norm behind reads, of itself or of the layer before, norm2, and its MLP norm1."""
    states = States(path)
    if not options["heads"]:
        raise Refused(f"{path}: a state dict has no number of heads; give it with --heads")
    layers, eps = [], float(options["eps"] or EPS)
    for place in states.attentions():
        heads = heads_of(states, place, int(options["heads"]))
        width = heads.query.shape[1]
        prefix = place[: -len("self_attn.")] if place.endswith("self_attn.") else place
        norms = [norm_of(states, f"{prefix}norm{i}", width, eps) for i in (1, 2)]
        if options["norm"] == "post":
            norms.reverse()
        mlp = mlp_of(states, prefix, width, str(options["activation"]))
        layers.append(Layer(heads, norms[0], mlp, norms[1]))
    if options["norm"] == "post":  # attention reads the norm behind the layer before it
        before = [layers[-1], *layers[:-1]]
        layers = [replace(one, norm=last.norm) for one, last in zip(layers, before)]
    return layers
