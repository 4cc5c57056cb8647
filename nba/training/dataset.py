"""Training tables: what was known when a choice was made, and what became of it.

Only what resolved is in them. A choice that has not resolved yet is absent, never a zero; nor is a
censored one there, even where a correction came later, for only its successes would have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.ids import uniform_hash
from nba.errors import EvaluationRefusedError
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.sealing import SEALED_COLUMN
from nba.measurement.settling import KEY, settled, settled_goals

_ORDER_SALT = "training-order"


def resolved_choices(
    log: DecisionLog,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    sensitive: Collection[str] = (),
) -> pl.DataFrame:
    """Return one row a resolved choice, oldest first, with ``label`` and ``reward``.

    All columns of ``decisions`` are kept as recorded. Label and reward are those that the choice
    settled at, and so are ``goals`` and ``missed`` (:mod:`nba.measurement.settling`). Fallback
    answers are left out: nothing was scored. Choices of the same moment come in a pseudo-random
    order that is always the same, so that a table with one date for all rows still splits fairly.

    ``since`` (inclusive) and ``until`` (exclusive) bound the time of the decision. Of features that
    are sealed, those named in ``sensitive`` are opened; the others are left out.
    """
    decisions = log.scan(LogTable.DECISIONS).filter(~pl.col("fallback"))
    if since is not None:
        decisions = decisions.filter(pl.col("at") >= since)
    if until is not None:
        decisions = decisions.filter(pl.col("at") < until)
    resolutions = log.scan(LogTable.RESOLUTIONS)
    final = settled(resolutions).join(settled_goals(resolutions), on=KEY)
    rows = decisions.join(final, on=KEY, how="inner").collect()
    names = zip(rows["decision_id"], rows["choice"], strict=True)
    order = [uniform_hash(_ORDER_SALT, f"{decision}/{choice}") for decision, choice in names]
    ordered = rows.with_columns(pl.Series("_order", order, pl.Float64)).sort("at", "_order")
    ordered = ordered.drop("_order")
    if any(column.startswith(SEALED_COLUMN) for column in ordered.columns):
        ordered = log.sealer.open_columns(ordered, sensitive)
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Rows of a table that is oldest first, cut into three periods; arrays of row numbers.

    ``in_time`` says whether the evaluation period really is later; where all rows share one moment
    it is a random part.
    """

    fit: NDArray[np.intp]
    calibration: NDArray[np.intp]
    evaluation: NDArray[np.intp]
    in_time: bool


def split_periods(
    at: pl.Series, *, calibration_share: float = 0.2, evaluation_share: float = 0.2
) -> Periods:
    """Cut rows that are oldest first: fit, then calibration, then evaluation."""
    rows = len(at)
    evaluation_from = rows - round(rows * evaluation_share)
    calibration_from = max(evaluation_from - round(rows * calibration_share), 0)
    every = np.arange(rows, dtype=np.intp)
    return Periods(
        fit=every[:calibration_from],
        calibration=every[calibration_from:evaluation_from],
        evaluation=every[evaluation_from:],
        in_time=rows > 0 and at[0] != at[rows - 1],
    )


def require_enough(
    name: str, labels: NDArray[np.float64], *, min_rows: int, min_positives: int
) -> None:
    """Raise :class:`EvaluationRefusedError` where there is too little to learn from."""
    rows = len(labels)
    positives = int(np.sum(labels > 0.0))
    negatives = rows - positives
    if rows >= min_rows and min(positives, negatives) >= min_positives:
        return
    raise EvaluationRefusedError(
        f"model {name!r}: the log has {rows} resolved choices for it, {positives} with the outcome "
        f"and {negatives} without; at least {min_rows} rows with {min_positives} of each are "
        "needed. Let more decisions resolve, or lower the minimum in the model's spec."
    )


Selects = Callable[[str, str, str], bool]
"""Says whether a model is for an action in a placement of a channel."""


def select_rows(rows: pl.DataFrame, selects: Selects) -> pl.DataFrame:
    """Return the rows whose (action, placement, channel) a model is for, order kept."""
    pairs = rows.select("action", "placement", "channel").unique()
    kept = pairs.filter([selects(*pair) for pair in pairs.iter_rows()])
    return rows.join(kept, on=["action", "placement", "channel"], how="semi", maintain_order="left")
