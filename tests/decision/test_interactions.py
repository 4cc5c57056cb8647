"""Decisions and outcomes as features: what the very next decision knows of those before it."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import msgspec
import pytest
from shop import NOW_MS, Shop, ask, write_project

from nba.domain.clock import SECONDS_PER_DAY
from nba.domain.ids import DecisionId, OutcomeId
from nba.domain.outcome import Outcome
from nba.ledger.records import DecisionRecord, unpack

FEATURES = """
features:
  - name: contacts_7d
    kind: interaction
    of: decision
    window: 7d
    description: Actions decided in the last 7 days.
  - name: coats_7d
    kind: interaction
    of: decision
    where: properties.action == "coat"
    window: 7d
    description: Coats decided in the last 7 days.
  - name: clicks_30d
    kind: interaction
    of: click
    window: 30d
    description: Clicks in the last 30 days.
  - name: days_since_click
    kind: interaction
    of: click
    function: recency
    description: Days since the last click.
  - name: clicks_by_action
    kind: interaction
    of: click
    by: action
    window: 30d
    description: Clicks by action.
  - name: action_clicks
    kind: cross
    of: clicks_by_action
    source: action.id
    description: Clicks of this very action.
"""


@pytest.fixture
def counting(tmp_path: Path) -> Shop:
    """Open a shop whose features count what it did itself."""
    root = write_project(tmp_path)
    (root / "features" / "interactions.yaml").write_text(FEATURES)
    return Shop(root)


def decide(shop: Shop) -> tuple[str, dict[str, float]]:
    """Decide for a coat; return the decision's id and the features it was made with."""
    answer = asyncio.run(shop.service().decide(ask("anna", "web.rules", actions=("coat",))))
    decision_id = msgspec.json.decode(answer)["decision_id"]
    return decision_id, recorded(shop, decision_id)


def recorded(shop: Shop, decision_id: str) -> dict[str, float]:
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(decision_id)]))
    assert packed is not None
    row = unpack(packed, DecisionRecord).features
    values = memoryview(row).cast("f").tolist()
    return dict(zip(shop.plan.features.names, values, strict=True))


def click(shop: Shop, decision_id: str, outcome_id: str = "o1") -> str:
    now_ms = shop.clock()
    outcome = Outcome(
        outcome_id=OutcomeId(outcome_id),
        decision_id=DecisionId(decision_id),
        kind="click",
        at_ms=now_ms,
        received_at_ms=now_ms,
    )
    (result,) = asyncio.run(shop.outcomes.report([outcome]))
    return result.status.value


def test_a_decision_is_counted_by_the_next(counting):
    seen = [decide(counting)[1] for _ in range(3)]
    assert [row["contacts_7d"] for row in seen] == [0.0, 1.0, 2.0]
    assert [row["coats_7d"] for row in seen] == [0.0, 1.0, 2.0]


def test_a_click_acknowledged_is_counted_by_the_next_decision(counting):
    first, before = decide(counting)
    assert click(counting, first) == "recorded"
    _, after = decide(counting)
    assert (before["clicks_30d"], after["clicks_30d"]) == (0.0, 1.0)
    assert math.isnan(before["days_since_click"])
    assert after["days_since_click"] == 0.0
    assert after["action_clicks[coat]"] == 1.0
    others = [name for name in after if name.startswith("action_clicks[") and "coat" not in name]
    assert others
    assert {after[name] for name in others} == {0.0}


def test_a_click_sent_again_is_counted_once(counting):
    first, _ = decide(counting)
    statuses = [click(counting, first) for _ in range(3)]
    assert statuses == ["recorded", "duplicate", "duplicate"]
    assert decide(counting)[1]["clicks_30d"] == 1.0


def test_a_click_sent_again_after_messages_are_forgotten_is_counted_once(counting):
    first, _ = decide(counting)
    click(counting, first)
    counting.clock.now_ms = NOW_MS + 3 * SECONDS_PER_DAY * 1_000
    assert click(counting, first) == "duplicate"
    assert decide(counting)[1]["clicks_30d"] == 1.0


def test_a_click_lost_between_ledger_and_profile_is_counted_when_it_is_sent_again(counting):
    first, _ = decide(counting)
    kept = counting.outcomes._interact

    async def dies(events: object) -> None:
        raise ConnectionError(events)

    counting.outcomes._interact = dies
    with pytest.raises(ConnectionError):
        click(counting, first)
    counting.outcomes._interact = kept
    assert click(counting, first) == "duplicate"
    assert decide(counting)[1]["clicks_30d"] == 1.0


def test_no_one_else_can_send_an_interaction(counting):
    assert not counting.plan.features.declares("nba.click")
