"""The health of every feature in the log: what is missing, how values lie, how old, how far adrift.

One value a decision counts, however many choices it had. Training is what the log holds up to the
moment the live models were trained through; now is the last days.

How old a feature is, is the time since what feeds it last arrived: an attribute is fed by updates
that name it, an aggregate by its event, an interaction by outcomes of its kind or by decisions, a
context feature by requests that gave it. What is computed at read (derived features, segments) has
no age of its own. Where an attribute states a freshness bound and nothing fed it for longer, every
customer's value is missing or about to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from nba.features import FeatureSet
from nba.features.aggregates import DECISION, AggregateFeature, InteractionFeature
from nba.features.definitions import AttributeFeature, ContextFeature, parse_window
from nba.features.kinds import FeatureDefinition
from nba.ledger.log import DecisionLog, LogTable
from nba.measurement.drift import Bins, Drift, measure_drift

PREFIX = "f_"
"""Prefix of the columns of ``decisions`` that hold features of the situation."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Shares at which a profile gives a number's quantiles."""

_COLUMNS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """How a feature's values lie over ``count`` decisions.

    ``cardinality`` is the number of distinct words, for words; ``mean``, ``std`` (of the sample)
    and ``quantiles``, at :data:`QUANTILES`, are of the values that are there, for numbers.
    """

    count: int
    null_rate: float | None
    cardinality: int | None
    mean: float | None
    std: float | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """When what feeds a feature last arrived; ``bound_seconds`` as its definition states it."""

    fed_by: str
    newest: datetime | None
    age_seconds: float | None
    bound_seconds: int | None

    @property
    def is_stale(self) -> bool:
        """Whether its bound is passed; one never fed is stale, one without a bound never."""
        if self.bound_seconds is None:
            return False
        return self.age_seconds is None or self.age_seconds > self.bound_seconds


@dataclass(frozen=True, slots=True)
class BinShares:
    """One bin of a feature's values, and the share of rows in it then and now."""

    label: str
    training: float
    now: float


