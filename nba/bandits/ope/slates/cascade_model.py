"""A reward model for cascade-DR, fitted from the last position of a slate to the first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.cross_fit import Regressor, fit_rewards
from nba.bandits.ope.data import as_rows
from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget
from nba.errors import Fault, InputError

_TABLE_AXES = 2


def cascade_model(
    model: Regressor,
    data: LoggedSlates,
    target: SlateTarget,
    *,
    actions: NDArray[np.int64],
    distributions: NDArray[np.float64],
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
    fold = as_rows("/folds", folds, n)
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
    actions: NDArray[np.int64],
    distributions: NDArray[np.float64],
    situations: ArrayLike,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    n, k = data.rewards.shape
    shares = np.asarray(distributions, dtype=np.float64)
    if shares.ndim != _TABLE_AXES + 1 or shares.shape[:2] != (n, k):
        expected = f"({n}, {k}, n_actions) is expected"
        raise InputError([Fault("/distributions", f"found shape {shares.shape}", expected)])
    off = data.filled & ~(np.abs(shares.sum(axis=2) - 1.0) <= 1e-6)  # noqa: PLR2004 - a rounding
    if off.any():
        row, place = np.argwhere(off)[0]
        found = f"{int(off.sum()):,} positions sum to {shares[row, place].sum():g} or so"
        raise InputError([Fault(f"/distributions/{row}/{place}", found, "each must sum to 1")])
    taken = np.where(data.filled, np.asarray(actions), 0).astype(np.int64)
    if taken.shape != (n, k) or taken.min() < 0 or taken.max() >= shares.shape[2]:
        found = f"found shape {taken.shape}, {taken.min()} to {taken.max()}"
        expected = f"({n}, {k}) indices from 0 to {shares.shape[2] - 1}"
        raise InputError([Fault("/actions", found, expected)])
    known = np.asarray(situations, dtype=np.float64)
    if known.ndim != _TABLE_AXES or known.shape[0] != n:
        found = f"found shape {known.shape}"
        raise InputError([Fault("/situations", found, f"({n}, d) is expected")])
    return taken, np.where(data.filled[..., None], shares, 0.0), known
