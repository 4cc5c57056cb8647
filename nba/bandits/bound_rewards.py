"""What a reward learner makes of some candidates, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.learner import Correction
from nba.bandits.protocols import Estimate
from nba.errors import Fault, InputError


class _BoundModel(Protocol):
    def estimate(self, x: ArrayLike) -> Estimate: ...


@dataclass(frozen=True, slots=True, eq=False)
class BoundRewards:
    """What was learned about the rewards of some candidates, frozen, in units of ``cap``."""

    model: _BoundModel
    cap: float
    size: int

    def correct(self, model_logits: NDArray[np.float64], z: ArrayLike) -> Correction:
        """Return what to add to expected rewards; logits stay. See :class:`BoundLearner`."""
        logits = np.asarray(model_logits, dtype=np.float64)
        if logits.shape != (self.size,):
            found = f"found shape {logits.shape}"
            raise InputError([Fault("/model_logits", found, f"({self.size},) is expected")])
        if not np.isfinite(logits).all():
            raise InputError(
                Fault(f"/model_logits/{index}", f"found {logits[index]}", "a finite number")
                for index in np.flatnonzero(~np.isfinite(logits))
            )
        added = self.model.estimate(z).each(lambda part: part * self.cap)
        return Correction(
            logits, rewards=added.means, deviations=added.deviations, members=added.members
        )
