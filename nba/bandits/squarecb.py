"""SquareCB: inverse-gap weighting of predicted rewards."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import not_negative, require, require_updates, share
from nba.bandits.scores import as_deviations, as_scores, best_of


@dataclass(frozen=True, slots=True)
class SquareCB:
    """Give each candidate 1 / (n + gamma_t · gap) and the best one the rest. Exact, linear.

    ``gap`` is how far a candidate's score lies below the best, ``gamma_t = gamma · t **
    gamma_exponent`` and ``t`` is 1 more than the number of updates, so exploration narrows as the
    scores earn trust. Candidates that tie for best share the rest equally.

    A gap counts as far as it stands out from how unsure the candidate's score is: it is multiplied
    by gap² / (gap² + u²), where u is ``doubt`` deviations of the score; so a least-squares estimate
    weighs a signal in noise (Wiener). For observations do not tell equally much everywhere: where
    rewards are rare an action is tried a hundred times before its first success, and gamma_t would
    have given it up by then. With a doubt of 0, or where no deviation is known, gaps count whole,
    as in the paper.

    Foster and Rakhlin, *Beyond UCB: optimal and efficient contextual bandits with regression
    oracles*, ICML 2020 (arXiv:2002.04926), after Abe and Long, ICML 1999. Raises
    :class:`nba.errors.InputError` where ``gamma`` is negative or another constant not from 0 to 1.

    >>> import numpy as np
    >>> scores = np.array([0.5, 0.3, 0.1])
    >>> SquareCB(gamma=10.0).probabilities(scores, updates=0).round(4).tolist()
    [0.6571, 0.2, 0.1429]
    >>> unsure = np.array([0.0, 0.0, 0.8])
    >>> SquareCB(gamma=10.0).probabilities(scores, updates=0, deviations=unsure).round(4).tolist()
    [0.6, 0.2, 0.2]
    """

    gamma: float = 300.0
    gamma_exponent: float = 0.5
    doubt: float = 0.5

    def __post_init__(self) -> None:
        require(
            not_negative("gamma", self.gamma),
            share("gamma_exponent", self.gamma_exponent),
            share("doubt", self.doubt),
        )

    @property
    def uses_deviations(self) -> bool:
        """Whether deviations matter: with a doubt of 0 nobody need compute them."""
        return self.doubt > 0.0

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,
        deviations: NDArray[np.float64] | None = None,
        members: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        require_updates(updates)
        best, ties = best_of(scores)
        unsure = as_deviations(deviations if self.doubt else None, len(scores))
        gamma = self.gamma * (updates + 1) ** self.gamma_exponent
        result = np.empty_like(scores)
        _weigh(scores, unsure, best, ties, gamma, self.doubt, result)
        return result


@numba.njit(cache=True)
def _weigh(
    scores: NDArray[np.float64],
    deviations: NDArray[np.float64],
    best: float,
    ties: int,
    gamma: float,
    doubt: float,
    out: NDArray[np.float64],
) -> None:
    n = scores.shape[0]
    given = 0.0
    for index in range(n):
        if scores[index] < best:
            gap = best - scores[index]
            noise = doubt * deviations[index] / gap
            out[index] = 1.0 / (n + gamma * (gap / (1.0 + noise * noise)))
            given += out[index]
    share = (1.0 - given) / ties
    for index in range(n):
        if scores[index] == best:
            out[index] = share
