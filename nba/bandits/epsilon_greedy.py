"""ε-greedy: the best, and now and then anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import require, share
from nba.bandits.scores import as_scores, best_of


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """Spread ``epsilon`` over all candidates equally and give the rest to the best. Exact.

    Candidates that tie for best share equally. Raises :class:`nba.errors.InputError` where
    ``epsilon`` is not from 0 to 1.

    >>> import numpy as np
    >>> EpsilonGreedy(epsilon=0.1).probabilities(np.array([0.2, 0.4]), updates=0).tolist()
    [0.05, 0.9500000000000001]
    """

    uses_deviations: ClassVar[bool] = False

    epsilon: float = 0.05

    def __post_init__(self) -> None:
        require(share("epsilon", self.epsilon))

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,  # noqa: ARG002 - part of the protocol; the share explored is constant
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
        members: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        best, ties = best_of(scores)
        spread = self.epsilon / scores.shape[0]
        share = (1.0 - self.epsilon) / ties + spread
        result: NDArray[np.float64] = np.where(scores == best, share, spread)
        return result
