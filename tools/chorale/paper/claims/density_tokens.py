"""Tokens and density on one path."""

import numpy as np

from chorale.paper.claim import CONSISTENT, VIOLATED, Claim, Row, Study
from chorale.paper.words import plain
from chorale.plot.common import columns

LEAST = 1e-12  # how well mass is kept


def rows(results):
    """W2 of density and quadrature tokens, and what is kept."""
    run = results["spde"]
    time, mass, distance = columns(run, "time", "mass", "distance")
    count = run.parameters.integer("tokens_count")
    error = float(abs(mass - 1).max())
    # Nodes are half a spacing from what they stand for, at most.
    piece = float(np.pi) / count
    end = float(distance[-1])
    kept = CONSISTENT if error <= LEAST else VIOLATED
    near = CONSISTENT if end <= 10 * piece else VIOLATED
    return [
        Row(f"W2 at t = {time[-1]:g}", f"at most {10 * piece:.2g}", end, verdict=near),
        Row("mass, furthest from 1", plain(f"at most {LEAST:g}"), error, verdict=kept),
        Row("W2 at t = 0", f"of the order of π/N = {piece:.2g}", float(distance[0])),
    ]


CLAIM = Claim(
    title="Tokens solve the SPDE",
    statement="theorem on the mean-field limit, (4.2)",
    claims="The push-forward of any measure by the tokens' flow solves the SPDE: density and "
    "tokens driven by the same noise are one path.",
    contradicted="a distance of density and quadrature tokens that is not of the order of their "
    "spacing",
    premise="the circle, tokens as nodes of a rule with the density in their weights; ten "
    "spacings are allowed for what noise and attention stretch; density held by its degrees",
    runs={
        "spde": Study(
            "spde",
            "input/spde-circle.yaml",
            small="-spde_particles quadrature -tokens_count 16384 -layers_horizon 1 -layers_depth "
            "100 -ensemble_realizations 2 -output_every 5",
            full="-spde_particles quadrature -tokens_count 65536 -layers_horizon 1 -layers_depth "
            "200",
        )
    },
    rows=rows,
    place=40,
    seconds=15,
)
