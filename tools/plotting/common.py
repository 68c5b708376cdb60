"""What the pictures of all studies share: themes and palette, type sizes, headline and caption, findings, statistics over realizations."""
import textwrap
from collections import namedtuple

import matplotlib
import numpy as np
from chorale_io import BadFile
from matplotlib.colors import LinearSegmentedColormap, ListedColormap

DPI = 150
FADED_TRACES = 40  # single realizations drawn behind the mean
SLAB = 1 << 22  # numbers of a dataset that are read at once


# A figure, what it finds in one line, and what its panels find (their titles); complete is False of a run that goes on or was stopped.
Picture = namedtuple("Picture", "figure headline findings complete")
FINDING = "finding"  # group of the titles that say what is found, not what is drawn


class Look:
    """Colours by what they are for; those of data are Okabe and Ito's, distinct for all kinds of colour vision, on both papers."""

    def use(self, theme):
        self.__dict__.update(THEMES[theme])

    def sequence(self, count):
        """Colours of ordered curves."""
        return self.ordered(np.linspace(0, 1, count))


def _part(name, low, high):
    return ListedColormap(matplotlib.colormaps[name](np.linspace(low, high, 256)))


def _between(low, high):
    return LinearSegmentedColormap.from_list("ball", [low, high])


THEMES = {
    "light": {"paper": "#ffffff", "ink": "#1b1f24", "soft": "#4d5560", "faint": "#8a8f98", "grid": "#e3e6ea", "panel": "#f3f4f6",
              "blue": "#0072B2", "orange": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "yellow": "#E69F00", "sky": "#56B4E9",
              "alarm": "#B03A00", "ordered": _part("viridis", 0, 0.86), "ball": _between("#b4b8be", "#fbfbfc"),
              "phases": ("#e9d8a6", "#e4e7eb", "#b9c0ca")},
    "dark": {"paper": "#14171c", "ink": "#eceef1", "soft": "#b4bcc6", "faint": "#858d98", "grid": "#2b3139", "panel": "#1e2228",
             "blue": "#56B4E9", "orange": "#E69F00", "green": "#009E73", "purple": "#CC79A7", "yellow": "#F0E442", "sky": "#0072B2",
             "alarm": "#FF9A4D", "ordered": _part("viridis", 0.3, 1), "ball": _between("#15181d", "#454c56"),
             "phases": ("#6d5f33", "#2b3139", "#4a525d")},
}
LOOK = Look()
LOOK.use("light")


def style():
    """matplotlib's settings for the theme in use; texts are large enough for a picture at half its size."""
    return {"font.size": 14, "axes.titlesize": 15, "axes.labelsize": 14, "legend.fontsize": 12.5, "xtick.labelsize": 13, "ytick.labelsize": 13,
            "axes.grid": True, "grid.color": LOOK.grid, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
            "figure.facecolor": LOOK.paper, "axes.facecolor": LOOK.paper, "savefig.facecolor": LOOK.paper, "text.color": LOOK.ink,
            "axes.edgecolor": LOOK.soft, "axes.labelcolor": LOOK.ink, "axes.titlecolor": LOOK.ink, "xtick.color": LOOK.soft,
            "ytick.color": LOOK.soft, "xtick.labelcolor": LOOK.ink, "ytick.labelcolor": LOOK.ink, "legend.facecolor": LOOK.paper,
            "legend.edgecolor": LOOK.grid, "legend.framealpha": 0.85, "pdf.fonttype": 42, "figure.constrained_layout.h_pad": 0.08,
            "figure.constrained_layout.w_pad": 0.08}


def found(axes, words):
    """A title that is a finding."""
    axes.set_title(words).set_gid(FINDING)


def not_complete(run):
    return "NOT COMPLETE: " + reached(run)


def dress(figure, run, headline, about=""):
    """The finding above the panels; the parameters, and how to read the lines, below them. Returns the Picture."""
    wide = int(6 * figure.get_figwidth())
    unfinished = "" if run.complete is not False else not_complete(run) + "\n"
    figure.suptitle(unfinished + wrapped(headline, wide), fontsize=19, fontweight="bold", color=LOOK.alarm if unfinished else LOOK.ink)
    words = ". ".join(part.strip(". ").replace(". . ", ". ") for part in (parameters_line(run), about) if part.strip(". "))
    figure.supxlabel(wrapped(words + ".", int(10.6 * figure.get_figwidth())) if words else "", fontsize=12.5, color=LOOK.soft)
    titles = [axes.title for axes in figure.axes if axes.title.get_gid() == FINDING]
    return Picture(figure, headline, [title.get_text() for title in titles], run.complete)


