"""How virtual time passes for the journey: pushed from arrival to arrival, or kept by a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from nba.domain.clock import Clock, ManualClock

_LOOK_AGAIN_SECONDS = 0.002


class Pace(Protocol):
    """Waits for moments of virtual time."""

    def now(self) -> int:
        """Return the time it is."""

    async def until(self, at_ms: int) -> int:
        """Return, with the time it then is, once ``at_ms`` has come."""


class ManualPace:
    """Moves a manual clock to each moment; never back."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now(self) -> int:
        """Return the time it is."""
        return self._clock()

    async def until(self, at_ms: int) -> int:
        """Move the clock."""
        self._clock.now_ms = max(self._clock.now_ms, at_ms)
        return self._clock.now_ms


class ClockPace:
    """Follows a clock that runs by itself; what is late is not waited for."""

    def __init__(
        self, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep

    def now(self) -> int:
        """Return the time it is."""
        return self._clock()

    async def until(self, at_ms: int) -> int:
        """Wait for the clock."""
        while (now_ms := self._clock()) < at_ms:
            await self._sleep(_LOOK_AGAIN_SECONDS)
        return now_ms
