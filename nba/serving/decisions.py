"""``/v1/decisions``: deciding, looking a decision up, explaining and replaying it."""

from __future__ import annotations

import asyncio
import time

import msgspec

from nba.bodies import parse
from nba.decision.explain import explain, replay
from nba.decision.plans import PlanRepository, parse_version
from nba.decision.recording import read_record
from nba.decision.service import DecisionService
from nba.domain.ids import DecisionId, decision_partition
from nba.errors import NotFoundError
from nba.ledger.records import DecisionRecord
from nba.ledger.store import LedgerStore
from nba.serving.endpoint import Call
from nba.serving.metrics import Metrics
from nba.serving.problems import Reply
from nba.serving.schemas import DecisionBody


class DecisionEndpoints:
    """Handlers for decisions."""

    def __init__(
        self,
        service: DecisionService,
        ledger: LedgerStore,
        repository: PlanRepository,
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._ledger = ledger
        self._repository = repository
        self._metrics = metrics
        self._answered = metrics.decisions.labels("answered")
        self._refused = metrics.decisions.labels("refused")

    async def decide(self, call: Call) -> Reply:
        """Answer ``POST /v1/decisions``."""
        started = time.perf_counter()
        try:
            answer = await self._service.decide(parse(call.body, DecisionBody).to_domain())
        except Exception:
            self._refused.inc()
            raise
        self._answered.inc()
        self._metrics.observe(time.perf_counter() - started)
        return Reply(answer)

    async def get(self, call: Call) -> Reply:
        """Answer ``GET /v1/decisions/{id}`` with the bytes that were answered then."""
        return Reply((await self._record(call)).answer)

    async def explain(self, call: Call) -> Reply:
        """Answer ``GET /v1/decisions/{id}/explain``."""
        record = await self._record(call)
        pointer = parse_version(record.plan_version)
        plan = await asyncio.to_thread(self._repository.get, pointer)
        return Reply(msgspec.json.encode(explain(plan, record)))

    async def replay(self, call: Call) -> Reply:
        """Answer ``GET /v1/decisions/{id}/replay``: decided again from the record alone."""
        record = await self._record(call)
        pointer = parse_version(record.plan_version)
        plan = await asyncio.to_thread(self._repository.get, pointer)
        return Reply(replay(plan, record))

    async def _record(self, call: Call) -> DecisionRecord:
        decision_id = DecisionId(call.path["decision_id"])
        partition = decision_partition(decision_id)
        packed = None
        if partition is not None and partition < self._ledger.partitions:
            (packed,) = await self._ledger.records([decision_id])
        if packed is None:
            raise NotFoundError(f"there is no decision {decision_id!r}, or it is no longer held")
        return read_record(packed)
