"""tools/merge: results of seeds joined into one file whose statistics and fits are those of chorale; other physics is refused."""
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from run import chorale, datasets, options

MERGE = os.path.join(os.environ["CHORALE_SOURCE"], "tools/merge")
RUN = dict(tokens_count=40, layers_depth=12, layers_horizon=1.0, mlp_width=32, output_every=5, progress="off")


def simulate(folder, name, **more):
    chorale(["simulate"] + options(**{**RUN, **more, "output_file": name}), cwd=folder)


def merge(folder, *words):
    return subprocess.run([MERGE, *words], cwd=folder, capture_output=True, text=True, check=False)


def statistics_are_those_of_chorale(folder):
    """Joining one file with itself cut in two is not possible, so: the joined mean and error of three seeds against numpy over all
    realizations, and those of a single file, joined alone, against what chorale wrote."""
    for seed, count in ((1, 3), (2, 4), (9, 2)):
        simulate(folder, f"{seed}.h5", ensemble_seed=seed, ensemble_realizations=count)
    done = merge(folder, "all.h5", "1.h5", "2.h5", "9.h5")
    assert done.returncode == 0, done.stderr
    joined, parts = datasets(f"{folder}/all.h5"), [datasets(f"{folder}/{seed}.h5") for seed in (1, 2, 9)]
    for name in ("energy", "order", "cosine_mean", "cosine_hist", "nematic", "clusters"):
        values = np.concatenate([part[f"observables/{name}/value"] for part in parts], axis=1)
        assert values.shape[1] == 9 and (joined[f"observables/{name}/value"] == values).all()
        np.testing.assert_allclose(joined[f"ensemble/{name}/mean"], values.mean(axis=1), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(joined[f"ensemble/{name}/sem"], values.std(axis=1, ddof=1) / 3, rtol=1e-10, atol=1e-15)
    assert (joined["study/simulate/energy_sem"] == joined["ensemble/energy/sem"]).all()
    assert merge(folder, "one.h5", "2.h5").returncode == 0
    alone, original = datasets(f"{folder}/one.h5"), datasets(f"{folder}/2.h5")
    assert alone.keys() == original.keys()
    for name, value in original.items():
        if name.endswith("sem"):  # the compiler joins a product and a sum, numpy does not
            np.testing.assert_allclose(alone[name], value, rtol=1e-14, atol=1e-300)
        else:
            assert value.tobytes() == alone[name].tobytes(), name
    with h5py.File(f"{folder}/all.h5", "r") as file:
        assert file["parameters"].attrs["ensemble_realizations"] in ("9", b"9")


def what_does_not_fit_is_refused(folder):
    simulate(folder, "tanh.h5", ensemble_seed=3, mlp_activation="tanh")
    simulate(folder, "frames.h5", ensemble_seed=3, output_every=4)
    with open(f"{folder}/text.h5", "w", encoding="ascii") as file:
        file.write("no results")
    cases = ((("x.h5", "1.h5", "tanh.h5"), "mlp_activation = tanh"), (("x.h5", "1.h5", "frames.h5"), "output_every = 4"),
             (("x.h5", "1.h5", "1.h5"), "the same realizations twice"), (("x.h5", "1.h5", "none.h5"), "no such file"),
             (("x.h5", "text.h5"), "not an HDF5 file"), (("all.h5", "1.h5", "2.h5"), "exists already"),
             (("1.h5", "1.h5", "2.h5", "--overwrite"), "one of the files"))
    for words, reason in cases:
        done = merge(folder, *words)
        assert done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, f"{words}: {done.stderr}"
        assert not os.path.exists(f"{folder}/x.h5")
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]


STUDIES = {
    "limits": dict(tokens_count="8,16", layers_depth="4,8", mlp_width="16,32,inf", layers_horizon=1),
    "chaos": dict(tokens_dim=2, tokens_count="16,32,64", layers_depth=10, layers_horizon=1, scheme_type="euler", noise_type="spectral", noise_degree=8,
                  chaos_restarts=2),
    "sync": dict(tokens_dim=5, tokens_count=16, layers_depth=60, layers_horizon=6, scheme_type="heun", noise_type="spectral", attention_type="none",
                 mlp_activation="tanh", output_every=5),
    "spde": dict(tokens_dim=2, tokens_count=64, layers_depth=40, layers_horizon=0.4, noise_type="spectral", noise_degree=8, spde_degree=64,
                 spde_snapshots=3),
}
AXES = {"samples": 0, "outgrown": 0, "caps": 0, "energy": 1, "order": 1, "clusters": 1, "growth": 1, "martingale": 1, "attention_push": 1,
        "attention_rate_realization": 0}


def run_study(folder, study, seed, count):
    chorale([study] + options(**STUDIES[study], ensemble_seed=seed, ensemble_realizations=count, output_file=f"{study}{seed}.h5", progress="off"), cwd=folder)


def found(path):
    """All that a study says: arrays and attributes of /study."""
    with h5py.File(path, "r") as file:
        (group,) = file["study"].values()
        return {name: item[()] for name, item in group.items()}, dict(group.attrs)


def expect_same(path, expected):
    arrays, attributes = found(path)
    assert arrays.keys() == expected[0].keys() and attributes.keys() == expected[1].keys(), path
    for name, value in {**expected[0], **expected[1]}.items():
        other = arrays[name] if name in arrays else attributes[name]
        assert np.asarray(value).tobytes() == np.asarray(other).tobytes(), f"{path}: {name}"


