"""Deciding as a pure function: the same bytes again, honest probabilities, guardrails that hold."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from shop import NOW_MS, Shop, stump

from nba.bandits import Correction
from nba.decision.answer import encode_answer
from nba.decision.pipeline import decide
from nba.decision.scoring import score
from nba.domain.ids import NO_ACTION, uniform_hash

HERO = "web.hero"


def chosen(decided):
    return [choice.action for choice in decided.decision.choices]


def held_out_customer(share=0.1, salt="shop"):
    return next(f"c{n}" for n in range(1_000) if uniform_hash(salt, f"c{n}") < share)


def free_customer(share=0.1, salt="shop"):
    return next(f"c{n}" for n in range(1_000) if uniform_hash(salt, f"c{n}") >= share)


def test_the_same_inputs_give_the_same_bytes_and_another_seed_another_draw(shop, inputs):
    answers = [
        encode_answer(decide(shop.plan, inputs(shop.plan, (HERO, 3), seed=seed)).decision)
        for seed in (5, 5, *range(6, 30))
    ]
    assert answers[0] == answers[1]
    assert len({answer.partition(b'"choices":')[2] for answer in answers}) > 5


def test_drawn_probabilities_are_those_over_what_is_left_and_sum_to_one(shop, inputs):
    for seed in range(50):
        decided = decide(shop.plan, inputs(shop.plan, (HERO, 3), "desk.screen", seed=seed))
        for choice, draw in zip(decided.decision.choices, decided.draws, strict=True):
            assert math.isclose(draw.probabilities.sum(), 1.0, abs_tol=1e-12)
            assert (draw.probabilities >= 0).all()
            place = list(draw.kept).index(draw.row)
            assert choice.probability == draw.probabilities[place] > 0
            assert draw.slot.action_ids[draw.row] == choice.action
            assert choice.rank == draw.rank


def test_choices_are_drawn_as_often_as_their_probabilities_say(shop, inputs):
    decided = [decide(shop.plan, inputs(shop.plan, seed=seed)) for seed in range(2_000)]
    draws = [d.draws[0] for d in decided]
    stated = dict(zip(draws[0].kept.tolist(), draws[0].probabilities.tolist(), strict=True))
    counts = Counter(draw.row for draw in draws)
    for row, probability in stated.items():
        deviation = math.sqrt(probability * (1 - probability) * 2_000)
        assert abs(counts[row] - 2_000 * probability) < 5 * deviation


def test_saying_nothing_is_always_possible(shop, inputs):
    for seed in range(20):
        decided = decide(
            shop.plan,
            inputs(shop.plan, (HERO, 3), "email.body", "desk.screen", seed=seed, age=10.0),
        )
        for draw in decided.draws:
            assert draw.kept[0] == 0
            assert draw.slot.action_ids[0] == NO_ACTION


def test_one_answer_repeats_nothing_and_counts_its_own_choices_against_the_caps(shop, inputs):
    most = 0
    for seed in range(200):
        decided = decide(shop.plan, inputs(shop.plan, (HERO, 3), "desk.screen", seed=seed))
        said = [c.action for c in decided.decision.choices if c.action != NO_ACTION]
        in_hero = [
            c.action
            for c in decided.decision.choices
            if c.action != NO_ACTION and c.placement == HERO
        ]
        assert len(in_hero) == len(set(in_hero))
        promotions = [action for action in said if action != "parcel"]
        assert len(promotions) <= 2, "two a day over all placements"
        most = max(most, len(promotions))
    assert most == 2


def test_contacts_of_the_last_day_count_and_older_ones_do_not(shop, inputs):
    for hours, left in ((1.0, {"parcel"}), (25.0, {"parcel", "card", "coat", "shirt"})):
        contacts = [(hours, "coat", HERO), (hours, "card", "email.body")]
        draw = decide(shop.plan, inputs(shop.plan, contacts=contacts)).draws[0]
        assert {draw.slot.action_ids[row] for row in draw.kept} == {NO_ACTION, *left}


def test_the_new_history_has_the_contacts_of_the_answer_and_none_for_saying_nothing(shop, inputs):
    for seed in range(30):
        decided = decide(shop.plan, inputs(shop.plan, (HERO, 2), seed=seed))
        said = [action for action in chosen(decided) if action != NO_ACTION]
        if not said:
            assert decided.history is None
            continue
        assert decided.history is not None
        codes = dict(
            zip(
                shop.plan.placements[HERO].action_codes,
                decided.draws[0].slot.action_ids,
                strict=True,
            )
        )
        rows = decided.history.table.tolist()
        assert [codes[action] for _, action, *_ in rows] == said
        assert {at_s for at_s, *_ in rows} == {NOW_MS // 1_000}


def test_every_choice_waits_for_its_actions_horizon(shop, inputs):
    days = {"card": 7, "coat": 1, "shirt": 1, "parcel": 1, NO_ACTION: 7}
    for seed in range(30):
        decided = decide(shop.plan, inputs(shop.plan, (HERO, 2), seed=seed))
        assert decided.horizons == {
            position: NOW_MS + days[action] * 86_400_000
            for position, action in enumerate(chosen(decided))
        }


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"actions": ("coat", "parcel")}, {"coat", "parcel"}),
        ({"terms": ("product:fashion",)}, {"coat", "shirt"}),
        ({"terms": ("product:credit",), "actions": ("shirt",)}, {"card", "shirt"}),
        ({"terms": ("channel:email",)}, set()),
    ],
)
def test_a_request_may_ask_for_some_actions_or_terms_only(shop, inputs, asked, left):
    draw = decide(shop.plan, inputs(shop.plan, **asked)).draws[0]
    assert {draw.slot.action_ids[row] for row in draw.kept} == {NO_ACTION, *left}


@pytest.mark.parametrize(
    ("locale", "profile_locale", "content"),
    [
        ("de", None, "coat.de"),
        ("de-AT", None, "coat.at"),
        ("de-CH", None, "coat.de"),
        ("fr", None, "coat.en"),
        (None, "de", "coat.de"),
        ("en", "de", "coat.en"),
        (None, None, "coat.en"),
    ],
)
def test_content_is_in_the_closest_locale_there_is(shop, inputs, locale, profile_locale, content):
    given = inputs(shop.plan, "web.rules", actions=("coat",), locale=locale)
    decided = decide(shop.plan, replace(given, locale=profile_locale))
    (choice,) = decided.decision.choices
    assert (choice.action, choice.content) == ("coat", content)
    assert choice.slots["title"]


def test_variants_of_one_content_take_turns(shop, inputs):
    contents = Counter(
        decide(shop.plan, inputs(shop.plan, "web.rules", actions=("shirt",), seed=seed))
        .decision.choices[0]
        .content
        for seed in range(400)
    )
    assert set(contents) == {"shirt.en.a", "shirt.en.b"}
    assert 140 < contents["shirt.en.a"] < 260, "half of 400, five standard deviations each way"


def test_a_customer_held_out_hears_no_promotion_and_the_answer_says_so(shop, inputs):
    given = inputs(shop.plan, customer_id=held_out_customer(), terms=("product:fashion",))
    decided = decide(shop.plan, given)
    assert chosen(decided) == [NO_ACTION]
    assert decided.decision.holdout
    assert decided.decision.choices[0].reasons == ("holdout",)
    assert decided.history is None


def test_a_customer_held_out_still_hears_of_their_parcel_and_not_for_being_held_out(shop, inputs):
    reasons = set()
    for seed in range(40):
        decided = decide(shop.plan, inputs(shop.plan, customer_id=held_out_customer(), seed=seed))
        assert set(chosen(decided)) <= {NO_ACTION, "parcel"}
        if chosen(decided) == ["parcel"]:
            reasons.add(decided.decision.choices[0].reasons)
    assert reasons
    assert ("holdout",) not in reasons


def test_a_customer_not_held_out_is_not_marked(shop, inputs):
    decided = decide(shop.plan, inputs(shop.plan, customer_id=free_customer()))
    assert not decided.decision.holdout
    assert decided.decision.choices[0].reasons != ("holdout",)


def test_a_lever_multiplies_the_value_and_not_the_cost(shop, inputs):
    shop.promote(stump(0.0, 0.0))  # every propensity is one half
    slot = shop.plan.placements[HERO]
    weights = slot.guards.era(NOW_MS).levers
    scored = score(slot, shop.plan, inputs(shop.plan).features, weights)
    scores = dict(zip(slot.action_ids, scored.scores.tolist(), strict=True))
    assert scores == {
        NO_ACTION: 0.0,
        "card": 0.5 * 50 * 2 - 0.5,
        "coat": 0.5 * 20,
        "shirt": 0.5 * 8,
        "parcel": 0.5 * 1,
    }


def test_a_placements_context_weight_multiplies_values_but_that_of_saying_nothing(
    make_shop, inputs
):
    shop: Shop = make_shop(
        catalog=(
            "{id: web.hero, channel: web,",
            "{id: web.hero, context_weight: 0.5, channel: web,",
        )
    )
    shop.promote(stump(0.0, 0.0))
    slot = shop.plan.placements[HERO]
    weights = slot.guards.era(NOW_MS).levers
    scored = score(slot, shop.plan, inputs(shop.plan).features, weights)
    scores = dict(zip(slot.action_ids, scored.scores.tolist(), strict=True))
    assert scores["coat"] == 0.5 * 20 * 0.5
    assert scores["card"] == 0.5 * 50 * 2 * 0.5 - 0.5


def test_without_a_model_the_prior_of_each_action_is_its_propensity(shop, inputs):
    slot = shop.plan.placements[HERO]
    weights = slot.guards.era(NOW_MS).levers
    scored = score(slot, shop.plan, inputs(shop.plan).features, weights)
    propensities = dict(zip(slot.action_ids, scored.propensities, strict=True))
    assert scored.degraded == ()
    for action, base_rate in (("card", 0.02), ("coat", 0.05), ("shirt", 0.1), ("parcel", 0.3)):
        assert math.isclose(propensities[action], base_rate, rel_tol=1e-9)


def test_a_model_decides_by_what_is_known_of_the_customer(shop, inputs):
    shop.promote(stump(-3.0, -1.0))
    slot = shop.plan.placements[HERO]
    for age, logit in ((30.0, -3.0), (40.0, -3.0), (41.0, -1.0), (float("nan"), -3.0)):
        weights = slot.guards.era(NOW_MS).levers
        scored = score(slot, shop.plan, inputs(shop.plan, age=age).features, weights)
        assert np.allclose(scored.propensities, 1 / (1 + math.exp(-logit)), rtol=1e-12)


def test_a_model_for_some_actions_leaves_the_others_to_their_priors(make_shop, inputs):
    shop: Shop = make_shop(
        **{"models/conversion": ("applies_to: {}", "applies_to: {actions: [coat]}")}
    )
    shop.promote(stump(1.0, 1.0))
    slot = shop.plan.placements[HERO]
    weights = slot.guards.era(NOW_MS).levers
    scored = score(slot, shop.plan, inputs(shop.plan).features, weights)
    propensities = dict(zip(slot.action_ids, scored.propensities, strict=True))
    assert math.isclose(propensities["coat"], 1 / (1 + math.exp(-1.0)))
    assert math.isclose(propensities["shirt"], 0.1)


class Broken:
    """A bound model or learner that answers nonsense."""

    def __init__(self, value):
        self.value = value

    def logits(self, *_):
        """Answer nonsense for five candidates."""
        return np.full(5, self.value)

    def correct(self, *_):
        """Answer nonsense about logits, and say that they are certain."""
        return Correction(np.full(5, self.value), np.zeros(5))


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_a_broken_model_gives_way_to_priors_under_the_same_guardrails(shop, inputs, nonsense):
    shop.promote(stump(0.0, 0.0))
    slot = shop.plan.placements[HERO]
    broken = replace(slot, models=(replace(slot.models[0], bound=Broken(nonsense)),))
    plan = replace(shop.plan, placements={**shop.plan.placements, HERO: broken})
    decided = decide(plan, inputs(plan, age=10.0, contacts=[(1.0, "coat", HERO)] * 2))
    assert decided.decision.fallback
    assert decided.decision.degraded == ("propensity",)
    draw = decided.draws[0]
    assert {slot.action_ids[row] for row in draw.kept} == {NO_ACTION, "parcel"}
    healthy = decide(replace(plan, placements=shop.plan.placements), inputs(plan, age=10.0))
    assert not healthy.decision.fallback


def test_a_broken_learner_is_no_reason_not_to_answer(shop, inputs):
    slot = replace(shop.plan.placements[HERO], learner=Broken(math.nan))
    plan = replace(shop.plan, placements={**shop.plan.placements, HERO: slot})
    decided = decide(plan, inputs(plan))
    assert decided.decision.degraded
    assert all(math.isfinite(choice.score) for choice in decided.decision.choices)


def test_with_rules_the_highest_priority_is_certain_and_of_several_the_first_id(shop, inputs):
    draw = decide(shop.plan, inputs(shop.plan, "web.rules")).draws[0]
    chances = {
        draw.slot.action_ids[row]: chance
        for row, chance in zip(draw.kept, draw.probabilities, strict=True)
    }
    assert chances == {"no_action": 0, "card": 0, "coat": 1, "shirt": 0, "parcel": 0}
    asked = decide(shop.plan, inputs(shop.plan, ("web.rules", 2), actions=("card", "coat")))
    assert chosen(asked) == ["coat", "card"], "first the higher priority, then what is left"
    assert [choice.probability for choice in asked.decision.choices] == [1.0, 1.0]
    assert {choice.reasons for choice in asked.decision.choices} == {("highest_priority",)}


def test_assisted_explores_among_the_highest_priority_and_saying_nothing(shop, inputs):
    draw = decide(shop.plan, inputs(shop.plan, "desk.screen")).draws[0]
    chances = {
        draw.slot.action_ids[row]: chance
        for row, chance in zip(draw.kept, draw.probabilities, strict=True)
    }
    assert chances["card"] == chances["parcel"] == 0.0
    assert all(chances[action] > 0 for action in ("no_action", "coat", "shirt"))
    assert math.isclose(sum(chances.values()), 1.0)


def test_rules_heed_neither_scores_nor_floors_nor_levers(make_shop, inputs):
    more = """
  - id: try_all
    kind: exploration
    description: Everything a little.
    floor: 0.1
  - id: pushed
    kind: lever
    description: The shirt counts ten times.
    applies_to: {actions: [shirt]}
    weight: 10
  - id: left_alone"""
    shop: Shop = make_shop(policies=("\n  - id: left_alone", more))
    for seed in range(10):
        (choice,) = decide(shop.plan, inputs(shop.plan, "web.rules", seed=seed)).decision.choices
        assert (choice.action, choice.probability) == ("coat", 1.0)
        assert choice.reasons == ("highest_priority",)


BRANCH = "autonomy: assisted, max_count: 4, branch: {dimension: product, depth: 1}}\nactions:"


def test_assisted_explores_within_the_branch_of_the_highest_priority(make_shop, inputs):
    shop: Shop = make_shop(
        c=("autonomy: assisted}\nactions:", BRANCH),
        ca=("    priority: 5\n  - id: parcel", "    priority: 1\n  - id: parcel"),
    )
    draw = decide(shop.plan, inputs(shop.plan, "desk.screen")).draws[0]
    left = {draw.slot.action_ids[row] for row in draw.kept[draw.probabilities > 0]}
    assert left == {"no_action", "coat", "shirt"}, "the shirt is in the coat's branch"
    without = decide(
        shop.plan, inputs(shop.plan, "desk.screen", actions=("card", "shirt", "parcel"))
    )
    draw = without.draws[0]
    left = {draw.slot.action_ids[row] for row in draw.kept[draw.probabilities > 0]}
    assert left == {"no_action", "card"}, "without the coat, credit comes first"


def test_assisted_goes_on_to_the_next_branch_when_one_is_used_up(make_shop, inputs):
    shop: Shop = make_shop(
        c=("autonomy: assisted}\nactions:", BRANCH), policies=("limit: 2", "limit: 9")
    )
    orders = {
        tuple(chosen(decide(shop.plan, inputs(shop.plan, ("desk.screen", 4), seed=seed))))
        for seed in range(200)
    }
    fashion = [set(order[:2]) for order in orders if len(order) > 2]
    assert fashion
    assert all(pair == {"coat", "shirt"} for pair in fashion)
    assert {order[2] for order in orders if len(order) > 2} == {"card"}


def test_actions_of_no_branch_are_one_of_their_own(make_shop, inputs):
    branch = "autonomy: assisted, branch: {dimension: channel}}\nactions:"
    shop: Shop = make_shop(c=("autonomy: assisted}\nactions:", branch))
    draw = decide(shop.plan, inputs(shop.plan, "desk.screen")).draws[0]
    assert (draw.probabilities > 0).all()


def test_bounds_on_exploration_hold_for_every_probability(make_shop, inputs):
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
    shop: Shop = make_shop(policies=("\n  - id: left_alone", bounds))
    shop.promote(stump(3.0, 3.0))
    draw = decide(shop.plan, inputs(shop.plan)).draws[0]
    chances = {
        draw.slot.action_ids[row]: chance
        for row, chance in zip(draw.kept, draw.probabilities, strict=True)
    }
    assert chances["card"] == pytest.approx(0.2)
    for action in ("card", "coat", "shirt", "parcel"):
        assert chances[action] >= 0.05 - 1e-12
    assert math.isclose(sum(chances.values()), 1.0)


def test_an_arbiter_replaces_arbitration_and_never_the_guardrails(shop, inputs):
    seen = []

    def most_valuable(given):
        seen.append(given)
        chances = np.zeros(len(given.actions))
        chances[np.argmax(given.scores)] = 1.0
        return chances

    decided = decide(shop.plan, inputs(shop.plan, age=10.0), most_valuable)
    assert "card" not in seen[0].actions, "the customer is ten"
    assert seen[0].actions[0] == NO_ACTION
    assert chosen(decided) == ["coat"]
    assert decided.decision.choices[0].probability == 1.0
