"""``quiet_hours``: a daily period, in the customer's own time, in which nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.policy import Missing
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours(PolicyKind):
    """Drops everything selected from ``start`` until ``end``, ``HH:MM`` on the customer's clock.

    A period whose end is earlier than its start runs over midnight. ``days`` are the weekdays on
    which it starts (``mon`` … ``sun``); empty is every day. Without a known time zone ``missing``
    decides.
    """

    kind: Literal["quiet_hours"] = "quiet_hours"
    start: str
    end: str
    days: tuple[str, ...] = ()
    missing: Missing = Missing.CLOSED
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("quiet_hours.active", "it is quiet time where the customer is"),
        Cause("quiet_hours.time_zone_unknown", "the customer's time zone is not known"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse what is no time or day, and a period of no length."""
        times = {"start": self.start, "end": self.end}
        for name, time in times.items():
            if not _TIME.fullmatch(time):
                yield Problem(name, f"{name} {time!r}", 'a time such as "21:00" is expected')
        if self.start == self.end:
            found = f"start and end are both {self.start!r}"
            yield Problem("end", found, "a period needs a length")
        for day in self.days:
            if day not in WEEKDAYS:
                yield Problem("days", f"day {day!r}", f"known: {', '.join(WEEKDAYS)}")

    def sentence(self, cause: int) -> str:
        """Say which hours."""
        period = f"{self.start} to {self.end}"
        return f"{self.description} ({period}; {self.causes[cause].meaning})"

    def is_quiet(self, weekday: int, minute: int) -> bool:
        """Say whether a minute of a day (Monday is 0) lies in the period."""
        start, end = _minute_of(self.start), _minute_of(self.end)
        if start < end:
            return start <= minute < end and self._starts_on(weekday)
        if minute >= start:
            return self._starts_on(weekday)
        return minute < end and self._starts_on((weekday - 1) % len(WEEKDAYS))

    def next_open_ms(self, at_ms: int, time_zone: str | None) -> int | None:
        """Return when it is quiet no more, in ms since the epoch; ``None`` where nobody can tell."""
        zone = find_zone(time_zone)
        if zone is None:
            return None
        minute_s = at_ms // MILLISECONDS_PER_SECOND // 60 * 60
        for moment_s in range(minute_s, minute_s + 8 * 86_400, 60):
            local = datetime.fromtimestamp(moment_s, zone)
            minute = local.hour * _MINUTES_PER_HOUR + local.minute
            if not self.is_quiet(local.weekday(), minute):
                return moment_s * MILLISECONDS_PER_SECOND
        return None

    def _starts_on(self, weekday: int) -> bool:
        return not self.days or WEEKDAYS[weekday] in self.days


def compile_quiet_hours(
    selected: Sequence[Selected[QuietHours]], surroundings: Surroundings
) -> Stage:
    """Compile: one gate a policy."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    if not gates:
        return Stage(())
    policies = [
        (surroundings.first_gate + position, item.policy) for position, item in enumerate(selected)
    ]

    def close(situation: Situation, closed: NDArray[np.uint8], _: NDArray[np.uint8]) -> None:
        zone = find_zone(situation.time_zone)
        if zone is None:
            for gate, policy in policies:
                closed[gate] = SECOND_CAUSE if policy.missing is Missing.CLOSED else OPEN
            return
        local = datetime.fromtimestamp(situation.at_ms // MILLISECONDS_PER_SECOND, zone)
        weekday, minute = local.weekday(), local.hour * _MINUTES_PER_HOUR + local.minute
        for gate, policy in policies:
            if policy.is_quiet(weekday, minute):
                closed[gate] = FIRST_CAUSE

    return Stage(gates, close)


@lru_cache(maxsize=1_024)
def find_zone(name: str | None) -> ZoneInfo | None:
    """Return an IANA time zone; ``None`` where there is no such zone."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=1_440)
def _minute_of(time: str) -> int:
    hours, _, minutes = time.partition(":")
    return int(hours) * _MINUTES_PER_HOUR + int(minutes)
