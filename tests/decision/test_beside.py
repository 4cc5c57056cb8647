"""What nothing was learned of yet: it is believed to be as with its kin."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shop import KIN, PRICED, Shop, lesson

from nba.decision.explain import explain, replay
from nba.decision.learned import Learned
from nba.decision.plan import Plan
from nba.decision.recording import read_record
from nba.domain.ids import DecisionId
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of

HERO = "web.hero"
COMPLAINT = {"goals": ("complain",), "missed": ("buy",), "amount": 50.0}


@pytest.fixture
def shop(make_shop) -> Shop:
    return make_shop(**KIN)


def learn(learner: PlanLearner, action: str, times: int, **came: Any) -> None:
    row = row_of(learner.plan, {"age": 30.0, "orders_30d": 1.0})
    for _ in range(times):
        assert learner.learn(lesson(row, HERO, action, 1.0, **came))


def known_of(plan: Plan, learned: Learned, action: str) -> tuple[np.ndarray, float]:
    """Return the learned weights of a goal, bias first, as they are bound, and the value."""
    slot = plan.with_learner(learned, 1).placements[HERO]
    at = slot.goals.keys.index(f"{action}:complain")
    return slot.goals.learner._correction[:, at], float(slot.values[slot.action_ids.index(action)])


def test_what_nothing_is_known_of_nor_of_its_kin_counts_as_declared(shop: Shop) -> None:
    weights, value = known_of(shop.plan, Learned.nothing(shop.project.bandit), "shirt")
    assert not weights.any()
    assert value == 8.0


def test_a_goal_and_a_value_that_nothing_was_learned_of_are_as_with_kin(shop: Shop) -> None:
    """As far as kin were observed, n of n + 50; amounts as many times what is declared."""
    learner = PlanLearner(shop.plan)
    for times in (10, 60):
        learn(learner, "coat", times, **COMPLAINT)
        n = learner.learned.goals.count("coat:complain")
        of_coat, brings = known_of(shop.plan, learner.learned, "coat")
        of_shirt, value = known_of(shop.plan, learner.learned, "shirt")
        np.testing.assert_allclose(of_shirt, of_coat * n / (n + 50.0), rtol=1e-9, atol=1e-12)
        assert of_shirt[0] > 0.0
        assert value == pytest.approx(8.0 * (1.0 + (brings / 20.0 - 1.0) * n / (n + 50.0)))
        assert 8.0 < value < 20.0
    assert learner.learned.goals.actions == ("coat:buy", "coat:complain")


def test_it_starts_from_there_with_its_first_observation_and_no_longer_follows(shop: Shop) -> None:
    learner = PlanLearner(shop.plan)
    learn(learner, "coat", 60, **COMPLAINT)
    start, value = known_of(shop.plan, learner.learned, "shirt")
    calm = {"missed": ("complain",), "amount": value}
    learn(learner, "shirt", 1, **calm)
    after, still = known_of(shop.plan, learner.learned, "shirt")
    assert 0.0 < after[0] < start[0]
    assert still == pytest.approx(value)
    learn(learner, "coat", 60, **COMPLAINT)
    again, unmoved = known_of(shop.plan, learner.learned, "shirt")
    assert again.tolist() == after.tolist()
    assert unmoved == still


def test_of_an_action_without_that_goal_nothing_is_taken_over(make_shop) -> None:
    shop = make_shop(**PRICED)
    learner = PlanLearner(shop.plan)
    learn(learner, "coat", 60, **COMPLAINT)
    catalog = shop.plan.catalog
    shirt = replace(next(a for a in catalog.actions if a.id == "shirt"), goals={})
    beside = shop.plan.beside(learner.learned)
    assert beside.bind_goals([shirt])._correction.shape[1] == 0
    assert beside.value(shirt) == 8.0


def test_nobody_is_kin_of_saying_nothing(shop: Shop) -> None:
    learner = PlanLearner(shop.plan)
    learn(learner, "coat", 60, **COMPLAINT)
    actions = {action.id: action for action in shop.plan.catalog.actions}
    nothing = replace(
        actions["no_action"], terms=actions["coat"].terms, goals=actions["shirt"].goals
    )
    beside = shop.plan.beside(learner.learned)
    assert beside.bind_goals([actions["shirt"]])._correction.any()
    assert not beside.bind_goals([nothing])._correction.any()


def test_an_amount_taken_over_is_cut_where_those_reported_are(make_shop) -> None:
    changes = {**KIN, "catalog/c": ("value_cap: 40", "value_cap: 9")}
    shop = make_shop(**changes)
    learner = PlanLearner(shop.plan)
    learn(learner, "coat", 60, **COMPLAINT)
    assert known_of(shop.plan, learner.learned, "shirt")[1] == pytest.approx(9.0)


def test_decisions_by_what_was_taken_over_are_replayed_and_explained(shop: Shop) -> None:
    async def main() -> None:
        learner = PlanLearner(shop.plan)
        learn(learner, "coat", 60, **COMPLAINT)
        shop.plan = plan = shop.plan.with_learner(learner.learned, 3)
        answer = await shop.decide("anna", actions=("shirt",))
        (packed,) = await shop.ledger.records([DecisionId(answer["decision_id"])])
        record = read_record(packed or b"")
        assert replay(plan, record) == record.answer
        told = explain(plan, record)
        assert told["replayed"]
        (placement,) = told["placements"]
        shirt = next(one for one in placement["candidates"] if one["action"] == "shirt")
        assert shirt["declared_value"] == 8.0 < shirt["value"]
        assert shirt["goals"]["complain"]["propensity"] > 0.02

    asyncio.run(main())
