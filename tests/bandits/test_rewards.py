"""Outcomes become rewards on a stated scale, and nonsense is refused by its place."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits import BinaryReward, MoneyReward, WeightedGoals, median_of_means
from nba.errors import InputError

amounts = st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=30)


def test_binary_outcomes_are_zero_and_one():
    assert BinaryReward()([True, False, 0.25]).tolist() == [1.0, 0.0, 0.25]


@given(amounts, st.floats(1e-3, 1e7))
def test_money_stays_within_one_and_keeps_its_order(given_amounts, cap):
    rewards = MoneyReward(cap)(given_amounts)
    assert (np.abs(rewards) <= 1.0).all()
    assert (np.diff(rewards[np.argsort(given_amounts)]) >= 0.0).all()


def test_the_cap_is_the_quantile_of_what_is_not_zero():
    """Of 1 to 100 among as many zeros, 90 in 100 are at most 90.1."""
    given_amounts = np.concatenate([np.zeros(100), np.arange(1.0, 101.0)])
    assert MoneyReward.fitted(given_amounts, share=0.9).cap == pytest.approx(90.1)


def test_one_wild_spender_moves_capped_rewards_little():
    rng = np.random.default_rng(1)
    usual = rng.lognormal(3.0, 1.0, 2_000)
    reward = MoneyReward.fitted(usual)
    before = reward(usual).mean()
    after = reward([*usual, 1e7]).mean()
    assert after == pytest.approx(before, rel=0.01)
    assert np.mean([*usual, 1e7]) > 100 * usual.mean()


@given(amounts, st.integers(1, 40))
def test_the_median_of_means_is_that_of_its_parts(values, blocks):
    parts = [list(part) for part in np.array_split(values, min(blocks, len(values)))]
    expected = float(np.median([sum(part) / len(part) for part in parts]))
    assert median_of_means(values, blocks=blocks) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_fewer_wild_amounts_than_half_the_blocks_do_not_move_the_median_of_means():
    values = np.full(80, 5.0)
    values[[3, 30, 70]] = 1e7
    assert median_of_means(values, blocks=8) == 5.0


def test_goals_count_by_their_weights():
    """(2 · 1 + 1 · 0.5 - 1 · 1) / 4."""
    goals = WeightedGoals({"buy": 2.0, "visit": 1.0, "leave": -1.0})
    assert goals({"buy": [1.0], "visit": [0.5], "leave": [1.0]}).tolist() == [0.375]


@given(st.lists(st.floats(-9.0, 9.0), min_size=1, max_size=4).filter(any), st.data())
def test_goals_in_range_give_a_reward_in_range(weights, data):
    goals = WeightedGoals({str(number): weight for number, weight in enumerate(weights)})
    rewards = {
        goal: data.draw(st.lists(st.floats(-1, 1), min_size=2, max_size=2))
        for goal in goals.weights
    }
    assert (np.abs(goals(rewards)) <= 1.0 + 1e-12).all()


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1e9, -1e9])
def test_what_is_no_amount_is_refused_by_its_place(wrong):
    for call in (MoneyReward(10.0), MoneyReward.fitted, median_of_means):
        with pytest.raises(InputError, match=r"^/outcomes/1: found .* an amount within ±1e7"):
            call([1.0, wrong])


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 2.0])
def test_what_is_neither_yes_nor_no_is_refused(wrong):
    with pytest.raises(InputError, match=r"^/outcomes/0: found .* from 0 to 1"):
        BinaryReward()([wrong])


def test_another_shape_is_refused():
    with pytest.raises(InputError, match=r"^/outcomes: found shape \(1, 2\)"):
        BinaryReward()([[0.0, 1.0]])


@pytest.mark.parametrize("cap", [0.0, -1.0, math.nan, 1e8])
def test_a_cap_out_of_range_is_refused(cap):
    with pytest.raises(InputError, match=r"^/cap: found"):
        MoneyReward(cap)


def test_no_amount_to_fit_to_is_refused():
    with pytest.raises(InputError, match=r"^/amounts: all are 0"):
        MoneyReward.fitted([0.0, 0.0])
    with pytest.raises(InputError, match=r"^/values: found 0 values"):
        median_of_means([])


@pytest.mark.parametrize(
    ("weights", "rewards", "message"),
    [
        ({}, {}, "^/weights: none is other than 0"),
        ({"a": 0.0}, {"a": [1.0]}, "^/weights: none is other than 0"),
        ({"a": math.nan}, {"a": [1.0]}, "^/weights/a: found nan"),
        ({"a": 1.0}, {"b": [1.0]}, r"^/rewards: found goals \['b'\]; \['a'\] are expected"),
        ({"a": 1.0}, {"a": [0.5, 1e9]}, r"^/rewards/a/1: found 1000000000.0; a number from -1"),
        ({"a": 1.0, "b": 1.0}, {"a": [1.0], "b": [1.0, 0.0]}, r"^/rewards/b: found shape \(2,\)"),
    ],
)
def test_goals_that_do_not_fit_together_are_refused(weights, rewards, message):
    with pytest.raises(InputError, match=message):
        WeightedGoals(weights)(rewards)
