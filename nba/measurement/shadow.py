"""Shadow: what another system's choices earned, and what ours beside them would have.

By placement. What was taken is measured; what would have been chosen is estimated from it, by
weighting each decision with how probable its action was here over how probable it was there. Where
the other system reported no probability it is estimated from how often that system took the action
in the placement, which is right only if it did so regardless of the customer. Such a placement is
labelled; where its choices visibly depend on a feature (:mod:`nba.measurement.dependence`), its
estimates are refused. Customers are what is resampled.

The best constant action is picked by the same log, which flatters it. A constant action is taken
where the guardrails leave it, ``no_action`` elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.bandits.ope import (
    DR,
    IPS,
    SNIPS,
    Estimator,
    LoggedData,
    Target,
    diagnose,
    evaluate,
    verdict,
)
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError
from nba.ledger.log import SHADOW, DecisionLog, LogTable
from nba.measurement.dependence import depends_on
from nba.measurement.lift import Interval
from nba.measurement.settling import KEY, settled

ESTIMATED = "shadow:estimated"
"""What probabilities rest on that were not reported; reported ones are ``shadow``."""

OTHERS = "the other system"
OURS = "this system"

_COLUMNS = (
    *(*KEY, "customer_id", "at", "placement", "action", "cost", "probability", "candidates"),
    *("source", "shadow_action", "shadow_probabilities", "would_have_been_dropped"),
)
_FEATURE = "f_"
_FOLDS = 5
_NAMED = 5
_MISSING = "nothing that was decided here has resolved yet"


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """What one policy earned, or would have: reward less cost, in currency, per decision.

    ``dr`` uses the mean reward of each action among other customers. ``refused`` gives the reasons
    not to believe an estimate, each with what would be enough. What the other system earned is
    measured, and the same by every estimator.
    """

    name: str
    ips: Interval
    snips: Interval
    dr: Interval
    effective_sample_size: float
    measured: bool
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShadowPlacement:
    """One placement in shadow.

    ``agreement`` is the share of decisions in which both chose the same action, ``dropped`` that in
    which our guardrails would not have let what was taken, and ``dropped_by`` counts those by
    reason code; one may have several. ``probabilities`` says what the estimates rest on, and
    ``estimated`` for how many resolved decisions the probability was estimated.
    """

    placement: str
    decisions: int
    customers: int
    resolved: int
    agreement: float
    dropped: float
    dropped_by: dict[str, int]
    probabilities: str
    estimated: int
    best_constant: str
    rows: tuple[ShadowRow, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """Every placement in which another system's decisions were reported, by name."""

    placements: tuple[ShadowPlacement, ...]

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)


def measure_shadow(
    decisions: pl.DataFrame, resolutions: pl.DataFrame, *, seed: int = 0
) -> ShadowReport:
    """Report on the shadow rows of the log's ``decisions`` and ``resolutions`` frames.

    Censored choices have no value and count for agreement alone. ``seed`` draws the resamples.
    Raises :class:`~nba.errors.EvaluationRefusedError` where nothing was decided in shadow.
    """
    taken = decisions.filter(pl.col("source") == SHADOW)
    if taken.is_empty():
        raise EvaluationRefusedError(
            "the log has no decisions in shadow; report what the other system took with "
            "POST /v1/decisions and mode shadow"
        )
    final = settled(resolutions.lazy()).collect()
    found = [
        _placement(str(name), rows, final, seed)
        for (name,), rows in sorted(taken.group_by("placement"), key=lambda pair: str(pair[0][0]))
    ]
    return ShadowReport(tuple(found))


def report_shadow(log: DecisionLog) -> ShadowReport:
    """Report on what a log holds; see :func:`measure_shadow`."""
    decisions = log.scan(LogTable.DECISIONS).filter(pl.col("source") == SHADOW)
    ours = decisions.select("decision_id").unique()
    resolutions = log.scan(LogTable.RESOLUTIONS).join(ours, on="decision_id", how="semi")
    read = decisions.select(*_COLUMNS, pl.col(f"^{_FEATURE}.*$"))
    return measure_shadow(read.collect(), resolutions.collect())


def _placement(name: str, rows: pl.DataFrame, final: pl.DataFrame, seed: int) -> ShadowPlacement:
    dropped_by = Counter[str](rows["would_have_been_dropped"].explode().drop_nulls().to_list())
    dropped = rows["would_have_been_dropped"].list.len().fill_null(0) > 0
    rows = rows.sort("at", *KEY)
    rows = rows.with_columns(used=_probabilities(rows))
    resolved = rows.join(final, on=KEY, how="inner", maintain_order="left")
    estimated = resolved["probability"].null_count()
    depends = depends_on(rows.filter(pl.col("probability").is_null()), prefix=_FEATURE)
    reasons = [_confounded(depends)] if estimated and depends else []
    best, valued = ("", ()) if resolved.is_empty() else _Past(resolved, seed, reasons).rows()
    return ShadowPlacement(
        placement=name,
        decisions=rows.height,
        customers=rows["customer_id"].n_unique(),
        resolved=resolved.height,
        agreement=float((rows["action"] == rows["shadow_action"]).sum()) / rows.height,
        dropped=float(dropped.sum()) / rows.height,
        dropped_by=dict(sorted(dropped_by.items())),
        probabilities=ESTIMATED if estimated else SHADOW,
        estimated=estimated,
        best_constant=best,
        rows=valued,
        note=_MISSING if resolved.is_empty() else "",
    )