@dataclass(frozen=True, slots=True)
class FeatureHealth:
    """One feature; ``drift`` is ``None`` where either period has no rows or no model is live."""

    feature: str
    profile: FeatureProfile
    drift: Drift | None
    freshness: Freshness | None
    bins: tuple[BinShares, ...]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Every feature of the log's decisions between ``since`` and ``until``, by name."""

    since: datetime
    until: datetime
    trained_through: datetime | None
    decisions: int
    features: tuple[FeatureHealth, ...]

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, for ``--json``."""
        data = asdict(self)
        for item, plain in zip(self.features, data["features"], strict=True):
            if item.drift is not None:
                plain["drift"]["verdict"] = item.drift.verdict.value
            if item.freshness is not None:
                plain["freshness"]["is_stale"] = item.freshness.is_stale
        return data


def measure_health(
    log: DecisionLog,
    features: FeatureSet,
    *,
    since: datetime,
    until: datetime,
    trained_through: datetime | None,
) -> HealthReport:
    """Measure every feature of the decisions from ``since`` (inclusive) to ``until`` (exclusive).

    Drift is from the decisions up to ``trained_through``, which may overlap with those; ``None``
    where no model is live.
    """
    decisions = log.scan(LogTable.DECISIONS).filter(pl.col("choice") == 0)
    names = [
        name.removeprefix(PREFIX)
        for name in decisions.collect_schema().names()
        if name.startswith(PREFIX)
    ]
    now = decisions.filter(pl.col("at") >= since, pl.col("at") < until)
    training = None
    if trained_through is not None:
        training = decisions.filter(pl.col("at") <= trained_through)
    newest = _newest(log, features, until)
    measured: list[FeatureHealth] = []
    for first in range(0, len(names), _COLUMNS_AT_ONCE):
        some = names[first : first + _COLUMNS_AT_ONCE]
        here = _values(now, some)
        there = None if training is None else _values(training, some)
        for name in some:
            drift, bins = (None, ()) if there is None else _drift(there[name], here[name])
            measured.append(
                FeatureHealth(name, profile_of(here[name]), drift, newest.get(name), bins)
            )
    return HealthReport(
        since=since,
        until=until,
        trained_through=trained_through,
        decisions=now.select(pl.len()).collect().item(),
        features=tuple(sorted(measured, key=lambda item: item.feature)),
    )


def profile_of(values: pl.Series) -> FeatureProfile:
    """Return how values lie; nulls are missing."""
    known = values.drop_nulls()
    count = len(values)
    null_rate = values.null_count() / count if count else None
    if values.dtype == pl.String:
        return FeatureProfile(count, null_rate, known.n_unique(), None, None, ())
    numbers = known.cast(pl.Float64)
    quantiles = (numbers.quantile(share, "lower") for share in QUANTILES)
    return FeatureProfile(
        count=count,
        null_rate=null_rate,
        cardinality=None,
        mean=_number(numbers.mean()),
        std=_number(numbers.std()),
        quantiles=tuple(value for value in quantiles if value is not None),
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _values(decisions: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    columns = [pl.col(PREFIX + name).alias(name) for name in names]
    return decisions.select(columns).collect()


def _drift(training: pl.Series, now: pl.Series) -> tuple[Drift | None, tuple[BinShares, ...]]:
    bins = Bins.of(training)
    before, after = bins.count(training).tolist(), bins.count(now).tolist()
    drift = measure_drift(before, after)
    if drift is None:
        return None, ()
    shares = zip(bins.labels, before, after, strict=True)
    return drift, tuple(
        BinShares(label, then / drift.rows_training, new / drift.rows_now)
        for label, then, new in shares
        if then or new
    )


def _newest(log: DecisionLog, features: FeatureSet, until: datetime) -> dict[str, Freshness]:
    """Return the freshness of every column of the row that something feeds."""
    events = _latest(log, LogTable.EVENTS, "name", "received_at", until)
    outcomes = _latest(log, LogTable.OUTCOMES, "kind", "received_at", until)
    decided = log.scan(LogTable.DECISIONS).filter(pl.col("at") < until)
    decision = decided.select(pl.col("at").max()).collect().item()
    attributes = [item for item in features.definitions if isinstance(item, AttributeFeature)]
    updated = _updated(log, attributes, until)
    contexts = [item.name for item in features.definitions if isinstance(item, ContextFeature)]
    given = _given(decided, contexts)
    found: dict[str, Freshness] = {}
    for item in features.definitions:
        match item:
            case AttributeFeature():
                bound = None if item.freshness is None else parse_window(item.freshness)
                freshness = _freshness("updates", updated[item.name], until, bound)
            case ContextFeature():
                freshness = _freshness("requests", given.get(item.name), until)
            case InteractionFeature(of=kind) if kind == DECISION:
                freshness = _freshness("decisions", decision, until)
            case InteractionFeature(of=kind):
                freshness = _freshness(f"outcome {kind}", outcomes.get(kind), until)
            case AggregateFeature(event=event) if event:
                freshness = _freshness(f"event {event}", events.get(event), until)
            case _:
                continue
        found.update(dict.fromkeys(_columns(item, features), freshness))
    return found


def _columns(item: FeatureDefinition, features: FeatureSet) -> Iterable[str]:
    """Return the columns of the row an item is read as: a set is one for each of its values."""
    if item.name in features.names:
        return (item.name,)
    return [name for name in features.names if name.startswith(f"{item.name}[")]


def _freshness(
    fed_by: str, newest: datetime | None, until: datetime, bound_seconds: int | None = None
) -> Freshness:
    age = None if newest is None else max((until - newest) / timedelta(seconds=1), 0.0)
    return Freshness(fed_by, newest, age, bound_seconds)


def _latest(
    log: DecisionLog, table: LogTable, by: str, time: str, until: datetime
) -> Mapping[str, datetime]:
    rows = log.scan(table).filter(pl.col(time) < until).group_by(by).agg(pl.col(time).max())
    return dict(rows.collect().iter_rows())


def _updated(
    log: DecisionLog, attributes: Sequence[AttributeFeature], until: datetime
) -> Mapping[str, datetime | None]:
    """Return when an update last named each attribute; its JSON escapes quotes within strings."""
    if not attributes:
        return {}
    updates = log.scan(LogTable.UPDATES).filter(pl.col("received_at") < until)
    named = [
        pl.col("received_at")
        .filter(pl.col("attributes").str.contains(f'"{item.name}":', literal=True))
        .max()
        .alias(item.name)
        for item in attributes
    ]
    return updates.select(named).collect().row(0, named=True)


def _given(decided: pl.LazyFrame, contexts: Sequence[str]) -> Mapping[str, datetime | None]:
    columns = decided.collect_schema().names()
    known = [name for name in contexts if PREFIX + name in columns]
    if not known:
        return {}
    newest = [
        pl.col("at").filter(pl.col(PREFIX + name).is_not_null()).max().alias(name) for name in known
    ]
    return decided.select(newest).collect().row(0, named=True)
