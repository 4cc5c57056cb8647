"""Periods that come one after another: of the calendar in a time zone, or of a fixed length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

CALENDAR = ("day", "week", "month")
TOTAL = "total"
"""The one period that lasts as long as what it belongs to."""

SHORTEST_SECONDS = 60
LONGEST_SECONDS = 366 * 86_400

_LENGTH = re.compile(r"([1-9]\d{0,6})([mhdw])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start_s`` until before ``end_s``, in seconds since the epoch; no end is ``None``."""

    start_s: int
    end_s: int | None

    def elapsed(self, at_ms: int) -> float:
        """Return which part of it has passed, 0 to 1; 0 where it never ends.

        >>> Period(0, 100).elapsed(25_000)
        0.25
        """
        if self.end_s is None:
            return 0.0
        part = (at_ms / 1_000 - self.start_s) / (self.end_s - self.start_s)
        return min(max(part, 0.0), 1.0)


def length_seconds(text: str) -> int | None:
    """Return the length of a fixed period; ``None`` where the text names none.

    >>> length_seconds("6h"), length_seconds("day")
    (21600, None)
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    seconds = int(match.group(1)) * _SECONDS[match.group(2)]
    return seconds if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS else None


def period_at(text: str, zone: str, at_ms: int) -> Period:
    """Return the period a moment lies in: a ``day``, ``week`` or ``month``, or of a length.

    A day begins at midnight in ``zone``, however long the change of clocks makes it; a week begins
    on Monday; one of a fixed length is counted from the epoch.

    >>> period_at("6h", "UTC", 30_000_000)
    Period(start_s=21600, end_s=43200)
    """
    at_s = at_ms // 1_000
    seconds = length_seconds(text)
    if seconds is not None:
        start_s = at_s // seconds * seconds
        return Period(start_s, start_s + seconds)
    place = ZoneInfo(zone)
    local = datetime.fromtimestamp(at_s, place).date()
    found = _calendar(text, local, place)
    # Where clocks go back over midnight, a date returns after the next has begun.
    if found.end_s is not None and at_s >= found.end_s:
        return _calendar(text, local + timedelta(days=1), place)
    return found


@lru_cache(maxsize=1_024)
def _calendar(text: str, day: date, zone: ZoneInfo) -> Period:
    if text == "week":
        first = day - timedelta(days=day.weekday())
        following = first + timedelta(days=7)
    elif text == "month":
        first = day.replace(day=1)
        years, month = divmod(first.month, _DECEMBER)
        following = first.replace(year=first.year + years, month=month + 1)
    else:
        first = day
        following = day + timedelta(days=1)
    return Period(_midnight_s(first, zone), _midnight_s(following, zone))


def _midnight_s(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
