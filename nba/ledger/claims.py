"""What only one process may do at a time: work on a partition, and rewrite the log's files.

A right is held for seconds and renewed, so whatever its holder becomes, others wait no longer than
that. A worker that finds that one of its partitions is another's stops where it is: what it would
write twice the stores refuse, and what it has not written the other one does.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from nba.errors import ConflictError, UnavailableError
from nba.ledger.positions import writer_of
from nba.ledger.store import LedgerStore

HELD_MS = 3_000
"""How long a right outlasts its holder."""

_RENEW_SECONDS = 0.75
_WAIT_SECONDS = 0.2
_LOG = "log"
_LOG_WAIT_SECONDS = 0.02

_logger = logging.getLogger(__name__)


class Claims:
    """The rights of one worker."""

    def __init__(self, ledger: LedgerStore) -> None:
        self._ledger = ledger
        self._owner = uuid.uuid4().hex
        self._lost: str | None = None

    @asynccontextmanager
    async def on(self, partitions: Iterable[int], stop: asyncio.Event) -> AsyncIterator[None]:
        """Hold partitions; waits until each is free, or ``stop`` is set."""
        names = [writer_of(partition) for partition in partitions]
        held: list[str] = []
        renewing = asyncio.create_task(self._renew(held))
        try:
            for name in names:
                await self._wait_for(name, stop)
                held.append(name)
            yield
        finally:
            renewing.cancel()
            with suppress(UnavailableError):
                for name in names:
                    await self._ledger.claim(name, self._owner, 0)

    def check(self) -> None:
        """Raise :class:`ConflictError` where a partition has become another worker's."""
        if self._lost is not None:
            raise ConflictError(
                f"{self._lost} is another worker's now; this one stops. Give each worker an "
                "NBA_WORKER_INDEX of its own, and all of them the same NBA_WORKER_COUNT"
            )

    @asynccontextmanager
    async def log(self) -> AsyncIterator[None]:
        """Be the only one who writes the log: erasing removes files that nothing refers to yet."""
        owner = uuid.uuid4().hex
        while not await self._ledger.claim(_LOG, owner, HELD_MS):  # noqa: ASYNC110  # others' event
            await asyncio.sleep(_LOG_WAIT_SECONDS)
        renewing = asyncio.create_task(self._hold(_LOG, owner))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(UnavailableError):
                await self._ledger.claim(_LOG, owner, 0)

    async def _wait_for(self, name: str, stop: asyncio.Event) -> None:
        told = False
        while not stop.is_set():
            with suppress(UnavailableError):
                if await self._ledger.claim(name, self._owner, HELD_MS):
                    return
            if not told:
                _logger.warning("%s is another worker's; waiting until it lets go", name)
                told = True
            await asyncio.sleep(_WAIT_SECONDS)

    async def _renew(self, names: list[str]) -> None:
        while self._lost is None:
            await asyncio.sleep(_RENEW_SECONDS)
            for name in list(names):
                with suppress(UnavailableError):
                    if not await self._ledger.claim(name, self._owner, HELD_MS):
                        self._lost = name
                        return

    async def _hold(self, name: str, owner: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(UnavailableError):
                await self._ledger.claim(name, owner, HELD_MS)
