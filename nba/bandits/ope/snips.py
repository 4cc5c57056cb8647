"""Self-normalized inverse propensity scoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import Terms, ratio


@dataclass(frozen=True, slots=True)
class SNIPS:
    """Weighted mean of rewards: a little biased, far steadier than IPS, never beyond the rewards.

    NaN where the target never takes a logged action. Swaminathan and Joachims, NIPS 2015.
    """

    name: str = "SNIPS"

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        weights = importance_weights(data, target)
        return Terms(np.column_stack([weights * data.rewards, weights]), ratio)
