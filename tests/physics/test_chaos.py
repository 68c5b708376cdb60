"""Study chaos against what it is made of.

Nested and twin designs: distances recomputed in numpy and scipy from trajectories of study simulate, which has the same starts and noise.
Quadrature: nodes, copies and systems moved by an independent numpy model (no noise). Twice the nodes change nothing.
Slopes, the correlation given the noise, same bits at any number of ranks and groups, what is refused."""
import os
import sys
import tempfile

import h5py
import numpy as np
from scipy.optimize import linear_sum_assignment

from run import chorale, datasets, options, same_bits

QUIET = dict(progress="off", output_overwrite=True)


def chaos(folder, ranks=1, name="chaos.h5", **keys):
    """{dataset or attribute: value} of /study/chaos, and what was printed."""
    done = chorale(["chaos"] + options(output_file=name, **QUIET, **keys), ranks=ranks, cwd=folder)
    with h5py.File(os.path.join(folder, name), "r") as file:
        group = file["study/chaos"]
        return {**{key: group[key][()] for key in group}, **dict(group.attrs), "printed": done.stdout}


def trajectories(folder, realizations, **keys):
    """positions[r][frame][N][d] of study simulate."""
    chorale(["simulate"] + options(output_file="walk.h5", ensemble_realizations=realizations, output_trajectories=realizations, **QUIET, **keys),
            ranks=2, cwd=folder)
    found = []
    for r in range(realizations):
        with h5py.File(os.path.join(folder, "walk", f"realization_{r:05}.h5md"), "r") as file:
            found.append(file["particles/all/position/value"][()])
    return np.array(found)


def kernel_mean(x, y, beta, v=None, w=None):
    """sum_ij v_i w_j e^{beta <x_i,y_j>}"""
    v = np.full(len(x), 1 / len(x)) if v is None else v
    w = np.full(len(y), 1 / len(y)) if w is None else w
    return v @ np.exp(beta * x @ y.T) @ w


def mmd2(x, y, beta, w=None):
    return kernel_mean(x, x, beta) - 2 * kernel_mean(x, y, beta, None, w) + kernel_mean(y, y, beta, w, w)


def w2sq(x, y):
    """Exact assignment; len(y) is a multiple of len(x)."""
    cost = 2 - 2 * np.repeat(x, len(y) // len(x), axis=0) @ y.T
    return cost[linear_sum_assignment(cost)].mean()


def worst(found, expected):
    return np.abs(found - expected).max()


def check_nested(folder, keys, counts, size, transport):
    """The reference is simulate with `size` tokens, the systems simulate with N."""
    R, beta = 2, 1.5
    keys = dict(keys, layers_horizon=1, layers_depth=6, output_every=2, attention_beta=beta)
    found = chaos(folder, 2, tokens_count=",".join(map(str, counts)), chaos_reference=size, ensemble_realizations=R, **keys)
    reference = trajectories(folder, R, tokens_count=size, **keys)
    off = []
    for i, N in enumerate(counts):
        system = trajectories(folder, R, tokens_count=N, **keys)
        assert np.array_equal(system[:, 0], reference[:, 0, :N]), "the first N tokens of a large start are not the start of N"
        coupling = ((system - reference[:, :, :N]) ** 2).sum(axis=3).mean(axis=2)
        assert coupling[:, 0].max() == 0 and coupling[:, -1].min() > 1e-6, coupling
        off.append(worst(found["coupling_frames"][:, :, i], coupling))
        distance = np.array([[mmd2(x, y, beta) for x, y in zip(*pair)] for pair in zip(system, reference)])
        off.append(worst(found["mmd2_frames"][:, :, i], distance))
        assert abs(found["mmd2"][i] - distance.max(axis=1).mean()) < 1e-12
        assert abs(found["coupling_sem"][i] - coupling.max(axis=1).std(ddof=1) / np.sqrt(R)) < 1e-14
        if transport:
            distance = np.array([[w2sq(x, y) for x, y in zip(*pair)] for pair in zip(system, reference)])
            off.append(worst(found["w2sq_frames"][:, :, i], distance))
    print(f"nested {keys['noise_type']}, {keys['scheme_type']}, d = {keys['tokens_dim']}: off by at most {max(off):.1e}")
    return not max(off) < 1e-12


def check_twin(folder):
    """Without noise the twin of realization r is realization r + R."""
    R, beta, counts = 2, 1.0, (17, 300)
    keys = dict(tokens_dim=4, layers_horizon=2, layers_depth=4, noise_type="none", scheme_type="heun", tokens_init="vmf", tokens_kappa=1)
    found = chaos(folder, 2, tokens_count="17,300", chaos_reference="twin", ensemble_realizations=R, **keys)
    off = []
    for i, N in enumerate(counts):
        x = trajectories(folder, 2 * R, tokens_count=N, **keys)
        for r in range(R):
            off.append(worst(found["w2sq_frames"][r, :, i], [w2sq(a, b) for a, b in zip(x[r], x[r + R])]))
            off.append(worst(found["mmd2_frames"][r, :, i], [mmd2(a, b, beta) for a, b in zip(x[r], x[r + R])]))
    print(f"twin: off by at most {max(off):.1e}")
    return not (max(off) < 1e-12 and np.isnan(found["coupling"]).all() and np.isnan(found["slope_coupling"]))


def rule(dim, count):
    """Nodes and weights of the uniform measure."""
    if dim == 2:
        angle = 2 * np.pi * (np.arange(count) + 0.5) / count
        return np.column_stack([np.cos(angle), np.sin(angle)]), np.full(count, 1 / count)
    n = round((count / 2) ** 0.5)
    z, w = np.polynomial.legendre.leggauss(n)
    angle = np.pi * (np.arange(2 * n) + 0.5) / n
    radius = np.sqrt(1 - z**2)
    x = np.stack([radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle), np.repeat(z[:, None], 2 * n, axis=1)], axis=2)
    return x.reshape(-1, 3), np.repeat(w, 2 * n) / w.sum() / (2 * n)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def attention(x, y, w, beta, value):
    """Softmax attention of the measure (y, w) at x."""
    kernel = np.exp(beta * x @ y.T) * w
    return value * kernel @ y / kernel.sum(axis=1, keepdims=True)


