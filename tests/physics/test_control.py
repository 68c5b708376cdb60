"""ensemble_control: sums of a realization are what its noise moves to first order, step by step;
means without them are exact energies, of smaller intervals that cover; the bits of a run stay."""

import h5py
import numpy as np
import pytest
from oracle import two_tokens
from run import chorale, datasets, options, refused, same_bits, spoken, study

pytestmark = pytest.mark.full

SMALL = dict(
    tokens_count=20,
    layers_depth=16,
    layers_horizon=2,
    mlp_width=32,
    ensemble_realizations=32,
    ensemble_control="noise",
    output_every=16,
    output_overwrite=True,
    progress="off",
)
SPECTRAL = dict(noise_type="spectral", noise_degree=4, mlp_width=None)


def run(name="run", ranks=1, hook=None, check=True, **keys):
    keys = {**SMALL, **keys, "output_file": f"{name}.h5"}
    words = options(**{key: value for key, value in keys.items() if value is not None})
    return chorale(["simulate"] + words, ranks=ranks, hook=hook, check=check)


def contents(path):
    """Datasets, and what the study says."""
    said = study(path, "simulate")[0]
    return datasets(path) | {f"@{key}": value for key, value in said.items()}


# ---- the sums ----

LINEAR = [
    dict(),
    dict(scheme_type="euler", **SPECTRAL, tokens_init="vmf"),
    dict(scheme_type="heun", **SPECTRAL, attention_type="usa", tokens_init="clusters"),
    dict(scheme_type="flow", noise_type="gram", mlp_width=None),
    dict(noise_type="values", mlp_width=None, attention_type="none"),
    dict(noise_at="barycentre", mlp_bias_u=0.3, mlp_bias_w=0.2, noise_independent=1e-12),
]


@pytest.mark.parametrize("keys", LINEAR)
def test_sums_are_what_short_steps_change(folder, keys):
    """In a time of 1e-12, whose root is 1e-6: |m|^2 is the mode of degree 1, tr Q^2 that of degree
    2 up to constants, and a step changes both by the sums to a millionth. The first sum of a
    uniform start has what |m|^2 differs from its mean, too."""
    tiny = dict(layers_depth=8, layers_horizon=1e-12, output_every=1, output_modes=2)
    run(tokens_count=300, ranks=2, **{**tiny, **keys})
    found = datasets("run.h5")
    sums = found["study/simulate/control_sums"]
    modes = found["observables/modes/value"]
    order, second = modes[..., 0], (2 * modes[..., 1] + 1) / 3
    assert sums.shape == (32, 8, 2)
    for k, exact in enumerate((order, second)):
        change = np.diff(exact, axis=0).T
        most = np.abs(change).max()
        if not k and "tokens_init" not in keys:
            change[:, 0] += order[0] - 1 / 300
        assert np.abs(sums[..., k] - change).max() < 1e-4 * most, k


def test_windows_share_the_time(folder):
    """11 steps in 8 windows: l 8/11 rounded down is that of step l; of 3 steps each has one."""
    tiny = dict(layers_depth=11, layers_horizon=1e-12, output_every=1, output_modes=2)
    run(**tiny, tokens_init="vmf")
    found = datasets("run.h5")
    change = np.diff(found["observables/modes/value"][..., 0], axis=0)
    window = np.arange(11) * 8 // 11
    for w in range(8):
        np.testing.assert_allclose(
            found["study/simulate/control_sums"][:, w, 0],
            change[window == w].sum(axis=0),
            atol=1e-4 * np.abs(change).max(),
        )
    run(layers_depth=3, output_every=3)
    assert datasets("run.h5")["study/simulate/control_sums"].shape == (32, 3, 2)


# ---- the estimate ----


def test_energies_are_those_of_two_tokens(folder):
    """Noise alone, extrapolated from two depths whose errors are of first order: 4 standard errors
    are 1% of the change of the energy, for a twentieth of the realizations."""
    case = ("sigmoid", 5, 0.0, 1.0, "")
    keys = dict(
        tokens_count=16,
        tokens_dim=5,
        mlp_activation="sigmoid",
        mlp_width=None,
        noise_type="gram",
        scheme_type="heun",
        attention_type="none",
        attention_beta=1,
        ensemble_realizations=400,
    )
    mean, sem = [], []
    for depth in (50, 200):
        run(ranks=2, **keys, layers_depth=depth, output_every=depth, ensemble_seed=depth)
        said = study("run.h5", "simulate")[0]
        mean.append(said["control_energy"])
        half = (said["control_energy_high"] - said["control_energy_low"]) / 2
        sem.append(half / said["interval_factor"])
        assert min(said["control_energy_gain"], said["control_cosine_mean_gain"]) > 15
    exact = {round(time, 9): 15 / 16 * gap for time, gap in two_tokens()[case]}
    error = 4 * np.hypot(4 * sem[1], sem[0]) / 3
    assert abs((4 * mean[1] - mean[0]) / 3 - exact[2]) < error
    assert error < 0.012 * abs(exact[2] - exact[0]), (mean, sem)


def leave_one_out(x, controls):
    """x less what a fit without each explains of it."""
    corrected = []
    for r in range(len(x)):
        rest = np.arange(len(x)) != r
        design = np.column_stack([np.ones(rest.sum()), controls[rest]])
        corrected.append(x[r] - controls[r] @ np.linalg.lstsq(design, x[rest], rcond=None)[0][1:])
    return np.array(corrected)


