"""Votes: every member of an ensemble names its best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import require, share
from nba.bandits.scores import as_scores, best_of
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class Votes:
    """Give each candidate the share of members whose best it is; ties split a vote. Exact.

    Exact given the members: the chance that a member drawn at random prefers the candidate, with
    ``epsilon`` of it spread over all candidates equally. With the members of a
    :class:`nba.bandits.BaggedModel` this is bootstrap Thompson sampling: Eckles and Kaptein,
    *Thompson sampling with the online bootstrap*, 2014 (arXiv:1410.4009); "bag" in Bietti, Agarwal
    and Langford, JMLR 22:133 (2021). Without members the scores are the only vote. Raises
    :class:`InputError` where ``epsilon`` is not from 0 to 1.

    >>> import numpy as np
    >>> members = np.array([[0.1, 0.3], [0.2, 0.1], [0.0, 0.4], [0.2, 0.2]])
    >>> Votes().probabilities(members.mean(axis=0), updates=9, members=members).tolist()
    [0.375, 0.625]
    """

    uses_deviations: ClassVar[bool] = False

    epsilon: float = 0.0

    def __post_init__(self) -> None:
        require(share("epsilon", self.epsilon))

    def probabilities(
        self,
        scores: NDArray[np.float64],
        *,
        updates: int,  # noqa: ARG002 - part of the protocol; members come to agree by themselves
        deviations: NDArray[np.float64] | None = None,  # noqa: ARG002 - part of the protocol
        members: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of every candidate; see :class:`nba.bandits.Explorer`.

        ``members`` ``(m, n) float64`` are the scores each of at least one member gives. Raises
        :class:`InputError` for another shape, or one that is not finite.
        """
        scores = as_scores(scores)
        best_of(scores)
        n = len(scores)
        array = np.ascontiguousarray(scores[None] if members is None else members, dtype=np.float64)
        if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != n:  # noqa: PLR2004 - axes
            expected = f"at least one member's scores of {n} candidates"
            raise InputError([Fault("/members", f"found shape {array.shape}", expected)])
        if not np.isfinite(array).all():
            raise InputError(
                Fault(f"/members/{member}/{index}", "found no finite number", "one is expected")
                for member, index in np.argwhere(~np.isfinite(array))
            )
        shares = np.zeros(n)
        _count(array, shares)
        return (1.0 - self.epsilon) * shares + self.epsilon / n


@numba.njit(cache=True)
def _count(members: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
    m, n = members.shape
    for member in range(m):
        best = members[member].max()
        ties = 0
        for index in range(n):
            ties += members[member, index] == best
        for index in range(n):
            if members[member, index] == best:
                shares[index] += 1.0 / (m * ties)
