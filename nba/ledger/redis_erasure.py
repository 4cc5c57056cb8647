"""Erasing from Redis or Valkey, down to the bytes in its append-only file."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from importlib.resources import files

import msgspec

from nba.domain.ids import DecisionId, decision_partition
from nba.ledger.erasure import MAX_REWRITTEN_ENTRIES, SEARCH_BATCH, ErasureState, Searched
from nba.ledger.records import DecisionRecord, concerns, request_of, unpack
from nba.storage import Connection, Keys, Script
from nba.storage.connection import ReplyError

_REWRITE = Script((files("nba.ledger") / "lua" / "rewrite_ledger.lua").read_text())
_DECISION = b"d"
_SEEN = b"seen"


class RedisErasures:
    """An :class:`~nba.ledger.erasure.ErasureStore`."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._rewriting: list[bytes] = []

    async def forget(self, decision_ids: Collection[DecisionId]) -> None:
        """Forget records, outcomes, requests, ledger entries and what waits of decisions."""
        by_partition: dict[int, set[str]] = {}
        for decision_id in decision_ids:
            partition = decision_partition(decision_id)
            if partition is not None and partition < self._keys.partitions:
                by_partition.setdefault(partition, set()).add(decision_id)
        for partition, gone in by_partition.items():
            await self._forget(partition, gone)

    async def _forget(self, partition: int, gone: set[str]) -> None:
        keys, execute = self._keys, self._connection.execute
        ids = sorted(gone)
        records = await asyncio.gather(*[execute("GET", keys.decision(name)) for name in ids])
        names = [key for name in ids for key in (keys.decision(name), keys.outcomes(name))]
        for record in records:
            asked = None if record is None else request_of(record)
            if asked is not None:
                names.append(keys.request(*asked))
        await execute("DEL", *names)
        waiting = await execute("ZRANGE", keys.pending(partition), 0, -1)
        members = [member for member in waiting if member.decode().rpartition(":")[0] in gone]
        if members:
            await execute("ZREM", keys.pending(partition), *members)
        await self.remove(partition, "", gone)

    async def remove(self, partition: int, customer_id: str, decision_ids: Collection[str]) -> None:
        """Take the entries about a customer and about decisions out of the ledger."""
        ledger, begin = self._keys.ledger(partition), "-"
        while entries := await self._connection.execute(
            "XRANGE", ledger, begin, "+", "COUNT", SEARCH_BATCH
        ):
            theirs = [
                position
                for position, fields in entries
                if concerns(fields[1].decode(), fields[3], customer_id, decision_ids)
            ]
            if theirs:
                await self._connection.execute("XDEL", ledger, *theirs)
            begin = "(" + entries[-1][0].decode()

    async def search(
        self, customer_id: str, decision_ids: Collection[str], position: str
    ) -> list[Searched]:
        """Search keys and ledger for a customer and their decisions."""
        partition = self._keys.partition_of(customer_id)
        gone = frozenset(decision_ids)
        ledger, again = await self._search_ledger(partition, customer_id, gone, position)
        names, theirs = await self._search_names(customer_id)
        decisions = [self._keys.decision(name) for name in gone]
        decisions += [self._keys.outcomes(name) for name in gone]
        execute = self._connection.execute
        there = await asyncio.gather(*[execute("EXISTS", name) for name in decisions])
        waiting = await execute("ZRANGE", self._keys.pending(partition), 0, -1)
        late = [member for member in waiting if member.decode().rpartition(":")[0] in gone]
        return [
            # A customer who came back has keys of that name again, all of them new.
            Searched("keys", names, 0 if again else theirs, theirs if again else 0),
            Searched("decision records and outcomes", len(decisions), sum(there)),
            Searched("choices waiting", len(waiting), len(late)),
            ledger,
        ]

    async def _search_names(self, customer_id: str) -> tuple[int, int]:
        """Count the keys of all names, and those that carry a customer's id in theirs."""
        pattern = f"{self._keys.prefix}:{{{self._keys.partition_of(customer_id):03x}}}"
        start, theirs_is = pattern.encode(), customer_id.encode()
        cursor, searched, theirs = b"0", 0, 0
        while True:
            cursor, names = await self._connection.execute(
                "SCAN", cursor, "MATCH", _escaped(pattern) + "*", "COUNT", SEARCH_BATCH
            )
            searched += len(names)
            for name in names:
                kind, _, rest = name.removeprefix(start).partition(b":")
                theirs += kind != _SEEN and rest.partition(b"\x00")[0] == theirs_is
            if cursor == b"0":
                return searched, theirs

    async def _search_ledger(
        self, partition: int, customer_id: str, gone: frozenset[str], position: str
    ) -> tuple[Searched, bool]:
        """Search the ledger; say too whether the customer came back after ``position``."""
        searched = found = since = 0
        begin, past = "-", False
        while entries := await self._connection.execute(
            "XRANGE", self._keys.ledger(partition), begin, "+", "COUNT", SEARCH_BATCH
        ):
            new = [
                fields[3]
                for at, fields in entries
                if fields[1] == _DECISION and fields[3].decode() not in gone
            ]
            customers = await self._customers(new)
            for at, fields in entries:
                if at.decode() == position:
                    past = True
                    continue
                kind, body = fields[1].decode(), fields[3]
                theirs = concerns(kind, body, customer_id, gone)
                theirs = theirs or customers.get(body) == customer_id
                found += theirs and not past
                since += theirs and past
            searched += len(entries)
            begin = "(" + entries[-1][0].decode()
        return Searched("ledger", searched, found, since), since > 0

    async def _customers(self, decision_ids: Iterable[bytes]) -> dict[bytes, str]:
        ids = list(decision_ids)
        execute = self._connection.execute
        records = await asyncio.gather(
            *[execute("GET", self._keys.decision(name.decode())) for name in ids]
        )
        return {
            name: unpack(record, DecisionRecord).customer_id
            for name, record in zip(ids, records, strict=True)
            if record is not None
        }

    async def note(self, pseudonym: str, state: ErasureState) -> None:
        """Keep how far an erasure has come."""
        packed = msgspec.json.encode(state)
        await self._connection.execute("SET", self._keys.erasure(pseudonym), packed)

    async def state(self, pseudonym: str) -> ErasureState | None:
        """Return how far an erasure has come; ``None`` where none was asked for."""
        packed = await self._connection.execute("GET", self._keys.erasure(pseudonym))
        return None if packed is None else msgspec.json.decode(packed, type=ErasureState)

    async def drop(self, partition: int, position: str, pseudonym: str) -> None:
        """Take the erasure out of the ledger; only its pseudonym is left, waiting to be cleared."""
        execute = self._connection.execute
        await execute("SADD", self._keys.clearing, f"{partition}:{pseudonym}")
        await execute("XDEL", self._keys.ledger(partition), position)

    async def clear(self) -> Sequence[str]:
        """See that neither the ledger nor the server's files keep what was removed from them.

        A server that does not let us have its append-only file rewritten does so in its own time.
        """
        execute = self._connection.execute
        if self._rewriting:
            if await self._is_rewriting():
                return []
            done, self._rewriting = self._rewriting, []
            await execute("SREM", self._keys.clearing, *done)
            return [member.decode().partition(":")[2] for member in done]
        members = await execute("SMEMBERS", self._keys.clearing)
        partitions = {int(member.partition(b":")[0]) for member in members}
        short = {partition for partition in partitions if await self._rewritten(partition)}
        self._rewriting = [m for m in members if int(m.partition(b":")[0]) in short]
        if self._rewriting and await self._keeps_file():
            await self._ask_to_rewrite()
        return []

    async def _rewritten(self, partition: int) -> bool:
        names = [self._keys.ledger(partition)]
        return bool(await self._connection.script(_REWRITE, names, [MAX_REWRITTEN_ENTRIES]))

    async def _ask_to_rewrite(self) -> None:
        try:
            await self._connection.execute("BGREWRITEAOF")
        except ReplyError as error:
            if "in progress" in str(error):
                # It may have begun before the entries were removed: the next call asks again.
                self._rewriting = []

    async def _keeps_file(self) -> bool:
        return (await self._persistence()).get("aof_enabled") == "1"

    async def _is_rewriting(self) -> bool:
        told = await self._persistence()
        signs = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")
        return any(told.get(sign) == "1" for sign in signs)

    async def _persistence(self) -> dict[str, str]:
        """Return what the server tells of its files; nothing where we may not ask."""
        try:
            text = await self._connection.execute("INFO", "persistence")
        except ReplyError:
            return {}
        lines = (line.partition(":") for line in text.decode().splitlines())
        return {name: value for name, _, value in lines}


def _escaped(pattern: str) -> str:
    """Return a text as a glob that matches it alone."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in pattern)
