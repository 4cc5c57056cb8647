"""Served equals trained: recompute what decisions used from events, and report every difference.

A sample of recorded decisions is asked again, point in time, with the definitions of the plan each
was made under. What the log cannot know is not compared, and said by reason (:class:`Unable`).

An event that arrived as a decision was being made may or may not have been seen by it. So where a
row differs and something arrived within the moment allowed for that, every cut of those arrivals is
tried; a row that equals one of them was seen so, and is counted as ``raced``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.features import FeatureSet
from nba.features.definitions import DerivedFeature
from nba.features.offline import PREFIX, asked_by
from nba.features.row import SEGMENT_PREFIX
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.sealing import SEALED_COLUMN
from nba.measurement.logged_past import Lack, LoggedPast

TOLERANCE = 1e-6
"""Relative difference of two float32 that the order of a summation explains."""

RACE_MS = 2_000
"""How long before or after a decision something may arrive that it saw, or did not see."""

FeaturesOf = Callable[[str], FeatureSet | None]
"""Returns what a plan version declared; ``None`` where it is kept no more."""


class Unable(StrEnum):
    """Why a decision, or a feature of it, is not recomputed."""

    PLAN_GONE = "its plan is not kept any more"
    INCOMPLETE = Lack.INCOMPLETE
    UNVERSIONED = Lack.UNVERSIONED
    GIVEN = "the value came with the request, or is derived where any did"
    SEALED = "the feature is sensitive, and sealed in the log"


@dataclass(frozen=True, slots=True)
class FeatureAudit:
    """One feature over the decisions compared; the example is the first decision that differs.

    ``largest`` is the largest absolute difference, ``None`` where it is words or a missing value
    that differ.
    """

    feature: str
    compared: int
    different: int
    largest: float | None = None
    example: str | None = None
    recorded: float | str | None = None
    recomputed: float | str | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit of ``sampled`` decisions found.

    ``compared`` decisions had any feature recomputed, ``raced`` of them equal another cut of what
    arrived meanwhile. ``unable`` counts by reason: decisions, or for single features values.
    """

    sampled: int
    compared: int
    raced: int
    features: tuple[FeatureAudit, ...]
    unable: Mapping[Unable, int]

    @property
    def differences(self) -> int:
        """How many values differ."""
        return sum(item.different for item in self.features)

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        unable = {reason.name.lower(): count for reason, count in self.unable.items()}
        return {**asdict(self), "unable": unable, "differences": self.differences}


def audit_features(
    log: DecisionLog,
    features_of: FeaturesOf,
    *,
    sample: int,
    since: datetime | None = None,
    source: str = "live",
    seed: int = 0,
    race_ms: int = RACE_MS,
) -> AuditReport:
    """Recompute the features of at most ``sample`` decisions, drawn by ``seed``."""
    decisions = log.scan(LogTable.DECISIONS)
    drawn = _sample(decisions, sample=sample, since=since, source=source, seed=seed)
    sent = LoggedPast.of(log, drawn["customer_id"], source=source)
    unable: Counter[Unable] = Counter()
    tally = _Tally()
    rows = sent.judged(drawn)
    for (version,), some in rows.group_by("plan_version", maintain_order=True):
        features = features_of(str(version))
        if features is None:
            unable[Unable.PLAN_GONE] += some.height
            continue
        whole = some.filter(pl.col("_lack").is_null())
        for lack in some["_lack"].drop_nulls():
            unable[Unable(lack)] += 1
        for name in some.columns:
            if name.startswith(SEALED_COLUMN + PREFIX):
                unable[Unable.SEALED] += whole.height - whole[name].null_count()
        if whole.height:
            comparison = _Comparison(features, whole, sent, race_ms)
            unable[Unable.INCOMPLETE] += comparison.unexplained
            unable[Unable.GIVEN] += comparison.given
            tally.add(comparison)
    return AuditReport(drawn.height, tally.compared, tally.raced, tally.features(), +unable)


def _sample(
    decisions: pl.LazyFrame, *, sample: int, since: datetime | None, source: str, seed: int
) -> pl.DataFrame:
    chosen = decisions.filter(pl.col("choice") == 0, pl.col("source") == source)
    if since is not None:
        chosen = chosen.filter(pl.col("at") >= since)
    ids = chosen.select("decision_id").collect()["decision_id"].sort()
    if len(ids) > sample:
        places = np.random.default_rng(seed).choice(len(ids), sample, replace=False)
        ids = ids[np.sort(places)]
    drawn = pl.LazyFrame({"decision_id": ids})
    return chosen.join(drawn, on="decision_id", how="semi").collect().sort("decision_id")


