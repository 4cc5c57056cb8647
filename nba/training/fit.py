"""Fit one propensity model: LightGBM on the first period, calibration on the next, figures after.

The three periods do not overlap. The number of trees is found inside the first (its last fifth is
held back, then all of it is used), so that neither calibration nor figures have seen it chosen.
The model that is measured is the model that is kept: nothing is refitted afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.clock import from_datetime
from nba.models.calibration import fit_logistic
from nba.models.lightgbm_text import parse_lightgbm
from nba.models.propensity import ModelInput, PropensityModel
from nba.models.spec import ModelSpec
from nba.training.dataset import Periods, require_enough, split_periods
from nba.training.encoding import encode_rows, model_inputs
from nba.training.metrics import ModelMetrics, measure

DEFAULT_PARAMETERS: Mapping[str, int | float] = {
    "n_estimators": 600,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_child_samples": 50,
    "reg_lambda": 10.0,
}
"""What a spec's parameters add to or replace; ``n_estimators`` is the most trees tried."""

_STOPPING_SHARE = 0.2
_PATIENCE = 50
_LEAST_EVALUATED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A model, the periods it was made from, and what it predicts on the last of them.

    ``labels`` and ``probabilities`` (n,) are those of the evaluation period; ``importance`` the
    total gain of each input; ``parameters`` what LightGBM was given.
    """

    model: PropensityModel
    periods: Periods
    metrics: ModelMetrics
    labels: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    importance: Mapping[str, float]
    parameters: Mapping[str, int | float]


def fit_model(
    spec: ModelSpec, rows: pl.DataFrame, *, seed: int = 0, threads: int = 1
) -> FittedModel:
    """Fit, calibrate and measure a model on resolved choices that are oldest first.

    The same rows, spec, seed and threads give the same model, byte for byte. More than one thread
    pays only on a machine that is otherwise idle: on one that serves meanwhile, LightGBM's threads
    wait for each other and a fit takes up to ten times as long.

    Raises :class:`EvaluationRefusedError` where there are too few rows or outcomes, in all or in
    one of the periods, and :class:`DefinitionError` where a feature was never recorded.
    """
    labels = rows["label"].to_numpy().astype(np.float64)
    require_enough(spec.name, labels, min_rows=spec.min_rows, min_positives=spec.min_positives)
    periods = split_periods(rows["at"])
    for part in (periods.fit, periods.calibration, periods.evaluation):
        some = min(_LEAST_EVALUATED, spec.min_positives)
        require_enough(spec.name, labels[part], min_rows=some, min_positives=some)
    inputs = model_inputs(spec, rows)
    matrix = encode_rows(inputs, rows)
    parameters = {**DEFAULT_PARAMETERS, **spec.parameters}
    text, importance = fit_trees(
        matrix[periods.fit], labels[periods.fit], inputs, parameters, seed=seed, threads=threads
    )
    forest = parse_lightgbm(text)
    raw = forest.score_rows(matrix)
    calibration = fit_logistic(raw[periods.calibration], labels[periods.calibration])
    known = np.concatenate([periods.fit, periods.calibration])
    model = PropensityModel(
        name=spec.name,
        version="",
        forest=forest,
        calibration=calibration,
        inputs=inputs,
        trained_through_ms=from_datetime(rows["at"][int(known[-1])]),
        base_rate=float(labels[known].mean()),
    )
    logits = calibration.apply(raw[periods.evaluation])
    probabilities = 1.0 / (1.0 + np.exp(-logits))
    metrics = measure(
        labels[periods.evaluation],
        probabilities,
        base_rate=model.base_rate,
        clusters=codes_of(rows["customer_id"].gather(periods.evaluation)),
    )
    return FittedModel(
        model=model,
        periods=periods,
        metrics=metrics,
        labels=labels[periods.evaluation],
        probabilities=probabilities,
        importance=importance,
        parameters=parameters,
    )


def fit_trees(
    matrix: NDArray[np.float64],
    labels: NDArray[np.float64],
    inputs: Sequence[ModelInput],
    parameters: Mapping[str, int | float],
    *,
    seed: int,
    threads: int,
) -> tuple[str, Mapping[str, float]]:
    """Fit trees to rows that are oldest first; return LightGBM's text and each input's gain."""
    import lightgbm

    settings = {**parameters}
    most = int(settings.pop("n_estimators"))
    options = {
        **settings,
        "objective": "binary",
        "metric": "binary_logloss",
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
    held = round(len(labels) * _STOPPING_SHARE)

    def table(part: slice) -> Any:
        return lightgbm.Dataset(
            matrix[part],
            labels[part],
            feature_name=[entry.name for entry in inputs],
            categorical_feature=[i for i, entry in enumerate(inputs) if entry.categories],
            params={"verbosity": -1},
        )

    first = table(slice(0, len(labels) - held))
    probe = lightgbm.train(
        options,
        first,
        num_boost_round=most,
        valid_sets=[first.create_valid(matrix[-held:], labels[-held:])],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    rounds = max(1, probe.best_iteration)
    booster = lightgbm.train(options, table(slice(None)), num_boost_round=rounds)
    gains = booster.feature_importance("gain")
    importance = {entry.name: float(gain) for entry, gain in zip(inputs, gains, strict=True)}
    return str(booster.model_to_string()), importance


def codes_of(ids: pl.Series) -> NDArray[np.int64]:
    """Return a number from 0 for each distinct id, in order of appearance (n,) int64."""
    codes: NDArray[np.int64] = ids.rank("dense").to_numpy().astype(np.int64) - 1
    return codes
