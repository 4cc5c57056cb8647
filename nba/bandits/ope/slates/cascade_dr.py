"""Doubly robust estimation of a slate that is read from the top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.arrays import refuse_cells
from nba.bandits.ope.slates.data import (
    LoggedSlates,
    SlateTarget,
    as_slates,
    weights_by_position,
)
from nba.bandits.ope.terms import Terms, mean_terms
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class CascadeDR:
    """A model of what comes from each position on, its errors corrected by :class:`RIPS`.

    Σ over positions of w(down to it) · (reward - q_logged) + w(above it) · q_target, with the
    rewards times their position's weight. Right where RIPS is, and where the model is. Kiyohara,
    Saito, Matsuhiro, Narita, Shimizu and Yamamoto, *Doubly robust off-policy evaluation for ranking
    policies under the cascade behavior model*, WSDM 2022 (arXiv:2202.01562). Without a model
    (both 0) it is RIPS.

    Raises :class:`~nba.errors.InputError` where the target has no model, or one that is not finite.
    """

    name: str = "cascade DR"

    def weights(self, data: LoggedSlates, target: SlateTarget) -> NDArray[np.float64]:
        """Return the products of the weights from the top, ``(n, k)``."""
        products: NDArray[np.float64] = weights_by_position(data, target).cumprod(axis=1)
        return products

    def terms(self, data: LoggedSlates, target: SlateTarget) -> Terms:
        """Return the sums the estimate is made of."""
        if target.q_logged is None or target.q_target is None:
            expected = "this estimator needs q_logged and q_target"
            raise InputError([Fault("/target", "it has no reward model", expected)])
        logged = _model(data, "q_logged", target.q_logged)
        planned = _model(data, "q_target", target.q_target)
        down_to = self.weights(data, target)
        above = np.hstack([np.ones((len(data), 1)), down_to[:, :-1]])
        corrected = above * planned + down_to * (data.earned - logged)
        return mean_terms(np.where(data.filled, corrected, 0.0).sum(axis=1))


def _model(data: LoggedSlates, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    table = as_slates(f"/target/{name}", values, data.filled)
    good = ~data.filled | np.isfinite(table)
    refuse_cells(f"/target/{name}", table, good, "a finite number")
    return table
