"""Study sync: the energy beside the exact value, the bound of the theorem and the fitted rate;
growth of the twins beside the exact Lyapunov exponent; clusters and order, or the exponents beyond
the first; and the split of an odd field, the pull of attention, or the energy's error, the
theorem at several β, or the distance of pairs. A map of activations: sync_map.py, and its moments:
sync_moments.py; the random attractor: sync_starts.py."""

from __future__ import annotations

from typing import Callable

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from chorale.io import Run
from chorale.plot import sync_map, sync_moments, sync_starts
from chorale.plot.common import (
    FADED_TRACES,
    LOOK,
    Picture,
    columns,
    dress,
    factor,
    found,
    positive_band,
    time_axis,
)
from chorale.plot.words import change, clusters_words, decided, mark, plus_minus, with_interval

DOTS = (0, (1, 1.4))  # the line of what is exact


def scalar(run: Run, key: str) -> float:
    """A number of the study; NaN where it says none."""
    return float(run.study_values.get(key, np.nan))


def guaranteed(run: Run) -> float:
    """The rate at which the theorem makes the energy fall, -(ε + λ̄'(β)) from upper bounds of both;
    NaN where it proves none."""
    rate = -(scalar(run, "epsilon") + scalar(run, "lambda_rate_bound"))
    return rate if run.study_values.get("theorem") == "applies" else np.nan


def draw_band(
    run: Run, axes: Axes, time: np.ndarray, mean: np.ndarray, sem: np.ndarray, colour: str
) -> None:
    """A 95% interval of a mean."""
    low, high = mean - factor(run) * sem, mean + factor(run) * sem
    axes.fill_between(time, low, high, color=colour, alpha=0.3, linewidth=0)


def draw_fit(run: Run, axes: Axes, time: np.ndarray, mean: np.ndarray) -> None:
    """The fitted decay, through the energies that it was fitted to."""
    decay, start, end = (scalar(run, key) for key in ("decay", "decay_from", "decay_to"))
    inside = (time >= start) & (time <= end)
    level = np.exp(np.log(mean[inside]).mean() + decay * time[inside].mean())
    ends = np.array([start, end])
    label = f"fitted rate {with_interval(run.study_values, 'decay')}"
    look = {"color": LOOK.green, "linewidth": 2, "zorder": 4}
    axes.plot(ends, level * np.exp(-decay * ends), label=label, **look)


def energy_words(run: Run, mean: np.ndarray) -> str:
    """What became of the energy, or of its bound where the theorem gives one."""
    verdict = decided(run.study_values.get("bound_verdict"))
    if not np.isfinite(guaranteed(run)) or verdict is None:
        return change(mean)
    if verdict:
        by_chance = scalar(run, "bound_excess") > 0
        return "is above its bound by chance at most" if by_chance else "stays under its bound"
    return f"exceeds its bound by {scalar(run, 'bound_excess'):.1f} standard errors"


def draw_energy(run: Run, axes: Axes, time: np.ndarray) -> None:
    """Beside its exact value, its bound and its fit, where there are any."""
    names = ("energy_mean", "energy_sem", "energy_exact", "energy_bound")
    mean, sem, exact, bound = columns(run, *names)
    traces = run.study_data["energy"][:, :FADED_TRACES]
    axes.plot(time, traces, color=LOOK.faint, alpha=0.25, linewidth=0.6)
    low, high = positive_band(mean, factor(run) * sem)
    axes.fill_between(time, low, high, color=LOOK.blue, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=LOOK.blue, linewidth=2.8, label="measured")
    if np.isfinite(exact).any():
        look = {"color": LOOK.ink, "linewidth": 1.6, "linestyle": DOTS}
        axes.plot(time, exact, label="exact (two tokens)", **look)
    if np.isfinite(bound).any():
        look = {"color": LOOK.orange, "linewidth": 2, "linestyle": "--"}
        rate = -(scalar(run, "epsilon") + scalar(run, "lambda_rate_bound"))
        label = f"bound of the theorem, rate {rate:.2f}"
        axes.plot(time, bound, label=label, **look)
    if np.isfinite(scalar(run, "decay")):
        draw_fit(run, axes, time, mean)
    shown = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in (mean, exact)])
    if shown.min() < 0.2 * shown.max():
        axes.set(yscale="log", ylim=(0.3 * shown.min(), 2.5 * shown.max()))
    else:
        axes.set_ylim(0, 1.2 * shown.max())
    found(axes, f"Energy  $E_\\beta$ {energy_words(run, mean)}")
    axes.legend(loc="lower left")


