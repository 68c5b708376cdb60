"""scheme_levels: the mean of depth L as a sum of differences of two depths along one noise. The
paths of a level are bit by bit those of plain runs; the sum is exact, sample by sample; energies
are those of two tokens (two_point.csv); variances and steps are what the table says."""

import os

import h5py
import numpy as np
import pytest
from oracle import two_tokens
from run import chorale, datasets, options, refused, same_bits, spoken, study, table, with_error

pytestmark = pytest.mark.full

FINE, SWAPPED, COARSE = range(3)
NOISE = dict(noise_type="spectral", noise_degree=3)
SMALL = dict(
    tokens_count=20,
    layers_depth=16,
    layers_horizon=2,
    scheme_type="heun",
    mlp_activation="sigmoid",
    output_overwrite=True,
    progress="off",
    **NOISE,
)


def run(name, ranks=1, **keys):
    """The observables at the last frame [R], energy, order and cosine_mean, and level_paths."""
    file = f"{name}.h5"
    chorale(["simulate"] + options(**{**SMALL, **keys}, output_file=file), ranks=ranks)
    with h5py.File(file, "r") as results:
        names = ("energy", "order", "cosine_mean")
        values = [results[f"observables/{o}/value"][-1].ravel() for o in names]
        paths = results.get("study/simulate/level_paths")
        return np.array(values), paths if paths is None else paths[()]


# ---- paths ----


@pytest.mark.parametrize(
    "scheme, noise",
    [
        ("heun", "gram"),
        ("layer", "spectral"),
        ("euler", "values"),
        ("flow", "spectral"),
    ],
)
def test_fine_paths_are_those_of_plain_runs_of_their_depth(folder, scheme, noise):
    keys = dict(scheme_type=scheme, noise_type=noise)
    if noise != "spectral":
        keys["noise_degree"] = None
    keys = {key: value for key, value in {**SMALL, **keys}.items() if value is not None}
    if noise == "values":
        del keys["mlp_activation"]

    def plain(name, **more):
        file = f"{name}.h5"
        chorale(["simulate"] + options(**{**keys, **more}, output_file=file))
        with h5py.File(file, "r") as results:
            names = ("energy", "order", "cosine_mean")
            return np.array([results[f"observables/{o}/value"][-1].ravel() for o in names]), (
                study(file, "simulate")[1].get("level_paths") if "scheme_levels" in more else None
            )

    levels = dict(scheme_levels=3, scheme_samples="1,1,1", ensemble_realizations=2)
    estimate, paths = plain("levels", **levels)
    assert paths.shape == (2, 3, 3, 3)
    for k, depth in enumerate((4, 8, 16)):
        values, _ = plain("plain", layers_depth=depth, ensemble_realizations=6)
        for r in range(2):  # samples are numbered through all realizations
            assert (paths[r, k, :, FINE] == values[:, 3 * r + k]).all(), (k, r)
    assert np.isnan(paths[:, 0, :, SWAPPED:]).all()
    assert (paths[:, 1:, :, SWAPPED] != paths[:, 1:, :, FINE]).all()
    total = paths[:, 0, :, FINE] + (
        (paths[:, 1:, :, FINE] + paths[:, 1:, :, SWAPPED]) / 2 - paths[:, 1:, :, COARSE]
    ).sum(axis=1)
    np.testing.assert_allclose(estimate.T, total, rtol=1e-13)


def test_a_single_level_is_the_plain_run(folder):
    plain, _ = run("plain", ensemble_realizations=4, output_every=16)
    levels, paths = run("levels", ensemble_realizations=4, scheme_levels=1)
    assert (plain == levels).all() and paths.shape == (4, 1, 3, 3)
    with h5py.File("plain.h5", "r") as a, h5py.File("levels.h5", "r") as b:
        for name in ("energy", "clusters", "cosine_hist"):
            assert (a[f"ensemble/{name}/mean"][()] == b[f"ensemble/{name}/mean"][()]).all()


