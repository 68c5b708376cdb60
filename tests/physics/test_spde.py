"""Study spde from end to end: its table and file, tokens drawn from the density, the same bits at
any rank count, densities that outgrow their degrees, refusals."""

import os
import re

import numpy as np
import pytest

from run import chorale, datasets, options, refused, same_bits, study, table, with_error, without

CIRCLE = dict(
    tokens_dim=2,
    tokens_count=512,
    tokens_init="vmf",
    tokens_kappa=1,
    layers_depth=40,
    layers_horizon=0.5,
    attention_beta=2,
    mlp_activation="tanh",
    mlp_bias_u=0.5,
    spde_degree=96,
    output_every=10,
    spde_snapshots=3,
    progress="off",
    output_overwrite=True,
)
SPHERE = dict(
    CIRCLE,
    tokens_dim=3,
    tokens_init="clusters",
    layers_depth=16,
    layers_horizon=0.1,
    spde_degree=32,
    output_every=8,
)


def spde(case, ranks=1, **more):
    """What was printed; attributes and datasets of /study/spde."""
    done = chorale(["spde"] + options(**{**case, **more}), ranks)
    return done.stdout, *study("spde.h5", "spde")


# ---- table and file ----


@pytest.mark.parametrize("case", [CIRCLE, dict(SPHERE, tokens_count=800)], ids=["circle", "sphere"])
def test_table_and_file_agree_and_mass_and_energy_are_those_of_the_nodes(folder, case):
    """Energies of density and nodes agree to the scheme's order."""
    _, _, found = spde(case, spde_particles="quadrature", output_table="spde.csv")
    rows = table("spde.csv")
    assert list(rows[0]) == ["time", "mass", "min_density", "energy", "distance"], rows[0]
    for name in rows[0]:
        assert np.array_equal(found[name], [float(row[name]) for row in rows]), name
    for name in ("mass", "energy", "distance"):
        assert np.isnan(found[f"{name}_sem"]).all()  # of one realization
    times = np.linspace(0, case["layers_horizon"], len(rows))
    assert np.allclose(found["time"], times, rtol=1e-14)
    assert abs(found["mass"] - 1).max() < 1e-12
    assert abs(found["energy"] - found["tokens_energy"]).max() < 2e-4
    assert found["mmd"].max() < 2e-4
    # W2 on the circle: spacing of the nodes
    assert found["distance"].max() < (1e-2 if case["tokens_dim"] == 2 else 2e-4)
    # certified: exact between near measures, and MMD has no other end
    assert np.array_equal(found["distance_low"], found["distance"])
    assert np.all(found["entropy"] <= 0)
    check_snapshots(case, found)


def check_snapshots(case, found):
    T, density = len(found["snapshot_time"]), found["snapshot_density"]
    assert T == 3 and found["snapshot_time"][-1] == found["time"][-1]
    assert found["snapshot_spectrum"].shape == (T, case["spde_degree"] + 1)
    assert found["snapshot_tokens"].shape == (T, case["tokens_count"], case["tokens_dim"])
    assert abs(found["snapshot_weights"].sum() - 1) < 1e-12
    # densities on the map integrate to 1
    if case["tokens_dim"] == 2:
        mass = density.mean(axis=1) * 2 * np.pi
    else:
        belt = density.mean(axis=2) * np.cos(found["snapshot_latitude"])
        mass = belt.sum(axis=1) * 2 * np.pi * np.pi / density.shape[1]
    assert np.all(abs(mass - 1) < 1e-3)


# ---- tokens ----


@pytest.mark.full
@pytest.mark.parametrize(
    "case",
    [
        dict(CIRCLE, spde_degree=64),
        dict(SPHERE, spde_degree=16, layers_depth=4),
    ],
    ids=["circle", "sphere"],
)
def test_the_squared_distance_of_tokens_from_their_density_falls_like_one_over_n(folder, case):
    """N tokens drawn from the density: on the sphere E MMD^2 = 2 E_beta / N at the start, exactly.
    Later MMD^2, and W2^2 on the circle, fall like 1/N, the rates of study chaos. Over R = 200 a
    mean has a relative error of 3 to 7%, a slope over a factor of 16 one of at most 0.035."""
    keys = dict(ensemble_realizations=200, tokens_init="harmonic", tokens_amplitude=0.5)
    keys.update(output_every=case["layers_depth"], spde_tol=0.1, spde_snapshots=0)
    late = []
    for count in (128, 2048):
        _, _, found = spde(without(case, "tokens_kappa"), tokens_count=count, **keys)
        mean, sem = with_error(found["distance_realizations"].T ** 2)
        late.append(mean[-1])
        print(f"N = {count}: {mean} +- {sem}")
        if case["tokens_dim"] == 3:
            exact = 2 * found["energy"][0] / count
            assert abs(mean[0] - exact) <= 4 * sem[0]
    slope = np.log(late[1] / late[0]) / np.log(16)
    print(f"slope {slope:.3f}")
    assert abs(slope + 1) <= 0.14


# ---- bits ----

BITS = {
    "circle": dict(CIRCLE, ensemble_realizations=3, tokens_count=600),
    "sphere": dict(SPHERE, tokens_count=1300),
    "euler and usa": dict(
        SPHERE,
        tokens_count=800,
        scheme_type="euler",
        attention_type="usa",
        attention_value=0.3,
        spde_particles="quadrature",
        ensemble_realizations=2,
    ),
}


