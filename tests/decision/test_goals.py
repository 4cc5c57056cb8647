"""What candidates bring beside their desired outcomes, and what deciding makes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from shop import PRICED, Shop, lesson, stump

from nba.bandits import Correction
from nba.decision.explain import explain, replay
from nba.decision.goals import compile_goals
from nba.decision.learned import Learned
from nba.decision.pipeline import decide
from nba.decision.plan import Plan
from nba.decision.recording import read_record
from nba.decision.scoring import Scores, score
from nba.domain.ids import DecisionId
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of

HERO = "web.hero"
WEIGHT = 0.5


@pytest.fixture
def priced(make_shop) -> Shop:
    return make_shop(**PRICED)


def taught(shop: Shop, *, rounds: int = 60) -> Plan:
    """Return the plan after lessons in which everybody complained of the coat and nobody bought."""
    learner = PlanLearner(shop.plan)
    row = row_of(shop.plan, {"age": 30.0})
    came = {"goals": ("complain",), "missed": ("buy",), "amount": 50.0}
    for number in range(rounds):
        learner.learn(lesson(row, HERO, "coat", float(number % 2), **came))
    return shop.plan.with_learner(learner.learned, 7)


def scored(plan: Plan, inputs) -> Scores:
    slot = plan.placements[HERO]
    return score(slot, plan, inputs(plan).features, np.full(len(slot.actions), WEIGHT))


def row_for(plan: Plan, action: str) -> int:
    return plan.placements[HERO].action_ids.index(action)


def test_a_placement_without_goals_has_none(shop: Shop) -> None:
    slot = shop.plan.placements[HERO]
    assert slot.goals is None
    assert (
        compile_goals(slot.actions, shop.plan.beside(Learned.nothing(shop.project.bandit))) is None
    )


def test_before_anything_is_known_goals_count_by_their_base_rates(priced, shop, inputs):
    before, after = scored(shop.plan, inputs), scored(priced.plan, inputs)
    coat = row_for(priced.plan, "coat")
    expected = before.scores.copy()
    expected[coat] += WEIGHT * (4.0 * 0.1 - 16.0 * 0.01)
    assert after.scores == pytest.approx(expected, rel=1e-12)
    assert after.propensities.tolist() == before.propensities.tolist()
    assert priced.plan.placements[HERO].goals.base_worths()[coat] == pytest.approx(0.24)


def test_a_candidate_is_worth_what_it_brings_and_what_it_breaks(priced, inputs):
    plan = taught(priced)
    slot, found = plan.placements[HERO], scored(plan, inputs)
    coat = row_for(plan, "coat")
    met = dict(zip(slot.goals.kinds, found.goals.propensities.tolist(), strict=True))
    assert met["complain"] > 0.5
    assert met["buy"] < 0.05
    # Of 60 lessons all had an amount of 50, older ones fading: ten more at 20.
    assert 44.0 < slot.values[coat] < 46.0
    assert slot.declared[coat] == 20.0
    worth = found.propensities[coat] * slot.values[coat] + 4.0 * met["buy"] - 16.0 * met["complain"]
    assert found.scores[coat] == pytest.approx(worth * WEIGHT)
    others = [row for row in range(len(slot.actions)) if row != coat]
    plain = found.propensities * slot.values * slot.weights * WEIGHT - slot.costs
    assert found.scores[others].tolist() == plain[others].tolist()


def test_what_is_learned_of_goals_is_given_up_for_base_rates_where_it_broke(priced, inputs):
    plan = taught(priced)
    learned = Learned.nothing(priced.project.bandit)
    learned.goals.update("coat:complain", -2.0, np.zeros(2), 1.0)
    learned.goals._mean[:] = np.nan
    broken = scored(plan.with_learner(learned, 8), inputs)
    sound = scored(priced.plan, inputs)
    assert broken.degraded == ("bandit",)
    assert broken.scores.tolist() == sound.scores.tolist()
    assert sound.degraded == ()


def test_broken_goals_do_not_hide_that_a_model_broke_too(priced, inputs):
    """Or the answer would not say that it is a fallback."""
    learned = Learned.nothing(priced.project.bandit)
    learned.goals.update("coat:complain", -2.0, np.zeros(2), 1.0)
    learned.goals._mean[:] = np.nan
    plan = priced.plan.with_learner(learned, 8)

    class Broken:
        """A learner that answers nonsense."""

        def correct(self, logits, _z):
            """Answer nonsense."""
            return Correction(np.full(len(logits), np.nan))

    slot = replace(plan.placements[HERO], learner=Broken())
    found = score(slot, plan, inputs(plan).features, np.ones(len(slot.actions)))
    assert found.degraded == ("propensity",)
    assert not found.goals.sound


def test_a_feature_beyond_bounds_leaves_goals_at_their_base_rates(priced, inputs):
    plan = taught(priced)
    given = inputs(plan, age=30.0)
    given.features[plan.features.names.index("age")] = np.inf
    slot = plan.placements[HERO]
    found = score(slot, plan, given.features, np.ones(len(slot.actions)))
    assert found.degraded == ("bandit",)
    assert found.goals.worths == pytest.approx(slot.goals.base_worths())
    assert np.isfinite(found.scores).all()


def test_what_is_looked_at_less_is_expected_to_meet_goals_less(make_shop, inputs):
    """Where it is a quarter as often, goals of what is shown are; those of nothing stay."""
    nothing = "terms: [product:service], base_rate: 0.001"
    changes = {
        **PRICED,
        "catalog/": (nothing, f"{nothing}, goals: {{buy: {{value: 3, base_rate: 0.02}}}}"),
        "catalog/c": ("max_count: 3}", "max_count: 3, position_effects: [1.0, 0.25]}"),
    }
    plan = make_shop(**changes).plan
    slot = plan.placements[HERO]
    given = plan, inputs(plan).features, np.full(len(slot.actions), WEIGHT)
    first, second = (score(slot, *given, rank=rank).goals for rank in (1, 2))
    assert first.propensities == pytest.approx([0.02, 0.1, 0.01])
    assert second.propensities == pytest.approx([0.02, 0.025, 0.0025])
    coat = row_for(plan, "coat")
    assert (first.worths[0], first.worths[coat]) == pytest.approx((0.06, 0.24))
    assert (second.worths[0], second.worths[coat]) == pytest.approx((0.06, 0.06))


def test_deviations_of_goals_add_to_those_of_the_desired_outcome(make_shop, inputs):
    """As those of independent sums do; each goal's is its slope times its logit's deviation."""
    thompson = {"models/bandit": ("explorer: squarecb", "explorer: thompson")}
    plan = taught(make_shop(**PRICED, **thompson))
    slot, features = plan.placements[HERO], inputs(plan).features
    z = plan.learner_inputs(features)
    found = scored(plan, inputs)
    coat = row_for(plan, "coat")
    alone = slot.learner.correct(slot.model_logits(features), z).variances[coat]
    p = found.propensities[coat]
    total = (slot.values[coat] * p * (1.0 - p)) ** 2 * alone
    variances = slot.goals.learner.variances(slot.goals.prior_logits, z)
    for value, q, variance in zip(
        slot.goals.values, found.goals.propensities, variances, strict=True
    ):
        total += (value * q * (1.0 - q)) ** 2 * variance
    assert found.deviations[coat] == pytest.approx(WEIGHT * np.sqrt(total))


def test_an_answer_says_the_learned_value_and_its_explanation_the_declared_one_and_goals(
    priced: Shop,
) -> None:
    async def main() -> None:
        priced.plan = plan = taught(priced, rounds=20)
        answer = await priced.decide("anna", actions=("coat",))
        (packed,) = await priced.ledger.records([DecisionId(answer["decision_id"])])
        record = read_record(packed or b"")
        assert replay(plan, record) == record.answer
        told = explain(plan, record)
        assert told["replayed"]
        (placement,) = told["placements"]
        by_action = {one["action"]: one for one in placement["candidates"]}
        coat = by_action["coat"]
        assert coat["declared_value"] == 20.0 < coat["value"] < 50.0
        assert {kind: about["value"] for kind, about in coat["goals"].items()} == {
            "buy": 4.0,
            "complain": -16.0,
        }
        worth = coat["propensity"] * coat["value"]
        worth += sum(goal["propensity"] * goal["value"] for goal in coat["goals"].values())
        assert coat["score"] == pytest.approx(worth * coat["lever"] * coat["context_weight"])
        assert by_action["shirt"]["goals"] == {}
        chosen = answer["choices"][0]
        assert chosen["value"] == by_action[chosen["action"]]["value"]
        assert chosen["score"] == by_action[chosen["action"]]["score"]

    asyncio.run(main())


def test_decisions_of_a_placement_whose_goals_are_worth_nothing_are_as_without(
    priced, shop, inputs
):
    """To the bit: what goals add is a sum of its own."""
    plain, worthless = shop.promote(stump(-2.0, 0.5)), priced.promote(stump(-2.0, 0.5))
    slot = worthless.placements[HERO]
    nothing = replace(slot.goals, values=np.zeros_like(slot.goals.values))
    plan = replace(
        worthless, placements={**worthless.placements, HERO: replace(slot, goals=nothing)}
    )
    for seed in range(30):
        one = decide(plain, inputs(plain, (HERO, 3), seed=seed)).decision.choices
        other = decide(plan, inputs(plan, (HERO, 3), seed=seed)).decision.choices
        assert msgspec.json.encode(one) == msgspec.json.encode(other)
