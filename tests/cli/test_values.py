"""Random values, noise at barycentres and random heads: what goes with what, and the line that
refuses the rest; what they need to have an effect."""

import h5py
import pytest
from run import chorale, datasets, options

BARYCENTRE = dict(noise_type="values", noise_at="barycentre")
VALUES = BARYCENTRE | dict(attention_value=0)
HEADS = dict(attention_weights="random", attention_heads=2, noise_type="values")
SMALL = dict(tokens_count=24, layers_depth=4, layers_horizon=0.4)

REFUSED = [
    ("simulate", dict(noise_at="barycentre", noise_type="spectral"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", noise_type="gram"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", noise_type="none"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", scheme_type="heun"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", scheme_type="flow"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", attention_type="usa"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", attention_type="l2"), "noise_at = barycentre"),
    ("simulate", dict(noise_at="barycentre", attention_type="sinkhorn"), "noise_at = barycentre"),
    ("simulate", HEADS | dict(noise_at="barycentre"), "noise_at = barycentre"),
    (
        "simulate",
        HEADS | dict(attention_type="sinkhorn", attention_mask="causal"),
        "attention_mask = causal",
    ),
    ("simulate", HEADS | dict(attention_type="none"), "attention_weights = random"),
    ("simulate", HEADS | dict(attention_engine="moments"), "attention_engine = moments"),
    ("simulate", HEADS | dict(attention_head_dim=4), "attention_head_dim = 4"),
    ("simulate", HEADS | dict(attention_head_dim=0), "attention_head_dim = 0"),
    ("simulate", dict(attention_heads=2), "attention_heads = 2"),
    ("simulate", dict(attention_random_value="true"), "attention_random_value = true"),
    ("simulate", dict(noise_type="values", mlp_width=8), "mlp_width = 8"),
    ("simulate", dict(noise_type="values", mlp_bias_w=0.5), "mlp_bias_w = 0.5"),
    ("limits", dict(noise_type="values"), "noise_type = values"),
    ("limits", dict(noise_at="barycentre"), "noise_at = barycentre"),
    ("limits", dict(attention_weights="random"), "attention_weights = random"),
    ("sync", dict(noise_at="barycentre"), "noise_at = barycentre"),
    ("sync", dict(attention_weights="random"), "attention_weights = random"),
    ("spde", dict(noise_type="values"), "noise_type = values"),
    ("spde", dict(noise_at="barycentre"), "noise_at = barycentre"),
    ("spde", dict(attention_weights="random"), "attention_weights = random"),
]


@pytest.mark.parametrize("study, keys, words", REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(folder, study, keys, words):
    done = chorale([study] + options(**keys), check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stdout
    assert done.stderr.startswith(f"chorale: {words}: ") and done.stderr.count("\n") == 1


RUNS = [
    ("simulate", VALUES | dict(attention_engine="moments", attention_beta=3)),
    ("simulate", BARYCENTRE | dict(attention_type="none", scheme_type="euler")),
    ("simulate", dict(noise_at="barycentre", mlp_width=16, scheme_type="euler", tokens_dim=2)),
    ("simulate", HEADS | dict(attention_type="l2", attention_random_value="true")),
    ("simulate", HEADS | dict(attention_type="usa", scheme_type="flow")),
    ("chaos", VALUES | dict(tokens_count="12,24")),
    ("chaos", HEADS | dict(tokens_count="12,24", scheme_type="heun")),
    ("sync", dict(noise_type="values", scheme_type="flow", ensemble_realizations=2)),
]


@pytest.mark.parametrize("study, keys", RUNS)
def test_what_goes_together_runs(folder, study, keys):
    chorale([study] + options(**{**SMALL, **keys}, output_file="run.h5"), ranks=2)
    assert len(datasets("run.h5")) > 5


def test_values_are_odd_noise_for_sync(folder):
    """Their kernel is odd, so tokens gather at two antipodal points, whatever mlp_activation is."""
    keys = SMALL | dict(noise_type="values", attention_type="none", ensemble_realizations=2)
    keys["verbose"] = True
    done = chorale(["sync"] + options(**keys, output_file="run.h5"))
    assert "lambda1 -0.333333" in done.stdout
    with h5py.File("run.h5", "r") as file:
        assert file["study/sync"].attrs["antipodal"] == 1
