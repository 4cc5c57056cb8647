"""The plainest reward model: what each action brought, drawn towards what all did."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.arrays import as_actions, as_folds
from nba.bandits.ope.data import LoggedData
from nba.errors import Fault, InputError

PRIOR_ROWS = 100.0
"""How many rows at the mean of all each action is given before its own."""


def action_means(
    data: LoggedData,
    *,
    n_actions: int,
    folds: ArrayLike | None = None,
    prior_rows: float = PRIOR_ROWS,
) -> NDArray[np.float64]:
    """Return (Σ rewards + prior_rows · mean) / (rows + prior_rows) of every action.

    ``(1, n_actions)`` from all rows; with ``folds`` ``(n,)`` it is ``(n, n_actions)``, each row's
    from the other folds. An action without rows has the mean of all, also where ``prior_rows`` is
    0.

    Raises :class:`~nba.errors.InputError` for an action beyond ``n_actions``, ``prior_rows`` below
    0, folds of another length and a fold that has no other rows.

    >>> log = LoggedData(np.array([0, 0, 1]), np.array([1.0, 0.0, 1.0]), np.full(3, 0.5))
    >>> action_means(log, n_actions=2, prior_rows=3.0).round(4).tolist()
    [[0.6, 0.75]]
    """
    if not 0.0 <= prior_rows < math.inf:
        raise InputError([Fault("/prior_rows", f"found {prior_rows:g}", "a number from 0")])
    as_actions(data.actions, n_actions)
    if folds is None:
        return _means(data.actions, data.rewards, n_actions, prior_rows)[None]
    expected = np.empty((len(data), n_actions))
    dealt = as_folds(folds, len(data))
    for fold in np.unique(dealt):
        known = dealt != fold
        if not known.any():
            found = f"fold {fold:g} has no other rows"
            raise InputError([Fault("/folds", found, "two folds and more")])
        means = _means(data.actions[known], data.rewards[known], n_actions, prior_rows)
        expected[~known] = means
    return expected


def _means(
    actions: NDArray[np.int64], rewards: NDArray[np.float64], n_actions: int, prior_rows: float
) -> NDArray[np.float64]:
    overall = float(rewards.mean())
    count = np.bincount(actions, minlength=n_actions)
    total = np.bincount(actions, weights=rewards, minlength=n_actions)
    weight = count + prior_rows
    means = np.full(n_actions, overall)
    np.divide(total + prior_rows * overall, weight, out=means, where=weight > 0.0)
    return means
