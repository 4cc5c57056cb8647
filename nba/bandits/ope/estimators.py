"""The port every off-policy estimator fills, and what is computed from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.bootstrap import cluster_sums, resample, spread
from nba.bandits.ope.data import LoggedData, Target, importance_weights

REPLICATES = 400
"""Bootstrap replicates by default."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """An estimate as sums over rows, so that it can be recomputed on any resample of them.

    ``columns`` is ``(n, c) float64``; ``combine`` turns their totals ``(…, c)`` into values
    ``(…)``.
    """

    columns: NDArray[np.float64]
    combine: Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Estimator(Protocol):
    """A way to estimate, from logged rows, what a target policy would have earned per row."""

    @property
    def name(self) -> str:
        """The estimator's name in tables."""
        ...

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of; raises :class:`nba.errors.InputError`."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated reward per row with its 95 % interval.

    ``effective_sample_size`` and ``max_weight`` are those of the importance weights, whether or not
    the estimator uses them.
    """

    name: str
    value: float
    standard_error: float
    low: float
    high: float
    effective_sample_size: float
    max_weight: float
    n: int


def ratio(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first total over the second; NaN where the second is 0."""
    below = totals[..., 1]
    result: NDArray[np.float64] = totals[..., 0] / np.where(below == 0.0, np.nan, below)
    return result


def mean_terms(values: NDArray[np.float64]) -> Terms:
    """Return the terms of a plain mean of ``(n,)`` values."""
    return Terms(np.column_stack([values, np.ones_like(values)]), ratio)


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """Return Kish's (Σw)² / Σw²: how many rows of equal weight carry as much; 0 for no weight."""
    largest = weights.max(initial=0.0)
    if largest == 0.0:
        return 0.0
    scaled = weights / largest  # squares of weights beyond 1e154 would not be numbers
    return float(scaled.sum() ** 2 / np.square(scaled).sum())


def evaluate(
    estimator: Estimator,
    data: LoggedData,
    target: Target,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """Estimate a target policy's reward per row, with a 95 % bootstrap interval by customer.

    The interval is the 2.5 and 97.5 percentile of ``replicates`` resamples of the clusters drawn
    from ``seed``. Whether the estimate may be believed is :func:`nba.bandits.ope.verdict`'s to say.
    """
    weights = importance_weights(data, target)
    terms = estimator.terms(data, target)
    sums = cluster_sums(terms.columns, data.clusters)
    drawn = terms.combine(resample(sums, replicates=replicates, seed=seed))
    standard_error, low, high = spread(drawn)
    return Estimate(
        name=estimator.name,
        value=float(terms.combine(terms.columns.sum(axis=0))),
        standard_error=standard_error,
        low=low,
        high=high,
        effective_sample_size=effective_sample_size(weights),
        max_weight=float(weights.max()),
        n=len(data),
    )
