"""What pictures and pages say in words: how far a run is, which experiment it was, numbers, and
what became of them."""

from __future__ import annotations

import re
import textwrap
from typing import Any, Callable, Optional

import numpy as np

from chorale.command import plural
from chorale.io import Run
from chorale.plot.shown import Shown, Sources
from chorale.state import clock_words, realizations_of


def incomplete(run: Shown) -> str:
    """What is said of a run that goes on or was stopped."""
    return "INCOMPLETE (running or stopped): " + reached(run)


def with_minus(words: str) -> str:
    """A text with minus signs in place of hyphens before numbers; what stands between dollars has
    them anyway."""
    parts = words.split("$")
    parts[::2] = [re.sub(r"(^|[\s(\[=<>,:;…])-(?=\.?\d)", r"\1−", part) for part in parts[::2]]
    return "$".join(parts)


def wrapped(words: str, wide: int) -> str:
    """As few lines as fit, and those about equally long."""
    words = words.replace(" = ", "\u00a0=\u00a0").replace(" − ", "\u00a0−\u00a0")
    lines = len(textwrap.wrap(words, wide))
    while wide > 20 and len(textwrap.wrap(words, wide - 1)) == lines:
        wide -= 1
    return textwrap.fill(words, wide)


def reached(run: Shown) -> str:
    """How far a run that is not complete has got."""
    if isinstance(run, Sources):
        return "at least one of these runs"
    wanted = run.parameters.get("ensemble_realizations", "?")
    if not run.observables:
        done = run.realizations_done
        return "its results are not final" if done is None else f"{done} of {wanted} realizations"
    time = next(iter(run.observables.values())).time
    if not len(time):
        return "nothing is recorded yet"
    done, every = realizations_of(run)
    words = f"{done} of {plural(every, 'realization')}"
    horizon = run.parameters.get("layers_horizon", "?")
    try:
        ended = time[-1] >= float(horizon)
        clock = clock_words(time[-1], float(horizon))
    except ValueError:
        ended, clock = False, f"t = {time[-1]:.3g}"
    return words if ended else f"{words}, {clock}"


LETTERS = (
    ("N", "tokens_count"),
    ("d", "tokens_dim"),
    ("L", "layers_depth"),
    ("T", "layers_horizon"),
)


def parameters_line(run: Shown) -> str:
    """The parameters that say which experiment this is, in the paper's letters."""
    get = run.system.get
    parts = [f"{letter} = {range_of(get(key))}" for letter, key in LETTERS if get(key)]
    if get("tokens_init", "uniform") != "uniform":
        parts.append(f"start {get('tokens_init')}")
    parts += [attention_words(get), *noise_words(get)]
    if get("scheme_norm", "post") != "post":
        parts.append(f"norm {get('scheme_norm')}")
    if get("ensemble_realizations"):
        many = "" if get("ensemble_realizations") == "1" else "s"
        parts.append(f"{get('ensemble_realizations')} realization{many}")
    if get("ensemble_seed"):
        parts.append(f"seed {get('ensemble_seed')}")
    return ", ".join(filter(None, parts))


def error_words(run: Run) -> str:
    """How far attention by mixtures of Gaussians was from all pairs, in the frame where it was
    furthest; empty where it was made in another way."""
    if run.kind != "results" or "attention_error" not in run.observables:
        return ""
    names = ("attention_error", "attention_error_largest", "attention_size")
    rms, largest, size = (np.nan_to_num(run.observables[name].values()) for name in names)
    worst = np.unravel_index(np.argmax(rms), rms.shape)
    if not rms[worst]:
        return ""
    return (
        f"Att by mixtures of Gaussians: rms error at most {short(rms[worst])}, where |Att| is "
        f"{short(size[worst])}, and largest error {short(largest.max())}, at 256 tokens"
    )


def run_words(run: Run) -> str:
    """Which experiment this is, and the error of its attention where that is not exact."""
    return ". ".join(filter(None, [parameters_line(run), error_words(run)]))


def attention_words(get: Callable[..., Any]) -> str:
    """Of a function that gives a parameter: which attention; empty when it has none of its keys."""
    if get("attention_type") == "none":
        return "no attention"
    if get("attention_weights") == "random":
        beta, value = (number(get(f"attention_{key}", "?")) for key in ("beta", "value"))
        return f"{get('attention_type')} attention with random heads, β = {beta}, v = {value}"
    if get("attention_weights"):
        return f"{get('attention_type')} attention with weights of a file"
    if get("attention_type"):
        beta, value = (number(get(f"attention_{key}", "?")) for key in ("beta", "value"))
        return f"{get('attention_type')} attention, β = {beta}, v = {value}"
    return f"β = {number(get('attention_beta'))}" if get("attention_beta") else ""


def energy_beta(get: Callable[..., Any]) -> str:
    """Of a function that gives a parameter: the β of the energy, the first of a list; attention's
    where files are older than the key."""
    return str(get("energy_beta") or get("attention_beta") or "").split(",", maxsplit=1)[0]


def noise_words(get: Callable[..., Any]) -> list[str]:
    """Of a function that gives a parameter: which noise, and its biases; each token's own."""
    own = number(get("noise_independent") or 0)
    return common_noise_words(get) + ([] if own == "0" else [f"κ = {own}"])


