"""Clipped IPS, Switch-DR and DR-os whose bound the data choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nba.bandits.ope.clipped_ips import ClippedIPS
from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.dr_os import DRos
from nba.bandits.ope.estimators import Estimator
from nba.bandits.ope.slope import Choice, slope
from nba.bandits.ope.switch_dr import SwitchDR
from nba.bandits.ope.terms import Terms

_STEPS = 20


@dataclass(frozen=True, slots=True)
class Tuned:
    """An estimator with a bound on weights, the bound chosen by :func:`nba.bandits.ope.slope`.

    ``build`` makes the estimator of a bound. ``bounds`` are those tried, where not given 20 steps
    of equal ratio from the largest weight down to the median one, raised to ``power``, after
    infinity and before 0 where ``from_nothing``. Its interval is that of the estimator without a
    bound, as far out as the value lies where that is outside (:class:`nba.bandits.ope.Chosen`):
    tuning makes the value less noisy, not the interval narrower.
    """

    build: Callable[[float], Estimator]
    name: str
    bounds: Sequence[float] | None = None
    power: float = 1.0
    from_nothing: bool = True

    def choose(self, data: LoggedData, target: Target) -> Choice:
        """Return the estimator that the data choose, and what of each bound made it so."""
        tried = self._bounds(data, target) if self.bounds is None else list(self.bounds)
        return slope([self.build(bound) for bound in sorted(tried, reverse=True)], data, target)

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        return self.choose(data, target).estimator.terms(data, target)

    def _bounds(self, data: LoggedData, target: Target) -> list[float]:
        weights = importance_weights(data, target)
        some = weights[weights > 0.0]
        if len(some) == 0:
            return [math.inf]
        steps = np.geomspace(some.max(), np.median(some), _STEPS) ** self.power
        return [math.inf, *steps.tolist(), *([0.0] if self.from_nothing else [])]


def tuned_clipped_ips(bounds: Sequence[float] | None = None) -> Tuned:
    """Return clipped IPS with the clip that the data choose."""
    return Tuned(ClippedIPS, "tuned clipped IPS", bounds, from_nothing=False)


def tuned_switch_dr(bounds: Sequence[float] | None = None) -> Tuned:
    """Return Switch-DR with the threshold that the data choose; 0 is the direct method."""
    return Tuned(SwitchDR, "tuned Switch-DR", bounds)


def tuned_dr_os(bounds: Sequence[float] | None = None) -> Tuned:
    """Return DR-os with the shrinkage that the data choose; 0 is the direct method."""
    return Tuned(DRos, "tuned DR-os", bounds, power=2.0)