def wrapped(words, wide):
    """As few lines as fit, and those about equally long."""
    words = words.replace(" = ", "\u00a0=\u00a0").replace(" − ", "\u00a0−\u00a0")
    lines = len(textwrap.wrap(words, wide))
    while wide > 20 and len(textwrap.wrap(words, wide - 1)) == lines:
        wide -= 1
    return textwrap.fill(words, wide)


def reached(run):
    """How far a run that is not complete has got."""
    if run.observables:
        time = next(iter(run.observables.values())).time
        horizon = number(run.parameters.get("layers_horizon", "?"))
        return f"up to t = {time[-1]:.3g} of {horizon}" if len(time) else "nothing is recorded yet"
    done = run.realizations_done
    if done is not None:
        return f"{done} of {run.parameters.get('ensemble_realizations', '?')} realizations"
    return "its run goes on or was stopped"


def parameters_line(run):
    """The parameters that say which experiment this is, in the paper's letters."""
    get = getattr(run, "system", run.parameters).get
    parts = [f"{letter} = {range_of(get(key))}" for letter, key in
             (("N", "tokens_count"), ("d", "tokens_dim"), ("L", "layers_depth"), ("T", "layers_horizon")) if get(key)]
    if get("tokens_init", "uniform") != "uniform":
        parts.append(f"start {get('tokens_init')}")
    if get("attention_type") == "none":
        parts.append("no attention")
    elif get("attention_weights"):
        parts.append(f"{get('attention_type')} attention with weights of a file")
    elif get("attention_type"):
        parts.append(f"{get('attention_type')} attention, β = {number(get('attention_beta', '?'))}, v = {number(get('attention_value', '?'))}")
    elif get("attention_beta"):
        parts.append(f"β = {number(get('attention_beta'))}")
    if get("noise_type") == "none":
        parts.append("no MLP")
    elif get("mlp_activation"):
        parts.append(f"{get('mlp_activation')} " + (f"MLP of width {range_of(get('mlp_width', '?'))}" if get("noise_type", "mlp") == "mlp" else f"noise ({get('noise_type')})"))
        if any(float(get(key, 0) or 0) for key in ("mlp_bias_u", "mlp_bias_w")):
            parts.append(f"σ_U = {number(get('mlp_bias_u', 0))}, σ_W = {number(get('mlp_bias_w', 0))}")
    if get("ensemble_realizations"):
        parts.append(f"{get('ensemble_realizations')} realization{'' if get('ensemble_realizations') == '1' else 's'}")
    if get("ensemble_seed"):
        parts.append(f"seed {get('ensemble_seed')}")
    return ", ".join(parts)


def range_of(words):
    """`64`, or of a list `8 … 128`."""
    found = words.split(",")
    return number(found[0]) if len(found) == 1 else f"{number(found[0])} … {number(found[-1])}"


def number(value):
    try:
        return f"{float(value):.8g}"
    except ValueError:
        return value


def short(value, digits=2):
    """A number as one writes it: 0.77, $4\\cdot10^{-5}$."""
    if not np.isfinite(value):
        return "?"
    words = f"{value:.{digits}g}"
    if "e" in words and 1 <= abs(value) < 1e6:
        return f"{float(words):.0f}"
    if "e" not in words:
        return words.replace("-", "−")
    factor, power = words.split("e")
    return (f"${factor}\\cdot" if factor not in ("1", "-1") else "$" + factor[:-1]) + f"10^{{{int(power)}}}$"


def change(first, last):
    """`falls from 0.77 to 0.0006`"""
    if not np.isfinite(first + last):
        return "is not known at the end"
    if abs(last - first) <= 0.02 * max(abs(first), abs(last)):
        return f"stays near {short(last)}"
    return f"{'falls' if last < first else 'rises'} from {short(first)} to {short(last)}"


def columns(run, *names):
    """Datasets of a study's group as arrays; BadFile names the first that is missing."""
    data = run.study_data
    for name in names:
        if name not in data:
            raise BadFile(run.path, f"no study/{run.study}/{name}: the file is not complete")
    return [data[name][:] for name in names]


