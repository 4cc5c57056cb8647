"""The ledger in memory: for tests and simulations; nothing survives its process.

It shares a customer's profile with :class:`nba.features.memory` through the mapping it is given,
as the adapters on Redis share a server.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, MutableMapping, Sequence

from nba.domain.alias import Forward, read_forward
from nba.domain.clock import Clock
from nba.domain.history import CONTACT, TAG, WHAT, Entry, unpack_history
from nba.domain.ids import CustomerId, DecisionId, decision_partition, partition_of
from nba.ledger.memory_erasure import MemoryErasures
from nba.ledger.positions import START, ordinal
from nba.ledger.records import OutcomeEntry, ResolutionEntry, digest, pack
from nba.ledger.store import (
    CustomerState,
    EntryType,
    LedgerEntry,
    Reader,
    Reservation,
    Reserved,
    Settled,
    Written,
    customer_state,
    settle,
)

_GUARD_VERSION = slice(8, 12)


def _no_time_passes() -> int:
    return 0


class MemoryLedger:
    """A :class:`~nba.ledger.store.LedgerStore` that lives as long as its process.

    ``clock`` stands for the store's own, by which deadlines pass.
    """

    def __init__(
        self,
        profiles: MutableMapping[str, bytes],
        *,
        partitions: int = 16,
        clock: Clock = _no_time_passes,
    ) -> None:
        self.partitions = partitions
        self._clock = clock
        self.histories: dict[str, bytes] = {}
        self._profiles = profiles
        self._requests: dict[tuple[str, str], DecisionId] = {}
        self._records: dict[str, bytes] = {}
        self._fields: dict[str, dict[str, tuple[bytes, OutcomeEntry | ResolutionEntry]]] = (
            defaultdict(dict)
        )
        self._pending: dict[int, dict[tuple[DecisionId, int], int]] = defaultdict(dict)
        self._streams: dict[int, list[LedgerEntry]] = defaultdict(list)
        self._written = 0
        self._progress: dict[int, dict[Reader, str]] = defaultdict(dict)
        self._claims: dict[str, tuple[str, int]] = {}
        self._plan: bytes | None = None
        self.erasures = MemoryErasures(
            partitions=partitions,
            profiles=profiles,
            histories=self.histories,
            requests=self._requests,
            records=self._records,
            fields=self._fields,
            pending=self._pending,
            streams=self._streams,
        )

    async def read(self, customer_id: CustomerId, request_id: str | None) -> CustomerState:
        """Read what deciding needs of one customer."""
        answered = self._requests.get((customer_id, request_id)) if request_id else None
        profile = self._profiles.get(customer_id)
        return customer_state(profile, self.histories.get(customer_id), answered)

    async def reserve(self, reservation: Reservation) -> Reserved:
        """Record a decision and its contacts, or change nothing."""
        customer_id, decision_id = reservation.customer_id, reservation.decision_id
        request = (customer_id, reservation.request_id) if reservation.request_id else None
        if request in self._requests:
            return Reserved.ANSWERED
        seen = reservation.seen
        if self.histories.get(customer_id) != seen.history:
            return Reserved.STALE
        guard = (self._profiles.get(customer_id) or b"")[_GUARD_VERSION]
        if guard != (seen.profile or b"")[_GUARD_VERSION]:
            return Reserved.STALE
        if reservation.deadline_ms is not None and self._clock() > reservation.deadline_ms:
            return Reserved.LATE
        if reservation.history is not None:
            self.histories[customer_id] = reservation.history
        self._records[decision_id] = reservation.record
        partition = self._partition(decision_id)
        self._append(partition, EntryType.DECISION, decision_id.encode())
        for choice, horizon_ms in reservation.horizons.items():
            self._pending[partition][(decision_id, choice)] = horizon_ms
        if request is not None:
            self._requests[(request[0], str(request[1]))] = decision_id
        return Reserved.RECORDED

    async def note(self, customer_id: CustomerId, entries: Sequence[Entry]) -> Forward | None:
        """Note outcomes and events in a customer's history, each once."""
        forward = read_forward(self._profiles.get(customer_id))
        if forward is not None:
            return forward
        history = unpack_history(self.histories.get(customer_id))
        noted: list[Entry] = []
        for entry in entries:
            seen = [*history.table.tolist(), *noted]
            whats = {row[WHAT] for row in seen if row[TAG] == entry.tag}
            if entry.what not in whats and (entry.action == 0 or CONTACT in whats):
                noted.append(entry)
        if noted:
            self.histories[customer_id] = history.extended(noted, keep_since_s=0).packed
        return None

    async def records(self, decision_ids: Sequence[DecisionId]) -> list[bytes | None]:
        """Return decision records, ``None`` where none is held."""
        return [self._records.get(decision_id) for decision_id in decision_ids]

    async def report(self, outcomes: Sequence[OutcomeEntry]) -> list[Written]:
        """Write outcomes, each exactly once by its outcome id."""
        return [
            self._once(
                f"o:{o.outcome_id}",
                digest(o.decision_id, o.choice, o.kind, o.value),
                EntryType.OUTCOME,
                o,
            )
            for o in outcomes
        ]

    async def outcomes(self, decision_id: DecisionId) -> list[OutcomeEntry]:
        """Return the outcomes reported for a decision."""
        entries = [entry for _, entry in self._fields[decision_id].values()]
        return [entry for entry in entries if isinstance(entry, OutcomeEntry)]

    async def resolve(self, resolution: ResolutionEntry) -> bool:
        """Write the one resolution of a choice, or a correction of it."""
        same = digest(resolution.decision_id, resolution.choice, resolution.outcome_id)
        written = self._once(resolution.field, same, EntryType.RESOLUTION, resolution)
        decision_id = DecisionId(resolution.decision_id)
        self._pending[self._partition(decision_id)].pop((decision_id, resolution.choice), None)
        return written is Written.RECORDED

    async def resolution(self, decision_id: DecisionId, choice: int) -> ResolutionEntry | None:
        """Return how a choice resolved, or ``None`` while it waits."""
        found = self._fields[decision_id].get(f"r:{choice}")
        return found[1] if found and isinstance(found[1], ResolutionEntry) else None

    async def due(self, partition: int, before_ms: int, limit: int) -> list[tuple[DecisionId, int]]:
        """Return choices whose waiting ended before a time, longest first."""
        waiting = sorted(self._pending[partition].items(), key=lambda item: item[1])
        return [member for member, horizon_ms in waiting if horizon_ms < before_ms][:limit]

    async def entries(self, positions: Mapping[int, str], limit: int) -> list[LedgerEntry]:
        """Return what follows a position in each partition, in order."""
        found: list[LedgerEntry] = []
        for partition, position in positions.items():
            start = bisect_right(self._streams[partition], ordinal(position), key=_place)
            found += self._streams[partition][start : start + limit]
        return found

    async def backlog(self) -> int:
        """Return how many entries are kept."""
        return sum(len(stream) for stream in self._streams.values())

    async def settled(self, positions: Mapping[int, str], kind: EntryType, limit: int) -> Settled:
        """Return entries of one type that follow a position in each partition, in one order."""
        looked_at = {p: await self.entries({p: at}, limit) for p, at in positions.items()}
        full = [found[-1].position for found in looked_at.values() if len(found) == limit]
        entries = (entry for found in looked_at.values() for entry in found)
        ready = (entry for entry in entries if entry.type is kind)
        return settle(ready, [f"{self._written}-0"], full)

    async def advance(self, partition: int, reader: Reader, position: str) -> None:
        """Note how far in a partition a reader has come; forget what all are past."""
        progress = self._progress[partition]
        progress[reader] = max(progress.get(reader, START), position, key=ordinal)
        if len(progress) == len(Reader):
            before = min(progress.values(), key=ordinal)
            stream = self._streams[partition]
            del stream[: bisect_left(stream, ordinal(before), key=_place)]

    async def claim(self, name: str, owner: str, for_ms: int) -> bool:
        """Take or renew a right for a while; ``False`` where it is another's."""
        theirs, until_ms = self._claims.get(name, (owner, 0))
        if theirs != owner and self._clock() < until_ms:
            return False
        self._claims[name] = owner, self._clock() + for_ms
        return True

    async def erase(self, customer_id: CustomerId, decision_ids: Sequence[DecisionId]) -> None:
        """Forget a customer's contact history and requests, and everything about decisions."""
        self.histories.pop(customer_id, None)
        for request in [r for r in self._requests if r[0] == customer_id]:
            del self._requests[request]
        await self.erasures.forget(decision_ids)
        partition = partition_of(customer_id, self.partitions)
        self.erasures.remove(partition, customer_id, decision_ids)
        self._append(partition, EntryType.ERASURE, customer_id.encode())

    async def set_plan(self, pointer: bytes, *, expected: bytes | None) -> bool:
        """Point every replica at a plan and bandit snapshot, if what it replaces is as expected."""
        if self._plan != expected:
            return False
        self._plan = pointer
        return True

    async def plan(self) -> bytes | None:
        """Return the pointer to the live plan."""
        return self._plan

    def append_entry(self, partition: int, letter: str, body: bytes) -> None:
        """Add an entry to a partition's stream, as the profile store does."""
        self._append(partition, EntryType(letter), body)

    def _partition(self, decision_id: str) -> int:
        return decision_partition(decision_id) or 0

    def _append(self, partition: int, kind: EntryType, body: bytes) -> None:
        self._written += 1
        entry = LedgerEntry(partition, f"{self._written}-0", kind, body)
        self._streams[partition].append(entry)

    def _once(
        self, field: str, same: bytes, kind: EntryType, entry: OutcomeEntry | ResolutionEntry
    ) -> Written:
        fields = self._fields[entry.decision_id]
        if field in fields:
            return Written.DUPLICATE if fields[field][0] == same else Written.CONFLICT
        fields[field] = (same, entry)
        self._append(self._partition(entry.decision_id), kind, pack(entry))
        return Written.RECORDED


def _place(entry: LedgerEntry) -> int:
    return ordinal(entry.position)
