"""Crosses from the event to the log: what a customer holds for each candidate's own group."""

from __future__ import annotations

import asyncio
import math
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from shop import NOW_MS, Shop, ask, write_project

from nba.decision.explain import explain, replay
from nba.decision.plans import PlanRepository, parse_version
from nba.decision.recording import read_record
from nba.domain.customer import Event
from nba.domain.ids import CustomerId, DecisionId
from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.ledger.records import DecisionRecord
from nba.models import Calibration, ModelInput, PropensityModel, parse_lightgbm
from nba.training.candidates import list_candidates
from nba.worker.rows import RowBuffer, decision_rows, feature_schema

FEATURES = """
events:
  - {name: Viewed, description: A product was viewed., properties: {product: string}}
features:
  - name: views
    kind: aggregate
    event: Viewed
    function: count
    by: product
    window: 30d
    description: Views by product.
  - {name: action_views, kind: cross, of: views, source: action.id, description: Of the action.}
  - name: quiet
    kind: aggregate
    event: Viewed
    function: recency
    by: product
    description: Days since a product was viewed.
  - {name: line_quiet, kind: cross, of: quiet, source: "action.term:product@2", description: Line.}
  - {name: age_days, kind: action, source: action.days_since_launch, description: Since launch.}
"""
LAUNCHED = ("    name: Coat\n", "    name: Coat\n    launched_on: 2025-06-14\n")
LOW, HIGH = -3.0, -1.0


