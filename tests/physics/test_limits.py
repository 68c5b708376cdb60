"""Study limits from end to end: errors of order 1/L and 1/m with both couplings and none without,
the numbers of the table from the samples, gram noise at d = 64, commuting limits, the same bits on
any ranks, and lists that must be refused."""

import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from run import chorale, datasets, options, refused, same_bits, study, table, without

SMALL = dict(
    tokens_count=16,
    tokens_dim=3,
    layers_horizon=0.5,
    noise_degree=6,
    progress="off",
    output_file="limits.h5",
)
FITS = ("slope_depth", "slope_width", "fit_depth", "fit_width")


def small(**keys):
    """Options of a small run with these keys; only spectral noise has a degree."""
    keys = {**SMALL, **keys}
    spectral = keys.get("noise_type", "spectral") == "spectral"
    return options(**(keys if spectral else without(keys, "noise_degree")))


def limits(ranks=1, **keys):
    """What was printed; attributes and datasets of /study/limits."""
    words = small(output_table="limits.csv", output_overwrite=True, **keys)
    done = chorale(["limits"] + words, ranks)
    return done.stdout, *study("limits.h5", "limits")


def relative_fit(depth, width, error):
    """Least squares a/L + b/m, every error relative to its size: the coefficients and R^2."""
    a = np.column_stack([1 / depth, 1 / width])
    c = np.linalg.lstsq(a / error[:, None], np.ones_like(error), rcond=None)[0]
    w = 1 / error**2
    mean = (w * error).sum() / w.sum()
    return c, 1 - (w * (error - a @ c) ** 2).sum() / (w * (error - mean) ** 2).sum()


