"""The whole service in this process, on stores in memory, for histories and baselines.

The pipeline, the guardrails and the ledger are the real ones; only the stores and the wire are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from nba.decision.arbitration import Arbiter
from nba.decision.outcomes import OutcomeResult, OutcomeService
from nba.decision.plan import Plan
from nba.decision.service import DecisionService
from nba.domain.clock import ManualClock
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.decision import DecisionRequest
from nba.domain.outcome import Outcome
from nba.errors import InputError
from nba.features import ItemStatus, MemoryProfileStore, ProfileService
from nba.ledger.memory import MemoryLedger
from nba.simulator.tastes import generator

_DRAWN_BYTES = 8


class InProcessService:
    """A :class:`~nba.simulator.local.LocalService` for one plan.

    Equal ``seed`` and calls give equal answers, ids included. ``ledger`` holds what a worker reads
    to write the log. ``arbiter`` replaces the plan's own arbitration, never its guardrails.
    """

    def __init__(
        self, plan: Plan, *, clock: ManualClock, seed: int, arbiter: Arbiter | None = None
    ) -> None:
        profiles: dict[str, bytes] = {}
        self.ledger = MemoryLedger(profiles)
        self._rng = generator(seed, 30)
        store = MemoryProfileStore(profiles, self.ledger.append_event, clock)
        self._profiles = ProfileService(store, lambda: plan.features, clock)
        self._decisions = DecisionService(
            lambda: plan, self.ledger, clock=clock, random_bits=self._random_bits, arbiter=arbiter
        )
        self._outcomes = OutcomeService(self.ledger, clock=clock)

    async def put_customer(self, update: ProfileUpdate) -> None:
        """Create or change a customer's profile."""
        await self._profiles.put(update)

    async def record_events(self, events: Sequence[Event]) -> None:
        """Take events in; :class:`InputError` where any is refused."""
        results = await self._profiles.ingest(events)
        faults = [f for r in results if r.status is ItemStatus.REJECTED for f in r.faults]
        if faults:
            raise InputError(faults)

    async def decide(self, request: DecisionRequest) -> bytes:
        """Return the answer as JSON."""
        return await self._decisions.decide(request)

    async def report(self, outcomes: Sequence[Outcome]) -> Sequence[OutcomeResult]:
        """Take outcomes in and answer each."""
        return await self._outcomes.report(outcomes)

    def _random_bits(self, count: int) -> int:
        return int.from_bytes(self._rng.bytes(_DRAWN_BYTES)) >> (8 * _DRAWN_BYTES - count)
