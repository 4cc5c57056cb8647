"""Rows of the log: as typed as its tables, and with the features a decision used."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shop import NOW_MS, Shop, ask, write_project

from nba.decision.project import load_project
from nba.decision.recording import named_features, read_record, recorded_features
from nba.domain.customer import Consent, EventEntry, UpdateEntry
from nba.domain.ids import CustomerId, DecisionId
from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.records import DecisionRecord, OutcomeEntry, ResolutionEntry
from nba.worker.rows import (
    RowBuffer,
    decision_rows,
    event_row,
    feature_schema,
    outcome_row,
    resolution_row,
    update_row,
)

NOW = datetime.fromtimestamp(NOW_MS / 1_000, UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path / "shop"))


async def decided(shop: Shop, *placements: Any) -> tuple[dict[str, Any], DecisionRecord]:
    await shop.put("anna", age=44.0, tier="gold")
    await shop.order("anna")
    request = ask("anna", *placements, context={"device": "mobile"})
    answer = json.loads(await shop.service().decide(request))
    (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
    assert packed is not None
    return answer, read_record(packed)


def test_a_decision_has_one_row_for_each_choice(shop: Shop) -> None:
    answer, record = asyncio.run(decided(shop, ("web.rules", 2), "desk.screen"))
    rows = decision_rows(record, shop.plan, source="live")
    assert [row["choice"] for row in rows] == list(range(len(answer["choices"])))
    for row, choice in zip(rows, answer["choices"], strict=True):
        for name in ("placement", "rank", "action", "content", "propensity", "value", "score"):
            assert row[name] == choice[name], name
        assert row["decision_id"] == answer["decision_id"]
        assert row["customer_id"] == "anna"
        assert row["at"] == NOW
        assert row["source"] == "live"
        assert row["plan_version"] == shop.plan.version == answer["plan_version"]
        assert row["probability"] == choice["probability"]
        assert row["content_probability"] == choice["content_probability"]
        chosen = row["candidates"].index(row["action"])
        assert row["probabilities"][chosen] == pytest.approx(row["probability"], abs=1e-7)
        assert sum(row["probabilities"]) == pytest.approx(1.0, abs=1e-6)
    assert rows[0]["channel"] == "web"
    assert rows[-1]["channel"] == "desk"


def test_what_a_choice_cost_and_how_long_it_waits_come_from_its_action(shop: Shop) -> None:
    _, record = asyncio.run(decided(shop, ("web.rules", 2), ("web.hero", 3), "desk.screen"))
    facts = {"no_action": (7, 0.0), "card": (7, 0.5)}
    for row in decision_rows(record, shop.plan, source="live"):
        days, cost = facts.get(row["action"], (1, 0.0))
        assert (row["horizon_at"] - row["at"]).days == days
        assert row["cost"] == cost


def test_feature_columns_are_the_recorded_row(shop: Shop) -> None:
    _, record = asyncio.run(decided(shop, "web.rules"))
    (row,) = decision_rows(record, shop.plan, source="live")
    recorded = named_features(shop.plan.features, recorded_features(record))
    assert {name[2:]: value for name, value in row.items() if name.startswith("f_")} == recorded
    assert recorded == {
        "age": 44.0,
        "tier": "gold",
        "orders_30d": 1.0,
        "device": "mobile",
        "basket": None,
    }
    values = {"no_action": 0.0, "card": 50.0, "coat": 20.0, "shirt": 8.0, "parcel": 1.0}
    assert row["a_action_id"] == row["action"]
    assert row["a_action_value"] == values[row["action"]]


def test_feature_columns_are_typed_by_the_plan(shop: Shop) -> None:
    assert feature_schema(shop.plan) == {
        "f_age": pl.Float32(),
        "f_tier": pl.String(),
        "f_orders_30d": pl.Float32(),
        "f_device": pl.String(),
        "f_basket": pl.Float32(),
        "a_action_id": pl.String(),
        "a_action_value": pl.Float32(),
    }


def test_decisions_of_two_plans_share_one_frame(shop: Shop, tmp_path: Path) -> None:
    """A column one of the plans does not have is missing in its rows, of the other's type."""
    _, first = asyncio.run(decided(shop, "web.rules"))
    old = shop.plan
    income = "features:\n  - {name: income, kind: attribute, type: number, description: Income., "
    income += "unit: EUR, owner: crm}\n"
    root = write_project(tmp_path / "wider", features=("features:\n", income))
    shop.project = load_project(root)
    new = shop.publish()
    _, second = asyncio.run(decided(shop, "web.rules"))
    buffer = RowBuffer()
    buffer.add_decision(decision_rows(first, old, source="live"), old)
    buffer.add_decision(decision_rows(second, new, source="live"), new)
    assert buffer.size == 2
    frame = buffer.frames()[LogTable.DECISIONS]
    assert frame["decision_id"].to_list() == [first.decision_id, second.decision_id]
    assert frame["f_income"].dtype == pl.Float32
    assert frame["f_income"].to_list() == [None, None]
    assert frame["f_age"].to_list() == [44.0, 44.0]
    for name, dtype in SCHEMAS[LogTable.DECISIONS].items():
        assert frame.schema[name] == dtype, name


