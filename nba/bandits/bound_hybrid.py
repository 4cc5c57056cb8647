"""What the default learner has learned about some candidates, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.bound_logistic import BoundLogistic
from nba.bandits.learner import Correction
from nba.bandits.logistic import OnlineLogistic
from nba.bandits.stacking import Stacker
from nba.bandits.trees import BoundForests


class BoundHybrid:
    """What was learned about some candidates, frozen, as arrays in their order."""

    __slots__ = ("_any", "_forests", "_online", "_stacker")

    def __init__(self, online: BoundLogistic, forests: BoundForests, stacker: Stacker) -> None:
        self._online = online
        self._forests = forests
        self._any = bool(forests.present.any())
        self._stacker = stacker

    def logits(self, model_logits: NDArray[np.float64], z: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of every candidate, ``(n,) float64``.

        Arguments and errors are those of :meth:`BoundLogistic.logits`; a candidate without a
        forest has the online logit.
        """
        return self.estimate(model_logits, z)[0]

    def estimate(
        self, model_logits: NDArray[np.float64], z: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return logits and the posterior variances of the online part of them, ``(n,)`` each."""
        logits, variances = self._online.estimate(model_logits, z)
        if not self._any:
            return logits, variances
        features = np.ascontiguousarray(z, dtype=np.float64)
        corrections = self._forests.corrections(model_logits, features)
        combined = self._stacker.combine(logits, corrections)
        return np.where(self._forests.present, combined, logits), variances

    def correct(self, model_logits: NDArray[np.float64], z: ArrayLike) -> Correction:
        """Return logits with their variances; see :class:`nba.bandits.BoundLearner`."""
        return Correction(*self.estimate(model_logits, z))

    def refresh(self, online: OnlineLogistic, index: int, action_id: str, stacker: Stacker) -> None:
        """Take one candidate's posterior and how much forests are believed; for its owner alone."""
        online.rebind(self._online, index, action_id)
        self._stacker = stacker
