"""Independent inverse propensity scoring of the positions of a slate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget, marginal_weights
from nba.bandits.ope.terms import Terms, mean_terms


@dataclass(frozen=True, slots=True)
class IIPS:
    """Each position weighed by itself: right where the other positions do not matter.

    Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen, *Offline evaluation of ranking
    policies with click models*, KDD 2018 (arXiv:1804.10488).
    """

    name: str = "IIPS"

    def weights(self, data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
        """Return the weights of the marginal probabilities, ``(n, k)``."""
        return marginal_weights(data, target)

    def terms(self, data: LoggedSlates, target: SlateTarget) -> Terms:
        """Return the sums the estimate is made of."""
        return mean_terms((self.weights(data, target) * data.earned).sum(axis=1))
