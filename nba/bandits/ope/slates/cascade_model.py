"""A reward model for cascade-DR, fitted from the last position of a slate to the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_numbers
from nba.bandits.ope.arrays import as_folds, as_table, refuse_cells
from nba.bandits.ope.cross_fit import Regressor, fit_rewards
from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget, as_slates
from nba.errors import Fault, InputError

_AXES = 3


def cascade_model(
    model: Regressor,
    data: LoggedSlates,
    target: SlateTarget,
    *,
    actions: ArrayLike,
    distributions: ArrayLike,
    situations: ArrayLike,
    folds: NDArray[np.intp],
) -> SlateTarget:
    """Return the target with what comes from each position on, as a model expects it.

    At each position the model sees the situation, which actions are above, and the action there; it
    learns what the position earned and what it itself expects of the target below. Each row is
    answered by models fitted on the other folds.

    Parameters
    ----------
    model
        Anything with ``fit`` and ``predict``; copied for each fit.
    data, target
        The log, and the policy to be evaluated.
    actions
        ``(n, k)`` indices from 0; whatever stands at empty positions is ignored.
    distributions
        ``(n, k, n_actions)``, the target's probabilities of all actions at each position, given the
        logged actions above it.
    situations
        ``(n, d)`` features of the slates; d may be 0.
    folds
        ``(n,)`` the fold of each slate, as :func:`nba.bandits.ope.deal_folds` deals them.

    Raises
    ------
    InputError
        Shapes do not fit, an action is not among those of ``distributions``, or a fold has no other
        rows.

    Kiyohara et al., WSDM 2022 (arXiv:2202.01562), section 4.
    """
    n, k = data.rewards.shape
    taken, shares, known = _checked(data, actions, distributions, situations)
    count = shares.shape[2]
    fold = as_folds(folds, n)
    marks = np.eye(count)
    q_logged, q_target = np.zeros((n, k)), np.zeros((n, k + 1))
    for position in reversed(range(k)):
        above = [marks[taken[:, place]] for place in range(position)]
        seen = np.hstack([known, *above])
        worth = data.earned[:, position] + q_target[:, position + 1]
        for part in np.unique(fold):
            learned = data.filled[:, position] & (fold != part)
            asked = np.flatnonzero(data.filled[:, position] & (fold == part))
            if len(asked) == 0:
                continue
            if not learned.any():
                found = f"fold {part:g} has no other rows with a position {position}"
                raise InputError([Fault("/folds", found, "two folds and more with one")])
            rows = np.hstack([seen, marks[taken[:, position]]])[learned]
            fitted = fit_rewards(model, rows, worth[learned])
            expected = np.column_stack(
                [
                    fitted.expected(np.hstack([seen[asked], np.tile(marks[a], (len(asked), 1))]))
                    for a in range(count)
                ]
            )
            q_logged[asked, position] = expected[np.arange(len(asked)), taken[asked, position]]
            q_target[asked, position] = (shares[asked, position] * expected).sum(axis=1)
    return replace(target, q_logged=q_logged, q_target=q_target[:, :k])


def _checked(
    data: LoggedSlates,
    actions: ArrayLike,
    distributions: ArrayLike,
    situations: ArrayLike,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    n, k = data.rewards.shape
    shares = as_numbers("/distributions", distributions)
    if shares.ndim != _AXES or shares.shape[:2] != (n, k):
        expected = f"({n}, {k}, n_actions) is expected"
        raise InputError([Fault("/distributions", f"found shape {shares.shape}", expected)])
    shares = np.where(data.filled[..., None], shares, 0.0)
    refuse_cells("/distributions", shares, shares >= 0.0, "a number from 0 to 1")
    sums = shares.sum(axis=2)
    good = ~data.filled | (np.abs(sums - 1.0) <= 1e-6)  # noqa: PLR2004 - a rounding
    refuse_cells("/distributions", sums, good, "each must sum to 1")
    taken = np.where(data.filled, as_slates("/actions", actions, data.filled), 0.0)
    last = shares.shape[2] - 1
    good = (taken >= 0.0) & (taken <= last) & (taken == np.floor(taken))
    refuse_cells("/actions", taken, good, f"an index from 0 to {last}")
    return taken.astype(np.int64), shares, as_table("/situations", situations, n)
