"""What the ledger holds about decisions, read many at once; what cannot be read is left out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, parse_version
from nba.decision.recording import read_record
from nba.domain.ids import DecisionId
from nba.errors import CorruptRecordError, InputError, NotFoundError
from nba.ledger.records import DecisionRecord, OutcomeEntry
from nba.ledger.store import LedgerStore

UNREADABLE = (CorruptRecordError, NotFoundError, InputError)
"""Errors that trying again does not cure: what they concern is left out, loudly."""

_logger = logging.getLogger(__name__)

Held = Mapping[str, DecisionRecord]
"""Records by decision id; one that is gone or cannot be read is absent."""


class Records:
    """Reads decision records, the outcomes reported for them, and their plans."""

    def __init__(self, ledger: LedgerStore, repository: PlanRepository) -> None:
        self.ledger = ledger
        self._repository = repository

    async def load(self, decision_ids: Sequence[DecisionId]) -> Held:
        """Return the records that are held."""
        records: dict[str, DecisionRecord] = {}
        packed = await self.ledger.records(decision_ids)
        for decision_id, found in zip(decision_ids, packed, strict=True):
            if found is None:
                continue
            try:
                records[decision_id] = read_record(found)
            except UNREADABLE as error:
                leave_out(f"decision {decision_id}", error)
        return records

    async def reported(self, decision_ids: Sequence[DecisionId]) -> list[OutcomeEntry]:
        """Return the outcomes reported for decisions, early ones included."""
        found = await asyncio.gather(*[self.ledger.outcomes(name) for name in decision_ids])
        return [outcome for outcomes in found for outcome in outcomes]

    def plan_of(self, record: DecisionRecord) -> Plan:
        """Return the plan a decision was made under, whatever its bandit had learned."""
        return self._repository.get(PlanPointer(parse_version(record.plan_version).digest))


def leave_out(what: str, error: Exception) -> None:
    """Say that something is left out, and why."""
    _logger.error("%s is left out: %s", what, error)
