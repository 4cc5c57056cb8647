"""Features added after the fact: older decisions get what they would have had."""

from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl
import pytest
from shop import DAY_MS, Shop, write_project

from nba.features import FeatureSet
from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.training.dataset import resolved_choices
from nba.training.filling import fill_missing_features

_MORE = """
  - {name: orders_for_ever, kind: aggregate, event: Order, function: count, description: Orders.}
  - {name: clicks, kind: interaction, of: click, description: Clicks.}
  - {name: age_twice, kind: derived, expression: 2.0 * customer.age, description: Twice.}
"""
NEW = ("orders_for_ever", "clicks", "age_twice")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryLog, FeatureSet]:
    """Three days under the shop's own features; then more are declared."""
    root = write_project(tmp_path_factory.mktemp("shop"))
    shop = Shop(root, grace_ms=0)

    async def play() -> None:
        await shop.put("anna", age=20.0)
        for day in range(3):
            await shop.order("anna", f"m{day}")
            shop.clock.advance(seconds=60)
            answer = await shop.decide("anna")
            shop.clock.advance(seconds=60)
            await shop.report(answer["decision_id"], outcome_id=f"o{day}")
            shop.clock.advance(seconds=DAY_MS / 1_000)
        shop.clock.advance(seconds=30 * DAY_MS / 1_000)
        worker = shop.worker()
        while await worker.step() or await worker.expire():
            pass
        await worker.flush()

    asyncio.run(play())
    path = root / "features/features.yaml"
    path.write_text(path.read_text() + _MORE)
    later = Shop(Path(root))
    assert isinstance(shop.log, MemoryLog)
    return shop.log, later.plan.features


def test_older_decisions_get_the_value_of_their_own_time(
    played: tuple[MemoryLog, FeatureSet],
) -> None:
    log, features = played
    rows = resolved_choices(log)
    found, filled = fill_missing_features(rows, log, features, [*NEW, "age"])
    assert found.drop(f"f_{name}" for name in NEW).equals(rows)
    assert found["f_orders_for_ever"].to_list() == [1.0, 2.0, 3.0]
    assert found["f_age_twice"].to_list() == [40.0, 40.0, 40.0]
    offers = [action != "no_action" for action in rows["action"]]
    assert found["f_clicks"].to_list() == [sum(offers[:day]) for day in range(3)]
    assert filled == {"orders_for_ever": 3, "clicks": 3, "age_twice": 3}


def test_only_plans_that_lack_a_feature_are_filled(played: tuple[MemoryLog, FeatureSet]) -> None:
    log, features = played
    rows = resolved_choices(log).with_columns(
        plan_version=pl.Series(["old.0", "new.0", "new.1"]),
        f_orders_for_ever=pl.Series([None, None, 9.0], dtype=pl.Float32),
    )
    found, filled = fill_missing_features(rows, log, features, ["orders_for_ever"])
    assert found["f_orders_for_ever"].to_list() == [1.0, None, 9.0]
    assert filled == {"orders_for_ever": 1}


def test_nothing_is_made_up_where_the_past_is_not_all_there(
    played: tuple[MemoryLog, FeatureSet],
) -> None:
    log, features = played
    cut = MemoryLog()
    for table in LogTable:
        rows = log.scan(table).collect()
        if table is LogTable.EVENTS:
            rows = rows.filter(pl.col("message_id") != "m0")
        cut.append(table, rows)
    found, filled = fill_missing_features(resolved_choices(cut), cut, features, NEW)
    assert found["f_orders_for_ever"].to_list() == [None, None, None]
    assert filled == {}


def test_imported_decisions_and_what_requests_told_stay_missing(
    played: tuple[MemoryLog, FeatureSet],
) -> None:
    log, features = played
    rows = resolved_choices(log).drop("f_device")
    imported = rows.with_columns(source=pl.lit("import"))
    assert fill_missing_features(imported, log, features, ["orders_for_ever"])[1] == {}
    found, filled = fill_missing_features(rows, log, features, ["device", "unheard_of"])
    assert found.equals(rows)
    assert filled == {}
