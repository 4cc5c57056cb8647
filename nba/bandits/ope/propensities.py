"""Action probabilities estimated from a log that does not hold them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.arrays import as_actions, as_folds, as_table, refuse_cells
from nba.bandits.ope.cross_fit import Regressor
from nba.errors import Fault, InputError


def estimate_probabilities(
    classifier: Regressor,
    actions: ArrayLike,
    situations: ArrayLike,
    *,
    n_actions: int,
    folds: ArrayLike,
) -> NDArray[np.float64]:
    """Return how probable each action was in each row, ``(n, n_actions)``, from the other folds.

    ``classifier`` has ``fit`` and ``predict_proba``: multinomial logistic regression is the usual
    one. An estimate built on the result is right only if everything that the choice depended on is
    in ``situations`` ``(n, d)``; say so by ``LoggedData(…, estimated=True)``, which goes with it to
    the verdict. An action that the other folds never took has a probability of 0, by which
    :class:`nba.bandits.ope.LoggedData` refuses to divide: leave rare actions out, or put them
    together.

    Raises :class:`~nba.errors.InputError` where shapes do not fit, an action is not below
    ``n_actions``, a fold has no other rows, or a situation has gaps and the classifier reads none.
    """
    taken = as_actions(actions, n_actions)
    n = len(taken)
    rows = as_table("/situations", situations, n)
    fold = as_folds(folds, n)
    probabilities = np.zeros((n, n_actions))
    for part in np.unique(fold):
        known, asked = fold != part, fold == part
        seen = np.unique(taken[known])
        if len(seen) == 0:
            found = f"fold {part:g} has no other rows"
            raise InputError([Fault("/folds", found, "two folds and more")])
        if len(seen) == 1:
            probabilities[asked, seen[0]] = 1.0
            continue
        learned: Any = deepcopy(classifier)
        try:
            learned.fit(rows[known], taken[known])
            chances = np.asarray(learned.predict_proba(rows[asked]), dtype=np.float64)
        except ValueError:
            expected = "a finite number, or a classifier that reads gaps"
            refuse_cells("/situations", rows, np.isfinite(rows), expected)
            raise
        probabilities[np.ix_(asked, np.asarray(learned.classes_, dtype=np.intp))] = chances
    return probabilities
