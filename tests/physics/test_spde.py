"""Study spde from end to end: its table and file, tokens drawn from the density, the same bits at any rank count, densities that outgrow
their degrees, refusals."""
import csv
import os
import re
import sys
import tempfile

import h5py
import numpy as np

from run import chorale, datasets, options, same_bits

CIRCLE = dict(tokens_dim=2, tokens_count=512, tokens_init="vmf", tokens_kappa=1, layers_depth=40, layers_horizon=0.5, attention_beta=2,
              mlp_activation="tanh", mlp_bias_u=0.5, spde_degree=96, output_every=10, spde_snapshots=3, progress="off",
              output_overwrite=True)
SPHERE = {**CIRCLE, "tokens_dim": 3, "tokens_init": "clusters", "tokens_kappa": 1, "layers_depth": 16, "layers_horizon": 0.1,
          "spde_degree": 32, "output_every": 8}


def spde(folder, case, ranks=1, **more):
    """(attributes, datasets by name) of /study/spde."""
    chorale(["spde"] + options(**{**case, **more}), ranks=ranks, cwd=folder)
    with h5py.File(os.path.join(folder, "spde.h5"), "r") as file:
        group = file["study/spde"]
        return dict(group.attrs), {name: group[name][()] for name in group}


def check_file(folder):
    """Table, file and what they say agree; mass stays; energies of density and nodes agree to the scheme's order."""
    failed = 0
    for case, degree in ((CIRCLE, 96), ({**SPHERE, "tokens_count": 800}, 32)):
        attributes, found = spde(folder, case, ranks=2, spde_particles="quadrature", output_table="spde.csv")
        with open(os.path.join(folder, "spde.csv"), newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["time", "mass", "min_density", "energy", "distance"], rows[0]
        for name in rows[0]:
            assert np.array_equal(found[name], [float(row[name]) for row in rows]), name
        assert all(np.isnan(found[f"{name}_sem"]).all() for name in ("mass", "energy", "distance"))  # of one realization
        assert np.allclose(found["time"], np.linspace(0, case["layers_horizon"], len(rows)), rtol=1e-14)
        T = len(found["snapshot_time"])
        assert T == 3 and found["snapshot_time"][-1] == found["time"][-1]
        assert found["snapshot_spectrum"].shape == (T, degree + 1)
        assert found["snapshot_tokens"].shape == (T, case["tokens_count"], case["tokens_dim"])
        assert abs(found["snapshot_weights"].sum() - 1) < 1e-12
        drift = abs(found["energy"] - found["tokens_energy"]).max()
        print(f"d = {case['tokens_dim']}: mass off by {abs(found['mass'] - 1).max():.1e}, energies apart by {drift:.1e}, distance "
              f"{found['distance'].max():.1e}, MMD {found['mmd'].max():.1e}, Sobolev {found['sobolev'].max():.1e}")
        failed += not (abs(found["mass"] - 1).max() < 1e-12 and drift < 2e-4 and found["mmd"].max() < 2e-4)
        failed += not found["distance"].max() < (1e-2 if case["tokens_dim"] == 2 else 2e-4)  # W2: spacing of the nodes
        failed += not np.all(found["entropy"] <= 0)
        # densities on the map integrate to 1
        density = found["snapshot_density"]
        if case["tokens_dim"] == 2:
            mass = density.mean(axis=1) * 2 * np.pi
        else:
            mass = (density.mean(axis=2) * np.cos(found["snapshot_latitude"])).sum(axis=1) * 2 * np.pi * np.pi / density.shape[1]
        failed += not np.all(abs(mass - 1) < 1e-3)
    return failed


def check_iid(folder):
    """N tokens drawn from the density: on the sphere E MMD^2 = 2 E_beta / N at the start, exactly. Later MMD^2, and W2^2 on the circle, fall like
    1/N, the rates of study chaos. Over R = 200 a mean has a relative error of 3 to 7%, a slope over a factor of 16 one of at most 0.035."""
    failed = 0
    for case in (dict(CIRCLE, spde_degree=64), dict(SPHERE, spde_degree=16, layers_depth=4, output_every=4)):
        late = []
        for count in (128, 2048):
            _, found = spde(folder, case, ranks=2, tokens_count=count, ensemble_realizations=200, tokens_init="harmonic", tokens_amplitude=0.5,
                            output_every=case["layers_depth"], spde_tol=0.1, spde_snapshots=0)
            square = found["distance_realizations"] ** 2
            mean, sem = square.mean(axis=1), square.std(axis=1, ddof=1) / np.sqrt(square.shape[1])
            late.append(mean[-1])
            if case["tokens_dim"] == 3:
                exact = 2 * found["energy"][0] / count
                print(f"N = {count}: MMD^2 at the start {mean[0]:.3e} +- {sem[0]:.1e}, exact {exact:.3e}")
                failed += abs(mean[0] - exact) > 4 * sem[0]
        slope = np.log(late[1] / late[0]) / np.log(16)
        print(f"d = {case['tokens_dim']}: squared distance falls with slope {slope:.3f} in N")
        failed += abs(slope + 1) > 0.14
    return failed


def check_bits(folder):
    failed = 0
    cases = {"circle, R = 3": dict(CIRCLE, ensemble_realizations=3, tokens_count=600), "sphere, R = 1": dict(SPHERE, tokens_count=1300),
             "sphere, euler, usa": dict(SPHERE, tokens_count=800, scheme_type="euler", attention_type="usa", attention_value=0.3,
                                        spde_particles="quadrature", ensemble_realizations=2)}
    for name, case in cases.items():
        reference = None
        for ranks in (1, 2, 3, 4):
            chorale(["spde"] + options(**case), ranks=ranks, cwd=folder)
            values = datasets(os.path.join(folder, "spde.h5"))
            reference = reference or values
            differing = same_bits(reference, values)
            failed += bool(differing) or "study/spde/snapshot_density" not in values
            print(f"{name}: {ranks} ranks:", "same bits" if not differing else f"DIFFER in {differing}")
    return failed


def check_outgrown(folder):
    """A density that grows out of its degrees: said, and nothing is compared after."""
    attributes, found = spde(folder, CIRCLE, noise_type="none", layers_horizon=6, layers_depth=120, spde_degree=24, output_every=5)
    end = found["outgrown"][0]
    after = found["time"] > end - 1e-9  # what has outgrown is not measured
    print(f"outgrown at t = {end}")
    good = 0.5 < end < 6 and after.any() and np.isnan(found["energy"][after]).all() and np.isfinite(found["energy"][~after]).all()
    good = good and attributes["outgrown_count"] == 1 and attributes["outgrown_first"] == end and np.all(found["resolved"] == ~after)
    said = chorale(["spde"] + options(**{**CIRCLE, "noise_type": "none", "layers_horizon": 6, "spde_degree": 24}), cwd=folder).stdout
    return not (good and "outgrown its degrees in 1 of 1 realizations" in said)


def check_survivors(folder):
    """Means are over the realizations whose density is still held while these are at least half of all, and the words say how many rows that is."""
    case = dict(CIRCLE, layers_horizon=2, layers_depth=80, spde_degree=24, spde_tol=0.01, ensemble_realizations=5, output_every=4, spde_snapshots=0)
    said = chorale(["spde"] + options(**case, output_table="few.csv"), ranks=2, cwd=folder).stdout
    with h5py.File(os.path.join(folder, "spde.h5"), "r") as file:
        found = {name: file["study/spde"][name][()] for name in file["study/spde"]}
    single, left = found["energy_realizations"], found["resolved"]
    assert np.array_equal(left, np.isfinite(single).sum(axis=1)) and left[0] == 5 and 3 in left and left[-1] < 3, left
    for f, count in enumerate(left):
        there = single[f][np.isfinite(single[f])]
        if 2 * count < 5:
            assert np.isnan(found["energy"][f]) and np.isnan(found["energy_sem"][f])
        else:
            assert np.allclose([found["energy"][f], found["energy_sem"][f]], [there.mean(), there.std(ddof=1) / np.sqrt(count)], rtol=1e-12), f
    with open(os.path.join(folder, "few.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["energy"] == "" for row in rows] == [2 * count < 5 for count in left]
    every, half = found["time"][left == 5][-1], found["time"][2 * left >= 5][-1]
    return not (f"rows up to t = {every:.4g} are means over all realizations, later ones, up to t = {half:.4g}" in said and "fewer than half are left" in said)


def check_no_snapshots(folder):
    """A checkpoint of a run without snapshots."""
    chorale(["spde"] + options(**CIRCLE, checkpoint_every=15, **{"output_file": "none.h5"}), cwd=folder)
    reference = datasets(os.path.join(folder, "none.h5"))
    case = {**CIRCLE, "spde_snapshots": 0, "output_file": "none.h5"}
    done = chorale(["spde"] + options(**case, checkpoint_walltime=1e-9), ranks=2, cwd=folder, check=False)
    chorale(["spde"] + options(**case, checkpoint_every=15, checkpoint_resume=True), cwd=folder)
    values = datasets(os.path.join(folder, "none.h5"))
    same = all(np.array_equal(values[name], reference[name], equal_nan=True) for name in values)
    return not (done.returncode == 85 and same and not any("snapshot" in name for name in values))


def check_refusals(folder):
    failed = 0
    for wrong, message in (
            (dict(tokens_dim=4), r"tokens_dim = 4: "), (dict(spde_degree=6, noise_degree=8), r"spde_degree = 6: .* noise's degree 8"),
            (dict(tokens_kappa=1e5), r"spde_degree = 96: too low for the initial law"), (dict(noise_type="gram"), r"noise_type = gram: "),
            (dict(noise_type="mlp"), r"noise_type = mlp: "), (dict(scheme_type="layer"), r"scheme_type = layer: "),
            (dict(scheme_type="heun"), r"scheme_type = heun: "), (dict(tokens_init="file", tokens_file="x.npy"), r"tokens_init = file: "),
            (dict(tokens_init="harmonic", tokens_harmonic=97), r"tokens_harmonic = 97: "), (dict(attention_type="sinkhorn"), "sinkhorn"),
            (dict(tokens_dim=3, spde_degree=48, spde_particles="quadrature", tokens_count=100), r"tokens_count = 100: "),
            (dict(tokens_dim=3, spde_degree=300), r"spde_degree = 300: "),
            # centres that come together in a later realization only, which belongs to the second group
            (dict(tokens_init="clusters", tokens_clusters=3, tokens_kappa=26.3, spde_degree=32, ensemble_seed=2, ensemble_realizations=16,
                  ensemble_groups=2),
             r"spde_degree = 32: too low for the initial law \(of realization 3\)")):
        done = chorale(["spde"] + options(**{**CIRCLE, "output_file": "refused.h5", **wrong}), ranks=2, cwd=folder, check=False)
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale: ")]
        good = done.returncode == 2 and len(lines) == 1 and re.search(message, lines[0]) and not os.path.exists(os.path.join(folder, "refused.h5"))
        if not good:
            print(f"{wrong}: exit {done.returncode}, {done.stderr}")
        failed += not good
    dry = chorale(["spde"] + options(**CIRCLE, dry_run=True, output_file="dry.h5"), ranks=2, cwd=folder)
    failed += os.path.exists(os.path.join(folder, "dry.h5")) or not re.search(r"scheme_type *:? *flow|type: *flow", dry.stdout)
    return failed


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for check in (check_file, check_iid, check_bits, check_outgrown, check_survivors, check_no_snapshots, check_refusals):
            bad = int(check(folder))
            print(f"{check.__name__}: {'failed' if bad else 'ok'}")
            failed += bad
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
