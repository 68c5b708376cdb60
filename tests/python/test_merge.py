"""tools/merge: results of seeds joined into one file whose statistics and fits are those of
chorale; other physics is refused."""

import shutil

import h5py
import numpy as np
import pytest
import tools
from run import chorale, datasets, options

RUN = {
    "tokens_count": 40,
    "layers_depth": 12,
    "layers_horizon": 1.0,
    "mlp_width": 32,
    "output_every": 5,
    "progress": "off",
}
SEEDS = {1: 3, 2: 4, 9: 2}  # seed: realizations
OBSERVABLES = ("energy", "order", "cosine_mean", "cosine_hist", "nematic", "clusters")
STUDIES = {
    "limits": {
        "tokens_count": "8,16",
        "layers_depth": "4,8",
        "mlp_width": "16,32,inf",
        "layers_horizon": 1,
    },
    "chaos": {
        "tokens_dim": 2,
        "tokens_count": "16,32,64",
        "layers_depth": 10,
        "layers_horizon": 1,
        "scheme_type": "euler",
        "noise_type": "spectral",
        "noise_degree": 8,
        "chaos_restarts": 2,
    },
    "sync": {
        "tokens_dim": 5,
        "tokens_count": 16,
        "layers_depth": 60,
        "layers_horizon": 6,
        "scheme_type": "heun",
        "noise_type": "spectral",
        "attention_type": "none",
        "mlp_activation": "tanh",
        "output_every": 5,
    },
    "starts": {
        "sync_starts": 3,
        "tokens_count": 16,
        "layers_depth": 30,
        "layers_horizon": 6,
        "noise_type": "spectral",
        "mlp_activation": "sigmoid",
    },
    "spde": {
        "tokens_dim": 2,
        "tokens_count": 64,
        "layers_depth": 40,
        "layers_horizon": 0.4,
        "noise_type": "spectral",
        "noise_degree": 8,
        "spde_degree": 64,
        "spde_snapshots": 3,
    },
}
# Which index of an array of /study counts realizations.
AXES = {
    "samples": 0,
    "control_sums": 0,
    "samples_layers": 0,
    "outgrown": 0,
    "caps": 0,
    "energy": 1,
    "order": 1,
    "clusters": 1,
    "growth": 1,
    "martingale": 1,
    "attention_push": 1,
    "pair": 1,
    "beta_energy": 1,
    "attention_rate_realization": 0,
    "diameter": 1,
    "folded": 1,
    "points": 0,
    "attractor": 0,
}
close = np.testing.assert_allclose


def merge(*words, cwd=None):
    """tools/merge, which must do it; returns what it says."""
    code, out, err = tools.start("merge", *words, cwd=cwd)
    assert code == 0, err
    return out


def refused(*words, cwd=None):
    """tools/merge, which must not do it; returns its one line."""
    code, out, err = tools.start("merge", *words, cwd=cwd)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    return err


def simulate(folder, name, **more):
    """Results of study simulate."""
    chorale(["simulate", *options(**{**RUN, **more, "output_file": name})], cwd=folder)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """A folder with SEED.h5 of every seed."""
    folder = tmp_path_factory.mktemp("seeds")
    for seed, count in SEEDS.items():
        simulate(folder, f"{seed}.h5", ensemble_seed=seed, ensemble_realizations=count)
    return folder


@pytest.fixture(scope="module")
def joined(seeds):
    """A file of all of them."""
    merge("all.h5", *(f"{seed}.h5" for seed in (1, 2, 9)), cwd=seeds)
    return seeds / "all.h5"


@pytest.mark.parametrize("name", OBSERVABLES)
def test_joined_observables_have_the_mean_and_error_of_all(seeds, joined, name):
    """Against numpy over all realizations."""
    parts = [datasets(seeds / f"{seed}.h5") for seed in (1, 2, 9)]
    values = np.concatenate([part[f"observables/{name}/value"] for part in parts], axis=1)
    found = datasets(joined)
    assert values.shape[1] == 9 and (found[f"observables/{name}/value"] == values).all()
    close(found[f"ensemble/{name}/mean"], values.mean(axis=1), rtol=1e-13, atol=1e-15)
    error = values.std(axis=1, ddof=1) / 3
    close(found[f"ensemble/{name}/sem"], error, rtol=1e-10, atol=1e-15)


def test_files_may_have_long_names(seeds, folder):
    names = [f"{'name' * 20}{seed}.h5" for seed in (1, 2)]
    for seed, name in zip((1, 2), names):
        shutil.copyfile(seeds / f"{seed}.h5", name)
    assert "7 realizations of 2 files" in merge("all.h5", *names)


