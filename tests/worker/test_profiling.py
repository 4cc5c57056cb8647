"""Daily profiles: every day that is over, once, whoever writes it."""

from __future__ import annotations

import socket
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from prometheus_client import generate_latest
from shop import DAY_MS, Shop, stump, write_project

from nba.decision.plan import Plan
from nba.domain.clock import ManualClock
from nba.errors import UnavailableError
from nba.ledger.delta import moment
from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.measurement.feature_health import HealthReport
from nba.worker.metrics import WorkerMetrics
from nba.worker.profiling import SETTLE_SECONDS, DailyProfiles, trained_through

FIRST_DAY = 20_300  # 2025-07-31
MIDNIGHT_MS = FIRST_DAY * DAY_MS


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path))


@pytest.fixture
def plan(shop: Shop) -> Plan:
    return shop.publish()


def decided(day: int, *ages: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "decision_id": [f"{day}/{i}" for i in range(len(ages))],
            "choice": [0] * len(ages),
            "at": [moment(MIDNIGHT_MS + day * DAY_MS + 1_000)] * len(ages),
            "f_age": pl.Series(ages, dtype=pl.Float32),
        }
    )


def profiles(log: MemoryLog) -> list[tuple[date, int]]:
    rows = log.scan(LogTable.FEATURE_PROFILES).filter(pl.col("feature") == "age").collect()
    return list(rows.select("day", "count").iter_rows())


def at(day: int, *, seconds: int = 0) -> ManualClock:
    return ManualClock(MIDNIGHT_MS + day * DAY_MS + (SETTLE_SECONDS + seconds) * 1_000)


def written(daily: DailyProfiles, plan: Plan) -> HealthReport | None:
    return daily.write(daily.measure(plan))


def test_a_day_is_written_once_it_is_over_and_settled(plan: Plan):
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decided(0, 30.0, 40.0))
    early = DailyProfiles(log, at(1, seconds=-1))
    assert written(early, plan) is None
    report = written(DailyProfiles(log, at(1)), plan)
    assert report is not None
    assert report.since == datetime(2025, 7, 31, tzinfo=UTC)
    rows = log.scan(LogTable.FEATURE_PROFILES).filter(pl.col("feature") == "age").collect()
    row = rows.row(0, named=True)
    assert (row["day"], row["count"], row["null_rate"], row["mean"]) == (
        date(2025, 7, 31),
        2,
        0.0,
        35.0,
    )
    assert row["plan_version"] == plan.version
    assert row["quantiles"][0] == 30.0
    assert row["psi"] is None


def test_a_day_is_written_once_whatever_restarts(plan: Plan):
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decided(0, 30.0))
    worker = DailyProfiles(log, at(1))
    assert written(worker, plan) is not None
    assert written(worker, plan) is None
    assert written(DailyProfiles(log, at(1)), plan) is None
    assert profiles(log) == [(date(2025, 7, 31), 1)]


def test_days_the_worker_was_away_are_caught_up_and_empty_ones_passed_over(plan: Plan):
    log = MemoryLog()
    for day, ages in ((0, [1.0]), (2, [1.0, 2.0]), (9, [3.0])):
        log.append(LogTable.DECISIONS, decided(day, *ages))
    assert written(DailyProfiles(log, at(1)), plan) is not None
    written(DailyProfiles(log, at(3)), plan)
    written(DailyProfiles(log, at(20)), plan)  # day 9 is more than 7 days before yesterday
    start = date(2025, 7, 31)
    assert profiles(log) == [(start, 1), (start + timedelta(days=2), 2)]


def test_drift_is_from_what_the_live_model_was_trained_on(shop: Shop):
    assert trained_through(shop.publish()) is None
    model = stump(-1.0, 1.0)
    plan = shop.promote(model)
    assert trained_through(plan) == moment(model.trained_through_ms)


def test_gauges_show_the_latest_day_and_counters_what_was_done(plan: Plan):
    log = MemoryLog()
    log.append(LogTable.DECISIONS, decided(0, 30.0))
    report = written(DailyProfiles(log, at(1)), plan)
    assert report is not None
    metrics = WorkerMetrics()
    metrics.profiled(report)
    metrics.stepped(5, 1.5)
    metrics.flushed(7, 0.02)
    metrics.flushed(0, 0.0)
    metrics.buffered(3)
    metrics.refused()
    told = generate_latest(metrics.registry).decode()
    for line in (
        'nba_feature_null_rate{feature="age"} 0.0',
        f"nba_feature_profile_day_timestamp_seconds {MIDNIGHT_MS / 1_000!r}",
        "nba_worker_entries_total 5.0",
        "nba_worker_lag_seconds 1.5",
        "nba_worker_log_rows_total 7.0",
        "nba_worker_flush_seconds_count 1.0",
        "nba_worker_buffered_rows 3.0",
        "nba_worker_refusals_total 1.0",
    ):
        assert line.replace("1753920000.0", "1.75392e+09") in told.splitlines()


def test_a_port_that_is_taken_is_said_with_its_setting():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UnavailableError, match="NBA_WORKER_METRICS_PORT"):
            WorkerMetrics().serve("127.0.0.1", taken.getsockname()[1])
