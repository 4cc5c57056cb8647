"""Metrics are those of the textbooks, and their intervals know that customers repeat."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.training.metrics import Interval, Verdict, clustered_mean, measure, reliability


def measured(labels, probabilities, base_rate=0.5, clusters=None):
    labels = np.array(labels, dtype=float)
    clusters = np.arange(len(labels)) if clusters is None else np.array(clusters)
    return measure(labels, np.array(probabilities), base_rate=base_rate, clusters=clusters)


def test_figures_worked_out_by_hand():
    found = measured([1, 0, 1, 0], [0.8, 0.2, 0.4, 0.6])
    assert (found.rows, found.positives, found.observed_rate) == (4, 2, 0.5)
    assert found.log_loss == pytest.approx(-(2 * np.log(0.8) + 2 * np.log(0.4)) / 4)
    assert found.base_rate_log_loss == pytest.approx(np.log(2))
    assert found.roc_auc == pytest.approx(3 / 4)
    assert found.pr_auc == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.brier == pytest.approx((0.04 + 0.04 + 0.36 + 0.36) / 4)
    assert found.expected_calibration_error == pytest.approx((0.2 + 0.2 + 0.6 + 0.6) / 4)
    assert found.gain_over_base_rate.estimate == pytest.approx(np.log(2) - found.log_loss)


def test_a_model_that_says_what_is_true_has_slope_one_and_intercept_zero():
    probabilities = np.repeat([0.1, 0.3, 0.6], 10_000)
    labels = np.concatenate([np.arange(10_000) < n for n in (1_000, 3_000, 6_000)])
    found = measured(labels, probabilities)
    assert found.slope == pytest.approx(1.0, abs=0.01)
    assert found.intercept == pytest.approx(0.0, abs=0.01)
    assert found.expected_calibration_error == pytest.approx(0.0, abs=1e-12)
    assert found.verdict is Verdict.BETTER


def test_too_sure_a_model_has_a_slope_below_one_and_may_be_worse_than_none():
    probabilities = np.repeat([0.01, 0.99], 1_000)
    labels = np.concatenate([np.arange(1_000) < n for n in (400, 600)])
    found = measured(labels, probabilities)
    assert found.slope == pytest.approx(np.log(0.6 / 0.4) / np.log(99), abs=0.01)
    assert found.verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "no detectable difference")],
)
def test_an_interval_is_read_by_whether_it_holds_zero(low, high, verdict):
    assert Interval(estimate=0.0, low=low, high=high).verdict == verdict


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_rows_of_their_own_customers_give_the_usual_standard_error(values):
    array = np.array(values)
    found = clustered_mean(array, np.arange(len(array)))
    half = 1.959963984540054 * array.std(ddof=1) / np.sqrt(len(array))
    assert found.high - found.estimate == pytest.approx(half, abs=1e-9)


def test_rows_seen_twice_widen_nothing_and_narrow_nothing():
    values = np.random.default_rng(3).normal(size=40)
    once = clustered_mean(values, np.arange(40))
    twice = clustered_mean(np.tile(values, 2), np.tile(np.arange(40), 2))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_one_customer_alone_says_nothing_certain():
    found = clustered_mean(np.array([1.0, 2.0]), np.array([0, 0]))
    assert (found.estimate, found.verdict) == (1.5, Verdict.SAME)


def test_reliability_bins_hold_every_row_once_in_order():
    probabilities = np.linspace(0, 1, 95)
    bins = reliability((probabilities > 0.5).astype(float), probabilities)
    assert sum(entry.rows for entry in bins) == 95
    assert len(bins) == 10
    means = [entry.mean_prediction for entry in bins]
    assert means == sorted(means)
