"""``quiet_hours``: on the customer's own clock, over midnight, over clock changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nba.domain.clock import from_datetime
from nba.domain.ids import PolicyId
from nba.domain.policy import Missing, Selector
from nba.policies import (
    GuardStack,
    Situation,
    policies_from_builtins,
    policies_to_builtins,
)
from nba.policies.calendars import LAST_YEAR
from nba.policies.kinds import Eligibility, Holdout, QuietHours
from nba.policies.kinds.quiet_hours import WEEKDAYS, Period, find_zone, not_before

Guard = Callable[..., GuardStack]
Moment = Callable[..., Situation]
Left = Callable[[GuardStack, Situation], dict[str, str]]

VIENNA = "Europe/Vienna"
MINUTE_MS = 60_000


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


NIGHTS = QuietHours(
    id=PolicyId("nights"),
    description="d",
    periods=(Period("21:00", "08:00"), Period("12:30", "14:00", ("sat", "sun"))),
    holidays=("2026-12-24",),
    calendars=("AT",),
)


def test_any_period_and_any_holiday_is_quiet(guard: Guard, moment: Moment, left: Left) -> None:
    def quiet(at: str) -> bool:
        return _is_quiet(guard, moment, left, NIGHTS, at)

    assert quiet("2026-06-10T21:00:00+02:00")
    assert quiet("2026-06-13T13:59:00+02:00")  # a Saturday
    assert not quiet("2026-06-12T13:59:00+02:00")
    assert quiet("2026-12-24T10:00:00+01:00")  # listed
    assert quiet("2026-10-26T10:00:00+01:00")  # Austria's national day
    assert not quiet("2026-10-27T10:00:00+01:00")


def test_a_holiday_is_a_day_where_the_customer_is(guard: Guard, moment: Moment, left: Left) -> None:
    policy = QuietHours(id=PolicyId("p"), description="d", holidays=("2026-12-24",))
    assert _is_quiet(guard, moment, left, policy, "2026-12-24T11:30:00+00:00", "Asia/Tokyo")
    assert not _is_quiet(guard, moment, left, policy, "2026-12-24T15:30:00+00:00", "Asia/Tokyo")
    late = "2026-12-25T07:59:00+00:00"
    assert _is_quiet(guard, moment, left, policy, late, "America/Los_Angeles")


def test_a_zone_of_its_own_needs_no_customers(guard: Guard, moment: Moment, left: Left) -> None:
    policy = replace(_quiet("22:00", "08:00"), zone="America/New_York")
    at_ms = _ms("2026-06-11T02:30:00+00:00")
    for zone in (None, "Mars/Olympus", "Asia/Tokyo"):
        codes = left(guard(policy), moment(at_ms=at_ms, time_zone=zone))
        assert set(codes.values()) == {"quiet_hours.active"}
        assert not left(guard(policy), moment(at_ms=at_ms - 90 * MINUTE_MS, time_zone=zone))


def test_two_policies_read_two_clocks(guard: Guard, moment: Moment, left: Left) -> None:
    ours = replace(_quiet("22:00", "08:00"), id=PolicyId("ours"), zone="America/New_York")
    theirs = replace(_quiet("22:00", "08:00"), id=PolicyId("theirs"))
    stack = guard(ours, theirs)
    situation = moment(at_ms=_ms("2026-06-11T21:30:00+00:00"), time_zone="Asia/Tokyo")
    assert [stack.reason(drop).policy for drop in stack.explain(situation)[1]] == ["theirs"]


def test_a_year_whose_holidays_are_not_known_is_closed(
    guard: Guard, moment: Moment, left: Left
) -> None:
    at_ms = _ms(f"{LAST_YEAR + 1}-06-10T12:00:00+02:00")
    situation = moment(at_ms=at_ms, time_zone=VIENNA)
    policy = replace(NIGHTS, periods=(), holidays=())
    assert set(left(guard(policy), situation).values()) == {"quiet_hours.calendar_unknown"}
    assert policy.next_open_ms(at_ms, VIENNA) is None
    assert not left(guard(replace(policy, missing=Missing.OPEN)), situation)


def test_a_plan_carries_the_dates_of_its_calendars() -> None:
    (packed,) = policies_to_builtins([NIGHTS])
    (kept,) = policies_from_builtins([msgspec.json.decode(msgspec.json.encode(packed))])
    assert isinstance(kept, QuietHours)
    assert "2026-10-26" in kept.calendar_dates
    assert kept == NIGHTS.as_published() == kept.as_published()
    assert list(kept.problems()) == []


def _ms(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-06-10T20:59:59.999+02:00", "2026-06-10T20:59:59.999+02:00"),
        ("2026-06-10T21:00:30.500+02:00", "2026-06-11T08:00:00+02:00"),
        ("2026-06-13T12:45:00+02:00", "2026-06-13T14:00:00+02:00"),
        # Over the night of the 23rd, Christmas Eve, and both holidays after it, and that night.
        ("2026-12-23T22:00:00+01:00", "2026-12-27T08:00:00+01:00"),
        # The night in which clocks go forward is an hour shorter.
        ("2026-03-28T23:00:00+01:00", "2026-03-29T08:00:00+02:00"),
    ],
)
def test_it_opens_again_after_all_that_adjoins(at: str, opens: str) -> None:
    assert NIGHTS.next_open_ms(_ms(at), VIENNA) == _ms(opens)


def test_when_it_opens_is_not_known_without_a_zone() -> None:
    assert NIGHTS.next_open_ms(0, None) is None
    assert NIGHTS.next_open_ms(0, "Mars/Olympus") is None
    assert replace(NIGHTS, missing=Missing.OPEN).next_open_ms(7, None) == 7


def test_a_row_may_be_said_when_none_of_its_policies_is_quiet(moment: Moment) -> None:
    night = _quiet("22:00", "08:00")
    morning = replace(_quiet("08:00", "09:30"), zone="Europe/Vienna")
    noon = _quiet("12:00", "13:00")
    situation = moment(at_ms=_ms("2026-06-10T23:00:00+02:00"), time_zone=VIENNA)

    def opens(*rows: Sequence[QuietHours]) -> int | None:
        return not_before(rows, situation)

    assert opens([night]) == _ms("2026-06-11T08:00:00+02:00")
    assert opens([night, morning, noon]) == _ms("2026-06-11T09:30:00+02:00")
    assert opens([night, morning], [night]) == _ms("2026-06-11T08:00:00+02:00")
    assert opens([]) == situation.at_ms
    assert opens() is None
    day = _quiet("08:00", "22:00")
    assert opens([night, day]) is None
    nowhere = moment(at_ms=situation.at_ms)
    assert not_before([[night], [morning]], nowhere) == situation.at_ms
    assert not_before([[night]], nowhere) is None


_times = st.integers(0, 1_439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
_periods = st.builds(
    Period,
    start=_times,
    end=_times,
    days=st.lists(st.sampled_from(WEEKDAYS), max_size=3, unique=True).map(tuple),
).filter(lambda period: period.start != period.end)


@cache
def _walls(zone: str, day: str) -> list[datetime]:
    """Return what the wall shows each minute of three days around one, from UTC."""
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(days=1)
    return [(start + timedelta(minutes=m)).astimezone(ZoneInfo(zone)) for m in range(3 * 1_440)]


def _says_quiet(policy: QuietHours, wall: datetime) -> bool:
    """Read the policy as a person would, one minute on the wall at a time."""
    today, yesterday = WEEKDAYS[wall.weekday()], WEEKDAYS[(wall.weekday() + 6) % 7]
    now = f"{wall:%H:%M}"
    for period in policy.periods:
        days = period.days or WEEKDAYS
        if period.start < period.end:
            if today in days and period.start <= now < period.end:
                return True
        elif (today in days and now >= period.start) or (yesterday in days and now < period.end):
            return True
    return f"{wall:%Y-%m-%d}" in policy.holidays


@settings(max_examples=40, deadline=None)
@given(
    periods=st.lists(_periods, max_size=4),
    place=st.sampled_from(
        [
            ("Europe/Vienna", "2026-03-29"),
            ("Europe/Vienna", "2026-10-25"),
            ("America/New_York", "2026-11-01"),
            ("Australia/Lord_Howe", "2026-04-05"),  # by half an hour
            ("America/Sao_Paulo", "2018-11-04"),  # at midnight
            ("Africa/Casablanca", "2026-02-15"),
            ("Asia/Kathmandu", "2026-02-15"),
            ("Pacific/Apia", "2011-12-30"),  # a day that never was
        ]
    ),
    holiday=st.booleans(),
)
def test_it_is_quiet_and_opens_as_read_minute_by_minute(
    *,
    guard: Guard,
    moment: Moment,
    periods: list[Period],
    place: tuple[str, str],
    holiday: bool,
) -> None:
    zone, day = place
    policy = QuietHours(
        id=PolicyId("p"),
        description="d",
        periods=tuple(periods),
        holidays=(day,) if holiday else (),
    )
    walls = _walls(zone, day)
    expected = [_says_quiet(policy, wall) for wall in walls]
    opens_ms: list[int | None] = [None] * len(walls)
    opens: int | None = None
    for position in reversed(range(len(walls))):
        opens = opens if expected[position] else from_datetime(walls[position])
        opens_ms[position] = opens
    changes = [p for p in range(1, len(walls)) if expected[p] != expected[p - 1]]
    stack = guard(policy)
    for position in {*range(0, len(walls), 61), *changes, *(p - 1 for p in changes)}:
        at_ms = from_datetime(walls[position])
        dropped_by = stack.evaluate(moment(at_ms=at_ms, time_zone=zone)).dropped_by
        assert bool(dropped_by[1] >= 0) is expected[position], walls[position]
        if opens_ms[position] is not None:
            assert policy.next_open_ms(at_ms, zone) == opens_ms[position], walls[position]


WRONG = QuietHours(id=PolicyId("p"), description="d")


@pytest.mark.parametrize(
    ("policy", "field", "found"),
    [
        (WRONG, "periods", "no period"),
        (replace(WRONG, periods=(Period("25:00", "08:00"),)), "periods", "start '25:00'"),
        (replace(WRONG, periods=(Period("08:00", "08:00"),)), "periods", "both '08:00'"),
        (replace(WRONG, periods=(Period("07:00", "08:00", ("m",)),)), "periods", "day 'm'"),
        (replace(WRONG, holidays=("24.12.",)), "holidays", "holiday '24.12.'"),
        (replace(WRONG, holidays=("2026-02-30",)), "holidays", "holiday '2026-02-30'"),
        (replace(WRONG, calendars=("XX",)), "calendars", "calendar 'XX'"),
        (replace(NIGHTS, zone="Mars/Olympus"), "zone", "zone 'Mars/Olympus'"),
        (replace(WRONG, holidays=("2026-12-24",), calendar_dates=("2026-12-24",)),
         "calendar_dates", "no calendar"),
        (replace(WRONG, periods=(Period("08:00", "20:00"), Period("19:00", "08:00"))),
         "periods", "whole week"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_said(policy: QuietHours, field: str, found: str) -> None:
    (problem,) = policy.problems()
    assert (problem.field, found in problem.found) == (field, True)


def test_a_calendar_that_does_not_exist_is_told_from_those_that_do() -> None:
    (problem,) = replace(WRONG, calendars=("DE-BX",)).problems()
    assert problem.expected.startswith("did you mean DE-")


def test_the_stack_waits_only_for_what_quiet_hours_alone_hold_back(
    guard: Guard, moment: Moment
) -> None:
    night = _quiet("22:00", "08:00")
    lie_in = replace(
        _quiet("06:00", "10:00"), id=PolicyId("q"), applies_to=Selector(actions=("card", "shirt"))
    )
    adults = Eligibility(
        id=PolicyId("a"),
        description="d",
        condition="customer.age >= 18",
        applies_to=Selector(actions=("survey",)),
    )
    situation = moment(at_ms=_ms("2026-06-10T23:00:00+02:00"), time_zone=VIENNA)
    grown = moment(at_ms=situation.at_ms, time_zone=VIENNA, age=20.0)
    everything = np.ones(5, dtype=np.bool_)
    selling = np.array([True, True, True, False, False])

    def waits(
        stack: GuardStack, at: Situation, among: NDArray[np.bool_] = everything
    ) -> int | None:
        return stack.not_before(stack.evaluate(at), at, among)

    stack = guard(night, lie_in, adults)
    assert waits(stack, situation) == _ms("2026-06-11T10:00:00+02:00")
    assert waits(stack, grown) == _ms("2026-06-11T08:00:00+02:00")
    assert waits(stack, grown, selling) == _ms("2026-06-11T10:00:00+02:00")
    left_alone = Holdout(id=PolicyId("h"), description="d", share=1.0, salt="s")
    assert waits(guard(night, left_alone), grown) == _ms("2026-06-11T08:00:00+02:00")
    assert waits(guard(night, left_alone), grown, selling) is None
    noon = moment(at_ms=_ms("2026-06-10T12:00:00+02:00"), time_zone=VIENNA)
    assert waits(stack, noon) is None
    assert waits(stack, moment(at_ms=noon.at_ms)) is None
    ended = replace(lie_in, ends="2026-06-10")
    assert waits(guard(night, ended), grown) == _ms("2026-06-11T08:00:00+02:00")
