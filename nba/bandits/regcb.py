"""RegCB: confidence bounds from all regressors that fit almost as well as the best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import not_negative, require, require_updates
from nba.bandits.scores import as_deviations, as_scores, best_of, moved


@dataclass(frozen=True, slots=True)
class RegCB:
    """Choose by bounds score ± √(mellowness · log(n t)) · deviation. Exact.

    ``t`` is 1 more than the number of updates. The optimistic variant gives everything to the
    highest upper bound; ``elimination`` shares it equally among all candidates whose upper bound
    is not below the highest lower one. Ties share equally.

    For least squares these are the bounds of the paper: the highest and lowest prediction of any
    linear regressor whose excess squared loss is at most mellowness · log(n t) noise variances.
    Foster, Agarwal, Dudík, Luo and Schapire, *Practical contextual bandits with regression
    oracles*, ICML 2018 (arXiv:1803.01088), with the schedule of Bietti, Agarwal and Langford, *A
    contextual bandit bake-off*, JMLR 22:133 (2021). Raises :class:`nba.errors.InputError` where
    ``mellowness`` is negative.

    >>> import numpy as np
    >>> scores, deviations = np.array([0.5, 0.4, 0.1]), np.array([0.1, 0.1, 0.1])
    >>> for elimination in (False, True):
    ...     explorer = RegCB(elimination=elimination)
    ...     explorer.probabilities(scores, updates=99, deviations=deviations).tolist()
    [1.0, 0.0, 0.0]
    [0.5, 0.5, 0.0]
    """

    uses_deviations: ClassVar[bool] = True

    mellowness: float = 0.1
    elimination: bool = False

    def __post_init__(self) -> None:
        require(not_negative("mellowness", self.mellowness))

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
        best_of(scores)
        require_updates(updates)
        n = len(scores)
        radius = math.sqrt(self.mellowness * math.log(n * (updates + 1)))
        spread = as_deviations(deviations, n)
        upper = moved(scores, spread, radius)
        best, ties = best_of(upper)
        if not self.elimination:
            return np.where(upper == best, 1.0 / ties, 0.0)
        plausible = upper >= moved(scores, spread, -radius).max()
        result: NDArray[np.float64] = plausible / np.count_nonzero(plausible)
        return result
