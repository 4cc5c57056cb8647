"""Taking in events and updates: exactly once, one by one, nothing lost under contention."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.alias import Alias
from nba.domain.clock import ManualClock
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError, InputError, OverloadedError, UnavailableError
from nba.features import (
    FeatureSet,
    ForUpdate,
    ItemStatus,
    MemoryProfileStore,
    ProfileService,
    ProfileWrite,
    Wanted,
    WriteResult,
)
from nba.features.ingest import MAX_ATTEMPTS, MAX_ITEMS_AT_ONCE
from nba.features.items import Undeclared
from nba.features.redis import RedisProfileStore
from nba.storage import Connection, Keys

ANNA = CustomerId("anna")


class Fixture:
    """A service on a store in memory, with a look at the ledger and at rows."""

    def __init__(self, make: SimpleNamespace) -> None:
        self.features = FeatureSet(
            [
                make.attribute("age"),
                make.aggregate("orders"),
                make.aggregate("spend", "sum", property="amount"),
                make.aggregate("orders_7d", window="7d"),
            ],
            [make.buy, make.opened],
        )
        self.now_ms = make.now_ms
        self.entries: list[bytes] = []
        self.clock = ManualClock(make.now_ms)
        self.store = MemoryProfileStore(
            {}, lambda *entry: self.entries.append(entry[2]), self.clock
        )
        self.service = ProfileService(self.store, lambda: self.features, self.clock)

    def ingest(self, *items: Event | ProfileUpdate) -> list[str]:
        """Take in items and return what became of each."""
        results = asyncio.run(self.service.ingest(items))
        return [result.status.value for result in results]

    def row(self, customer_id: str = "anna") -> dict[str, float]:
        """Return a customer's features by name."""
        profile = asyncio.run(self.store.get(CustomerId(customer_id)))
        row = self.features.read(profile, at_ms=self.now_ms).features.tolist()
        return dict(zip(self.features.names, row, strict=True))


@pytest.fixture
def fixture(make: SimpleNamespace) -> Fixture:
    return Fixture(make)


def test_events_are_recorded_once_and_logged(fixture: Fixture, make: SimpleNamespace) -> None:
    first = make.event(amount=4.5, coupon="X")
    assert fixture.ingest(first, first) == ["recorded", "duplicate"]
    assert fixture.ingest(first, make.event(message_id="m2", amount=1)) == ["duplicate", "recorded"]
    assert fixture.row() == pytest.approx(
        {"age": float("nan"), "orders": 2.0, "spend": 5.5, "orders_7d": 2.0}, nan_ok=True
    )
    logged = [msgspec.msgpack.decode(entry, type=Event) for entry in fixture.entries]
    assert logged[0] == make.event(amount=4.5)  # what is not declared is not kept
    assert [event.message_id for event in logged] == ["m1", "m2"]


def test_one_bad_item_does_not_hold_up_the_others(fixture: Fixture, make: SimpleNamespace) -> None:
    results = asyncio.run(
        fixture.service.ingest(
            [
                make.event(message_id="a", amount="4"),
                make.event(message_id="b", amount=4),
                make.update(attributes={"age": "old"}),
                make.update(attributes={"age": 40, "shoe": 1}),
                make.event(message_id="c", name="page viewed"),
                make.event(message_id="d", at_ms=0),
                make.event(message_id="", amount=1),
                make.event(message_id="f", customer_id="x" * 129),
                make.update(customer_id=""),
                make.event(message_id="g\ud800", amount=1),
                make.event(message_id="h", amount=2, customer_id="boris", color="red"),
            ]
        )
    )
    assert [
        (result.status.value, [fault.place for fault in result.faults], result.dropped)
        for result in results
    ] == [
        ("rejected", ["/properties/amount"], ()),
        ("recorded", [], ()),
        ("rejected", ["/attributes/age"], ()),
        ("recorded", [], ("shoe",)),
        ("ignored", [], ()),
        ("rejected", ["/timestamp"], ()),
        ("rejected", ["/message_id"], ()),
        ("rejected", ["/customer_id"], ()),
        ("rejected", ["/customer_id"], ()),
        ("rejected", ["/message_id"], ()),
        ("recorded", [], ("color",)),
    ]
    assert fixture.row() == {"age": 40.0, "orders": 1.0, "spend": 4.0, "orders_7d": 1.0}
    assert fixture.row("boris")["spend"] == 2.0


