"""Small runs of every study, for the tests of what reads results: each is made once, when it is
first asked for."""

import shutil

import pytest
from run import chorale, options

SPECTRAL = {"noise_type": "spectral", "noise_degree": 3}
SMALL = {"mlp_width": 16, "layers_depth": 12}
RECORDED = {**SMALL, "tokens_count": 40, "output_trajectories": 1}
# name of the results: study and keys
RUNS = {
    "circle": ("simulate", {**RECORDED, "tokens_dim": 2, "ensemble_realizations": 3}),
    "sphere": ("simulate", RECORDED),
    "beyond": ("simulate", {**RECORDED, "tokens_dim": 6}),
    "alone": ("simulate", {**SMALL, "tokens_count": 8, "ensemble_realizations": 2}),
    "every_fifth": (
        "simulate",
        {
            **RECORDED,
            "layers_horizon": 1,
            "output_every": 5,
            "ensemble_realizations": 2,
            "output_trajectories": 2,
        },
    ),
    "levels": (
        "simulate",
        {
            **SPECTRAL,
            "tokens_count": 8,
            "layers_depth": 32,
            "layers_horizon": 1,
            "scheme_type": "heun",
            "scheme_levels": 4,
            "ensemble_realizations": 8,
        },
    ),
    "limits": (
        "limits",
        {
            "tokens_count": "8,16",
            "layers_depth": "2,4",
            "mlp_width": "16,inf",
            "noise_degree": 4,
            "ensemble_realizations": 2,
        },
    ),
    "chaos": (
        "chaos",
        {
            **SPECTRAL,
            "tokens_count": "16,32,64",
            "tokens_dim": 2,
            "layers_depth": 8,
            "ensemble_realizations": 3,
            "scheme_type": "heun",
            "chaos_restarts": 3,
        },
    ),
    "sync": (
        "sync",
        {
            **SPECTRAL,
            "tokens_count": 8,
            "tokens_dim": 5,
            "layers_depth": 20,
            "layers_horizon": 1,
            "attention_type": "none",
            "scheme_type": "flow",
            "mlp_activation": "sigmoid",
            "ensemble_realizations": 8,
            "output_every": 2,
        },
    ),
    "map": (
        "sync",
        {
            "sync_map": True,
            "tokens_dim": "4,5",
            "mlp_activation": "relu,tanh",
            "kernel_bias": "0,0.2,0.4",
        },
    ),
    "moments": (
        "sync",
        {
            "sync_map": True,
            "tokens_dim": "4,5,8",
            "mlp_activation": "relu,sigmoid",
            "kernel_moments": "1,2",
        },
    ),
    "starts": (
        "sync",
        {
            **SPECTRAL,
            "sync_starts": 3,
            "tokens_count": 8,
            "tokens_dim": 4,
            "layers_depth": 60,
            "layers_horizon": 40,
            "attention_type": "none",
            "mlp_activation": "tanh",
            "ensemble_realizations": 24,
        },
    ),
    "density": (
        "spde",
        {
            **SPECTRAL,
            "tokens_count": 64,
            "tokens_dim": 2,
            "layers_depth": 10,
            "layers_horizon": 0.1,
            "scheme_type": "flow",
            "spde_degree": 32,
            "spde_snapshots": 5,
            "ensemble_realizations": 8,
        },
    ),
    "bare": (
        "spde",
        {
            **SPECTRAL,
            "tokens_count": 32,
            "tokens_dim": 2,
            "layers_depth": 4,
            "layers_horizon": 0.1,
            "scheme_type": "flow",
            "spde_degree": 32,
            "spde_snapshots": 0,
        },
    ),
    "density_on_sphere": (
        "spde",
        {
            **SPECTRAL,
            "noise_degree": 2,
            "tokens_count": 128,
            "layers_depth": 6,
            "layers_horizon": 0.05,
            "scheme_type": "flow",
            "spde_degree": 12,
            "spde_snapshots": 3,
        },
    ),
    "analyze": ("analyze", {"analyze_file": "circle.h5"}),
}
KERNEL = {
    "tokens_dim": "3,5,8",
    "mlp_activation": "relu,tanh",
    "kernel_bias": "0,0.3",
    "kernel_degree": 40,
}
STUDIES = ("circle", "limits", "chaos", "sync", "map", "density", "analyze")  # one of each
QUICK = ("circle", "limits", "sync", "density")  # which the quick tests look at


def in_two_tiers(names=STUDIES):
    """For pytest.mark.parametrize: the others only in the full tests."""
    full = [pytest.mark.full]
    return [pytest.param(name, marks=[] if name in QUICK else full) for name in names]


class Runs:
    """The runs that were made so far, in a folder of their own."""

    def __init__(self, folder):
        self.folder, self.made = folder, set()

    def path(self, name):
        """The results of a run, to be read but not changed; of `kernel` the table."""
        if name not in self.made:
            if name == "analyze":
                self.path("circle")
            if name == "kernel":
                words = ["kernel", *options(**KERNEL, output_table="kernel.csv")]
            else:
                study, keys = RUNS[name]
                words = [study, *options(**keys, output_file=f"{name}.h5", progress="off")]
            chorale(words, cwd=self.folder)
            self.made.add(name)
        return self.folder / ("kernel.csv" if name == "kernel" else f"{name}.h5")

    def copy(self, name, target):
        """Results with their trajectories, under a name of the test's own."""
        path = self.path(name)
        shutil.copy(path, target / path.name)
        if path.with_suffix("").is_dir():
            shutil.copytree(path.with_suffix(""), target / path.stem)
        return target / path.name
