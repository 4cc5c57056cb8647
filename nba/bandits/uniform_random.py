"""Uniformly random choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.scores import as_scores, best_of


@dataclass(frozen=True, slots=True)
class Uniform:
    """Give every candidate the same probability, whatever its score. Exact.

    >>> import numpy as np
    >>> Uniform().probabilities(np.array([0.1, 0.9]), updates=0).tolist()
    [0.5, 0.5]
    """

    uses_deviations: ClassVar[bool] = False

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,  # noqa: ARG002 - part of the protocol; chance learns nothing
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
        members: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        best_of(scores)
        return np.full(scores.shape[0], 1.0 / scores.shape[0])
