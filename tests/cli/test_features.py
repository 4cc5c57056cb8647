"""``nba features``: how they are, and whether what was served is what is recomputed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shop import write_project

from nba.bootstrap import load_settings, open_control, open_log
from nba.ledger.log import SCHEMAS, DecisionLog, LogTable

Run = Callable[..., Any]


@pytest.fixture
def log(nba: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DecisionLog:
    """Publish a shop, and open its log."""
    monkeypatch.setenv("NBA_PROJECT_DIR", str(write_project(tmp_path / "project")))
    assert nba("publish").status == 0
    return open_log(load_settings())


def decide(log: DecisionLog, *, orders: float) -> None:
    """Log one event of anna's, her first, and a decision two hours later."""
    settings = load_settings()
    at = datetime.now(UTC) - timedelta(hours=1)
    event = {
        "customer_id": "anna",
        "name": "Order",
        "message_id": "m1",
        "properties": "{}",
        "at": at - timedelta(hours=2),
        "received_at": at - timedelta(hours=2),
        "version": 1,
    }
    log.append(LogTable.EVENTS, pl.DataFrame([event], schema=SCHEMAS[LogTable.EVENTS]))
    control = open_control(settings)
    current = control.current()
    control.close()
    decision = {
        "decision_id": "d1",
        "choice": 0,
        "customer_id": "anna",
        "at": at,
        "source": "live",
        "plan_version": f"{current}.0",
        "given": [],
        "action": "coat",
        "placement": "web.hero",
    }
    row = pl.DataFrame([decision], schema=SCHEMAS[LogTable.DECISIONS]).with_columns(
        f_orders_30d=pl.lit(orders, pl.Float32), f_device=pl.lit("mobile")
    )
    log.append(LogTable.DECISIONS, row)


def test_what_was_served_right_audits_clean(nba: Run, log: DecisionLog) -> None:
    decide(log, orders=1.0)
    ran = nba("features", "audit", "--json")
    assert ran.status == 0, ran.err
    assert (ran.json["compared"], ran.json["differences"]) == (1, 0)
    assert "orders_30d" in nba("features", "audit").out


def test_a_difference_ends_with_status_one_and_is_shown(nba: Run, log: DecisionLog) -> None:
    decide(log, orders=3.0)
    ran = nba("features", "audit", "--json")
    assert ran.status == 1
    (found,) = [item for item in ran.json["features"] if item["different"]]
    assert (found["feature"], found["largest"], found["example"]) == ("orders_30d", 2.0, "d1")
    told = nba("features", "audit", "--since", "2020-01-01", "--sample", "5")
    assert told.status == 1
    assert "d1" in told.out


def test_status_says_how_every_feature_is(nba: Run, log: DecisionLog) -> None:
    decide(log, orders=1.0)
    ran = nba("features", "status", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["decisions"] == 1
    found = {item["feature"]: item for item in ran.json["features"]}
    assert found["device"]["profile"]["cardinality"] == 1
    assert found["orders_30d"]["freshness"]["fed_by"] == "event Order"
    assert found["orders_30d"]["freshness"]["age_seconds"] == pytest.approx(10_800, abs=60)
    assert found["orders_30d"]["drift"] is None
    told = nba("features", "status", "--days", "1").out
    assert "3.0 h" in told
    assert "no model is live" in told


def test_status_needs_a_published_plan(nba: Run) -> None:
    ran = nba("features", "status")
    assert ran.status == 1
    assert "no plan is published" in ran.err
