"""A placement of three ranks, of which the lower are looked at less, in a world that is known.

Every offer is wanted with a chance of its own, and taken where it is wanted and its rank looked at.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from shop import DAY_MS, NOW_MS, Shop, ask, write_project

from nba.decision.plan import Plan
from nba.decision.scoring import score
from nba.domain.ids import ActionId, PlacementId
from nba.training.positions import estimate_effects, shown_choices
from nba.worker.learning import PlanLearner
from nba.worker.lessons import Lesson

HERO = PlacementId("web.hero")
LOOKED = {1: 1.0, 2: 0.6, 3: 0.3}
WANTED = {"card": 0.5, "coat": 0.4, "shirt": 0.45, "parcel": 0.3}
CUSTOMERS = 1_500
"""Few enough that a log is made in seconds; forgetting nothing, each action is shown some 1,000."""

SLOTS = "slots: [title], max_count: 3}"
EXPLORING = {
    "models/bandit": (
        "explorer: squarecb",
        "explorer: epsilon_greedy\n  epsilon: 0.4\n  forgetting: 1\n  forests: false",
    ),
    "policies": ("limit: 2", "limit: 3"),
}
"""Four in ten choices are drawn alike; the others by value, so that some stand low most times."""


@dataclass(frozen=True)
class Lived:
    """A shop that was lived in: what there is to learn, and its log."""

    shop: Shop
    lessons: list[Lesson]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Let customers be shown three offers each, and take what they look at and want."""
    shop = Shop(write_project(tmp_path_factory.mktemp("shop"), **EXPLORING), partitions=1)
    rng = np.random.default_rng(1)

    async def run() -> None:
        worker = shop.worker()
        for number in range(CUSTOMERS):
            await shop.put(f"c{number}", age=30.0)
            wanted = ask(f"c{number}", (HERO, 3), actions=tuple(WANTED))
            answer = msgspec.json.decode(await shop.service().decide(wanted))
            for place, choice in enumerate(answer["choices"]):
                took = rng.random() < LOOKED[choice["rank"]] * WANTED.get(choice["action"], 0.0)
                kind = ("convert" if choice["action"] == "card" else "click") if took else "reject"
                about = {"outcome_id": f"o{number}.{place}", "choice": place}
                await shop.report(answer["decision_id"], kind, **about)
        shop.clock.advance(seconds=8 * DAY_MS / 1_000)
        while await worker.step() or await worker.expire():
            pass
        await worker.flush()

    asyncio.run(run())
    return Lived(shop, asyncio.run(shop.logged()))


def learned(lived: Lived, root: Path, effects: str) -> dict[str, float]:
    """Return the propensities at the first rank once all was learned under such effects."""
    slots = f"{SLOTS[:-1]}, position_effects: {effects}}}"
    shop = Shop(write_project(root, catalog=(SLOTS, slots), **EXPLORING))
    learner = PlanLearner(shop.plan)
    assert learner.study(lived.lessons) == len(lived.lessons)
    plan: Plan = shop.plan.with_learner(learner.learned, 1)
    slot = plan.placements[HERO]
    found = score(slot, plan, lived.lessons[0].row, np.ones(len(slot.actions))).propensities
    return dict(zip(slot.action_ids, found.tolist(), strict=True))


def shown(lived: Lived, action: str) -> list[int]:
    """Return the ranks at which an action was shown."""
    return [lesson.rank for lesson in lived.lessons if lesson.action == action]


def test_with_the_true_effects_what_is_learned_of_an_action_is_what_it_is_worth(
    lived: Lived, tmp_path: Path
) -> None:
    """Within four standard errors, those of counting how often it was taken where it stood."""
    found = learned(lived, tmp_path, "[1, 0.6, 0.3]")
    for action, wanted in WANTED.items():
        information = sum(
            LOOKED[rank] ** 2 / (LOOKED[rank] * wanted * (1.0 - LOOKED[rank] * wanted))
            for rank in shown(lived, action)
        )
        assert information > 400, action
        assert abs(found[action] - wanted) < 4.0 / np.sqrt(information), action


def test_a_learner_of_rewards_too_expects_of_an_action_what_it_is_worth(
    lived: Lived, tmp_path: Path
) -> None:
    """Its prior counts for one observation of a thousand; at rank 3 it expects three tenths."""
    slots = f"{SLOTS[:-1]}, position_effects: [1, 0.6, 0.3]}}"
    old, new = EXPLORING["models/bandit"]
    said = f"{new}\n  learner: linear\n  reward_cap: 60\n  ridge: 1"
    project = write_project(tmp_path, catalog=(SLOTS, slots), **{"models/bandit": (old, said)})
    shop = Shop(project)
    learner = PlanLearner(shop.plan)
    learner.study(lived.lessons)
    plan = shop.plan.with_learner(learner.learned, 1)
    slot, row = plan.placements[HERO], lived.lessons[0].row
    first = score(slot, plan, row, np.ones(len(slot.actions)))
    third = score(slot, plan, row, np.ones(len(slot.actions)), rank=3)
    assert first.learned is not None
    assert third.learned is not None
    for action, wanted in WANTED.items():
        at = slot.action_ids.index(ActionId(action))
        value = float(slot.values[at])
        expected = first.scores[at] + slot.costs[at]
        assert expected == pytest.approx(wanted * value, abs=0.1 * value), action
        assert third.learned[at] == pytest.approx(0.3 * first.learned[at])


def test_without_them_what_is_shown_low_is_underrated(lived: Lived, tmp_path: Path) -> None:
    """By how often its ranks are looked at on average: an action is blamed for where it stood."""
    found = learned(lived, tmp_path, "[]")
    for action, wanted in WANTED.items():
        looked = float(np.mean([LOOKED[rank] for rank in shown(lived, action)]))
        assert found[action] == pytest.approx(looked * wanted, abs=0.05), action
    lowest = max(WANTED, key=lambda action: float(np.mean(shown(lived, action))))
    assert found[lowest] < 0.65 * WANTED[lowest]


def test_the_effects_are_estimated_from_that_log(lived: Lived) -> None:
    placements = lived.shop.plan.catalog.placements
    rows = shown_choices(
        lived.shop.log,
        now=datetime.fromtimestamp((NOW_MS + 8 * DAY_MS) / 1_000, UTC),
        in_force=lambda _: {one.id: one for one in placements},
    )
    estimate = estimate_effects(rows, HERO, replicates=100)
    for one in estimate.ranks[1:]:
        assert one.low < LOOKED[one.rank] < one.high
        assert one.high - one.low < 0.35
    assert [one.rank for one in estimate.ranks] == [1, 2, 3]
