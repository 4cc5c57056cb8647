"""Inverse propensity scoring."""

from __future__ import annotations

from dataclasses import dataclass

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import Terms, mean_terms


@dataclass(frozen=True, slots=True)
class IPS:
    """Mean of weight times reward: unbiased where all the target's actions are logged at times.

    Horvitz and Thompson, JASA 47 (1952); also called IPW.
    """

    name: str = "IPS"

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        return mean_terms(importance_weights(data, target) * data.rewards)