def common_noise_words(get: Callable[..., Any]) -> list[str]:
    if get("noise_type") == "none":
        of_file = get("attention_weights", "random") not in ("", "random")  # it may have an MLP
        return ["no random MLP" if of_file else "no MLP"]
    if not get("mlp_activation"):
        return []
    at = " at barycentres" if get("noise_at") == "barycentre" else ""
    if get("noise_type") == "values":
        return [f"random values{at}"]
    kind = f"noise ({get('noise_type')})"
    if get("noise_type", "mlp") == "mlp":
        kind = f"MLP of width {range_of(get('mlp_width', '?'))}{at}"
    biases = [get(f"mlp_bias_{name}", 0) or 0 for name in "uw"]
    if not any(map(float, biases)):
        return [f"{get('mlp_activation')} {kind}"]
    u, w = map(number, biases)
    return [f"{get('mlp_activation')} {kind}", f"$\\sigma_U$ = {u}, $\\sigma_W$ = {w}"]


def range_of(words: str) -> str:
    """`64`, or of a list the least and the most, `8 … 128`."""
    given = words.split(",")
    try:
        given.sort(key=float)
    except ValueError:  # words, in their order
        pass
    return number(given[0]) if len(given) == 1 else f"{number(given[0])} … {number(given[-1])}"


def number(value: Any) -> str:
    """A number as it is, without its tail; what is none as it is."""
    try:
        return f"{float(value):.8g}"
    except ValueError:
        return value


def short(value: float, digits: int = 2) -> str:
    """A number as one writes it: 0.77, $4\\cdot10^{-5}$."""
    if not np.isfinite(value):
        return "?"
    words = f"{value:.{digits}g}"
    if "e" in words and 1 <= abs(value) < 1e6:
        return f"{float(words):.0f}"
    if "e" not in words:
        return words.replace("-", "−")
    factor, power = words.split("e")
    before = f"${factor}\\cdot" if factor not in ("1", "-1") else "$" + factor[:-1]
    return before + f"10^{{{int(power)}}}$"


def turning(values: np.ndarray) -> list[float]:
    """The first and the last value of a course, and between them the one that lies farthest beyond
    both, where that is more than a trifle."""
    known = values[np.isfinite(values)]
    if not len(known):
        return []
    first, last = float(known[0]), float(known[-1])
    low, high = min(first, last), max(first, last)
    over, under = float(known.max()) - high, low - float(known.min())
    if max(over, under) <= max(0.5 * (high - low), 0.2 * max(abs(first), abs(last))):
        return [first, last]
    return [first, float(known.max() if over >= under else known.min()), last]


def change(values: np.ndarray) -> str:
    """`falls from 0.77 to 0.0006`; `rises from 14 to 60, then falls to 1.1`"""
    course = turning(values)
    if not course:
        return "is not known"
    first, last = course[0], course[-1]
    if len(course) == 3:
        ways = ("rises", "falls") if course[1] > first else ("falls", "rises")
        there, end = short(course[1]), short(last)
        return f"{ways[0]} from {short(first)} to {there}, then {ways[1]} to {end}"
    if abs(last - first) <= 0.02 * max(abs(first), abs(last)):
        return f"stays near {short(last)}"
    return f"{'falls' if last < first else 'rises'} from {short(first)} to {short(last)}"


def count(value: float) -> str:
    """A number of clusters."""
    return short(value, 3 if value >= 10 else 2)


def clusters_words(values: np.ndarray) -> str:
    """`14 clusters become 60, then 1.1`"""
    first, *later = map(count, turning(values) or [np.nan, np.nan])
    became = "cluster becomes" if first == "1" else "clusters become"
    return f"{first} {became} {', then '.join(later)}"


def interval(values: dict[str, Any], key: str) -> tuple[float, float, float]:
    """(value, low, high) of a fitted number; NaN where there was nothing to fit, and for the
    interval of one realization."""
    value, low, high = (
        float(values.get(name, np.nan)) for name in (key, f"{key}_low", f"{key}_high")
    )
    return (value, low, high) if low < high else (value, np.nan, np.nan)


def with_interval(values: dict[str, Any], key: str, digits: int = 2) -> str:
    """`−1.02 [−1.05, −0.98]`"""
    value, low, high = interval(values, key)
    words = f"{value:.{digits}f}"
    if np.isfinite(low + high):
        words += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return words.replace("-", "−")


def plus_minus(value: float, error: float, digits: int = 4) -> str:
    """`−0.1646 ± 0.0014`; of one realization no error is known."""
    words = f"{value:.{digits}f}"
    if np.isfinite(error):
        words += f" ± {error:.{digits}f}"
    return words.replace("-", "−")


def decided(word: Any) -> Optional[bool]:
    """What a verdict of chorale decides; None where it does not."""
    return {"agrees": True, "does not agree": False, "slower than the rate": False}.get(word)


def undecided(word: Any) -> str:
    """` (range too short for a rate)`: why a verdict of chorale decides nothing."""
    return f" ({word})" if word and decided(word) is None else ""


def mark(holds: Optional[bool], *numbers: float) -> str:
    """` ✓` or ` ✗`, nothing where one of the numbers that decide is not known."""
    return "" if holds is None or not np.isfinite(numbers).all() else " ✓" if holds else " ✗"
