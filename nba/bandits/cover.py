"""Cover: the share of policies that choose a candidate, and a little of chance on top."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import require, require_updates, share
from nba.bandits.votes import Votes

_VOTES = Votes()


def smallest_share(n: int, updates: int) -> float:
    """Return ε = min(1/n, 1/√(n t)) of ``n`` candidates, with ``t`` 1 more than the updates.

    >>> [smallest_share(4, updates) for updates in (0, 3, 99, 9_999)]
    [0.25, 0.25, 0.05, 0.005]
    """
    return min(1.0 / n, 1.0 / math.sqrt(n * (updates + 1)))


@dataclass(frozen=True, slots=True)
class Cover:
    """Give each candidate the share of policies that choose it, ``uniform`` · ε on top. Exact.

    With the policies of a :class:`nba.bandits.CoverModel` as members the probabilities are
    (1 - n · ``uniform`` · ε) · share + ``uniform`` · ε with ε = min(1/n, 1/√(n t)), in closed form:
    no policy is drawn to find them. ``uniform=0`` is Cover-NU, which leaves all exploring to the
    policies; it may give a candidate no chance at all. Without members the scores are the only one.

    Agarwal, Hsu, Kale, Langford, Li and Schapire, *Taming the monster*, ICML 2014
    (arXiv:1402.0555), as made practical in Bietti, Agarwal and Langford, *A contextual bandit
    bake-off*, JMLR 22:133 (2021), algorithm 5. Raises :class:`nba.errors.InputError` where
    ``uniform`` is not from 0 to 1.

    >>> import numpy as np
    >>> members = np.array([[0.1, 0.3], [0.2, 0.1], [0.0, 0.4], [0.0, 0.2]])
    >>> Cover().probabilities(members[0], updates=49, members=members).round(3).tolist()
    [0.3, 0.7]
    """

    uses_deviations: ClassVar[bool] = False

    uniform: float = 1.0

    def __post_init__(self) -> None:
        require(share("uniform", self.uniform))

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
        members: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`.

        ``members`` ``(m, n) float64`` are the scores that each policy chooses by; see
        :meth:`nba.bandits.Votes.probabilities` for their errors.
        """
        require_updates(updates)
        shares = _VOTES.probabilities(scores, updates=updates, members=members)
        least = self.uniform * smallest_share(len(shares), updates)
        return (1.0 - len(shares) * least) * shares + least
