"""What only one process may do at a time: work on a partition, write the log, change layouts.

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

LAYOUTS_HELD_MS = 20_000
"""How long the right to change layouts does: a command may be too busy to renew it for seconds."""

_RENEWED_TIMES = 4
"""How often a right is renewed while it would hold once."""

_RENEW_SECONDS = HELD_MS / _RENEWED_TIMES / 1_000
_WAIT_SECONDS = 0.2
_LOG = "log"
_LAYOUTS = "layouts"
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
        async with _held(self._ledger, _LOG, owner, HELD_MS):
            yield

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


@asynccontextmanager
async def alone_with_layouts(ledger: LedgerStore, owner: str) -> AsyncIterator[None]:
    """Be the only one who changes layouts, or lands events that the log does not order.

    Raises :class:`~nba.errors.ConflictError` where another is at it; ``owner`` is not another.
    """
    if not await ledger.claim(_LAYOUTS, owner, LAYOUTS_HELD_MS):
        raise ConflictError(
            "another plan is on its way in, or a file is; try again when it is there"
        )
    async with _held(ledger, _LAYOUTS, owner, LAYOUTS_HELD_MS):
        yield


@asynccontextmanager
async def _held(ledger: LedgerStore, name: str, owner: str, for_ms: int) -> AsyncIterator[None]:
    """Renew a right that was taken, and give it back in the end."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(for_ms / _RENEWED_TIMES / 1_000)
            with suppress(UnavailableError):
                await ledger.claim(name, owner, for_ms)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(UnavailableError):
            await ledger.claim(name, owner, 0)
