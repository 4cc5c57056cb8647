"""Stores that refuse after some calls, as they do where the network goes away."""

from __future__ import annotations

from typing import Any

import polars as pl

from nba.errors import UnavailableError
from nba.ledger.log import LogTable
from nba.ledger.memory import MemoryLedger
from nba.ledger.memory_log import MemoryLog
from nba.ledger.records import ResolutionEntry


class Failing:
    """Counts calls down and refuses from then on, as a store does whose network went away."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def spend(self) -> None:
        """Count one call, or refuse it."""
        if self.calls == 0:
            raise UnavailableError("the store is gone")
        self.calls -= 1


class FailingLedger:
    """A ledger whose resolutions fail after some."""

    def __init__(self, ledger: MemoryLedger, failing: Failing) -> None:
        self._ledger = ledger
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def resolve(self, resolution: ResolutionEntry) -> bool:
        """Write a resolution, or refuse."""
        self._failing.spend()
        return await self._ledger.resolve(resolution)


class FailingLog:
    """A log whose appends fail after some."""

    def __init__(self, log: MemoryLog, failing: Failing) -> None:
        self._log = log
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, name: LogTable, rows: pl.DataFrame, **about: Any) -> bool:
        """Append rows, or refuse."""
        self._failing.spend()
        return self._log.append(name, rows, **about)
