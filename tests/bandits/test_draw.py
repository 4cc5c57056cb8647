"""Draws replay from their seed, follow the probabilities, and are exact at the edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import draw, uniform
from nba.errors import InputError

LARGEST_BELOW_ONE = math.nextafter(1.0, 0.0)


@pytest.mark.parametrize(
    ("seed", "slot", "bits"),
    [
        (0, 0, 0xE220A8397B1DCDAF),
        (0, 1, 0x6E789E6AA1B965F4),
        (0, 2, 0x06C45D188009454F),
        (1234567, 0, 6457827717110365317),
        (1234567, 1, 3203168211198807973),
    ],
)
def test_uniform_follows_the_published_splitmix64_sequence(seed, slot, bits):
    assert uniform(seed, slot) == (bits >> 11) * 2.0**-53


@settings(deadline=None)  # the first example compiles
@given(st.integers(-(2**80), 2**80), st.integers(0, 10**6))
def test_uniform_is_in_the_unit_interval_for_any_seed(seed, slot):
    assert 0.0 <= uniform(seed, slot) < 1.0
    assert uniform(seed, slot) == uniform(seed % 2**64, slot)


def test_uniform_fills_the_interval_evenly_over_slots_and_seeds():
    """Of 20,000 numbers each tenth holds 2,000, give or take 5 standard deviations of 42."""
    for numbers in (
        [uniform(42, slot) for slot in range(20_000)],
        [uniform(seed, 0) for seed in range(20_000)],
    ):
        counts, _ = np.histogram(numbers, bins=10, range=(0.0, 1.0))
        assert abs(counts - 2_000).max() < 212


@pytest.mark.parametrize(
    ("u", "index"),
    [(0.0, 0), (math.nextafter(0.25, 0.0), 0), (0.25, 2), (0.5, 3), (LARGEST_BELOW_ONE, 3)],
)
def test_each_index_owns_its_half_open_stretch(u, index):
    assert draw([0.25, 0.0, 0.25, 0.5, 0.0], u) == index


@settings(deadline=None)  # the first example compiles
@given(
    st.lists(st.sampled_from([0.0]) | st.floats(0.0, 1.0), min_size=1, max_size=30),
    st.floats(0.0, 1.0, exclude_max=True) | st.just(LARGEST_BELOW_ONE),
)
def test_an_index_with_probability_zero_is_never_drawn(weights, u):
    p = np.array([*weights, 1.0])
    p /= p.sum()
    assert p[draw(p, u)] > 0.0


def test_rounding_at_the_end_belongs_to_the_last_index_with_a_probability():
    p = np.array([*[0.1] * 10, 0.0])  # ten tenths sum to a little less than 1
    assert draw(p, LARGEST_BELOW_ONE) == 9


def test_a_leading_zero_is_not_drawn_at_zero():
    assert draw([0.0, 1.0], 0.0) == 1


def test_frequencies_follow_the_probabilities():
    """Of 20,000 draws each count lies within 5 standard deviations of its expectation."""
    p = np.array([0.5, 0.3, 0.15, 0.05])
    drawn = np.bincount([draw(p, uniform(7, slot)) for slot in range(20_000)], minlength=4)
    assert (abs(drawn - 20_000 * p) < 5 * np.sqrt(20_000 * p * (1 - p))).all()


@pytest.mark.parametrize(
    "p", [[0.5, 0.47], [1.5, -0.5], [math.nan, 1.0], [0.0, 0.0], [], [math.inf], [[1.0]]]
)
def test_what_is_not_a_distribution_is_refused(p):
    with pytest.raises(InputError, match=r"/probabilities: found|/probabilities: they sum"):
        draw(p, 0.5)


@pytest.mark.parametrize("u", [1.0, -0.1, math.nan])
def test_a_number_outside_the_unit_interval_is_refused(u):
    with pytest.raises(InputError, match="/u: found"):
        draw([1.0], u)