def test_other_entries_keep_every_field() -> None:
    at = NOW_MS + 1
    buffer = RowBuffer()
    assert buffer.frames() == {}
    buffer.add(
        LogTable.OUTCOMES, outcome_row(OutcomeEntry("o1", "d1", 2, "click", NOW_MS, at, None))
    )
    buffer.add(
        LogTable.RESOLUTIONS,
        resolution_row(
            ResolutionEntry(
                "d1",
                2,
                "card",
                "rewarded",
                0.0,
                5.5,
                NOW_MS,
                "o1",
                ("click", "open"),
                7.25,
                ("o2",),
                ("leave",),
            ),
            3,
            17,
        ),
    )
    event = EventEntry(
        customer_id=CustomerId("anna"),
        name="Order",
        message_id="m1",
        at_ms=NOW_MS,
        received_at_ms=at,
        properties={"revenue": 10.5, "coupon": "é", "first": True},
        version=7,
    )
    buffer.add(LogTable.EVENTS, event_row(event))
    frames = buffer.frames()
    later = datetime.fromtimestamp(at / 1_000, UTC)
    assert LogTable.DECISIONS not in frames
    for table, frame in frames.items():
        assert frame.schema == SCHEMAS[table]
    assert frames[LogTable.OUTCOMES].rows() == [("o1", "d1", 2, "click", NOW, later, None)]
    assert frames[LogTable.RESOLUTIONS].rows() == [
        (
            "d1",
            2,
            "card",
            "rewarded",
            0.0,
            5.5,
            NOW,
            "o1",
            3,
            17,
            ["click", "open"],
            ["leave"],
            7.25,
        )
    ]
    (row,) = frames[LogTable.EVENTS].to_dicts()
    assert json.loads(row.pop("properties")) == event.properties
    assert row == {
        "customer_id": "anna",
        "name": "Order",
        "message_id": "m1",
        "at": NOW,
        "received_at": later,
        "version": 7,
    }


def test_an_update_keeps_what_was_set_what_was_cleared_and_where_it_came_from() -> None:
    update = UpdateEntry(
        customer_id=CustomerId("anna"),
        received_at_ms=NOW_MS,
        source="identify",
        attributes={"age": 41.0, "tier": None},
        consents={"email": {"marketing": Consent.DENIED}},
        time_zone="",
        version=3,
    )
    buffer = RowBuffer()
    buffer.add(LogTable.UPDATES, update_row(update))
    frame = buffer.frames()[LogTable.UPDATES]
    assert frame.schema == SCHEMAS[LogTable.UPDATES]
    (row,) = frame.to_dicts()
    assert json.loads(row.pop("attributes")) == {"age": 41.0, "tier": None}
    assert json.loads(row.pop("consents")) == {"email": {"marketing": "denied"}}
    assert json.loads(row.pop("audiences")) == {}
    assert row == {
        "customer_id": "anna",
        "received_at": NOW,
        "source": "identify",
        "time_zone": "",
        "locale": None,
        "version": 3,
    }