def slope(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def check_numbers(attributes, found):
    """The table, its CSV and the fits are those of the samples."""
    samples = found["samples"].reshape(len(found["samples"]), -1)
    np.testing.assert_allclose(found["error"], samples.mean(axis=0), rtol=1e-12)
    sem = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    np.testing.assert_allclose(found["sem"], sem, rtol=1e-10)
    rows = table("limits.csv")
    assert list(rows[0]) == ["tokens", "depth", "width", "error", "sem"]
    for key in rows[0]:
        np.testing.assert_array_equal([float(row[key]) for row in rows], found[key])
    largest = found["tokens"] == found["tokens"].max()
    depth, width, error = (found[key][largest] for key in ("depth", "width", "error"))
    infinite, deepest = np.isinf(width), depth == depth.max()
    floor, finite = error[infinite & deepest], deepest & ~infinite
    (a, b), r2 = relative_fit(depth, width, error)
    assert attributes["slope_depth"] == pytest.approx(
        slope(depth[infinite], error[infinite]), abs=5e-11
    )
    width_slope = slope(width[finite], error[finite] - floor)
    assert attributes["slope_width"] == pytest.approx(width_slope, abs=5e-11)
    fits = [attributes[key] for key in ("fit_depth", "fit_width", "fit_r2")]
    np.testing.assert_allclose(fits, [a, b, r2], rtol=1e-9)
    for key in FITS:
        assert attributes[key + "_low"] < attributes[key] < attributes[key + "_high"]


# ---- rates ----


def test_the_table_and_its_fits_are_those_of_the_samples(folder):
    printed, attributes, found = limits(
        layers_depth="4,8,16",
        mlp_width="32,256,inf",
        mlp_activation="relu",
        ensemble_realizations=8,
    )
    assert "slope in L" in printed
    check_numbers(attributes, found)


# Intervals of the slopes are about +- 0.05.
@pytest.mark.full
@pytest.mark.parametrize(
    "keys",
    [
        dict(mlp_activation="relu", noise_degree=10, ensemble_realizations=96),
        dict(
            mlp_activation="silu",
            noise_degree=4,
            limits_coupling="harmonics",
            attention_value=-1,
            mlp_bias_u=0.2,
            mlp_bias_w=0.1,
            ensemble_realizations=96,
        ),
        dict(
            tokens_dim=5,
            tokens_count=32,
            mlp_activation="relu",
            noise_degree=4,
            layers_horizon=1,
            ensemble_realizations=40,
        ),
    ],
    ids=["tokens", "harmonics", "five dimensions"],
)
def test_the_error_falls_like_one_over_depth_and_width(folder, keys):
    printed, attributes, found = limits(
        layers_depth="4,8,16,32", mlp_width="32,128,1024,inf", **keys
    )
    assert "slope in L" in printed
    for key in ("slope_depth", "slope_width"):
        low, high = attributes[key + "_low"], attributes[key + "_high"]
        print(f"{key} {attributes[key]:.3f} [{low:.3f}, {high:.3f}]")
        assert abs(attributes[key] + 1) < 0.15
        assert high - low < 0.3
    assert attributes["fit_r2"] > 0.98
    check_numbers(attributes, found)


@pytest.mark.full
def test_gram_noise_has_the_same_rates_in_64_dimensions(folder):
    _, attributes, found = limits(
        tokens_dim=64,
        tokens_count=24,
        noise_degree=-1,
        layers_depth="4,8,16",
        mlp_width="64,1024,inf",
        ensemble_realizations=16,
        limits_reference=64,
    )
    with h5py.File("limits.h5", "r") as file:
        assert file["parameters"].attrs["noise_type"] in (b"gram", "gram")
    assert abs(attributes["slope_width"] + 1) < 0.15
    assert abs(attributes["slope_depth"] + 1) < 0.15
    assert attributes["fit_r2"] > 0.98
    check_numbers(attributes, found)


@pytest.mark.full
def test_the_limits_commute(folder):
    """Fewer tokens than the limit SDE has: every limit lowers the error, whatever the others are.
    (More layers have more times for the maximum: with few tokens, whose error is not one of depth,
    it rises.)"""
    _, _, found = limits(
        tokens_count="4,64,16",
        layers_depth="16,4",
        mlp_width="inf,32,512",
        ensemble_realizations=64,
        attention_beta=2,
        attention_value=3,
    )
    assert list(found["tokens"][::6]) == [4, 64, 16]
    assert list(found["depth"][:6]) == [16] * 3 + [4] * 3
    assert list(found["width"][:3]) == [np.inf, 32, 512]
    error = found["error"].reshape(3, 2, 3)[np.ix_([0, 2, 1], [1, 0], [1, 2, 0])]  # ascending
    for axis, part in ((0, error), (2, error), (1, error[2:])):
        assert (np.diff(part, axis=axis) < 0).all(), (axis, error)
    floor, width = found["fit_floor_tokens"], found["fit_width_tokens"]
    assert tuple(floor[1]) == (0, 0, 0)
    assert floor[0, 1] > floor[2, 2]  # 4 tokens against 16
    assert (width[:, 1] > 0).all()


@pytest.mark.full
def test_without_a_coupling_the_error_does_not_know_the_width(folder):
    """It is that of two independent systems."""
    keys = dict(
        layers_depth="32", mlp_width="32,512,inf", ensemble_realizations=100, mlp_activation="relu"
    )
    none, tokens = (limits(limits_coupling=kind, **keys)[2]["error"] for kind in ("none", "tokens"))
    print("uncoupled", none, "coupled", tokens)
    assert none[1] > 0.8 * none[0]
    assert none[1] > 50 * tokens[1]
    assert tokens[1] < 0.15 * tokens[0]
    assert none[2] == tokens[2]  # infinite width takes the field itself


def test_one_realization_has_no_intervals(folder):
    printed, attributes, found = limits(layers_depth="2,4", mlp_width="8,16,inf")
    assert np.isnan(found["sem"]).all()
    assert not np.isnan([attributes[key] for key in FITS + ("fit_r2",)]).any()
    ends = [attributes[key + end] for key in FITS + ("fit_r2",) for end in ("_low", "_high")]
    assert np.isnan(ends).all()
    assert "[interval not known]" in printed
    assert "nan" not in printed
    assert all(row["sem"] == "" for row in table("limits.csv"))


# ---- bits ----


def steps_of(path):
    """The datasets of a checkpoint that count steps."""
    found = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: found.append(item) if name.endswith("step") else None)
        return [list(item[()]) for item in found if isinstance(item, h5py.Dataset)]


def test_a_stopped_run_ends_after_its_step_and_goes_on_to_the_same_bits(folder):
    """Where layers of all depths end together only at the end."""
    keys = dict(
        SMALL, tokens_count=8, layers_depth="7,11,13", limits_reference=1001, mlp_width="8,inf"
    )
    keys.update(noise_degree=2, ensemble_realizations=2, output_file="cut.h5")
    words = ["limits"] + options(**keys)
    first = options(checkpoint_walltime=1e-9, ensemble_groups=1)
    done = chorale(words + first, ranks=2, check=False)
    assert done.returncode == 85, done.stderr
    assert steps_of("cut/checkpoint.h5") == [[1, 0]]
    words += options(checkpoint_resume=True)
    done = chorale(words, check=False, hook="0 500 -1 signal=10")
    assert done.returncode == 85, done.stderr
    assert steps_of("cut/checkpoint.h5") == [[500, 0]]
    chorale(words, ranks=3)
    chorale(["limits"] + options(**{**keys, "output_file": "whole.h5"}))
    assert same_bits(datasets("cut.h5"), datasets("whole.h5")) == []


