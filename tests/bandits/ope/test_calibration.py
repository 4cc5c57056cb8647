"""The sum of 1 / p of each action is how often it could have been taken."""

import math

import numpy as np
import pytest

from nba.bandits.ope import LoggedData, calibrate
from nba.errors import InputError


def test_five_rows_by_hand():
    data = LoggedData(np.array([0, 0, 1, 0, 1]), np.zeros(5), np.array([0.5, 0.5, 0.5, 1.0, 0.25]))
    zero, one, two = calibrate(
        data,
        n_actions=3,
        possible=np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]]),
    )
    assert (zero.rows, zero.possible, zero.inverse) == (3, 5, 5.0)
    assert zero.z == 0.0
    # Excesses -1, -1, 1, 0, 3: their sum 2, deviations from .4 with squares adding up to 11.2
    assert (one.rows, one.possible, one.inverse) == (2, 4, 6.0)
    assert one.z == pytest.approx(2 / math.sqrt(11.2))
    assert (two.rows, two.possible) == (0, 2)
    assert math.isnan(two.z)
    assert not any(found.is_off for found in (zero, one, two))


def drawn(n, claimed):
    actions = (np.random.default_rng(1).random(n)[:, None] > [0.2, 0.5, 1.0]).sum(axis=1)
    return calibrate(LoggedData(actions, np.zeros(n), np.array(claimed)[actions]), n_actions=3)


def test_probabilities_really_used_are_not_off():
    assert not any(found.is_off for found in drawn(20_000, [0.2, 0.3, 0.5]))


def test_the_action_whose_probabilities_were_not_used_is_found():
    assert [found.is_off for found in drawn(20_000, [0.2, 0.4, 0.5])] == [False, True, False]


def test_what_was_taken_must_have_been_possible():
    data = LoggedData(np.array([0, 1]), np.zeros(2), np.ones(2))
    with pytest.raises(InputError, match="/possible/1: 1 rows took an action that was not"):
        calibrate(data, n_actions=2, possible=np.array([[True, True], [True, False]]))
    with pytest.raises(InputError, match=r"found shape \(2, 3\)"):
        calibrate(data, n_actions=2, possible=np.ones((2, 3)))


def test_one_customer_says_nothing_of_the_probabilities():
    data = LoggedData(np.array([0, 1, 1]), np.zeros(3), np.full(3, 0.5), np.zeros(3, dtype=int))
    assert [math.isnan(found.z) for found in calibrate(data, n_actions=2)] == [True, True]
