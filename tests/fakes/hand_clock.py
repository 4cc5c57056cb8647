"""A clock that shows what it was set to."""

from __future__ import annotations

from dataclasses import dataclass

NOON_MS = 1_700_000_000_000


@dataclass
class HandClock:
    """Shows noon, until it is set to something else."""

    now_ms: int = NOON_MS

    def __call__(self) -> int:
        """Return the time it was set to."""
        return self.now_ms
