"""Numbers as texts of a page."""

from __future__ import annotations

from typing import Any

import numpy as np


def number(value: Any, low: float = np.nan, high: float = np.nan) -> str:
    """`−1.03 [−1.14, −0.91]` with two digits of the error, or four digits; a text as it is."""
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return "–"
    half = (high - low) / 2
    if not (np.isfinite(half) and half > 0):
        return plain(f"{value:.4g}")
    digits = max(0, 1 - int(np.floor(np.log10(half))))
    if digits > 6:
        return plain(f"{value:.3g} [{low:.3g}, {high:.3g}]")
    return plain(f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")


def plain(words: str) -> str:
    """With minus signs, and powers of ten as one writes them."""
    words = words.replace("-", "−")
    for before, power in (("e−", "·10^−"), ("e+", "·10^")):
        parts = words.split(before)
        words = parts[0] + "".join(f"{power}{part.lstrip('0')}" for part in parts[1:])
    return words
