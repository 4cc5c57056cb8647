"""What is recorded about one customer: their timeline, and its erasure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from nba.domain.clock import to_rfc3339
from nba.domain.customer import Event
from nba.domain.ids import CustomerId, DecisionId, partition_of
from nba.features import ProfileStore
from nba.features.aliases import Aliases
from nba.ledger.records import DecisionRecord, OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import START, EntryType, LedgerEntry, LedgerStore

if TYPE_CHECKING:
    from nba.ledger.log import DecisionLog

_TAIL_BATCH = 1_000


class CustomerRecords:
    """Reads and erases what the log and the not yet logged end of the ledger hold of a customer.

    Parameters
    ----------
    open_log
        Opens the log; called off the request path, as the log's libraries are heavy to load.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        profiles: ProfileStore,
        aliases: Aliases,
        open_log: Callable[[], DecisionLog],
    ) -> None:
        self._ledger = ledger
        self._profiles = profiles
        self._aliases = aliases
        self._open_log = open_log

    async def timeline(self, customer_id: CustomerId, *, limit: int | None) -> list[dict[str, Any]]:
        """Return decisions, outcomes and events of a customer under all their ids, newest first."""
        family = await self._aliases.family(customer_id)
        found = [entry for member in family for entry in await self._of(member)]
        found.sort(key=lambda entry: entry["at"], reverse=True)
        return found if limit is None else found[:limit]

    async def _of(self, customer_id: CustomerId) -> list[dict[str, Any]]:
        logged = await asyncio.to_thread(self._logged, customer_id)
        mine = {entry["id"] for entry in logged if entry["type"] == "decision"}
        recent = await self._recent(customer_id, mine)
        known = {(entry["type"], entry["id"]) for entry in logged}
        fresh = [entry for entry in recent if (entry["type"], entry["id"]) not in known]
        return [*fresh, *logged]

    async def erase(self, customer_id: CustomerId) -> int:
        """Erase a customer online, all their ids; return how many decisions went with them.

        The worker erases them from the log when it reaches the ledger's erasure entries.
        """
        count = 0
        # The id that goes on comes last: it knows the others, should this have to be done again.
        for member in reversed(await self._aliases.family(customer_id)):
            decisions = [
                DecisionId(entry["id"])
                for entry in await self._of(member)
                if entry["type"] == "decision"
            ]
            await self._profiles.erase(member)
            await self._ledger.erase(member, decisions)
            count += len(decisions)
        return count

    def _logged(self, customer_id: CustomerId) -> list[dict[str, Any]]:
        from nba.measurement.timeline import logged_timeline

        return logged_timeline(self._open_log(), customer_id)

    async def _recent(self, customer_id: CustomerId, mine: set[str]) -> list[dict[str, Any]]:
        partition = partition_of(customer_id, self._ledger.partitions)
        found: list[dict[str, Any]] = []
        position = START
        while entries := await self._ledger.entries({partition: position}, _TAIL_BATCH):
            position = entries[-1].position
            ids = [DecisionId(e.body.decode()) for e in entries if e.type is EntryType.DECISION]
            records = await self._ledger.records(ids)
            packed = {name: body for name, body in zip(ids, records, strict=True) if body}
            for name, body in packed.items():
                record = unpack(body, DecisionRecord)
                if record.customer_id == customer_id:
                    mine.add(name)
                    found.append(_decision(record))
            found += [entry for e in entries if (entry := _entry(e, customer_id, mine))]
        return found


def _decision(record: DecisionRecord) -> dict[str, Any]:
    choices = msgspec.json.decode(record.answer)["choices"]
    kept = ("placement", "rank", "action", "content", "propensity", "score", "reasons")
    return {
        "type": "decision",
        "id": record.decision_id,
        "at": to_rfc3339(record.at_ms),
        "choices": [{name: choice[name] for name in kept} for choice in choices],
    }


def _entry(entry: LedgerEntry, customer_id: str, mine: set[str]) -> dict[str, Any] | None:
    if entry.type is EntryType.OUTCOME:
        outcome = unpack(entry.body, OutcomeEntry)
        if outcome.decision_id in mine:
            return {
                "type": "outcome",
                "id": outcome.outcome_id,
                "at": to_rfc3339(outcome.at_ms),
                "decision_id": outcome.decision_id,
                "kind": outcome.kind,
                "value": outcome.value,
            }
    elif entry.type is EntryType.RESOLUTION:
        resolution = unpack(entry.body, ResolutionEntry)
        if resolution.decision_id in mine:
            return {
                "type": "resolution",
                "id": ":".join(
                    [
                        *[resolution.decision_id, str(resolution.choice), resolution.kind],
                        resolution.outcome_id or "",
                    ]
                ),
                "at": to_rfc3339(resolution.at_ms),
                "decision_id": resolution.decision_id,
                "kind": resolution.kind,
                "reward": resolution.reward,
            }
    elif entry.type is EntryType.EVENT:
        event = unpack(entry.body, Event)
        if event.customer_id == customer_id:
            return {
                "type": "event",
                "id": event.message_id,
                "at": to_rfc3339(event.at_ms),
                "name": event.name,
                "properties": dict(event.properties),
            }
    return None