def test_a_batch_of_nothing_to_write_writes_nothing(
    fixture: Fixture, make: SimpleNamespace
) -> None:
    assert fixture.ingest(make.update(attributes={"age": "old"})) == ["rejected"]
    assert fixture.ingest() == []
    assert asyncio.run(fixture.store.get(ANNA)) is None


def test_single_items_raise_what_is_wrong(fixture: Fixture, make: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="/attributes/age"):
        asyncio.run(fixture.service.put(make.update(attributes={"age": "old"})))
    with pytest.raises(InputError, match="/properties/gift"):
        asyncio.run(fixture.service.track(make.event(gift="yes")))
    result = asyncio.run(fixture.service.put(make.update(attributes={"age": 7, "x": 1})))
    assert (result.status, result.dropped) == (ItemStatus.RECORDED, ("x",))
    result = asyncio.run(fixture.service.track(make.event(name="unheard of")))
    assert result.status is ItemStatus.IGNORED


def test_a_long_batch_of_one_customer_lands_whole(fixture: Fixture, make: SimpleNamespace) -> None:
    count = 2 * MAX_ITEMS_AT_ONCE + 1
    events = [make.event(message_id=f"m{i}", amount=0.5) for i in range(count)]
    assert set(fixture.ingest(*events, *events)) == {"recorded", "duplicate"}
    assert fixture.row()["orders"] == count
    assert fixture.row()["spend"] == count / 2
    assert len(fixture.entries) == count


@pytest.mark.parametrize("customer_id", ["🎁", "שלום עולם", "a\nb", "x" * 128, "{0}", "'; --"])
def test_ids_are_opaque(fixture: Fixture, make: SimpleNamespace, customer_id: str) -> None:
    assert fixture.ingest(make.event(customer_id=customer_id, amount=-0.0)) == ["recorded"]
    assert fixture.row(customer_id)["orders"] == 1.0


class AlwaysStale(MemoryProfileStore):
    """A store where somebody else is always faster with one customer."""

    writes = 0

    async def write_many(self, writes: Sequence[ProfileWrite]) -> list[WriteResult]:
        """Write anybody but Anna."""
        results = []
        for write in writes:
            if write.customer_id == ANNA:
                self.writes += 1
                results.append(WriteResult.STALE)
            else:
                results += await super().write_many([write])
        return results


def test_contention_without_end_says_try_again_and_the_rest_lands(make: SimpleNamespace) -> None:
    fixture = Fixture(make)
    stale = AlwaysStale({}, lambda *_: None, fixture.clock)
    service = ProfileService(stale, lambda: fixture.features, fixture.clock)
    with pytest.raises(OverloadedError, match="'anna' was changed by others") as caught:
        asyncio.run(service.ingest([make.event(), make.event(customer_id="boris")]))
    assert caught.value.retry_after_seconds == 1
    assert stale.writes == MAX_ATTEMPTS
    assert asyncio.run(stale.get(CustomerId("boris"))) is not None


class Away(MemoryProfileStore):
    """A store that cannot be reached."""

    async def read_many(self, _: Sequence[Wanted]) -> list[ForUpdate]:
        """Raise."""
        raise UnavailableError("the store cannot be reached")


def test_a_store_that_is_away_is_said_so(make: SimpleNamespace) -> None:
    fixture = Fixture(make)
    away = Away({}, lambda *_: None, fixture.clock)
    service = ProfileService(away, lambda: fixture.features, fixture.clock)
    with pytest.raises(UnavailableError):
        asyncio.run(service.ingest([make.event()]))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["anna", "boris"]),
            st.integers(0, 8),
            st.integers(-400, 400).map(lambda amount: amount / 4),
        ),
        max_size=30,
    ),
    st.lists(st.integers(0, 30), max_size=3),
)
def test_each_message_counts_once_however_it_is_batched(
    make: SimpleNamespace, sent: list[tuple[str, int, float]], cuts: list[int]
) -> None:
    fixture = Fixture(make)
    events = [
        make.event(customer_id=customer_id, message_id=f"m{number}", amount=amount)
        for customer_id, number, amount in sent
    ]
    edges = [0, *sorted(cuts), len(events)]
    for start, end in pairwise(edges):
        fixture.ingest(*events[start:end])
    for customer_id in ("anna", "boris"):
        first: dict[str, float] = {}
        for event in events:
            if event.customer_id == customer_id:
                first.setdefault(event.message_id, event.properties["amount"])
        row = fixture.row(customer_id)
        assert (row["orders"], row["spend"]) == (len(first), sum(first.values()))


