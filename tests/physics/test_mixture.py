"""Mixtures of Gaussians from end to end, NUMERICS.md 9.12: the error that a run reports, same
bits on any ranks and over a stop, the studies that take it, and what is refused."""

import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import tools

from run import chorale, datasets, options, refused, same_bits, spoken, study, without

from chorale import io
from chorale.plot import files
from chorale.plot.words import short

INPUT = Path(os.environ["CHORALE_SOURCE"]) / "input"
QUIET = dict(output_overwrite=True, progress="off", attention_engine="mixture", output_file="a.h5")
SMALL = dict(
    tokens_count=1500,
    tokens_dim=24,
    tokens_init="clusters",
    layers_depth=4,
    layers_horizon=0.4,
    mlp_width=32,
    attention_tol=0.01,
)


def run(ranks=1, name="simulate", **keys):
    return chorale([name] + options(**{**QUIET, **keys}), ranks)


def observables():
    with h5py.File("a.h5", "r") as file:
        return {name: group["value"][()] for name, group in file["observables"].items()}


def caption(path):
    picture = files.picture_of(path)
    words = picture.figure._supxlabel.get_text()  # pylint: disable=protected-access
    return words.replace("\u00a0", " ").replace("\n", " ")


@pytest.mark.full
def test_the_error_of_uniform_tokens(folder):
    """THEORY.md (1.16): by chance beta^2/(sqrt(2) d sqrt(N)), and beta^3/(d^2 (d+2)) along x."""
    for beta, count, dim in ((0.5, 4000, 64), (1, 4000, 64), (1, 2000, 128)):
        keys = dict(tokens_count=count, tokens_dim=dim, attention_beta=beta)
        run(**keys, noise_type="none", layers_depth=1)
        seen = observables()
        chance = beta**2 / (np.sqrt(2 * count) * dim)
        expected = np.hypot(chance, beta**3 / (dim**2 * (dim + 2)))
        assert abs(seen["attention_error"][0, 0] / expected - 1) < 0.1
        assert seen["attention_error"][0, 0] < seen["attention_error_largest"][0, 0] < 3 * expected


@pytest.mark.parametrize("kind", ["softmax", "usa", "l2"])
def test_energies_are_those_of_all_pairs_but_for_the_error(folder, kind):
    keys = dict(SMALL, attention_type=kind, attention_beta=1.5)
    keys.update(energy_beta=2)
    run(**keys)
    seen = observables()
    run(**{**without(keys, "attention_tol"), "attention_engine": "direct"})
    exact = observables()["energy"]
    assert np.all(np.abs(seen["energy"] - exact) <= 3 * seen["energy_error"] + 1e-4 * exact)
    assert np.all(seen["attention_error"] <= 1.5 * keys["attention_tol"])
    assert "attention_error" not in observables()


@pytest.mark.parametrize(
    "ranks, groups",
    [(2, 1), *[pytest.param(n, 2, marks=pytest.mark.full) for n in (2, 4)]],
)
def test_same_bits_on_any_ranks_and_groups_and_over_a_stop(folder, ranks, groups):
    keys = dict(SMALL, ensemble_realizations=2, attention_beta=2)
    run(**keys)
    alone = datasets("a.h5")
    run(ranks, **keys, ensemble_groups=groups)
    assert same_bits(datasets("a.h5"), alone) == []
    stopping = dict(checkpoint_every=1, checkpoint_stop_file="stop")
    words = ["simulate"] + options(**{**QUIET, **keys, **stopping})
    done = chorale(words, hook="1 2 0 touch=stop", check=False)
    assert done.returncode == 85, done.stderr
    os.remove("stop")
    run(ranks, **keys, **stopping, ensemble_groups=groups, checkpoint_resume=True)
    assert same_bits(datasets("a.h5"), alone) == []


NOISE = dict(noise_type="spectral", noise_degree=1, ensemble_realizations=2, tokens_dim=16)
STUDIES = {
    "chaos": dict(
        NOISE, tokens_count="300,600", layers_depth=4, layers_horizon=0.4, scheme_type="heun"
    ),
    "limits": dict(
        NOISE, tokens_count=300, layers_depth="2,4", layers_horizon=0.4, mlp_width="16,inf"
    ),
    "sync": dict(NOISE, tokens_count=300, layers_depth=20, layers_horizon=1, tokens_init="vmf"),
}
COLUMNS = {"chaos": ("w2sq", "coupling"), "limits": ("error",), "sync": ("lambda1",)}


