"""Inverse propensity scoring of a slate that is read from the top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget, weights_by_position
from nba.bandits.ope.terms import Terms, mean_terms


@dataclass(frozen=True, slots=True)
class RIPS:
    """Each position weighed by those down to it: right where what is below does not matter.

    Reward-interaction IPS, of McInerney, Brost, Chandar, Mehrotra and Carterette, *Counterfactual
    evaluation of slate recommendations with sequential reward interactions*, KDD 2020
    (arXiv:2007.12986), without its self-normalization.
    """

    name: str = "RIPS"

    def weights(self, data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
        """Return the products of the weights from the top, ``(n, k)``."""
        products: NDArray[np.float64] = weights_by_position(data, target).cumprod(axis=1)
        return products

    def terms(self, data: LoggedSlates, target: SlateTarget) -> Terms:
        """Return the sums the estimate is made of."""
        return mean_terms((self.weights(data, target) * data.earned).sum(axis=1))
