"""Resampling follows the seed, keeps customers whole and spreads as theory says."""

import numpy as np
import pytest

from nba.bandits.ope.bootstrap import cluster_sums, resample, spread


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