def interval(values, key):
    """(value, low, high) of a fitted number; NaN where there was nothing to fit, and for the interval of one realization."""
    value, low, high = (float(values.get(name, np.nan)) for name in (key, f"{key}_low", f"{key}_high"))
    return (value, low, high) if low < high else (value, np.nan, np.nan)


def with_interval(values, key, digits=2):
    """`−1.02 [−1.05, −0.98]`"""
    value, low, high = interval(values, key)
    words = f"{value:.{digits}f}" + (f" [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low + high) else "")
    return words.replace("-", "−")


def plus_minus(value, error, digits=4):
    """`−0.1646 ± 0.0014`; of one realization no error is known."""
    return (f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if np.isfinite(error) else "")).replace("-", "−")


def bars(sem):
    """Half of 95% intervals for errorbar(); None where no error is known."""
    return 1.96 * np.nan_to_num(sem) if np.isfinite(sem).any() else None


def is_chance(off, count):
    """Whether a mean over so many realizations may lie so many of its standard errors off: within four standard deviations, Student's law
    taken to the normal one (Wallace). None where too few realizations decide nothing."""
    free = count - 1
    if free < 3 or not np.isfinite(off):
        return None
    return bool((8 * free + 1) / (8 * free + 3) * np.sqrt(free * np.log1p(off * off / free)) <= 4)


def mark(holds, *numbers):
    """` ✓` or ` ✗`, nothing where one of the numbers that decide is not known."""
    return "" if holds is None or not np.isfinite(numbers).all() else " ✓" if holds else " ✗"


class Series:
    """An observable over time: mean of the realizations, half of its 95% interval, and the first realizations, in little memory."""

    def __init__(self, run, name):
        if name not in run.observables:
            raise BadFile(run.path, f"no observables/{name}: not results of chorale {run.study}")
        seen = run.observables[name]
        if not len(seen):
            raise BadFile(run.path, f"no frame of {name} is recorded yet")
        self.time, self.unit = seen.time, seen.unit
        self.traces = seen.value[: len(seen), :FADED_TRACES]
        self.count = seen.value.shape[1]
        if run.complete and name in run.ensemble:
            self.mean, sem = run.ensemble[name]
            sem = sem if self.count > 1 else np.full_like(sem, np.nan)  # of one realization no error is known
        else:
            self.mean, sem = self.of_those_there(seen)
        self.half = 1.96 * sem

    @staticmethod
    def of_those_there(seen):
        """Mean and standard error of those realizations that have begun, as far as all of them have got."""
        rows = max(1, SLAB // max(1, int(np.prod(seen.value.shape[1:]))))
        means, sems = [], []
        for first in range(0, len(seen), rows):
            values = seen.value[first : min(first + rows, len(seen))]
            if not first:
                started = np.flatnonzero(np.isfinite(values[0].reshape(values.shape[1], -1)).all(axis=1))
            values = values[:, started]
            means.append(values.mean(axis=1))
            sems.append(values.std(axis=1, ddof=1) / np.sqrt(len(started)) if len(started) > 1 else np.full_like(means[-1], np.nan))
        return np.concatenate(means), np.concatenate(sems)

    @property
    def end(self):
        """The last mean that is known."""
        there = np.isfinite(self.mean.reshape(len(self.mean), -1)).all(axis=1)
        return self.mean[np.flatnonzero(there)[-1]] if there.any() else self.mean[0]

    def draw(self, axes, colour, label=None):
        if self.count > 1:
            axes.plot(self.time, self.traces, color=colour, alpha=min(0.35, 3 / self.count + 0.08), linewidth=0.7)
            axes.fill_between(self.time, self.mean - self.half, self.mean + self.half, color=colour, alpha=0.3, linewidth=0)
        axes.plot(self.time, self.mean, color=colour, linewidth=2.6, label=label, marker="o" if len(self.time) == 1 else None)


def count_axis(axes, values, label):
    """A log axis whose ticks are the values themselves, as many as fit."""
    values = np.unique(values)
    axes.set(xscale="log", xlabel=label)
    axes.set_xticks(values[:: -(-len(values) // 7)])
    axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def log_values(axes):
    """A log axis of values: plain numbers at 1, 2 and 5 where it spans less than two decades."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 100 * low:
        axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def time_axis(axes, time):
    axes.set(xlabel="time t", xlim=(time[0], time[-1] if time[-1] > time[0] else time[0] + 1))
