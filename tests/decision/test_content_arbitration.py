"""Variants: exact chances by what each is expected to bring, within bounds of their own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits import UCB, BanditSettings, Greedy, OnlineLogistic, SquareCB
from nba.decision.content_arbitration import (
    ContentArbitration,
    compile_content_arbitration,
    probabilities_or_even,
)
from nba.domain.catalog import Autonomy

SETTINGS = BanditSettings(features=("age",), forgetting=1.0)
SQUARECB = SquareCB(20.0, doubt=0.0)
LOGIT, STAKE, Z = -2.0, 8.0, np.array([30.0])
OBSERVATIONS = st.lists(st.tuples(st.integers(0, 4), st.floats(18, 80), st.booleans()), max_size=40)


def arbitration(
    learned: OnlineLogistic, n: int = 5, *, floor: float = 0.1, explorer=SQUARECB
) -> ContentArbitration:
    competing = tuple(f"c{number}" for number in range(n))
    return ContentArbitration(
        explorer=explorer,
        reward_scale=50.0,
        floor=floor,
        competing=competing,
        columns=np.arange(n),
        learner=learned.bind(competing),
        counts=np.array([learned.count(content) for content in competing]),
    )


def taught(observations) -> OnlineLogistic:
    learned = OnlineLogistic(SETTINGS)
    for content, age, clicked in observations:
        learned.update(f"c{content}", LOGIT, [age], float(clicked))
    return learned


def by_hand(learned: OnlineLogistic, contents: list[int], age: float, floor: float) -> list[float]:
    """Work the chances out one by one: inverse gaps, then the one factor that keeps the floor."""
    values, seen = [], 0.0
    for content in contents:
        bound = learned.bind([f"c{content}"])
        logit = float(bound.logits(np.array([LOGIT]), [age])[0])
        values.append(STAKE / (1.0 + math.exp(-logit)) / 50.0)
        seen += learned.count(f"c{content}")
    n, best = len(values), max(values)
    gamma = 20.0 * math.sqrt(int(seen) + 1)
    chances = [1.0 / (n + gamma * (best - value)) if value < best else 0.0 for value in values]
    rest = (1.0 - sum(chances)) / values.count(best)
    chances = [
        chance if value < best else rest for chance, value in zip(chances, values, strict=True)
    ]
    low, high = 0.0, 1.0
    for _ in range(200):
        factor = (low + high) / 2
        total = sum(max(factor * chance, floor / n) for chance in chances)
        low, high = (factor, high) if total < 1.0 else (low, factor)
    return [max(low * chance, floor / n) for chance in chances]


@given(OBSERVATIONS, st.lists(st.integers(0, 4), min_size=2, unique=True), st.floats(18, 80))
def test_chances_are_those_worked_out_by_hand(observations, contents, age):
    learned = taught(observations)
    chooses = arbitration(learned, floor=0.3)
    found = chooses.probabilities(np.array(contents), LOGIT, np.array([age]), STAKE)
    assert found == pytest.approx(by_hand(learned, contents, age, 0.3), abs=1e-9)


@given(OBSERVATIONS, st.floats(0.0, 1.0), st.floats(18, 80))
def test_every_variant_has_its_part_of_the_floor_exactly(observations, floor, age):
    chooses = arbitration(taught(observations), floor=floor, explorer=Greedy())
    found = chooses.probabilities(np.arange(5), LOGIT, np.array([age]), STAKE)
    assert math.isclose(found.sum(), 1.0, abs_tol=1e-12)
    assert found.min() >= floor / 5 * (1.0 - 1e-12)
    losers = found < found.max()
    assert found[losers] == pytest.approx(np.full(losers.sum(), floor / 5), abs=1e-12)


@given(OBSERVATIONS, st.permutations(range(5)))
def test_the_order_of_variants_does_not_matter(observations, order):
    chooses = arbitration(taught(observations))
    ordered = chooses.probabilities(np.arange(5), LOGIT, Z, STAKE)
    found = chooses.probabilities(np.array(order), LOGIT, Z, STAKE)
    assert found == pytest.approx(ordered[order], abs=1e-12)


def test_what_nobody_has_seen_corrects_nothing_and_takes_turns():
    chooses = arbitration(OnlineLogistic(SETTINGS))
    variants = np.array([0, 3, 4])
    assert chooses.propensities(variants, LOGIT, Z) == pytest.approx(
        np.full(3, 1.0 / (1.0 + math.exp(2.0))), abs=1e-15
    )
    assert chooses.probabilities(variants, LOGIT, Z, STAKE).tolist() == [1 / 3] * 3


def test_what_is_worth_nothing_takes_turns_whatever_was_learned():
    chooses = arbitration(taught([(0, 30.0, True)] * 20 + [(1, 30.0, False)] * 20))
    assert chooses.probabilities(np.arange(2), LOGIT, Z, 0.0).tolist() == [0.5, 0.5]
    first, second = chooses.probabilities(np.arange(2), LOGIT, Z, STAKE)
    assert first > second


def test_exploration_narrows_with_observations_of_these_variants_alone():
    seen = [(0, 30.0, True)] * 10 + [(1, 30.0, False)] * 10
    few, many = taught(seen), taught(seen + [(4, 30.0, True)] * 400)
    values = [
        arbitration(learned).probabilities(np.arange(2), LOGIT, Z, STAKE) for learned in (few, many)
    ]
    # The others move the features' standardization, and nothing else.
    assert values[0] == pytest.approx(values[1], abs=0.02)


def test_an_explorer_that_asks_is_told_how_sure_the_values_are():
    learned = taught([(0, 30.0, False)] * 200)
    optimist = arbitration(learned, 2, floor=0.0, explorer=UCB())
    assert optimist.probabilities(np.arange(2), LOGIT, Z, STAKE).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_was_learned_and_is_not_finite_gives_even_chances_and_says_so(broken):
    learned = taught([(0, 30.0, True)])
    learned._mean[0, 0] = broken
    chooses = arbitration(learned)
    found, usable = probabilities_or_even(chooses, np.arange(4), LOGIT, Z, STAKE)
    assert (found.tolist(), usable) == ([0.25] * 4, False)
    found, usable = probabilities_or_even(chooses, np.arange(1, 4), LOGIT, Z, STAKE)
    assert usable, "those left are sound"


@pytest.mark.parametrize(("logit", "feature"), [(np.nan, 30.0), (LOGIT, 1e200)])
def test_inputs_that_are_no_numbers_give_even_chances_and_say_so(logit, feature):
    chooses = arbitration(taught([(0, 30.0, True)]))
    found, usable = probabilities_or_even(chooses, np.arange(2), logit, np.array([feature]), STAKE)
    assert (found.tolist(), usable) == ([0.5, 0.5], False)


def test_with_nothing_to_go_by_chances_are_even():
    assert probabilities_or_even(None, np.arange(4), LOGIT, Z, STAKE)[0].tolist() == [0.25] * 4


def test_only_contents_with_another_beside_them_compete(shop):
    chooses = shop.plan.placements["web.hero"].content_arbitration
    assert chooses.competing == ("shirt.en.a", "shirt.en.b")
    rows = shop.plan.placements["web.hero"].contents.rows
    assert [rows[row].id for row in np.flatnonzero(chooses.columns >= 0)] == [*chooses.competing]
    assert shop.plan.placements["web.rules"].content_arbitration is None


def test_where_no_action_has_two_contents_nothing_is_compiled(make_shop):
    other = ("group: shirt, locale: en, placements: *all,\n     slots: {title: Your shirt}",) * 2
    alone = (other[0], other[1].replace("locale: en", "locale: de"))
    plan = make_shop(catalog=alone).plan
    assert {slot.content_arbitration for slot in plan.placements.values()} == {None}


def test_what_is_taught_is_what_would_be_compiled(shop):
    slot = shop.plan.placements["web.hero"]
    learned = OnlineLogistic(shop.project.bandit)
    for _ in range(20):
        learned.update("shirt.en.b", LOGIT, [30.0, 1.0], 1.0)
    compiled = compile_content_arbitration(
        slot.placement,
        slot.contents,
        shop.project.bandit,
        explorer=slot.arbitration.explorer,
        reward_scale=slot.arbitration.reward_scale,
        learned=learned,
    )
    variants, z = slot.contents.variants(slot.action_ids.index("shirt"), "en"), [30.0, 0.0]
    found, expected = (
        one.probabilities(variants, LOGIT, np.array(z), STAKE).tolist()
        for one in (slot.content_arbitration.taught(learned), compiled)
    )
    assert found == expected
    assert found[1] > 0.5
    rules = replace(slot.placement, autonomy=Autonomy.RULES)
    assert (
        compile_content_arbitration(
            rules,
            slot.contents,
            shop.project.bandit,
            explorer=slot.arbitration.explorer,
            reward_scale=1.0,
            learned=learned,
        )
        is None
    )