def cut(source, target, part, seed):
    """The file of some of the realizations, as if they had a seed of their own; what is computed from all of them is left as it is."""
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        file["parameters"].attrs["ensemble_seed"] = str(seed)
        (group,) = file["study"].values()
        for name in list(group):
            axis = AXES.get(name, 0 if name.endswith("_frames") else 1 if name.endswith("_realizations") else None)
            if axis is None or group.name.endswith("spde") and name in ("energy",):
                continue
            values = np.moveaxis(np.moveaxis(group[name][()], axis, 0)[part], 0, axis)
            file["parameters"].attrs["ensemble_realizations"] = str(values.shape[axis])
            del group[name]
            group[name] = values


def halves_make_the_whole(folder):
    """A run cut in two and joined again has every bit that it had: tables, statistics, fits with their intervals, snapshots."""
    for study in STUDIES:
        run_study(folder, study, 1, 5)
        whole = found(f"{folder}/{study}1.h5")
        cut(f"{folder}/{study}1.h5", f"{folder}/first.h5", slice(0, 2), 1)
        cut(f"{folder}/{study}1.h5", f"{folder}/second.h5", slice(2, 5), 9)
        done = merge(folder, "whole.h5", "first.h5", "second.h5", "--overwrite")
        assert done.returncode == 0 and "5 realizations" in done.stdout, done.stderr
        expect_same(f"{folder}/whole.h5", whole)
        with h5py.File(f"{folder}/whole.h5", "r") as file:
            assert file["parameters"].attrs["ensemble_realizations"] == b"5" and file["parameters"].attrs["ensemble_seed"] == b"1,9"
            assert file["provenance"].attrs["merged"] == b"first.h5 second.h5"


def mean_and_error(values):
    """Over the last axis, of what is there."""
    count = (~np.isnan(values)).sum(axis=-1)
    return np.nanmean(values, axis=-1), np.nanstd(values, axis=-1, ddof=1) / np.sqrt(count)


def studies_have_statistics_of_all(folder):
    """Two seeds joined, against numpy over the realizations of both."""
    close = np.testing.assert_allclose
    for study in STUDIES:
        run_study(folder, study, 2, 4)
        done = merge(folder, f"{study}.h5", f"{study}1.h5", f"{study}2.h5")
        assert done.returncode == 0 and "9 realizations of 2 files" in done.stdout, done.stderr
    (limits, fits), (chaos, slopes), (sync, rates), (spde, counts) = (found(f"{folder}/{study}.h5") for study in STUDIES)
    one, two = ({study: found(f"{folder}/{study}{seed}.h5")[0] for study in STUDIES} for seed in (1, 2))

    def both(study, name, axis):
        return np.moveaxis(np.concatenate([one[study][name], two[study][name]], axis=axis), axis, -1)

    mean, error = mean_and_error(both("limits", "samples", 0))
    close(limits["error"], mean.ravel(), rtol=1e-13)
    close(limits["sem"], error.ravel(), rtol=1e-12)
    close(fits["slope_depth"], np.polyfit(np.log([4, 8]), np.log(mean[-1, :, 2]), 1)[0], rtol=1e-10)
    assert fits["slope_depth_low"] <= fits["slope_depth"] <= fits["slope_depth_high"]
    for name in ("w2sq", "mmd2"):
        mean, error = mean_and_error(both("chaos", f"{name}_frames", 0).max(axis=0))
        close(chaos[name], mean, rtol=1e-13)
        close(chaos[f"{name}_sem"], error, rtol=1e-12)
        close(slopes[f"slope_{name}"], np.polyfit(np.log([16, 32, 64]), np.log(mean), 1)[0], rtol=1e-10)
    close(chaos["correlation"], both("chaos", "correlation_frames", 0)[-1].mean(axis=-1), rtol=1e-12, atol=1e-15)
    for name in ("energy", "order", "clusters", "growth"):
        mean, error = mean_and_error(both("sync", name, 1))
        close(sync[f"{name}_mean"], mean, rtol=1e-12, atol=1e-15)
        close(sync[f"{name}_sem"], error, rtol=1e-11, atol=1e-15)
    mean, error = mean_and_error(both("sync", "lambda1_realization", 0))
    close([rates["lambda1"], rates["lambda1_sem"]], [mean, error], rtol=1e-12)
    for name in ("mass", "energy", "distance", "entropy", "mmd"):
        values = both("spde", f"{name}_realizations", 1)
        close(spde[name], np.nanmean(values, axis=-1), rtol=1e-12)
        assert (spde["resolved"] == (~np.isnan(values)).sum(axis=-1)).all()
    assert counts["outgrown_count"] == (~np.isnan(both("spde", "outgrown", 0))).sum()
    done = merge(folder, "x.h5", "sync.h5", "sync1.h5")
    assert done.returncode == 2 and "the seed 1 of sync.h5" in done.stderr, done.stderr
    done = merge(folder, "x.h5", "sync.h5", "spde1.h5")
    assert done.returncode == 2 and "of study spde, but sync" in done.stderr, done.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        statistics_are_those_of_chorale(folder)
        what_does_not_fit_is_refused(folder)
        halves_make_the_whole(folder)
        studies_have_statistics_of_all(folder)


if __name__ == "__main__":
    sys.exit(main())
