"""What the pictures of all studies share: palette, type sizes, titles, reading of files."""
import matplotlib
import numpy as np

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8a8f98"  # Okabe and Ito: distinct for all kinds of colour vision
PURPLE, YELLOW, SKY = "#CC79A7", "#E69F00", "#56B4E9"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, GREY)
TOKENS = matplotlib.colormaps["viridis"]
INK = "#5b6470"  # outlines
DPI = 150
FADED_TRACES = 40  # single realizations drawn behind the mean
STYLE = {"font.size": 13, "axes.titlesize": 14, "axes.labelsize": 13, "legend.fontsize": 12, "xtick.labelsize": 12,
         "ytick.labelsize": 12, "axes.grid": True, "grid.color": "#e3e6ea", "axes.axisbelow": True,
         "axes.spines.top": False, "axes.spines.right": False}


class BadFile(Exception):
    pass


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def title(deck):
    """The parameters that say which experiment this is, in the paper's letters."""
    get = deck.get
    parts = [f"N = {get('tokens_count', '?')}", f"d = {get('tokens_dim', '?')}", f"L = {get('layers_depth', '?')}", f"T = {number(get('layers_horizon', '?'))}"]
    if get("attention_type") == "none":
        parts.append("no attention")
    elif get("attention_weights"):
        parts.append(f"{get('attention_type')} attention with weights of a file")
    else:
        parts.append(f"{get('attention_type', '?')} attention, β = {number(get('attention_beta', '?'))}, v = {number(get('attention_value', '?'))}")
    second = []
    if get("noise_type") == "none":
        second.append("no MLP")
    else:
        wide = f"MLP of width {get('mlp_width', '?')}" if get("noise_type", "mlp") == "mlp" else f"noise ({get('noise_type')})"
        second.append(f"{get('mlp_activation', '?')} {wide}")
        if any(float(get(key, 0) or 0) for key in ("mlp_bias_u", "mlp_bias_w")):
            second.append(f"biases {number(get('mlp_bias_u', 0))} and {number(get('mlp_bias_w', 0))}")
    count = get("ensemble_realizations", "?")
    second.append(f"{count} realization{'' if count == '1' else 's'}, seed {get('ensemble_seed', '?')}")
    return ",  ".join(parts) + "\n" + ",  ".join(second)


def number(value):
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def parameters(file):
    """{key: text} of the deck that made the file."""
    return {key: text(value) for key, value in file["parameters"].attrs.items()} if "parameters" in file else {}


def columns(group, *names):
    """Datasets of a study's group as arrays; BadFile names the first that is missing."""
    for name in names:
        if name not in group:
            raise BadFile(f"no {group.name}/{name}: the file is not complete")
    return [group[name][:] for name in names]


def interval(attributes, key):
    """(value, low, high) of a fitted number."""
    return tuple(float(attributes[name]) for name in (key, f"{key}_low", f"{key}_high"))


def with_interval(attributes, key, digits=2):
    """`-1.02 [-1.05, -0.98]`"""
    value, low, high = interval(attributes, key)
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def band(axes, time, values, colour, label=None):
    """Mean over realizations (columns) with the 95% confidence band of the mean, the first realizations behind."""
    count = values.shape[1]
    mean = values.mean(axis=1)
    if count > 1:
        axes.plot(time, values[:, :FADED_TRACES], color=colour, alpha=min(0.35, 3 / count + 0.08), linewidth=0.7)
        half = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(count)
        axes.fill_between(time, mean - half, mean + half, color=colour, alpha=0.3, linewidth=0)
    axes.plot(time, mean, color=colour, linewidth=2.4, label=label)
