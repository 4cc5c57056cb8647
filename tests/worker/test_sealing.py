"""What is sensitive is sealed in the log: no search finds it, and only who may opens it."""

from __future__ import annotations

import asyncio
import json
import math
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from shop import Shop, stump, write_project

from nba.decision.explain import explain
from nba.decision.project import load_project
from nba.decision.recording import read_record
from nba.domain.customer import Event
from nba.domain.ids import CustomerId, DecisionId
from nba.ledger.delta import DeltaLog
from nba.ledger.log import LogTable
from nba.ledger.sealing import HIDDEN, Sealer
from nba.measurement.timeline import logged_timeline
from nba.training.dataset import resolved_choices
from nba.worker.learning import PlanLearner
from nba.worker.lessons import Lesson

NUMBER = 0.36218  # as a float32 and as text found nowhere else
WORD = "zwergpinscher"
WARD = "distinctive-ward-name"

SENSITIVE = f"""features:
  - {{name: income, kind: attribute, type: number, description: Income., owner: crm,
     tags: [sensitive]}}
  - {{name: faith, kind: attribute, type: enum, values: [none, {WORD}], description: Faith.,
     owner: crm, tags: [sensitive]}}
"""


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(os.urandom(32), os.urandom)


@pytest.fixture
def shop(tmp_path: Path, sealer: Sealer) -> Shop:
    root = write_project(
        tmp_path / "shop",
        features=(
            "properties: {revenue: number}\nfeatures:\n",
            "properties: {revenue: number, ward: string}\n    sensitive: [ward]\n" + SENSITIVE,
        ),
    )
    return Shop(root, log=DeltaLog(str(tmp_path / "log"), sealer=sealer))


async def lived(shop: Shop) -> str:
    """Let a customer be described, order, be decided for and answer; return the decision."""
    await shop.put(age=44.0, income=NUMBER, faith=WORD)
    await shop.profiles.track(
        Event(
            customer_id=CustomerId("anna"),
            name="Order",
            message_id="m1",
            at_ms=shop.clock(),
            received_at_ms=shop.clock(),
            properties={"revenue": 10.0, "ward": WARD},
        )
    )
    decision_id: str = (await shop.decide(terms=("product:fashion",)))["decision_id"]
    await shop.report(decision_id, "click")
    worker = shop.worker()
    await worker.teacher.follow(shop.plan)
    while await worker.step():
        pass
    await worker.flush()
    return decision_id


def frame(shop: Shop, table: LogTable) -> pl.DataFrame:
    return shop.log.scan(table).collect()


def test_no_file_of_the_log_holds_a_sensitive_value(shop: Shop, tmp_path: Path) -> None:
    asyncio.run(lived(shop))
    texts = [WORD, WARD, str(NUMBER)]
    for file in (tmp_path / "log").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [text for text in texts if text.encode() in content], file
    for table in LogTable:
        rows = str(frame(shop, table).to_dicts())
        assert not [text for text in texts if text in rows], table


def test_decisions_have_sealed_columns_that_the_key_opens(shop: Shop, sealer: Sealer) -> None:
    asyncio.run(lived(shop))
    rows = frame(shop, LogTable.DECISIONS)
    assert {"sealed_f_income", "sealed_f_faith", "f_age"} <= set(rows.columns)
    assert not {"f_income", "f_faith"} & set(rows.columns)
    opened = sealer.open_columns(rows)
    assert opened["f_faith"].to_list() == [WORD]
    assert opened["f_income"].to_list() == pytest.approx([NUMBER])


def test_updates_and_events_are_sealed_where_they_stand(shop: Shop, sealer: Sealer) -> None:
    asyncio.run(lived(shop))
    (attributes,) = frame(shop, LogTable.UPDATES)["attributes"].to_list()
    (properties,) = frame(shop, LogTable.EVENTS)["properties"].to_list()
    assert json.loads(attributes)["age"] == 44.0
    assert sealer.open_named("anna", json.loads(attributes)) == {
        "age": 44.0,
        "income": NUMBER,
        "faith": WORD,
    }
    assert sealer.open_named("anna", json.loads(properties)) == {"revenue": 10.0, "ward": WARD}