class _Comparison:
    """Decisions of one plan, recorded against recomputed.

    ``different`` and ``counted`` are ``(n_decisions, n_features)`` bool.
    """

    def __init__(
        self, features: FeatureSet, decisions: pl.DataFrame, sent: LoggedPast, race_ms: int
    ) -> None:
        self.names = [
            name
            for name in features.names
            if PREFIX + name in decisions.columns and name not in features.hidden
        ]
        self.recorded = decisions
        self.asked = asked_by(features, decisions)
        self.recomputed = sent.recomputed(features, self.asked)
        self.counted = ~_given(features, self.names, decisions)
        self.given = int((~self.counted).sum())
        self.different = self._differing(self.recomputed, np.arange(decisions.height))
        self.raced = 0
        entries = decisions["_entries"].to_list()
        self.unexplained = 0
        for row in np.flatnonzero(self.different.any(axis=1)).tolist():
            if entries[row] is None and not sent.arrivals(*self._moment(row), race_ms):
                self.unexplained += 1
                self.counted[row] = self.different[row] = False
            else:
                self.different[row] &= self._at_another_cut(row, features, sent, race_ms)
                self.raced += not self.different[row].any()

    def _moment(self, row: int) -> tuple[str, datetime]:
        return self.recorded["customer_id"][row], self.recorded["at"][row]

    def _at_another_cut(
        self, row: int, features: FeatureSet, sent: LoggedPast, race_ms: int
    ) -> NDArray[np.bool_]:
        """Return what still differs at the cut of what arrived meanwhile that explains the most."""
        arrivals = sent.arrivals(*self._moment(row), race_ms)
        if not arrivals:
            return np.ones(len(self.names), dtype=np.bool_)
        cuts = [arrivals[0] - timedelta(milliseconds=1), *arrivals]
        again = pl.concat([self.asked[row]] * len(cuts)).with_columns(
            received_until=pl.Series(cuts, dtype=self.asked["at"].dtype)
        )
        found = sent.recomputed(features, again)
        differing = self._differing(found, np.full(len(cuts), row))
        fewest: NDArray[np.bool_] = differing[differing.sum(axis=1).argmin()]
        return fewest

    def _differing(self, found: pl.DataFrame, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Say which values found differ from those recorded in ``rows``."""
        columns = [
            _differ(self.recorded[PREFIX + name][rows], found[PREFIX + name]) for name in self.names
        ]
        return np.column_stack(columns).reshape(len(rows), -1) & self.counted[rows]


def _differ(recorded: pl.Series, recomputed: pl.Series) -> NDArray[np.bool_]:
    is_missing = recorded.is_null() != recomputed.is_null()
    if pl.String in (recorded.dtype, recomputed.dtype):
        words = recorded.cast(pl.String), recomputed.cast(pl.String)
        return (is_missing | (words[0] != words[1]).fill_null(value=False)).to_numpy()
    mine, theirs = recorded.cast(pl.Float64), recomputed.cast(pl.Float64)
    most = pl.select(pl.max_horizontal(mine.abs(), theirs.abs())).to_series()
    return (
        is_missing | ((mine - theirs).abs() > TOLERANCE * most).fill_null(value=False)
    ).to_numpy()


def _given(
    features: FeatureSet, names: Sequence[str], decisions: pl.DataFrame
) -> NDArray[np.bool_]:
    """Say which values came with the request, or are derived where any did."""
    given = decisions["given"].fill_null([]).to_list()
    derived = {item.name for item in features.definitions if isinstance(item, DerivedFeature)}
    is_given = np.zeros((len(given), len(names)), dtype=np.bool_)
    for row, told in enumerate(given):
        if told:
            is_given[row] = [
                name.partition("[")[0] in told or name in derived or name.startswith(SEGMENT_PREFIX)
                for name in names
            ]
    return is_given


class _Tally:
    """Adds up comparisons by feature."""

    def __init__(self) -> None:
        self.compared = 0
        self.raced = 0
        self._found: dict[str, FeatureAudit] = {}

    def add(self, comparison: _Comparison) -> None:
        """Add the decisions of one plan."""
        self.compared += int(comparison.counted.any(axis=1).sum())
        self.raced += comparison.raced
        for i, name in enumerate(comparison.names):
            before = self._found.get(name, FeatureAudit(name, 0, 0))
            self._found[name] = _added(before, comparison, i)

    def features(self) -> tuple[FeatureAudit, ...]:
        """Return every feature, by name."""
        return tuple(self._found[name] for name in sorted(self._found))


def _added(before: FeatureAudit, comparison: _Comparison, i: int) -> FeatureAudit:
    column = PREFIX + before.feature
    rows = np.flatnonzero(comparison.different[:, i])
    compared = before.compared + int(comparison.counted[:, i].sum())
    if not len(rows):
        return replace(before, compared=compared)
    recorded, recomputed = comparison.recorded[column], comparison.recomputed[column]
    first = int(rows[0])
    example = comparison.recorded["decision_id"][first], recorded[first], recomputed[first]
    if before.example is not None:
        example = before.example, before.recorded, before.recomputed
    return FeatureAudit(
        before.feature,
        compared,
        before.different + len(rows),
        _largest(before.largest, recorded[rows], recomputed[rows]),
        *example,
    )


def _largest(before: float | None, recorded: pl.Series, recomputed: pl.Series) -> float | None:
    if pl.String in (recorded.dtype, recomputed.dtype):
        return None
    found = (recorded.cast(pl.Float64) - recomputed.cast(pl.Float64)).abs().max()
    both = [value for value in (before, found) if isinstance(value, float)]
    return max(both, default=None)
