"""The port every estimator of slates fills, and what is computed from it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.bootstrap import Bootstrap
from nba.bandits.ope.diagnostics import Diagnostics, diagnose_weights
from nba.bandits.ope.estimators import Estimate, summarize
from nba.bandits.ope.intervals import Interval
from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget
from nba.bandits.ope.terms import Terms


class SlateEstimator(Protocol):
    """A way to estimate, from logged slates, what a target policy would have earned per slate."""

    @property
    def name(self) -> str:
        """The estimator's name in tables."""
        ...

    def weights(self, data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
        """Return what each position's reward is weighed by, ``(n, k)``, 1 where empty."""
        ...

    def terms(self, data: LoggedSlates, target: SlateTarget) -> Terms:
        """Return the sums the estimate is made of; raises :class:`nba.errors.InputError`."""
        ...


def evaluate_slates(
    estimator: SlateEstimator,
    data: LoggedSlates,
    target: SlateTarget,
    *,
    interval: Interval | None = None,
) -> Estimate:
    """Estimate a target policy's reward per slate, with an interval by customer.

    The effective sample and the largest weight are those of the position where they are worst.
    """
    return summarize(
        estimator.name,
        estimator.terms(data, target),
        _worst(estimator, data, target),
        data.clusters,
        interval or Bootstrap(),
        estimated=data.estimated,
    )


def diagnose_slates(
    estimator: SlateEstimator, data: LoggedSlates, target: SlateTarget
) -> Diagnostics:
    """Measure how well logged slates cover a target, at the position where they do so least.

    :func:`nba.bandits.ope.verdict` judges it as it does that of single choices. What is refused for
    :class:`SIPS` may be carried for :class:`RIPS` or :class:`IIPS`, if what they suppose is so.
    """
    return diagnose_weights(
        _worst(estimator, data, target), data.clusters, probabilities_estimated=data.estimated
    )


def _worst(
    estimator: SlateEstimator, data: LoggedSlates, target: SlateTarget
) -> NDArray[np.float64]:
    weights = np.where(data.filled, estimator.weights(data, target), 1.0)
    squares = np.square(weights).sum(axis=0)
    totals = np.square(weights.sum(axis=0))
    effective = np.divide(totals, squares, out=np.zeros_like(totals), where=squares > 0.0)
    worst: NDArray[np.float64] = weights[:, int(np.argmin(effective))]
    return worst
