"""Whether logged probabilities are those the actions were drawn with, action by action."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.bootstrap import cluster_sums
from nba.bandits.ope.data import LoggedData
from nba.errors import Fault, InputError

LIMIT = 4.0
"""Standard errors beyond which logged probabilities are not believed."""


@dataclass(frozen=True, slots=True)
class ActionCalibration:
    """One action's logged probabilities against how often it was logged.

    ``rows`` is how often it was; ``possible`` how often it could have been, and ``inverse`` the sum
    of 1 / probability where it was, which estimates ``possible``. ``z`` is how many standard
    errors, by customer, the two lie apart; NaN for an action never logged or a single customer.
    """

    action: int
    rows: int
    possible: int
    inverse: float
    z: float

    @property
    def is_off(self) -> bool:
        """Whether the logged probabilities cannot be those used."""
        return abs(self.z) > LIMIT


def calibrate(
    data: LoggedData, *, n_actions: int, possible: ArrayLike | None = None
) -> tuple[ActionCalibration, ...]:
    """Set the sum of 1 / p of each action beside the number of rows in which it was possible.

    ``possible`` ``(n, n_actions) bool`` says which actions could be drawn in a row; all of them
    where not given. Each row with action a adds 1 / p with probability p, so the sum is that number
    on average, if p is the probability really used: Hájek's argument, and the weights of a policy
    that always takes a.

    Raises :class:`~nba.errors.InputError` where ``possible`` has another shape or does not allow a
    logged action.
    """
    shape = (len(data), n_actions)
    allowed = np.ones(shape, dtype=bool) if possible is None else np.asarray(possible, dtype=bool)
    if allowed.shape != shape:
        found = f"found shape {allowed.shape}"
        raise InputError([Fault("/possible", found, f"{shape} is expected")])
    impossible = np.flatnonzero(~allowed[np.arange(len(data)), data.actions])
    if len(impossible):
        found = f"{len(impossible):,} rows took an action that was not possible"
        raise InputError(
            [Fault(f"/possible/{impossible[0]}", found, "what was taken was possible")]
        )
    return tuple(_of(data, action, allowed[:, action]) for action in range(n_actions))


def _of(data: LoggedData, action: int, allowed: NDArray[np.bool_]) -> ActionCalibration:
    taken = data.actions == action
    inverse = np.where(taken, 1.0 / data.probabilities, 0.0)
    excess = cluster_sums((inverse - allowed)[:, None], data.clusters)[:, 0]
    off = float(excess.sum())
    deviation = float(np.linalg.norm(excess - off / len(excess)))
    z = math.nan
    if taken.any() and len(excess) > 1:
        exact = abs(off) <= 1e-9 * len(data)
        z = 0.0 if exact else off / deviation if deviation > 0.0 else math.copysign(math.inf, off)
    return ActionCalibration(action, int(taken.sum()), int(allowed.sum()), float(inverse.sum()), z)