def draw_exponent(run: Run, axes: Axes, time: np.ndarray) -> None:
    """Growth of the twins beside the exact exponent."""
    mean, sem = columns(run, "growth_mean", "growth_sem")
    measured, error, exact, cluster = (
        scalar(run, f"lambda1{ending}") for ending in ("", "_sem", "_exact", "_cluster")
    )
    draw_band(run, axes, time, mean, sem, LOOK.blue)
    label = f"twins: $\\lambda_1$ = {plus_minus(measured, error)}"
    axes.plot(time, mean, color=LOOK.blue, linewidth=2.8, label=label)
    label = f"exact, noise alone: {exact:.4f}".replace("-", "−")
    look = {"color": LOOK.ink, "linewidth": 1.6, "linestyle": DOTS}
    axes.plot(time, exact * time, label=label, **look)
    if np.isfinite(cluster) and cluster != exact:
        label = f"once all have met: {cluster:.4f}".replace("-", "−")
        look = {"color": LOOK.orange, "linewidth": 1.8, "linestyle": "--"}
        axes.plot(time, cluster * time, label=label, **look)
    off = abs(measured - exact) / error if error > 0 else np.nan
    verdict = run.study_values.get("lambda1_verdict")
    known = np.isfinite(off) and verdict is not None
    apart = f" ({off:.1f} s.e. off: {verdict})" if known else ""
    beside = "exact" if verdict is not None else "noise alone"
    found(axes, f"$\\lambda_1$ = {measured:.3f}, {beside} {exact:.3f}{apart}".replace("-", "−"))
    axes.set_ylabel("mean log distance of twins")
    axes.legend(loc="best")


