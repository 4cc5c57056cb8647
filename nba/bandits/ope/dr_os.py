"""Doubly robust estimation with weights shrunk towards 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import RESTS_ON_MODEL, UNSEEN_BIAS, Terms, mean_terms
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class DRos:
    """DR with weights w replaced by λ w / (w² + λ), which grow no larger than √λ / 2.

    The optimistic shrinkage of Su, Dimakopoulou, Krishnamurthy and Dudík, *Doubly robust off-policy
    evaluation with shrinkage*, ICML 2020 (arXiv:1907.09623). λ of 0 is the direct method, of
    infinity DR. Raises :class:`~nba.errors.InputError` for λ below 0.
    """

    shrinkage: float = 100.0
    name: str = "DR-os"

    def __post_init__(self) -> None:
        if not self.shrinkage >= 0.0:
            found = f"shrinkage {self.shrinkage:g}"
            raise InputError([Fault("/shrinkage", found, "0 or more; inf is DR")])

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        q_logged, q_target = target.reward_model()
        weights = importance_weights(data, target)
        if self.shrinkage == 0.0:
            return mean_terms(q_target, RESTS_ON_MODEL)
        residuals = data.rewards - q_logged
        if math.isinf(self.shrinkage):
            return mean_terms(q_target + weights * residuals)
        shrunk = weights / (weights**2 / self.shrinkage + 1.0)
        return mean_terms(q_target + shrunk * residuals, UNSEEN_BIAS)
