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
    MemoryProfileStore,
    ProfileStore,
    WriteResult,
)
from nba.features.redis import RedisProfileStore
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


async def write(opened: Opened, profile: bytes, expected: int | None, **more: Any) -> WriteResult:
    given = {"log_entries": [], "message_ids": [], **more}
    customer_id = given.pop("customer_id", ANNA)
    return await opened.store.write(
        customer_id, expected_version=expected, profile=profile, **given
    )


def test_what_is_written_is_read(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        assert await opened.store.get(ANNA) is None
        assert await write(opened, profile(1), None) is WriteResult.WRITTEN
        assert await opened.store.get(ANNA) == profile(1)
        assert await opened.store.get(BORIS) is None
        found = await opened.store.read_for_update(ANNA, ["m1", "m2"])
        assert (found.profile, found.seen) == (profile(1), frozenset())

    run(check)


def test_a_write_on_another_version_changes_nothing(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        more = {"log_entries": [("e", b"e1")], "message_ids": ["m1"]}
        assert await write(opened, profile(2), 1, **more) is WriteResult.STALE
        assert await opened.store.get(ANNA) is None
        assert await write(opened, profile(2), None) is WriteResult.WRITTEN
        for expected in (None, 1, 3):
            assert await write(opened, profile(9), expected, **more) is WriteResult.STALE
        assert await opened.store.get(ANNA) == profile(2)
        assert (await opened.store.read_for_update(ANNA, ["m1"])).seen == frozenset()
        assert await opened.ledger(ANNA) == []
        assert await write(opened, profile(3), 2, **more) is WriteResult.WRITTEN

    run(check)


def test_a_message_is_applied_once(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        more = {"log_entries": [("e", b"\0\xff"), ("u", b"e2")], "message_ids": ["m1", "📨"]}
        assert await write(opened, profile(1), None, **more) is WriteResult.WRITTEN
        found = await opened.store.read_for_update(ANNA, ["m0", "📨", "m1", "m2"])
        assert found.seen == {"m1", "📨"}
        again = {"log_entries": [("e", b"e3")], "message_ids": ["m2", "m1"]}
        assert await write(opened, profile(2), 1, **again) is WriteResult.STALE
        assert await opened.store.get(ANNA) == profile(1)
        assert await opened.ledger(ANNA) == [(b"e", b"\0\xff"), (b"u", b"e2")]

    run(check)


def test_message_ids_are_one_customers_own(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        same = [CustomerId(f"c{i}") for i in range(20)]  # of 16 partitions: some share one
        for customer_id in same:
            result = await write(
                opened, profile(1), None, customer_id=customer_id, message_ids=["1"]
            )
            assert result is WriteResult.WRITTEN

    run(check)


def test_messages_are_remembered_today_and_tomorrow(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        await write(opened, profile(1), None, message_ids=["m1"])
        opened.clock.advance(seconds=DAY_SECONDS)
        assert (await opened.store.read_for_update(ANNA, ["m1"])).seen == {"m1"}
        assert await write(opened, profile(2), 1, message_ids=["m1"]) is WriteResult.STALE
        assert await write(opened, profile(2), 1, message_ids=["m2"]) is WriteResult.WRITTEN
        opened.clock.advance(seconds=DAY_SECONDS)
        assert (await opened.store.read_for_update(ANNA, ["m1", "m2"])).seen == {"m2"}
        assert await write(opened, profile(3), 2, message_ids=["m1"]) is WriteResult.WRITTEN

    run(check)


def test_an_erased_profile_is_gone(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        await write(opened, profile(1), None)
        await opened.store.erase(ANNA)
        await opened.store.erase(BORIS)
        assert await opened.store.get(ANNA) is None
        assert await write(opened, profile(2), 1) is WriteResult.STALE
        assert await opened.store.get(ANNA) is None

    run(check)


def test_of_many_writers_at_once_exactly_one_wins(
    run: Callable[[Check], None], profile: Callable[[int], bytes]
) -> None:
    async def check(opened: Opened) -> None:
        await write(opened, profile(1), None)
        results = await asyncio.gather(
            *[
                write(opened, profile(2), 1, log_entries=[("e", b"%d" % i)], message_ids=[f"m{i}"])
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
        await store.write(
            BORIS,
            expected_version=None,
            profile=profile(1),
            log_entries=[],
            message_ids=["m1"],
        )
        name = keys.seen(keys.partition_of(BORIS), clock() // (DAY_SECONDS * 1_000))
        assert 0 < await connection.execute("TTL", name) <= 2 * DAY_SECONDS
        assert await connection.execute("TTL", keys.profile(BORIS)) == -1
        await connection.close()

    asyncio.run(main())
