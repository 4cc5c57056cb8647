"""The health of features in the log: counted, compared with training, and how old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from nba.domain.ids import FeatureName
from nba.features import FeatureSet
from nba.features.aggregates import AggregateFeature, AggregateFunction, InteractionFeature
from nba.features.definitions import (
    AttributeFeature,
    ContextFeature,
    DerivedFeature,
    EventDefinition,
    FeatureType,
)
from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.measurement.drift import DriftVerdict
from nba.measurement.feature_health import (
    FeatureHealth,
    HealthReport,
    measure_health,
    profile_of,
)

START = datetime(2025, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)

FEATURES = FeatureSet(
    [
        AttributeFeature(
            name=FeatureName("age"), description="", type=FeatureType.NUMBER, freshness="10d"
        ),
        AttributeFeature(
            name=FeatureName("likes"), description="", type=FeatureType.SET, values=("a", "b")
        ),
        AggregateFeature(
            name=FeatureName("orders"),
            description="",
            event="order",
            function=AggregateFunction.COUNT,
        ),
        InteractionFeature(name=FeatureName("clicks"), description="", of="click"),
        InteractionFeature(name=FeatureName("contacts"), description="", of="decision"),
        ContextFeature(
            name=FeatureName("device"), description="", type=FeatureType.ENUM, values=("web", "app")
        ),
        DerivedFeature(name=FeatureName("double"), description="", expression="2.0 * customer.age"),
    ],
    [EventDefinition(name="order", description="")],
)


def decisions(day: int, ages: list[float | None], devices: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "decision_id": [f"{day}/{i}" for i in range(len(ages))],
            "choice": [0] * len(ages),
            "at": [START + day * DAY] * len(ages),
            "f_age": pl.Series(ages, dtype=pl.Float32),
            "f_device": pl.Series(devices, dtype=pl.String),
        }
    )


def measured(log: MemoryLog, *, day: int, through: int | None = None) -> HealthReport:
    return measure_health(
        log,
        FEATURES,
        since=START + day * DAY,
        until=START + (day + 1) * DAY,
        trained_through=None if through is None else START + through * DAY,
    )


def named(report: HealthReport, name: str) -> FeatureHealth:
    (found,) = [item for item in report.features if item.feature == name]
    return found


def test_a_number_is_profiled_by_what_is_there() -> None:
    profile = profile_of(pl.Series([1.0, 2.0, 3.0, 6.0, None], dtype=pl.Float32))
    assert (profile.count, profile.null_rate, profile.cardinality) == (5, 0.2, None)
    assert profile.mean == 3.0
    assert profile.std == pytest.approx((14 / 3) ** 0.5)  # squares 4, 1, 0, 9 over n - 1
    assert profile.quantiles[0] == 1.0
    assert profile.quantiles[-1] == 6.0


def test_words_are_counted_and_nothing_has_no_rate() -> None:
    profile = profile_of(pl.Series(["a", "b", "a", None]))
    assert (profile.count, profile.null_rate, profile.cardinality) == (4, 0.25, 2)
    assert profile.mean is None
    empty = profile_of(pl.Series([], dtype=pl.Float32))
    assert (empty.count, empty.null_rate, empty.mean, empty.quantiles) == (0, None, None, ())


def test_a_decision_counts_once_and_only_on_its_day() -> None:
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decisions(0, [30.0, 40.0], ["web", None]))
    second = decisions(0, [30.0], ["web"]).with_columns(choice=pl.lit(1))
    log.append(LogTable.DECISIONS, second)
    log.append(LogTable.DECISIONS, decisions(1, [50.0], ["app"]))
    report = measured(log, day=0)
    assert report.decisions == 2
    assert named(report, "age").profile.mean == 35.0
    assert named(report, "device").profile.null_rate == 0.5
    assert named(report, "age").drift is None


def test_drift_is_from_the_rows_up_to_the_end_of_training() -> None:
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decisions(0, [float(n) for n in range(1_000)], ["web"] * 1_000))
    log.append(LogTable.DECISIONS, decisions(5, [float(n) for n in range(1_000)], ["app"] * 1_000))
    report = measured(log, day=5, through=2)
    age, device = named(report, "age"), named(report, "device")
    assert age.drift is not None
    assert age.drift.psi == pytest.approx(0.0, abs=1e-9)
    assert age.drift.verdict is DriftVerdict.STABLE
    assert device.drift is not None
    assert device.drift.verdict is DriftVerdict.SHIFTED
    assert device.drift.js == pytest.approx(1.0)
    assert [(b.label, b.training, b.now) for b in device.bins] == [
        ("web", 1.0, 0.0),
        ("other", 0.0, 1.0),
    ]


def test_a_feature_is_as_old_as_the_newest_that_feeds_it() -> None:
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decisions(0, [30.0], ["web"]))
    log.append(LogTable.DECISIONS, decisions(1, [30.0], [None]))
    updates = [
        {"customer_id": "ann", "received_at": START, "attributes": '{"age":30.0}'},
        {"customer_id": "ann", "received_at": START + DAY, "attributes": '{"note":"age"}'},
        {"customer_id": "bob", "received_at": START - DAY, "attributes": '{"likes":["a"]}'},
        {"customer_id": "bob", "received_at": START + 9 * DAY, "attributes": '{"age":3.0}'},
    ]
    log.append(LogTable.UPDATES, pl.DataFrame(updates))
    events = [{"name": "order", "received_at": START + DAY / 2}]
    log.append(LogTable.EVENTS, pl.DataFrame(events))
    outcomes = [{"outcome_id": "o", "kind": "click", "received_at": START + DAY}]
    log.append(LogTable.OUTCOMES, pl.DataFrame(outcomes))
    # Asked about the end of day 1, which is the start of day 2.
    freshness = {
        name: measure
        for name, measure in _fresh(log, day=1).items()
        if name in {"age", "device", "orders", "clicks", "contacts", "likes[a]"}
    }
    assert {name: (fed, days) for name, (fed, days, _) in freshness.items()} == {
        "age": ("updates", 2.0),
        "device": ("requests", 2.0),
        "orders": ("event order", 1.5),
        "clicks": ("outcome click", 1.0),
        "contacts": ("decisions", 1.0),
        "likes[a]": ("updates", 3.0),
    }
    assert not freshness["age"][2]


def _fresh(log: MemoryLog, *, day: int) -> dict[str, tuple[str, float | None, bool]]:
    wide = decisions(day, [1.0], ["web"]).with_columns(
        pl.lit(1.0, pl.Float32).alias(f"f_{name}")
        for name in FEATURES.names
        if name not in {"age", "device"}
    )
    log.append(LogTable.DECISIONS, wide.with_columns(f_device=pl.lit(None, pl.String)))
    found = {}
    for item in measured(log, day=day).features:
        if item.freshness is not None:
            age = item.freshness.age_seconds
            days = None if age is None else age / 86_400
            found[item.feature] = (item.freshness.fed_by, days, item.freshness.is_stale)
    return found


def test_an_attribute_nobody_told_for_longer_than_its_bound_is_stale() -> None:
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decisions(20, [30.0], ["web"]))
    assert named(measured(log, day=20), "age").freshness is not None
    assert _fresh(log, day=20)["age"] == ("updates", None, True)
    told = [{"customer_id": "ann", "received_at": START + 11 * DAY, "attributes": '{"age":1.0}'}]
    log.append(LogTable.UPDATES, pl.DataFrame(told))
    assert _fresh(log, day=20)["age"] == ("updates", 10.0, False)
    assert _fresh(log, day=21)["age"] == ("updates", 11.0, True)


def test_what_is_computed_at_read_has_no_age() -> None:
    assert "double" not in _fresh(MemoryLog(), day=0)


def test_a_report_is_plain_data_with_its_verdicts() -> None:
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decisions(0, [30.0], ["web"]))
    plain: dict[str, Any] = measured(log, day=0, through=0).to_builtins()
    (age,) = [item for item in plain["features"] if item["feature"] == "age"]
    assert age["drift"]["verdict"] == "stable"
    assert age["freshness"]["is_stale"] is True
    assert msgspec.json.decode(msgspec.json.encode(plain))["decisions"] == 1


def test_an_empty_log_has_no_features() -> None:
    report = measured(MemoryLog(), day=0, through=0)
    assert (report.decisions, report.features) == (0, ())