def draw_spectrum(run: Run, axes: Axes, _: np.ndarray) -> None:
    """All exponents of a token and the largest of the system, beside those of the noise."""
    kinds = (("spectrum", "a token", LOOK.blue, "o"), ("exponents", "the system", LOOK.orange, "s"))
    most = 1
    for name, label, colour, marker in kinds:
        if name not in run.study_data:
            continue
        mean, sem, late, cluster = columns(
            run, name, f"{name}_sem", f"{name}_late", f"{name}_cluster"
        )
        j, noise = np.arange(1, len(mean) + 1), run.study_values.get("lambda1_verdict") is not None
        shown = mean if noise else late
        look = {"color": colour, "marker": marker, "linestyle": "", "markersize": 8}
        bars = {"yerr": factor(run) * sem} if np.isfinite(sem).all() and noise else {}
        axes.errorbar(j, shown, label=f"{label}: measured", **look, **bars)
        exact = run.study_data["spectrum_exact"][()] if noise and name == "spectrum" else cluster
        what = "exact" if noise and name == "spectrum" else "once all have met"
        axes.plot(j, exact, color=colour, linewidth=1.6, linestyle=DOTS, label=f"{label}: {what}")
        most = max(most, len(j))
    axes.axhline(0, color=LOOK.soft, linewidth=0.8)
    axes.set(xlabel="exponent j", ylabel="$\\lambda_j$", xticks=range(1, most + 1, 1 + most // 12))
    off, verdict = scalar(run, "spectrum_off"), run.study_values.get("spectrum_verdict")
    apart = f" within {off:.1f} s.e. of exact: {verdict}" if np.isfinite(off) else ""
    found(axes, f"Exponents{apart}")
    axes.legend(loc="best")


def draw_clusters(run: Run, axes: Axes, time: np.ndarray) -> None:
    """Their number, and on the right the order."""
    names = ("clusters_mean", "clusters_sem", "order_mean", "order_sem")
    clusters, clusters_sem, order, order_sem = columns(run, *names)
    draw_band(run, axes, time, clusters, clusters_sem, LOOK.green)
    axes.plot(time, clusters, color=LOOK.green, linewidth=2.8)
    axes.set(yscale="log", ylim=(0.9, None))
    found(axes, f"{clusters_words(clusters)}, order {change(order)}")
    axes.set_ylabel("clusters (cosine > 0.99)", color=LOOK.green)
    axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    right = axes.twinx()
    right.grid(False)
    right.spines["right"].set_visible(True)
    draw_band(run, right, time, order, order_sem, LOOK.purple)
    right.plot(time, order, color=LOOK.purple, linewidth=2.8, linestyle="--")
    right.set(ylim=(0, 1.03))
    right.set_ylabel("order $|\\langle x\\rangle|$ (dashed)", color=LOOK.purple)


def draw_split(run: Run, axes: Axes) -> None:
    """Shares of the larger cap; without dependence every token chooses a cap with a fair coin."""
    (caps,) = columns(run, "caps")
    count, share = run.parameters.integer("tokens_count"), caps[:, 0]
    edges = np.linspace(0.5, 1, 26)
    if count >= 26:
        edges = np.arange(np.ceil(count / 2), count + 1, max(1, count // 50)) / count
    axes.hist(share, bins=edges, color=LOOK.blue, alpha=0.85)
    mean, opposite, neither = share.mean(), caps[:, 1].mean(), caps[:, 2].mean()
    label = f"mean {mean:.3f}; opposite {opposite:.3f}, neither {neither:.3f}"
    axes.axvline(mean, color=LOOK.orange, linewidth=2, label=label)
    found(axes, f"Two antipodal points: the larger holds {100 * mean:.0f}%")
    axes.set(xlabel="share of the tokens at the larger point", ylabel="realizations")
    axes.legend(loc="upper right")


def draw_push(run: Run, axes: Axes, time: np.ndarray) -> None:
    """How fast attention alone makes the energy grow, beside what noise does."""
    push, energy = columns(run, "attention_push_mean", "energy_mean")
    largest, noise = scalar(run, "attention_rate"), -scalar(run, "lambda_rate_bound")
    label = "attention alone: mean of $\\dot E_\\beta$ / mean of $E_\\beta$"
    axes.plot(time, push / energy, color=LOOK.blue, linewidth=2.6, label=label)
    look = {"color": LOOK.orange, "linewidth": 2, "linestyle": "--"}
    axes.axhline(largest, label=f"largest in the run: {largest:.4f}", **look)
    look = {"color": LOOK.ink, "linewidth": 1.6, "linestyle": DOTS}
    axes.axhline(noise, label=f"$-\\bar\\lambda'(\\beta)$ = {noise:.4f}", **look)
    how = "slower" if largest < noise else "faster"
    words = f"made the energy grow\n{how} than noise is proved to shrink it"
    none = "never made the energy grow"
    found(axes, f"In this run attention {none if largest < 0 else words}")
    axes.legend(loc="best")


def draw_pairs(run: Run, axes: Axes, time: np.ndarray) -> None:
    """The mean square distance of pairs beside its exact value, under its bounds by the energy and
    by the theorem."""
    names = ("pair_mean", "pair_sem", "pair_exact", "pair_energy", "pair_bound")
    mean, sem, exact, energy, bound = columns(run, *names)
    low, high = positive_band(mean, factor(run) * sem)
    axes.fill_between(time, low, high, color=LOOK.blue, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=LOOK.blue, linewidth=2.8, label="measured")
    if np.isfinite(exact).any():
        look = {"color": LOOK.ink, "linewidth": 1.6, "linestyle": DOTS}
        axes.plot(time, exact, label="exact (two tokens)", **look)
    look = {"color": LOOK.purple, "linewidth": 2, "linestyle": "-."}
    axes.plot(time, energy, label="bound by the energy, $4E_\\beta/\\sinh\\beta$", **look)
    if np.isfinite(bound).any():
        look = {"color": LOOK.orange, "linewidth": 2, "linestyle": "--"}
        axes.plot(time, bound, label="bound of the theorem", **look)
    least = mean[mean > 0].min(initial=np.inf)
    if least < 0.2 * mean.max():
        axes.set(yscale="log", ylim=(0.3 * least, 3 * energy.max()))
    else:
        axes.set_ylim(0, 1.4 * energy.max())
    found(axes, f"Mean square distance of pairs {change(mean)}")
    axes.legend(loc="lower left")


def draw_betas(run: Run, axes: Axes, _: np.ndarray) -> None:
    """The rate at which the theorem makes each energy fall, and what it is made of."""
    beta, rate, applies, noise, attention = columns(
        run, "beta", "beta_rate", "beta_applies", "beta_lambda_rate_bound", "beta_epsilon"
    )
    order = np.argsort(beta)
    best, proved = scalar(run, "beta_best"), applies > 0
    axes.plot(beta[order], -noise[order], color=LOOK.green, linewidth=1.8, linestyle="--")
    axes.plot([], [], color=LOOK.green, linestyle="--", label="by noise: $-\\bar\\lambda'(\\beta)$")
    inside = np.isfinite(attention[order])
    look = {"color": LOOK.orange, "linewidth": 1.8, "linestyle": "-."}
    label = "taken by attention, at most: $\\epsilon(\\beta)$"
    axes.plot(beta[order][inside], attention[order][inside], label=label, **look)
    axes.plot(beta[order], -rate[order], color=LOOK.blue, linewidth=1, alpha=0.6)
    look = {"linestyle": "", "marker": "o", "markersize": 9, "color": LOOK.blue}
    axes.plot(beta[proved], -rate[proved], label="guaranteed: the theorem applies", **look)
    look["markerfacecolor"] = "none"
    axes.plot(beta[~proved], -rate[~proved], label="difference: no theorem", **look)
    axes.axhline(0, color=LOOK.soft, linewidth=0.8)
    if best in beta[proved]:
        axes.axvline(best, color=LOOK.blue, linewidth=1.2, linestyle=DOTS)
    low = np.nanmin(-rate[np.isfinite(rate)], initial=0)
    axes.set(xscale="log", xlabel="$\\beta$ of the energy", ylabel="rate")
    high = np.nanmax(-noise)
    axes.set_ylim(max(1.1 * low, -high), 2.6 * high)  # with room for the legend
    apart, ticks = np.ptp(np.log(beta)) / 12, []
    for value in beta[order]:
        ticks += [value] if not ticks or np.log(value / ticks[-1]) >= apart else []
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    words = f"The best guarantee is that of β = {best:g}: rate {-scalar(run, 'beta_best_rate'):.3f}"
    found(axes, words if proved.any() else "The theorem applies at none of these β")
    axes.legend(loc="upper right")


def deviations(mean: np.ndarray, sem: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """In standard errors; NaN where there is none: of one realization, and of what is the same in
    all."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = (mean - exact) / sem
    return np.where(np.isfinite(off), off, np.nan)


def draw_error(run: Run, axes: Axes, time: np.ndarray) -> None:
    """The energy less its exact mean."""
    mean, sem, exact = columns(run, "energy_mean", "energy_sem", "energy_exact")
    off = deviations(mean, sem, exact)
    look = {"color": LOOK.blue, "linewidth": 1.6, "marker": "o", "markersize": 4}
    if not np.isfinite(off).any():  # one realization has no standard error
        axes.axhline(0, color=LOOK.soft, linewidth=0.8)
        axes.plot(time, mean - exact, **look)
        axes.set(title="One realization beside the exact mean", ylabel="energy less its exact mean")
        return
    axes.axhspan(-4, 4, color=LOOK.faint, alpha=0.18, linewidth=0)
    axes.axhline(0, color=LOOK.soft, linewidth=0.8)
    axes.plot(time, off, **look)
    most, until = scalar(run, "energy_off"), scalar(run, "energy_resolved")
    verdict = decided(run.study_values.get("energy_verdict"))
    if until < time[-1]:
        axes.axvspan(until, time[-1], color=LOOK.faint, alpha=0.3, linewidth=0)
    words = f"Energy within {most:.1f} standard errors of exact"
    if verdict is False:
        words = f"Energy up to {most:.1f} standard errors off exact"
    where = "" if until == time[-1] else f"\nup to t = {until:.3g} (then not resolved)"
    if not np.isfinite(most):
        words, where, most = "Energy less exact: not resolved", "", np.nanmax(np.abs(off))
    found(axes, words + where + mark(verdict, np.nanmax(np.abs(off))))
    axes.set(ylabel="standard errors off", ylim=(-max(5, 1.1 * most), max(5, 1.1 * most)))


def headline(run: Run, energy: np.ndarray) -> str:
    """The measured rate beside the guaranteed one, or what else there is to say."""
    decay, proved = scalar(run, "decay"), guaranteed(run)
    falls = f"Energy falls at rate {decay:.2f}"
    if run.study_values.get("beta_best_theorem") == "applies":
        best, rate = scalar(run, "beta_best"), -scalar(run, "beta_best_rate")
        said = falls if np.isfinite(decay) else f"Energy {change(energy)}"
        return f"{said}; the theorem guarantees {rate:.2f} at β = {best:g}"
    if np.isfinite(decay) and np.isfinite(proved):
        verdict = mark(decided(run.study_values.get("decay_verdict")))
        return f"{falls}; the theorem guarantees {proved:.2f}{verdict}"
    if scalar(run, "antipodal") == 1:
        return "Odd noise without bias: its attractor is two opposite points, not one"
    theorem = "the theorem does not apply"
    if np.isfinite(proved):
        theorem = f"the theorem guarantees rate {proved:.2f}"
    elif run.study_values.get("theorem") == "open":
        theorem = "whether the theorem applies is open"
    if np.isfinite(decay):
        return f"{falls}; {theorem}"
    return f"Energy {change(energy)}; {theorem}"


def panels_of(run: Run) -> list[Callable[[Run, Axes, np.ndarray], None]]:
    """What draws the panels over time of this run."""
    panels = [draw_energy, draw_exponent, draw_clusters]
    if "growth_mean" not in run.study_data:
        panels = [draw_energy, draw_clusters]
    if "spectrum" in run.study_data or "exponents" in run.study_data:
        panels[-1] = draw_spectrum
    if "attention_push_mean" in run.study_data:
        panels.append(draw_push)
    elif np.isfinite(columns(run, "energy_exact")[0]).any():
        panels.append(draw_error)
    if "beta_rate" in run.study_data:
        panels = panels[:3] + [draw_betas]
    elif len(panels) < 4 and "pair_mean" in run.study_data:
        panels.append(draw_pairs)
    return panels


def figure(run: Run) -> Picture:
    if "moment_boundary" in run.study_data:
        return sync_moments.figure(run)
    if "boundary" in run.study_data:
        return sync_map.figure(run)
    if "attractor" in run.study_data:
        return sync_starts.figure(run)
    time, energy = columns(run, "time", "energy_mean")
    antipodal = scalar(run, "antipodal") == 1
    panels = panels_of(run)[: 3 if antipodal else None]
    whole = plt.figure(figsize=(13, 10), layout="constrained")
    places = whole.add_gridspec(2, 2)
    for i, draw in enumerate(panels):
        axes = whole.add_subplot(places[i // 2, i % 2])
        draw(run, axes, time)
        if draw not in (draw_spectrum, draw_betas):
            time_axis(axes, time)
    if antipodal:
        draw_split(run, whole.add_subplot(places[len(panels) // 2, len(panels) % 2]))
    about = "Bands: 95% intervals of the mean; thin lines: single realizations"
    several = run.study_data["energy"].shape[1] > 1
    return dress(whole, run, headline(run, energy), about if several else "")
