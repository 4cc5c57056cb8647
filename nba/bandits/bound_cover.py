"""What the policies of a cover model choose some actions by, as arrays in their order."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.bound_linear import BoundLinear
from nba.bandits.observations import as_situation
from nba.bandits.protocols import Estimate
from nba.bandits.ridge import times

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BoundCover:
    """A :class:`nba.bandits.CoverModel` at ``m`` of its actions, on ``d`` inputs.

    ``inverse`` ``(m, d (d + 1) / 2)`` are the packed inverses that the later policies share,
    ``totals`` ``(m, policies - 1, d)`` their moments, the prior's included.
    """

    first: BoundLinear
    inverse: FloatArray
    totals: FloatArray

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return what the first policy expects, and what each chooses by as members.

        Shapes and errors are those of :meth:`BoundLinear.estimate`; members are
        ``(policies, m)``, of which all but the first hold pay for covering.
        """
        first = self.first.estimate(x)
        return Estimate(first.means, first.deviations, self.members(x, first.means))

    def members(self, x: ArrayLike, means: FloatArray) -> FloatArray:
        """Return what each policy chooses by, where ``means`` ``(m,)`` are the first one's."""
        frame = self.first.frame
        inputs = frame.bounded_inputs(as_situation(x, len(frame.shift)))
        members = np.empty((1 + self.totals.shape[1], len(means)))
        members[0] = means
        _expect(self.inverse, self.totals, inputs, members[1:])
        return members


@numba.njit(cache=True)
def _expect(inverse: FloatArray, totals: FloatArray, x: FloatArray, out: FloatArray) -> None:
    m, policies, d = totals.shape
    solved = np.empty(d)
    for row in range(m):
        times(inverse[row], x, solved)
        for policy in range(policies):
            total = 0.0
            for a in range(d):
                total += solved[a] * totals[row, policy, a]
            out[policy, row] = total