def test_the_joined_table_and_parameters_are_those_of_all(joined):
    found = datasets(joined)
    assert (found["study/simulate/energy_sem"] == found["ensemble/energy/sem"]).all()
    with h5py.File(joined) as file:
        assert file["parameters"].attrs["ensemble_realizations"] in ("9", b"9")


def test_a_single_file_is_what_chorale_wrote(seeds):
    merge("one.h5", "2.h5", cwd=seeds)
    alone, original = datasets(seeds / "one.h5"), datasets(seeds / "2.h5")
    assert alone.keys() == original.keys()
    for name, value in original.items():
        if name.endswith("sem"):  # the compiler joins a product and a sum, numpy does not
            close(alone[name], value, rtol=1e-14, atol=1e-300)
        else:
            assert value.tobytes() == alone[name].tobytes(), name


@pytest.fixture(scope="module")
def others(seeds, joined):
    """The same folder with files that do not fit."""
    simulate(seeds, "tanh.h5", ensemble_seed=3, mlp_activation="tanh")
    simulate(seeds, "frames.h5", ensemble_seed=3, output_every=4)
    (seeds / "text.h5").write_text("no results", encoding="ascii")
    return seeds


@pytest.mark.parametrize(
    "words, reason",
    [
        ("x.h5 1.h5 tanh.h5", "mlp_activation = tanh"),
        ("x.h5 1.h5 frames.h5", "output_every = 4"),
        ("x.h5 1.h5 1.h5", "the same realizations twice"),
        ("x.h5 1.h5 none.h5", "no such file"),
        ("x.h5 text.h5", "not an HDF5 file"),
        ("all.h5 1.h5 2.h5", "exists already"),
        ("1.h5 1.h5 2.h5 --overwrite", "is an input file"),
    ],
)
def test_what_does_not_fit_is_refused(others, words, reason):
    before = sorted(others.iterdir())
    assert reason in refused(*words.split(), cwd=others)
    assert sorted(others.iterdir()) == before


def run_study(folder, study, seed, count):
    """STUDYSEED.h5"""
    keys = {"ensemble_seed": seed, "ensemble_realizations": count, "progress": "off"}
    name = f"{study}{seed}.h5"
    name_of = {"starts": "sync"}
    chorale(
        [name_of.get(study, study), *options(**STUDIES[study], **keys, output_file=name)],
        cwd=folder,
    )


def found(path):
    """All that a study says: arrays and attributes of /study."""
    with h5py.File(path) as file:
        (group,) = file["study"].values()
        return {name: item[()] for name, item in group.items()}, dict(group.attrs)


def expect_same(path, expected):
    """Every bit."""
    arrays, attributes = found(path)
    assert arrays.keys() == expected[0].keys() and attributes.keys() == expected[1].keys()
    for name, value in {**expected[0], **expected[1]}.items():
        other = arrays[name] if name in arrays else attributes[name]
        assert np.asarray(value).tobytes() == np.asarray(other).tobytes(), name


def axis_of(group, name):
    """Which index counts realizations; None where none does."""
    if group.name.endswith("spde") and name == "energy":
        return None
    ending = 0 if name.endswith("_frames") else 1 if name.endswith("_realizations") else None
    return AXES.get(name, ending)


def cut(source, target, part, seed):
    """The file of some of the realizations, as if they had a seed of their own; what is computed
    from all of them is left as it is."""
    shutil.copyfile(source, target)
    with h5py.File(target, "r+") as file:
        file["parameters"].attrs["ensemble_seed"] = str(seed)
        (group,) = file["study"].values()
        for name in list(group):
            axis = axis_of(group, name)
            if axis is None:
                continue
            values = np.moveaxis(np.moveaxis(group[name][()], axis, 0)[part], 0, axis)
            file["parameters"].attrs["ensemble_realizations"] = str(values.shape[axis])
            del group[name]
            group[name] = values


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """studies(study): a folder with results of seeds 1 and 2, and both joined."""
    folder = tmp_path_factory.mktemp("studies")

    def of(study):
        if not (folder / f"{study}.h5").exists():
            for seed, count in ((1, 5), (2, 4)):
                run_study(folder, study, seed, count)
            said = merge(f"{study}.h5", f"{study}1.h5", f"{study}2.h5", cwd=folder)
            assert "9 realizations of 2 files" in said
        return folder

    return of


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(study, marks=[pytest.mark.full] if study in ("chaos", "spde") else [])
        for study in STUDIES
    ],
)
def test_halves_make_the_whole(studies, folder, study):
    """A run cut in two and joined again has every bit that it had: tables, statistics, fits with
    their intervals, snapshots."""
    source = studies(study) / f"{study}1.h5"
    cut(source, "first.h5", slice(0, 2), 1)
    cut(source, "second.h5", slice(2, 5), 9)
    assert "5 realizations" in merge("whole.h5", "first.h5", "second.h5")
    expect_same("whole.h5", found(source))
    with h5py.File("whole.h5") as file:
        keys = file["parameters"].attrs
        assert keys["ensemble_realizations"] == b"5" and keys["ensemble_seed"] == b"1,9"
        assert file["provenance"].attrs["merged"] == b"first.h5 second.h5"


