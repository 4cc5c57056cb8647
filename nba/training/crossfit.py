"""What each candidate would bring, by models that never saw the customer they are asked about.

Customers are dealt into folds; each fold is predicted by a model fitted on the others. So a policy
made of the predictions, and the reward model of a doubly robust estimate, are both evaluated on
rows they know nothing of (cross-fitting: Chernozhukov et al., Econometrics Journal 21, 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.ids import uniform_hash
from nba.models.propensity import ModelInput
from nba.training.candidates import CandidateTable
from nba.training.encoding import encode_rows
from nba.training.progress import Progress, silent

REGULARIZED: Mapping[str, int | float] = {
    "n_estimators": 200,
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_child_samples": 200,
    "reg_lambda": 10.0,
}
"""LightGBM parameters that do not chase noise, which a greedy policy would then follow."""

SMALL = 2_000
"""Below this many rows a model finds only noise: shrunk means by action are used instead."""

_PRIOR_ROWS = 100.0
_CHUNK = 100_000
_FOLD_SALT = "evaluation-fold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """Which fold each choice belongs to, (n_choices,) from 0 to ``count`` - 1."""

    of: NDArray[np.intp]
    count: int


def deal(choices: pl.DataFrame, count: int) -> Folds:
    """Deal customers into folds, always the same way."""
    ids = choices["customer_id"]
    fold = {name: int(uniform_hash(_FOLD_SALT, name) * count) for name in ids.unique()}
    of = ids.replace_strict(fold, return_dtype=pl.Int64).to_numpy()
    return Folds(of=of.astype(np.intp), count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """How the cross-fitted models are made."""

    inputs: Sequence[ModelInput]
    parameters: Mapping[str, int | float]
    seed: int = 0
    threads: int = 1


def predict_candidates(
    table: CandidateTable,
    targets: NDArray[np.float64],
    folds: Folds,
    learner: Learner,
    *,
    among: NDArray[np.bool_] | None = None,
    progress: Progress = silent,
    stage: str = "fitting",
) -> NDArray[np.float64]:
    """Return what every candidate (n,) would bring, NaN where it was never chosen.

    NaN too where the other folds have nothing to learn from.

    ``targets`` (n_choices,) is what the choices brought: 0 and 1 are learned as a chance, anything
    else as a mean. ``among`` (n_choices,) says of which choices that is known; all if not given.
    """
    usable = np.ones(len(targets), dtype=np.bool_) if among is None else among
    if np.count_nonzero(usable) < SMALL:
        return _action_means(table, targets, folds, usable)
    predicted = np.full(len(table.choice), np.nan)
    features = CandidateFeatures(learner.inputs, table)
    for fold in range(folds.count):
        progress(stage, fold / folds.count)
        known = usable & (folds.of != fold)
        if not known.any():
            continue
        booster = _fit(features.of_chosen[known], targets[known], learner)
        asked = features.present[folds.of[table.choice[features.present]] == fold]
        for part in chunks(asked):
            matrix = features.of_candidates(part)
            predicted[part] = booster.predict(matrix, num_threads=learner.threads)
    return predicted


def is_small(table: CandidateTable) -> bool:
    """Whether there are too few choices for anything but means by action."""
    return table.choices.height < SMALL


class CandidateFeatures:
    """Feature rows of candidates, made when asked for: all at once they may not fit in memory.

    Attributes
    ----------
    of_chosen
        (n_choices, n_inputs) float64: the rows of the candidates chosen.
    present
        Positions of the candidates that have features.

    """

    def __init__(self, inputs: Sequence[ModelInput], table: CandidateTable) -> None:
        self._table = table
        self._is_candidate = [entry.level == "candidate" for entry in inputs]
        at_candidate = [entry for entry in inputs if entry.level == "candidate"]
        self._options = encode_rows(at_candidate, table.options)
        self._crosses = {
            position: table.crosses[entry.name]
            for position, entry in enumerate(inputs)
            if entry.level == "candidate" and entry.name in table.crosses
        }
        self.of_chosen = encode_rows(inputs, table.choices)
        self.present = np.flatnonzero(table.option >= 0)

    def of_candidates(self, positions: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return rows of candidates (n, n_inputs) float64."""
        matrix = self.of_chosen[self._table.choice[positions]]
        matrix[:, self._is_candidate] = self._options[self._table.option[positions]]
        for column, values in self._crosses.items():
            matrix[:, column] = values[positions]
        return matrix


def chunks(positions: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Cut positions into pieces that are good to work on at once."""
    for begin in range(0, len(positions), _CHUNK):
        yield positions[begin : begin + _CHUNK]


def _fit(matrix: NDArray[np.float64], targets: NDArray[np.float64], learner: Learner) -> Any:
    import lightgbm

    settings = {**learner.parameters}
    rounds = int(settings.pop("n_estimators"))
    is_chance = bool(np.isin(targets, (0.0, 1.0)).all())
    options = {
        **settings,
        "objective": "binary" if is_chance else "regression",
        "seed": learner.seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": learner.threads,
        "verbosity": -1,
    }
    categorical = [i for i, entry in enumerate(learner.inputs) if entry.categories]
    data = lightgbm.Dataset(
        matrix, targets, categorical_feature=categorical, params={"verbosity": -1}
    )
    return lightgbm.train(options, data, num_boost_round=rounds)


def _action_means(
    table: CandidateTable,
    targets: NDArray[np.float64],
    folds: Folds,
    usable: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Mean of each action over the other folds, drawn towards that of all by 100 rows."""
    predicted = np.full(len(table.choice), np.nan)
    taken = table.action[table.logged]
    for fold in range(folds.count):
        known = usable & (folds.of != fold)
        if not known.any():
            continue
        overall = float(targets[known].mean())
        count = np.bincount(taken[known], minlength=len(table.actions))
        total = np.bincount(taken[known], weights=targets[known], minlength=len(table.actions))
        means = (total + _PRIOR_ROWS * overall) / (count + _PRIOR_ROWS)
        asked = (folds.of[table.choice] == fold) & (table.option >= 0)
        predicted[asked] = means[table.action[asked]]
    return predicted
