"""The service learns to prefer what brings more and breaks less, where clicks alone say neither."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from shop import DAY_MS, Shop, write_project

ROUNDS = 600
BATCH = 20
ALIKE = {
    "catalog": (
        "value: 20\n    base_rate: 0.05\n",
        "value: 20\n    base_rate: 0.1\n{beside}",
    ),
    "catalog/": ("value: 8\n", "value: 20\n{beside}"),
    "policies": ("limit: 2", "limit: 1000"),
}
"""Changes that let coat and shirt be worth the same, and let both be priced alike."""

REWARDS = {"models/bandit": ("forest_outcomes: 5", "learner: linear\n  reward_cap: 250")}
"""Changes by which rewards are learned, in which all of it is."""


def project(root: Path, beside: str, **further: tuple[str, str]) -> Path:
    changes = further | {
        name: (old, new.replace("{beside}", f"    {beside}\n"))
        for name, (old, new) in ALIKE.items()
    }
    return write_project(root, **changes)


async def play(shop: Shop, *, leave: float, amounts: dict[str, float]) -> Counter[str]:
    """Decide between coat and shirt; everybody clicks as often, and some leave because of coats.

    Returns how often each was chosen in the last third.
    """
    chance = random.Random(5)
    worker = shop.worker()
    await worker.teacher.follow(shop.plan)
    chosen: Counter[str] = Counter()
    for number in range(ROUNDS):
        answer = await shop.decide(f"c{number}", actions=("coat", "shirt"))
        action, decision_id = answer["choices"][0]["action"], answer["decision_id"]
        if number >= ROUNDS * 2 // 3:
            chosen[action] += 1
        if action != "no_action" and chance.random() < 0.3:
            await shop.report(
                decision_id, "click", outcome_id=f"o{number}", value=amounts.get(action)
            )
        if action == "coat" and chance.random() < leave:
            await shop.report(decision_id, "leave", outcome_id=f"l{number}")
        if number % BATCH == BATCH - 1:
            shop.clock.advance(seconds=2 * DAY_MS / 1_000)
            while await worker.step() or await worker.expire():
                pass
            await worker.teacher.publish_snapshot()
            await shop.live()
    return chosen


def test_what_drives_customers_away_is_said_less_where_that_is_priced(tmp_path: Path) -> None:
    priced = Shop(project(tmp_path, "goals: {leave: {value: -15, base_rate: 0.002}}"))
    chosen = asyncio.run(play(priced, leave=0.3, amounts={}))
    assert chosen["shirt"] > 4 * chosen["coat"]


def test_a_learner_of_rewards_learns_goals_and_amounts_with_them(tmp_path: Path) -> None:
    priced = project(tmp_path / "a", "goals: {leave: {value: -15, base_rate: 0.002}}", **REWARDS)
    chosen = asyncio.run(play(Shop(priced), leave=0.3, amounts={}))
    assert chosen["shirt"] > 2 * chosen["coat"]
    spent = Shop(project(tmp_path / "b", "description: Worn.", **REWARDS))
    chosen = asyncio.run(play(spent, leave=0.0, amounts={"coat": 20.0, "shirt": 200.0}))
    assert chosen["shirt"] > 2 * chosen["coat"]


def test_nothing_is_learned_of_what_has_no_price(tmp_path: Path) -> None:
    plain = Shop(project(tmp_path, "description: Worn."))
    chosen = asyncio.run(play(plain, leave=0.3, amounts={}))
    assert chosen["shirt"] < 4 * chosen["coat"]


@pytest.mark.parametrize("spender", ["coat", "shirt"])
def test_what_customers_spend_more_on_is_said_more_where_that_is_learned(
    tmp_path: Path, spender: str
) -> None:
    shop = Shop(project(tmp_path, "value_from: outcomes\n    value_cap: 300"))
    amounts = {name: 200.0 if name == spender else 20.0 for name in ("coat", "shirt")}
    chosen = asyncio.run(play(shop, leave=0.0, amounts=amounts))
    (other,) = {"coat", "shirt"} - {spender}
    assert chosen[spender] > 4 * chosen[other]
