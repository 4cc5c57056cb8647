"""Doubly robust estimation that trusts the reward model where weights are large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import RESTS_ON_MODEL, UNSEEN_BIAS, Terms, mean_terms
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class SwitchDR:
    """DR where the weight is at most ``threshold``, the direct method elsewhere.

    Wang, Agarwal and Dudík, *Optimal and adaptive off-policy evaluation in contextual bandits*,
    ICML 2017 (arXiv:1612.01205). Raises :class:`~nba.errors.InputError` for a threshold below 0.
    """

    threshold: float = 10.0
    name: str = "Switch-DR"

    def __post_init__(self) -> None:
        if not self.threshold >= 0.0:
            found = f"threshold {self.threshold:g}"
            raise InputError([Fault("/threshold", found, "0 or more; inf is DR")])

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        q_logged, q_target = target.reward_model()
        weights = importance_weights(data, target)
        is_kept = weights <= self.threshold
        kept = np.where(is_kept, weights, 0.0)
        said = (UNSEEN_BIAS if kept.any() else RESTS_ON_MODEL,) if not is_kept.all() else ()
        return mean_terms(q_target + kept * (data.rewards - q_logged), *said)
