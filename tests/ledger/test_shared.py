"""One contract for every store of tallies: in memory, and on a real Valkey server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from nba.ledger.shared import SharedStore
from nba.ledger.shared_memory import MemoryShared
from nba.ledger.shared_redis import RedisShared
from nba.storage import Connection, Keys

Check = Callable[[SharedStore], Awaitable[None]]


@asynccontextmanager
async def open_shared(kind: str, url: str) -> AsyncIterator[SharedStore]:
    if kind == "memory":
        yield MemoryShared(partitions=3)
        return
    connection = Connection(url)
    await connection.connect()
    yield RedisShared(connection, Keys(partitions=3, prefix=f"t{uuid.uuid4().hex}"))
    await connection.close()


@pytest.fixture(params=["memory", "redis"])
def with_shared(request: pytest.FixtureRequest, valkey: str) -> Callable[[Check], None]:
    def run(check: Check) -> None:
        async def main() -> None:
            async with open_shared(request.param, valkey) as shared:
                await check(shared)

        asyncio.run(main())

    return run


def test_what_lies_between_two_positions_is_counted_once(with_shared):
    async def check(shared: SharedStore) -> None:
        assert await shared.positions() == {0: "0-0", 1: "0-0", 2: "0-0"}
        assert await shared.count(1, "0-0", "5-1", {"a": (2, 1_500_000), "b": (1, 0)})
        assert not await shared.count(1, "0-0", "5-1", {"a": (2, 1_500_000), "b": (1, 0)})
        assert not await shared.count(1, "5-0", "6-0", {"a": (9, 9)})
        assert await shared.count(1, "5-1", "6-0", {"a": (1, 7)})
        assert await shared.positions() == {0: "0-0", 1: "6-0", 2: "0-0"}
        assert await shared.tallies() == {"a": (3, 1_500_007), "b": (1, 0)}

    with_shared(check)


def test_tallies_are_summed_over_partitions_until_dropped(with_shared):
    async def check(shared: SharedStore) -> None:
        await shared.count(0, "0-0", "1-0", {"a:b": (1, 10), "c": (1, 1)})
        await shared.count(2, "0-0", "9-0", {"a:b": (2, 20)})
        assert await shared.tallies() == {"a:b": (3, 30), "c": (1, 1)}
        await shared.drop([])
        await shared.drop(["a:b", "never"])
        assert await shared.tallies() == {"c": (1, 1)}
        assert (await shared.positions())[2] == "9-0"

    with_shared(check)


def test_what_is_published_replaces_what_was(with_shared):
    async def check(shared: SharedStore) -> None:
        assert await shared.published() == {}
        await shared.publish({7: (1, 2), 8: ()})
        assert await shared.published() == {7: (1, 2), 8: ()}
        await shared.publish({8: (3,)})
        assert await shared.published() == {8: (3,)}

    with_shared(check)
