"""Inverse propensity scoring with clipped weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import UNSEEN_BIAS, Terms, mean_terms
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class ClippedIPS:
    """IPS with weights cut at ``clip``: less variance, biased towards 0 for rewards above 0.

    Ionides, *Truncated importance sampling*, J. Comput. Graph. Stat. 17 (2008).
    Raises :class:`~nba.errors.InputError` for a clip below 0.
    """

    clip: float = 10.0
    name: str = "clipped IPS"

    def __post_init__(self) -> None:
        if not self.clip >= 0.0:
            raise InputError([Fault("/clip", f"clip {self.clip:g}", "0 or more; inf is IPS")])

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        weights = importance_weights(data, target)
        said = (UNSEEN_BIAS,) if (weights > self.clip).any() else ()
        return mean_terms(np.minimum(weights, self.clip) * data.rewards, *said)
