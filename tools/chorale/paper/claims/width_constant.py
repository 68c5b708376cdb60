"""The coefficient of 1/m against the number of tokens, coupled at the tokens and in harmonics."""

import functools
import math

import matplotlib.pyplot as plt
import numpy as np

from chorale.paper.claim import BEYOND, UNRESOLVED, Claim, Row, Study, beside, of_key
from chorale.plot.common import LOOK, count_axis, dress, factor, found

ACTIVATIONS = {"relu": "ReLU", "erf": "erf"}
COUPLINGS = {"tokens": "at the tokens", "harmonics": "in harmonics"}
DECK = "input/paper/width-constant.yaml"
UNITS, DRAWS = 2000, 1024  # of the prediction: hidden units, and points in all


def constants(run):
    """b of error(m) - error(infinity) = b/m at the largest depth, [realization][N]."""
    width = run.parameters.reals("mlp_width")
    deepest = int(np.argmax(run.parameters.reals("layers_depth")))
    error = run.study_data["samples"][:, :, deepest, :]
    finite = np.isfinite(width)
    excess = error[:, :, finite] - error[:, :, ~finite]
    return excess.sum(axis=2) / (1 / width[finite]).sum()


def kernel(activation, cosine, dim):
    """THEORY.md (2.5) without biases."""
    cosine = np.clip(cosine, -1, 1)
    if activation == "relu":
        angle = np.arccos(cosine)
        return (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi * dim)
    return 2 / np.pi * np.arcsin(2 * cosine / (dim + 2))


def one_layer(activation, dim, count, rng):
    """b_N of NUMERICS.md (9.10) at uniform points."""
    x = rng.normal(size=(count, dim))
    x /= np.linalg.norm(x, axis=1)[:, None]
    cosine = x @ x.T
    np.fill_diagonal(cosine, 1)
    eigenvalues, vectors = np.linalg.eigh(kernel(activation, cosine, dim))
    z = x @ rng.normal(size=(dim, UNITS)) / math.sqrt(dim)
    values = np.maximum(z, 0) if activation == "relu" else np.vectorize(math.erf)(z)
    units = vectors.T @ values
    variance = np.square(units) @ np.square(units).T / UNITS - np.square(units @ units.T / UNITS)
    root = np.sqrt(np.maximum(eigenvalues, 1e-13 * eigenvalues[-1]))
    return dim / count * (variance / np.square(root[:, None] + root)).sum()


