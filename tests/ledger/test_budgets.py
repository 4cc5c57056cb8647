"""One contract for every store of budgets: in memory, and on a real Valkey server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from nba.domain.clock import ManualClock
from nba.ledger.budgets import Account, BudgetStore, Claim
from nba.ledger.budgets_memory import MemoryBudgets
from nba.ledger.budgets_redis import RedisBudgets
from nba.storage import Connection, Keys

MAY = Account("spring", "money/month@UTC", 1_746_057_600, 1_748_736_000)
JUNE = replace(MAY, start_s=1_748_736_000, end_s=None)
DAY_MS = 86_400_000

Check = Callable[[BudgetStore], Awaitable[None]]


def claim(name: str, units: int = 1, *, allowed: int = 10, limit: int = 10) -> Claim:
    return Claim(account=MAY, grant=name, units=units, allowed=allowed, limit=limit, ttl_ms=DAY_MS)


@asynccontextmanager
async def open_budgets(kind: str, url: str) -> AsyncIterator[BudgetStore]:
    if kind == "memory":
        yield MemoryBudgets(ManualClock())
        return
    connection = Connection(url)
    await connection.connect()
    yield RedisBudgets(connection, Keys(prefix=f"t{uuid.uuid4().hex}"))
    await connection.close()


@pytest.fixture(params=["memory", "redis"])
def with_budgets(request: pytest.FixtureRequest, valkey: str) -> Callable[[Check], None]:
    def run(check: Check) -> None:
        async def main() -> None:
            async with open_budgets(request.param, valkey) as budgets:
                await check(budgets)

        asyncio.run(main())

    return run


def test_shares_are_taken_until_the_limit_and_no_further(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        assert await budgets.used([MAY, JUNE]) == [0, 0]
        first = await budgets.acquire(claim("a:0", 6))
        assert (first.granted, first.used) == (True, 6)
        refused = await budgets.acquire(claim("b:0", 5))
        assert (refused.granted, refused.used) == (False, 6)
        exact = await budgets.acquire(claim("b:0", 4))
        assert (exact.granted, exact.used) == (True, 10)
        assert await budgets.used([MAY, JUNE]) == [10, 0]

    with_budgets(check)


def test_asking_again_for_a_granted_share_takes_nothing_more(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        for _ in range(3):
            again = await budgets.acquire(claim("a:0", 6))
            assert (again.granted, again.used) == (True, 6)
        assert await budgets.used([MAY]) == [6]

    with_budgets(check)


def test_the_pace_holds_back_all_but_the_first_share(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        assert (await budgets.acquire(claim("a:0", 4, allowed=2))).granted
        assert not (await budgets.acquire(claim("b:0", 1, allowed=4))).granted
        assert (await budgets.acquire(claim("b:0", 1, allowed=5))).granted
        assert not (await budgets.acquire(claim("c:0", 11, limit=10))).granted

    with_budgets(check)


def test_a_share_given_back_is_given_back_once(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        await budgets.acquire(claim("a:0", 6))
        await budgets.acquire(claim("b:0", 2))
        assert await budgets.release(MAY, "a:0")
        assert not await budgets.release(MAY, "a:0")
        assert not await budgets.settle(MAY, "a:0")
        assert await budgets.used([MAY]) == [2]

    with_budgets(check)


def test_a_settled_share_stays_spent(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        await budgets.acquire(claim("a:0", 6))
        assert await budgets.settle(MAY, "a:0")
        assert not await budgets.settle(MAY, "a:0")
        assert not await budgets.release(MAY, "a:0")
        assert not await budgets.hold(MAY, "a:0", 5)
        assert await budgets.used([MAY]) == [6]
        assert await budgets.abandoned(MAY, 0, 10) == []

    with_budgets(check)


def test_a_held_share_is_due_after_its_time_and_no_longer_open(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        for name in ("a:0", "b:0", "c:0"):
            await budgets.acquire(claim(name))
        assert await budgets.abandoned(MAY, 0, 10) == ["a:0", "b:0", "c:0"]
        assert await budgets.abandoned(MAY, 0, 2) == ["a:0", "b:0"]
        assert await budgets.abandoned(MAY, 60_000, 10) == []
        assert await budgets.hold(MAY, "a:0", 2_000)
        assert await budgets.hold(MAY, "b:0", 1_000)
        assert await budgets.abandoned(MAY, 0, 10) == ["c:0"]
        assert await budgets.due(MAY, 1_000, 10) == []
        assert await budgets.due(MAY, 1_001, 10) == ["b:0"]
        assert await budgets.due(MAY, 3_000, 10) == ["b:0", "a:0"]
        assert await budgets.due(MAY, 3_000, 1) == ["b:0"]
        assert await budgets.release(MAY, "b:0")
        assert await budgets.due(MAY, 3_000, 10) == ["a:0"]
        assert not await budgets.hold(MAY, "never", 1)

    with_budgets(check)


def test_accounts_are_looked_after_from_their_first_share_until_forgotten(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        assert await budgets.accounts() == []
        await budgets.acquire(claim("a:0"))
        await budgets.acquire(replace(claim("a:0"), account=JUNE, ttl_ms=0))
        assert set(await budgets.accounts()) == {MAY, JUNE}
        await budgets.forget(MAY)
        assert await budgets.accounts() == [JUNE]
        assert await budgets.used([MAY, JUNE]) == [1, 1]

    with_budgets(check)


def test_many_at_once_never_take_more_than_there_is(with_budgets):
    async def check(budgets: BudgetStore) -> None:
        claims = [claim(f"d{number}:0", 1 + number % 3, limit=100) for number in range(200)]
        claims = [replace(item, allowed=100) for item in claims]
        replies = await asyncio.gather(*[budgets.acquire(item) for item in claims])
        taken = sum(c.units for c, reply in zip(claims, replies, strict=True) if reply.granted)
        assert await budgets.used([MAY]) == [taken]
        assert 98 <= taken <= 100

    with_budgets(check)


def test_the_store_says_what_time_it_is(valkey):
    async def main() -> None:
        clock = ManualClock(5_000)
        memory = MemoryBudgets(clock)
        assert (await memory.acquire(claim("a:0"))).at_ms == 5_000
        clock.advance(seconds=60)
        assert await memory.abandoned(MAY, 60_000, 10) == ["a:0"]
        async with open_budgets("redis", valkey) as budgets:
            first = await budgets.acquire(claim("a:0"))
            second = await budgets.acquire(claim("a:0"))
            assert 1_700_000_000_000 < first.at_ms <= second.at_ms

    asyncio.run(main())


def test_an_account_is_kept_in_one_hash_slot_and_outlives_its_period(valkey):
    async def main() -> None:
        connection, keys = Connection(valkey), Keys(prefix=f"t{uuid.uuid4().hex}")
        await connection.connect()
        budgets = RedisBudgets(connection, keys)
        await budgets.acquire(claim("a:0"))
        await budgets.acquire(claim("b:0"))
        await budgets.hold(MAY, "a:0", 1)
        found = [key.decode() for key in await connection.execute("KEYS", f"{keys.prefix}:*")]
        accounts = sorted(key for key in found if "{" in key)
        assert len(accounts) == 3
        assert len({key[key.index("{") : key.index("}")] for key in accounts}) == 1
        for key in accounts:
            assert 0 < await connection.execute("PTTL", key) <= DAY_MS
        await connection.close()

    asyncio.run(main())