@pytest.mark.parametrize("R, windows", [(40, 1), (100, 3), (256, 8)])
def test_what_is_said_is_the_fit_that_leaves_out_each(folder, R, windows):
    done = run(ensemble_realizations=R)
    found, said = datasets("run.h5"), study("run.h5", "simulate")[0]
    sums = found["study/simulate/control_sums"]
    window = np.arange(8) * windows // 8
    joined = np.stack([sums[:, window == w].sum(axis=1) for w in range(windows)], axis=1)
    for name in ("energy", "order", "cosine_mean", "nematic"):
        x = found[f"observables/{name}/value"][-1]
        z = leave_one_out(x, joined.reshape(R, -1))
        np.testing.assert_allclose(said[f"control_{name}"], z.mean(), rtol=1e-10)
        gain = x.var() / z.var()
        np.testing.assert_allclose(said[f"control_{name}_gain"], gain, rtol=1e-8)
        half = said["interval_factor"] * z.std(ddof=1) / np.sqrt(R)
        ends = z.mean() + np.array([-half, half])
        if (z > 0).all():
            ends = z.mean() * np.exp(np.array([-half, half]) / z.mean())
        low, high = said[f"control_{name}_low"], said[f"control_{name}_high"]
        np.testing.assert_allclose([low, high], ends, rtol=1e-9)
        assert f"{name} {z.mean():.6g} [" in done.stdout
    assert said["control_energy_gain"] > 2


SEEDS = 200


def test_intervals_cover(folder):
    """The first realizations of 200 seeds against the mean of all of them, in one sweep."""
    seeds = f"lin:1:{SEEDS}:{SEEDS}"
    run(ensemble_seed=seeds, ensemble_realizations=64, ensemble_groups=2, ranks=2)
    with h5py.File("run.h5", "r") as file:
        said = file["study/simulate"]
        for name in ("energy", "order", "cosine_mean"):
            mean, low, high = (said[f"control_{name}{end}"][()] for end in ("", "_low", "_high"))
            exact = mean.mean()
            covered = ((low <= exact) & (exact <= high)).mean()
            plain = file[f"observables/{name}/value"][:, -1]
            print(name, covered, plain.var() / 64 / mean.var(ddof=1))
            error = np.hypot(plain.std(), mean.std(ddof=1) * 8) / np.sqrt(plain.size)
            assert abs(exact - plain.mean()) < 4 * error
            assert covered >= 0.92, name  # 0.95 less two standard errors of 200
            assert plain.var() / 64 > 2 * mean.var(ddof=1)


# ---- the program ----


@pytest.mark.parametrize("keys", [dict(), dict(scheme_type="euler", **SPECTRAL)])
def test_the_bits_of_the_run_stay(folder, keys):
    run("with", tokens_count=300, **keys)
    run("without", tokens_count=300, ensemble_control="none", **keys)
    found = datasets("with.h5")
    del found["study/simulate/control_sums"]
    plain = datasets("without.h5")
    assert not same_bits(
        {name: found[name] for name in found if not name.startswith("quantities")},
        {name: plain[name] for name in plain if not name.startswith("quantities")},
    )


@pytest.mark.parametrize("ranks, groups", [(4, 2), (2, 1)])
def test_same_bits_on_ranks_and_over_a_stop(folder, ranks, groups):
    keys = dict(tokens_count=600, ensemble_groups=groups, checkpoint_resume=True)
    run("one", tokens_count=600)
    stopped = run("cut", ranks=2, check=False, hook="9 5 -1 signal=15", **keys)
    assert stopped.returncode == 85, stopped.stderr
    assert "goes on from" in run("cut", ranks=ranks, **keys).stdout
    differing = same_bits(contents("one.h5"), contents("cut.h5"))
    assert not differing, differing


def test_fewer_realizations_meet_a_target(folder):
    keys = dict(ensemble_realizations=4000, ensemble_target="energy:0.03")
    counts = {}
    for control in ("none", "noise"):
        run(control, ensemble_control=control, **keys)
        said = study(f"{control}.h5", "simulate")[0]
        assert said["target_met"] == 1
        counts[control] = datasets(f"{control}.h5")["observables/energy/value"].shape[1]
    assert said["target_energy"] == said["control_energy"]
    assert said["target_energy_low"] == said["control_energy_low"]
    assert 32 < counts["noise"] < counts["none"] / 2, counts


def test_merged_runs_are_one(folder):
    for seed in (1, 2):
        run(f"seed{seed}", ensemble_seed=seed)
    chorale(["merge"] + options(merge_files="seed1.h5,seed2.h5", output_file="both.h5"))
    sums = np.concatenate(
        [datasets(f"seed{seed}.h5")["study/simulate/control_sums"] for seed in (1, 2)]
    )
    assert (datasets("both.h5")["study/simulate/control_sums"] == sums).all()
    one, both = (study(f"{name}.h5", "simulate")[0] for name in ("seed1", "both"))
    widths = [said["control_order_high"] - said["control_order_low"] for said in (one, both)]
    assert widths[1] < widths[0]


def test_few_realizations_have_none(folder):
    done = run(ensemble_realizations=31)
    assert "control    takes at least 32 realizations" in done.stdout and not spoken(done)
    assert "control_energy" not in study("run.h5", "simulate")[0]


@pytest.mark.parametrize(
    "keys, message",
    [
        (dict(noise_type="none", mlp_width=None), "ensemble_control.*no effect with noise_type"),
        (dict(scheme_levels=2, **SPECTRAL), "ensemble_control.*no effect with scheme_levels 2"),
        (dict(tokens_dim=513), "tokens_dim = 513: must be at most 512 with ensemble_control"),
        (dict(ensemble_control="all"), "ensemble_control = all: must be one of"),
    ],
)
def test_what_is_refused(folder, keys, message):
    keys = {**SMALL, **keys}
    refused(
        ["simulate"] + options(**{k: value for k, value in keys.items() if value is not None}),
        message,
    )
