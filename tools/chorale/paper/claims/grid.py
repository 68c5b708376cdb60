"""The paper's grid of experiments."""

import numpy as np

from chorale import grid
from chorale.paper.claim import CONSISTENT, UNRESOLVED, VIOLATED, Claim, Row, Study
from chorale.plot import grid as drawing

NAMES = {name.replace("-", "_"): words for name, words in grid.SWEEPS.items()}
MET = 1e-12  # of a cosine


def sweep_of(words):
    """A sweep in two sizes."""
    words = " ".join(words)
    width = "" if "none" in words else " -mlp_width 256"
    full = f"{words} -ensemble_realizations 8"
    return Study("simulate", grid.DECK, small=(words + width).strip(), full=full.strip())


def watched(results):
    """{cell: its energy and cosines, [step][realization]}"""
    names = ("energy", "cosine_mean")
    return {
        cell: {key: run.observables[key].values() for key in names}
        for cell, run in grid.cells(results[name] for name in NAMES)
    }


def compare(found, more, less):
    """In how many cells the cosine is higher for the higher value, by the test of signs; where all
    tokens have met for both, there is nothing to compare."""
    ends = {cell: seen["cosine_mean"][-1].mean() for cell, seen in found.items() if cell.activation}
    cells = [cell for cell in ends if cell.value == more]
    off = np.array([ends[cell] - ends[cell._replace(value=less)] for cell in cells])
    off = off[np.abs(off) > MET]
    higher, count = int((off > 0).sum()), len(off)
    far = (2 * higher - count) / np.sqrt(count)
    verdict = CONSISTENT if far > 4 else VIOLATED if far < -4 else UNRESOLVED
    label = f"cells of {count} whose cosine at the last layer is higher for v = {more} than {less}"
    return Row(label.replace("-", "−"), count, higher, verdict=verdict)


def gradient(found):
    """Attention alone is a gradient flow: the largest step of the energy in the wrong direction."""
    listed = []
    for value, words in ((1, "fall"), (-1, "rise")):
        worst = -np.inf
        for cell, seen in found.items():
            if cell.activation is None and cell.value == value:
                energy = seen["energy"]
                worst = max(worst, float((value * np.diff(energy, axis=0) / energy[0]).max()))
        verdict = CONSISTENT if worst <= 1e-12 else VIOLATED
        label = f"no MLP, v = {value}: least {words} of the energy in a layer, share of its start"
        listed.append(Row(label.replace("-", "−"), "at least 0", -worst + 0.0, verdict=verdict))
    return listed


def rows(results):
    found = watched(results)
    return [compare(found, 1, 0), compare(found, 0, -1), *gradient(found)]


def picture(results):
    return drawing.figure([results.path(name) for name in NAMES])


CLAIM = Claim(
    title="The grid of 81 runs",
    statement="experiments of the paper, section 7",
    claims="Under random MLPs tokens gather; attraction, v = 1, helps, and repulsion, v = −1, "
    "hinders. Attention alone is a gradient flow of the energy, (5.4).",
    contradicted="cosines that fall when v rises, the noise being the same; an energy that rises "
    "under attraction alone",
    premise="one realization of every cell of activation, d, bias and v, the noise the same for "
    "every v; the test of signs over cells, chosen after a look at the differences, which vary "
    "too much from cell to cell for a test of their mean; width 256 in place of 2048 at small size",
    runs={name: sweep_of(words) for name, words in NAMES.items()},
    rows=rows,
    picture=picture,
    place=80,
    seconds=40,
)