def by_views() -> PropensityModel:
    """Return a model that tells candidates apart by how often they were viewed, and by nothing."""
    text = textwrap.dedent(
        f"""\
        tree
        version=v4
        num_class=1
        num_tree_per_iteration=1
        label_index=0
        max_feature_idx=0
        objective=binary sigmoid:1
        feature_names=action_views
        feature_infos=[0:100]
        tree_sizes=400

        Tree=0
        num_leaves=2
        num_cat=0
        split_feature=0
        split_gain=1
        threshold=1.5
        decision_type=10
        left_child=-1
        right_child=-2
        leaf_value={LOW} {HIGH}
        leaf_weight=1 1
        leaf_count=1 1
        internal_value=0
        internal_weight=2
        internal_count=2
        is_linear=0
        shrinkage=1


        end of trees
        """
    )
    return PropensityModel(
        name="conversion",
        version="",
        forest=parse_lightgbm(text),
        calibration=Calibration(1.0, 0.0),
        inputs=(ModelInput("action_views", "candidate"),),
        trained_through_ms=0,
        base_rate=0.05,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    spec = ("candidate_features: [action_value]", "candidate_features: [action_views]")
    root = write_project(tmp_path, catalog=LAUNCHED, **{"models/conversion": spec})
    (root / "features" / "crosses.yaml").write_text(FEATURES)
    opened = Shop(root)
    opened.promote(by_views())
    return opened


async def view(shop: Shop, product: str, number: int, *, ago_ms: int = 0) -> None:
    await shop.profiles.track(
        Event(
            customer_id=CustomerId("anna"),
            name="Viewed",
            message_id=f"{product}{number}",
            at_ms=NOW_MS - ago_ms,
            received_at_ms=NOW_MS,
            properties={"product": product},
        )
    )


async def viewed(shop: Shop) -> None:
    """Let anna view the coat twice, the shirt once, and the line of cards half a day ago."""
    await shop.put("anna", age=44.0)
    for number in range(2):
        await view(shop, "coat", number)
    await view(shop, "shirt", 0)
    await view(shop, "credit/card", 0, ago_ms=43_200_000)


async def decided(shop: Shop, *placements: Any) -> DecisionRecord:
    answer = msgspec.json.decode(await shop.service().decide(ask("anna", *placements)))
    (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
    assert packed is not None
    return read_record(packed)


def logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def test_a_candidate_is_scored_by_its_own_group(shop: Shop) -> None:
    async def main() -> tuple[DecisionRecord, DecisionRecord]:
        before = await decided(shop, ("web.hero", 3))
        await viewed(shop)
        return before, await decided(shop, ("web.hero", 3), "web.rules")

    before, after = asyncio.run(main())
    for record, liked in ((before, set()), (after, {"coat"})):
        explained = explain(shop.plan, record)
        found = {
            candidate["action"]: candidate["propensity"]
            for placement in explained["placements"]
            for candidate in placement["candidates"]
            if candidate.get("propensity") is not None
        }
        assert {"coat", "shirt"} <= found.keys()
        for action, propensity in found.items():
            expected = logistic(HIGH if action in liked else LOW)
            assert propensity == pytest.approx(expected, rel=1e-6), action


def test_replay_and_another_process_score_it_the_same(shop: Shop) -> None:
    async def main() -> list[DecisionRecord]:
        await viewed(shop)
        return [await decided(shop, ("web.hero", 3), "desk.screen") for _ in range(20)]

    for record in asyncio.run(main()):
        again = PlanRepository(shop.control).get(parse_version(record.plan_version))
        assert again.features.names == shop.plan.features.names
        assert replay(shop.plan, record) == record.answer
        assert replay(again, record) == record.answer


def test_rows_have_the_chosens_cross_and_those_of_every_candidate(shop: Shop) -> None:
    async def main() -> DecisionRecord:
        await viewed(shop)
        return await decided(shop, ("web.rules", 2), "desk.screen")

    record = asyncio.run(main())
    views = {"no_action": 0.0, "card": 0.0, "coat": 2.0, "shirt": 1.0, "parcel": 0.0}
    quiet = {"card": 0.5}
    launched = {"coat": float(np.float32(NOW_MS / 86_400_000 - 20_253))}  # 2025-06-14
    rows = decision_rows(record, shop.plan, source="live")
    assert len(rows) == 3
    for row in rows:
        candidates = row["candidates"]
        assert row["action"] in candidates
        assert row["a_action_views"] == views[row["action"]]
        assert row["a_line_quiet"] == quiet.get(row["action"])
        assert row["a_age_days"] == launched.get(row["action"])
        assert row["x_action_views"] == [views[action] for action in candidates]
        assert row["x_line_quiet"] == [quiet.get(action) for action in candidates]
        assert row["x_age_days"] == [launched.get(action) for action in candidates]
        # Columns that depend on the catalog's words are in the record, and in no log.
        assert not [name for name in row if "[" in name]
    assert {"f_age", "f_orders_30d"} <= rows[0].keys()
    schema = feature_schema(shop.plan)
    assert schema["a_action_views"] == pl.Float32()
    assert schema["x_action_views"] == pl.List(pl.Float32())
    assert {name for row in rows for name in row if name[1:2] == "_" and name[0] in "fax"} == set(
        schema
    )


def test_training_finds_each_candidates_cross_in_the_log(shop: Shop) -> None:
    async def main() -> list[DecisionRecord]:
        before = [await decided(shop, ("web.rules", 2))]
        await viewed(shop)
        return before + [await decided(shop, ("web.rules", 2), "desk.screen") for _ in range(3)]

    buffer = RowBuffer()
    for record in asyncio.run(main()):
        buffer.add_decision(decision_rows(record, shop.plan, source="live"), shop.plan)
    log = MemoryLog()
    log.append(LogTable.DECISIONS, buffer.frames()[LogTable.DECISIONS])
    choices = log.scan(LogTable.DECISIONS).collect()
    assert choices.schema["probability"] == SCHEMAS[LogTable.DECISIONS]["probability"]
    table = list_candidates(choices)
    assert set(table.crosses) == {"action_views", "line_quiet", "age_days"}
    first = choices["decision_id"][0]
    for position, (choice, action) in enumerate(zip(table.choice, table.action, strict=True)):
        name = table.actions[action]
        is_before = choices["decision_id"][int(choice)] == first
        views = 0.0 if is_before else {"coat": 2.0, "shirt": 1.0}.get(name, 0.0)
        assert table.crosses["action_views"][position] == views
        is_known = name == "card" and not is_before
        np.testing.assert_equal(table.crosses["line_quiet"][position], 0.5 if is_known else np.nan)
    chosen = table.crosses["action_views"][table.logged]
    assert chosen.tolist() == choices["a_action_views"].to_list()
