"""Changes of rewards are noticed in whatever unit they come, and turns of choice are none."""

import numpy as np
import pytest

from nba.bandits.change import MOST_ERROR
from nba.bandits.reward_change import LEAST_ERRORS, RewardChangeDetector


def detector(n=3):
    return RewardChangeDetector(n, 4.0)


def alarms(made, actions, errors, forgetting=1.0):
    """Return when the alarm was raised."""
    pairs = zip(actions, errors, strict=True)
    return [
        turn
        for turn, (action, error) in enumerate(pairs)
        if made.observe(action, error, 1.0, forgetting)
    ]


def test_an_error_is_judged_by_those_of_all_actions_while_there_are_few_of_its_own():
    """4, 16 and 1 of one action, then 25 of another, each by the mean with itself."""
    made = detector()
    alarms(made, [0, 0, 0, 1], [2.0, -4.0, 1.0, 5.0])
    expected = [1.0, 16.0 / (20.0 / 2.0), 1.0 / (21.0 / 3.0), 25.0 / (46.0 / 4.0)]
    assert made.detector.errors[:4].tolist() == pytest.approx(expected)


def test_an_error_is_judged_by_those_of_its_own_action_where_there_are_enough():
    """After twenty of 2 and one of 100 of another, 9 by the mean of the twenty and itself."""
    made = detector()
    assert alarms(made, [0] * int(LEAST_ERRORS), [2.0] * int(LEAST_ERRORS)) == []
    alarms(made, [1, 0], [100.0, 3.0])
    assert made.detector.errors[21] == pytest.approx(9.0 / ((20 * 4.0 + 9.0) / 21.0))


def test_errors_are_cut_where_they_count_and_where_they_are_expected():
    """After thirty of 1, a squared error of 10,000 is 10 times 10,030/31 and no more."""
    made = detector()
    assert alarms(made, [0] * 30, [1.0] * 30) == []
    alarms(made, [0], [100.0])
    assert made.detector.errors[30] == MOST_ERROR
    assert made.spread[0].tolist() == pytest.approx([31.0, 30.0 + MOST_ERROR * 10_030.0 / 31.0])


def test_where_nothing_ever_varied_it_stays_quiet_and_notices_when_something_does():
    made = detector()
    assert alarms(made, [0] * 600, [0.0] * 600) == []
    assert alarms(made, [0] * 100, np.random.default_rng(1).normal(size=100))


def test_what_counts_for_half_varies_twice_as_much_and_what_counts_thrice_no_less():
    whole, half, thrice = (detector() for _ in range(3))
    for error in np.random.default_rng(1).normal(size=50):
        whole.observe(0, error, 1.0, 1.0)
        half.observe(0, error * np.sqrt(2.0), 0.5, 1.0)
        thrice.observe(0, error, 3.0, 1.0)
    assert half.detector.errors == pytest.approx(whole.detector.errors)
    assert thrice.detector.errors.tolist() == whole.detector.errors.tolist()


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_a_change_is_noticed_soon_in_any_unit(unit):
    """Rewards that were off by 1 are off by 2.5: in five runs of five within 100 observations."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        actions = rng.integers(0, 3, 1_600)
        errors = rng.normal(size=1_600) * np.where(np.arange(1_600) < 1_500, 1.0, 2.5) * unit
        (raised,) = alarms(detector(), actions, errors)
        assert 1_500 < raised < 1_600


def test_it_stays_quiet_while_choice_turns_to_actions_that_vary_more():
    """From one that pays 1 in 200 times to one that pays every other time, and 30 times as much."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        turned = rng.random(4_000) < np.linspace(0.0, 1.0, 4_000)
        rates, amounts = np.where(turned, 0.5, 0.005), np.where(turned, 30.0, 1.0)
        errors = ((rng.random(4_000) < rates) - rates) * amounts
        assert alarms(detector(), turned.astype(int), errors) == []


def test_it_stays_quiet_while_the_fit_gets_better():
    for seed in range(10):
        errors = np.random.default_rng(seed).normal(size=4_000) * np.linspace(3.0, 1.0, 4_000)
        assert alarms(detector(), [0] * 4_000, errors) == []


def test_what_an_action_showed_is_forgotten_bit_by_bit_or_at_once_and_others_come_later():
    made = detector(2)
    alarms(made, [1, 1, 1], [2.0, 4.0, 6.0], forgetting=0.5)
    assert made.spread[1].tolist() == [1.75, 36.0 + 0.5 * 16.0 + 0.25 * 4.0]
    made.grow(3)
    assert made.spread[1:].tolist() == [[1.75, 45.0], [0.0, 0.0]]
    made.reset(np.array([1]))
    assert made.spread.tolist() == [[0.0, 0.0]] * 3
