"""Positions are told apart from what is shown in them, and rewards corrected by it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import PositionEffects, estimate_positions
from nba.bandits.positions import examination
from nba.errors import EvaluationRefusedError, InputError

EXAMINED = np.array([0.9, 0.5, 0.2])


def impressions(seed, m, wanted, favour=0.0):
    """Show items at random, the wanted ones more often in front, and click as the model says."""
    rng = np.random.default_rng(seed)
    items = rng.integers(0, len(wanted), m)
    positions = rng.integers(0, 3, m)
    front = rng.random(m) < favour * wanted[items] / wanted.max()
    positions[front] = 0
    clicks = rng.random(m) < EXAMINED[positions] * wanted[items]
    return positions, items, clicks


def test_chances_of_examination_are_found_where_better_items_stand_in_front():
    wanted = np.linspace(0.05, 0.6, 10)
    positions, items, clicks = impressions(1, 60_000, wanted, favour=0.8)
    effects = estimate_positions(positions, items, clicks)
    assert effects.examination == pytest.approx(EXAMINED / 0.9, abs=0.03)
    naive = [clicks[positions == place].mean() for place in range(3)]
    assert naive[1] / naive[0] < EXAMINED[1] / 0.9 - 0.1, "the plain rates are biased"


def test_corrected_rewards_are_those_of_the_first_position_on_average():
    wanted = np.array([0.3])
    positions, _, clicks = impressions(2, 40_000, wanted)
    effects = PositionEffects(EXAMINED / 0.9)
    corrected = effects.correct(clicks, positions)
    for place in range(3):
        assert corrected[positions == place].mean() == pytest.approx(0.27, abs=0.02)


def test_a_position_hardly_seen_is_bounded():
    assert PositionEffects(np.array([1.0, 1e-6]), least=0.1).correct([1.0], [1]).tolist() == [10.0]


def test_the_fit_is_the_maximum_of_the_likelihood():
    """No small step away from it explains the clicks better."""
    rng = np.random.default_rng(3)
    positions, items, clicks = impressions(3, 3_000, np.array([0.2, 0.4, 0.6]))
    found = estimate_positions(positions, items, clicks).examination

    def likelihood(examination):
        """Maximize over the items' chances on a fine grid, the positions' being given."""
        total = 0.0
        grid = np.linspace(0.005, 0.995, 199)
        for item in range(3):
            here = items == item
            chance = np.outer(grid, examination[positions[here]])
            hit = clicks[here]
            total += np.where(hit, np.log(chance), np.log1p(-chance)).sum(axis=1).max()
        return total

    best = likelihood(found)
    for _ in range(10):
        step = np.array([1.0, *np.exp(rng.normal(0.0, 0.1, 2))])
        assert likelihood(found * step) <= best + 0.05


def obvious(seen, hit):
    """Maximize by expectation-maximization from a half everywhere, for as long as it takes."""
    examined, wanted = np.full(seen.shape[0], 0.5), np.full(seen.shape[1], 0.5)
    for _ in range(20_000):
        both = np.outer(examined, wanted)
        looked = hit + (seen - hit) * (examined[:, None] - both) / (1.0 - both)
        liked = hit + (seen - hit) * (wanted - both) / (1.0 - both)
        examined = looked.sum(axis=1) / seen.sum(axis=1)
        wanted = liked.sum(axis=0) / seen.sum(axis=0)
    return examined / examined[0]


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.1, 0.5, 0.9]))
def test_where_the_search_starts_changes_nothing_but_how_long_it_takes(seed, most):
    rng = np.random.default_rng(seed)
    seen = rng.integers(200, 20_000, (3, 4)).astype(float)
    chances = np.outer([1.0, *rng.uniform(0.2, 1.0, 2)], rng.uniform(0.3, 1.0, 4) * most)
    hit = rng.binomial(seen.astype(int), chances).astype(float)
    assert examination(seen, hit) == pytest.approx(obvious(seen, hit), rel=1e-4)


def test_an_item_seen_once_and_clicked_moves_nothing():
    seen = np.array([[1_000.0, 1_000.0, 0.0], [1_000.0, 1_000.0, 1.0]])
    hit = np.array([[100.0, 200.0, 0.0], [50.0, 100.0, 1.0]])
    assert examination(seen, hit)[1] == pytest.approx(0.5, rel=1e-6)


def test_positions_that_no_item_links_are_refused():
    with pytest.raises(
        EvaluationRefusedError, match=r"no item links positions \[1\] to position 0"
    ):
        estimate_positions([0, 0, 1, 1], [0, 1, 2, 3], [1, 0, 1, 0])


def test_a_first_position_without_a_click_is_refused():
    with pytest.raises(EvaluationRefusedError, match="nothing was clicked in the first position"):
        estimate_positions([0, 1], [0, 0], [0, 1])


@pytest.mark.parametrize(
    ("positions", "items", "clicks", "message"),
    [
        ([0, 1], [0, 0], [0.5, 1], "^/clicks: not all are 0 or 1"),
        ([], [], [], "^/clicks"),
        ([0, -1], [0, 0], [0, 1], "^/positions/1: found -1"),
        ([0, 1], [0, 0.5], [0, 1], r"^/items/1: found 0\.5"),
        ([0], [0, 0], [0, 1], r"^/positions: found shape \(1,\)"),
    ],
)
def test_what_is_no_impression_is_refused(positions, items, clicks, message):
    with pytest.raises(InputError, match=message):
        estimate_positions(positions, items, clicks)


def test_a_position_not_estimated_or_a_reward_that_is_none_is_refused():
    effects = PositionEffects(np.array([1.0, 0.5]))
    with pytest.raises(InputError, match=r"^/positions/0: found 2; a whole number below 2"):
        effects.correct([1.0], [2])
    with pytest.raises(InputError, match=r"^/rewards: not all are finite"):
        effects.correct([np.nan], [0])


def test_items_may_have_any_number_and_positions_only_small_ones():
    positions, clicks = [0, 0, 1, 1] * 20, [1, 0, 1, 0] * 10 + [0, 1] * 20
    plain = estimate_positions(positions, [0, 1] * 40, clicks)
    named = estimate_positions(positions, [7, 4_006_381_333_931] * 40, clicks)
    assert named.examination.tolist() == plain.examination.tolist()
    with pytest.raises(InputError, match="found 1700000000; a whole number below 1,000"):
        estimate_positions([0, 1_700_000_000], [0, 0], [1, 0])
