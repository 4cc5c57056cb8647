"""Upper confidence bounds: the best that might well be true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import not_negative, require
from nba.bandits.scores import as_deviations, as_scores, best_of, moved


@dataclass(frozen=True, slots=True)
class UCB:
    """Give everything to the highest score + alpha · deviation; ties share equally. Exact.

    With a :class:`nba.bandits.LinearModel` this is LinUCB: Li, Chu, Langford and Schapire, *A
    contextual-bandit approach to personalized news article recommendation*, WWW 2010
    (arXiv:1003.0146), algorithms 1 and 2. It draws nothing, so its logs alone cannot evaluate
    another policy; a floor makes up for that. Raises :class:`nba.errors.InputError` where ``alpha``
    is negative.

    >>> import numpy as np
    >>> deviations = np.array([0.3, 0.0])
    >>> UCB(0.5).probabilities(np.array([0.2, 0.3]), updates=9, deviations=deviations).tolist()
    [1.0, 0.0]
    """

    uses_deviations: ClassVar[bool] = True

    alpha: float = 0.25

    def __post_init__(self) -> None:
        require(not_negative("alpha", self.alpha))

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,  # noqa: ARG002 - part of the protocol; deviations shrink by themselves
        deviations: NDArray[np.float64] | None = None,
        members: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        best_of(scores)
        bounds = moved(scores, as_deviations(deviations, len(scores)), self.alpha)
        best, ties = best_of(bounds)
        return np.where(bounds == best, 1.0 / ties, 0.0)
