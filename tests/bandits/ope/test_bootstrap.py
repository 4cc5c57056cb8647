"""Resampling follows the seed, keeps customers whole and spreads as theory says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits.ope import Bootstrap
from nba.bandits.ope.bootstrap import cluster_sums, resample, spread
from nba.bandits.ope.terms import Terms, difference, mean_terms, ratio


def test_rows_of_a_cluster_are_added_up():
    columns = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    sums = cluster_sums(columns, np.array(["b", "a", "b"]))
    assert sums.tolist() == [[2.0, 20.0], [5.0, 50.0]]


def test_without_clusters_each_row_stands_alone():
    columns = np.array([[1.0], [2.0]])
    assert cluster_sums(columns, None).tolist() == columns.tolist()


def test_the_same_seed_draws_the_same_clusters_for_every_column():
    sums = np.arange(50.0)[:, None]
    once = resample(sums, replicates=20, seed=3)
    doubled = resample(np.hstack([sums, 2 * sums]), replicates=20, seed=3)
    assert np.array_equal(doubled, np.hstack([once, 2 * once]))
    assert not np.array_equal(once, resample(sums, replicates=20, seed=4))


def test_each_replicate_draws_as_many_clusters_as_there_are():
    assert resample(np.ones((37, 1)), replicates=9, seed=1).tolist() == [[37.0]] * 9


def test_every_cluster_is_drawn_as_often_as_any_other():
    """Of 2,000 · 50 draws each cluster gets 2,000, give or take 5 standard deviations of 44."""
    totals = resample(np.eye(50), replicates=2_000, seed=5).sum(axis=0)
    assert abs(totals - 2_000).max() < 5 * 44.3


def test_totals_spread_as_sampling_with_replacement_does():
    """The deviation of a total of n draws is √n times that of the values."""
    values = np.random.default_rng(1).normal(size=400)
    totals = resample(values[:, None], replicates=4_000, seed=2)[:, 0]
    assert totals.mean() == pytest.approx(values.sum(), abs=5 * 20 / np.sqrt(4_000))
    assert totals.std() == pytest.approx(20 * values.std(), rel=0.05)


def test_the_bounds_are_as_far_out_as_a_share_of_draws_lies_beyond_them():
    """Of 399 numbers in order the 10th has 10 / 400 of all further draws below it."""
    _, low, high = spread(np.random.default_rng(1).permutation(399) + 1.0)
    assert (low, high) == pytest.approx((10.0, 390.0))
    _, low, high = spread(np.arange(1.0, 100.0), level=0.8)
    assert (low, high) == pytest.approx((10.0, 90.0))


def test_spread_leaves_out_replicates_without_a_value():
    replicates = np.array([1.0, 3.0, np.nan])
    deviation, low, high = spread(replicates)
    assert deviation == pytest.approx(np.sqrt(2.0))
    assert (low, high) == (1.0, 3.0)
    assert np.isnan(spread(np.array([np.nan, 1.0]))).all()


def slowly_studentized(above, below, seed):
    """Studentize the ratio of two totals, one resample at a time, its error written out."""
    n = len(above)
    ratio_of_all = above.sum() / below.sum()
    error_of_all = np.sqrt(np.square(above - ratio_of_all * below).sum()) / below.sum()
    distances = []
    for counts in resample(np.eye(n), replicates=99, seed=seed):
        total = (counts * below).sum()
        value = (counts * above).sum() / total
        error = np.sqrt((counts * np.square(above - value * below)).sum()) / total
        distances.append((value - ratio_of_all) / error)
    low, high = np.quantile(distances, [0.025, 0.975], method="weibull")
    return ratio_of_all - high * error_of_all, ratio_of_all - low * error_of_all


@given(st.integers(0, 1_000), st.integers(30, 60), st.sampled_from([1.0, 1e-9, 1e12]))
def test_intervals_are_those_of_a_studentized_ratio_written_out(seed, n, unit):
    rng = np.random.default_rng(seed)
    above, below = unit * rng.lognormal(0.0, 1.0, n), rng.uniform(0.5, 2.0, n)
    found = Bootstrap(99, seed).around(Terms(np.column_stack([above, below]), ratio), None)
    expected = slowly_studentized(above, below, seed)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-6)


def test_a_difference_is_studentized_by_the_error_of_the_difference():
    """Of two means over the same rows it is that of the mean of their differences."""
    rng = np.random.default_rng(3)
    one, two = rng.lognormal(0.0, 1.0, (2, 200))
    found = Bootstrap().around(difference(mean_terms(one), mean_terms(two)), None)
    expected = Bootstrap().around(mean_terms(one - two), None)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_few_large_rewards_reach_further_up_than_down():
    """Sums of lognormal rewards are skewed: what was missed is above more often than below."""
    values = np.random.default_rng(4).lognormal(0.0, 1.5, 300)
    found = Bootstrap().around(mean_terms(values), None)
    assert found.high - values.mean() > 1.5 * (values.mean() - found.low)


def test_resamples_without_any_reward_are_no_further_off_than_the_furthest_other():
    """Two rewards in 500 rows: a seventh of all resamples have none, and so no standard error."""
    values = np.zeros(500)
    values[:2] = 1.0
    found = Bootstrap().around(mean_terms(values), None)
    # One reward alone is a distance of (1 - 2) / 1; the error is √2 in 500.
    assert found.high == pytest.approx((2.0 + np.sqrt(2.0)) / 500.0, rel=0.01)
    assert found.low < 2.0 / 500.0


def test_what_does_not_vary_has_no_width():
    found = Bootstrap().around(mean_terms(np.full(50, 0.1)), np.repeat(np.arange(10), 5))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1), abs=1e-12)
