"""``quiet_hours``: times of the day, and days, on which nothing is sent.

Times are those of a clock on the wall, minute by minute: where it is put forward, the minutes left
out are never there, and where it is put back, a minute that comes twice is quiet twice.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache, partial
from typing import ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.domain.policy import Missing
from nba.policies.calendars import FIRST_YEAR, LAST_YEAR, calendar_hint, holidays_of
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
THIRD_CAUSE = SECOND_CAUSE + 1
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MINUTES_PER_HOUR = 60
_MINUTES_PER_DAY = 1_440
_MINUTES_PER_WEEK = len(WEEKDAYS) * _MINUTES_PER_DAY
_SECONDS_PER_MINUTE = 60
_LOOKED_AHEAD_SECONDS = 400 * SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` until ``end``, ``HH:MM``; over midnight where the end is the earlier.

    ``days`` are the weekdays on which it starts (``mon`` … ``sun``); empty is every day.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    start: str
    end: str
    days: tuple[str, ...] = ()


class Wall(NamedTuple):
    """What clock and calendar on the wall show: minutes since the first day of the year 1."""

    minute: int
    year: int


@dataclass(frozen=True, slots=True)
class Timetable:
    """The quiet minutes of a week, and the days that are quiet as a whole.

    ``starts`` and ``ends`` are of disjoint periods in minutes since Monday's midnight, in order;
    ``days`` are ordinals of dates.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    days: frozenset[int]

    def open_from(self, minute: int) -> int:
        """Return the end of what is quiet at a minute of :class:`Wall`; the minute if nothing is.

        At least as far as to the next midnight or the period's end: quiet may go on there.
        """
        day, of_day = divmod(minute, _MINUTES_PER_DAY)
        if day in self.days:
            return minute - of_day + _MINUTES_PER_DAY
        of_week = (day + 6) % len(WEEKDAYS) * _MINUTES_PER_DAY + of_day
        position = bisect_right(self.starts, of_week) - 1
        if position >= 0 and of_week < self.ends[position]:
            return minute + self.ends[position] - of_week
        return minute


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours(PolicyKind):
    """Drops everything selected in any of ``periods``, and on ``holidays``, by the customer's time.

    ``start``, ``end`` and ``days`` are a short form of one period. ``holidays`` are dates, quiet as
    a whole; so are the public holidays of ``calendars``: countries, or parts of one (``AT``,
    ``US-CA``). Times and dates are the customer's, or those of ``zone`` where one is given.
    Without a known time zone, and in years whose calendar is not known, ``missing`` decides.
    ``calendar_dates`` is filled when a plan is made.
    """

    kind: Literal["quiet_hours"] = "quiet_hours"
    start: str = ""
    end: str = ""
    days: tuple[str, ...] = ()
    periods: tuple[Period, ...] = ()
    holidays: tuple[str, ...] = ()
    calendars: tuple[str, ...] = ()
    zone: str = ""
    missing: Missing = Missing.CLOSED
    calendar_dates: tuple[str, ...] = ()
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("quiet_hours.active", "it is quiet time where the customer is"),
        Cause("quiet_hours.time_zone_unknown", "the customer's time zone is not known"),
        Cause("quiet_hours.calendar_unknown", "the year's holidays are not known"),
    )

    @property
    def all_periods(self) -> tuple[Period, ...]:
        """The periods, the short form among them."""
        if not (self.start or self.end or self.days):
            return self.periods
        return (Period(start=self.start, end=self.end, days=self.days), *self.periods)

    def problems(self) -> Iterator[Problem]:
        """Refuse what is no time, day, date, zone or calendar, and what is never or always."""
        wrong = list(self._wrong_periods())
        yield from wrong
        yield from self._wrong_dates()
        if self.zone and find_zone(self.zone) is None:
            expected = "an IANA time zone such as Europe/Paris"
            yield Problem("zone", f"zone {self.zone!r}", expected)
        if not (self.all_periods or self.holidays or self.calendars):
            yield Problem("periods", "no period and no holiday", "start and end, or periods")
        elif not wrong and _week(self.all_periods) == ((0,), (_MINUTES_PER_WEEK,)):
            expected = "leave a minute in which something may be said"
            yield Problem("periods", "the periods cover the whole week", expected)

    def _wrong_periods(self) -> Iterator[Problem]:
        for number, period in enumerate(self.all_periods):
            is_short = number == 0 and len(self.all_periods) > len(self.periods)
            for name in ("start", "end"):
                time = getattr(period, name)
                if not _TIME.fullmatch(time):
                    place = name if is_short else "periods"
                    yield Problem(place, f"{name} {time!r}", 'a time such as "21:00" is expected')
            if period.start == period.end:
                found = f"start and end are both {period.start!r}"
                yield Problem("end" if is_short else "periods", found, "a period needs a length")
            for day in period.days:
                if day not in WEEKDAYS:
                    known = f"known: {', '.join(WEEKDAYS)}"
                    yield Problem("days" if is_short else "periods", f"day {day!r}", known)

    def _wrong_dates(self) -> Iterator[Problem]:
        for text in self.holidays:
            if not _is_date(text):
                yield Problem("holidays", f"holiday {text!r}", "a date such as 2026-12-24")
        for calendar in self.calendars:
            try:
                holidays_of(calendar)
            except KeyError:
                yield Problem("calendars", f"calendar {calendar!r}", calendar_hint(calendar))
        if self.calendar_dates and not self.calendars:
            expected = "list your own dates under holidays"
            yield Problem("calendar_dates", "dates of no calendar", expected)

    def sentence(self, cause: int) -> str:
        """Say which hours and days."""
        parts = [f"{period.start} to {period.end}" for period in self.all_periods]
        parts += ["holidays"] if self.holidays or self.calendars else []
        return f"{self.description} ({', '.join(parts)}; {self.causes[cause].meaning})"

    def as_published(self) -> QuietHours:
        """Return the policy with the dates of its calendars, so that deciding need not ask."""
        if not self.calendars or self.calendar_dates:
            return self
        dates = sorted({day for calendar in self.calendars for day in holidays_of(calendar)})
        return replace(self, calendar_dates=tuple(dates))

    def next_open_ms(self, at_ms: int, time_zone: str | None) -> int | None:
        """Return the earliest moment from ``at_ms`` on at which it is not quiet.

        ``None`` where that is not known, or further away than a year.
        """
        zone = find_zone(self.zone or time_zone)
        if zone is None:
            return at_ms if self.missing is Missing.OPEN else None
        second = at_ms // MILLISECONDS_PER_SECOND
        last = second + _LOOKED_AHEAD_SECONDS
        timetable = timetable_of(self)
        while second <= last:
            moment = datetime.fromtimestamp(second, zone)
            wall = wall_of(moment)
            if self.is_unknown_in(wall.year):
                return None
            ahead = min(timetable.open_from(wall.minute) - wall.minute, _MINUTES_PER_DAY)
            if ahead == 0:
                return max(at_ms, second * MILLISECONDS_PER_SECOND)
            then = second + ahead * _SECONDS_PER_MINUTE - moment.second
            second = _up_to_change(zone, second, then)
        return None

    def is_unknown_in(self, year: int) -> bool:
        """Say whether a year's holidays would be needed, and are not known."""
        return (
            bool(self.calendars)
            and not FIRST_YEAR <= year <= LAST_YEAR
            and self.missing is Missing.CLOSED
        )