@pytest.mark.full
@pytest.mark.parametrize("name", STUDIES)
def test_studies_find_what_all_pairs_find(folder, name):
    """sync: twins take the term of their tokens apart, or these would part from each other."""
    found = []
    for keys in (dict(attention_tol=0.02), dict(attention_engine="direct")):
        run(name=name, **{**STUDIES[name], **keys})
        attributes, columns = study("a.h5", name)
        found.append([np.ravel({**attributes, **columns}[column]) for column in COLUMNS[name]])
    assert not np.array_equal(found[0], found[1])
    for mixture, direct in zip(*found):
        np.testing.assert_allclose(mixture, direct, rtol=0.02, atol=1e-4)


@pytest.mark.full
def test_vectors_of_any_length_are_read_as_they_are(folder):
    """Of single precision, by both ranks their own; lengths are powers of two apart, so that no bit
    of a direction is lost."""
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(8, 50))
    rows = (draw.normal(size=(6000, 50)) + centres[draw.integers(8, size=6000)]).astype("f4")
    lengths = np.ldexp(np.float32(1), draw.integers(-9, 9, size=(6000, 1)))
    found = []
    for ranks, values in ((2, rows), (1, rows * lengths), (2, (rows * lengths).astype(float))):
        np.save("rows.npy", values)
        keys = dict(SMALL, tokens_init="file", tokens_file="rows.npy", noise_type="none")
        run(ranks, **without(keys, "tokens_count", "tokens_dim", "mlp_width"))
        found.append({name: array.tobytes() for name, array in observables().items()})
        assert np.all(observables()["attention_error"] > 0)
    assert found[0] == found[1] == found[2]


def test_trained_weights_are_refused_with_their_error(folder):
    """What the second layer of an encoder makes of words is not that of few Gaussians."""
    keys = {**QUIET, "attention_tol": 0.01, "output_attention": False}
    done = chorale(["simulate", INPUT / "trained.yaml"] + options(**keys), check=False)
    assert done.returncode == 1 and len(spoken(done)) == 1
    said = re.search(
        r"rms error of Att is (\S+), of an Att of (\S+), with k = \d+", spoken(done)[0]
    )
    assert 0.01 < float(said[1]) < float(said[2])


def test_what_it_cannot_do(folder):
    for keys, message in (
        (dict(tokens_dim=7), "^chorale: attention_engine = mixture: takes tokens_dim from 8 on"),
        (dict(tokens_dim=9, attention_mask="causal"), "attention_mask causal"),
        (dict(tokens_dim=9, attention_type="sinkhorn"), "attention_type sinkhorn"),
    ):
        refused(["simulate"] + options(**{**QUIET, **keys}), message)
    keys = dict(tokens_count=1000, tokens_dim=16, attention_beta=9, noise_type="none")
    done = chorale(["simulate"] + options(**{**QUIET, **keys}), check=False)
    assert done.returncode == 1 and len(spoken(done)) == 1
    assert "more than attention_tol = 0.001" in spoken(done)[0]
    run(**{**keys, "attention_engine": "auto", "attention_tol": 1e-3})
    assert np.all(observables()["attention_error"] == 0)


@pytest.mark.full
def test_pictures_and_pages_have_the_error(folder):
    """The caption, a card of a notebook and the page of a report."""
    run(**SMALL, attention_beta=2)
    seen = observables()
    rms = seen["attention_error"].max()
    tools.run("report", "a.h5", "-o", "a.html")
    with io.open("a.h5") as results:
        pages = [results._repr_html_()]  # pylint: disable=protected-access
    pages.append(Path("a.html").read_text(encoding="utf-8"))
    largest = short(seen["attention_error_largest"].max())
    for words in (caption("a.h5"), *pages):
        words = words.replace("\u00a0", " ")
        assert f"rms error at most {short(rms)}, where |Att| is" in words
        assert f"largest error {largest}, at 256 tokens" in words
    run(**{**without(SMALL, "attention_tol"), "attention_engine": "direct"})
    assert "Gaussians" not in caption("a.h5")