def test_the_coarse_path_is_on_the_noise_of_the_fine_one(folder):
    """Fine, swapped and coarse differ by O(h): by 4 times less with a quarter of the step, while
    another noise leaves the whole spread of the order."""
    off = []
    for depth in (64, 256):
        keys = dict(layers_depth=depth, scheme_levels=2, scheme_samples="1,1")
        _, paths = run("levels", ensemble_realizations=200, **keys)
        order = paths[:, 1, 1]
        away = (order[:, FINE] + order[:, SWAPPED]) / 2 - order[:, COARSE]
        off.append(np.median(abs(away)))
        assert off[-1] < 0.05 * np.std(order[:, FINE])
    assert 2.8 < off[0] / off[1] < 5.7, off


def test_without_noise_levels_telescope_to_the_finest(folder):
    """Starts are then all that is random: one start for all realizations gives the deepest run."""
    keys = dict(noise_type="none", tokens_init="quadrature", tokens_count=32)
    for key in ("noise_degree", "mlp_activation"):
        keys[key] = None
    given = {key: value for key, value in {**SMALL, **keys}.items() if value is not None}
    end = {}
    for name, more in (("plain", {}), ("levels", dict(scheme_levels=4))):
        chorale(["simulate"] + options(**given, **more, output_file=f"{name}.h5"))
        with h5py.File(f"{name}.h5", "r") as results:
            end[name] = [results[f"ensemble/{o}/mean"][-1] for o in ("energy", "order", "nematic")]
    np.testing.assert_allclose(end["levels"], end["plain"], rtol=1e-12, atol=1e-14)


# ---- the estimate ----


def test_energies_are_those_of_two_tokens(folder):
    """Noise alone; the oracle for two tokens has times up to 5. The weak error of depth 320 is
    below a tenth of a percent; 4 standard errors are less than 2% of the change."""
    case = ("sigmoid", 5, 0.0, 1.0, "")
    keys = dict(
        tokens_count=16,
        tokens_dim=5,
        layers_depth=320,
        layers_horizon=5,
        attention_type="none",
        attention_beta=1,
        scheme_levels=6,
        scheme_samples="96,8,4,2,1,1",
        ensemble_realizations=100,
        output_every=32,
        output_table="energies.csv",
    )
    run("energies", ranks=2, **keys)
    exact = {time: 15 / 16 * gap for time, gap in two_tokens()[case]}
    resolved = []
    for row in table("energies.csv"):
        time, mean, sem = (float(row[name]) for name in ("time", "energy_mean", "energy_sem"))
        if round(time, 9) not in exact:
            continue
        assert abs(mean - exact[round(time, 9)]) <= 4 * sem, (time, mean, sem)
        if time:
            resolved.append(4 * sem / abs(exact[round(time, 9)] - exact[0]))
    assert len(resolved) == len(exact) - 1 and min(resolved) < 0.02, resolved


