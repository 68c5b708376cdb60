"""Same bits: every dataset outside /provenance and /parameters, and every trajectory, is bitwise
equal at 1, 2, 3 and 4 ranks, for fewer and more realizations than ranks, N not a multiple of 256,
several dimensions, attention types, starts and groupings."""

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, same_bits

COMMON = dict(
    layers_depth=4,
    layers_horizon=1,
    mlp_width=96,
    output_every=2,
    output_trajectories=1,
    output_overwrite=True,
)
FEW = dict(  # two blocks, of which the third rank has none
    tokens_count=300,
    tokens_dim=2,
    noise_type="spectral",
    noise_degree=6,
    attention_engine="moments",
    ensemble_groups=1,
)
QUICK = {
    "R<P, N not in blocks, d=3": dict(
        tokens_count=1300, tokens_dim=3, mlp_activation="silu", mlp_bias_u=0.1
    ),
    "R>P, d=2, vmf": dict(
        tokens_count=300,
        tokens_dim=2,
        ensemble_realizations=5,
        tokens_init="vmf",
        tokens_kappa=5,
    ),
    "quadrature, l2": dict(
        tokens_count=800,
        tokens_dim=3,
        tokens_init="quadrature",
        attention_type="l2",
        output_precision="single",
    ),
    "euler, spectral, moments, d=2": dict(
        tokens_count=1300,
        tokens_dim=2,
        noise_type="spectral",
        noise_degree=40,
        attention_engine="moments",
        scheme_type="euler",
    ),
    "a rank without tokens, euler": dict(FEW, scheme_type="euler"),
    "own noise, heun, spectral, d=3": dict(
        tokens_count=1300,
        noise_type="spectral",
        noise_degree=4,
        noise_independent=0.3,
        scheme_type="heun",
        ensemble_realizations=2,
    ),
    "flow, mlp, d=5": dict(
        tokens_count=600,
        tokens_dim=5,
        attention_beta=2,
        scheme_type="flow",
        ensemble_realizations=2,
    ),
    "values at barycentres, moments, d=3": dict(
        tokens_count=1300,
        tokens_dim=3,
        noise_type="values",
        noise_at="barycentre",
        attention_value=0,
        attention_beta=3,
    ),
    "mlp at barycentres, euler, direct, d=40": dict(
        tokens_count=520, tokens_dim=40, noise_at="barycentre", scheme_type="euler"
    ),
    "random heads": dict(
        tokens_count=600,
        tokens_dim=4,
        attention_weights="random",
        attention_heads=3,
        attention_head_dim=2,
        attention_random_value=True,
        ensemble_realizations=2,
    ),
    "two heads, gram, layer": dict(
        tokens_count=300,
        tokens_dim=4,
        attention_weights="heads.h5",
        noise_type="gram",
        layers_depth=2,
    ),
    "causal, moments, d=3": dict(
        tokens_count=1300,
        tokens_dim=3,
        attention_mask="causal",
        attention_engine="moments",
        scheme_type="heun",
    ),
}
FULL = {
    **{
        f"a rank without tokens, {name}": dict(FEW, scheme_type=name)
        for name in ("layer", "heun", "flow")
    },
    "causal, two heads, d=4": dict(
        tokens_count=700,
        tokens_dim=4,
        attention_mask="causal",
        attention_weights="heads.h5",
    ),
    "causal, usa, d=5": dict(
        tokens_count=700, tokens_dim=5, attention_mask="causal", attention_type="usa"
    ),
    "one block, d=7, clusters": dict(
        tokens_count=61,
        tokens_dim=7,
        ensemble_realizations=3,
        tokens_init="clusters",
        mlp_activation="tanh",
    ),
    "d=64, repulsive": dict(
        tokens_count=520,
        tokens_dim=64,
        ensemble_realizations=2,
        attention_value=-1,
        mlp_bias_w=0.1,
    ),
    "d=40, usa": dict(
        tokens_count=600, tokens_dim=40, attention_type="usa", attention_beta=2, mlp_width=300
    ),
    "noise only": dict(
        tokens_count=513,
        tokens_dim=5,
        attention_type="none",
        output_compress=1,
        ensemble_realizations=2,
    ),
    "heun, spectral, quadrature": dict(
        tokens_count=800,
        tokens_dim=3,
        tokens_init="quadrature",
        noise_type="spectral",
        noise_degree=12,
        scheme_type="heun",
    ),
    "flow, spectral, moments, d=4": dict(
        tokens_count=520,
        tokens_dim=4,
        noise_type="spectral",
        noise_degree=6,
        attention_engine="moments",
        scheme_type="flow",
    ),
    "attention only": dict(tokens_count=1024, tokens_dim=4, noise_type="none", attention_beta=30),
    "heun, mlp, d=7": dict(tokens_count=600, tokens_dim=7, scheme_type="heun"),
    "usa, moments, gram, euler": dict(
        tokens_count=300,
        tokens_dim=3,
        attention_type="usa",
        attention_engine="moments",
        noise_type="gram",
        scheme_type="euler",
        layers_depth=2,
    ),
    "gram, flow, d=2": dict(
        tokens_count=300, tokens_dim=2, noise_type="gram", scheme_type="flow", layers_depth=2
    ),
    "moments, spectral, heun, d=3": dict(
        tokens_count=1500,
        tokens_dim=3,
        attention_engine="moments",
        noise_type="spectral",
        noise_degree=9,
        scheme_type="heun",
        attention_type="l2",
    ),
    "moments, spectral, flow, d=5": dict(
        tokens_count=700,
        tokens_dim=5,
        attention_engine="moments",
        noise_type="spectral",
        noise_degree=4,
        scheme_type="flow",
        ensemble_realizations=3,
    ),
    "sinkhorn, gram, heun, d=40": dict(
        tokens_count=520,
        tokens_dim=40,
        attention_type="sinkhorn",
        noise_type="gram",
        scheme_type="heun",
        layers_depth=2,
        output_every=1,
    ),
    "tables, euler, d=2": dict(
        tokens_count=40000,
        tokens_dim=2,
        attention_engine="moments",
        noise_type="spectral",
        noise_degree=64,
        scheme_type="euler",
    ),
    "one table, euler, d=3": dict(
        tokens_count=20000,
        tokens_dim=3,
        attention_beta=0.3,
        attention_engine="moments",
        noise_type="spectral",
        noise_degree=8,
        scheme_type="euler",
        layers_depth=4,
        output_every=1,
    ),
    "one table in single precision, euler, d=3": dict(
        tokens_count=20000,
        tokens_dim=3,
        attention_beta=0.3,
        attention_engine="moments",
        attention_tol=1e-6,
        noise_type="spectral",
        noise_degree=8,
        scheme_type="euler",
        layers_depth=4,
        output_every=1,
    ),
    "tables, heun, d=3": dict(
        tokens_count=30000,
        tokens_dim=3,
        attention_engine="moments",
        noise_type="spectral",
        noise_degree=32,
        scheme_type="heun",
        layers_depth=2,
        output_every=1,
    ),
    "sinkhorn moments, spectral layer": dict(
        tokens_count=900,
        tokens_dim=3,
        attention_type="sinkhorn",
        attention_engine="moments",
        noise_type="spectral",
        noise_degree=6,
    ),
}
CASES = {**QUICK, **FULL}


