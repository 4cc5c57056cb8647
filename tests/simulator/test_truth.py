"""The known truth: bounded, as stated, and different for different customers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.simulator.tastes import draw_tastes
from nba.simulator.truth import Exposure, Truth

NOW = 1_741_000_000_000
WEB = {"daypart": "evening", "device": "desktop", "page_category": "home", "basket_value": 0.0}


def values(world, customer, placement="web.home.hero", context=None, **exposure):
    return world.truth.probabilities(
        customer,
        world.truth.placement_index[placement],
        at_ms=NOW,
        context=WEB if context is None else context,
        exposure=Exposure(**exposure),
    )


@given(
    customer=st.integers(0, 599),
    placement=st.integers(0, 9),
    at_ms=st.integers(NOW, NOW + 400 * 86_400_000),
    contacts=st.floats(0, 50),
    lapses=st.integers(0, 5),
    page=st.sampled_from(["fashion", "home", "kids", "other"]),
    reason=st.sampled_from(["order", "complaint", "credit"]),
    basket=st.floats(0, 1_000),
)
def test_probabilities_are_bounded(
    world, customer, placement, at_ms, contacts, lapses, page, reason, basket
):
    found = world.truth.probabilities(
        customer,
        placement,
        at_ms=at_ms,
        context={"page_category": page, "call_reason": reason, "basket_value": basket},
        exposure=Exposure(contacts, lapses),
    )
    assert found.shape == (len(world.catalog.actions),)
    assert (found > 0.0).all()
    assert (found < 1.0).all()


def test_equal_seeds_make_equal_truth(project):
    truths = [Truth(project.catalog, draw_tastes(5, 30), seed=5) for _ in range(2)]
    rows = [t.expected_values(3, 1, at_ms=NOW, context=WEB).tolist() for t in truths]
    assert rows[0] == rows[1]


def test_expected_value_is_chance_times_value_less_cost(world):
    action = next(action for action in world.catalog.actions if action.id == "garden_opening")
    chance = values(world, 5)[world.truth.action_index[action.id]]
    found = world.truth.expected_value(
        5, "garden_opening", placement="web.home.hero", content=None, at_ms=NOW, context=WEB
    )
    assert found == pytest.approx(chance * action.value - action.cost)
    row = world.truth.expected_values(
        5, world.truth.placement_index["web.home.hero"], at_ms=NOW, context=WEB
    )
    assert row[world.truth.action_index[action.id]] == pytest.approx(found)


def test_no_action_is_worth_what_happens_anyway(world):
    found = world.truth.expected_value(
        5, "no_action", placement="email.body", content=None, at_ms=NOW, context={}
    )
    value = next(action.value for action in world.catalog.actions if action.is_no_action)
    assert found == pytest.approx(world.truth.organic(5) * value)


def test_an_effect_adds_to_what_would_be_bought_anyway(world):
    """1 - (1 - effect)(1 - organic x share), worked out from its parts."""
    truth = world.truth
    placement = truth.placement_index["web.home.hero"]
    effects = truth.effects(7, placement, at_ms=NOW, context=WEB, exposure=Exposure())
    garden = truth.action_index["garden_opening"]
    share = world.tastes.categories[7, 1]
    expected = 1 - (1 - effects[garden]) * (1 - truth.organic(7) * share)
    assert values(world, 7)[garden] == pytest.approx(expected)
    club = truth.action_index["club_join"]
    assert values(world, 7)[club] == pytest.approx(effects[club])


def test_fatigue_lowers_response(world):
    fresh, tired, driven_away = (
        values(world, 9),
        values(world, 9, contacts=3),
        values(world, 9, contacts=3, lapses=1),
    )
    offers = [index for index in range(len(fresh)) if index != world.truth.no_action]
    assert (tired[offers] < fresh[offers]).all()
    assert (driven_away[offers] < tired[offers]).all()
    assert tired[world.truth.no_action] == fresh[world.truth.no_action]


def test_three_contacts_cost_a_promotion_their_logits(world):
    club = world.truth.action_index["club_join"]
    logits = [
        np.log(p[club] / (1 - p[club])) for p in (values(world, 9), values(world, 9, contacts=3))
    ]
    assert logits[0] - logits[1] == pytest.approx(3 * 0.15)


def test_the_page_speaks_for_what_it_shows(world):
    index = world.truth.action_index
    home, fashion = (values(world, 4, context={"page_category": p}) for p in ("home", "fashion"))
    assert home[index["kitchen_starter"]] > fashion[index["kitchen_starter"]]
    assert home[index["shoes_weekend"]] < fashion[index["shoes_weekend"]]


def test_contents_shift_the_effect_by_their_own_logits(world):
    truth = world.truth
    content = next(c.id for c in world.catalog.contents if c.action == "garden_opening")
    shifted = truth.content_effect(0.1, content)
    assert shifted != pytest.approx(0.1)
    assert truth.content_effect(0.1, None) == pytest.approx(0.1)
    assert truth.content_effect(0.0, content) == 0.0
    odds = (shifted / (1 - shifted)) / (0.1 / 0.9)
    again = truth.content_effect(0.3, content)
    assert (again / (1 - again)) / (0.3 / 0.7) == pytest.approx(odds)


def test_mean_response_is_about_the_believed_rate(world):
    """The catalog's base rates are informed guesses: right within a third in a plain situation."""
    placement = world.truth.placement_index["email.body"]
    rows = [
        world.truth.effects(c, placement, at_ms=NOW, context={}, exposure=Exposure())
        for c in range(600)
    ]
    means = np.mean(rows, axis=0)
    ratios = [
        means[i] / a.base_rate for i, a in enumerate(world.catalog.actions) if not a.is_no_action
    ]
    assert 0.8 < np.exp(np.mean(np.log(ratios))) < 1.25
    assert 0.4 < min(ratios) < max(ratios) < 2.5


def test_customers_differ_in_what_is_best_for_them(world):
    placement = world.truth.placement_index["web.home.hero"]
    rows = np.array(
        [
            world.truth.expected_values(c, placement, at_ms=NOW, context={"daypart": "evening"})
            for c in range(600)
        ]
    )
    promotional = [
        i for i, a in enumerate(world.catalog.actions) if a.message_class == "promotional"
    ]
    rows = rows[:, promotional]
    best, share = np.unique(rows.argmax(axis=1), return_counts=True)
    assert len(best) >= 8
    assert share.max() < 300
    assert 1.3 < rows.max(axis=1).mean() / rows.mean(axis=0).max() < 3.0
