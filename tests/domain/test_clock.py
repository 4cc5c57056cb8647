"""Times in and out: RFC 3339 in UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.domain.clock import ManualClock, from_datetime, to_rfc3339

YEARS = st.integers(0, 4_102_444_800_000)  # 1970 to 2100


@given(YEARS)
def test_a_moment_written_and_read_back_is_the_same_millisecond(at_ms):
    text = to_rfc3339(at_ms)
    assert len(text) == 24
    assert from_datetime(datetime.fromisoformat(text)) == at_ms


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_709_164_800_007, "2024-02-29T00:00:00.007Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
    ],
)
def test_moments_are_written_as_worked_out_by_hand(at_ms, text):
    assert to_rfc3339(at_ms) == text


def test_an_offset_is_taken_into_account():
    noon = datetime(2025, 6, 15, 12, tzinfo=timezone(timedelta(hours=2)))
    assert from_datetime(noon) == from_datetime(datetime(2025, 6, 15, 10, tzinfo=UTC))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        from_datetime(datetime(2025, 6, 15, 12))  # noqa: DTZ001  # that it has none is the point


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock(5)
    assert (clock(), clock()) == (5, 5)
    clock.advance(seconds=1.5)
    assert clock() == 1_505
