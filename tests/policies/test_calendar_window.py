"""Calendar windows begin where a clock on the wall says, whatever is done to the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.policies.calendar_window import CalendarUnit, CalendarWindow

DAY, WEEK, MONTH = (CalendarWindow(calendar=unit) for unit in CalendarUnit)


def start(window: CalendarWindow, at: str, zone: str) -> str:
    """Return when the window of a moment began, in its own zone."""
    place = ZoneInfo(zone)
    now_s = int(datetime.fromisoformat(at).timestamp())
    return datetime.fromtimestamp(window.start_s(now_s, place), place).isoformat()


@pytest.mark.parametrize(
    ("window", "at", "expected"),
    [
        (DAY, "2026-06-10T00:00:00+02:00", "2026-06-10T00:00:00+02:00"),
        (DAY, "2026-06-09T23:59:59+02:00", "2026-06-09T00:00:00+02:00"),
        (DAY, "2026-06-09T22:00:00+00:00", "2026-06-10T00:00:00+02:00"),
        (WEEK, "2026-06-10T12:00:00+02:00", "2026-06-08T00:00:00+02:00"),
        (WEEK, "2026-06-08T00:00:00+02:00", "2026-06-08T00:00:00+02:00"),
        (MONTH, "2026-06-30T23:59:59+02:00", "2026-06-01T00:00:00+02:00"),
    ],
)
def test_a_window_begins_at_midnight(window: CalendarWindow, at: str, expected: str) -> None:
    assert start(window, at, "Europe/Vienna") == expected


def test_weeks_and_months_begin_where_they_are_told_to() -> None:
    sunday = CalendarWindow(calendar=CalendarUnit.WEEK, week_starts="sun")
    tenth = CalendarWindow(calendar=CalendarUnit.MONTH, month_starts=10)
    assert start(sunday, "2026-06-13T12:00:00+00:00", "UTC") == "2026-06-07T00:00:00+00:00"
    assert start(tenth, "2026-06-09T12:00:00+00:00", "UTC") == "2026-05-10T00:00:00+00:00"
    assert start(tenth, "2026-01-09T12:00:00+00:00", "UTC") == "2025-12-10T00:00:00+00:00"
    assert start(tenth, "2026-06-10T00:00:00+00:00", "UTC") == "2026-06-10T00:00:00+00:00"


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        # Clocks go forward at 02:00: a day of 23 hours. And back at 03:00: one of 25.
        ("2026-03-29T20:00:00+02:00", "Europe/Vienna", "2026-03-29T00:00:00+01:00"),
        ("2026-10-25T20:00:00+01:00", "Europe/Vienna", "2026-10-25T00:00:00+02:00"),
        # In Beirut they go forward at midnight, which is skipped.
        ("2026-03-29T12:00:00+03:00", "Asia/Beirut", "2026-03-29T01:00:00+03:00"),
        # In Havana they go back at one in the morning: midnight comes twice, and the first counts.
        ("2026-11-01T00:30:00-05:00", "America/Havana", "2026-11-01T00:00:00-04:00"),
        # Samoa left out the 30th of December 2011.
        ("2011-12-31T12:00:00+14:00", "Pacific/Apia", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_a_day_is_as_long_as_the_clock_makes_it(at: str, zone: str, expected: str) -> None:
    assert start(DAY, at, zone) == expected


ZONES = ["Europe/Vienna", "America/Havana", "Asia/Beirut", "Pacific/Apia", "Asia/Kathmandu", "UTC"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    quarter=st.integers(0, 40_000),
    zone=st.sampled_from(ZONES),
    window=st.sampled_from(
        [DAY, WEEK, MONTH, CalendarWindow(calendar=CalendarUnit.WEEK, week_starts="wed")]
    ),
)
def test_a_window_reaches_back_to_the_last_change_of_its_name(
    quarter: int, zone: str, window: CalendarWindow
) -> None:
    """A quarter of an hour after another, back to the first that is called the same."""
    place = ZoneInfo(zone)
    now_s = int(datetime(2025, 9, 1, tzinfo=UTC).timestamp()) + 900 * quarter

    def name(at_s: int) -> object:
        day = datetime.fromtimestamp(at_s, place).date()
        if window.calendar == "week":
            first = 2 if window.week_starts == "wed" else 0
            return day - timedelta(days=(day.weekday() - first) % 7)
        return (day.year, day.month) if window.calendar == "month" else day

    begin_s = now_s
    while name(begin_s - 900) == name(now_s):
        begin_s -= 900
    found_s = window.start_s(now_s, place)
    assert begin_s - 900 < found_s <= begin_s
    assert now_s - found_s <= window.longest_seconds


def test_zone_is_the_customers_or_its_own() -> None:
    fixed = CalendarWindow(calendar=CalendarUnit.DAY, zone="Asia/Tokyo")
    assert DAY.zone_for("Europe/Vienna") == ZoneInfo("Europe/Vienna")
    assert DAY.zone_for(None) is None
    assert fixed.zone_for(None) == ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("window", "found"),
    [
        (DAY, []),
        (CalendarWindow(calendar=CalendarUnit.DAY, zone="Mars/Olympus"), ["zone 'Mars/Olympus'"]),
        (
            CalendarWindow(calendar=CalendarUnit.WEEK, week_starts="monday", month_starts=29),
            ["week_starts 'monday'", "month_starts 29"],
        ),
    ],
)
def test_bounds(window: CalendarWindow, found: list[str]) -> None:
    assert [problem.found for problem in window.problems("window")] == found
