"""SquareCB: inverse-gap weighting of predicted rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from nba.bandits.scores import as_scores, best_of


@dataclass(frozen=True, slots=True)
class SquareCB:
    """Give each candidate 1 / (n + gamma_t · gap) and the best one the rest. Exact, linear.

    ``gap`` is how far a candidate's score lies below the best, ``gamma_t = gamma · t ** exponent``
    and
    ``t`` is 1 more than the number of updates, so exploration narrows as the scores earn trust.
    Candidates that tie for best share the rest equally.

    Foster and Rakhlin, *Beyond UCB: optimal and efficient contextual bandits with regression
    oracles*, ICML 2020 (arXiv:2002.04926), after Abe and Long, ICML 1999.

    >>> import numpy as np
    >>> SquareCB(gamma=10.0).probabilities(np.array([0.5, 0.3, 0.1]), updates=0).round(4).tolist()
    [0.6571, 0.2, 0.1429]
    """

    uses_deviations: ClassVar[bool] = False

    gamma: float = 300.0
    exponent: float = 0.5

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        best, ties = best_of(scores)
        result = np.empty_like(scores)
        _weigh(scores, best, ties, self.gamma * (updates + 1) ** self.exponent, result)
        return result


@numba.njit(cache=True)
def _weigh(
    scores: NDArray[np.float64], best: float, ties: int, gamma: float, out: NDArray[np.float64]
) -> None:
    n = scores.shape[0]
    given = 0.0
    for index in range(n):
        if scores[index] < best:
            out[index] = 1.0 / (n + gamma * (best - scores[index]))
            given += out[index]
    share = (1.0 - given) / ties
    for index in range(n):
        if scores[index] == best:
            out[index] = share
