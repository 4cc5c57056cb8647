"""Two ids become one customer: exactly once, whatever fails, races or repeats in between."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.alias import ALIAS_MARK, Alias, Forward, pack_forward, read_forward
from nba.domain.clock import ManualClock
from nba.domain.consent import consent_code
from nba.domain.customer import UpdateEntry
from nba.domain.history import MAX_CONTACTS, pack_history, unpack_history
from nba.domain.ids import CustomerId
from nba.errors import CorruptRecordError, OverloadedError, UnavailableError
from nba.features import FeatureSet, ProfileService
from nba.features.alias_store import CLAIM_SECONDS, MAX_ALIASES
from nba.features.aliases import MAX_CHAIN, Aliases
from nba.features.memory import MemoryProfileStore
from nba.features.redis import RedisProfileStore
from nba.ledger.memory import MemoryLedger
from nba.ledger.redis import RedisLedger
from nba.storage import Connection, Keys

ANON, ANNA, ANN = CustomerId("anonymous 🎁"), CustomerId("anna"), CustomerId("ann")


@dataclass
class World:
    """A service on some store, with what the tests look at."""

    service: ProfileService
    store: Any
    clock: ManualClock
    features: FeatureSet
    make: SimpleNamespace
    set_history: Callable[[CustomerId, bytes], Awaitable[None]]
    history: Callable[[CustomerId], Awaitable[bytes | None]]
    entries: Callable[[], Awaitable[list[tuple[str, bytes]]]]
    close: Callable[[], Awaitable[None]] | None = None
    sent: list[int] = field(default_factory=lambda: [0])

    async def buy(self, customer_id: str, amount: float = 1.0, message_id: str = "") -> str:
        """Take in a purchase and say what became of it."""
        self.sent[0] += 1
        event = self.make.event(
            customer_id=customer_id,
            message_id=message_id or f"message {self.sent[0]}",
            amount=amount,
            at_ms=self.clock(),
            received_at_ms=self.clock(),
        )
        (result,) = await self.service.ingest([event])
        return result.status.value

    async def alias(self, previous_id: str, customer_id: str) -> str:
        """Make an alias and say what became of it."""
        alias = Alias(CustomerId(previous_id), CustomerId(customer_id))
        (result,) = await self.service.ingest([alias])
        return result.status.value

    async def row(self, customer_id: str) -> dict[str, float]:
        """Return the features of whoever an id leads to."""
        found = await self.service.aliases.resolve(CustomerId(customer_id))
        view = self.features.read(await self.store.get(found), at_ms=self.clock())
        return dict(zip(self.features.names, view.features.tolist(), strict=True))


def features_of(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("size"),
            make.aggregate("orders"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("orders_7d", window="7d"),
        ],
        [make.buy],
    )


def memory_world(make: SimpleNamespace) -> World:
    features, clock = features_of(make), ManualClock(make.now_ms)
    profiles: dict[str, bytes] = {}
    ledger = MemoryLedger(profiles)
    store = MemoryProfileStore(profiles, ledger.append_entry, clock, histories=ledger.histories)

    async def set_history(customer_id: CustomerId, packed: bytes) -> None:
        ledger.histories[customer_id] = packed

    async def history(customer_id: CustomerId) -> bytes | None:
        return ledger.histories.get(customer_id)

    async def entries() -> list[tuple[str, bytes]]:
        found = await ledger.entries(dict.fromkeys(range(ledger.partitions), "0-0"), 10_000)
        return [(entry.type.value, entry.body) for entry in found]

    service = ProfileService(store, lambda: features, clock)
    return World(service, store, clock, features, make, set_history, history, entries)


async def redis_world(make: SimpleNamespace, url: str) -> World:
    features, clock = features_of(make), ManualClock(make.now_ms)
    connection, keys = Connection(url), Keys(prefix=f"t{uuid.uuid4().hex}")
    await connection.connect()
    store = RedisProfileStore(connection, keys, clock, history_ttl_ms=60_000)
    ledger = RedisLedger(connection, keys, record_ttl_ms=60_000, history_ttl_ms=60_000)

    async def set_history(customer_id: CustomerId, packed: bytes) -> None:
        await connection.execute("SET", keys.history(customer_id), packed)

    async def history(customer_id: CustomerId) -> bytes | None:
        found: bytes | None = await connection.execute("GET", keys.history(customer_id))
        return found

    async def entries() -> list[tuple[str, bytes]]:
        found = await ledger.entries(dict.fromkeys(range(keys.partitions), "0-0"), 10_000)
        return [(entry.type.value, entry.body) for entry in found]

    service = ProfileService(store, lambda: features, clock)
    close = connection.close
    return World(service, store, clock, features, make, set_history, history, entries, close)


Check = Callable[[World], Awaitable[None]]


@pytest.fixture(params=["memory", "redis"])
def run(
    request: pytest.FixtureRequest, valkey: str, make: SimpleNamespace
) -> Callable[[Check], None]:
    def with_world(check: Check) -> None:
        async def main() -> None:
            is_memory = request.param == "memory"
            world = memory_world(make) if is_memory else await redis_world(make, valkey)
            try:
                await check(world)
            finally:
                if world.close is not None:
                    await world.close()

        asyncio.run(main())

    return with_world


def test_events_of_both_count_and_later_ones_of_the_former_id_too(
    run: Callable[[Check], None],
) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON, 2.0)
        await world.buy(ANNA, 4.0)
        assert await world.alias(ANON, ANNA) == "recorded"
        assert await world.buy(ANON, 8.0) == "recorded"
        for customer_id in (ANON, ANNA):
            row = await world.row(customer_id)
            assert (row["orders"], row["spend"], row["orders_7d"]) == (3.0, 14.0, 3.0)

    run(check)


def test_the_same_alias_again_changes_nothing(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON)
        assert [await world.alias(ANON, ANNA) for _ in range(3)] == [
            *("recorded", "duplicate", "duplicate")
        ]
        assert (await world.row(ANNA))["orders"] == 1.0
        assert await world.service.aliases.family(ANON) == (ANNA, ANON)

    run(check)


def test_a_message_sent_before_and_after_counts_once(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        assert await world.buy(ANON, message_id="m1") == "recorded"
        await world.alias(ANON, ANNA)
        assert await world.buy(ANON, message_id="m1") == "duplicate"
        assert await world.buy(ANON, message_id="m2") == "recorded"
        assert await world.buy(ANON, message_id="m2") == "duplicate"
        await world.alias(ANNA, ANN)
        assert await world.buy(ANON, message_id="m1") == "duplicate"
        assert await world.buy(ANON, message_id="m2") == "duplicate"
        assert (await world.row(ANN))["orders"] == 2.0

    run(check)


def test_attributes_are_the_goer_ons_where_it_has_them_and_denied_consent_wins(
    run: Callable[[Check], None],
) -> None:
    async def check(world: World) -> None:
        make = world.make
        theirs = {"email": {"marketing": make.denied, "news": make.granted}}
        mine = {"email": {"marketing": make.granted}, "sms": {"marketing": make.denied}}
        await world.service.ingest(
            [
                make.update(ANON, attributes={"age": 20, "size": 44}, consents=theirs),
                make.update(ANNA, attributes={"age": 40}, consents=mine),
            ]
        )
        await world.alias(ANON, ANNA)
        row = await world.row(ANNA)
        assert (row["age"], row["size"]) == (40.0, 44.0)
        view = world.features.read(await world.store.get(ANNA), at_ms=world.clock())
        assert view.consents == {
            consent_code("email", "marketing"): False,
            consent_code("email", "news"): True,
            consent_code("sms", "marketing"): False,
        }

    run(check)


def test_contacts_of_both_count(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        older, newer = (100, 1, 1), (300, 1, 1)
        await world.set_history(ANON, pack_history([older, newer], complete_since_s=90).packed)
        mine = pack_history([(200, 2, 2)], complete_since_s=50, version=7)
        await world.set_history(ANNA, mine.packed)
        await world.buy(ANON)
        await world.alias(ANON, ANNA)
        assert await world.history(ANON) is None
        history = unpack_history(await world.history(ANNA))
        assert history.table[:, :3].tolist() == [[100, 1, 1], [200, 2, 2], [300, 1, 1]]
        assert history.complete_since_s == 90
        assert history.version > mine.version

    run(check)


def test_an_id_nobody_saw_may_be_either_end(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        assert await world.alias(ANON, ANNA) == "recorded"
        assert await world.store.get(ANNA) is None
        assert await world.buy(ANON) == "recorded"
        assert (await world.row(ANNA))["orders"] == 1.0
        assert await world.alias(ANNA, ANN) == "recorded"
        assert (await world.row(ANN))["orders"] == 1.0

    run(check)


def test_what_the_ledger_is_told_names_the_former_id(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON)
        await world.alias(ANON, ANNA)
        updates = [
            msgspec.msgpack.decode(body, type=UpdateEntry)
            for letter, body in await world.entries()
            if letter == "u"
        ]
        assert [(u.customer_id, u.source, u.version) for u in updates] == [
            (ANNA, f"alias:{ANON}", 1)
        ]

    run(check)


def test_a_chain_leads_to_its_end(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        for customer_id in "abc":
            await world.buy(customer_id)
        assert await world.alias("a", "b") == "recorded"
        assert await world.alias("b", "c") == "recorded"
        assert (await world.row("a"))["orders"] == 3.0
        assert await world.service.aliases.resolve(CustomerId("a")) == "c"
        assert await world.service.aliases.family(CustomerId("b")) == ("c", "b", "a")
        # The id that goes on may itself be a former one.
        await world.buy("d")
        assert await world.alias("d", "a") == "recorded"
        assert (await world.row("c"))["orders"] == 4.0

    run(check)


@pytest.mark.parametrize(
    ("made", "asked", "found"),
    [
        ([], ("a", "a"), "for itself"),
        ([("a", "b")], ("b", "a"), "is or becomes a former id"),
        ([("a", "b"), ("b", "c")], ("c", "a"), "is or becomes a former id"),
        ([("a", "b"), ("b", "c")], ("b", "a"), "is or becomes a former id"),
        ([("a", "b")], ("a", "c"), "'a' is a former id of 'b'"),
    ],
)
def test_what_cannot_be_an_alias_is_refused(
    run: Callable[[Check], None],
    made: list[tuple[str, str]],
    asked: tuple[str, str],
    found: str,
) -> None:
    async def check(world: World) -> None:
        for pair in made:
            assert await world.alias(*pair) == "recorded"
        alias = Alias(CustomerId(asked[0]), CustomerId(asked[1]))
        (result,) = await world.service.ingest([alias])
        assert result.status == "rejected"
        (fault,) = result.faults
        assert fault.place == "/previous_id"
        assert found in fault.found
        # Nothing is left over that would stand in the way of another.
        assert await world.alias("x", "a") == "recorded"
        assert await world.store.aliases.claims(world.clock()) == {}

    run(check)


def test_two_ids_that_meet_are_one_customer_already(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        await world.alias("a", "c")
        await world.alias("b", "c")
        assert await world.alias("a", "b") == "duplicate"

    run(check)


def test_ids_of_a_wrong_form_are_rejected(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        for pair in (("", "a"), ("a", ""), ("x" * 129, "a"), ("a", "x\ud800")):
            assert await world.alias(*pair) == "rejected"

    run(check)


def test_a_chain_has_an_end(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        statuses = [await world.alias(str(i), str(i + 1)) for i in range(MAX_CHAIN + 1)]
        assert statuses == ["recorded"] * MAX_CHAIN + ["rejected"]
        assert await world.service.aliases.resolve(CustomerId("0")) == str(MAX_CHAIN)

    run(check)


def test_a_customer_has_so_many_former_ids_and_no_more(make: SimpleNamespace) -> None:
    async def main() -> None:
        world = memory_world(make)
        results = await world.service.ingest(
            [Alias(CustomerId(f"a{i}"), ANNA) for i in range(MAX_ALIASES + 1)]
        )
        assert [result.status.value for result in results] == [
            *["recorded"] * MAX_ALIASES,
            "rejected",
        ]
        assert "has 1000 former ids" in results[-1].faults[0].found
        assert await world.store.aliases.forward(CustomerId(f"a{MAX_ALIASES}")) is None

    asyncio.run(main())


def test_erasing_each_id_leaves_nothing_of_either(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON)
        await world.alias(ANON, ANNA)
        for member in reversed(await world.service.aliases.family(ANON)):
            await world.store.erase(member)
        assert await world.service.aliases.family(ANON) == (ANON,)
        assert await world.service.aliases.family(ANNA) == (ANNA,)
        assert (await world.row(ANON))["orders"] == 0.0
        # And both may begin anew.
        await world.buy(ANON)
        assert await world.alias(ANON, ANNA) == "recorded"
        assert (await world.row(ANNA))["orders"] == 1.0

    run(check)


class Dying:
    """A store whose process dies after so many steps."""

    def __init__(self, store: Any, steps: int) -> None:
        self._store = store
        self._left = steps

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._store, name)

        async def counted(*args: Any, **more: Any) -> Any:
            if self._left == 0:
                raise UnavailableError("the process died")
            self._left -= 1
            return await step(*args, **more)

        return counted


@pytest.mark.parametrize("steps", range(16))
def test_a_crash_after_any_step_loses_nothing_and_counts_nothing_twice(
    run: Callable[[Check], None], steps: int
) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON, 2.0)
        await world.buy(ANNA, 4.0)
        await world.set_history(ANON, pack_history([(100, 1, 1)]).packed)
        dying = Aliases(Dying(world.store.aliases, steps), lambda: world.features, world.clock)
        with suppress(UnavailableError):
            await dying.make(Alias(ANON, ANNA))
        # Somebody else writes meanwhile, then the request is sent again.
        await world.buy(ANON, 8.0)
        await world.buy(ANNA, 16.0)
        world.clock.advance(seconds=CLAIM_SECONDS + 1)
        assert await world.alias(ANON, ANNA) in {"recorded", "duplicate"}
        for customer_id in (ANON, ANNA):
            row = await world.row(customer_id)
            assert (row["orders"], row["spend"]) == (4.0, 30.0)
        assert len(unpack_history(await world.history(ANNA))) == 1
        assert await world.alias(ANNA, ANN) == "recorded"
        assert (await world.row(ANON))["spend"] == 30.0

    run(check)


@pytest.mark.parametrize("steps", range(16))
def test_a_crash_is_made_good_by_whoever_comes_next_even_if_the_target_moved_on(
    run: Callable[[Check], None], steps: int
) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON, 2.0)
        await world.buy(ANNA, 4.0)
        dying = Aliases(Dying(world.store.aliases, steps), lambda: world.features, world.clock)
        with suppress(UnavailableError):
            await dying.make(Alias(ANON, ANNA))
        world.clock.advance(seconds=CLAIM_SECONDS + 1)
        made = await world.store.aliases.forward(ANON) is not None
        await world.alias(ANNA, ANN)
        await world.buy(ANON, 8.0)
        assert (await world.row(ANON))["spend"] == (14.0 if made else 10.0)
        assert (await world.row(ANN))["spend"] == (14.0 if made else 4.0)

    run(check)


def test_a_claim_left_behind_holds_for_a_minute(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        store = world.store.aliases
        assert await store.claim(ANON, ANN, world.clock())
        with pytest.raises(OverloadedError):
            await world.alias(ANON, ANNA)
        world.clock.advance(seconds=CLAIM_SECONDS + 1)
        assert await world.alias(ANON, ANNA) == "recorded"
        assert await store.claims(world.clock()) == {}

    run(check)


def test_a_claim_of_somebody_elses_is_not_taken_back(run: Callable[[Check], None]) -> None:
    async def check(world: World) -> None:
        store, now_ms = world.store.aliases, world.clock()
        await store.claim(ANON, ANNA, now_ms)
        await store.release(ANON, ANNA, now_ms - 1)
        await store.release(ANON, ANN, now_ms)
        assert await store.claims(now_ms) == {ANON: ANNA}
        await store.release(ANON, ANNA, now_ms)
        assert await store.claims(now_ms) == {}

    run(check)


def test_an_alias_that_took_too_long_is_not_made(make: SimpleNamespace) -> None:
    class Slow(Dying):
        def __getattr__(self, name: str) -> Any:
            if name == "intend":
                world.clock.advance(seconds=CLAIM_SECONDS)
            return getattr(self._store, name)

    async def main() -> None:
        aliases = Aliases(Slow(world.store.aliases, 0), lambda: world.features, world.clock)
        with pytest.raises(OverloadedError, match="took too long"):
            await aliases.make(Alias(ANON, ANNA))
        assert await world.store.aliases.forward(ANON) is None
        assert await world.store.aliases.aliases_of(ANNA) == ()

    world = memory_world(make)
    asyncio.run(main())


def test_an_intention_taken_back_by_an_erasure_is_not_carried_out(
    run: Callable[[Check], None],
) -> None:
    async def check(world: World) -> None:
        await world.buy(ANON)
        store = world.store.aliases
        await store.intend(ANON, ANNA, 0)
        await store.freeze(ANON, Forward(ANNA, world.clock(), merged=False))
        await store.erase(ANNA)
        assert await world.service.aliases.resolve(ANON) == ANNA
        assert await world.store.get(ANNA) is None

    run(check)


class Chaos:
    """A store whose every step may be overtaken by any other task."""

    def __init__(self, store: Any, rng: random.Random) -> None:
        self._store = store
        self._rng = rng

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._store, name)

        async def delayed(*args: Any, **more: Any) -> Any:
            for _ in range(self._rng.randrange(4)):
                await asyncio.sleep(0)
            return await step(*args, **more)

        return delayed


class ChaosStore(Chaos):
    """The same of profiles."""

    @property
    def aliases(self) -> Chaos:
        """Delay the steps of aliases too."""
        return Chaos(self._store.aliases, self._rng)


IDS = "abcde"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(
            lambda pair: pair[0] != pair[1]
        ),
        min_size=1,
        max_size=7,
    ),
    st.integers(0, 2**32),
)
def test_aliases_and_events_at_once_lose_nothing_and_close_no_circle(
    make: SimpleNamespace, pairs: list[tuple[str, str]], seed: int
) -> None:
    async def main() -> None:
        world = memory_world(make)
        rng = random.Random(seed)
        services = [
            ProfileService(ChaosStore(world.store, rng), lambda: world.features, world.clock)
            for _ in range(3)
        ]

        async def alias(service: ProfileService, pair: tuple[str, str]) -> str:
            try:
                made = Alias(CustomerId(pair[0]), CustomerId(pair[1]))
                (result,) = await service.ingest([made])
            except OverloadedError:
                return "busy"
            return result.status.value

        async def events(service: ProfileService, customer_id: str, first: int) -> None:
            for number in range(first, first + 3):
                event = make.event(customer_id=customer_id, message_id=str(number), amount=1.0)
                # Each is sent twice, as by a client that lost the answer.
                await service.ingest([event])
                await service.ingest([event])

        await asyncio.gather(
            *[alias(services[i % 3], pair) for i, pair in enumerate(pairs)],
            *[events(services[i % 3], name, 10 * i) for i, name in enumerate(IDS)],
        )
        roots = {name: await world.service.aliases.resolve(CustomerId(name)) for name in IDS}
        for root in set(roots.values()):
            members = [name for name in IDS if roots[name] == root]
            assert (await world.row(root))["orders"] == 3.0 * len(members)
            assert sorted(await world.service.aliases.family(root)) == members

    asyncio.run(main())


def test_a_mark_says_where_it_leads() -> None:
    marks = [pack_forward(Forward(ANON, 5, merged=merged)) for merged in (False, True)]
    assert [read_forward(mark) for mark in marks] == [
        Forward(ANON, 5, merged=False),
        Forward(ANON, 5, merged=True),
    ]
    assert read_forward(None) is None
    assert read_forward(b"\x01" * 40) is None


@pytest.mark.parametrize("tail", [b"", b"\x01", b"\x01" + bytes(8), b"\x01" + bytes(8) + b"\xff"])
def test_a_mark_that_is_cut_is_corrupt(tail: bytes) -> None:
    with pytest.raises(CorruptRecordError):
        read_forward(ALIAS_MARK + tail)


def test_the_longest_history_keeps_the_latest_contacts_of_both() -> None:
    mine = pack_history([(2 * i, 1, 1) for i in range(1, MAX_CONTACTS + 1)])
    theirs = pack_history([(2 * i + 1, 2, 2) for i in range(1, MAX_CONTACTS + 1)])
    both = mine.united(theirs)
    assert len(both) == MAX_CONTACTS
    assert both.table[0, :3].tolist() == [MAX_CONTACTS + 2, 1, 1]
    assert both.complete_since_s == MAX_CONTACTS + 2
