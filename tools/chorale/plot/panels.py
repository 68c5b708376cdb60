"""The panels of every study's picture by name, for one of them alone: a function that draws it on
axes, and the name of what its vertical axis shows, which in the picture is the panel's title."""

from __future__ import annotations

from functools import partial
from typing import Callable, NamedTuple, Union

import numpy as np
from matplotlib.axes import Axes

from chorale.errors import Refused
from chorale.io import Run, Table
from chorale.plot import (
    analyze,
    chaos,
    kernel,
    limits,
    simulate,
    spde,
    sync,
    sync_map,
    sync_moments,
    sync_starts,
)
from chorale.plot.common import Series, columns, time_axis


class Panel(NamedTuple):
    """What draws it, and what its vertical axis shows where it does not say so itself."""

    draw: Callable[[Axes], None]
    label: str = ""


Panels = dict[str, Panel]


def over_time(draw: Callable[[Axes], None], time: np.ndarray, axes: Axes) -> None:
    """A panel whose time axis its picture makes."""
    draw(axes)
    time_axis(axes, time)


def of_observables(run: Run) -> Panels:
    """Of simulate, and of what analyze has in common with it."""
    seen = {name: Series(run, name) for name in run.observables if name in SERIES}
    unit = "" if seen["energy"].unit in ("1", "") else "\\,e^{-\\beta}"
    clusters = seen.get("clusters_all") or seen["clusters"]
    found = {
        "energy": Panel(
            partial(simulate.draw_energy, run, energy=seen["energy"]), f"$E_\\beta{unit}$"
        ),
        "order": Panel(
            lambda axes: simulate.draw_order(axes, seen["order"], seen["nematic"]), "order"
        ),
        "cosines": Panel(
            lambda axes: simulate.draw_cosines(axes.figure, axes, seen["cosine_hist"])
        ),
        "clusters": Panel(lambda axes: simulate.draw_clusters(axes, clusters), "clusters"),
    }
    if "modes" in seen:
        found["modes"] = Panel(lambda axes: simulate.draw_modes(axes, seen["modes"]), "amplitude")
    extras = {"cosine_position": "position", "attention_entropy": "attention"}
    labels = {"position": "cosine to the first token", "attention": "share"}
    for name, panel in extras.items():
        if name in run.observables:
            draw = partial(simulate.EXTRAS[name], run)
            found[panel] = Panel(draw, labels[panel])
    time = seen["energy"].time
    return {
        name: Panel(partial(over_time, one.draw, time), one.label) for name, one in found.items()
    }


SERIES = ("energy", "order", "nematic", "cosine_hist", "clusters", "clusters_all", "modes")


def draw_histogram(run: Run, name: str, axes: Axes) -> None:
    analyze.draw_histogram(run, axes.figure, axes, name)


def of_analyze(run: Run) -> Panels:
    found = of_observables(run)
    distances = [name for name in analyze.DISTANCES if analyze.known(run, name)]
    if distances:
        found["distances"] = Panel(
            lambda axes: analyze.draw_distances(run, axes, distances), "distance"
        )
    for name in analyze.HISTOGRAMS:
        if name in run.observables:
            found[name.replace("_hist", "s")] = Panel(partial(draw_histogram, run, name))
    return found


def of_sync(run: Run) -> Panels:
    """Of a map by activation."""
    if "moment_boundary" in run.study_data:
        return of_moments(run)
    if "boundary" in run.study_data:
        return of_map(run)
    if "attractor" in run.study_data:
        return of_starts(run)
    time, named = columns(run, "time")[0], {
        "energy": (sync.draw_energy, "$E_\\beta$", "energy_mean"),
        "exponent": (sync.draw_exponent, "", "growth_mean"),
        "clusters": (sync.draw_clusters, "", "clusters_mean"),
        "push": (sync.draw_push, "rate", "attention_push_mean"),
        "pairs": (sync.draw_pairs, "mean square distance", "pair_mean"),
        "error": (sync.draw_error, "", "energy_exact"),
    }
    found = {}
    for name, (draw, label, column) in named.items():
        if column in run.study_data and np.isfinite(columns(run, column)[0]).any():
            found[name] = Panel(partial(over_time, partial(draw, run, time=time), time), label)
    if "spectrum" in run.study_data or "exponents" in run.study_data:
        found["spectrum"] = Panel(lambda axes: sync.draw_spectrum(run, axes, time))
    if "beta_rate" in run.study_data:
        found["betas"] = Panel(lambda axes: sync.draw_betas(run, axes, time))
    if "caps" in run.study_data:
        found["split"] = Panel(partial(sync.draw_split, run))
    return found


