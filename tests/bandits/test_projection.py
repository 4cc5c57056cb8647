"""Projection onto floors and ceilings: exact bounds, exact optimum, documented way out."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nba.bandits import project
from nba.errors import InputError

unit = st.floats(0.0, 1.0)
weight = st.sampled_from([0.0]) | st.floats(1e-9, 1.0)


@st.composite
def problems(draw):
    """Draw a distribution, some of it 0, and floors below ceilings that can be met or not."""
    n = draw(st.integers(1, 12))
    weights = np.array(draw(st.lists(weight, min_size=n, max_size=n)))
    assume(weights.sum() > 1e-3)
    bounds = np.sort(np.array(draw(st.lists(st.tuples(unit, unit), min_size=n, max_size=n))), 1)
    bounds[:, 0] *= draw(st.floats(0.0, 1.0))
    return weights / weights.sum(), bounds[:, 0], bounds[:, 1]


def by_bisection(p, low, high):
    """Find the scale c of clip(c · p, low, high) by halving its logarithm: slow and obvious."""
    floor, ceiling = 1e-30, 1e30
    for _ in range(200):
        c = math.sqrt(floor * ceiling)
        if np.clip(c * p, low, high).sum() < 1.0:
            floor = c
        else:
            ceiling = c
    return np.clip(ceiling * p, low, high)


@settings(deadline=None)  # the first example compiles
@given(problems())
def test_bounds_that_can_be_met_are_met_exactly(problem):
    p, low, high = problem
    assume(low.sum() < 1.0 < high.sum())
    q = project(p, low, high)
    assert (low <= q).all()
    assert (q <= high).all()
    assert abs(math.fsum(q) - 1.0) <= 1e-12


@settings(deadline=None)  # the first example compiles
@given(problems())
def test_it_is_the_clipped_scaling_found_by_bisection(problem):
    p, low, high = problem
    reachable = np.where(p > 0.0, high, low).sum()
    assume(low.sum() < 1.0 - 1e-9 and reachable > 1.0 + 1e-9)
    assert np.allclose(project(p, low, high), by_bisection(p, low, high), rtol=0.0, atol=1e-9)


@settings(deadline=None)  # the first example compiles
@given(problems())
def test_a_second_projection_changes_nothing(problem):
    p, low, high = problem
    q = project(p, low, high)
    assert np.allclose(project(q, low, high), q, rtol=0.0, atol=1e-12)


@settings(deadline=None)  # the first example compiles
@given(problems())
def test_bounds_that_cannot_be_met_still_give_a_distribution(problem):
    p, low, high = problem
    q = project(p, low, high)
    assert (q >= 0.0).all()
    assert abs(math.fsum(q) - 1.0) <= 1e-12


def test_a_distribution_within_bounds_is_returned_as_it_is():
    p = np.array([0.1, 0.2, 0.7])
    assert np.array_equal(project(p, np.zeros(3), np.ones(3)), p)


def test_a_floor_takes_from_the_others_in_proportion():
    q = project([0.6, 0.4, 0.0], [0.0, 0.0, 0.1], [1.0, 1.0, 1.0])
    assert q == pytest.approx([0.54, 0.36, 0.1], abs=1e-15)


def test_a_ceiling_gives_to_the_others_in_proportion():
    q = project([0.8, 0.15, 0.05], [0.0] * 3, [0.6, 1.0, 1.0])
    assert q == pytest.approx([0.6, 0.3, 0.1], abs=1e-15)


def test_what_ceilings_leave_over_goes_to_improbable_candidates_as_equals():
    q = project([1.0, 0.0, 0.0], [0.0, 0.3, 0.0], [0.5, 1.0, 1.0])
    assert q == pytest.approx([0.5, 0.3, 0.2], abs=1e-15)


def test_floors_beyond_one_are_scaled_down():
    assert project([0.5, 0.5], [0.9, 0.6], [1.0, 1.0]) == pytest.approx([0.6, 0.4], abs=1e-15)


def test_ceilings_below_one_are_scaled_up():
    assert project([0.5, 0.5], [0.0, 0.0], [0.2, 0.6]) == pytest.approx([0.25, 0.75], abs=1e-15)


def test_ceilings_of_zero_leave_the_probabilities_as_they_are():
    assert project([0.2, 0.8], [0.0, 0.1], [0.0, 0.0]).tolist() == [0.2, 0.8]


def test_one_candidate_is_certain_under_any_ceiling():
    assert project([1.0], [0.01], [0.3]).tolist() == [1.0]


def test_probabilities_near_the_smallest_float_take_what_ceilings_leave():
    q = project([5e-324, 0.0, 1.0], [0.0] * 3, [1.0, 1.0, 0.4])
    assert q == pytest.approx([0.6, 0.0, 0.4], abs=1e-15)


def test_a_floor_above_its_ceiling_is_lowered_to_it():
    assert project([0.5, 0.5], [0.4, 0.0], [0.1, 1.0]) == pytest.approx([0.1, 0.9], abs=1e-15)


def test_ten_thousand_candidates_with_a_floor_each():
    p = np.zeros(10_000)
    p[3] = 1.0
    q = project(p, np.full(10_000, 1e-5), np.ones(10_000))
    assert q[3] == pytest.approx(1 - 9_999e-5, abs=1e-12)
    assert q.min() == 1e-5


@pytest.mark.parametrize(
    ("p", "low", "high", "message"),
    [
        ([0.5, 0.47], [0, 0], [1, 1], "/probabilities: they sum to 0.97; they must sum to 1"),
        ([1.5, -0.5], [0, 0], [1, 1], "/probabilities/1: found -0.5"),
        ([math.nan, 1.0], [0, 0], [1, 1], "/probabilities/0: found nan"),
        ([0.5, 0.5], [0, -0.1], [1, 1], "/bounds/1: found floor -0.1 and ceiling 1.0"),
        ([0.5, 0.5], [0, 0], [math.nan, 1], "/bounds/0: found floor 0.0 and ceiling nan"),
        ([0.5, 0.5], [0], [1, 1], r"found shapes \(2,\), \(1,\), \(2,\)"),
        ([], [], [], "at least one candidate"),
    ],
)
def test_what_is_not_a_distribution_with_bounds_is_refused_by_its_place(p, low, high, message):
    with pytest.raises(InputError, match=message):
        project(p, low, high)