def slope(x, y, w, beta, value, dt):
    s = dt * attention(x, y, w, beta, value)
    return s - (s * x).sum(axis=1, keepdims=True) * x


def step(scheme, x, y, w, beta, value, dt):
    """Tokens x and the measure (y, w) that moves both, one step later."""
    if scheme == "layer":
        return tuple(unit(z + dt * attention(z, y, w, beta, value)) for z in (x, y))
    first = [slope(z, y, w, beta, value, dt) for z in (x, y)]
    stage = [unit(z + s) for z, s in zip((x, y), first)]
    second = [slope(z, stage[1], w, beta, value, dt) for z in stage]
    return tuple(unit(z + (s + t) / 2) for z, s, t in zip((x, y), first, second))


def check_quadrature(folder, dim, kappa, scheme):
    nodes, counts, beta, value, depth, horizon = 512, (9, 260), 2.0, 1.5, 5, 1.5
    keys = dict(tokens_dim=dim, noise_type="none", scheme_type=scheme, layers_depth=depth, layers_horizon=horizon, attention_beta=beta, attention_value=value)
    keys.update(dict(tokens_init="vmf", tokens_kappa=kappa) if kappa else {})
    found = chaos(folder, 2, tokens_count="9,260", chaos_reference="quadrature", chaos_nodes=nodes, **keys)
    start = trajectories(folder, 1, tokens_count=counts[-1], **keys)[0, 0]
    y, w = rule(dim, nodes)
    w = w * np.exp(kappa * (y[:, 0] - 1))
    w /= w.sum()
    copies, systems, off = start, [start[:N] for N in counts], []
    for l in range(depth + 1):
        for i, (N, x) in enumerate(zip(counts, systems)):
            off.append(abs(found["coupling_frames"][0, l, i] - ((x - copies[:N]) ** 2).sum(axis=1).mean()))
            off.append(abs(found["mmd2_frames"][0, l, i] - mmd2(x, y, beta, w)))
        systems = [step(scheme, x, x, np.full(len(x), 1 / len(x)), beta, value, horizon / depth)[0] for x in systems]
        copies, y = step(scheme, copies, y, w, beta, value, horizon / depth)
    print(f"quadrature d = {dim}, {scheme}, kappa {kappa}: off by at most {max(off):.1e}, coupling {found['coupling']}")
    return not (max(off) < 1e-11 and found["coupling"].min() > 1e-5)


