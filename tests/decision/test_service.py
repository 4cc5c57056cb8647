"""Deciding for real: recorded before it is answered, once per request id, on fresh state only."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from shop import NOW_MS, Shop, ask

from nba.decision.recording import read_record, recorded_features
from nba.domain.decision import Mode
from nba.domain.history import CONTACT, contact_tag, unpack_history
from nba.domain.ids import (
    NO_ACTION,
    CustomerId,
    DecisionId,
    decision_partition,
    hash32,
    partition_of,
)
from nba.errors import ConflictError, InputError, NotFoundError, OverloadedError, UnavailableError
from nba.ledger.positions import START
from nba.ledger.redis import RedisLedger
from nba.ledger.store import EntryType, LedgerStore, Reservation, Reserved
from nba.storage import Connection, Keys

ANNA = CustomerId("anna")


class Interfering:
    """A ledger on which something happens to the customer between the read and the write."""

    def __init__(self, ledger: LedgerStore, happens: Callable, *, times: int = 1) -> None:
        self._ledger = ledger
        self._happens = happens
        self._times = times
        self.reads = 0

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def read(self, customer_id, request_id):
        """Read, and let it happen after."""
        state = await self._ledger.read(customer_id, request_id)
        self.reads += 1
        if self._times:
            self._times -= 1
            await self._happens()
        return state


def entries_of(shop: Shop):
    return asyncio.run(
        shop.ledger.entries(dict.fromkeys(range(shop.ledger.partitions), START), 1_000)
    )


def test_an_answer_given_is_an_answer_recorded(shop):
    answer = asyncio.run(shop.service().decide(ask("anna", "web.rules", actions=("coat",))))
    decided = msgspec.json.decode(answer)
    decision_id = DecisionId(decided["decision_id"])
    (packed,) = asyncio.run(shop.ledger.records([decision_id]))
    assert packed is not None
    record = read_record(packed)
    assert record.answer == answer
    assert (record.customer_id, record.at_ms) == ("anna", NOW_MS)
    assert record.plan_version == shop.plan.version == decided["plan_version"]
    assert decided["at"] == "2025-06-15T15:06:40.000Z"
    assert decided["expires_at"] == "2025-06-15T16:06:40.000Z"
    state = asyncio.run(shop.ledger.read(ANNA, None))
    content = hash32(decided["choices"][0]["content"])
    tag = contact_tag(decision_id, 0)
    assert unpack_history(state.history).table.tolist() == [
        [NOW_MS // 1_000, hash32("coat"), hash32("web.rules"), CONTACT, tag, content]
    ]
    partition = decision_partition(decision_id)
    assert partition == partition_of("anna", shop.ledger.partitions)
    due = asyncio.run(shop.ledger.due(partition, NOW_MS + 86_400_001, 10))
    assert due == [(decision_id, 0)]
    assert [(e.type, e.body) for e in entries_of(shop)] == [
        (EntryType.DECISION, decision_id.encode())
    ]


def test_saying_nothing_is_recorded_too_and_is_no_contact(shop):
    answer = asyncio.run(shop.decide(terms=("channel:email",)))
    assert [choice["action"] for choice in answer["choices"]] == [NO_ACTION]
    assert len(entries_of(shop)) == 1
    assert asyncio.run(shop.ledger.read(ANNA, None)).history is None


def test_a_dry_run_answers_and_leaves_no_trace(shop):
    asyncio.run(shop.put(age=30))
    before = asyncio.run(shop.ledger.read(ANNA, "r1"))
    written = entries_of(shop)
    answer = asyncio.run(shop.decide(mode=Mode.DRY_RUN, request_id="r1"))
    assert answer["mode"] == "dry_run"
    assert answer["choices"]
    assert asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])])) == [None]
    assert asyncio.run(shop.ledger.read(ANNA, "r1")) == before
    assert entries_of(shop) == written


def test_a_repeated_request_gets_the_same_bytes_and_is_recorded_once(shop):
    service = shop.service()
    request = ask("anna", "web.hero", request_id="r1", context={"device": "mobile", "basket": 3.0})
    first = asyncio.run(service.decide(request))
    shop.clock.advance(seconds=100)
    reordered = ask(
        "anna", "web.hero", request_id="r1", context={"basket": 3.0, "device": "mobile"}
    )
    assert asyncio.run(service.decide(reordered)) == first
    assert len(entries_of(shop)) == 1


def test_repeated_at_the_same_time_all_get_the_one_answer(shop):
    async def main() -> set[bytes]:
        service = shop.service()
        request = ask("anna", "web.hero", request_id="r1")
        return set(await asyncio.gather(*[service.decide(request) for _ in range(20)]))

    assert len(asyncio.run(main())) == 1
    assert len(entries_of(shop)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"context": {"basket": 1.0}},
        {"locale": "de"},
        {"actions": ("coat",)},
        {"mode": Mode.DRY_RUN},
    ],
)
def test_a_request_id_used_for_another_request_is_a_conflict(shop, other):
    service = shop.service()
    asyncio.run(service.decide(ask("anna", request_id="r1")))
    with pytest.raises(ConflictError, match="request_id was used for another request"):
        asyncio.run(service.decide(ask("anna", request_id="r1", **other)))
    assert len(entries_of(shop)) == 1


def test_a_request_id_is_the_customers_own(shop):
    service = shop.service()
    answers = [asyncio.run(service.decide(ask(name, request_id="r1"))) for name in ("anna", "bo")]
    assert [msgspec.json.decode(a)["customer_id"] for a in answers] == ["anna", "bo"]


def test_an_answer_no_longer_held_is_not_decided_anew(shop):
    answer = asyncio.run(shop.decide(request_id="r1"))
    shop.ledger._records.pop(answer["decision_id"])
    with pytest.raises(NotFoundError, match="no longer held"):
        asyncio.run(shop.decide(request_id="r1"))


def test_a_contact_made_meanwhile_is_counted_before_anything_is_written(make_shop):
    shop: Shop = make_shop(policies=("limit: 2", "limit: 1"))

    async def main():
        async def contact() -> None:
            await shop.service().decide(ask("anna", "web.rules", actions=("coat",)))

        ledger = Interfering(shop.ledger, contact)
        late = await shop.service(ledger).decide(ask("anna", "web.rules", actions=("shirt",)))
        return msgspec.json.decode(late), ledger.reads

    late, reads = asyncio.run(main())
    assert [choice["action"] for choice in late["choices"]] == [NO_ACTION]
    assert reads == 2
    assert len(entries_of(shop)) == 2


def test_consent_withdrawn_meanwhile_is_honoured(shop):
    async def main():
        await shop.put(consents={"email": "granted"})
        request = ask("anna", "email.body", terms=("product:fashion",))
        ledger = Interfering(shop.ledger, lambda: shop.put(consents={"email": "denied"}))
        given = [msgspec.json.decode(await shop.service(ledger).decide(request))]
        given.append(msgspec.json.decode(await shop.service().decide(request)))
        return given

    for answer in asyncio.run(main()):
        assert [choice["action"] for choice in answer["choices"]] == [NO_ACTION]


def test_an_attribute_changed_meanwhile_is_no_reason_to_decide_again(shop):
    async def main() -> int:
        await shop.put(age=30)
        ledger = Interfering(shop.ledger, lambda: shop.put(age=31))
        await shop.service(ledger).decide(ask())
        return ledger.reads

    assert asyncio.run(main()) == 1


def test_a_customer_who_never_stands_still_is_to_be_asked_later(shop):
    class Restless:
        def __getattr__(self, name):
            return getattr(shop.ledger, name)

        async def reserve(self, _: Reservation) -> Reserved:
            """Find that the customer changed."""
            return Reserved.STALE

    with pytest.raises(OverloadedError) as caught:
        asyncio.run(shop.service(Restless()).decide(ask()))
    assert caught.value.retry_after_seconds == 1
    assert entries_of(shop) == []


def test_without_a_plan_nothing_is_decided(shop):
    shop.plan = None
    with pytest.raises(UnavailableError, match="no plan is live"):
        asyncio.run(shop.service().decide(ask()))


@pytest.mark.parametrize(
    ("request_", "places"),
    [
        (ask("anna", "web.heroes"), ["/placements/0/id"]),
        (ask("anna", "web.hero", ("email.body", 2)), ["/placements/1/count"]),
        (ask("anna", ("web.hero", 0)), ["/placements/0/count"]),
        (ask("anna", actions=("coat", "cot")), ["/actions/1"]),
        (ask("anna", terms=("product:cars",)), ["/terms/0"]),
        (ask("anna", "web.hero", "email.body", "web.hero"), ["/placements/2/id"]),
        (
            ask("anna", "x", ("web.hero", 9), actions=("y",)),
            [
                "/placements/0/id",
                "/placements/1/count",
                "/actions/0",
            ],
        ),
        (
            ask("anna", context={"device": "fridge", "basket": -1.0, "mood": "good"}),
            [
                "/context/device",
                "/context/basket",
                "/context/mood",
            ],
        ),
        (ask("anna", attributes={"age": "old"}), ["/attributes/age"]),
    ],
)
def test_every_part_of_a_request_the_plan_does_not_know_is_named(shop, request_, places):
    with pytest.raises(InputError) as caught:
        asyncio.run(shop.service().decide(request_))
    assert [fault.place for fault in caught.value.faults] == places
    assert entries_of(shop) == []


def test_attributes_of_the_request_count_for_this_decision_and_are_not_kept(shop):
    ask_card = {"actions": ("card",), "attributes": {"age": 30.0}}
    answer = asyncio.run(shop.decide(**ask_card))
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])]))
    row = recorded_features(read_record(packed))
    assert row[shop.plan.features.names.index("age")] == 30.0
    assert asyncio.run(shop.store.get(ANNA)) is None


@asynccontextmanager
async def a_ledger(kind: str, shop: Shop, url: str) -> AsyncIterator[LedgerStore]:
    if kind == "memory":
        yield shop.ledger
        return
    connections = [Connection(url), Connection(url)]
    for connection in connections:
        await connection.connect()
    keys = Keys(partitions=shop.ledger.partitions, prefix=uuid.uuid4().hex)
    replicas = [
        RedisLedger(connection, keys, record_ttl_ms=10**9, history_ttl_ms=10**9)
        for connection in connections
    ]
    yield Alternating(replicas)
    for connection in connections:
        await connection.close()


class Alternating:
    """Two replicas of a ledger, read by one and written by the other in turn."""

    def __init__(self, replicas: list[RedisLedger]) -> None:
        self._replicas = replicas
        self._turn = 0
        self.partitions = replicas[0].partitions

    def __getattr__(self, name):
        self._turn += 1
        return getattr(self._replicas[self._turn % 2], name)


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_a_cap_holds_under_fifty_concurrent_decisions_for_one_customer(make_shop, valkey, kind):
    """Recounted from the ledger: with a cap of one, one promotion is recorded in all."""
    shop: Shop = make_shop(policies=("limit: 2", "limit: 1"))

    async def main() -> tuple[list[str], list[str]]:
        async with a_ledger(kind, shop, valkey) as ledger:
            service = shop.service(ledger)
            request = ask("anna", "web.hero", terms=("product:fashion",))

            async def persist() -> bytes:
                while True:
                    try:
                        return await service.decide(request)
                    except OverloadedError:
                        await asyncio.sleep(0)

            answers = await asyncio.gather(*[persist() for _ in range(50)])
            for _ in range(20):  # until somebody was told something
                answers.append(await service.decide(request))
            partition = partition_of("anna", ledger.partitions)
            entries = await ledger.entries({partition: START}, 1_000)
            ids = [DecisionId(entry.body.decode()) for entry in entries]
            recorded = [read_record(packed) for packed in await ledger.records(ids) if packed]
            return (
                [action_of(answer) for answer in answers],
                [action_of(record.answer) for record in recorded],
            )

    answered, recorded = asyncio.run(main())
    assert Counter(answered) == Counter(recorded), "what was answered is what was recorded"
    assert len(recorded) == 70
    assert sum(action != NO_ACTION for action in recorded) == 1


def action_of(answer: bytes) -> str:
    (choice,) = msgspec.json.decode(answer)["choices"]
    return choice["action"]


def test_stages_are_timed_in_order(shop):
    stages = []
    service = shop.service()
    service._timers = lambda: stages.append
    asyncio.run(service.decide(ask()))
    assert stages == ["read", "features", "decide", "encode", "reserve"]


def test_a_term_may_be_asked_for_by_its_former_name(make_shop):
    shop = make_shop(
        catalog=(
            "    required_for: [action]\n",
            "    required_for: [action]\n    renamed: {parcels: service}\n",
        )
    )
    answer = asyncio.run(shop.decide(terms=("product:parcels",)))
    assert {choice["action"] for choice in answer["choices"]} <= {"parcel", NO_ACTION}
    with pytest.raises(InputError, match="product:packages"):
        asyncio.run(shop.decide(terms=("product:packages",)))
