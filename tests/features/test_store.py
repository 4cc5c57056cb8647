"""One contract for every profile store: in memory, and on a real Valkey server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from nba.domain.clock import ManualClock
from nba.domain.ids import CustomerId
from nba.features import (
    FeatureSet,
    ForUpdate,
    MemoryProfileStore,
    ProfileStore,
    ProfileWrite,
    Wanted,
    WriteResult,
)
from nba.features.redis import RedisProfileStore
from nba.features.store import message_key
from nba.storage import Connection, Keys

ANNA = CustomerId("anna 🎁 שלום\n")
BORIS = CustomerId("boris")
DAY_SECONDS = 86_400


@dataclass
class Opened:
    """A store, its clock, and how to look at what it wrote to the ledger."""

    store: ProfileStore
    clock: ManualClock
    ledger: Callable[[CustomerId], Awaitable[list[tuple[bytes, bytes]]]]
    entries: list[tuple[int, str, bytes]] = field(default_factory=list)


async def open_store(kind: str, url: str) -> tuple[Opened, Callable[[], Awaitable[None]]]:
    clock, keys = ManualClock(), Keys(prefix=f"t{uuid.uuid4().hex}")
    if kind == "memory":
        entries: list[tuple[int, str, bytes]] = []
        store = MemoryProfileStore({}, lambda *entry: entries.append(entry), clock)

        async def kept(customer_id: CustomerId) -> list[tuple[bytes, bytes]]:
            partition = keys.partition_of(customer_id)
            return [(type_.encode(), body) for where, type_, body in entries if where == partition]

        async def nothing() -> None:
            return None

        return Opened(store, clock, kept), nothing
    connection = Connection(url)
    await connection.connect()

    async def stream(customer_id: CustomerId) -> list[tuple[bytes, bytes]]:
        name = keys.ledger(keys.partition_of(customer_id))
        rows = await connection.execute("XRANGE", name, "-", "+")
        found = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in rows]
        return [(entry[b"t"], entry[b"b"]) for entry in found]

    return Opened(RedisProfileStore(connection, keys, clock), clock, stream), connection.close


Check = Callable[[Opened], Awaitable[None]]


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest, valkey: str) -> Callable[[Check], None]:
    def with_store(check: Check) -> None:
        async def main() -> None:
            opened, close = await open_store(request.param, valkey)
            try:
                await check(opened)
            finally:
                await close()

        asyncio.run(main())

    return with_store


@pytest.fixture
def profile(make: SimpleNamespace) -> Callable[[int], bytes]:
    features = FeatureSet([make.attribute("age")], [])

    def packed(version: int) -> bytes:
        found = None
        for _ in range(version):
            found, _ = features.update(found, make.update(), at_ms=make.now_ms)
        assert found is not None
        return found

    return packed


async def write(opened: Opened, profile: bytes, expected: bytes | None, **more: Any) -> WriteResult:
    given = {"customer_id": ANNA, **more}
    (result,) = await opened.store.write_many(
        [ProfileWrite(expected=expected, profile=profile, **given)]
    )
    return result


async def read(opened: Opened, *messages: bytes, customer_id: CustomerId = ANNA) -> ForUpdate:
    (found,) = await opened.store.read_many([Wanted(customer_id, messages)])
    return found


def test_what_is_written_is_read(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        assert await opened.store.get(ANNA) is None
        assert await write(opened, profile(1), None) is WriteResult.WRITTEN
        assert await opened.store.get(ANNA) == profile(1)
        assert await opened.store.get(BORIS) is None
        found = await read(opened, b"m1", b"m2")
        assert (found.profile, found.seen) == (profile(1), frozenset())

    run(check)


def test_a_write_on_another_version_changes_nothing(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        more = {"log_entries": [("e", b"e1")], "messages": [b"m1"]}
        assert await write(opened, profile(2), profile(1), **more) is WriteResult.STALE
        assert await opened.store.get(ANNA) is None
        assert await write(opened, profile(2), None) is WriteResult.WRITTEN
        for expected in (None, profile(1), profile(3)):
            assert await write(opened, profile(9), expected, **more) is WriteResult.STALE
        assert await opened.store.get(ANNA) == profile(2)
        assert (await read(opened, b"m1")).seen == frozenset()
        assert await opened.ledger(ANNA) == []
        assert await write(opened, profile(3), profile(2), **more) is WriteResult.WRITTEN

    run(check)


def test_a_message_is_applied_once(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        more = {"log_entries": [("e", b"\0\xff"), ("u", b"e2")], "messages": [b"m1", b"\xff"]}
        assert await write(opened, profile(1), None, **more) is WriteResult.WRITTEN
        found = await read(opened, b"m0", b"\xff", b"m1", b"m2")
        assert found.seen == {b"m1", b"\xff"}
        again = {"log_entries": [("e", b"e3")], "messages": [b"m2", b"m1"]}
        assert await write(opened, profile(2), profile(1), **again) is WriteResult.STALE
        assert await opened.store.get(ANNA) == profile(1)
        assert await opened.ledger(ANNA) == [(b"e", b"\0\xff"), (b"u", b"e2")]

    run(check)


def test_many_customers_are_read_and_written_at_once_each_on_its_own(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        ids = [CustomerId(f"c{i}") for i in range(300)]  # of 16 partitions: many share one
        writes = [
            ProfileWrite(
                customer_id=customer_id,
                # Every third is expected to be there already, and is not.
                expected=profile(7) if i % 3 == 0 else None,
                profile=profile(1 + i % 2),
                messages=[message_key(customer_id, "m")],
                log_entries=[("e", b"%d" % i)],
            )
            for i, customer_id in enumerate(ids)
        ]
        results = await opened.store.write_many(writes)
        assert [result is WriteResult.WRITTEN for result in results] == [
            i % 3 > 0 for i in range(300)
        ]
        wanted = [Wanted(customer_id, [message_key(customer_id, "m"), b"x"]) for customer_id in ids]
        for i, found in enumerate(await opened.store.read_many(wanted)):
            kept = i % 3 > 0
            assert found.profile == (profile(1 + i % 2) if kept else None)
            assert found.seen == ({message_key(ids[i], "m")} if kept else set())
        logged = {body for customer_id in ids for _, body in await opened.ledger(customer_id)}
        assert logged == {b"%d" % i for i in range(300) if i % 3 > 0}
        assert await opened.store.read_many([]) == []
        assert await opened.store.write_many([]) == []

    run(check)


def test_the_key_of_a_message_is_one_customers_own() -> None:
    assert len(message_key("a", "b")) == 8
    assert len({message_key("a", "b"), message_key("b", "a"), message_key("ab", "")}) == 3


def test_messages_are_remembered_today_and_tomorrow(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        await write(opened, profile(1), None, messages=[b"m1"])
        opened.clock.advance(seconds=DAY_SECONDS)
        assert (await read(opened, b"m1")).seen == {b"m1"}
        assert await write(opened, profile(2), profile(1), messages=[b"m1"]) is WriteResult.STALE
        assert await write(opened, profile(2), profile(1), messages=[b"m2"]) is WriteResult.WRITTEN
        opened.clock.advance(seconds=DAY_SECONDS)
        assert (await read(opened, b"m1", b"m2")).seen == {b"m2"}
        assert await write(opened, profile(3), profile(2), messages=[b"m1"]) is WriteResult.WRITTEN

    run(check)


def test_an_erased_profile_is_gone(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        await write(opened, profile(1), None)
        await opened.store.erase(ANNA)
        await opened.store.erase(BORIS)
        assert await opened.store.get(ANNA) is None
        assert await write(opened, profile(2), profile(1)) is WriteResult.STALE
        assert await opened.store.get(ANNA) is None

    run(check)


def test_of_many_writers_at_once_exactly_one_wins(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        await write(opened, profile(1), None)
        results = await asyncio.gather(
            *[
                write(
                    opened,
                    profile(2),
                    profile(1),
                    log_entries=[("e", b"%d" % i)],
                    messages=[b"m%d" % i],
                )
                for i in range(20)
            ]
        )
        assert results.count(WriteResult.WRITTEN) == 1
        assert len(await opened.ledger(ANNA)) == 1

    run(check)


def test_the_server_forgets_message_ids_by_itself(
    valkey: str, profile: Callable[[int], bytes]
) -> None:
    async def main() -> None:
        connection, keys = Connection(valkey), Keys(prefix=f"t{uuid.uuid4().hex}")
        await connection.connect()
        clock = ManualClock()
        store = RedisProfileStore(connection, keys, clock)
        write = ProfileWrite(customer_id=BORIS, expected=None, profile=profile(1), messages=[b"m1"])
        assert await store.write_many([write]) == [WriteResult.WRITTEN]
        name = keys.seen(keys.partition_of(BORIS), clock() // (DAY_SECONDS * 1_000))
        assert 0 < await connection.execute("TTL", name) <= 2 * DAY_SECONDS
        assert await connection.execute("TTL", keys.profile(BORIS)) == -1
        await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize("ttl_ms", [0, 60_000])
def test_a_profile_is_forgotten_as_long_after_its_last_change_as_was_set(
    valkey: str, profile: Callable[[int], bytes], ttl_ms: int
) -> None:
    async def main() -> None:
        connection = Connection(valkey)
        await connection.connect()
        try:
            keys = Keys(prefix=f"t{uuid.uuid4().hex}")
            store = RedisProfileStore(connection, keys, ManualClock(), profile_ttl_ms=ttl_ms)
            write = ProfileWrite(customer_id=ANNA, expected=None, profile=profile(1))
            assert await store.write_many([write]) == [WriteResult.WRITTEN]
            left_ms = await connection.execute("PTTL", keys.profile(ANNA))
            assert left_ms == -1 if ttl_ms == 0 else 50_000 < left_ms <= 60_000
        finally:
            await connection.close()

    asyncio.run(main())