def test_training_reads_only_the_sensitive_features_it_is_allowed(shop: Shop) -> None:
    asyncio.run(lived(shop))
    closed = resolved_choices(shop.log)
    assert closed.height == 1
    assert not [name for name in closed.columns if "income" in name or "faith" in name]
    opened = resolved_choices(shop.log, sensitive=["income"])
    assert opened["f_income"].to_list() == pytest.approx([NUMBER])
    assert not [name for name in opened.columns if "faith" in name]


def test_what_a_live_model_may_see_is_opened_to_warm_the_bandit(
    tmp_path: Path, sealer: Sealer
) -> None:
    """The model's logit is then the one it gave when it decided."""
    changes = {
        "features": ("description: Age.,", "description: Age., tags: [sensitive],"),
        "models/bandit": ("[age, orders_30d]", "[orders_30d]"),
        "models/conversion": (
            "customer_features: [age]",
            "customer_features: [age]\n  sensitive_features: [age]",
        ),
    }
    log = DeltaLog(str(tmp_path / "log"), sealer=sealer)
    shop = Shop(write_project(tmp_path / "shop", **changes), log=log)
    seen: list[dict[str, float]] = []

    class Watching(PlanLearner):
        def learn(self, lesson: Lesson) -> bool:
            names = self.plan.features.names
            seen.append(dict(zip(names, lesson.row.tolist(), strict=True)))
            return super().learn(lesson)

    async def run() -> None:
        await shop.put(age=44.0)
        decision_id = (await shop.decide(terms=("product:fashion",)))["decision_id"]
        await shop.report(decision_id, "click")
        worker = shop.worker()
        while await worker.step():
            pass
        await worker.flush()

    asyncio.run(run())
    for plan in (shop.plan, shop.promote(stump(-2.0, 0.5))):
        assert Watching(plan).study(asyncio.run(shop.logged(plan))) == 1
    assert math.isnan(seen[0]["age"])
    assert seen[1]["age"] == 44.0


def test_an_explanation_and_a_timeline_hide_it(shop: Shop) -> None:
    async def run() -> dict[str, Any]:
        decision_id = await lived(shop)
        (packed,) = await shop.ledger.records([DecisionId(decision_id)])
        assert packed is not None
        return explain(shop.plan, read_record(packed))

    explained = asyncio.run(run())
    features = explained["situation"]["features"]
    assert (features["income"], features["faith"], features["age"]) == (HIDDEN, HIDDEN, 44.0)
    assert explained["replayed"] is True
    timeline = logged_timeline(shop.log, "anna")
    (event,) = [entry for entry in timeline if entry["type"] == "event"]
    assert event["properties"] == {"revenue": 10.0, "ward": HIDDEN}
    for text in (WORD, WARD, str(NUMBER)):
        assert text not in json.dumps([explained, timeline])


def test_a_feature_may_become_sensitive_at_any_time(tmp_path: Path, sealer: Sealer) -> None:
    """Its column was numbers and is text from now on: they do not collide."""
    log = DeltaLog(str(tmp_path / "log"), sealer=sealer)
    before = SENSITIVE.replace("[sensitive]", "[]")
    shop = Shop(write_project(tmp_path / "shop", features=("features:\n", before)), log=log)

    async def run() -> None:
        worker = shop.worker()
        for income in (44.0, 45.0):
            await shop.put(income=income)
            await shop.decide()
            while await worker.step():
                pass
            await worker.flush()
            shop.clock.advance(seconds=60)
            root = write_project(tmp_path / "next", features=("features:\n", SENSITIVE))
            shop.project = load_project(root)
            shop.publish()

    asyncio.run(run())
    rows = log.scan(LogTable.DECISIONS).sort("at").collect()
    assert rows["f_income"].to_list() == [44.0, None]
    assert sealer.open_columns(rows)["f_income"].to_list() == [44.0, 45.0]
