"""Honest lift: what deciding brought against the customers left alone, and whether to believe it.

A holdout is drawn by customer, so customers are what is resampled for every interval. Beside the
two groups stand two policies that need no learning, valued on the treated group's own log by
self-normalized importance sampling: saying nothing, and the one best action wherever it was a
candidate. A split that is not the declared one (a sample-ratio mismatch) voids the comparison.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import IPS, SNIPS, LoggedData, Target, diagnose, evaluate, verdict
from nba.bandits.ope.estimators import Estimate, Estimator
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError
from nba.measurement.settling import KEY, settled

SAMPLE_RATIO_ALPHA = 0.001
"""Below this p-value a split is not the declared one; strict, as a mismatch voids everything."""

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LiftRow:
    """One group or policy; ``value`` is reward less cost, in currency, per decision.

    ``measured`` is false where the row is estimated from another policy's choices, and
    ``believable`` is false where the log is too thin to carry that estimate.
    """

    name: str
    decisions: int
    customers: int
    accept_rate: Interval
    value: Interval
    measured: bool
    believable: bool


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the holdout is as large as declared, counted in customers (chi-square, 1 df)."""

    declared_share: float
    customers: int
    held_out: int
    chi_square: float
    p_value: float

    @property
    def mismatch(self) -> bool:
        """Whether the split is not the declared one."""
        return self.p_value < SAMPLE_RATIO_ALPHA


@dataclass(frozen=True, slots=True)
class LiftReport:
    """Treated against held out, with the mandatory rows beside them.

    ``accept_lift`` and ``value_lift`` are treated less held out. ``best_constant`` names the action
    of that row; it was picked by the same log, which flatters it.
    """

    rows: tuple[LiftRow, ...]
    accept_lift: Interval
    value_lift: Interval
    best_constant: str
    sample_ratio: SampleRatio

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        return {**asdict(self), "sample_ratio_mismatch": self.sample_ratio.mismatch}


def measure_lift(
    decisions: pl.DataFrame, resolutions: pl.DataFrame, *, holdout_share: float, seed: int = 0
) -> LiftReport:
    """Measure lift on the log's ``decisions`` and ``resolutions`` frames.

    First choices that resolved count, censored ones do not. A customer with any decision marked as
    held out is held out. ``seed`` draws the resamples. Raises :class:`EvaluationRefusedError` where
    either group is empty.
    """
    resolved = _resolved(decisions, resolutions)
    held_out, treated = resolved.filter(pl.col("holdout")), resolved.filter(~pl.col("holdout"))
    if held_out.is_empty() or treated.is_empty():
        raise EvaluationRefusedError(
            f"{treated.height:,} treated and {held_out.height:,} held-out decisions have resolved; "
            "lift needs both"
        )
    treated_group, held_out_group = _group(treated, seed), _group(held_out, seed)
    constants = {
        action: _constant(treated, action, seed)
        for action in sorted(set(treated["action"].to_list()) | {NO_ACTION})
    }
    offers = [action for action in constants if action != NO_ACTION]
    believable = [action for action in offers if constants[action].believable] or offers
    best = max(believable, key=lambda a: constants[a].value.value, default=NO_ACTION)
    return LiftReport(
        rows=(
            _row("treated", treated, treated_group),
            _row("held out", held_out, held_out_group),
            constants[NO_ACTION],
            constants[best],
        ),
        accept_lift=_difference(treated_group[0], held_out_group[0]),
        value_lift=_difference(treated_group[1], held_out_group[1]),
        best_constant=best,
        sample_ratio=check_sample_ratio(decisions, holdout_share=holdout_share),
    )


def check_sample_ratio(decisions: pl.DataFrame, *, holdout_share: float) -> SampleRatio:
    """Compare the share of customers held out with the declared one.

    A customer counts once; raises :class:`EvaluationRefusedError` where the share is not within
    (0, 1) or nobody was decided for.
    """
    customers = decisions.group_by("customer_id").agg(pl.col("holdout").any())
    n, held_out = customers.height, int(customers["holdout"].sum())
    if not n or not 0.0 < holdout_share < 1.0:
        raise EvaluationRefusedError(
            f"{n} customers and a declared holdout of {holdout_share} have no ratio to check"
        )
    expected = n * holdout_share
    chi_square = (held_out - expected) ** 2 / (expected * (1.0 - holdout_share))
    p_value = math.erfc(math.sqrt(chi_square / 2.0))
    return SampleRatio(holdout_share, n, held_out, chi_square, p_value)


def _resolved(decisions: pl.DataFrame, resolutions: pl.DataFrame) -> pl.DataFrame:
    """Return first choices with their final ``label`` and ``reward``, and ``value`` less cost."""
    final = settled(resolutions.lazy()).collect()
    first = decisions.with_columns(pl.col("holdout").any().over("customer_id"))
    first = first.filter(pl.col("choice") == 0).join(final, on=KEY, how="inner")
    return first.with_columns(value=pl.col("reward") - pl.col("cost"))


def _group(frame: pl.DataFrame, seed: int) -> tuple[Estimate, Estimate]:
    """Return means of acceptance and value; a policy's own log weighs every row 1."""
    ones = np.ones(frame.height)
    return _estimates(frame, IPS(), ones, ones, seed)


def _constant(frame: pl.DataFrame, action: str, seed: int) -> LiftRow:
    """Value one action where it was a candidate, ``no_action`` elsewhere."""
    offered = frame["candidates"].list.contains(action)
    wanted = pl.select(pl.when(offered).then(pl.lit(action)).otherwise(pl.lit(NO_ACTION)))
    target = (frame["action"] == wanted.to_series()).cast(pl.Float64).to_numpy()
    logged = frame["probability"].to_numpy()
    estimates = _estimates(frame, SNIPS(), target, logged, seed)
    data = _data(frame, frame["value"], logged)
    refused = verdict(diagnose(data, Target(target))).refused
    name = "no_action" if action == NO_ACTION else f"always {action}"
    return _row(name, frame, estimates, measured=False, believable=not refused)


def _estimates(
    frame: pl.DataFrame,
    estimator: Estimator,
    target: NDArray[np.float64],
    logged: NDArray[np.float64],
    seed: int,
) -> tuple[Estimate, Estimate]:
    accepted, value = (
        evaluate(estimator, _data(frame, frame[name], logged), Target(target), seed=seed)
        for name in ("label", "value")
    )
    return accepted, value


def _data(frame: pl.DataFrame, rewards: pl.Series, logged: NDArray[np.float64]) -> LoggedData:
    return LoggedData(
        actions=np.zeros(frame.height, dtype=np.int64),
        rewards=rewards.to_numpy(),
        probabilities=logged,
        clusters=frame["customer_id"].rank("dense").to_numpy().astype(np.int64),
    )


def _row(
    name: str,
    frame: pl.DataFrame,
    estimates: tuple[Estimate, Estimate],
    *,
    measured: bool = True,
    believable: bool = True,
) -> LiftRow:
    accepted, value = estimates
    return LiftRow(
        name=name,
        decisions=frame.height,
        customers=frame["customer_id"].n_unique(),
        accept_rate=Interval(accepted.value, accepted.low, accepted.high),
        value=Interval(value.value, value.low, value.high),
        measured=measured,
        believable=believable,
    )


def _difference(treated: Estimate, held_out: Estimate) -> Interval:
    """Return treated less held out; the groups share no customer, so variances add."""
    difference = treated.value - held_out.value
    margin = _NORMAL_95 * math.hypot(treated.standard_error, held_out.standard_error)
    return Interval(difference, difference - margin, difference + margin)
