"""The plainest reward model: what each action brought, drawn towards what all did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.arrays import refuse_rows
from nba.bandits.ope.data import LoggedData

PRIOR_ROWS = 100.0
"""How many rows at the mean of all each action is given before its own."""


def action_means(
    data: LoggedData,
    *,
    n_actions: int,
    folds: NDArray[np.intp] | None = None,
    prior_rows: float = PRIOR_ROWS,
) -> NDArray[np.float64]:
    """Return (Σ rewards + prior_rows · mean) / (rows + prior_rows) of every action.

    ``(1, n_actions)`` from all rows; with ``folds`` ``(n,)`` it is ``(n, n_actions)``, each row's
    from the other folds. Raises :class:`~nba.errors.InputError` for an action beyond
    ``n_actions``.

    >>> log = LoggedData(np.array([0, 0, 1]), np.array([1.0, 0.0, 1.0]), np.full(3, 0.5))
    >>> action_means(log, n_actions=2, prior_rows=3.0).round(4).tolist()
    [[0.6, 0.75]]
    """
    values = data.actions.astype(np.float64)
    refuse_rows("/actions", values, data.actions < n_actions, f"below {n_actions} is expected")
    if folds is None:
        return _means(data.actions, data.rewards, n_actions, prior_rows)[None]
    expected = np.empty((len(data), n_actions))
    for fold in np.unique(folds):
        known = folds != fold
        means = _means(data.actions[known], data.rewards[known], n_actions, prior_rows)
        expected[~known] = means
    return expected


def _means(
    actions: NDArray[np.int64], rewards: NDArray[np.float64], n_actions: int, prior_rows: float
) -> NDArray[np.float64]:
    overall = float(rewards.mean()) if len(rewards) else 0.0
    count = np.bincount(actions, minlength=n_actions)
    total = np.bincount(actions, weights=rewards, minlength=n_actions)
    means: NDArray[np.float64] = (total + prior_rows * overall) / (count + prior_rows)
    return means
