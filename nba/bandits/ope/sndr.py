"""Self-normalized doubly robust estimation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.terms import Terms


@dataclass(frozen=True, slots=True)
class SNDR:
    """DR whose correction is divided by the mean weight: steadier where weights vary much.

    NaN where the target never takes a logged action. Kallus and Uehara, *Intrinsically efficient,
    stable, and bounded off-policy evaluation for reinforcement learning*, NeurIPS 2019.
    """

    name: str = "SNDR"

    def terms(self, data: LoggedData, target: Target) -> Terms:
        """Return the sums the estimate is made of."""
        q_logged, q_target = target.reward_model()
        weights = importance_weights(data, target)
        residuals = weights * (data.rewards - q_logged)
        columns = [q_target, np.ones_like(weights), residuals, weights]
        return Terms(np.column_stack(columns), _corrected)


def _corrected(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = totals[..., 3]
    correction = totals[..., 2] / np.where(weight == 0.0, np.nan, weight)
    result: NDArray[np.float64] = totals[..., 0] / totals[..., 1] + correction
    return result
