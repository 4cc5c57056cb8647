"""Back-pressure: more than the process, or the log behind it, can take is refused with 429.

Nothing is ever dropped: what is refused was not taken, and its sender tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from nba.errors import NbaError, OverloadedError
from nba.ledger.store import LedgerStore
from nba.serving.metrics import Metrics

_logger = logging.getLogger(__name__)

RETRY_SECONDS = 1
"""After how long to send again what too many items in flight refused."""

BACKLOG_RETRY_SECONDS = 10
"""After how long to send again what a log that lags behind refused."""


class Admission:
    """Lets items in while few enough are on their way.

    Parameters
    ----------
    ledger
        Whose entries wait for the worker.
    max_in_flight
        Items of this process that may be on their way at once; a request alone may exceed it.
    max_backlog
        Ledger entries that may wait for the worker.
    poll_seconds
        How often their number is looked up.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        metrics: Metrics,
        *,
        max_in_flight: int,
        max_backlog: int,
        poll_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._max_backlog = max_backlog
        self._poll_seconds = poll_seconds
        self._in_flight = 0
        self._backlog = 0

    @contextmanager
    def admit(self, items: int) -> Iterator[None]:
        """Let items in for as long as the block lasts; :class:`OverloadedError` where too many."""
        if self._backlog > self._max_backlog:
            raise OverloadedError(
                f"{self._backlog} ledger entries wait for the worker, more than the "
                f"{self._max_backlog} of NBA_MAX_LEDGER_BACKLOG",
                retry_after_seconds=BACKLOG_RETRY_SECONDS,
            )
        if self._in_flight and self._in_flight + items > self._max_in_flight:
            raise OverloadedError(
                f"{self._in_flight} items are on their way; {items} more exceed the "
                f"{self._max_in_flight} of NBA_MAX_ITEMS_IN_FLIGHT",
                retry_after_seconds=RETRY_SECONDS,
            )
        self._in_flight += items
        self._metrics.items_in_flight.set(self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= items
            self._metrics.items_in_flight.set(self._in_flight)

    async def run(self) -> None:
        """Follow the backlog until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._poll_seconds)

    async def look(self) -> None:
        """Look the backlog up once; what it was counts on where the ledger is away."""
        try:
            self._backlog = await self._ledger.backlog()
        except NbaError as error:
            _logger.warning("the ledger's backlog is not known: %s", error)
            return
        self._metrics.ledger_backlog.set(self._backlog)
