"""What chorale says about its numbers (VERDICTS.md), at fixed seeds: the theorem is
proved from above only, correct runs raise no alarm, ranges that are too short refute no rate,
ensembles do not change. The intervals' coverage: unit/law/stats/test_interval.c; W2 on the circle:
unit/distance/test_circle.c; the bounds of epsilon: unit/study/test_verdict.c."""
import os

import numpy as np
import pytest

from alarms import SEEDS, THREE, alarms
from run import chorale, options, study

INPUT = os.path.join(os.environ["CHORALE_SOURCE"], "input")


def run(name, deck, *words, **keys):
    """(attributes, datasets, stdout) of a study of a deck of input/."""
    fixed = options(output_file="run.h5", output_overwrite=True, progress="off")
    deck = [os.path.join(INPUT, deck)] if deck else []
    said = chorale([name, *deck, *fixed, *words, *options(**keys)]).stdout
    return *study("run.h5", name), said


def text(value):
    return value.decode() if isinstance(value, bytes) else value


# ---- the theorem ----


@pytest.mark.parametrize(
    "value, word",
    [(-0.6, "does not apply"), (-0.17, "does not apply"), (-0.1, "applies"), (0.5, "applies")],
)
def test_the_theorem_is_proved_from_above_only(folder, value, word):
    """At -0.6 version 0.5.0 took the largest rate of the run, 0.038, for epsilon, which is 1.2."""
    keys = dict(attention_type="softmax", attention_value=value, ensemble_realizations=8)
    keys.update(layers_horizon=0.02, layers_depth=4, output_every=2)
    found, data, said = run("sync", "sync.yaml", **keys)
    assert text(found["theorem"]) == word and text(found["verdict"]) in said
    assert found["epsilon"] == pytest.approx(max(0, -2 * value), abs=1e-12)
    assert found["attention_rate"] < 0.04
    bound = data["energy_bound"][-1] / data["energy_bound"][0]
    assert np.log(bound) / 0.02 == pytest.approx(found["epsilon"] + found["lambda_rate"], abs=1e-6)
    if value == -0.6:
        assert found["lambda1_cluster"] > 0
        assert "neither proves nor excludes synchronization" in said


# ---- false alarms ----


def test_late_energies_are_not_resolved(folder):
    """Of 16 realizations, whose means are up to 16 standard errors off."""
    found, data, said = run("sync", "sync.yaml", ensemble_seed=2, **THREE["late energies"][2])
    off = (data["energy_mean"] - data["energy_exact"]) / data["energy_sem"]
    assert np.abs(off).max() > 12
    assert text(found["energy_verdict"]) == "agrees" and 0 < found["energy_resolved"] < 4
    assert "standard errors off the exact value" in said
    assert "always at least" in said and "below the bound" in said


def test_the_bias_of_large_steps_is_not_resolved(folder):
    found, _, said = run("sync", "sync.yaml", **THREE["large steps"][2])
    assert abs(found["lambda1"] - found["lambda1_exact"]) > 6 * found["lambda1_sem"]
    assert text(found["lambda1_verdict"]) == "not resolved"
    assert "take more layers_depth" in said


@pytest.mark.full
@pytest.mark.parametrize("name", THREE)
def test_of_forty_seeds_at_most_one_raises_an_alarm(folder, name):
    wrong = alarms(THREE[name], SEEDS)
    assert len(set().union(*wrong.values())) <= 1, wrong


# ---- ranges ----


def test_saturated_errors_have_no_rate(folder):
    keys = dict(tokens_count=16, layers_depth="4,8,16,32", mlp_width="32,64,inf")
    found, data, said = run(
        "limits", "limits.yaml", layers_horizon=10, ensemble_realizations=24, **keys
    )
    assert found["slope_depth_low"] > -1 and data["error"].max() > 1
    assert text(found["slope_depth_verdict"]) == "range too short for a rate"
    assert "range too short for a rate" in said


def test_few_tokens_have_no_rate(folder):
    keys = dict(tokens_count="2,3,4", chaos_reference="twin", ensemble_realizations=600)
    found, data, _ = run("chaos", "chaos-circle.yaml", layers_depth=20, **keys)
    assert data["w2sq"].max() > 1 and found["slope_w2sq_low"] > found["slope_bound"]
    assert text(found["slope_w2sq_verdict"]) == "range too short for a rate"


# ---- ensembles ----


@pytest.mark.full
def test_the_shipped_density_is_resolved(folder):
    found, data, _ = run("spde", "spde-circle.yaml", spde_snapshots=0)
    assert found["outgrown_count"] == 0 and (data["resolved"] == 8).all()
    assert np.isfinite(data["energy"]).all() and found["means_until"] == data["time"][-1]
