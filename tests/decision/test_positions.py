"""Ranks below the first: propensities there, and what comes of them in answers."""

import dataclasses
import math
from decimal import Decimal, localcontext

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import GREEDY, stump

from nba.bandits import Correction
from nba.decision.answer import encode_answer
from nba.decision.explain import explain, replay
from nba.decision.pipeline import decide
from nba.decision.positions import correction_at, logits_at
from nba.decision.recording import pack_record, pack_request, read_record
from nba.decision.scoring import RankScores, score
from nba.domain.catalog import Direction, Placement
from nba.domain.ids import NO_ACTION, PlacementId

HERO = PlacementId("web.hero")
EFFECTS = {
    "catalog": ("slots: [title], max_count: 3}", "slots: [title], max_count: 3, EFFECTS}"),
}


def looked_at(*effects):
    return Placement(
        id=HERO, channel="web", direction=Direction.INBOUND, position_effects=tuple(effects)
    )


def with_effects(text):
    old, new = EFFECTS["catalog"]
    return {"catalog": (old, new.replace("EFFECTS", f"position_effects: {text}"))}


def obvious(logit, effect):
    """Return log(e p / (1 - e p)) with sixty digits, p being that of a logit."""
    with localcontext() as context:
        context.prec = 60
        p = 1 / (1 + (-Decimal(logit)).exp())
        seen = Decimal(effect) * p
        return float((seen / (1 - seen)).ln())


@given(
    st.floats(-600.0, 600.0),
    st.floats(1e-6, 1.0, exclude_max=True),
)
def test_a_logit_at_a_rank_is_that_of_the_propensity_times_the_effect(logit, effect):
    found = logits_at(looked_at(1.0, effect), np.array([0.0, logit]), 2)
    assert found[1] == pytest.approx(obvious(logit, effect), rel=1e-9, abs=1e-9)
    assert found[0] == 0.0


def test_what_is_added_to_rewards_comes_where_the_rank_is_looked_at():
    given = Correction(
        np.zeros(3),
        rewards=np.array([1.0, 2.0, -4.0]),
        deviations=np.array([0.5, 1.0, 2.0]),
        members=np.array([[1.0, 2.0, 3.0], [0.0, 4.0, 6.0]]),
    )
    found = correction_at(looked_at(1.0, 0.5), given, 2)
    assert found.rewards.tolist() == [1.0, 1.0, -2.0]
    assert found.deviations.tolist() == [0.5, 0.5, 1.0]
    assert found.members.tolist() == [[1.0, 1.0, 1.5], [0.0, 2.0, 3.0]]
    assert correction_at(looked_at(1.0, 0.5), given, 1) is given
    of_logits = Correction(np.zeros(3), variances=np.ones(3))
    assert correction_at(looked_at(1.0, 0.5), of_logits, 2) is of_logits


