"""Counting for fairness: each decision once, by group, and only who is above is blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shop import Shop, ask, write_project

from nba.domain.decision import Mode, TakenAction
from nba.domain.ids import hash32
from nba.errors import UnavailableError
from nba.ledger.shared_memory import MemoryShared
from nba.worker.fairness import FairnessCounter
from nba.worker.metrics import WorkerMetrics
from nba.worker.records import Records
from nba.worker.runner import Worker

POLICY = """  - id: fair_cards
    kind: fairness
    description: No tier gets far more cards.
    applies_to: {actions: [card]}
    by: tier
    max_ratio: 1.25
    min_decisions: 5
    window: 1d
    on_breach: block
"""
PUSH = "  - id: push_credit"
TILE_S = 3_600


def open_shop(root: Path, policy: str) -> Shop:
    """Open a shop with a fairness policy, in which nobody is held out."""
    nobody = {"policies/policies.yaml": ("share: 0.1", "share: 0")}
    return Shop(write_project(root, policies=(PUSH, policy + PUSH), **nobody), partitions=2)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return open_shop(tmp_path, POLICY)


def counter_of(shop: Shop, store: MemoryShared) -> FairnessCounter:
    return FairnessCounter(store, Records(shop.ledger, shop.repository), clock=shop.clock)


async def decide(shop: Shop, tier: str | None, *, count: int, actions: tuple[str, ...]) -> None:
    """Let so many adults of a tier ask, who may get nothing but ``actions``."""
    service = shop.service()
    service._shared = lambda: {hash32("fair_cards"): ()}
    for number in range(count):
        name = f"{tier}-{'-'.join(actions)}-{number}"
        await shop.put(customer_id=name, age=30, **({} if tier is None else {"tier": tier}))
        await service.decide(ask(name, "web.rules", actions=actions))


async def work(shop: Shop, counter: FairnessCounter) -> None:
    """Let a worker read the whole ledger."""
    worker = Worker(
        shop.ledger,
        shop.log,
        shop.control,
        shop.repository,
        clock=shop.clock,
        watchers=(counter,),
    )
    while await worker.step():
        pass


def rates(shop: Shop, counter: FairnessCounter) -> dict[str, Any]:
    return {rate.group: rate for rate in asyncio.run(counter.judge(shop.plan))}


async def uneven(shop: Shop) -> None:
    """Ask for the card alone, which makes it certain, or beside the coat, which goes first."""
    await decide(shop, "gold", count=10, actions=("card",))
    await decide(shop, "none", count=30, actions=("card", "coat"))


def test_rates_are_the_chances_of_what_was_left(shop):
    store = MemoryShared(partitions=2)
    counter = counter_of(shop, store)

    async def main() -> None:
        await uneven(shop)
        await decide(shop, "gold", count=3, actions=("coat",))  # no card was left: no draw counts
        await work(shop, counter)

    asyncio.run(main())
    found = rates(shop, counter)
    assert {group: (rate.draws, rate.rate) for group, rate in found.items()} == {
        "gold": (10, 1.0),
        "none": (30, 0.0),
    }
    assert found["gold"].overall == 0.25
    assert (found["gold"].above, found["none"].below) == (True, True)
    assert (found["gold"].below, found["none"].above) == (False, False)


def test_only_a_group_above_is_blocked_and_only_where_the_policy_blocks(tmp_path):
    for on_breach, blocked in (("block", (hash32("gold"),)), ("alert", ())):
        policy = POLICY.replace("on_breach: block", f"on_breach: {on_breach}")
        made = open_shop(tmp_path / on_breach, policy)
        store = MemoryShared(partitions=2)
        counter = counter_of(made, store)
        asyncio.run(uneven(made))
        asyncio.run(work(made, counter))
        rates(made, counter)
        assert asyncio.run(store.published()) == {hash32("fair_cards"): blocked}


def test_starting_again_counts_nothing_twice(shop):
    store = MemoryShared(partitions=2)

    async def main() -> None:
        await uneven(shop)
        for _ in range(3):
            await work(shop, counter_of(shop, store))

    asyncio.run(main())
    assert rates(shop, counter_of(shop, store))["gold"].draws == 10


class Losing(MemoryShared):
    """A store whose first reply is lost, after it did what it was told."""

    lost = False

    async def count(self, *arguments: Any) -> bool:
        """Count, and lose the reply once."""
        done = await super().count(*arguments)
        if not self.lost:
            self.lost = True
            raise UnavailableError("lost")
        return done


def test_a_lost_reply_counts_nothing_twice(shop):
    store = Losing(partitions=2)
    counter = counter_of(shop, store)

    async def main() -> None:
        await uneven(shop)
        with pytest.raises(UnavailableError):
            await work(shop, counter)
        await work(shop, counter)

    asyncio.run(main())
    found = rates(shop, counter)
    assert (found["gold"].draws, found["none"].draws) == (10, 30)


def test_few_draws_are_not_judged(shop):
    store = MemoryShared(partitions=2)
    counter = counter_of(shop, store)

    async def main() -> None:
        await decide(shop, "gold", count=4, actions=("card",))
        await decide(shop, "none", count=30, actions=("card", "coat"))
        await work(shop, counter)

    asyncio.run(main())
    assert not rates(shop, counter)["gold"].above
    assert asyncio.run(store.published()) == {hash32("fair_cards"): ()}


def test_who_is_in_no_known_group_counts_for_everybody_alone(shop):
    counter = counter_of(shop, MemoryShared(partitions=2))

    async def main() -> None:
        await decide(shop, "gold", count=10, actions=("card",))
        await decide(shop, None, count=10, actions=("card", "coat"))
        await work(shop, counter)

    asyncio.run(main())
    found = rates(shop, counter)
    assert set(found) == {"gold"}
    assert found["gold"].overall == 0.5


def test_a_window_moves_on_tile_by_tile_until_the_block_is_lifted(shop):
    store = MemoryShared(partitions=2)
    counter = counter_of(shop, store)
    asyncio.run(uneven(shop))
    asyncio.run(work(shop, counter))
    assert rates(shop, counter)["gold"].above
    shop.clock.advance(seconds=86_400 - TILE_S)
    assert rates(shop, counter)["gold"].above
    shop.clock.advance(seconds=2 * TILE_S)
    assert rates(shop, counter) == {}
    assert asyncio.run(store.published()) == {hash32("fair_cards"): ()}
    shop.clock.advance(seconds=91 * 86_400)
    rates(shop, counter)
    assert asyncio.run(store.tallies()) == {}


def test_what_is_found_is_logged_once_and_shown(shop, caplog, request: pytest.FixtureRequest):
    counter = counter_of(shop, MemoryShared(partitions=2))
    asyncio.run(uneven(shop))
    asyncio.run(work(shop, counter))
    metrics = WorkerMetrics()
    for _ in range(2):
        metrics.judged(list(rates(shop, counter).values()))
    said = [record.getMessage() for record in caplog.records]
    assert sum("group 'gold' is chosen for in 100.00 % of 10 draws" in text for text in said) == 1

    def shown(name: str, group: str) -> float | None:
        labels = {"policy": "fair_cards", "group": group}
        return metrics.registry.get_sample_value(name, labels)

    assert shown("nba_fairness_selection_rate", "gold") == 1.0
    assert shown("nba_fairness_breach", "gold") == 1.0
    assert shown("nba_fairness_breach", "none") == -1.0


def test_a_blocked_group_is_told_why(shop):
    store = MemoryShared(partitions=2)
    counter = counter_of(shop, store)
    service: Callable[..., Any] = shop.service
    asyncio.run(uneven(shop))
    asyncio.run(work(shop, counter))
    rates(shop, counter)
    blocked = asyncio.run(store.published())

    async def main() -> bytes:
        await shop.put(customer_id="new", age=30, tier="gold")
        made = service()
        made._shared = lambda: blocked
        return await made.decide(ask("new", "web.rules", actions=("card",)))

    assert b'"action":"no_action"' in asyncio.run(main())


def test_what_was_drawn_in_shadow_reached_nobody_and_is_not_counted(shop):
    store = MemoryShared(partitions=2)
    counter = counter_of(shop, store)
    taken = TakenAction(placement="web.rules", action="card")

    async def main() -> None:
        await decide(shop, "gold", count=2, actions=("card",))
        await shop.put(customer_id="eve", age=30, tier="gold")
        request = ask("eve", "web.rules", actions=("card",), mode=Mode.SHADOW, taken=(taken,))
        await shop.service().decide(request)
        await work(shop, counter)

    asyncio.run(main())
    assert rates(shop, counter)["gold"].draws == 2
