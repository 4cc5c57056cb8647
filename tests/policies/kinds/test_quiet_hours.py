"""``quiet_hours``: on the customer's own clock, over midnight, over clock changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from nba.domain.clock import from_datetime
from nba.domain.ids import PolicyId
from nba.domain.policy import Missing
from nba.policies import GuardStack, Situation
from nba.policies.kinds import QuietHours
from nba.policies.kinds.quiet_hours import find_zone

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

VIENNA = "Europe/Vienna"


def _quiet(start: str, end: str, *days: str, missing: Missing = Missing.CLOSED) -> QuietHours:
    return QuietHours(
        id=PolicyId("p"), description="d", start=start, end=end, days=days, missing=missing
    )


def _is_quiet(
    guard: Guard, moment: Moment, left: Left, policy: QuietHours, at: str, zone: str = VIENNA
) -> bool:
    at_ms = from_datetime(datetime.fromisoformat(at))
    codes = left(guard(policy), moment(at_ms=at_ms, time_zone=zone))
    assert codes in ({}, dict.fromkeys(["card", "shirt", "survey"], "quiet_hours.active"))
    return bool(codes)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-06-10T21:59:59+02:00", False),
        ("2026-06-10T22:00:00+02:00", True),
        ("2026-06-11T00:00:00+02:00", True),
        ("2026-06-11T07:59:59+02:00", True),
        ("2026-06-11T08:00:00+02:00", False),
        ("2026-06-10T20:30:00+00:00", True),
        ("2026-01-10T21:30:00+00:00", True),
        ("2026-01-10T20:30:00+00:00", False),
    ],
)
def test_period_over_midnight_in_the_customers_time(
    guard: Guard, moment: Moment, left: Left, at: str, *, expected: bool
) -> None:
    assert _is_quiet(guard, moment, left, _quiet("22:00", "08:00"), at) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # On 2026-03-29 Vienna's clocks go from 02:00 to 03:00, at 01:00 UTC.
        ("2026-03-29T00:59:59+00:00", True),
        ("2026-03-29T01:00:00+00:00", False),
        # On 2026-10-25 they go from 03:00 back to 02:00, at 01:00 UTC: 02:30 comes twice.
        ("2026-10-25T00:30:00+00:00", False),
        ("2026-10-25T01:30:00+00:00", False),
        ("2026-10-24T23:59:59+00:00", True),
    ],
)
def test_period_follows_the_clock_on_the_wall_when_it_changes(
    guard: Guard, moment: Moment, left: Left, at: str, *, expected: bool
) -> None:
    assert _is_quiet(guard, moment, left, _quiet("01:00", "02:00"), at) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-06-12T23:00:00+02:00", True),  # Friday night
        ("2026-06-13T03:00:00+02:00", True),  # its early Saturday
        ("2026-06-13T23:00:00+02:00", False),  # Saturday night
        ("2026-06-12T03:00:00+02:00", False),  # early Friday belongs to Thursday
    ],
)
def test_days_are_those_on_which_the_period_starts(
    guard: Guard, moment: Moment, left: Left, at: str, *, expected: bool
) -> None:
    assert _is_quiet(guard, moment, left, _quiet("22:00", "08:00", "fri"), at) is expected


def test_night_from_sunday_runs_into_monday(guard: Guard, moment: Moment, left: Left) -> None:
    policy = _quiet("22:00", "08:00", "sun")
    assert _is_quiet(guard, moment, left, policy, "2026-06-15T03:00:00+02:00")


def test_period_within_a_day(guard: Guard, moment: Moment, left: Left) -> None:
    policy = _quiet("12:00", "14:00", "sat", "sun")
    assert _is_quiet(guard, moment, left, policy, "2026-06-14T13:00:00+02:00")
    assert not _is_quiet(guard, moment, left, policy, "2026-06-14T14:00:00+02:00")
    assert not _is_quiet(guard, moment, left, policy, "2026-06-15T13:00:00+02:00")


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../etc/passwd", "Europe", "a\0b"])
def test_unknown_zone_closes_unless_the_policy_says_open(
    guard: Guard, moment: Moment, left: Left, zone: str | None
) -> None:
    situation = moment(time_zone=zone)
    unknown = dict.fromkeys(["card", "shirt", "survey"], "quiet_hours.time_zone_unknown")
    assert left(guard(_quiet("22:00", "08:00")), situation) == unknown
    assert left(guard(_quiet("22:00", "08:00", missing=Missing.OPEN)), situation) == {}


def test_known_zone_is_found() -> None:
    assert find_zone("Asia/Kathmandu") == ZoneInfo("Asia/Kathmandu")


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        (_quiet("22:00", "08:00", "mon"), []),
        (_quiet("22:00", "22:00"), ["end"]),
        (_quiet("24:00", "8:00"), ["start", "end"]),
        (_quiet("22:00", "08:60"), ["end"]),
        (_quiet("22:00", "08:00", "monday"), ["days"]),
    ],
)
def test_bounds(policy: QuietHours, fields: list[str]) -> None:
    assert [problem.field for problem in policy.problems()] == fields
