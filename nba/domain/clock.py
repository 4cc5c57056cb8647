"""Time as it is injected: milliseconds since the Unix epoch, UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], int]
"""Returns now, in milliseconds since the Unix epoch."""

MILLISECONDS_PER_SECOND = 1_000
SECONDS_PER_DAY = 86_400


class ManualClock:
    """A clock that moves only when told to; for tests and simulations."""

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Return now."""
        return self.now_ms

    def advance(self, *, seconds: float) -> None:
        """Move forward."""
        self.now_ms += round(seconds * MILLISECONDS_PER_SECOND)


def to_rfc3339(at_ms: int) -> str:
    """Format as RFC 3339 in UTC with milliseconds.

    >>> to_rfc3339(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    seconds, milliseconds = divmod(at_ms, MILLISECONDS_PER_SECOND)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=256)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def from_datetime(moment: datetime) -> int:
    """Return milliseconds since the epoch; a naive datetime is refused with ``ValueError``."""
    if moment.tzinfo is None:
        raise ValueError(
            f"{moment.isoformat()} has no time zone; RFC 3339 with an offset is needed"
        )
    return round(moment.timestamp() * MILLISECONDS_PER_SECOND)