@functools.lru_cache
def mean_layer(activation, dim, count):
    """Mean of one_layer over draws of the points."""
    rng = np.random.default_rng(1)
    return np.mean([one_layer(activation, dim, count, rng) for _ in range(DRAWS // count)])


def predicted(run):
    """b for every N to first order in T: T (1 - 1/d) b_N, as P projects out one direction."""
    dim, horizon = (float(run.parameters[key]) for key in ("tokens_dim", "layers_horizon"))
    activation, counts = run.parameters["mlp_activation"], run.parameters.reals("tokens_count")
    layers = [mean_layer(activation, int(dim), int(count)) for count in counts]
    return horizon * (1 - 1 / dim) * np.array(layers)


def growth(run):
    """log of b at the most tokens over b at the least, and its standard error, by the jackknife."""
    values = constants(run)
    count = len(values)
    without = (values.sum(axis=0) - values) / (count - 1)
    logs = np.log(without[:, -1] / without[:, 0])
    middle = values.mean(axis=0)
    return np.log(middle[-1] / middle[0]), np.sqrt((count - 1) * logs.var())


def grown(run):
    """The ratio in words."""
    return f"{math.exp(growth(run)[0]):.1f}"


def growth_row(run, label, theory):
    """b at the most tokens over b at the least, decided in the logarithm."""
    log, error = growth(run)
    row = beside(label, math.log(theory), log, error, run)
    ends = [float(np.exp(value)) for value in (row.measured, row.low, row.high)]
    row = row._replace(theory=theory, measured=ends[0], low=ends[1], high=ends[2])
    if not error < 0.3:
        row = row._replace(verdict=UNRESOLVED, why="the ratio is not known to a third")
    return row


def rows(results):
    listed = []
    for activation, name in ACTIVATIONS.items():
        for coupling, where in COUPLINGS.items():
            run = results[f"{activation}-{coupling}"]
            first, *_, last = run.parameters.reals("tokens_count")
            label = f"{name} {where}: b at N = {last:.0f} over b at N = {first:.0f}"
            theory = 1.0
            if coupling == "tokens":
                ends = predicted(run)
                theory = float(ends[-1] / ends[0])
            listed.append(growth_row(run, label, theory))
    for activation, name in ACTIVATIONS.items():
        run = results[f"{activation}-tokens"]
        last = run.parameters.reals("tokens_count")[-1]
        label = f"{name} at the tokens: slope in m at N = {last:.0f}"
        listed.append(of_key(run, "slope_width", label, "−1; the bound uniform in N: −1/2"))
    listed += [
        Row(f"{name}: largest b {where}", "", *largest(results[f"{activation}-{coupling}"]))
        for activation, name in ACTIVATIONS.items()
        for coupling, where in COUPLINGS.items()
    ]
    return listed


def band(run):
    """Mean and half of the 95% interval of b for every N."""
    values = constants(run)
    return values.mean(axis=0), factor(run) * values.std(axis=0, ddof=1) / math.sqrt(len(values))


def largest(run):
    """The largest b and the ends of its interval."""
    mean, half = band(run)
    most = int(np.argmax(mean))
    return float(mean[most]), float(mean[most] - half[most]), float(mean[most] + half[most])


def draw(axes, results, activation, name):
    """b against N for both couplings."""
    looks = {"tokens": (LOOK.blue, "o"), "harmonics": (LOOK.orange, "s")}
    for coupling, where in COUPLINGS.items():
        run = results[f"{activation}-{coupling}"]
        count, (mean, half) = run.parameters.reals("tokens_count"), band(run)
        colour, marker = looks[coupling]
        look = {"fmt": marker, "markersize": 8, "color": colour, "capsize": 3}
        axes.errorbar(count, mean, half, label=f"coupled {where}", **look)
    run = results[f"{activation}-tokens"]
    count = run.parameters.reals("tokens_count")
    axes.plot(count, predicted(run), "--", color=LOOK.blue, label="T (1 − 1/d) $b_N$, (9.10)")
    axes.set_ylim(0, None)
    axes.set_ylabel("b of error = b/m")
    count_axis(
        axes, results[f"{activation}-harmonics"].parameters.reals("tokens_count"), "tokens N"
    )
    axes.legend(loc="lower right")
    found(axes, f"{name}: × {grown(run)} from N = {count[0]:.0f} to {count[-1]:.0f} at the tokens")


def picture(results):
    figure, panels = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
    for axes, (activation, name) in zip(panels, ACTIVATIONS.items()):
        draw(axes, results, activation, name)
    times = {
        key: " and ".join(f"× {grown(results[f'{a}-{key}'])}" for a in ACTIVATIONS)
        for key in COUPLINGS
    }
    headline = (
        f"With more tokens the constant of 1/m grows {times['tokens']} coupled at the tokens, "
        f"{times['harmonics']} in harmonics (ReLU and erf)"
    )
    about = (
        "Parameters are those of ReLU at the tokens. Bars: 95% intervals. "
        "The line is of first order in T. Harmonics: degree 3 at most"
    )
    return dress(figure, results["relu-tokens"], headline, about)


def study(activation, coupling):
    """A run of each size."""
    words = f"-mlp_activation {activation}"
    if coupling == "harmonics":
        words += " -limits_coupling harmonics -noise_type spectral -noise_degree 3"
        return Study(
            "limits",
            DECK,
            f"{words} -ensemble_realizations 24",
            f"{words} -ensemble_realizations 96",
        )
    small = f"{words} -tokens_count 8,32,128,256 -ensemble_realizations 12"
    return Study("limits", DECK, small, f"{words} -ensemble_realizations 48")


CLAIM = Claim(
    title="The width constant against the number of tokens",
    statement="theorem on depth and width, (9.10)",
    claims="Coupled at the tokens, the coefficient b of 1/m grows with N until the harmonics of "
    "the kernel are resolved, as (9.10) says: less for a smooth activation than for ReLU. "
    "Coupled in harmonics it is the same for all N.",
    contradicted="a ratio of b at the most and the least tokens that is more than four standard "
    "errors from that of (9.10), or from 1 in harmonics",
    premise="noise alone; b from the errors at the largest depth less that of infinite width; the "
    "prediction is of first order in T and 1/m. These N end before the rate (9.11) of ReLU in N "
    "begins, so the rate itself is not resolved",
    runs={
        f"{activation}-{coupling}": study(activation, coupling)
        for coupling in COUPLINGS
        for activation in ACTIVATIONS
    },
    rows=rows,
    picture=picture,
    kind=BEYOND,
    place=12,
    seconds=40,
)
