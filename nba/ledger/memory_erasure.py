"""Erasing from the ledger in memory, which has no files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nba.domain.ids import CustomerId, DecisionId, partition_of
from nba.ledger.erasure import ErasureState, Searched
from nba.ledger.records import DecisionRecord, concerns, unpack
from nba.ledger.store import EntryType, LedgerEntry


@dataclass(slots=True, kw_only=True)
class MemoryErasures:
    """An :class:`~nba.ledger.erasure.ErasureStore` on what a ledger in memory holds."""

    partitions: int
    profiles: Mapping[str, bytes]
    histories: Mapping[str, bytes]
    requests: MutableMapping[tuple[str, str], DecisionId]
    records: MutableMapping[str, bytes]
    fields: MutableMapping[str, Any]
    pending: Mapping[int, MutableMapping[tuple[DecisionId, int], int]]
    streams: Mapping[int, list[LedgerEntry]]
    states: dict[str, ErasureState] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    async def forget(self, decision_ids: Collection[DecisionId]) -> None:
        """Forget records, outcomes, requests, ledger entries and what waits of decisions."""
        for request in [r for r, answer in self.requests.items() if answer in decision_ids]:
            del self.requests[request]
        for decision_id in decision_ids:
            self.records.pop(decision_id, None)
            self.fields.pop(decision_id, None)
        for waiting in self.pending.values():
            for member in [m for m in waiting if m[0] in decision_ids]:
                del waiting[member]
        for stream in self.streams.values():
            self._remove(stream, "", decision_ids)

    def remove(self, partition: int, customer_id: str, decision_ids: Collection[str]) -> None:
        """Take the entries about a customer and about decisions out of the ledger."""
        self._remove(self.streams[partition], customer_id, decision_ids)

    def _remove(
        self, stream: list[LedgerEntry], customer_id: str, decision_ids: Collection[str]
    ) -> None:
        for index, entry in enumerate(stream):
            if concerns(entry.type, entry.body, customer_id, decision_ids):
                stream[index] = replace(entry, type=EntryType.ERASURE, body=b"")

    async def search(
        self, customer_id: str, decision_ids: Collection[str], position: str
    ) -> list[Searched]:
        """Search keys and ledger for a customer and their decisions."""
        stream = self.streams[partition_of(CustomerId(customer_id), self.partitions)]
        at = next((n for n, entry in enumerate(stream) if entry.position == position), len(stream))
        theirs = [self._concerns(entry, customer_id, decision_ids) for entry in stream]
        found, since = sum(theirs[:at]), sum(theirs[at + 1 :])
        owners = [*self.profiles, *self.histories, *(owner for owner, _ in self.requests)]
        keys = owners.count(customer_id)
        held = {*self.records, *self.fields} & set(decision_ids)
        waiting = [member for members in self.pending.values() for member in members]
        late = sum(decision_id in decision_ids for decision_id, _ in waiting)
        return [
            Searched("keys", len(owners), 0 if since else keys, keys if since else 0),
            Searched("decision records and outcomes", 2 * len(decision_ids), len(held)),
            Searched("choices waiting", len(waiting), late),
            Searched("ledger", len(stream), found, since),
        ]

    def _concerns(
        self, entry: LedgerEntry, customer_id: str, decision_ids: Collection[str]
    ) -> bool:
        if concerns(entry.type, entry.body, customer_id, decision_ids):
            return True
        if entry.type is not EntryType.DECISION:
            return False
        record = self.records.get(entry.body.decode())
        return record is not None and unpack(record, DecisionRecord).customer_id == customer_id

    async def note(self, pseudonym: str, state: ErasureState) -> None:
        """Keep how far an erasure has come."""
        self.states[pseudonym] = state

    async def state(self, pseudonym: str) -> ErasureState | None:
        """Return how far an erasure has come; ``None`` where none was asked for."""
        return self.states.get(pseudonym)

    async def drop(self, partition: int, position: str, pseudonym: str) -> None:
        """Take the erasure out of the ledger; only its pseudonym is left, waiting to be cleared."""
        stream = self.streams[partition]
        for index, entry in enumerate(stream):
            if entry.position == position:
                stream[index] = replace(entry, body=b"")
        self.dropped.append(pseudonym)

    async def clear(self) -> Sequence[str]:
        """Return the erasures dropped; memory keeps no bytes of what was removed."""
        done, self.dropped = self.dropped, []
        return done