@pytest.mark.parametrize(
    "scheme, rate",
    [
        ("heun", 2),
        ("euler", 1),
        ("flow", 2),
    ],
)
def test_means_variances_and_gains_are_those_of_the_paths(folder, scheme, rate):
    keys = dict(
        layers_depth=128,
        scheme_type=scheme,
        scheme_levels=4,
        scheme_samples="12,4,2,1",
        ensemble_realizations=48,
    )
    values, paths = run("levels", **keys)
    found, arrays = study("levels.h5", "simulate")
    assert (arrays["level_depth"] == [16, 32, 64, 128]).all()
    assert (arrays["level_cost"] == [16, 80, 160, 320]).all()
    samples = arrays["level_samples"]
    parts = paths[:, :, :, FINE].copy()
    parts[:, 1:] = (parts[:, 1:] + paths[:, 1:, :, SWAPPED]) / 2 - paths[:, 1:, :, COARSE]
    np.testing.assert_allclose(arrays["level_mean"], parts.mean(axis=0), rtol=1e-12)
    variance = parts.var(axis=0, ddof=1) * samples[:, None]
    np.testing.assert_allclose(arrays["level_variance"], variance, rtol=1e-9)
    plain = 128 * paths[:, 3, :, FINE].var(axis=0, ddof=1)
    steps = (samples * arrays["level_cost"]).sum()
    gain = plain / ((variance / samples[:, None]).sum(axis=0) * steps)
    best = plain / np.sqrt(variance * arrays["level_cost"][:, None]).sum(axis=0) ** 2
    for w, name in enumerate(("energy", "order", "cosine_mean")):
        np.testing.assert_allclose(found[f"gain_{name}"], gain[w], rtol=1e-9)
        np.testing.assert_allclose(found[f"gain_best_{name}"], best[w], rtol=1e-9)
        slope = -np.polyfit(np.log([32, 64, 128]), np.log(variance[1:, w]), 1)[0]
        np.testing.assert_allclose(found[f"rate_variance_{name}"], slope, rtol=1e-9)
        assert found[f"rate_variance_{name}_low"] < rate < found[f"rate_variance_{name}_high"]
    mean, sem = with_error(values.T)
    sums = np.sqrt((variance / samples[:, None] / 48).sum(axis=0))
    np.testing.assert_allclose(sem, sums, rtol=0.35)  # levels share no random number
    assert best[0] > gain[0] > 1 and (mean > 0).all()


def test_the_deck_takes_a_fifth_of_the_steps_for_the_same_error(folder):
    """Counted in steps. Plain realizations have the variance of depth 64 at depth 1024, too."""
    deck = os.path.join(os.environ["CHORALE_SOURCE"], "input", "levels.yaml")
    keys = dict(output_overwrite=True, progress="off")
    chorale(["simulate", deck] + options(**keys, ensemble_realizations=24), ranks=2)
    found, arrays = study("levels.h5", "simulate")
    assert arrays["level_depth"][-1] == 1024
    steps = (arrays["level_samples"] * arrays["level_cost"]).sum()
    plain = dict(layers_depth=64, output_every=64, scheme_levels=0, ensemble_realizations=1000)
    chorale(["simulate", deck] + options(**keys, **plain, output_file="plain.h5"), ranks=2)
    levels, plain = datasets("levels.h5"), datasets("plain.h5")
    for name in ("energy", "order", "cosine_mean"):
        values, others = (d[f"observables/{name}/value"][-1].ravel() for d in (levels, plain))
        error = np.hypot(with_error(values)[1], with_error(others)[1])
        assert abs(values.mean() - others.mean()) < 4 * error + 0.02 * others.mean()  # their depths
        assert 1024 * others.var(ddof=1) / (steps * values.var(ddof=1)) > 5, name
        assert found[f"gain_{name}_low"] > 5, name


# ---- the program ----


@pytest.mark.parametrize(
    "layouts",
    [
        [(1, 1), (4, 2)],
        [(1, 1), (2, 2), (4, 1)],
    ],
)
def test_same_bits_on_ranks_and_over_a_stop(folder, layouts):
    keys = dict(
        tokens_count=300,
        layers_depth=8,
        scheme_levels=3,
        scheme_samples="3,2,1",
        ensemble_realizations=5,
        output_every=4,
    )
    keys = {**SMALL, **keys}
    found = {}
    for ranks, groups in layouts:
        words = options(**keys, ensemble_groups=groups, output_file=f"{ranks}-{groups}.h5")
        chorale(["simulate"] + words, ranks=ranks)
        found[ranks, groups] = datasets(f"{ranks}-{groups}.h5")
    cut = options(**keys, ensemble_groups=2, output_file="cut.h5")
    stop = ["simulate"] + cut + options(checkpoint_every=1)
    done = chorale(stop, ranks=2, check=False, hook="checkpoint 2 1 signal=15")
    assert done.returncode == 85, done.stderr
    done = chorale(["simulate"] + cut + options(checkpoint_resume=True), ranks=4)
    assert "goes on from" in done.stdout
    found["cut"] = datasets("cut.h5")
    for name, bits in found.items():
        assert not same_bits(found[1, 1], bits), name


