"""Calendar windows: the day, week or month that a moment lies in, on a clock on the wall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar
from zoneinfo import ZoneInfo

from nba.domain.clock import SECONDS_PER_DAY
from nba.policies.kind import Problem
from nba.policies.kinds.quiet_hours import WEEKDAYS, find_zone

CUSTOMER = "customer"
"""Stands for the time zone that the customer is in."""

LATEST_MONTH_START = 28
"""The last day that every month has."""


class CalendarUnit(StrEnum):
    """What a calendar window is one of."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_LONGEST_DAYS: Mapping[CalendarUnit, int] = {
    CalendarUnit.DAY: 2,
    CalendarUnit.WEEK: 9,
    CalendarUnit.MONTH: 33,
}
"""More days than any such window has had, whatever was done to the clock meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarWindow:
    """The current ``day``, ``week`` or ``month``, from midnight to midnight.

    ``zone`` is ``customer``, the customer's own time zone, or an IANA name. A week starts on
    ``week_starts`` (``mon`` … ``sun``), a month on its day ``month_starts`` (1 to 28). A day on
    which the clock is changed has 23 or 25 hours.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    calendar: CalendarUnit
    zone: str = CUSTOMER
    week_starts: str = "mon"
    month_starts: int = 1

    @property
    def longest_seconds(self) -> int:
        """How far back its start can lie."""
        return _LONGEST_DAYS[self.calendar] * SECONDS_PER_DAY

    def problems(self, field: str) -> Iterator[Problem]:
        """Refuse zones, weekdays and days of the month that are none; ``field`` holds it."""
        if self.zone != CUSTOMER and find_zone(self.zone) is None:
            expected = "customer, or an IANA name such as Europe/Vienna"
            yield Problem(field, f"zone {self.zone!r}", expected)
        if self.week_starts not in WEEKDAYS:
            found = f"week_starts {self.week_starts!r}"
            yield Problem(field, found, f"known: {', '.join(WEEKDAYS)}")
        if not 1 <= self.month_starts <= LATEST_MONTH_START:
            found = f"month_starts {self.month_starts}"
            yield Problem(field, found, f"a day that every month has, 1 to {LATEST_MONTH_START}")

    def in_words(self) -> str:
        """Return it for a sentence."""
        whose = "the customer's" if self.zone == CUSTOMER else f"in {self.zone} the"
        return f"{whose} current {self.calendar}"

    def zone_for(self, customers: str | None) -> ZoneInfo | None:
        """Return the zone it is in, given the customer's; ``None`` where that is not known."""
        return find_zone(customers if self.zone == CUSTOMER else self.zone)

    def start_s(self, now_s: int, zone: ZoneInfo) -> int:
        """Return when the window of a moment began, in seconds since the epoch.

        Where midnight comes twice it is the first, and where it is skipped, the moment after.
        """
        first = self._first_day(datetime.fromtimestamp(now_s, zone).date())
        midnight = datetime(first.year, first.month, first.day, tzinfo=zone)
        return int(midnight.timestamp() // 1)

    def _first_day(self, today: date) -> date:
        if self.calendar is CalendarUnit.WEEK:
            days = (today.weekday() - WEEKDAYS.index(self.week_starts)) % len(WEEKDAYS)
            return today - timedelta(days=days)
        if self.calendar is CalendarUnit.MONTH:
            if today.day >= self.month_starts:
                return today.replace(day=self.month_starts)
            return (today.replace(day=1) - timedelta(days=1)).replace(day=self.month_starts)
        return today
