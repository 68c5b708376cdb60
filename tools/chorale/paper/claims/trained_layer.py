"""A trained layer, iterated on words, beside weights of the same norms drawn at random."""

from __future__ import annotations

import os
from dataclasses import replace

import h5py
import numpy as np

from chorale.command import TOP
from chorale.paper.claim import BEYOND, DOES_NOT_APPLY, Claim, Results, Row, Study
from chorale.plot import together
from chorale.plot.common import Picture
from chorale.weights import program

EXTRACT = os.path.join(TOP, "input/trained/layer.h5")
NAMES = {
    "trained": "trained, with its MLP",
    "whole": "trained, with its MLP, in steps of 1",
    "attention": "trained, attention alone",
    "twin": "drawn at random, with MLP",
    "twin_attention": "drawn at random, attention alone",
}

WHOLE = "-layers_depth 16"


def study(weights: str = "", file: str = "") -> Study:
    """The deck, or the deck with weights that tools/weights makes of the extract."""
    options = f"-attention_weights {{here}}/{file}" if file else ""

    def prepare(here: str) -> None:
        words = [EXTRACT, *weights.split(), "--overwrite", "-o", os.path.join(here, file)]
        program.make(program.parse(words))

    make = prepare if file else None
    return Study("simulate", "input/trained.yaml", options, options, 1, prepare=make)


def remote() -> float:
    """How far Q^T K is from the nearest multiple of I, over its norm: the least of all heads."""
    found = []
    with h5py.File(EXTRACT, "r") as file:
        for head in file["heads"].values():
            query, key = (head[name][()].astype(float) for name in "QK")
            square = np.vdot(query @ query.T, key @ key.T)  # |Q^T K|_F^2
            found.append(1 - np.vdot(query, key) ** 2 / (query.shape[1] * square))
    return float(np.sqrt(min(found)))


def rows(results: Results) -> list[Row]:
    """Where the four runs end; nothing is proved of any of them."""
    away = "weights that are the same in every layer, QᵀK ≠ βI, V ≠ I"
    rows = []
    for name, label in NAMES.items():
        values = results[name].observables["order"]
        end = float(values.values()[-1].mean())
        clusters = float(results[name].observables["clusters"].values()[-1].mean())
        label = f"order at t = {values.time[-1]:g}, {label} (clusters: {clusters:.0f})"
        rows.append(Row(label, "none", end, verdict=DOES_NOT_APPLY, why=away))
    label = "distance of QᵀK from multiples of I, over its norm, least of four heads"
    premise = "the theorem on synchronization has 0"
    rows.append(Row(label, 0.0, remote(), verdict=DOES_NOT_APPLY, why=premise))
    return rows


def picture(results: Results) -> Picture:
    """Energy, order, clusters and entropy of all runs."""
    return together.figure([results[name] for name in NAMES])


CLAIM = Claim(
    title="A trained layer",
    statement="beyond the paper",
    claims="A trained layer, iterated on 192 English words, attention and MLP the same in every "
    "layer. Its attention alone gathers the words in one point, as attention with V = I does, and "
    "as weights of the same shapes and norms drawn at random do. With its MLP, in small steps, the "
    "trained layer keeps the words apart, and attention reads a part of them; in steps of 1 they "
    "end in a narrow cone. With an MLP drawn at random they gather faster than without one.",
    contradicted="nothing: no theorem of the paper speaks of these runs",
    premise="the theorems have QᵀK = βI, V = I (or an energy that attention lets grow at most at a "
    "known rate) and fresh random weights in every layer. Here Q and K are 128 × 511, so that "
    "QᵀK is no multiple of I, V is a product of low rank, biases are not 0, and there is no noise. "
    "Weights at random: tools/weights input/trained/layer.h5 --twin 1",
    runs={
        "trained": study(),
        "whole": replace(study(), small=WHOLE, full=WHOLE),
        "attention": study("--no-mlp", "weights-attention.h5"),
        "twin": study("--twin 1", "weights-twin.h5"),
        "twin_attention": study("--twin 1 --no-mlp", "weights-twin-attention.h5"),
    },
    rows=rows,
    picture=picture,
    kind=BEYOND,
    place=50,
    seconds=25,
)
