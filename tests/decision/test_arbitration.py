"""Exploring by how sure scores are: deviations reach the explorer, bounds and replay still hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from shop import Shop, stump

from nba.bandits import Correction, Estimate, Thompson
from nba.decision.answer import encode_answer
from nba.decision.arbitration import Arbitration
from nba.decision.learned import Learned
from nba.decision.pipeline import decide
from nba.decision.scoring import score
from nba.domain.catalog import Autonomy
from nba.policies import Era

HERO = "web.hero"
UNSURE = ["ucb", "regcb", "thompson"]
FREE = Era(
    active=np.ones(0, dtype=np.uint8),
    levers=np.ones(3),
    floors=np.zeros(3),
    ceilings=np.ones(3),
    bounded=False,
)


def exploring(explorer):
    """Return the change to the shop's project that names its explorer."""
    return {"models/bandit": ("explorer: squarecb", f"explorer: {explorer}")}


def arbitration(autonomy=Autonomy.AUTONOMOUS, branches=(0, 1, 1)):
    return Arbitration(
        autonomy=autonomy,
        explorer=Thompson(),
        reward_scale=20.0,
        order=np.array([2, 0, 1]),
        branches=np.array(branches),
    )


def learned(shop):
    """Return the shop's plan with a learner that has seen a little of everything."""
    state = Learned.nothing(shop.plan.source.bandit)
    for number in range(40):
        for action in ("no_action", "coat", "shirt"):
            state.actions.update(action, -1.0, [20.0 + number, number % 3], float(number % 4 == 0))
    return shop.plan.with_learner(state, 1)


def test_scores_and_deviations_are_scaled_alike():
    """In units of 20 they are 0.5 and 0.25 with deviations 0.3 and 0.4, so Φ(0.25 / 0.5)."""
    kept = np.array([1, 2])
    scores = Estimate(np.array([10.0, 5.0]), np.array([6.0, 8.0]))
    p = arbitration().probabilities(kept, scores, 7, FREE)
    assert p[0] == pytest.approx(0.5 * math.erfc(-0.5 / math.sqrt(2.0)), abs=1e-9)


def test_where_branches_decide_deviations_are_those_of_the_branch():
    kept = np.array([0, 1, 2])
    scores = Estimate(np.array([0.0, 5.0, 90.0]), np.array([0.0, 6.0, 8.0]))
    found = arbitration(Autonomy.ASSISTED, (0, 1, 2)).probabilities(kept, scores, 7, FREE)
    assert found[2] == 0.0
    assert found[1] == pytest.approx(0.5 * math.erfc(-(5 / 6) / math.sqrt(2.0)), abs=1e-9)


def test_rules_ask_for_no_deviations():
    assert arbitration().uses_deviations
    assert not arbitration(Autonomy.RULES).uses_deviations


def test_deviations_are_computed_only_where_exploration_asks_for_them(shop, inputs):
    plan = learned(shop)
    weights = np.ones(len(plan.placements[HERO].actions))
    assert score(plan.placements[HERO], plan, inputs(plan).features, weights).deviations is None


def test_a_scores_deviation_is_that_of_its_logit_carried_over(make_shop, inputs):
    """One deviation of the logit moves the score by one deviation, to the slope's accuracy."""
    plan = learned(make_shop(**exploring("thompson")))
    slot, features = plan.placements[HERO], inputs(plan).features
    weights = np.full(len(slot.actions), 0.7)
    scored = score(slot, plan, features, weights)
    correction = slot.learner.correct(slot.model_logits(features), plan.learner_inputs(features))
    step = 1e-6 * np.sqrt(correction.variances)
    logits = np.log(scored.propensities / (1.0 - scored.propensities))
    moved = 1.0 / (1.0 + np.exp(-(logits + step)))
    change = (moved - scored.propensities) * slot.values * slot.weights * weights
    assert scored.deviations == pytest.approx(np.abs(change) / 1e-6, rel=1e-4)
    assert (scored.deviations[slot.values > 0.0] > 0.0).all()


@pytest.mark.parametrize("explorer", UNSURE)
def test_the_same_inputs_give_the_same_bytes(make_shop, inputs, explorer):
    plan = learned(make_shop(**exploring(explorer)))
    first, second = (
        encode_answer(decide(plan, inputs(plan, (HERO, 3), "desk.screen", seed=9)).decision)
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("explorer", UNSURE)
def test_bounds_on_exploration_hold(make_shop, inputs, explorer):
    bounds = """
  - id: try_all
    kind: exploration
    description: Everything a little.
    applies_to: {}
    floor: 0.05
  - id: credit_carefully
    kind: exploration
    description: Credit never more than a fifth.
    applies_to: {terms: [product:credit]}
    max_share: 0.2
  - id: left_alone"""
    shop: Shop = make_shop(
        policies=("\n  - id: left_alone", bounds),
        **exploring(explorer),
    )
    shop.promote(stump(3.0, 3.0))
    draw = decide(shop.plan, inputs(shop.plan)).draws[0]
    chances = {
        draw.slot.action_ids[row]: chance
        for row, chance in zip(draw.kept, draw.probabilities, strict=True)
    }
    assert chances["card"] <= 0.2
    assert min(chances[action] for action in ("card", "coat", "shirt", "parcel")) >= 0.05
    assert math.isclose(sum(chances.values()), 1.0)


class Lost:
    """A learner that knows its logits, and answers nonsense about how sure they are."""

    def __init__(self, variance):
        self.variance = variance

    def correct(self, model_logits, _z):
        """Return the logits as they are, and nonsense."""
        return Correction(model_logits, np.full(len(model_logits), self.variance))


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0])
def test_nonsense_about_sureness_is_no_reason_not_to_answer(make_shop, inputs, nonsense):
    shop: Shop = make_shop(**exploring("thompson"))
    slot = replace(shop.plan.placements[HERO], learner=Lost(nonsense))
    plan = replace(shop.plan, placements={**shop.plan.placements, HERO: slot})
    decided = decide(plan, inputs(plan))
    assert decided.decision.degraded == ("bandit",)
    assert decided.decision.choices
