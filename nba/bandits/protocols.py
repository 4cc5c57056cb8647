"""The port every exploration algorithm fills."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Explorer(Protocol):
    """Turns scores into action probabilities, exactly and in closed form.

    The candidates are those left after every guardrail; what is drawn from these probabilities,
    and what is frozen in the record, is the same array.
    """

    def probabilities(self, scores: NDArray[np.float64], *, updates: int) -> NDArray[np.float64]:
        """Return the probability of every candidate, ``(n,) float64`` summing to 1.

        ``scores`` are ``(n,) float64`` expected rewards scaled to about [0, 1], higher is better;
        ``updates`` is how many observations the scores rest on. Equal scores get equal
        probabilities, whatever their order. Raises :class:`nba.errors.InputError` where there is
        no candidate or a score is not finite.
        """
        ...
