"""Empirical Bernstein bounds, by hand and in simulation."""

import math

import numpy as np
import pytest

from nba.bandits.ope import EmpiricalBernstein
from nba.bandits.ope.terms import mean_terms


def test_four_customers_by_hand():
    """Mean 1/2, variance 1/3, range 1, L = log 80."""
    found = EmpiricalBernstein(-9.0, 10.0).around(mean_terms(np.array([0.0, 1, 0, 1])), None)
    deviation = math.log(80)
    radius = math.sqrt(2 * deviation / (3 * 4)) + 7 * 19 * deviation / 9
    assert found.standard_error == pytest.approx(math.sqrt(1 / 12))
    assert (found.low, found.high) == pytest.approx((max(0.5 - radius, -9.0), 10.0))


def test_many_customers_by_hand():
    values = np.tile([0.0, 1.0], 5_000)
    found = EmpiricalBernstein(0.0, 1.0).around(mean_terms(values), None)
    variance, deviation = 0.25 * 10_000 / 9_999, math.log(80)
    radius = math.sqrt(2 * variance * deviation / 10_000) + 7 * deviation / (3 * 9_999)
    assert (found.low, found.high) == pytest.approx((0.5 - radius, 0.5 + radius))


def test_customers_with_unlike_numbers_of_rows_widen_the_range():
    """Totals 1 and 3 of 1 and 3 rows, scaled by 2/4: the range is that of 3 rows, 3 · 2/4."""
    found = EmpiricalBernstein(-1e6, 1e6).around(
        mean_terms(np.array([1.0, 1, 1, 1])), np.array([0, 1, 1, 1])
    )
    deviation = math.log(80)
    variance = np.var([0.5, 1.5], ddof=1)
    radius = math.sqrt(variance * deviation) + 7 * 3e6 * deviation / 3
    assert found.high == pytest.approx(min(1.0 + radius, 1e6))


def test_one_customer_tells_nothing():
    found = EmpiricalBernstein(0.0, 1.0).around(mean_terms(np.ones(5)), np.zeros(5, dtype=int))
    assert (found.low, found.high) == (0.0, 1.0)
    assert math.isnan(found.standard_error)


def test_the_truth_is_missed_far_less_often_than_promised():
    rng = np.random.default_rng(1)
    interval = EmpiricalBernstein(0.0, 10.0)
    missed = 0
    for _ in range(400):
        values = 10.0 * (rng.random(60) < 0.05)
        found = interval.around(mean_terms(values), None)
        missed += not found.low <= 0.5 <= found.high
    assert missed <= 20
