"""What this replica last knew of the state that all customers share: budgets and fairness."""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType

from nba.decision.budgeting import Shared, read_shared
from nba.decision.plan import Plan
from nba.domain.clock import Clock
from nba.errors import NbaError
from nba.ledger.budgets import BudgetStore
from nba.ledger.shared import SharedStore

STALE_SECONDS = 5.0
"""How long what was read last is believed; then nothing is known, and guardrails close."""

_NOTHING: Shared = MappingProxyType({})

_logger = logging.getLogger(__name__)


class SharedView:
    """Reads what the policies of a plan look at, every so often; calling it gives what is known.

    Parameters
    ----------
    budgets, shared
        Where it is read.
    clock
        Says which period of a budget is read.
    poll_seconds
        How often :meth:`run` reads.

    """

    def __init__(
        self, budgets: BudgetStore, shared: SharedStore, *, clock: Clock, poll_seconds: float
    ) -> None:
        self._budgets = budgets
        self._shared = shared
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._plan: Plan | None = None
        self._known: dict[int, tuple[int, ...]] = {}
        self._read_at = float("-inf")

    def __call__(self) -> Shared:
        """Return what is known, by the hash of a policy's id."""
        if not self._known:
            return _NOTHING
        if asyncio.get_running_loop().time() - self._read_at > STALE_SECONDS:
            return _NOTHING
        return dict(self._known)

    def note(self, code: int, state: tuple[int, ...]) -> None:
        """Take in what the store told of one budget meanwhile."""
        self._known[code] = state

    async def look(self, plan: Plan) -> None:
        """Read what a plan looks at, and go on reading it."""
        known = await read_shared(plan.source, self._budgets, self._shared, self._clock())
        self._plan, self._known = plan, known
        self._read_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Read until cancelled; while the store is away, what is known grows stale."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            if self._plan is None:
                continue
            try:
                await self.look(self._plan)
            except NbaError as error:
                _logger.warning("the shared state could not be read: %s", error)
