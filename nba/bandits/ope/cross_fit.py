"""Reward models that never saw the customers they are asked about, on plain arrays."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.arrays import as_actions, as_clusters, as_folds, as_rows, as_table, refuse_rows
from nba.bandits.ope.data import LoggedData
from nba.errors import Fault, InputError


class Regressor(Protocol):
    """Anything that learns a number from rows, such as a scikit-learn estimator.

    It also has ``predict_proba``, which is then asked for the chance of a reward of 1, or
    ``predict``. Where weights are given, ``fit`` takes ``sample_weight``.
    """

    def fit(self, rows: Any, values: Any, /) -> Any:
        """Learn ``(n,)`` numbers from ``(n, d)`` rows."""
        ...


def deal_folds(
    n: int, clusters: ArrayLike | None = None, *, count: int = 3, seed: int = 0
) -> NDArray[np.intp]:
    """Deal rows into folds, ``(n,)`` from 0 to ``count`` - 1, all rows of a customer into one.

    As many customers to each fold as to any other, but for one.

    Raises :class:`~nba.errors.InputError` for fewer than 2 folds or than folds customers, and for a
    row without a customer.
    """
    names = np.arange(n) if clusters is None else as_clusters(clusters, n)
    _, index = np.unique(names, return_inverse=True)
    customers = int(index.max()) + 1 if n else 0
    if not 2 <= count <= customers:  # noqa: PLR2004 - one fold would know its own rows
        expected = f"2 to {customers}, the number of customers"
        raise InputError([Fault("/count", f"found {count} folds", expected)])
    dealt = np.random.default_rng(seed).permutation(np.arange(customers) % count)
    return dealt[index].astype(np.intp)


def cross_fit(
    model: Regressor,
    data: LoggedData,
    situations: ArrayLike,
    *,
    n_actions: int,
    folds: NDArray[np.intp],
    action_features: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return what a model expects of every action in every row, fitted on the other folds.

    The model sees the row's situation and the action's features beside it. A fold whose other rows
    all have one reward is given that reward.

    Parameters
    ----------
    model
        Copied for each fit, never fitted itself.
    data
        The log.
    situations
        ``(n, d)`` features of the rows; d may be 0.
    n_actions
        How many actions there are.
    folds
        ``(n,)`` the fold of each row, as :func:`deal_folds` or any other split gives them.
    action_features
        ``(n_actions, e)``; one column an action, 1 for its own, where not given.
    positions
        ``(n,)`` integers; each position has a model of its own, and a row is asked at its own.
    weights
        ``(n,)`` weights for the fit, such as :func:`nba.bandits.ope.mrdr_weights`.

    Returns
    -------
    ndarray
        ``(n, n_actions) float64``, for :meth:`nba.bandits.ope.Target.from_distribution`.

    Raises
    ------
    InputError
        Shapes do not fit, an action is not below ``n_actions``, a model of chances is given rewards
        other than 0 and 1, or a fold's position has no other rows to learn from.

    Chernozhukov et al., *Double/debiased machine learning*, Econometrics Journal 21 (2018).
    """
    n = len(data)
    situation = as_table("/situations", situations, n)
    described = np.eye(n_actions) if action_features is None else action_features
    actions = as_table("/action_features", described, n_actions)
    as_actions(data.actions, n_actions)
    fold = as_folds(folds, n)
    position = np.zeros(n) if positions is None else as_rows("/positions", positions, n)
    weight = None if weights is None else as_rows("/weights", weights, n)
    expected = np.empty((n, n_actions))
    for place in np.unique(position):
        for part in np.unique(fold[position == place]):
            known = np.flatnonzero((position == place) & (fold != part))
            asked = np.flatnonzero((position == place) & (fold == part))
            if len(known) == 0:
                found = f"fold {part:g} at position {place:g} has no other rows"
                raise InputError([Fault("/folds", found, "two folds and more at each position")])
            seen = np.hstack([situation[known], actions[data.actions[known]]])
            share = None if weight is None else weight[known]
            fitted = fit_rewards(model, seen, data.rewards[known], share)
            for action in range(n_actions):
                repeated = np.broadcast_to(actions[action], (len(asked), actions.shape[1]))
                rows = np.hstack([situation[asked], repeated])
                expected[asked, action] = fitted.expected(rows)
    return expected


class Fitted:
    """A model fitted on rewards, or the one reward there was."""

    def __init__(self, model: Any, constant: float | None) -> None:
        self._model = model
        self._constant = constant

    def expected(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the reward expected of rows, ``(n,) float64``."""
        if self._constant is not None:
            return np.full(len(rows), self._constant)
        if hasattr(self._model, "predict_proba"):
            chances = np.asarray(self._model.predict_proba(rows), dtype=np.float64)
            return chances[:, int(np.flatnonzero(np.asarray(self._model.classes_) == 1)[0])]
        return np.asarray(self._model.predict(rows), dtype=np.float64)


def fit_rewards(
    model: Regressor,
    rows: NDArray[np.float64],
    rewards: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> Fitted:
    """Fit a copy of a model on rewards; where all are one number, that is what is expected.

    Rows without weight are left out; where none has any, all count alike.
    """
    if weights is not None:
        some = weights > 0.0
        if not some.any():
            return fit_rewards(model, rows, rewards)
        rows, rewards, weights = rows[some], rewards[some], weights[some]
    if rewards.min() == rewards.max():
        return Fitted(None, float(rewards[0]))
    learned: Any = deepcopy(model)
    wanted = rewards
    if hasattr(learned, "predict_proba"):
        is_chance = np.isin(rewards, (0.0, 1.0))
        refuse_rows("/rewards", rewards, is_chance, "a model of chances needs rewards of 0 and 1")
        wanted = rewards.astype(np.int64)
    if weights is None:
        learned.fit(rows, wanted)
    else:
        learned.fit(rows, wanted, sample_weight=weights)
    return Fitted(learned, None)
