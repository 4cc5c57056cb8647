"""What goals of candidates would bring, by models that never saw the customer.

How often a goal is met is learned on the choices that waited for it, as the service does; of those
that did not, nobody knows. Its price is the catalog's, so that a change of prices changes what is
ranked first and not what was learned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.catalog import Action, ValueFrom
from nba.training.candidates import CandidateTable
from nba.training.crossfit import Folds, Learner, predict_candidates
from nba.training.progress import Progress, silent

FloatArray = NDArray[np.float64]


def rewarded_beyond_labels(table: CandidateTable, actions: Mapping[str, Action]) -> bool:
    """Whether any action of a log has goals, or a value that is learned from amounts."""
    known = (actions[name] for name in table.actions if name in actions)
    return any(one.goals or one.value_from is ValueFrom.OUTCOMES for one in known)


def goal_worths(
    table: CandidateTable,
    actions: Mapping[str, Action],
    folds: Folds,
    learner: Learner,
    *,
    progress: Progress = silent,
) -> FloatArray:
    """Return what the goals of every candidate are expected to bring, ``(n,)``, in currency.

    ``table.choices`` have the kinds they met as ``goals`` and those they waited for in vain as
    ``missed``. Where no other customer's choice waited for a goal it counts by its base rate;
    actions that are not among ``actions`` have none.
    """
    worths = np.zeros(len(table.choice))
    goals = [actions[name].goals if name in actions else {} for name in table.actions]
    for kind in sorted({kind for of_action in goals for kind in of_action}):
        priced = [of_action.get(kind) for of_action in goals]
        values = np.array([0.0 if goal is None else goal.value for goal in priced])[table.action]
        base_rates = np.array([0.0 if goal is None else goal.base_rate for goal in priced])
        met = table.choices.select(_has("goals", kind)).to_series().to_numpy()
        missed = table.choices.select(_has("missed", kind)).to_series().to_numpy()
        chances = predict_candidates(
            table,
            met.astype(np.float64),
            folds,
            learner,
            among=met | missed,
            progress=progress,
            stage=f"fitting how often {kind} comes",
        )
        chances = np.where(np.isnan(chances), base_rates[table.action], chances)
        worths += np.where(values == 0.0, 0.0, chances * values)
    return worths


def _has(column: str, kind: str) -> pl.Expr:
    return pl.col(column).list.contains(kind).fill_null(value=False)