def test_fifty_writers_on_a_real_server_lose_nothing(valkey: str, make: SimpleNamespace) -> None:
    fixture = Fixture(make)

    async def main() -> None:
        keys = Keys(prefix=f"t{uuid.uuid4().hex}")
        connections = [Connection(valkey) for _ in range(10)]
        for connection in connections:
            await connection.connect()
        stores = [RedisProfileStore(connection, keys, fixture.clock) for connection in connections]
        # Ten services that know nothing of each other, as ten processes would.
        services = [
            ProfileService(store, lambda: fixture.features, fixture.clock) for store in stores
        ]
        each = [
            [make.event(message_id=f"{writer}-{i // 2}", amount=1) for i in range(6)]
            for writer in range(50)
        ]
        results = await asyncio.gather(
            *[services[writer % 10].ingest(items) for writer, items in enumerate(each)]
        )
        assert [result.status.value for batch in results for result in batch] == [
            "recorded",
            "duplicate",
        ] * 150
        profile = await stores[0].get(ANNA)
        assert profile is not None
        kept = fixture.features.describe(profile, at_ms=make.now_ms)["aggregates"]
        assert kept == {"orders": 150.0, "spend": 150.0, "orders_7d": 150.0}
        assert await connections[0].execute("XLEN", keys.ledger(keys.partition_of(ANNA))) == 150
        for connection in connections:
            await connection.close()

    asyncio.run(main())


class Counting(MemoryProfileStore):
    """A store that counts how often profiles are read for a change."""

    reads = 0

    async def read_many(self, wanted: Sequence[Wanted]) -> list[ForUpdate]:
        """Count, and read."""
        self.reads += 1
        return await super().read_many(wanted)


@pytest.fixture
def counting(fixture: Fixture) -> Fixture:
    fixture.store = Counting({}, lambda *entry: fixture.entries.append(entry[2]), fixture.clock)
    fixture.service = ProfileService(fixture.store, lambda: fixture.features, fixture.clock)
    return fixture


def test_a_profile_written_a_moment_ago_is_not_read_again(
    counting: Fixture, make: SimpleNamespace
) -> None:
    for message in ("m1", "m2", "m3"):
        assert counting.ingest(make.event(message_id=message)) == ["recorded"]
    assert counting.store.reads == 1
    assert counting.row()["orders"] == 3.0


def test_a_duplicate_is_told_although_its_profile_was_not_read(
    counting: Fixture, make: SimpleNamespace
) -> None:
    counting.ingest(make.event(message_id="m1"))
    assert counting.ingest(make.event(message_id="m1")) == ["duplicate"]
    assert counting.store.reads == 2
    assert counting.row()["orders"] == 1.0


def test_what_others_wrote_in_between_is_kept(counting: Fixture, make: SimpleNamespace) -> None:
    other = ProfileService(counting.store, lambda: counting.features, counting.clock)
    counting.ingest(make.event(message_id="m1"))
    asyncio.run(other.ingest([make.event(message_id="m2")]))
    assert counting.ingest(make.event(message_id="m3")) == ["recorded"]
    assert counting.row()["orders"] == 3.0


def test_a_customer_erased_by_others_in_between_begins_anew(
    counting: Fixture, make: SimpleNamespace
) -> None:
    other = ProfileService(counting.store, lambda: counting.features, counting.clock)
    counting.ingest(make.event(message_id="m1"), make.event(message_id="m2"))
    asyncio.run(counting.store.erase(ANNA))
    # One that has as many writes behind it as the one erased, and yet is another.
    asyncio.run(other.ingest([make.event(message_id="m3", name="App Opened")]))
    asyncio.run(other.ingest([make.event(message_id="m4", name="App Opened")]))
    assert counting.ingest(make.event(message_id="m5")) == ["recorded"]
    assert counting.row()["orders"] == 1.0


