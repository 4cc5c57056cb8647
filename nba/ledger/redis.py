"""The ledger on Redis or Valkey: two round trips a decision, one to read and one to write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib.resources import files

from nba.domain.alias import ALIAS_MARK, Forward, read_forward
from nba.domain.history import MAX_CONTACTS, Entry
from nba.domain.ids import CustomerId, DecisionId
from nba.ledger.positions import last_before
from nba.ledger.records import (
    OutcomeEntry,
    ResolutionEntry,
    digest,
    pack,
    unpack,
)
from nba.ledger.redis_erasure import RedisErasures
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
from nba.storage import CLAIM, Connection, Keys, Script

_HISTORY_VERSION = slice(0, 4)
_GUARD_VERSION = slice(8, 12)
_DIGEST_BYTES = 16

_RESERVE = Script((files("nba.ledger") / "lua" / "reserve.lua").read_text())
_NOTE = Script((files("nba.ledger") / "lua" / "note.lua").read_text())
_ONCE = Script((files("nba.ledger") / "lua" / "once.lua").read_text())
_SETTLED = Script((files("nba.ledger") / "lua" / "settled.lua").read_text())
_ADVANCE = Script((files("nba.ledger") / "lua" / "advance.lua").read_text())
_POINT = Script((files("nba.ledger") / "lua" / "point.lua").read_text())

_RESERVED = {
    0: Reserved.STALE,
    1: Reserved.RECORDED,
    2: Reserved.ANSWERED,
    3: Reserved.LATE,
}
_WRITTEN = {0: Written.DUPLICATE, 1: Written.RECORDED, 2: Written.CONFLICT}


class RedisLedger:
    """A :class:`~nba.ledger.store.LedgerStore`.

    Parameters
    ----------
    connection, keys
        Where, and under which names.
    record_ttl_ms
        How long records stay online; must outlast the longest horizon. Later they are in the log.
    history_ttl_ms
        How long a contact history outlives its last contact; must outlast the longest cap window.

    """

    def __init__(
        self, connection: Connection, keys: Keys, *, record_ttl_ms: int, history_ttl_ms: int
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._record_ttl_ms = record_ttl_ms
        self._history_ttl_ms = history_ttl_ms
        self.partitions = keys.partitions
        self.erasures = RedisErasures(connection, keys)

    async def read(self, customer_id: CustomerId, request_id: str | None) -> CustomerState:
        """Read what deciding needs of one customer, in one round trip."""
        keys = [self._keys.profile(customer_id), self._keys.history(customer_id)]
        if request_id is None:
            profile, history = await self._connection.execute("MGET", *keys)
            return customer_state(profile, history, None)
        keys.append(self._keys.request(customer_id, request_id))
        profile, history, answered = await self._connection.execute("MGET", *keys)
        return customer_state(profile, history, DecisionId(answered.decode()) if answered else None)

    async def reserve(self, reservation: Reservation) -> Reserved:
        """Record a decision and its contacts atomically, or change nothing."""
        keys = self._keys
        decision_id, customer_id = reservation.decision_id, reservation.customer_id
        partition = keys.partition_of_decision(decision_id)
        names = [
            keys.history(customer_id),
            keys.profile(customer_id),
            keys.decision(decision_id),
            keys.ledger(partition),
            keys.pending(partition),
        ]
        if reservation.request_id is not None:
            names.append(keys.request(customer_id, reservation.request_id))
        arguments: list[bytes | str | int | float] = [
            (reservation.seen.history or b"")[_HISTORY_VERSION],
            (reservation.seen.profile or b"")[_GUARD_VERSION],
            reservation.history or b"",
            self._history_ttl_ms,
            decision_id,
            reservation.record,
            self._record_ttl_ms,
            "" if reservation.deadline_ms is None else reservation.deadline_ms,
        ]
        for choice, horizon_ms in reservation.horizons.items():
            arguments += [horizon_ms, f"{decision_id}:{choice}"]
        return _RESERVED[await self._connection.script(_RESERVE, names, arguments)]

    async def note(self, customer_id: CustomerId, entries: Sequence[Entry]) -> Forward | None:
        """Note outcomes and events in a customer's history, each once."""
        names = [self._keys.history(customer_id), self._keys.profile(customer_id)]
        arguments: list[bytes | str | int | float] = [
            self._history_ttl_ms,
            MAX_CONTACTS,
            ALIAS_MARK,
            *[entry.pack() for entry in entries],
        ]
        noted = await self._connection.script(_NOTE, names, arguments)
        return read_forward(noted) if isinstance(noted, bytes) else None

    async def records(self, decision_ids: Sequence[DecisionId]) -> list[bytes | None]:
        """Return decision records, ``None`` where none is held."""
        names = [self._keys.decision(decision_id) for decision_id in decision_ids]
        return list(await asyncio.gather(*[self._connection.execute("GET", n) for n in names]))

    async def report(self, outcomes: Sequence[OutcomeEntry]) -> list[Written]:
        """Write outcomes, each exactly once by its outcome id."""
        return list(await asyncio.gather(*[self._report(outcome) for outcome in outcomes]))

    async def _report(self, outcome: OutcomeEntry) -> Written:
        same = digest(outcome.decision_id, outcome.choice, outcome.kind, outcome.value)
        return await self._once(
            outcome.decision_id,
            f"o:{outcome.outcome_id}",
            same=same,
            kind=EntryType.OUTCOME,
            body=pack(outcome),
        )

    async def outcomes(self, decision_id: DecisionId) -> list[OutcomeEntry]:
        """Return the outcomes reported for a decision, early ones included."""
        found = await self._fields(decision_id)
        bodies = [body for name, body in found.items() if name.startswith(b"o:")]
        return [unpack(body, OutcomeEntry) for body in bodies]

    async def resolve(self, resolution: ResolutionEntry) -> bool:
        """Write the one resolution of a choice; ``False`` where it had one."""
        body = pack(resolution)
        same = digest(resolution.decision_id, resolution.choice, resolution.outcome_id)
        member = f"{resolution.decision_id}:{resolution.choice}"
        written = await self._once(
            resolution.decision_id,
            resolution.field,
            same=same,
            kind=EntryType.RESOLUTION,
            body=body,
            member=member,
        )
        return written is Written.RECORDED

    async def resolution(self, decision_id: DecisionId, choice: int) -> ResolutionEntry | None:
        """Return how a choice resolved, or ``None`` while it waits."""
        name = self._keys.outcomes(decision_id)
        body = await self._connection.execute("HGET", name, f"r:{choice}")
        return None if body is None else unpack(body[_DIGEST_BYTES:], ResolutionEntry)

    async def due(self, partition: int, before_ms: int, limit: int) -> list[tuple[DecisionId, int]]:
        """Return choices whose waiting ended before a time, longest first."""
        name = self._keys.pending(partition)
        members = await self._connection.execute(
            "ZRANGE", name, "-inf", f"({before_ms}", "BYSCORE", "LIMIT", 0, limit
        )
        pairs = [member.decode().rpartition(":") for member in members]
        return [(DecisionId(decision_id), int(choice)) for decision_id, _, choice in pairs]

    async def entries(self, positions: Mapping[int, str], limit: int) -> list[LedgerEntry]:
        """Return what follows a position in each partition, in order."""
        partitions = list(positions)
        replies = await asyncio.gather(
            *[
                self._connection.execute(
                    "XRANGE", self._keys.ledger(p), f"({positions[p]}", "+", "COUNT", limit
                )
                for p in partitions
            ]
        )
        found = zip(partitions, replies, strict=True)
        return [
            LedgerEntry(p, position.decode(), EntryType(fields[1].decode()), fields[3])
            for p, reply in found
            for position, fields in reply
        ]

    async def backlog(self) -> int:
        """Return how many entries are kept."""
        names = [self._keys.ledger(partition) for partition in range(self.partitions)]
        return sum(await asyncio.gather(*[self._connection.execute("XLEN", n) for n in names]))

    async def settled(self, positions: Mapping[int, str], kind: EntryType, limit: int) -> Settled:
        """Return entries of one type that follow a position in each partition, in one order."""
        replies = await asyncio.gather(
            *[
                self._connection.script(
                    _SETTLED, [self._keys.ledger(p)], [positions[p], kind, limit]
                )
                for p in positions
            ]
        )
        found, now, full = [], [], []
        for partition, (now_ms, last, *flat) in zip(positions, replies, strict=True):
            now.append(last_before(now_ms))
            full += [last.decode()] if last else []
            found += [
                LedgerEntry(partition, flat[i].decode(), kind, flat[i + 1])
                for i in range(0, len(flat), 2)
            ]
        return settle(found, now, full)

    async def advance(self, partition: int, reader: Reader, position: str) -> None:
        """Note how far in a partition a reader has come; forget what all are past."""
        names = [self._keys.ledger(partition), self._keys.progress(partition)]
        await self._connection.script(_ADVANCE, names, [reader, position, *Reader])

    async def claim(self, name: str, owner: str, for_ms: int) -> bool:
        """Take or renew a right for a while; ``False`` where it is another's."""
        done: int = await self._connection.script(CLAIM, [self._keys.claim(name)], [owner, for_ms])
        return done == 1

    async def erase(self, customer_id: CustomerId, decision_ids: Sequence[DecisionId]) -> None:
        """Forget a customer's contact history and requests, and everything about decisions."""
        partition = self._keys.partition_of(customer_id)
        await self._connection.execute("DEL", self._keys.history(customer_id))
        await self.erasures.forget(decision_ids)
        await self.erasures.remove(partition, customer_id, set(decision_ids))
        ledger = self._keys.ledger(partition)
        await self._connection.execute(
            "XADD", ledger, "*", "t", EntryType.ERASURE, "b", customer_id
        )

    async def set_plan(self, pointer: bytes, *, expected: bytes | None) -> bool:
        """Point every replica at a plan and bandit snapshot, if what it replaces is as expected."""
        before = () if expected is None else (expected,)
        return bool(await self._connection.script(_POINT, [self._keys.plan], [pointer, *before]))

    async def plan(self) -> bytes | None:
        """Return the pointer to the live plan."""
        pointer: bytes | None = await self._connection.execute("GET", self._keys.plan)
        return pointer

    async def _fields(self, decision_id: DecisionId) -> dict[bytes, bytes]:
        flat = await self._connection.execute("HGETALL", self._keys.outcomes(decision_id))
        return {flat[i]: flat[i + 1][_DIGEST_BYTES:] for i in range(0, len(flat), 2)}

    async def _once(
        self,
        decision_id: str,
        field: str,
        *,
        same: bytes,
        kind: EntryType,
        body: bytes,
        member: str | None = None,
    ) -> Written:
        partition = self._keys.partition_of_decision(decision_id)
        names = [self._keys.outcomes(decision_id), self._keys.ledger(partition)]
        arguments: list[bytes | str | int | float] = [field, same, kind, body, self._record_ttl_ms]
        if member is not None:
            names.append(self._keys.pending(partition))
            arguments.append(member)
        return _WRITTEN[await self._connection.script(_ONCE, names, arguments)]
