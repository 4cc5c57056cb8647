"""Action probabilities estimated from a log that does not hold them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.ope.arrays import as_rows
from nba.bandits.ope.cross_fit import Regressor
from nba.errors import Fault, InputError


def estimate_probabilities(
    classifier: Regressor,
    actions: NDArray[np.int64],
    situations: ArrayLike,
    *,
    n_actions: int,
    folds: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return how probable each action was in each row, ``(n, n_actions)``, from the other folds.

    ``classifier`` has ``fit`` and ``predict_proba``: multinomial logistic regression is the usual
    one. An estimate built on the result is right only if everything that the choice depended on is
    in ``situations`` ``(n, d)``; say so by ``LoggedData(…, estimated=True)``, which goes with it to
    the verdict. An action that the other folds never took has a probability of 0, by which
    :class:`nba.bandits.ope.LoggedData` refuses to divide: leave rare actions out, or put them
    together.

    Raises :class:`~nba.errors.InputError` where shapes do not fit or a fold has no other rows.
    """
    n = len(actions)
    rows = np.asarray(situations, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] != n:  # noqa: PLR2004 - rows by features
        found = f"found shape {rows.shape}"
        raise InputError([Fault("/situations", found, f"({n}, d) is expected")])
    fold = as_rows("/folds", folds, n)
    probabilities = np.zeros((n, n_actions))
    for part in np.unique(fold):
        known, asked = fold != part, fold == part
        taken = np.unique(actions[known])
        if len(taken) == 0:
            found = f"fold {part:g} has no other rows"
            raise InputError([Fault("/folds", found, "two folds and more")])
        if len(taken) == 1:
            probabilities[asked, taken[0]] = 1.0
            continue
        learned: Any = deepcopy(classifier)
        learned.fit(rows[known], actions[known])
        chances = np.asarray(learned.predict_proba(rows[asked]), dtype=np.float64)
        probabilities[np.ix_(asked, np.asarray(learned.classes_, dtype=np.intp))] = chances
    return probabilities