def write_heads(path):
    """The weights of two heads."""
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        for name in (f"heads/{h}/{m}" for h in range(2) for m in "QKV"):
            file[name] = rng.normal(size=(4, 4)) / 2


def run(case, ranks, folder, **more):
    """Every dataset of its results and trajectories."""
    keys = {**COMMON, **CASES[case], **more}
    if keys.get("noise_type", "mlp") != "mlp":
        del keys["mlp_width"]  # would have no effect
    if keys.get("attention_weights", "random") != "random":
        write_heads(folder / keys["attention_weights"])
    chorale(["simulate"] + options(**keys), ranks=ranks, cwd=folder)
    found = datasets(folder / "simulate.h5")
    for path in sorted((folder / "simulate").glob("*.h5md")):
        for name, value in datasets(path, skip=()).items():
            found[f"{path.name}:{name}"] = value
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """alone(case): its bits at one rank, where it runs once."""
    found = {}

    def bits(case):
        if case not in found:
            found[case] = run(case, 1, tmp_path_factory.mktemp("alone"))
        return found[case]

    return bits


def expect_same(reference, found):
    assert "realization_00000.h5md:particles/all/position/value" in reference, sorted(reference)
    assert "observables/energy/value" in reference, sorted(reference)
    differing = same_bits(reference, found)
    assert not differing, differing


@pytest.mark.parametrize("ranks", (pytest.param(2, marks=pytest.mark.full), 3))
@pytest.mark.parametrize("case", QUICK)
def test_bits_are_the_same_at_any_number_of_ranks(folder, alone, case, ranks):
    expect_same(alone(case), run(case, ranks, folder))


@pytest.mark.full
@pytest.mark.parametrize(
    "case, ranks",
    [(case, 4) for case in QUICK] + [(case, ranks) for case in FULL for ranks in (2, 3, 4)],
)
def test_bits_are_the_same_in_many_more_cases(folder, alone, case, ranks):
    expect_same(alone(case), run(case, ranks, folder))


@pytest.mark.full
@pytest.mark.parametrize("groups", (1, 2, 4))
def test_bits_are_the_same_for_any_grouping(folder, alone, groups):
    case = "R>P, d=2, vmf"
    expect_same(alone(case), run(case, 4, folder, ensemble_groups=groups))


def test_another_seed_gives_other_bits(folder, alone):
    case = "R>P, d=2, vmf"
    assert same_bits(alone(case), run(case, 1, folder, ensemble_seed=2))