def check_nodes(folder):
    """The limit is that of the continuous measure: twice the nodes give the same moments and copies (smooth noise)."""
    keys = dict(tokens_dim=2, noise_type="spectral", noise_degree=12, scheme_type="euler", layers_depth=50, layers_horizon=1, output_every=10,
                tokens_count=1024, chaos_reference="quadrature", attention_beta=2, ensemble_realizations=2)
    few, many = (chaos(folder, chaos_nodes=nodes, **keys) for nodes in (2048, 4096))
    change = {name: worst(few[name], many[name]) for name in ("coupling_frames", "mmd2_frames", "w2sq_frames")}
    print("twice the nodes change", change, "of", few["coupling"], few["mmd2"], few["w2sq"])
    # W2^2 sees the nodes themselves: theirs is about 3.3/M^2, and it enters through W2 as a cross term at most
    return not (change["coupling_frames"] < 1e-12 and change["mmd2_frames"] < 1e-12 and change["w2sq_frames"] < 0.01 * few["w2sq"][0])


def check_slopes(folder):
    """Circle: W2^2, MMD^2 and coupling fall like 1/N, and faster than the paper's bound N^{-1/2}. The bootstrap's standard error is a quarter
    of its interval; -1 is within 4 of them, and they are small enough to tell -1 from -1/2."""
    found = chaos(folder, 2, tokens_dim=2, tokens_count="64,128,256,512,1024,2048", chaos_reference="quadrature", ensemble_realizations=64, layers_depth=20,
                  layers_horizon=1, output_every=5, noise_type="spectral", noise_degree=16, scheme_type="euler")
    failed = 0
    for name in ("w2sq", "mmd2", "coupling"):
        value, low, high = (found[f"slope_{name}{end}"] for end in ("", "_low", "_high"))
        sem = (high - low) / (2 * 1.96)
        print(f"slope of {name} {value:.3f} [{low:.3f}, {high:.3f}]")
        failed += not (abs(value + 1) < 4 * sem and 4 * sem < 0.5)
        fitted = np.polyfit(np.log(found["tokens"]), np.log(found[name]), 1)[0]
        failed += not abs(value - fitted) < 1e-10
        failed += not np.allclose(found[name], found[f"{name}_frames"].max(axis=1).mean(axis=0), rtol=1e-13, atol=0)
        failed += f"{value:.3f}" not in found["printed"]
    failed += not (abs(found["slope_bound"] + 0.5) < 1e-12 and abs(found["slope_intrinsic"] + 1) < 1e-12)
    return failed


def check_correlation(folder):
    """Tokens that do not interact are independent given the noise; tokens that attract each other are not, to order 1/N."""
    keys = dict(tokens_dim=3, tokens_count="8,32", chaos_restarts=9, ensemble_realizations=64, layers_depth=10, layers_horizon=1, output_every=10,
                noise_type="spectral", noise_degree=6, scheme_type="euler")
    free = chaos(folder, 2, attention_type="none", **keys)
    bound = chaos(folder, 2, **keys)
    for found in (free, bound):
        assert found["correlation_frames"].shape == (64, 2, 2)
        print("correlation", found["correlation"], "+-", found["correlation_sem"])
    failed = not (np.abs(free["correlation"]) < 4 * free["correlation_sem"]).all()
    failed += not (bound["correlation"] > 4 * bound["correlation_sem"]).all()
    # at time 0 all starts are independent
    start = bound["correlation_frames"][:, 0]
    failed += not (np.abs(start.mean(axis=0)) < 4 * start.std(axis=0, ddof=1) / 8).all()
    ratio = 8 * bound["correlation"][0] / (32 * bound["correlation"][1])
    error = ratio * np.hypot(*(bound["correlation_sem"] / bound["correlation"]))
    print(f"N times the correlation: ratio {ratio:.2f} +- {error:.2f}")
    return failed + (not (0.4 - 4 * error < ratio < 2 + 4 * error))


