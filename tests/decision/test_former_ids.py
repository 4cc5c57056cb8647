"""Whoever is asked for under a former id is decided for as the one customer, caps included."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from shop import Shop, ask

from nba.decision.recording import read_record
from nba.decision.service import DecisionService
from nba.domain.alias import ALIAS_MARK, Alias, Forward, pack_forward
from nba.domain.history import pack_history, unpack_history
from nba.domain.ids import NO_ACTION, CustomerId, DecisionId, decision_partition, partition_of
from nba.errors import CorruptRecordError, UnavailableError
from nba.ledger.store import CustomerState, LedgerStore

ANON, ANNA = CustomerId("anon"), CustomerId("anna")


def service(shop: Shop, ledger: Any = None) -> DecisionService:
    return DecisionService(
        lambda: shop.plan,
        ledger or shop.ledger,
        clock=shop.clock,
        random_bits=shop.random_bits,
        follow=shop.profiles.aliases.follow,
    )


def decide(shop: Shop, customer_id: str, **changes: Any) -> dict[str, Any]:
    packed = asyncio.run(service(shop).decide(ask(customer_id, **changes)))
    answer: dict[str, Any] = msgspec.json.decode(packed)
    return answer


def alias(shop: Shop) -> None:
    (result,) = asyncio.run(shop.profiles.ingest([Alias(ANON, ANNA)]))
    assert result.status == "recorded"


def promotions(shop: Shop, customer_id: str) -> int:
    answer = decide(shop, customer_id, actions=("card", "coat", "shirt"))
    return sum(choice["action"] != NO_ACTION for choice in answer["choices"])


def test_a_decision_for_a_former_id_is_one_for_who_goes_on(shop: Shop) -> None:
    asyncio.run(shop.put("anna", age=30))
    alias(shop)
    answer = decide(shop, ANON)
    assert answer["customer_id"] == ANNA
    partition = partition_of(ANNA, shop.ledger.partitions)
    assert decision_partition(answer["decision_id"]) == partition
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])]))
    assert packed is not None
    assert read_record(packed).customer_id == ANNA


def test_contacts_made_under_either_id_count_towards_one_cap(shop: Shop) -> None:
    for name in (ANON, ANNA):
        while not promotions(shop, name):
            pass
    alias(shop)
    state = asyncio.run(shop.ledger.read(ANNA, None))
    assert len(unpack_history(state.history)) == 2
    # Two a day, and each id has had one.
    assert [promotions(shop, name) for name in (ANON, ANNA) * 8] == [0] * 16


def test_a_repeat_of_a_request_under_the_former_id_is_answered_as_before(shop: Shop) -> None:
    before = decide(shop, ANON, request_id="r1")
    alias(shop)
    assert decide(shop, ANON, request_id="r1") == before
    after = decide(shop, ANON, request_id="r2")
    assert decide(shop, ANON, request_id="r2") == after
    assert decide(shop, ANNA, request_id="r2") == after


class Interfering:
    """A ledger on which an alias is made between the read and the write."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shop.ledger, name)

    async def read(self, customer_id: CustomerId, request_id: str | None) -> CustomerState:
        """Read, and let it happen after the first time."""
        state = await self._shop.ledger.read(customer_id, request_id)
        self.reads.append(customer_id)
        if len(self.reads) == 1:
            await self._shop.profiles.ingest([Alias(ANON, ANNA)])
        return state


@pytest.mark.parametrize("known", [True, False])
def test_an_alias_made_while_deciding_is_heeded(shop: Shop, known: bool) -> None:  # noqa: FBT001
    if known:
        asyncio.run(shop.put(ANON, age=30))
    full = pack_history([(shop.clock() // 1_000 - 60, 1, 1)] * 2)
    shop.ledger.histories[ANNA] = full.packed
    ledger = Interfering(shop)
    packed = asyncio.run(service(shop, ledger).decide(ask(ANON)))
    assert msgspec.json.decode(packed)["customer_id"] == ANNA
    assert ledger.reads == [ANON, ANON, ANNA]


def test_without_a_way_to_finish_a_merge_there_is_no_safe_answer(shop: Shop) -> None:
    mark = Forward(ANNA, shop.clock(), merged=False)
    asyncio.run(shop.store.aliases.freeze(ANON, mark))
    with pytest.raises(UnavailableError, match="being merged"):
        asyncio.run(shop.decide(ANON))
    asyncio.run(shop.store.aliases.settle(ANON, mark))
    assert asyncio.run(shop.decide(ANON))["customer_id"] == ANNA


def test_marks_that_lead_in_a_circle_end_in_an_error(shop: Shop) -> None:
    class Circle:
        def __getattr__(self, name: str) -> Any:
            return getattr(shop.ledger, name)

        async def read(self, _: CustomerId, __: str | None) -> CustomerState:
            return CustomerState(None, None, None, Forward(ANON, 0, merged=True))

    ledger: LedgerStore = Circle()  # type: ignore[assignment]
    with pytest.raises(CorruptRecordError, match="never end"):
        asyncio.run(service(shop, ledger).decide(ask(ANON)))
    assert pack_forward(Forward(ANON, 0, merged=True)).startswith(ALIAS_MARK)