def check_bits(name, more_ranks):
    reference = None
    for ranks in (1,) + more_ranks:
        spde(BITS[name], ranks)
        found = datasets("spde.h5")
        reference = reference or found
        assert "study/spde/snapshot_density" in found
        assert same_bits(reference, found) == [], ranks


@pytest.mark.parametrize("name", BITS)
def test_two_ranks_have_the_bits_of_one(folder, name):
    check_bits(name, (2,))


@pytest.mark.full
@pytest.mark.parametrize("name", BITS)
def test_any_ranks_have_the_bits_of_one(folder, name):
    check_bits(name, (3, 4))


# ---- densities that outgrow their degrees ----


def test_a_density_that_outgrows_its_degrees_is_said_and_not_compared_after(folder):
    case = without(CIRCLE, "mlp_activation", "mlp_bias_u")
    case.update(noise_type="none", layers_horizon=6, layers_depth=120, spde_degree=24)
    said, attributes, found = spde(case, output_every=5)
    end = found["outgrown"][0]
    after = found["time"] > end - 1e-9  # what has outgrown is not measured
    assert 0.5 < end < 6 and after.any()
    assert np.isnan(found["energy"][after]).all() and np.isfinite(found["energy"][~after]).all()
    assert attributes["outgrown_count"] == 1 and attributes["outgrown_first"] == end
    assert np.all(found["resolved"] == ~after)
    assert "become too sharp for the spectral resolution in 1 of 1 realizations" in said


def test_means_are_over_all_realizations_until_the_first_density_is_outgrown(folder):
    """And the words say up to when."""
    case = dict(CIRCLE, layers_horizon=2, layers_depth=80, spde_degree=24, spde_tol=0.01)
    case.update(ensemble_realizations=5, output_every=4, spde_snapshots=0, output_table="few.csv")
    said, attributes, found = spde(case)
    single, left = found["energy_realizations"], found["resolved"]
    assert np.array_equal(left, np.isfinite(single).sum(axis=1))
    assert left[0] == 5 and 3 in left and left[-1] < 3, left
    for f, count in enumerate(left):
        there = single[f][np.isfinite(single[f])]
        if count < 5:
            assert np.isnan(found["energy"][f]) and np.isnan(found["energy_sem"][f])
        else:
            pair = [found["energy"][f], found["energy_sem"][f]]
            np.testing.assert_allclose(pair, with_error(there), rtol=1e-12)
    empty = [row["energy"] == "" for row in table("few.csv")]
    assert empty == [count < 5 for count in left]
    until = found["time"][left == 5][-1]
    assert attributes["means_until"] == until
    assert f"means are over all realizations, up to t = {until:.4g}; later there are none" in said


# ---- stops ----


def test_a_run_without_snapshots_stops_and_goes_on_to_the_same_values(folder):
    spde(CIRCLE, checkpoint_every=15)
    reference = datasets("spde.h5")
    words = ["spde"] + options(**{**CIRCLE, "spde_snapshots": 0})
    done = chorale(words + options(checkpoint_walltime=1e-9), ranks=2, check=False)
    assert done.returncode == 85
    chorale(words + options(checkpoint_every=15, checkpoint_resume=True))
    found = datasets("spde.h5")
    assert not [name for name in found if "snapshot" in name]
    for name in found:
        assert np.array_equal(found[name], reference[name], equal_nan=True), name


# ---- what is said before a run ----

# centres that come together in a later realization only, which belongs to the second group
TOGETHER = dict(tokens_init="clusters", tokens_clusters=3, tokens_kappa=26.3, spde_degree=32)
TOGETHER.update(ensemble_seed=2, ensemble_realizations=16, ensemble_groups=2)
REFUSED = [
    (dict(tokens_dim=4), r"tokens_dim = 4: "),
    (dict(spde_degree=6, noise_degree=8), r"spde_degree = 6: .* noise's degree 8"),
    (dict(tokens_kappa=1e5), r"spde_degree = 96: too low for the initial law"),
    (dict(noise_type="gram"), r"noise_type = gram: "),
    (dict(noise_type="mlp"), r"noise_type = mlp: "),
    (dict(scheme_type="layer"), r"scheme_type = layer: "),
    (dict(scheme_type="heun"), r"scheme_type = heun: "),
    (dict(tokens_init="file", tokens_file="x.npy"), r"tokens_init = file: "),
    (dict(tokens_init="harmonic", tokens_harmonic=97), r"tokens_harmonic = 97: "),
    (dict(attention_type="sinkhorn"), r"sinkhorn"),
    (
        dict(tokens_dim=3, spde_degree=48, spde_particles="quadrature", tokens_count=100),
        r"tokens_count = 100: ",
    ),
    (dict(tokens_dim=3, spde_degree=300), r"spde_degree = 300: "),
    (TOGETHER, r"spde_degree = 32: too low for the initial law \(of realization 3\)"),
]


@pytest.mark.parametrize("keys, message", REFUSED, ids=[message for _, message in REFUSED])
def test_a_wrong_key_is_refused(folder, keys, message):
    case = (
        CIRCLE if keys.get("tokens_init") in (None, "clusters") else without(CIRCLE, "tokens_kappa")
    )
    refused(["spde"] + options(**{**case, **keys}), message, ranks=2)


def test_a_dry_run_says_the_scheme_and_writes_nothing(folder):
    done = chorale(["spde"] + options(**CIRCLE, dry_run=True), ranks=2)
    assert re.search(r"scheme_type *:? *flow|type: *flow", done.stdout)
    assert os.listdir(folder) == []
