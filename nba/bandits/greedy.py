"""Greedy: always the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.scores import as_scores, best_of


@dataclass(frozen=True, slots=True)
class Greedy:
    """Give the best candidate everything; candidates that tie for best share equally. Exact.

    Its logs cannot be used to evaluate any other policy: all other probabilities are 0.

    >>> import numpy as np
    >>> Greedy().probabilities(np.array([0.2, 0.4, 0.4]), updates=0).tolist()
    [0.0, 0.5, 0.5]
    """

    uses_deviations: ClassVar[bool] = False

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,  # noqa: ARG002 - part of the protocol; greedy does not explore at any time
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
        members: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        best, ties = best_of(scores)
        return np.where(scores == best, 1.0 / ties, 0.0)