def test_a_noise_that_remembers_its_points_goes_on_between_pairs(folder):
    keys = {**SMALL, "noise_type": "gram", "scheme_levels": 3, "ensemble_realizations": 2}
    del keys["noise_degree"]
    chorale(["simulate"] + options(**keys, output_file="whole.h5"))
    cut = ["simulate"] + options(**keys, output_file="cut.h5")
    stop = cut + options(checkpoint_every=1)
    assert chorale(stop, check=False, hook="checkpoint 3 0 signal=15").returncode == 85
    chorale(cut + options(checkpoint_resume=True), ranks=2)
    assert not same_bits(datasets("whole.h5"), datasets("cut.h5"))


WRONG = (
    (dict(layers_depth=20), "layers_depth = 20: must be a multiple of 8"),
    (dict(scheme_samples="1,2"), r"scheme_samples = 1,\.\.\.: must be 4 numbers"),
    (dict(scheme_samples="1,2,0,1"), "scheme_samples = 1,2,0,1: each value must be"),
    (
        dict(scheme_samples="99999,1,1,1"),
        r"99999,\.\.\.: must have at most 100000 samples",
    ),
    (
        dict(output_every=2),
        "output_every = 2: has a frame at layer 2: must have them at multiples of 8",
    ),
    (
        dict(layers_depth="16,32"),
        r"layers_depth = 16,\.\.\.: must be one value with scheme_levels unless output_every",
    ),
    (dict(output_log=4), "output_log = 4: has a frame at layer 1: must have them at"),
    (dict(output_trajectories=1), "output_trajectories = 1: must be 0"),
    (dict(noise_independent=0.1), "noise_independent = 0.1: must be 0"),
    (dict(attention_weights="random"), "attention_weights = random: must be"),
    (dict(ensemble_realizations=2000000000), "ensemble_realizations = 2000000000: must be"),
)
CASES = [(1 + i % 2, *wrong) for i, wrong in enumerate(WRONG)]


def test_a_sweep_has_the_cells_of_its_runs(folder):
    """Frames of the start and of T, too."""
    keys = dict(scheme_levels=3, ensemble_realizations=5)
    run("sweep", ranks=2, attention_beta="0.5,2", **keys)
    sweep = datasets("sweep.h5")
    for cell, beta in enumerate((0.5, 2)):
        run("single", attention_beta=beta, **keys)
        for name, single in datasets("single.h5").items():
            assert sweep[name][cell].tobytes() == single.tobytes(), name


@pytest.mark.parametrize(
    "ranks, more, message",
    CASES,
)
def test_bad_input_is_one_line(folder, more, message, ranks):
    keys = {**SMALL, "scheme_levels": 4, **more}
    refused(["simulate"] + options(**keys), message, ranks)


def test_noises_that_have_no_levels(folder):
    gram = dict(noise_type="gram", scheme_type="flow", tokens_count=1000, scheme_levels=2)
    refused(
        ["simulate"] + options(**gram), "tokens_count = 1000 with scheme_levels: noise_type gram"
    )
    refused(
        ["simulate"] + options(scheme_levels=2),
        "noise_type = mlp: must be spectral, gram, values or none",
    )


def test_few_realizations_have_no_variances(folder):
    keys = {**SMALL, "scheme_levels": 2, "ensemble_realizations": 3}
    done = chorale(["simulate"] + options(**keys))
    assert "variances of levels take at least 4 realizations" in done.stdout
    assert "level_variance" not in study("simulate.h5", "simulate")[1]
    assert not spoken(done)