def mean_and_error(values):
    """Over the last axis, of what is there."""
    count = (~np.isnan(values)).sum(axis=-1)
    return np.nanmean(values, axis=-1), np.nanstd(values, axis=-1, ddof=1) / np.sqrt(count)


@pytest.fixture
def both(studies):
    """both(study): arrays and numbers of the joined file, and a function that gives an array over
    the realizations of both seeds, which are the last index."""

    def of(study):
        folder = studies(study)
        parts = [found(folder / f"{study}{seed}.h5")[0] for seed in (1, 2)]

        def values(name, axis):
            return np.moveaxis(np.concatenate([part[name] for part in parts], axis=axis), axis, -1)

        return *found(folder / f"{study}.h5"), values

    return of


def test_joined_limits_have_statistics_of_all(both):
    arrays, fits, values = both("limits")
    mean, error = mean_and_error(values("samples", 0))
    close(arrays["error"], mean.ravel(), rtol=1e-13)
    close(arrays["sem"], error.ravel(), rtol=1e-12)
    slope = np.polyfit(np.log([4, 8]), np.log(mean[-1, :, 2]), 1)[0]
    close(fits["slope_depth"], slope, rtol=1e-10)
    assert fits["slope_depth_low"] <= fits["slope_depth"] <= fits["slope_depth_high"]


@pytest.mark.full
def test_joined_chaos_has_statistics_of_all(both):
    arrays, slopes, values = both("chaos")
    for name in ("w2sq", "mmd2"):
        mean, error = mean_and_error(values(f"{name}_frames", 0).max(axis=0))
        close(arrays[name], mean, rtol=1e-13)
        close(arrays[f"{name}_sem"], error, rtol=1e-12)
        slope = np.polyfit(np.log([16, 32, 64]), np.log(mean), 1)[0]
        close(slopes[f"slope_{name}"], slope, rtol=1e-10)
    correlation = values("correlation_frames", 0)[-1].mean(axis=-1)
    close(arrays["correlation"], correlation, rtol=1e-12, atol=1e-15)


def test_joined_sync_has_statistics_of_all(both):
    arrays, rates, values = both("sync")
    for name in ("energy", "order", "clusters", "growth"):
        mean, error = mean_and_error(values(name, 1))
        close(arrays[f"{name}_mean"], mean, rtol=1e-12, atol=1e-15)
        close(arrays[f"{name}_sem"], error, rtol=1e-11, atol=1e-15)
    mean, error = mean_and_error(values("lambda1_realization", 0))
    close([rates["lambda1"], rates["lambda1_sem"]], [mean, error], rtol=1e-12)


@pytest.mark.full
def test_joined_densities_have_statistics_of_all(both):
    arrays, counts, values = both("spde")
    for name in ("mass", "energy", "distance", "entropy", "mmd"):
        seen = values(f"{name}_realizations", 1)
        close(arrays[name], seen.mean(axis=-1), rtol=1e-12)  # until one outgrows its degrees
        assert (arrays["resolved"] == (~np.isnan(seen)).sum(axis=-1)).all()
    assert counts["outgrown_count"] == (~np.isnan(values("outgrown", 0))).sum()


def test_a_joined_file_is_not_joined_with_a_seed_that_it_has(studies):
    assert "the seed 1 of sync.h5" in refused("x.h5", "sync.h5", "sync1.h5", cwd=studies("sync"))


@pytest.mark.full
def test_studies_are_not_joined_with_each_other(studies):
    folder = studies("sync")
    studies("spde")
    said = refused("x.h5", "sync.h5", "spde1.h5", cwd=folder)
    assert "is of study spde, the first file of sync" in said