def of_map(run: Run) -> Panels:
    found = sync_map.read(run)

    def draw(axes: Axes, activation: str) -> None:
        image = sync_map.draw_phases(axes, found, activation, sync_map.norm_of(found))
        axes.figure.colorbar(image, ax=axes, pad=0.02, label="rate $-\\bar\\lambda'(\\beta)$")
        axes.set_xlabel("dimension d")

    names = dict.fromkeys(found.activation)
    return {
        name: Panel(partial(draw, activation=name), "$\\sigma_U = \\sigma_W$") for name in names
    }


def of_moments(run: Run) -> Panels:
    whole = sync_moments.read(run)

    def draw(axes: Axes, activation: str) -> None:
        sync_moments.draw_regions(axes, whole, activation)
        sync_moments.dimension_axis(axes, whole.dims)
        axes.set_xlabel("dimension d")

    label = "$\\sigma_U = \\sigma_W$"
    return {name: Panel(partial(draw, activation=name), label) for name in whole.activations}


def of_starts(run: Run) -> Panels:
    (time,) = columns(run, "time")
    kinds = {"diameter": "diameter", "folded": "diameter up to sign"}
    found = {
        name: Panel(
            lambda axes, name=name, label=label: sync_starts.draw_diameter(
                run, axes, time, name, label
            ),
            label,
        )
        for name, label in kinds.items()
    }
    places = sync_starts.points_of(run)
    if len(places):
        found["places"] = Panel(lambda axes: sync_starts.draw_places(axes, places))
        found["coordinate"] = Panel(lambda axes: sync_starts.draw_coordinate(run, axes, places))
    return found


def of_limits(run: Run) -> Panels:
    grid, values = limits.Grid(run), run.study_values
    found = {"depth": Panel(lambda axes: limits.draw_depth(axes, grid, values))}
    if grid.finite.any():
        found["width"] = Panel(
            lambda axes: limits.draw_width(axes, grid, values),
            f"mean of ${grid.supremum()}$ $|X - \\bar X|^2$",
        )
    if grid.errors and "log_verdict" in values:
        found["logarithm"] = Panel(lambda axes: limits.draw_logarithm(axes, grid, values))
    return found


def of_chaos(run: Run) -> Panels:
    dim = run.parameters.integer("tokens_dim")
    found = {
        "rates": Panel(lambda axes: chaos.draw_rates(run, axes, dim)),
        "times": Panel(partial(chaos.draw_times, run), "$W_2^2$"),
    }
    if "correlation" in run.study_data:
        found["correlation"] = Panel(partial(chaos.draw_correlation, run))
    return found


def of_spde(run: Run) -> Panels:
    found = {
        "distance": Panel(partial(spde.draw_distance, run), spde.kind(run)),
        "energy": Panel(partial(spde.draw_energy, run)),
        "mass": Panel(partial(spde.draw_mass, run), "share"),
    }
    if spde.has_density(run):
        found["spectrum"] = Panel(partial(spde.draw_spectrum, run), "amplitude")
    return found


def of_kernel(table: Table) -> Panels:
    """k(u) in the least dimension, and what decides on synchronization."""
    rows = table.table()
    if "opposite" in rows:
        return {
            "ends": Panel(
                lambda axes: kernel.draw_ends(axes, rows, np.unique(rows["dim"])), "share"
            ),
            "plane": Panel(lambda axes: kernel.draw_plane(axes, rows)),
        }
    curves, dims, beta = kernel.Curves(rows), np.unique(rows["dim"]), np.unique(rows["beta"])[0]

    def sign(axes: Axes, which: int) -> None:
        kernel.draw_signs([axes], rows, curves, beta, [kernel.SIGNS[which]])
        axes.legend(handles=curves.handles(), loc="best")

    def shape(axes: Axes) -> None:
        kernel.draw_kernels([axes], rows, curves, dims[:1])
        axes.legend(handles=curves.handles(), loc="best")

    found = {
        column: Panel(partial(sign, which=i), label)
        for i, (column, label, _) in enumerate(kernel.SIGNS)
    }
    if "c1" in rows:
        found["kernel"] = Panel(shape)
    return found


STUDIES: dict[str, Callable[..., Panels]] = {
    "simulate": of_observables,
    "analyze": of_analyze,
    "sync": of_sync,
    "limits": of_limits,
    "chaos": of_chaos,
    "spde": of_spde,
    "kernel": of_kernel,
}


def panel_of(run: Union[Run, Table], name: str) -> Panel:
    """A panel by its name; Refused names those that there are."""
    if run.kind not in ("results", "table") or run.study not in STUDIES:
        raise Refused(f"{run.path}: panels are those of results, not of a {run.kind}")
    found = STUDIES[run.study](run)
    if name not in found:
        raise Refused(f"--panel {name}: {run.path} has {', '.join(found)}")
    return found[name]
