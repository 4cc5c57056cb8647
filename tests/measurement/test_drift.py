"""Drift: bins made by training, and indices worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.measurement.drift import Bins, DriftVerdict, measure_drift


def test_deciles_of_training_are_the_edges_closed_on_the_right() -> None:
    bins = Bins.of(pl.Series([float(n) for n in range(1, 101)]))
    assert len(bins.edges) == 9
    assert bins.edges[0] == pytest.approx(10.5, abs=0.5)
    assert bins.edges[-1] == pytest.approx(90.5, abs=0.5)
    low = bins.edges[0]
    counts = bins.count(pl.Series([low, np.nextafter(low, np.inf), 1e9, None]))
    assert counts.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_a_value_that_is_several_deciles_has_a_bin_of_its_own() -> None:
    bins = Bins.of(pl.Series([0.0] * 70 + [1.0] * 20 + [2.0] * 10))
    counts = bins.count(pl.Series([-1.0, 0.0, 0.0, 0.5, 1.0, 2.0]))
    assert counts.tolist() == [1, 2, 1, 1, 1, 0]
    assert len(bins.labels) == 6


def test_a_constant_that_changes_is_seen_on_either_side() -> None:
    bins = Bins.of(pl.Series([5.0] * 50, dtype=pl.Float32))
    assert bins.count(pl.Series([3.0, 5.0, 7.0, None])).tolist() == [1, 1, 1, 1]


def test_words_of_training_have_a_bin_each_and_new_ones_share_one() -> None:
    bins = Bins.of(pl.Series(["b", "a", "a", None]))
    assert bins.labels == ("a", "b", "other", "missing")
    assert bins.count(pl.Series(["a", "z", "y", None, "b"])).tolist() == [1, 1, 2, 1]


def test_a_feature_that_training_never_saw_has_a_bin_for_any_value() -> None:
    bins = Bins.of(pl.Series([None, None], dtype=pl.Float32))
    assert bins.labels == ("(-inf, inf]", "missing")
    assert bins.count(pl.Series([1.0, None], dtype=pl.Float32)).tolist() == [1, 1]


def test_psi_and_distance_of_two_bins_are_those_worked_out_by_hand() -> None:
    # Smoothed shares: 500.5/1001 = .5 each in training; 800.5/1001 and 200.5/1001 now.
    drift = measure_drift([500, 500], [800, 200])
    assert drift is not None
    high, low = 800.5 / 1001, 200.5 / 1001
    expected = (high - 0.5) * math.log(high / 0.5) + (low - 0.5) * math.log(low / 0.5)
    assert drift.psi == pytest.approx(expected, rel=1e-12)
    assert drift.psi == pytest.approx(0.4154, abs=1e-3)
    # Mixture (.65, .35): H = .934068; H(.5, .5) = 1; H(.8, .2) = .721928.
    assert drift.js == pytest.approx(math.sqrt(0.934068 - (1 + 0.721928) / 2), abs=1e-5)
    # One degree of freedom: the 99 % quantile of chi-square is 6.635.
    assert drift.chance == pytest.approx(6.635 * 2 / 1_000, rel=0.02)
    assert drift.verdict is DriftVerdict.SHIFTED


def test_what_is_apart_altogether_has_distance_one() -> None:
    drift = measure_drift([10, 0], [0, 10])
    assert drift is not None
    assert drift.js == pytest.approx(1.0)
    assert math.isfinite(drift.psi)


def test_bins_that_nobody_is_in_count_for_nothing() -> None:
    with_empty = measure_drift([50, 0, 50, 0], [40, 0, 60, 0])
    assert with_empty == measure_drift([50, 50], [40, 60])


def test_a_large_index_of_few_rows_is_chance() -> None:
    few = measure_drift([1_000] * 10, [3, 0, 1, 2, 0, 1, 2, 0, 1, 0])
    assert few is not None
    assert few.psi > 0.25
    assert few.verdict is DriftVerdict.STABLE


def test_moderate_lies_between_a_tenth_and_a_quarter() -> None:
    drift = measure_drift([50_000, 50_000], [67_000, 33_000])
    assert drift is not None
    assert 0.1 < drift.psi < 0.25
    assert drift.verdict is DriftVerdict.MODERATE


def test_nothing_on_either_side_has_no_drift() -> None:
    assert measure_drift([0, 0], [1, 2]) is None
    assert measure_drift([1, 2], [0, 0]) is None


_COUNTS = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=20
)


@given(_COUNTS)
def test_both_are_symmetric_not_negative_and_zero_between_equals(
    counts: list[tuple[int, int]],
) -> None:
    training, now = zip(*counts, strict=True)
    there, back = measure_drift(training, now), measure_drift(now, training)
    if there is None or back is None:
        assert not sum(training) or not sum(now)
        return
    assert there.psi >= -1e-12
    assert 0.0 <= there.js <= 1.0 + 1e-9
    assert there.js == pytest.approx(back.js, abs=1e-7)
    assert there.psi == pytest.approx(back.psi, abs=1e-9)
    same = measure_drift(now, now)
    assert same is not None
    assert same.psi == 0.0
    assert same.js == pytest.approx(0.0, abs=1e-7)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=200))
def test_every_value_of_training_lands_in_exactly_one_bin(values: list[float | None]) -> None:
    series = pl.Series(values, dtype=pl.Float32)
    bins = Bins.of(series)
    counts = bins.count(series)
    assert counts.sum() == len(values)
    assert len(counts) == len(bins.labels)
    assert counts[-1] == series.null_count()
