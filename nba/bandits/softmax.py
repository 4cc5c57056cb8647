"""Softmax (Boltzmann) exploration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import positive, require
from nba.bandits.scores import as_scores, best_of


@dataclass(frozen=True, slots=True)
class Softmax:
    """Make probabilities proportional to exp(score / temperature). Exact.

    ``temperature`` is in the scores' unit: a candidate that far below another is e times less
    likely. Raises :class:`nba.errors.InputError` where it is not above 0.

    >>> import numpy as np
    >>> Softmax(temperature=0.1).probabilities(np.array([0.3, 0.2]), updates=0).round(4).tolist()
    [0.7311, 0.2689]
    """

    uses_deviations: ClassVar[bool] = False

    temperature: float = 0.1

    def __post_init__(self) -> None:
        require(positive("temperature", self.temperature))

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,  # noqa: ARG002 - part of the protocol; the temperature is constant
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
        members: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`."""
        scores = as_scores(scores)
        best, _ = best_of(scores)
        with np.errstate(over="ignore"):  # a gap too wide for a float is a weight of 0
            weights = np.exp((scores - best) / self.temperature)
        result: NDArray[np.float64] = weights / weights.sum()
        return result