TOKENS = dict(tokens_count="300,16", layers_depth="2,4", limits_reference=8, mlp_width="16,inf")
TOKENS.update(ensemble_realizations=3, noise_degree=3)
KINDS = {
    "tokens": TOKENS,
    "harmonics": dict(TOKENS, limits_coupling="harmonics"),
    "gram": dict(TOKENS, noise_type="gram", noise_degree=-1, tokens_count="24,16"),
}


def check_bits(kind, layouts):
    """Every (ranks, groups) makes the bits of one rank."""
    reference = None
    for ranks, groups in ((1, 1),) + layouts:
        printed, _, _ = limits(ranks, ensemble_groups=groups, **KINDS[kind])
        found = datasets("limits.h5")
        reference = reference or found
        assert "study/limits/samples" in found
        assert same_bits(reference, found) == [], (ranks, groups)
        assert "nan" not in printed
    return reference


@pytest.mark.parametrize("kind", KINDS)
def test_two_groups_of_two_ranks_have_the_bits_of_one_rank(folder, kind):
    check_bits(kind, ((4, 2),))


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_any_ranks_and_groups_have_the_bits_of_one_rank(folder, kind):
    check_bits(kind, ((2, 1), (2, 2), (3, 3), (4, 4)))


def test_the_deck_of_a_file_runs_to_the_same_bits(folder):
    limits(1, ensemble_groups=1, **KINDS["tokens"])
    with h5py.File("limits.h5", "r") as file:
        deck = file["parameters/deck"][()]
    Path("again.yaml").write_bytes(deck)
    chorale(
        ["limits", "again.yaml"] + options(output_file="again.h5", ensemble_groups="auto"), ranks=2
    )
    assert same_bits(datasets("limits.h5"), datasets("again.h5")) == []


# ---- what is said before a run ----


def test_a_dry_run_says_what_would_run_and_writes_nothing(folder):
    keys = dict(SMALL, layers_depth="4,8", mlp_width="8,inf", dry_run=True)
    done = chorale(["limits"] + options(**keys), ranks=2)
    for text in (
        "limits_reference",
        "64",
        "4 transformers",
        "24 layers",
        "MB",
        "heun",
        "limits.h5",
    ):
        assert text in done.stdout
    assert os.listdir(folder) == []


MANY = dict(tokens_count=256, tokens_dim=64, layers_depth="8,16,32,64,128", noise_type="gram")
MANY.update(mlp_width="32,64,128,256,512,1024,inf", noise_degree=-1)
REFUSED = [
    (dict(layers_depth="4,6", limits_reference=32), "layers_depth = 6"),
    (dict(layers_depth="8,4", limits_reference=4), "layers_depth = 8"),
    (dict(layers_depth="4,8,4"), "layers_depth"),
    (dict(layers_depth="4,0"), "layers_depth"),
    (dict(mlp_width="8,inf,8"), "mlp_width"),
    (dict(mlp_width="inf,inf"), "mlp_width"),
    (dict(mlp_width="8,infinite"), "mlp_width"),
    (dict(mlp_width="0"), "mlp_width"),
    (dict(tokens_count="16,16"), "tokens_count"),
    (dict(tokens_count="32,72", tokens_init="quadrature"), "tokens_count"),
    (dict(limits_coupling="token"), "limits_coupling"),
    (dict(noise_type="mlp", noise_degree=-1), "noise_type = mlp"),
    (dict(noise_type="none", noise_degree=-1), "noise_type = none"),
    (
        dict(noise_type="gram", noise_degree=-1, limits_coupling="harmonics"),
        "limits_coupling = harmonics",
    ),
    (dict(noise_type="gram", noise_degree=-1, tokens_count=2048), "tokens_count"),
    (
        MANY,
        "tokens_count = 256, 5 values of layers_depth, 7 of mlp_width: "
        "noise_type gram would be asked for at 9984 points per draw",
    ),
    (dict(scheme_type="layer"), "scheme_type = layer"),
    (dict(tokens_count=4096, layers_depth="2", mlp_width="4"), "tokens_count = 4096"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_a_wrong_key_is_refused(folder, case):
    keys, text = REFUSED[case]
    refused(["limits"] + small(**keys), re.escape(text), 1 if case % 6 else 3)


@pytest.mark.parametrize(
    "keys, text",
    [
        (dict(mlp_width="inf"), "mlp_width = inf"),
        (dict(noise_type="spectral", mlp_width="64,inf"), "mlp_width"),
        (dict(limits_reference=8), "limits_reference"),
    ],
)
def test_simulate_refuses_what_only_limits_takes(folder, keys, text):
    refused(["simulate"] + options(**keys), text)