def check_same_bits(folder):
    common = dict(ensemble_realizations=3, layers_depth=4, layers_horizon=1, output_every=2)
    cases = {
        "quadrature, restarts": dict(tokens_dim=2, tokens_count="100,700,1300", chaos_reference="quadrature", chaos_restarts=1, noise_type="spectral",
                                     noise_degree=16, scheme_type="euler"),
        "quadrature, d=3": dict(tokens_dim=3, tokens_count="300", chaos_reference="quadrature", noise_type="spectral", noise_degree=6,
                                attention_engine="direct", chaos_nodes=512, ensemble_realizations=1),
        "twin, mlp, d=4": dict(tokens_dim=4, tokens_count="60,300,520", mlp_width=64),
        "nested, mlp, d=2": dict(tokens_dim=2, tokens_count="7,300,1000", chaos_reference=1500, mlp_width=64, scheme_type="heun"),
    }
    bad = 0
    for name, case in cases.items():
        results = {}
        for ranks, groups in ((1, 1), (2, 1), (3, 3), (4, 2)):
            chaos(folder, ranks, **{**common, **case}, ensemble_groups=groups)
            results[ranks, groups] = datasets(os.path.join(folder, "chaos.h5"))
            with h5py.File(os.path.join(folder, "chaos.h5"), "r") as file:
                results[ranks, groups].update({f"@{key}": value for key, value in file["study/chaos"].attrs.items()})
            differing = same_bits(results[1, 1], results[ranks, groups])
            bad += bool(differing)
            print(f"{name}: {ranks} ranks, {groups} groups:", "same bits" if not differing else f"DIFFER in {differing}")
    return bad


def check_refusals(folder):
    cases = {
        "tokens_count = 8,8": dict(tokens_count="4,8,8"),
        "tokens_count = 8,4": dict(tokens_count="8,4"),
        "tokens_count = 64: must be below chaos_reference": dict(tokens_count="8,64", chaos_reference=64),
        "tokens_count = 65: must be below chaos_reference": dict(tokens_count="8,65", chaos_reference=64),
        "chaos_reference = quadrature: needs tokens_dim 2 or 3": dict(tokens_dim=4, chaos_reference="quadrature"),
        "chaos_reference = half": dict(chaos_reference="half"),
        "chaos_nodes = 300": dict(tokens_dim=2, chaos_reference="quadrature", chaos_nodes=300),
        "chaos_nodes = 768": dict(tokens_dim=3, chaos_reference="quadrature", chaos_nodes=768),
        "chaos_nodes = 256: it belongs to": dict(chaos_nodes=256),
        "tokens_init = clusters": dict(tokens_init="clusters"),
        "tokens_count = 1: must be at least 2": dict(tokens_count="1,8", chaos_restarts=3),
        "tokens_count = 4096: must be at most 2048": dict(tokens_count=4096, noise_type="gram"),
        "tokens_count = 1800 and 2 smaller: noise_type gram": dict(tokens_count="512,1024,1800", noise_type="gram", scheme_type="flow"),
    }
    failed = 0
    for message, keys in cases.items():
        done = chorale(["chaos"] + options(output_file="refused.h5", output_table="refused.csv", **keys), ranks=2, cwd=folder, check=False)
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale:")]
        right = done.returncode == 2 and len(lines) == 1 and message in lines[0] and not any(name.startswith("refused") for name in os.listdir(folder))
        print("refused" if right else f"NOT REFUSED ({done.returncode}, {done.stderr})", message)
        failed += not right
    done = chorale(["chaos"] + options(tokens_count="64,128", tokens_dim=2, chaos_reference="quadrature", output_file="dry.h5", dry_run=True), cwd=folder)
    failed += "4096 quadrature nodes" not in done.stdout or "token steps" not in done.stdout or os.path.exists(os.path.join(folder, "dry.h5"))
    return failed


def main():
    with tempfile.TemporaryDirectory() as folder:
        failed = check_nested(folder, dict(tokens_dim=3, noise_type="spectral", noise_degree=6, scheme_type="heun"), (20, 100), 400, True)
        failed += check_nested(folder, dict(tokens_dim=2, noise_type="mlp", mlp_width=64, scheme_type="layer"), (7, 300), 700, False)
        failed += check_twin(folder)
        failed += check_quadrature(folder, 2, 0, "layer") + check_quadrature(folder, 3, 0, "heun")
        failed += check_quadrature(folder, 2, 3, "heun") + check_quadrature(folder, 3, 3, "layer")
        failed += check_nodes(folder)
        failed += check_slopes(folder)
        failed += check_correlation(folder)
        failed += check_same_bits(folder)
        failed += check_refusals(folder)
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
