"""Doubly robust estimation."""

from __future__ import annotations

from dataclasses import dataclass

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import Terms, mean_terms


@dataclass(frozen=True, slots=True)
class DR:
    """The direct method, its error corrected by IPS: right where either of the two is.

    Dudík, Langford and Li, *Doubly robust policy evaluation and learning*, ICML 2011
    (arXiv:1103.4601).
    """

    name: str = "DR"

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        q_logged, q_target = target.reward_model()
        weights = importance_weights(data, target)
        return mean_terms(q_target + weights * (data.rewards - q_logged))
