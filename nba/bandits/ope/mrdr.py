"""More robust doubly robust estimation: a reward model fitted for what DR makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.data import LoggedData, Target
from nba.bandits.ope.dr import DR
from nba.bandits.ope.terms import Terms


@dataclass(frozen=True, slots=True)
class MRDR:
    """DR with a reward model that was fitted with :func:`mrdr_weights`.

    Farajtabar, Chow and Ghavamzadeh, *More robust doubly robust off-policy evaluation*, ICML 2018
    (arXiv:1802.03493). The formula is DR's; the target must hold the model so fitted, by
    ``cross_fit(…, weights=mrdr_weights(data, target))``.
    """

    name: str = "MRDR"

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        return DR().terms(data, target)


def mrdr_weights(data: LoggedData, target: Target) -> NDArray[np.float64]:
    """Return weights ``(n,)`` for fitting a reward model by squares so that DR varies least.

    With π the target's probability of the logged action and p the logged one, π² (1 - p) / p²: in
    one situation the correction of DR has a variance of Σ π² (1 / p - 1) e² over the actions, e
    being the model's error, and actions are logged p of the time. Where the target is certain of
    its action this is the paper's weight; elsewhere it leaves out the products of two actions'
    errors. (The Open Bandit Pipeline weighs by π instead of π².)

    Actions the target does not take, or that the log always takes, get 0.
    """
    logged = data.probabilities
    return np.square(target.probabilities / logged) * (1.0 - logged)