def compile_quiet_hours(
    selected: Sequence[Selected[QuietHours]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate a policy; each clock is looked at once."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    by_zone: dict[str, list[tuple[int, QuietHours, Timetable]]] = {}
    for gate, item in enumerate(selected, start=surroundings.first_gate):
        policy = item.policy
        by_zone.setdefault(policy.zone, []).append((gate, policy, timetable_of(policy)))

    return Stage(gates, partial(_close, by_zone))


def _close(
    by_zone: Mapping[str, Sequence[tuple[int, QuietHours, Timetable]]],
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    at_s = situation.at_ms // MILLISECONDS_PER_SECOND
    for fixed, policies in by_zone.items():
        zone = find_zone(fixed or situation.time_zone)
        if zone is None:
            for gate, policy, _table in policies:
                closed[gate] = SECOND_CAUSE if policy.missing is Missing.CLOSED else OPEN
            continue
        wall = wall_of(datetime.fromtimestamp(at_s, zone))
        for gate, policy, timetable in policies:
            if timetable.open_from(wall.minute) != wall.minute:
                closed[gate] = FIRST_CAUSE
            elif policy.is_unknown_in(wall.year):
                closed[gate] = THIRD_CAUSE


def not_before(rows: Iterable[Sequence[QuietHours]], situation: Situation) -> int | None:
    """Return the earliest moment at which any row may be said, in ms since the epoch.

    ``rows`` gives, for each row that only quiet hours hold back, all the quiet hours that concern
    it: it may be said when none of them is quiet. ``None`` where that is not known of any row.
    """
    found = [_all_open_ms(policies, situation) for policies in rows]
    return min((moment for moment in found if moment is not None), default=None)


def _all_open_ms(policies: Sequence[QuietHours], situation: Situation) -> int | None:
    at_ms = situation.at_ms
    last = at_ms + _LOOKED_AHEAD_SECONDS * MILLISECONDS_PER_SECOND
    while at_ms <= last:
        opens = [policy.next_open_ms(at_ms, situation.time_zone) for policy in policies]
        known = [moment for moment in opens if moment is not None]
        if len(known) < len(opens):
            return None
        if max(known, default=at_ms) == at_ms:
            return at_ms
        at_ms = max(known)
    return None


def wall_of(moment: datetime) -> Wall:
    """Return what the wall shows at a moment in its own zone."""
    of_day = moment.hour * _MINUTES_PER_HOUR + moment.minute
    return Wall(moment.toordinal() * _MINUTES_PER_DAY + of_day, moment.year)


def timetable_of(policy: QuietHours) -> Timetable:
    """Return a policy's timetable; those of equal times are one."""
    dates = (*policy.holidays, *policy.as_published().calendar_dates)
    return _timetable(policy.all_periods, dates)


@lru_cache(maxsize=1_024)
def _timetable(periods: tuple[Period, ...], dates: tuple[str, ...]) -> Timetable:
    days = frozenset(date.fromisoformat(text).toordinal() for text in dates)
    return Timetable(*_week(periods), days)


def _week(periods: Sequence[Period]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return starts and ends of what periods cover in a week, joined where they touch."""
    pieces: list[tuple[int, int]] = []
    for period in periods:
        start, end = _minute_of(period.start), _minute_of(period.end)
        length = (end - start) % _MINUTES_PER_DAY
        for day in period.days or WEEKDAYS:
            begin = WEEKDAYS.index(day) * _MINUTES_PER_DAY + start
            stop = begin + length
            pieces.append((begin, min(stop, _MINUTES_PER_WEEK)))
            if stop > _MINUTES_PER_WEEK:
                pieces.append((0, stop - _MINUTES_PER_WEEK))
    joined: list[list[int]] = []
    for begin, stop in sorted(pieces):
        if joined and begin <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([begin, stop])
    return tuple(begin for begin, _ in joined), tuple(stop for _, stop in joined)


def _up_to_change(zone: ZoneInfo, second: int, then: int) -> int:
    """Return ``then``, or the second before it from which clocks show another offset."""

    def offset(at: int) -> float:
        shift = datetime.fromtimestamp(at, zone).utcoffset()
        return 0.0 if shift is None else shift.total_seconds()

    before = offset(second)
    if offset(then) == before:
        return then
    low, high = second, then
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle) == before:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=1_024)
def find_zone(name: str | None) -> ZoneInfo | None:
    """Return an IANA time zone; ``None`` where there is no such zone."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _minute_of(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * _MINUTES_PER_HOUR + int(minutes)
