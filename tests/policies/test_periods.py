"""Periods: every moment lies in one, they follow one another, and clocks may change in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.policies.periods import Period, length_seconds, period_at

HOUR = 3_600
ZONES = (
    "UTC",
    "Europe/Vienna",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",  # clocks were changed at midnight
    "Pacific/Apia",  # left out a whole day
    "America/Havana",
)


def moment(text: str) -> int:
    """Return a moment in seconds since the epoch."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "zone", "at", "starts", "ends"),
    [
        ("day", "UTC", "2025-06-15T15:00Z", "2025-06-15T00:00Z", "2025-06-16T00:00Z"),
        ("day", "Europe/Vienna", "2025-06-14T22:00Z", "2025-06-15T00:00+02:00",
         "2025-06-16T00:00+02:00"),
        ("week", "UTC", "2025-06-15T23:59Z", "2025-06-09T00:00Z", "2025-06-16T00:00Z"),
        ("month", "UTC", "2025-12-31T23:59Z", "2025-12-01T00:00Z", "2026-01-01T00:00Z"),
        ("month", "America/New_York", "2025-07-01T03:59Z", "2025-06-01T00:00-04:00",
         "2025-07-01T00:00-04:00"),
        ("6h", "UTC", "2025-06-15T17:59:59Z", "2025-06-15T12:00Z", "2025-06-15T18:00Z"),
    ],
)  # fmt: skip
def test_a_moment_lies_in_its_period(text, zone, at, starts, ends):
    assert period_at(text, zone, moment(at) * 1_000) == Period(moment(starts), moment(ends))


def test_a_day_on_which_clocks_change_is_longer_or_shorter():
    spring = period_at("day", "Europe/Vienna", moment("2025-03-30T12:00Z") * 1_000)
    autumn = period_at("day", "Europe/Vienna", moment("2025-10-26T12:00Z") * 1_000)
    assert spring.end_s - spring.start_s == 23 * HOUR
    assert autumn.end_s - autumn.start_s == 25 * HOUR
    # Midnight was left out: the day began at one o'clock.
    left_out = period_at("day", "America/Sao_Paulo", moment("2018-11-04T12:00Z") * 1_000)
    assert left_out.start_s == moment("2018-11-04T03:00Z")


@given(
    st.sampled_from(["day", "week", "month", "6h", "45m"]),
    st.sampled_from(ZONES),
    st.integers(0, 4_000_000_000_000),
)
def test_periods_follow_one_another_without_a_gap(text, zone, at_ms):
    period = period_at(text, zone, at_ms)
    assert period.end_s is not None
    assert period.start_s * 1_000 <= at_ms < period.end_s * 1_000
    assert period_at(text, zone, period.start_s * 1_000) == period
    assert period_at(text, zone, period.end_s * 1_000 - 1) == period
    assert period_at(text, zone, period.end_s * 1_000).start_s == period.end_s
    assert 0.0 <= period.elapsed(at_ms) < 1.0


def test_what_has_no_end_never_passes():
    assert Period(0, None).elapsed(10**15) == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m", 60), ("90m", 5_400), ("6h", 21_600), ("2d", 172_800), ("1w", 604_800),
     ("0h", None), ("6", None), ("h", None), ("10s", None), ("367d", None), ("-1h", None)],
)  # fmt: skip
def test_lengths_are_whole_minutes_to_a_year(text, seconds):
    assert length_seconds(text) == seconds
