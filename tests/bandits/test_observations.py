"""Observations are checked whole before anything is learned."""

import math

import numpy as np
import pytest

from nba.bandits.observations import (
    as_action_features,
    as_numbers,
    as_observations,
    as_rows,
    as_situation,
)
from nba.errors import InputError


def check(X, actions, rewards, weights=None, chances=None):
    return as_observations(X, actions, rewards, weights, chances, n_features=2, n_actions=3)


def test_good_observations_come_back_as_arrays_with_weights_of_one():
    features, chosen, earned, counted, chances = check([[1, math.nan], [2, 3]], [2, 0], [0.5, -1e6])
    assert features.tolist()[1] == [2.0, 3.0]
    assert math.isnan(features[0, 1])
    assert (chosen.tolist(), earned.tolist(), counted.tolist()) == ([2, 0], [0.5, -1e6], [1, 1])
    assert chances.tolist() == [1, 1]
    assert chosen.dtype == np.intp


def test_every_fault_is_named_by_its_place():
    with pytest.raises(InputError) as caught:
        check([[1, 1e51], [2, 3]], [3, 0.5], [math.nan, 1e9], [0.0, 1e7], [0.0, 1.1])
    assert [fault.place for fault in caught.value.faults] == [
        "/X/0/1",
        "/actions/0",
        "/actions/1",
        "/rewards/0",
        "/rewards/1",
        "/weights/0",
        "/weights/1",
        "/probabilities/0",
        "/probabilities/1",
    ]


def test_shapes_are_checked_first():
    with pytest.raises(InputError) as caught:
        check([[1.0]], [0], [1.0, 2.0], [1.0, 1.0])
    assert [fault.place for fault in caught.value.faults] == ["/X", "/rewards", "/weights"]


def test_a_situation_has_its_shape_and_may_have_missing_features():
    assert as_situation([1, 2], 2).tolist() == [1.0, 2.0]
    assert np.isnan(as_situation([math.nan], 1)).all()
    with pytest.raises(InputError, match=r"^/x: found shape \(1, 2\); \(2,\) is expected"):
        as_situation([[1, 2]], 2)
    with pytest.raises(InputError, match=r"^/x/1: found inf"):
        as_situation([1, math.inf], 2)


def test_actions_are_whole_numbers_within_bounds():
    assert as_rows([2, 0], 3).tolist() == [2, 0]
    assert as_rows([], 0).tolist() == []
    assert as_rows([-1], 0, least=-1).tolist() == [-1]
    with pytest.raises(InputError, match=r"^/actions/1: found 3; a whole number below 3"):
        as_rows([0, 3], 3)
    with pytest.raises(InputError, match=r"^/actions/0: found -1"):
        as_rows([-1], 3)
    with pytest.raises(InputError, match=r"^/actions/0: found 0.5"):
        as_rows([0.5], 3)


def test_what_tells_actions_apart_is_finite_and_no_less_than_before():
    assert as_action_features([[1, 2]], 1).tolist() == [[1.0, 2.0]]
    with pytest.raises(
        InputError, match=r"^/action_features: found shape \(1, 1\); actions with at"
    ):
        as_action_features([[1.0]], 2)
    with pytest.raises(InputError, match=r"^/action_features/0/1: found inf"):
        as_action_features([[1.0, math.inf]], 2)


@pytest.mark.parametrize("words", ["many", ["1", "x"], [1.0, object()], [[1.0], [2.0, 3.0]]])
def test_what_are_no_numbers_is_refused_with_its_place(words):
    with pytest.raises(InputError, match=r"^/rewards: not all are numbers; numbers"):
        as_numbers("/rewards", words)
