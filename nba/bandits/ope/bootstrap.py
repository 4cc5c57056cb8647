"""Resampling customers: how far an estimate could be off by the luck of who was logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.intervals import LEVEL, Clusters, Spread, refuse_level
from nba.bandits.ope.terms import Terms
from nba.errors import Fault, InputError

REPLICATES = 400
"""Resamples by default."""

_ROUNDING = 1e-13
"""Share of what a variance is summed up from, up to which it is taken to be 0."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Studentized intervals over ``replicates`` resamples of customers, from ``seed``.

    Of any estimator. In each resample the estimate's distance from that of all customers is
    measured in the resample's own standard errors; the interval reaches as many standard errors to
    either side as those distances do. Where few large rewards make the sum, a resample that missed
    them has a small standard error as well, so the interval reaches far above the estimate, as it
    must; percentiles of the estimate do not. Approximate: in simulation a 95 % interval holds the
    truth 93 to 97 times in 100 where the effective sample is 200 and more, unless rewards have very
    heavy tails (``docs/concepts/off-policy-evaluation.md`` has the figures), and too rarely below.

    Standard errors are those of the linearized estimate, by customer (Binder, International
    Statistical Review 51, 1983); the one given is the deviation of the resampled estimates. Efron
    and Tibshirani, *An introduction to the bootstrap* (1993), section 12.5; whole customers as in
    Davison and Hinkley, *Bootstrap methods and their application* (1997), section 3.8.

    Raises :class:`~nba.errors.InputError` for fewer than 2 replicates or a level out of range.
    """

    replicates: int = REPLICATES
    seed: int = 0
    level: float = LEVEL

    def __post_init__(self) -> None:
        refuse_level(self.level)
        if self.replicates < 2:  # noqa: PLR2004 - a standard deviation needs two
            raise InputError([Fault("/replicates", f"found {self.replicates}", "2 or more")])

    def around(self, terms: Terms, clusters: Clusters) -> Spread:
        """Return the interval; NaN where no resample has a value."""
        sums = cluster_sums(terms.columns, clusters)
        n, width = sums.shape
        products = _products(sums - sums.mean(axis=0))
        drawn = resample(np.hstack([sums, products]), replicates=self.replicates, seed=self.seed)
        # A last row, all customers once, is the estimate itself.
        all_once = np.hstack([sums.sum(axis=0), products.sum(axis=0)])
        totals, squares = np.split(np.vstack([drawn, all_once]), [width], axis=1)
        values = terms.combine(totals)
        errors = _linearized(terms.combine, totals, squares, n)
        distances = _distances(values[:-1] - values[-1], errors[:-1])
        deviation, *_ = spread(values[:-1])
        low, high = spread(distances, level=self.level)[1:]
        return Spread(deviation, *(terms.value - errors[-1] * np.array([high, low])).tolist())


def cluster_sums(
    columns: NDArray[np.float64], clusters: NDArray[np.generic] | None
) -> NDArray[np.float64]:
    """Sum ``(n, c)`` rows by cluster to ``(n_clusters, c)``; ``None`` leaves them as they are."""
    if clusters is None:
        return np.ascontiguousarray(columns)
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.empty((int(index.max()) + 1, columns.shape[1]))
    for column in range(columns.shape[1]):
        sums[:, column] = np.bincount(index, weights=columns[:, column])
    return sums


def resample(sums: NDArray[np.float64], *, replicates: int, seed: int) -> NDArray[np.float64]:
    """Draw as many clusters as there are, with replacement, and total them; ``replicates`` times.

    ``sums`` is ``(n_clusters, c) float64``; returns ``(replicates, c)``. The same seed draws the
    same clusters, so two estimates over the same clusters are paired.
    """
    state = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
    totals: NDArray[np.float64] = _resample(np.ascontiguousarray(sums), replicates, state)
    return totals


def spread(replicates: NDArray[np.float64], *, level: float = LEVEL) -> tuple[float, float, float]:
    """Return the standard deviation, and the percentiles between which ``level`` of them lie.

    Replicates that hold no weight at all have no value (NaN) and are left out; where fewer than two
    are left, all three are NaN.
    """
    known = replicates[np.isfinite(replicates)]
    if len(known) < 2:  # noqa: PLR2004 - a standard deviation needs two
        return np.nan, np.nan, np.nan
    tail = (1.0 - level) / 2.0
    # The k-th of B lies below a share of k / (B + 1): of 400, the 10th and not the 11th for 2.5 %.
    low, high = np.quantile(known, [tail, 1.0 - tail], method="weibull")
    return float(known.std(ddof=1)), float(low), float(high)


def _products(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products of each two columns, ``(n, c (c + 1) / 2)``."""
    one, other = np.triu_indices(sums.shape[1])
    return sums[:, one] * sums[:, other]


def _linearized(
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    totals: NDArray[np.float64],
    squares: NDArray[np.float64],
    n: int,
) -> NDArray[np.float64]:
    """Return the standard error of each row of ``totals``, the last that of all customers.

    ``squares`` are the totals of :func:`_products` about the means of all customers.
    """
    width = totals.shape[1]
    one, other = np.triu_indices(width)
    own = squares[-1, one == other]
    steps = 1e-6 * np.sqrt(np.square(totals[-1]) + n * own)
    slopes = np.zeros_like(totals)
    for column in np.flatnonzero(steps > 0.0):
        step = np.where(np.arange(width) == column, steps[column], 0.0)
        rise = combine(totals + step) - combine(totals - step)
        slopes[:, column] = rise / (2.0 * steps[column])
    parts = slopes[:, one] * slopes[:, other] * np.where(one == other, 1.0, 2.0) * squares
    off = (slopes * (totals - totals[-1])).sum(axis=1)
    variances = parts.sum(axis=1) - np.square(off) / n
    is_rounding = variances <= _ROUNDING * np.abs(parts).sum(axis=1)
    errors: NDArray[np.float64] = np.sqrt(np.where(is_rounding, 0.0, variances))
    return errors


def _distances(off: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many standard errors each resample is off.

    One that does not vary, as where it missed all rewards, is as far off as any other.
    """
    varies = errors > 0.0
    distances = np.divide(off, errors, out=np.copysign(np.inf, off), where=varies)
    distances[off == 0.0] = 0.0
    known = distances[np.isfinite(distances)]
    if len(known) == 0:
        return distances
    return np.clip(distances, known.min(), known.max())


@numba.njit(cache=True)
def _resample(sums: NDArray[np.float64], replicates: int, seed: int) -> NDArray[np.float64]:
    # SplitMix64 stepped once a draw; its high 32 bits times the number of clusters pick one, with a
    # bias below one part in 2³² / n_clusters.
    n, c = sums.shape
    totals = np.zeros((replicates, c))
    state = np.uint64(seed)
    for replicate in range(replicates):
        for _ in range(n):
            state += np.uint64(0x9E3779B97F4A7C15)
            bits = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            bits = (bits ^ (bits >> np.uint64(31))) >> np.uint64(32)
            index = np.int64((bits * np.uint64(n)) >> np.uint64(32))
            for column in range(c):
                totals[replicate, column] += sums[index, column]
    return totals
