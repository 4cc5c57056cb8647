"""Following the live plan: a replica swaps whole plans by one assignment, off the request path."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable

from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, read_pointer
from nba.errors import NbaError, NotFoundError, UnavailableError
from nba.ledger.store import LedgerStore

_logger = logging.getLogger(__name__)


class PlanFollower:
    """Keeps the plan that the ledger's pointer names; the last good one where a new one fails.

    Parameters
    ----------
    swapped
        Called with each new plan before it goes live; warms it.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        repository: PlanRepository,
        *,
        poll_seconds: float,
        swapped: Callable[[Plan], None],
    ) -> None:
        self._ledger = ledger
        self._repository = repository
        self._poll_seconds = poll_seconds
        self._swapped = swapped
        self._pointer: PlanPointer | None = None
        self._refused: PlanPointer | None = None
        self._plan: Plan | None = None

    def plan(self) -> Plan | None:
        """Return the live plan, or ``None`` before the first."""
        return self._plan

    def require(self) -> Plan:
        """Return the live plan; :class:`UnavailableError` before the first."""
        if self._plan is None:
            raise UnavailableError("no plan is live yet")
        return self._plan

    async def start(self) -> None:
        """Look once before the first request; no plan yet is no error."""
        await self._look()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self._look()

    async def _look(self) -> None:
        try:
            await self.follow()
        except NbaError as error:
            _logger.warning("the plan could not be followed: %s", error)
        except Exception:
            # Whatever is wrong with a plan, the last good one goes on.
            _logger.exception("the plan could not be followed")

    async def follow(self) -> bool:
        """Look once; return whether a new plan went live."""
        packed = await self._ledger.plan()
        if packed is None:
            return False
        pointer = read_pointer(packed)
        if pointer in (self._pointer, self._refused):
            return False
        try:
            plan = await asyncio.to_thread(self._prepare, pointer)
        except (UnavailableError, NotFoundError):
            raise  # to be tried again: a store is away, or lags behind the pointer
        except Exception:
            self._refused = pointer
            raise
        new_definitions = self._plan is None or self._plan.digest != plan.digest
        self._pointer, self._plan = pointer, plan
        if new_definitions:
            # What a plan holds lives long: keep the collector from walking it on every cycle.
            gc.collect()
            gc.freeze()
        return True

    def _prepare(self, pointer: PlanPointer) -> Plan:
        plan = self._repository.get(pointer)
        self._swapped(plan)
        return plan