def _confounded(features: Sequence[str]) -> str:
    return (
        f"what the other system takes depends on {', '.join(features[:_NAMED])}: how often it took "
        "an action is not the probability with which it chose it for a customer; probabilities "
        "that it reports would be enough"
    )


def _probabilities(rows: pl.DataFrame) -> pl.Series:
    """Return what was reported, else how often the other system took the action, ``(n,)``.

    Frequencies are of the decisions for which nothing was reported.
    """
    unknown = rows["probability"].is_null()
    counts = rows.filter(unknown)["action"].value_counts()
    total = max(int(unknown.sum()), 1)
    shares = {action: count / total for action, count in counts.iter_rows()}
    estimated = [shares.get(action) for action in rows["action"]]
    return rows["probability"].fill_null(pl.Series(estimated, dtype=pl.Float64))


class _Past:
    """The resolved decisions of a placement, and what any policy would have earned on them.

    ``reasons`` not to believe any estimate are given with every one.
    """

    def __init__(self, rows: pl.DataFrame, seed: int, reasons: Sequence[str]) -> None:
        self._seed = seed
        self._reasons = tuple(reasons)
        self._clusters = rows["customer_id"].rank("dense").to_numpy().astype(np.int64)
        value = (rows["reward"] - rows["cost"]).to_numpy().astype(np.float64)
        candidates = rows["candidates"].to_list()
        names = {NO_ACTION, *rows["action"], *(one for some in candidates for one in some)}
        self.actions = sorted(names)
        self._codes = {name: code for code, name in enumerate(self.actions)}
        self._action = np.array([self._codes[name] for name in rows["action"]], dtype=np.int64)
        self._data = LoggedData(
            self._action,
            value,
            rows["used"].to_numpy(),
            self._clusters,
            estimated=rows["probability"].null_count() > 0,
        )
        shape = (rows.height, len(self.actions))
        self._ours = np.zeros(shape)
        self._left = np.zeros(shape, dtype=np.bool_)
        for row, (some, chances) in enumerate(
            zip(candidates, rows["shadow_probabilities"].to_list(), strict=True)
        ):
            codes = [self._codes[name] for name in some]
            self._left[row, codes] = True
            self._ours[row, codes] = chances
        self._ours /= self._ours.sum(axis=1, keepdims=True)  # logged as float32
        self._q = _means(self._action, value, self._clusters, shape)

    def rows(self) -> tuple[str, tuple[ShadowRow, ...]]:
        """Return the best constant action and all rows, the mandatory ones among them."""
        nothing = self._estimated("no_action", self._constant(NO_ACTION))
        offers = sorted({self.actions[code] for code in self._action} - {NO_ACTION})
        constants = {
            name: self._estimated(f"always {name}", self._constant(name)) for name in offers
        }
        believable = [name for name in offers if not constants[name].refused] or offers
        known = [name for name in believable if np.isfinite(constants[name].snips.value)]
        best = max(known, key=lambda name: constants[name].snips.value, default=NO_ACTION)
        mine = self._estimated(OURS, self._ours)
        return best, (self._measured(), mine, nothing, constants.get(best, nothing))

    def _constant(self, action: str) -> NDArray[np.float64]:
        """Return the probabilities of always taking an action where it is left, (n, n_actions)."""
        code, nothing = self._codes[action], self._codes[NO_ACTION]
        policy = np.zeros_like(self._ours)
        wanted = np.where(self._left[:, code], code, nothing)
        policy[np.arange(len(policy)), wanted] = 1.0
        return policy

    def _measured(self) -> ShadowRow:
        n = len(self._data)
        ones = LoggedData(self._action, self._data.rewards, np.ones(n), self._clusters)
        found = evaluate(IPS(), ones, Target(np.ones(n)), seed=self._seed)
        mean = Interval(found.value, found.low, found.high)
        return ShadowRow(OTHERS, mean, mean, mean, float(n), measured=True, refused=())

    def _estimated(self, name: str, policy: NDArray[np.float64]) -> ShadowRow:
        target = Target.from_distribution(self._action, policy, self._q)
        covered = diagnose(self._data, target)
        return ShadowRow(
            name=name,
            ips=self._interval(IPS(), target),
            snips=self._interval(SNIPS(), target),
            dr=self._interval(DR(), target),
            effective_sample_size=covered.effective_sample_size,
            measured=False,
            refused=(*self._reasons, *verdict(covered).reasons),
        )

    def _interval(self, estimator: Estimator, target: Target) -> Interval:
        found = evaluate(estimator, self._data, target, seed=self._seed)
        return Interval(found.value, found.low, found.high)


def _means(
    actions: NDArray[np.int64],
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the mean value of every action among the other folds' customers, ``(n, n_actions)``.

    The mean of all of them stands in for an action that they never had.
    """
    expected = np.zeros(shape)
    fold = clusters % _FOLDS
    for part in range(_FOLDS):
        known = fold != part
        if not known.any():
            continue
        counts = np.bincount(actions[known], minlength=shape[1])
        sums = np.bincount(actions[known], weights=values[known], minlength=shape[1])
        overall = float(values[known].mean())
        expected[~known] = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return expected
