"""When something holds: from a moment until another, either of which may be left open.

A moment is written as a date, which is midnight UTC, or in RFC 3339 with an offset.
"""

from __future__ import annotations

from datetime import UTC, datetime

from nba.domain.clock import MILLISECONDS_PER_SECOND

_DATE_LENGTH = 10


def moment_ms(text: str) -> int:
    """Return a moment in milliseconds since the epoch.

    Raises :class:`ValueError` where the text is none.

    >>> moment_ms("1970-01-02")
    86400000
    >>> moment_ms("1970-01-01T01:00:00+01:00")
    0
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) != _DATE_LENGTH:
            raise ValueError("a time without its offset")
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * MILLISECONDS_PER_SECOND)


def validity_faults(starts: str, ends: str) -> list[tuple[str, str, str]]:
    """Return the field, what was found and what is expected, for everything wrong with both.

    >>> validity_faults("2026-05-01", "2026-04-01")
    [('ends', "ends '2026-04-01' is not after starts '2026-05-01'", 'a later moment, or none')]
    """
    faults = []
    moments: dict[str, int] = {}
    for field, text in (("starts", starts), ("ends", ends)):
        if not text:
            continue
        try:
            moments[field] = moment_ms(text)
        except (ValueError, OverflowError):
            expected = "a date such as 2026-03-01, or 2026-03-01T09:00:00+01:00"
            faults.append((field, f"{field} {text!r}", expected))
    if len(moments) == len(("starts", "ends")) and moments["ends"] <= moments["starts"]:
        found = f"ends {ends!r} is not after starts {starts!r}"
        faults.append(("ends", found, "a later moment, or none"))
    return faults


def bounds_ms(starts: str, ends: str) -> tuple[int | None, int | None]:
    """Return the first moment at which something holds, and the first at which no more."""
    return (moment_ms(starts) if starts else None, moment_ms(ends) if ends else None)
