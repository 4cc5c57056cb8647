"""Whatever learns and explores: guardrails hold, and decisions replay and explain to the byte."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from shop import ask, lesson

from nba.bandits import Correction
from nba.decision.explain import explain, replay
from nba.decision.learned import LearnedStates, SnapshotWriter
from nba.decision.pipeline import decide
from nba.decision.recording import read_record
from nba.decision.scoring import score
from nba.domain.ids import NO_ACTION, DecisionId
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of

HERO = "web.hero"
LINEAR = "learner: linear\n  reward_cap: 40\n  ridge: 1"
KINDS = {
    "greedy": ("greedy", LINEAR),
    "epsilon_greedy": ("epsilon_greedy", LINEAR),
    "softmax": ("softmax", LINEAR),
    "squarecb": ("squarecb", f"{LINEAR}\n  doubt: 0.5"),
    "regcb": ("regcb", LINEAR),
    "linucb": ("ucb", LINEAR),
    "linear thompson": ("thompson", LINEAR),
    "hybrid linucb": ("ucb", f"{LINEAR}\n  sharing: hybrid\n  dimensions: [product]"),
    "shared thompson": ("thompson", f"{LINEAR}\n  sharing: shared\n  dimensions: [product]"),
    "bootstrap": ("votes", "learner: bagged\n  members: 5\n  reward_cap: 40"),
    "cover": ("cover", "learner: cover\n  members: 4\n  reward_cap: 40\n  uniform: 0.5"),
    "logistic thompson": ("thompson", "learner: logistic"),
    "logistic squarecb": ("squarecb", "learner: logistic"),
}


@pytest.fixture(params=KINDS, ids=str)
def shop(request, make_shop):
    explorer, said = KINDS[request.param]
    return make_shop(**{"models/bandit": ("explorer: squarecb", f"explorer: {explorer}\n  {said}")})


def taught(shop, rounds=150):
    """Return what a learner knows to whom shirts were worth more than they are said to be."""
    learner = PlanLearner(shop.plan)
    for number in range(rounds):
        age = 20.0 + (number * 7) % 41
        row = row_of(shop.plan, {"age": age, "orders_30d": float(number % 3)})
        about = "coat" if number % 2 else "shirt"
        label = float(about == "shirt" and number % 4 == 0)
        taken = lesson(row, HERO, about, label)
        candidates = (NO_ACTION, "coat", "shirt")
        learner.learn(replace(taken, reward=30.0 * label, probability=0.5, candidates=candidates))
    return learner.learned


def test_what_nobody_taught_is_what_the_models_say(shop, inputs):
    slot, given = shop.plan.placements[HERO], inputs(shop.plan)
    found = score(slot, shop.plan, given.features, np.ones(len(slot.actions)))
    expected = 1.0 / (1.0 + np.exp(-slot.prior_logits)) * slot.values * slot.weights - slot.costs
    np.testing.assert_allclose(found.scores, expected, rtol=1e-12, atol=1e-12)
    assert found.degraded == ()


def test_what_was_learned_moves_scores_towards_what_came(shop, inputs):
    """Every other shirt brought 30 where a tenth of 8 was expected, and coats brought nothing."""
    plan = shop.plan.with_learner(taught(shop), 1)
    slot, given = plan.placements[HERO], inputs(plan)
    before = score(
        shop.plan.placements[HERO], shop.plan, given.features, np.ones(len(slot.actions))
    )
    after = score(slot, plan, given.features, np.ones(len(slot.actions)))
    coat, shirt = slot.action_ids.index("coat"), slot.action_ids.index("shirt")
    if shop.plan.source.bandit.sharing == "shared":  # both are fashion, so neither moves alone
        assert after.learned[shirt] == after.learned[coat] != after.learned[0]
        return
    assert after.scores[shirt] > before.scores[shirt] + 1.0
    assert after.scores[coat] < before.scores[coat] - 0.3


def test_the_chance_of_every_choice_is_frozen_and_replayed(shop):
    learned = taught(shop)
    number = SnapshotWriter(shop.control, shop.clock).save(PlanLearner(shop.plan).key, learned, {})
    kept = shop.control.snapshot(number)
    opened, _ = LearnedStates(shop.control).open(kept, shop.plan.source.bandit)
    assert opened.actions.to_bytes() == learned.actions.to_bytes()
    shop.plan = shop.plan.with_learner(opened, number)

    async def main():
        records = []
        for seed in range(12):
            await shop.put(f"c{seed}", age=20.0 + seed)
            packed = await shop.service().decide(ask(f"c{seed}", (HERO, 2)))
            named = DecisionId(msgspec.json.decode(packed)["decision_id"])
            (record,) = await shop.ledger.records([named])
            records.append(read_record(record))
        return records

    for record in asyncio.run(main()):
        assert replay(shop.plan, record) == record.answer
        explained = explain(shop.plan, record)
        assert explained["replayed"] is True
        msgspec.json.encode(explained)
        for candidate in explained["placements"][0]["candidates"]:
            earned = candidate["propensity"] * candidate["value"] + candidate["learned"]
            weight = candidate["context_weight"] * candidate["lever"]
            assert candidate["score"] == pytest.approx(earned * weight - candidate["cost"])
        for draw in record.draws:
            chances = np.frombuffer(draw.probabilities, dtype="<f4")
            assert chances.sum() == pytest.approx(1.0, abs=1e-5)
            assert (chances >= 0.0).all()


def test_guardrails_and_bounds_hold_for_whatever_learns(shop, inputs):
    """Coats are at their cap; nothing that was learned, voted or paid for brings them back."""
    plan = shop.plan.with_learner(taught(shop), 1)
    capped = [(1.0, "coat", HERO), (2.0, "coat", HERO)]
    for seed in range(30):
        decided = decide(plan, inputs(plan, (HERO, 2), seed=seed, contacts=capped))
        for draw in decided.draws:
            left = [draw.slot.action_ids[row] for row in draw.kept]
            assert "coat" not in left
            assert draw.probabilities.sum() == pytest.approx(1.0, abs=1e-9)


def test_one_candidate_is_certain(shop, inputs):
    plan = shop.plan.with_learner(taught(shop), 1)
    (draw,) = decide(plan, inputs(plan, actions=(NO_ACTION,))).draws
    assert [draw.slot.action_ids[row] for row in draw.kept] == [NO_ACTION]
    assert draw.probabilities.tolist() == [1.0]


@pytest.mark.parametrize("part", ["rewards", "deviations", "members"])
@pytest.mark.parametrize("nonsense", [np.nan, np.inf])
def test_a_learner_that_answers_nonsense_is_left_out(make_shop, inputs, part, nonsense):
    shop = make_shop(**{"models/bandit": ("explorer: squarecb", f"explorer: ucb\n  {LINEAR}")})
    slot = shop.plan.placements[HERO]

    class Lost:
        """A learner that knows its logits alone."""

        def correct(self, logits, _z):
            """Answer nonsense."""
            shape = (2, len(logits)) if part == "members" else len(logits)
            corrected = Correction(logits, rewards=np.zeros(len(logits)))
            return replace(corrected, **{part: np.full(shape, nonsense)})

    plan = replace(shop.plan, placements={HERO: replace(slot, learner=Lost())})
    decided = decide(plan, inputs(plan))
    assert decided.decision.degraded == ("bandit",)
    healthy = decide(shop.plan, inputs(shop.plan))
    said = [choice.score for choice in decided.decision.choices]
    assert said == [choice.score for choice in healthy.decision.choices]


def test_cover_gives_each_candidate_the_share_of_policies_and_its_part_of_chance(make_shop, inputs):
    """With 3 candidates of 4, and uniform one half of ε = min(1/n, 1/√(n t))."""
    explorer, said = KINDS["cover"]
    change = "explorer: squarecb", f"explorer: {explorer}\n  {said}"
    shop = make_shop(**{"models/bandit": change})
    plan = shop.plan.with_learner(taught(shop), 1)
    given = inputs(plan, actions=("coat", "shirt"))
    (draw,) = decide(plan, given).draws
    slot = draw.slot
    scored = score(slot, plan, given.features, slot.guards.era(given.at_ms).levers)
    assert scored.members.shape == (4, len(slot.actions))
    members = scored.members[:, draw.kept]
    best = members == members.max(axis=1, keepdims=True)
    shares = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    n = len(draw.kept)
    least = 0.5 * min(1 / n, 1 / np.sqrt(n * (plan.updates + 1)))
    np.testing.assert_allclose(draw.probabilities, (1 - n * least) * shares + least, rtol=1e-12)