@pytest.mark.parametrize("logit", [1e308, 800.0, -800.0, -1e308])
def test_no_logit_is_too_extreme(logit):
    """A propensity of one becomes the effect; one of nearly nothing loses log e of its logit."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = logits_at(looked_at(1.0, 0.25), np.array([0.0, logit]), 2)[1]
    expected = math.log(0.25 / 0.75) if logit > 0.0 else logit + math.log(0.25)
    assert found == pytest.approx(expected, rel=1e-12)


def test_what_is_not_finite_stays_so():
    logits = np.array([0.0, math.nan, math.inf, -math.inf])
    np.testing.assert_array_equal(logits_at(looked_at(1.0, 0.5), logits, 2), logits)


def test_ranks_beyond_the_last_effect_have_that_one():
    placement = looked_at(1.0, 0.6, 0.3)
    assert [placement.effect_at(rank) for rank in (1, 2, 3, 4, 9)] == [1.0, 0.6, 0.3, 0.3, 0.3]
    assert looked_at().effect_at(5) == 1.0


@pytest.mark.parametrize(("effects", "rank"), [((), 3), ((1.0, 0.5), 1), ((1.0, 1.0), 2)])
def test_where_the_effect_is_one_nothing_is_changed_or_copied(effects, rank):
    logits = np.array([0.1, -2.0])
    assert logits_at(looked_at(*effects), logits, rank) is logits


def test_propensities_at_a_rank_are_those_at_the_first_times_its_effect(make_shop, inputs):
    shop = make_shop(**with_effects("[1, 0.6, 0.3]"))
    shop.promote(stump(-1.0, 0.5))
    slot = shop.plan.placements[HERO]
    given_ = slot, shop.plan, inputs(shop.plan).features, np.ones(len(slot.actions))
    first = score(*given_).propensities
    for rank, effect in ((1, 1.0), (2, 0.6), (3, 0.3), (4, 0.3)):
        found = score(*given_, rank=rank)
        assert found.propensities[1:] == pytest.approx(effect * first[1:], rel=1e-12)
        assert found.propensities[0] == first[0], "nothing is as likely everywhere"
        assert found.scores == pytest.approx(found.propensities * slot.values - slot.costs)


def test_where_a_model_breaks_priors_stand_in_at_their_rank(make_shop, inputs):
    shop = make_shop(**with_effects("[1, 0.5]"))
    slot = shop.plan.placements[HERO]
    broken = dataclasses.replace(slot, learner=Nonsense())
    found = score(broken, shop.plan, inputs(shop.plan).features, np.ones(5), rank=2)
    assert found.degraded == ("propensity",)
    by_action = dict(zip(slot.action_ids, found.propensities.tolist(), strict=True))
    assert by_action == pytest.approx(
        {NO_ACTION: 0.001, "card": 0.01, "coat": 0.025, "shirt": 0.05, "parcel": 0.15}
    )


class Nonsense:
    """A learner that answers with no numbers."""

    def correct(self, model_logits, _z):
        """Return nonsense."""
        return Correction(np.full(len(model_logits), math.nan))


def test_models_are_asked_once_and_ranks_looked_at_alike_share_scores(make_shop, inputs):
    shop = make_shop(**with_effects("[1, 1, 0.3]"))
    asked = []

    class Counting:
        def logits(self, _row):
            asked.append(1)
            return np.zeros(5)

    plan = shop.promote(stump(-1.0, 0.5))
    slot = plan.placements[HERO]
    (model,) = slot.models
    slot = dataclasses.replace(slot, models=(dataclasses.replace(model, bound=Counting()),))
    by_rank = RankScores(slot, plan, inputs(plan).features, np.ones(5))
    found = [by_rank.at(rank) for rank in (1, 2, 3, 4)]
    assert len(asked) == 1
    assert found[0] is found[1]
    assert found[2] is found[3]
    assert found[0] is not found[2]


def test_lower_ranks_are_answered_with_the_propensity_they_have_there(make_shop, inputs):
    shop = make_shop(**GREEDY, **with_effects("[1, 0.5, 0.01]"))
    plan, offered = shop.plan, ("card", "coat", "shirt", "parcel")
    choices = decide(plan, inputs(plan, (HERO, 3), actions=offered)).decision.choices
    assert [choice.action for choice in choices] == ["card", "coat", "parcel"]
    rates = {"card": 0.02, "coat": 0.05, "shirt": 0.1, "parcel": 0.3}
    for choice, effect in zip(choices, (1.0, 0.5, 0.01), strict=True):
        assert choice.propensity == pytest.approx(effect * rates[choice.action], rel=1e-9)


def test_probabilities_at_a_rank_are_drawn_over_the_scores_there(make_shop, inputs):
    """With SquareCB gaps shrink with the effect, so that chances below are nearer to even."""
    plain = make_shop()
    given_ = inputs(plain.plan, (HERO, 2), seed=3)
    before = decide(plain.plan, given_)
    seen = make_shop(**with_effects("[1, 0.1]"))
    after = decide(seen.plan, inputs(seen.plan, (HERO, 2), seed=3))
    np.testing.assert_array_equal(before.draws[0].probabilities, after.draws[0].probabilities)
    slot, draw = after.draws[1].slot, after.draws[1]
    weights = slot.guards.era(given_.at_ms).levers
    scored = score(slot, seen.plan, given_.features, weights, rank=2).estimate
    scored = scored.each(lambda part: part[..., draw.kept])
    expected = slot.arbitration.probabilities(
        draw.kept, scored, seen.plan.updates, slot.guards.era(given_.at_ms)
    )
    np.testing.assert_array_equal(draw.probabilities, expected)
    assert draw.probabilities.max() < before.draws[1].probabilities.max()


@pytest.mark.parametrize("effects", ["[1, 0.6, 0.3]", "[1, 1.0]", "[]"])
def test_a_recorded_answer_replays_and_without_an_effect_its_choices_are_the_same(
    make_shop, inputs, effects
):
    shop = make_shop(**with_effects(effects))
    plan = shop.plan
    given_ = inputs(plan, (HERO, 3), seed=5)
    decided = decide(plan, given_)
    answer = encode_answer(decided.decision)
    record = read_record(
        pack_record(
            given_,
            request=pack_request(given_.request),
            plan_version=plan.version,
            draws=decided.draws,
            answer=answer,
        )
    )
    assert replay(plan, record) == answer
    assert explain(plan, record)["replayed"]
    plain = make_shop().plan
    without = encode_answer(decide(plain, given_).decision)
    same = msgspec.json.decode(without)["choices"] == msgspec.json.decode(answer)["choices"]
    assert same is (effects != "[1, 0.6, 0.3]")
