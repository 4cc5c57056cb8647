"""Action probabilities of a log that does not hold them, from what was known of each situation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import estimate_probabilities
from nba.errors import EvaluationRefusedError
from nba.models.propensity import ModelInput
from nba.training.candidates import CandidateTable
from nba.training.crossfit import Folds
from nba.training.encoding import encode_rows

HOW = (
    "action probabilities were estimated by logistic regression on what was recorded of the "
    "customer: right only if the choice depended on nothing else"
)
"""What must be shown with every estimate that rests on them."""


def logged_probabilities(
    table: CandidateTable, inputs: Sequence[ModelInput], folds: Folds
) -> NDArray[np.float64]:
    """Return how probable each logged action was, (n_choices,), from the other folds.

    By multinomial logistic regression on the situation's features, kept to the candidates of each
    choice. 0 where no other fold has the action. Raises :class:`EvaluationRefusedError` where all
    customers are in one fold, so that none can be estimated from the others.
    """
    if len(np.unique(folds.of)) == 1:
        raise EvaluationRefusedError(
            "action probabilities are estimated from other customers, and the log has too few "
            f"({table.choices['customer_id'].n_unique():,}) to set some aside; let more decisions "
            "resolve, or log the probabilities"
        )
    from sklearn.linear_model import LogisticRegression

    of_situation = [entry for entry in inputs if entry.level == "situation"]
    every = estimate_probabilities(
        LogisticRegression(max_iter=500),
        table.action[table.logged],
        _design(of_situation, table.choices),
        n_actions=len(table.actions),
        folds=folds.of,
    )
    possible = np.zeros(every.shape, dtype=bool)
    possible[table.choice, table.action] = True
    left = np.where(possible, every, 0.0)
    rows = np.arange(len(left))
    taken = left[rows, table.action[table.logged]]
    total = left.sum(axis=1)
    probabilities: NDArray[np.float64] = np.zeros(len(left))
    np.divide(taken, total, out=probabilities, where=total > 0.0)
    return probabilities


def _design(inputs: Sequence[ModelInput], choices: pl.DataFrame) -> NDArray[np.float64]:
    """Return columns for a linear model: numbers to scale, one column a category, what is missing.

    A missing number counts as an ordinary one, beside a column that says it was missing.
    """
    raw = encode_rows(inputs, choices)
    columns: list[NDArray[np.float64]] = []
    for place, entry in enumerate(inputs):
        values = raw[:, place]
        missing = np.isnan(values)
        if missing.any():
            columns.append(missing.astype(np.float64))
        if entry.categories is not None:
            columns += [
                (values == code).astype(np.float64) for code in range(len(entry.categories))
            ]
            continue
        known = values[~missing]
        spread = float(known.std()) if len(known) else 0.0
        if spread > 0.0:
            columns.append(np.where(missing, 0.0, (values - known.mean()) / spread))
    return np.column_stack(columns) if columns else np.zeros((choices.height, 1))
