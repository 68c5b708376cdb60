"""Which laws in N fit W2^2 of a run of study chaos: the rate of the tokens' own dimension d - 1,
alone or with a term 1/N, THEORY.md (4.4), or any power of N (NUMERICS.md 9.6)."""

from __future__ import annotations

from functools import cached_property
from typing import Callable, NamedTuple, Optional

import numpy as np

from chorale.errors import BadFile
from chorale.io import Run
from chorale.plot.common import columns, factor

LEAST = 4  # values of N, and realizations, that a law is fitted to


class Fit(NamedTuple):
    """A law at every N; its coefficients with 95% intervals, rows (value, low, high); and the mean
    square of what it misses in units of what chance makes it, about 1 where the law holds."""

    curve: np.ndarray
    numbers: np.ndarray
    misfit: float
    limit: float  # of the misfit: it is larger in one of 100 runs in which the law holds

    @property
    def holds(self) -> bool:
        return self.misfit <= self.limit


class Solved(NamedTuple):
    """Coefficients of a law, its values, and its weighted least squares: A and y - A c."""

    numbers: np.ndarray
    curve: np.ndarray
    A: np.ndarray
    missed: np.ndarray


def exponent(dim: int) -> float:
    """Of 1/N in the own rate, without its logarithm."""
    return min(1.0, 2 / (dim - 1))


def own_rate(dim: int, count: np.ndarray) -> np.ndarray:
    """What smooth laws on the sphere allow (THEORY.md 4)."""
    return np.log(count) / count if dim == 3 else count ** -exponent(dim)


# A law as linear least squares: of (d, N, means, the law itself as well as it is known) a matrix A
# and a right side y in relative errors, and what makes values of A c.
System = tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]
Law = Callable[[int, np.ndarray, np.ndarray, np.ndarray], System]


def alone(dim: int, count: np.ndarray, mean: np.ndarray, near: np.ndarray) -> System:
    """a times the own rate."""
    return (own_rate(dim, count) / near)[:, None], mean / near, near.__mul__


def with_term(dim: int, count: np.ndarray, mean: np.ndarray, near: np.ndarray) -> System:
    """a times the own rate and b/N, which is (a log N + b)/N for d = 3."""
    both = np.stack([own_rate(dim, count), 1 / count], axis=1)
    return both / near[:, None], mean / near, near.__mul__


def power(_dim: int, count: np.ndarray, mean: np.ndarray, _near: np.ndarray) -> System:
    """Any power of N: the second coefficient."""
    return np.stack([np.ones(len(count)), np.log(count)], axis=1), np.log(mean), np.exp


def jackknife(
    samples: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], wide: float
) -> np.ndarray:
    """Rows (value, low, high) of what is computed of the means of samples[R][n]: `wide` standard
    errors to each side (NUMERICS.md 9.6)."""
    count = len(samples)
    value = statistic(samples.mean(axis=0))
    without = (samples.sum(axis=0) - samples) / max(1, count - 1)
    left = np.array([statistic(mean) for mean in without])
    half = wide * np.sqrt((count - 1) * left.var(axis=0))
    return np.stack([value, value - half, value + half], axis=-1)


def chance_limit(free: int, realizations: int) -> float:
    """Of chi^2 per degree of freedom 99% are below (Wilson and Hilferty), in units that so many
    realizations tell: close to the F distribution's."""
    part = 2 / (9 * free)
    return (1 - part + 2.326 * np.sqrt(part)) ** 3 * realizations / (realizations - 1)


class Rates:
    """W2^2 of a run against N, samples[R][n]: the largest over time, or that at t = 0, where the
    law is that of the start and no noise was shared yet."""

    def __init__(self, run: Run, start: bool = False):
        self.run, self.wide = run, factor(run)
        self.dim = run.parameters.integer("tokens_dim")
        count, frames = columns(run, "tokens", "w2sq_frames")
        samples = frames[:, 0] if start else frames.max(axis=1)
        known = (np.isfinite(samples) & (samples > 0)).all(axis=0)
        if not len(samples) or known.sum() < 2:
            raise BadFile(run.path, "has no W2^2 at two values of N")
        self.samples, self.given = samples[:, known], count[known].astype(float)
        self.mean = self.samples.mean(axis=0)
        spread = self.samples.std(axis=0, ddof=min(1, len(samples) - 1))
        self.half = self.wide * spread / np.sqrt(len(samples))

    @cached_property
    def count(self) -> np.ndarray:
        """N, as laws see it. The first N of M tokens differ from all M like N/(1 - N/M) tokens from
        the limit: the variance of their means is 1/N - 1/M."""
        if self.run.study_values.get("reference") != "nested":
            return self.given
        return self.given / (1 - self.given / float(self.run.study_values["reference_tokens"]))

    def slope(self, upper: bool = False) -> np.ndarray:
        """(value, low, high) of the slope of log W2^2 against log N, also over the upper half of
        log N alone; NaN for fewer than three N there."""
        least = np.sqrt(self.given[0] * self.given[-1]) if upper else 0
        chosen = self.given >= least
        if upper and chosen.sum() < 3:
            return np.full(3, np.nan)
        position = np.log(self.given[chosen])

        def fitted(mean: np.ndarray) -> np.ndarray:
            return np.polyfit(position, np.log(mean[chosen]), 1)[0]

        return jackknife(self.samples, fitted, self.wide)

    @cached_property
    def relative(self) -> np.ndarray:
        """samples in units of their means."""
        return self.samples / self.mean

    @cached_property
    def weight(self) -> np.ndarray:
        """Of every N: one over the variance that it does not share with all others, a power of N.
        A factor that all N of a realization share, by their noise, fits every law."""
        alone = self.relative - self.relative.mean(axis=1, keepdims=True)
        position, spread = np.log(self.given), np.log(alone.std(axis=0, ddof=1))
        return np.exp(-2 * np.polyval(np.polyfit(position, spread, 1), position))

    def solve(self, law: Law, mean: np.ndarray) -> Solved:
        """Least squares, in errors relative to the law itself from the second time on."""
        near, root = mean, np.sqrt(self.weight)
        for _ in range(3):
            A, y, values = law(self.dim, self.count, mean, near)
            A, y = root[:, None] * A, root * y
            numbers = np.linalg.lstsq(A, y, rcond=None)[0]
            curve = values(A @ numbers / root)
            if (curve <= 0).any():
                break
            near = curve
        return Solved(numbers, curve, A, y - A @ numbers)

    def fit(self, law: Law) -> Optional[Fit]:
        """None where too little is there."""
        if min(self.samples.shape) < LEAST:
            return None
        found, (R, _) = self.solve(law, self.mean), self.samples.shape
        scatter = np.sqrt(self.weight) * (self.relative - 1)  # of each realization about the means
        scatter -= scatter @ np.linalg.pinv(found.A).T @ found.A.T  # what of it the law would miss
        numbers = jackknife(self.samples, lambda mean: self.solve(law, mean).numbers, self.wide)
        misfit = (found.missed**2).sum() / ((scatter**2).sum() / (R * (R - 1)))
        free = found.A.shape[0] - found.A.shape[1]
        return Fit(found.curve, numbers, misfit, chance_limit(free, R))
