"""The port every off-policy estimator fills, and what is computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.bootstrap import REPLICATES, Bootstrap
from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.intervals import Clusters, Interval, bounds
from nba.bandits.ope.terms import Terms


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
    """An estimated reward per row with its interval, of 95 % unless another level was asked for.

    ``effective_sample_size`` and ``max_weight`` are those of the importance weights, whether or not
    the estimator uses them. ``probabilities_estimated`` says that the logged action probabilities
    were not recorded but estimated: the interval knows nothing of how wrong those are. ``caveats``
    say what else it does not know, and must be shown with it.
    """

    name: str
    value: float
    standard_error: float
    low: float
    high: float
    effective_sample_size: float
    max_weight: float
    n: int
    probabilities_estimated: bool = False
    caveats: tuple[str, ...] = ()


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
    interval: Interval | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """Estimate a target policy's reward per row, with an interval by customer.

    ``interval`` is a :class:`Bootstrap` of ``replicates`` resamples from ``seed`` where not given.
    Whether the estimate may be believed is :func:`nba.bandits.ope.verdict`'s to say.
    """
    return summarize(
        estimator.name,
        estimator.terms(data, target),
        importance_weights(data, target),
        data.clusters,
        interval or Bootstrap(replicates, seed),
        estimated=data.estimated,
    )


def summarize(
    name: str,
    terms: Terms,
    weights: NDArray[np.float64],
    clusters: Clusters,
    interval: Interval,
    *,
    estimated: bool = False,
) -> Estimate:
    """Return the estimate that terms make, with an interval and what its weights are like."""
    found = bounds(interval, terms, clusters)
    return Estimate(
        name=name,
        value=terms.value,
        standard_error=found.standard_error,
        low=found.low,
        high=found.high,
        effective_sample_size=effective_sample_size(weights),
        max_weight=float(weights.max()),
        n=len(weights),
        probabilities_estimated=estimated,
        caveats=terms.caveats,
    )
