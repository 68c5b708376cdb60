"""Same bits: every dataset outside /provenance and /parameters, and every trajectory, is bitwise equal at 1, 2, 3 and 4 ranks, for
fewer and more realizations than ranks, N not a multiple of 256, several dimensions, attention types, starts and groupings."""
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from run import CHORALE, chorale, datasets, options, same_bits

COMMON = dict(layers_depth=4, layers_horizon=1, mlp_width=96, output_every=2, output_trajectories=1, output_overwrite=True)
CASES = {
    "R<P, N not in blocks, d=3": dict(tokens_count=1300, tokens_dim=3, mlp_activation="silu", mlp_bias_u=0.1),
    "R>P, d=2, vmf": dict(tokens_count=300, tokens_dim=2, ensemble_realizations=5, tokens_init="vmf", tokens_kappa=5),
    "one block, d=7, clusters": dict(tokens_count=61, tokens_dim=7, ensemble_realizations=3, tokens_init="clusters", mlp_activation="tanh"),
    "d=64, repulsive": dict(tokens_count=520, tokens_dim=64, ensemble_realizations=2, attention_value=-1, mlp_bias_w=0.1),
    "d=40, usa": dict(tokens_count=600, tokens_dim=40, attention_type="usa", attention_beta=2, mlp_width=300),
    "quadrature, l2": dict(tokens_count=800, tokens_dim=3, tokens_init="quadrature", attention_type="l2", output_precision="single"),
    "noise only": dict(tokens_count=513, tokens_dim=5, attention_type="none", output_compress=1, ensemble_realizations=2),
    "euler, spectral, moments, d=2": dict(tokens_count=1300, tokens_dim=2, noise_type="spectral", noise_degree=40, attention_engine="moments", scheme_type="euler"),
    "heun, spectral, quadrature": dict(tokens_count=800, tokens_dim=3, tokens_init="quadrature", noise_type="spectral", noise_degree=12, scheme_type="heun"),
    "flow, mlp, d=5": dict(tokens_count=600, tokens_dim=5, attention_beta=2, scheme_type="flow", ensemble_realizations=2),
    "flow, spectral, moments, d=4": dict(tokens_count=520, tokens_dim=4, noise_type="spectral", noise_degree=6, attention_engine="moments", scheme_type="flow"),
    "attention only": dict(tokens_count=1024, tokens_dim=4, noise_type="none", attention_beta=30),
    "heun, mlp, d=7": dict(tokens_count=600, tokens_dim=7, scheme_type="heun"),
    "usa, moments, gram, euler": dict(tokens_count=300, tokens_dim=3, attention_type="usa", attention_engine="moments", noise_type="gram", scheme_type="euler",
                                      layers_depth=2),
    "two heads, gram, layer": dict(tokens_count=300, tokens_dim=4, attention_weights="../heads.h5", noise_type="gram", layers_depth=2),
    "gram, flow, d=2": dict(tokens_count=300, tokens_dim=2, noise_type="gram", scheme_type="flow", layers_depth=2),
    "moments, spectral, heun, d=3": dict(tokens_count=1500, tokens_dim=3, attention_engine="moments", noise_type="spectral",
                                         noise_degree=9, scheme_type="heun", attention_type="l2"),
    "moments, spectral, flow, d=5": dict(tokens_count=700, tokens_dim=5, attention_engine="moments", noise_type="spectral",
                                         noise_degree=4, scheme_type="flow", ensemble_realizations=3),
    "sinkhorn, gram, heun, d=40": dict(tokens_count=520, tokens_dim=40, attention_type="sinkhorn", noise_type="gram",
                                       scheme_type="heun", layers_depth=2, output_every=1),
    "tables, euler, d=2": dict(tokens_count=40000, tokens_dim=2, attention_engine="moments", noise_type="spectral",
                               noise_degree=64, scheme_type="euler"),
    "tables, heun, d=3": dict(tokens_count=30000, tokens_dim=3, attention_engine="moments", noise_type="spectral",
                              noise_degree=32, scheme_type="heun", layers_depth=2, output_every=1),
    "sinkhorn moments, spectral layer": dict(tokens_count=900, tokens_dim=3, attention_type="sinkhorn", attention_engine="moments",
                                             noise_type="spectral", noise_degree=6),
}


def files(folder):
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".h5", ".h5md")):
                skip = ("provenance", "parameters", "particles") if name.endswith(".h5") else ()
                for path, value in datasets(os.path.join(base, name), skip).items():
                    found[f"{name}:{path}"] = value
    return found


def run(case, ranks, folder, **more):
    os.makedirs(folder)
    words = ["simulate"] + options(**{**COMMON, **case, **more})
    if ranks == 1:
        subprocess.run([CHORALE, *words], cwd=folder, check=True, capture_output=True, timeout=240)
    else:
        chorale(words, ranks=ranks, cwd=folder)
    return files(folder)


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as top:
        with h5py.File(f"{top}/heads.h5", "w") as file:
            rng = np.random.default_rng(3)
            for path in (f"heads/{h}/{m}" for h in range(2) for m in "QKV"):
                file[path] = rng.normal(size=(4, 4)) / 2
        for i, (name, case) in enumerate(CASES.items()):
            reference = run(case, 1, f"{top}/{i}-1")
            assert any(path.startswith("realization_00000.h5md:particles/all/position/value") for path in reference), sorted(reference)
            assert "simulate.h5:observables/energy/value" in reference, sorted(reference)
            for ranks in (2, 3, 4):
                differing = same_bits(reference, run(case, ranks, f"{top}/{i}-{ranks}"))
                bad += bool(differing)
                print(f"{name}: {ranks} ranks:", "same bits" if not differing else f"DIFFER in {differing}")
        case = CASES["R>P, d=2, vmf"]
        reference = files(f"{top}/1-1")
        for groups in (1, 2, 4):  # the grouping is free as well
            differing = same_bits(reference, run(case, 4, f"{top}/groups-{groups}", ensemble_groups=groups))
            bad += bool(differing)
            print(f"4 ranks in {groups} groups:", "same bits" if not differing else f"DIFFER in {differing}")
        other = run(case, 1, f"{top}/seed", ensemble_seed=2)
        assert same_bits(reference, other), "another seed must give other bits"
    return bad != 0


sys.exit(main())
