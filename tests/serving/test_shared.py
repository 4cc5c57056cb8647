"""What a replica knows of budgets and fairness: read before a plan is live, forgotten in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shop import NOW_MS, Shop, write_project

from nba.decision.budgeting import account_of
from nba.domain.ids import hash32
from nba.errors import UnavailableError
from nba.ledger.budgets import Claim
from nba.ledger.budgets_memory import MemoryBudgets
from nba.ledger.shared_memory import MemoryShared
from nba.policies.kinds import Budget
from nba.serving.shared import STALE_SECONDS, SharedView

PUSH = "  - id: push_credit"
POLICIES = """  - id: cards
    kind: budget
    description: A few cards a day.
    applies_to: {actions: [card]}
    limit: 3
    period: day
  - id: fair
    kind: fairness
    description: Alike.
    by: tier
    max_ratio: 1.25
    on_breach: block
"""
DAY_S = NOW_MS // 86_400_000 * 86_400
CARDS, FAIR = hash32("cards"), hash32("fair")


class Away(MemoryBudgets):
    """A store that is away for some time."""

    away = False

    async def used(self, accounts: Any) -> list[int]:
        """Say what is used, if it is there."""
        if self.away:
            raise UnavailableError("away")
        return await super().used(accounts)


class Replica:
    """A view on stores in memory."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.budgets = Away(shop.clock)
        self.shared = MemoryShared()
        self.view = SharedView(self.budgets, self.shared, clock=shop.clock, poll_seconds=0.001)

    async def spend(self, grant: str) -> None:
        """Take one from the budget, as another replica would."""
        policy = next(p for p in self.shop.plan.source.policies if isinstance(p, Budget))
        account = account_of(policy, self.shop.clock())
        await self.budgets.acquire(
            Claim(account=account, grant=grant, units=1, allowed=3, limit=3, ttl_ms=0)
        )


@pytest.fixture
def replica(tmp_path: Path) -> Replica:
    return Replica(Shop(write_project(tmp_path, policies=(PUSH, POLICIES + PUSH))))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # the view tells nobody that it read
            await asyncio.sleep(0.001)


def test_nothing_is_known_before_it_is_read(replica):
    async def main() -> None:
        assert replica.view() == {}
        await replica.spend("a:0")
        await replica.view.look(replica.shop.plan)
        assert replica.view() == {CARDS: (DAY_S, 1), FAIR: ()}

    asyncio.run(main())


def test_what_others_spend_and_who_is_blocked_is_read_again_and_again(replica):
    async def main() -> None:
        await replica.view.look(replica.shop.plan)
        running = asyncio.create_task(replica.view.run())
        await replica.spend("a:0")
        await replica.shared.publish({FAIR: (7,), 99: (1,)})
        await until(lambda: replica.view() == {CARDS: (DAY_S, 1), FAIR: (7,)})
        replica.shop.clock.advance(seconds=86_400)
        await until(lambda: replica.view()[CARDS] == (DAY_S + 86_400, 0))
        running.cancel()

    asyncio.run(main())


def test_what_the_store_told_meanwhile_is_known_at_once(replica):
    async def main() -> None:
        await replica.view.look(replica.shop.plan)
        before = replica.view()
        replica.view.note(CARDS, (DAY_S, 3))
        assert replica.view()[CARDS] == (DAY_S, 3)
        assert before[CARDS] == (DAY_S, 0)  # a decision under way keeps what it looked at

    asyncio.run(main())


def test_what_is_stale_is_not_known(replica):
    async def main() -> None:
        await replica.view.look(replica.shop.plan)
        running = asyncio.create_task(replica.view.run())
        replica.budgets.away = True
        await asyncio.sleep(0.01)
        assert replica.view() != {}
        replica.view._read_at -= STALE_SECONDS
        assert replica.view() == {}
        replica.budgets.away = False
        await until(lambda: replica.view() != {})
        running.cancel()

    asyncio.run(main())


def test_a_plan_without_such_policies_asks_for_nothing(tmp_path):
    replica = Replica(Shop(write_project(tmp_path)))
    replica.budgets.away = True

    async def main() -> None:
        await replica.view.look(replica.shop.plan)
        assert replica.view() == {}

    asyncio.run(main())
