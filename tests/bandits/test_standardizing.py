"""Standardization follows what was seen, adds up exactly, and moves only when it is told to."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits.standardizing import Standardizer

values = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(-1.0, 1.0) | st.just(math.nan)),
    min_size=1,
    max_size=30,
)


def seen(rows):
    frame = Standardizer(2)
    for row in rows:
        frame.observe(np.array(row))
    return frame


@given(values)
def test_moments_are_those_of_all_values_that_were_not_missing(rows):
    frame = seen(rows)
    for column, known in enumerate(np.array(rows).T):
        here = known[~np.isnan(known)]
        assert frame.seen[column] == len(here)
        if len(here):
            assert frame.means[column] == pytest.approx(here.mean(), abs=1e-6)
            assert frame.squares[column] == pytest.approx(
                here.var() * len(here), rel=1e-6, abs=1e-3
            )


@given(values, values)
def test_two_added_are_one_that_saw_all(first, second):
    added, whole = seen(first), seen(first + second)
    added.add(seen(second))
    for ours, expected in zip(added.moments, whole.moments, strict=True):
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-3)


@given(values, values)
def test_the_change_of_frame_turns_old_inputs_into_new_ones(first, second):
    frame = seen(first)
    frame.move()
    x = np.array([3.0, -0.5])
    before = frame.inputs(x)
    for row in second:
        frame.observe(np.array(row))
    assert np.array_equal(frame.inputs(x), before)
    change = frame.move()
    assert change @ before == pytest.approx(frame.inputs(x), rel=1e-6, abs=1e-6)


def test_inputs_are_a_bias_and_standard_deviations_from_the_mean_zero_where_missing():
    frame = seen([(1.0, 0.0), (3.0, math.nan)])
    frame.move()
    assert frame.inputs(np.array([4.0, math.nan])).tolist() == [1.0, 2.0, 0.0]
    assert frame.inputs(np.array([2.0, 0.25])).tolist() == [1.0, 0.0, 0.25]


def test_a_wild_feature_is_bounded_where_inputs_are():
    frame = seen([(1.0, 0.0), (3.0, 1.0)])
    frame.move()
    assert frame.bounded_inputs(np.array([1e50, 0.5])).tolist() == [1.0, 10.0, 0.0]


def test_a_frame_can_be_taken_over():
    frame, other = seen([(1.0, 0.0), (3.0, 1.0)]), seen([(10.0, 2.0), (30.0, 6.0)])
    frame.move()
    other.move()
    x = np.array([7.0, 0.3])
    before = frame.inputs(x)
    assert frame.move_to(other) @ before == pytest.approx(other.inputs(x))
    assert np.array_equal(frame.inputs(x), other.inputs(x))