def test_what_is_not_declared_may_be_refused(fixture: Fixture, make: SimpleNamespace) -> None:
    strict = ProfileService(
        fixture.store, lambda: fixture.features, fixture.clock, undeclared=Undeclared.REFUSE
    )
    results = asyncio.run(
        strict.ingest(
            [
                make.event(message_id="a", amount=1),
                make.event(message_id="b", amount=1, coupon="X"),
                make.event(message_id="c", name="unheard of"),
                make.update(attributes={"age": 40, "a/b": 1}),
                make.update(attributes={"age": 41}),
            ]
        )
    )
    assert [
        (result.status.value, [fault.place for fault in result.faults]) for result in results
    ] == [
        ("recorded", []),
        ("rejected", ["/properties/coupon"]),
        ("rejected", ["/event"]),
        ("rejected", ["/attributes/a~1b"]),
        ("recorded", []),
    ]
    assert fixture.row() == {"age": 41.0, "orders": 1.0, "spend": 1.0, "orders_7d": 1.0}


def test_a_name_that_stands_for_all_ids_counts_once(
    fixture: Fixture, make: SimpleNamespace
) -> None:
    events = [make.event(message_id="same", amount=2) for _ in range(3)]
    items = [*events, make.update(attributes={"age": 40}), make.event(customer_id="boris")]

    def ingest(once: str) -> list[str]:
        results = asyncio.run(fixture.service.ingest(items, once=once, log_events=False))
        return [result.status.value for result in results]

    assert ingest("file 1") == ["recorded"] * 5
    assert ingest("file 1") == ["duplicate"] * 5
    assert fixture.row()["spend"] == 6.0
    assert ingest("file 2") == ["recorded"] * 5
    assert fixture.row()["spend"] == 12.0
    logged = [msgspec.msgpack.decode(entry) for entry in fixture.entries]
    assert [entry["attributes"] for entry in logged] == [{"age": 40}] * 2  # and no event


def test_updates_and_events_of_a_customer_are_applied_in_their_order(
    fixture: Fixture, make: SimpleNamespace
) -> None:
    statuses = fixture.ingest(
        make.event(message_id="a", amount=1),
        make.update(attributes={"age": 1}),
        make.event(message_id="b", amount=2),
        make.update(attributes={"age": "wrong"}),
        make.update(attributes={"age": 2}),
        make.event(message_id="c", amount=4),
    )
    assert statuses == [*["recorded"] * 3, "rejected", *["recorded"] * 2]
    assert fixture.row() == {"age": 2.0, "orders": 3.0, "spend": 7.0, "orders_7d": 3.0}
    versions = [msgspec.msgpack.decode(entry)["version"] for entry in fixture.entries]
    assert versions == [1, 2, 3, 4, 5]


def test_items_before_and_after_an_alias_are_taken_in_order(
    fixture: Fixture, make: SimpleNamespace
) -> None:
    results = asyncio.run(
        fixture.service.ingest(
            [
                make.event(message_id="a", customer_id="anonymous", amount=1),
                make.event(message_id="b", customer_id="anna", amount=2),
                Alias(CustomerId("anonymous"), ANNA),
                Alias(ANNA, CustomerId("anonymous")),
                make.event(message_id="a", customer_id="anonymous", amount=1),
                make.event(message_id="c", customer_id="anonymous", amount=4),
                make.event(message_id="c", customer_id="anna", amount=8),
            ]
        )
    )
    assert [result.status.value for result in results] == [
        *("recorded", "recorded", "recorded", "rejected", "duplicate", "recorded", "recorded")
    ]
    assert fixture.row()["spend"] == 15.0


class OneCorrupt(MemoryProfileStore):
    """A store in which one profile cannot be read."""

    async def read_many(self, wanted: Sequence[Wanted]) -> list[ForUpdate]:
        """Cut Anna's."""
        found = await super().read_many(wanted)
        return [
            ForUpdate(b"\x01" * 20, frozenset()) if one.customer_id == ANNA else state
            for one, state in zip(wanted, found, strict=True)
        ]


def test_a_profile_that_cannot_be_read_concerns_its_customer_alone(
    make: SimpleNamespace,
) -> None:
    fixture = Fixture(make)
    store = OneCorrupt({}, lambda *_: None, fixture.clock)
    service = ProfileService(store, lambda: fixture.features, fixture.clock)
    with pytest.raises(CorruptRecordError):
        asyncio.run(service.ingest([make.event(), make.event(customer_id="boris")]))
    assert asyncio.run(store.get(CustomerId("boris"))) is not None
