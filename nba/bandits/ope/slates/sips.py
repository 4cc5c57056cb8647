"""Standard inverse propensity scoring of whole slates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget, weights_by_position
from nba.bandits.ope.terms import Terms, mean_terms


@dataclass(frozen=True, slots=True)
class SIPS:
    """Every reward weighed by the whole slate's: supposes nothing, varies most.

    The weights of the positions are multiplied, so few slates come to count. McInerney, Brost,
    Chandar, Mehrotra and Carterette, *Counterfactual evaluation of slate recommendations with
    sequential reward interactions*, KDD 2020 (arXiv:2007.12986).
    """

    name: str = "SIPS"

    def weights(self, data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
        """Return each slate's weight at all its positions, ``(n, k)``."""
        whole = weights_by_position(data, target).prod(axis=1, keepdims=True)
        return np.where(data.filled, whole, 1.0)

    def terms(self, data: LoggedSlates, target: SlateTarget) -> Terms:
        """Return the sums the estimate is made of."""
        return mean_terms((self.weights(data, target) * data.earned).sum(axis=1))
