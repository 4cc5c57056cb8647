"""One contract for every ledger: in memory, and on a real Valkey server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from nba.domain.alias import Forward, pack_forward, read_forward
from nba.domain.history import (
    CONTACT,
    EMPTY_HISTORY,
    MAX_CONTACTS,
    TAG,
    WHAT,
    Entry,
    event_code,
    outcome_code,
    pack_history,
    unpack_history,
)
from nba.domain.ids import CustomerId, DecisionId, new_decision_id
from nba.errors import InputError
from nba.ledger.memory import MemoryLedger
from nba.ledger.positions import START, ordinal
from nba.ledger.records import OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.redis import RedisLedger
from nba.ledger.store import (
    EntryType,
    LedgerEntry,
    LedgerStore,
    Reader,
    Reservation,
    Reserved,
    Written,
)
from nba.storage import Connection, Keys

CUSTOMER = CustomerId("anna")
HOUR_MS = 3_600_000


@asynccontextmanager
async def open_ledger(kind: str, url: str) -> AsyncIterator[LedgerStore]:
    if kind == "memory":
        yield MemoryLedger({})
        return
    connection = Connection(url)
    await connection.connect()
    keys = Keys(prefix=f"t{uuid.uuid4().hex}")
    yield RedisLedger(connection, keys, record_ttl_ms=HOUR_MS, history_ttl_ms=HOUR_MS)
    await connection.close()


@pytest.fixture(params=["memory", "redis"])
def with_ledger(
    request: pytest.FixtureRequest, valkey: str
) -> Callable[[Callable[[LedgerStore], Awaitable[None]]], None]:
    def run(check: Callable[[LedgerStore], Awaitable[None]]) -> None:
        async def main() -> None:
            async with open_ledger(request.param, valkey) as ledger:
                await check(ledger)

        asyncio.run(main())

    return run


def decision_id(ledger: LedgerStore, number: int = 1) -> DecisionId:
    partition = Keys(partitions=ledger.partitions).partition_of(CUSTOMER)
    return new_decision_id(partition, 1_700_000_000_000, number)


async def reserve(
    ledger: LedgerStore, number: int = 1, request_id: str | None = None
) -> tuple[DecisionId, Reserved]:
    seen = await ledger.read(CUSTOMER, None)
    history = EMPTY_HISTORY.extended([(5, 6, 7)], keep_since_s=0)
    chosen = decision_id(ledger, number)
    reservation = Reservation(
        decision_id=chosen,
        customer_id=CUSTOMER,
        seen=seen,
        record=b"record",
        history=history.packed,
        horizons={0: 2_000, 1: 1_000},
        request_id=request_id,
    )
    return chosen, await ledger.reserve(reservation)


def outcome(chosen: DecisionId, name: str = "o1", kind: str = "convert") -> OutcomeEntry:
    return OutcomeEntry(name, chosen, 0, kind, 10, 11, 4.5)


def resolution(chosen: DecisionId, kind: str = "rewarded") -> ResolutionEntry:
    return ResolutionEntry(chosen, 0, "credit_card", kind, 1.0, 4.5, 12, "o1")


def test_a_reservation_writes_record_history_pending_and_entry_at_once(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, result = await reserve(ledger)
        assert result is Reserved.RECORDED
        assert await ledger.records([chosen, decision_id(ledger, 9)]) == [b"record", None]
        state = await ledger.read(CUSTOMER, None)
        assert state.history == EMPTY_HISTORY.extended([(5, 6, 7)], keep_since_s=0).packed
        partition = int(chosen[:3], 16)
        assert await ledger.due(partition, 1_500, 10) == [(chosen, 1)]
        assert await ledger.due(partition, 2_001, 10) == [(chosen, 1), (chosen, 0)]
        entries = await ledger.entries({partition: START}, 10)
        assert [(e.type, e.body) for e in entries] == [(EntryType.DECISION, chosen.encode())]
        assert await ledger.entries({partition: entries[0].position}, 10) == []

    with_ledger(check)


def test_a_former_id_is_read_as_where_it_leads_and_reserves_nothing(valkey):
    mark = pack_forward(Forward(CustomerId("ann"), 5, merged=True))

    async def check(ledger: LedgerStore, set_profile: Callable[[bytes], Awaitable[None]]) -> None:
        chosen, _ = await reserve(ledger, 1, request_id="r")
        before = await ledger.read(CUSTOMER, None)
        await set_profile(mark)
        after = await ledger.read(CUSTOMER, "r")
        assert (after.forward, after.profile, after.history) == (read_forward(mark), None, None)
        assert after.answered == chosen  # what was answered under it still is
        late = Reservation(
            decision_id=decision_id(ledger, 2),
            customer_id=CUSTOMER,
            seen=before,
            record=b"late",
            history=before.history,
            horizons={},
        )
        assert await ledger.reserve(late) is Reserved.STALE

    async def main() -> None:
        profiles: dict[str, bytes] = {}

        async def in_memory(packed: bytes) -> None:
            profiles[CUSTOMER] = packed

        await check(MemoryLedger(profiles), in_memory)
        connection, keys = Connection(valkey), Keys(prefix=f"t{uuid.uuid4().hex}")
        await connection.connect()

        async def on_server(packed: bytes) -> None:
            await connection.execute("SET", keys.profile(CUSTOMER), packed)

        ledger = RedisLedger(connection, keys, record_ttl_ms=HOUR_MS, history_ttl_ms=HOUR_MS)
        await check(ledger, on_server)
        await connection.close()

    asyncio.run(main())


def test_the_backlog_is_what_nobody_took_to_the_log(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        assert await ledger.backlog() == 0
        for number in range(3):
            await reserve(ledger, number)
        assert await ledger.backlog() == 3
        partition = int(decision_id(ledger)[:3], 16)
        entries = await ledger.entries({partition: START}, 10)
        for reader in Reader:
            await ledger.advance(partition, reader, entries[-1].position)
        assert await ledger.backlog() == 1

    with_ledger(check)


def test_a_reservation_on_a_changed_history_changes_nothing(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        before = await ledger.read(CUSTOMER, None)
        await reserve(ledger, 1)
        stale = Reservation(
            decision_id=decision_id(ledger, 2),
            customer_id=CUSTOMER,
            seen=before,
            record=b"late",
            history=None,
            horizons={0: 5_000},
        )
        assert await ledger.reserve(stale) is Reserved.STALE
        assert await ledger.records([stale.decision_id]) == [None]
        assert len(await ledger.due(int(stale.decision_id[:3], 16), 9_000, 10)) == 2

    with_ledger(check)


def test_of_concurrent_reservations_that_read_the_same_state_one_is_recorded(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        results = await asyncio.gather(*[reserve(ledger, number) for number in range(20)])
        recorded = [result for _, result in results].count(Reserved.RECORDED)
        state = await ledger.read(CUSTOMER, None)
        assert recorded == 1 or recorded == len(results)  # in memory nothing interleaves
        assert state.history is not None

    with_ledger(check)


def test_a_request_id_is_answered_once(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger, 1, request_id="r1")
        assert (await ledger.read(CUSTOMER, "r1")).answered == chosen
        assert (await ledger.read(CUSTOMER, "r2")).answered is None
        _, again = await reserve(ledger, 2, request_id="r1")
        assert again is Reserved.ANSWERED
        assert await ledger.records([decision_id(ledger, 2)]) == [None]

    with_ledger(check)


def test_the_same_outcome_five_times_is_written_once(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        results = await ledger.report([outcome(chosen)] * 5)
        assert results == [Written.RECORDED] + [Written.DUPLICATE] * 4
        assert await ledger.outcomes(chosen) == [outcome(chosen)]
        entries = await ledger.entries({int(chosen[:3], 16): START}, 10)
        assert [e.type for e in entries] == [EntryType.DECISION, EntryType.OUTCOME]
        assert unpack(entries[1].body, OutcomeEntry) == outcome(chosen)

    with_ledger(check)


def test_an_outcome_id_reused_for_another_outcome_is_a_conflict(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        assert await ledger.report([outcome(chosen)]) == [Written.RECORDED]
        assert await ledger.report([outcome(chosen, kind="reject")]) == [Written.CONFLICT]

    with_ledger(check)


def test_an_outcome_before_its_decision_is_kept(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        early = decision_id(ledger, 1)
        assert await ledger.report([outcome(early)]) == [Written.RECORDED]
        await reserve(ledger, 1)
        assert await ledger.outcomes(early) == [outcome(early)]

    with_ledger(check)


def test_a_choice_resolves_once_and_then_waits_no_more(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        assert await ledger.resolution(chosen, 0) is None
        assert await ledger.resolve(resolution(chosen))
        assert not await ledger.resolve(resolution(chosen))
        assert not await ledger.resolve(resolution(chosen, "expired"))
        assert await ledger.resolution(chosen, 0) == resolution(chosen)
        assert await ledger.due(int(chosen[:3], 16), 9_000, 10) == [(chosen, 1)]

    with_ledger(check)


def test_a_correction_is_written_beside_the_resolution_once(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        await ledger.resolve(resolution(chosen, "expired"))
        assert await ledger.resolve(resolution(chosen, "correction"))
        assert not await ledger.resolve(resolution(chosen, "correction"))
        first = await ledger.resolution(chosen, 0)
        assert first is not None
        assert first.kind == "expired"

    with_ledger(check)


def test_a_goal_corrects_a_choice_once_whatever_reports_it(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        await ledger.resolve(resolution(chosen, "expired"))
        left = ResolutionEntry(chosen, 0, "card", "correction", 0.0, -15.0, 12, "o2", ("leave",))
        assert await ledger.resolve(left)
        assert not await ledger.resolve(left)
        assert not await ledger.resolve(msgspec.structs.replace(left, outcome_id="o3"))
        assert await ledger.resolve(msgspec.structs.replace(left, goals=("complain",)))
        assert await ledger.resolve(msgspec.structs.replace(left, outcome_id="leave", goals=()))
        partition = int(chosen[:3], 16)
        entries = await ledger.entries({partition: START}, 10)
        written = [unpack(e.body, ResolutionEntry) for e in entries if e.type == "r"]
        assert [one.goals for one in written] == [(), ("leave",), ("complain",), ()]

    with_ledger(check)


def test_what_every_reader_is_past_is_gone_and_positions_still_hold(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        partition = int(chosen[:3], 16)
        await ledger.report([outcome(chosen)])
        first, second = await ledger.entries({partition: START}, 10)
        await ledger.advance(partition, Reader.LOG, second.position)
        assert await ledger.entries({partition: START}, 10) == [first, second]
        await ledger.advance(partition, Reader.BANDIT, second.position)
        assert await ledger.entries({partition: START}, 10) == [second]
        assert await ledger.entries({partition: first.position}, 10) == [second]
        assert await ledger.entries({partition: second.position}, 10) == []

    with_ledger(check)


def test_a_reader_that_comes_back_from_before_loses_nothing_and_brings_nothing_back(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        partition = int(chosen[:3], 16)
        await ledger.report([outcome(chosen, f"o{number}") for number in range(11)])
        positions = [entry.position for entry in await ledger.entries({partition: START}, 20)]
        await ledger.advance(partition, Reader.LOG, positions[10])
        await ledger.advance(partition, Reader.BANDIT, positions[2])
        await ledger.advance(partition, Reader.LOG, positions[0])
        await ledger.advance(partition, Reader.BANDIT, positions[9])
        left = await ledger.entries({partition: START}, 20)
        assert [entry.position for entry in left] == positions[9:]

    with_ledger(check)


async def spread(ledger: LedgerStore, numbers: range) -> None:
    """Resolve a choice each in many partitions, with entries of other types between."""
    for number in numbers:
        chosen = new_decision_id(number * 7 % ledger.partitions, 1_700_000_000_000, number)
        await ledger.report([outcome(chosen, f"o{number}")])
        assert await ledger.resolve(resolution(chosen))


def test_settled_entries_come_in_one_order_whoever_reads_and_however_often(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        await spread(ledger, range(60))
        await asyncio.sleep(0.003)  # what is of this very millisecond is not settled
        everywhere = dict.fromkeys(range(ledger.partitions), START)
        whole = await ledger.settled(everywhere, EntryType.RESOLUTION, 1_000)
        assert [len(whole.entries), whole.waiting] == [60, 0]
        order = [(ordinal(entry.position), entry.partition) for entry in whole.entries]
        assert order == sorted(order)
        pieces: list[LedgerEntry] = []
        positions = dict(everywhere)
        while len(pieces) < 60:
            some = await ledger.settled(positions, EntryType.RESOLUTION, 3)
            pieces += some.entries
            assert all(ordinal(e.position) <= ordinal(some.until) for e in some.entries)
            positions = {p: max(at, some.until, key=ordinal) for p, at in positions.items()}
        assert pieces == whole.entries

    with_ledger(check)


def test_reading_while_others_write_misses_nothing_and_keeps_the_order(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        writing = asyncio.gather(*[spread(ledger, range(n, 400, 8)) for n in range(8)])
        positions = dict.fromkeys(range(ledger.partitions), START)
        read: list[LedgerEntry] = []
        while len(read) < 400:
            some = await ledger.settled(positions, EntryType.RESOLUTION, 20)
            read += some.entries
            positions = dict.fromkeys(positions, some.until)
            await asyncio.sleep(0)
        await writing
        order = [(ordinal(entry.position), entry.partition) for entry in read]
        assert order == sorted(order)
        again = dict.fromkeys(positions, START)
        assert (await ledger.settled(again, EntryType.RESOLUTION, 10_000)).entries == read

    with_ledger(check)


def test_a_right_is_one_owners_until_it_is_given_back(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        assert await ledger.claim("partition-001", "a", 60_000)
        assert await ledger.claim("partition-001", "a", 60_000)
        assert not await ledger.claim("partition-001", "b", 60_000)
        assert not await ledger.claim("partition-001", "b", 0)
        assert await ledger.claim("partition-002", "b", 60_000)
        assert await ledger.claim("partition-001", "a", 0)
        assert await ledger.claim("partition-001", "b", 60_000)

    with_ledger(check)


def test_erasing_a_customer_leaves_nothing_of_them(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        await ledger.report([outcome(chosen)])
        await ledger.erase(CUSTOMER, [chosen])
        assert (await ledger.read(CUSTOMER, None)).history is None
        assert await ledger.records([chosen]) == [None]
        assert await ledger.outcomes(chosen) == []
        assert await ledger.due(int(chosen[:3], 16), 9_000, 10) == []

    with_ledger(check)


def test_the_plan_pointer_is_what_was_set_last(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        assert await ledger.plan() is None
        assert await ledger.set_plan(b"one", expected=None)
        assert await ledger.set_plan(b"two", expected=b"one")
        assert await ledger.plan() == b"two"

    with_ledger(check)


@pytest.mark.parametrize("expected", [None, b"one", b"", b"two\x00"])
def test_the_plan_pointer_stays_where_another_was_set_meanwhile(with_ledger, expected):
    async def check(ledger: LedgerStore) -> None:
        await ledger.set_plan(b"one", expected=None)
        await ledger.set_plan(b"two", expected=b"one")
        assert not await ledger.set_plan(b"three", expected=expected)
        assert await ledger.plan() == b"two"

    with_ledger(check)


def test_of_all_who_set_the_plan_pointer_at_once_one_does(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        names = [f"{number}".encode() for number in range(20)]
        done = await asyncio.gather(*[ledger.set_plan(name, expected=None) for name in names])
        assert sum(done) == 1
        assert await ledger.plan() == names[done.index(True)]

    with_ledger(check)


def test_a_string_that_is_no_decision_id_is_refused_with_its_place():
    with pytest.raises(InputError, match="/decision_id: 'nope' is no decision id"):
        Keys().decision("nope")


def test_erasing_takes_a_customers_entries_out_of_the_stream_and_leaves_a_marker(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        chosen, _ = await reserve(ledger)
        await ledger.report([outcome(chosen)])
        await ledger.resolve(resolution(chosen))
        await ledger.erase(CUSTOMER, [chosen])
        entries = await ledger.entries({int(chosen[:3], 16): START}, 10)
        assert {e.type for e in entries} == {EntryType.ERASURE}
        assert [e.body for e in entries if e.body] == [CUSTOMER.encode()]

    with_ledger(check)


CLICK = outcome_code("click")
COMPLAINT = event_code("complaint")
SAID = Entry(5, 6, 7, CONTACT, tag=9, content=3)
CLICKED = Entry(8, 6, 7, CLICK, tag=9, content=3)
COMPLAINED = Entry(7, what=COMPLAINT, tag=11)


async def history_of(ledger: LedgerStore) -> list[list[int]]:
    state = await ledger.read(CUSTOMER, None)
    return unpack_history(state.history).table.tolist()


async def reserve_history(ledger: LedgerStore, *entries: Entry) -> Reserved:
    seen = await ledger.read(CUSTOMER, None)
    version = unpack_history(seen.history).version + 1
    reservation = Reservation(
        decision_id=decision_id(ledger, version),
        customer_id=CUSTOMER,
        seen=seen,
        record=b"record",
        history=pack_history(entries, version=version).packed,
        horizons={},
    )
    return await ledger.reserve(reservation)


def test_an_outcome_is_noted_beside_its_contact_and_once(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        await reserve_history(ledger, SAID)
        for _ in range(2):
            assert await ledger.note(CUSTOMER, [CLICKED, CLICKED]) is None
        assert await history_of(ledger) == [list(SAID), list(CLICKED)]

    with_ledger(check)


def test_an_outcome_without_its_contact_is_not_noted_and_an_event_is(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        assert await ledger.note(CUSTOMER, [CLICKED]) is None
        assert await history_of(ledger) == []
        for _ in range(2):
            assert await ledger.note(CUSTOMER, [COMPLAINED, CLICKED]) is None
        assert await history_of(ledger) == [list(COMPLAINED)]

    with_ledger(check)


def test_what_is_noted_makes_a_decision_under_way_be_made_again(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        await reserve_history(ledger, SAID)
        seen = await ledger.read(CUSTOMER, None)
        await ledger.note(CUSTOMER, [CLICKED])
        stale = Reservation(
            decision_id=decision_id(ledger, 99),
            customer_id=CUSTOMER,
            seen=seen,
            record=b"record",
            history=None,
            horizons={},
        )
        assert await ledger.reserve(stale) is Reserved.STALE

    with_ledger(check)


def test_beyond_the_most_kept_the_oldest_entries_go_and_completeness_says_so(with_ledger):
    async def check(ledger: LedgerStore) -> None:
        full = [Entry(10 + i, 1, 2, CONTACT, tag=100 + i) for i in range(MAX_CONTACTS)]
        await reserve_history(ledger, *full)
        late = Entry(5_000, 1, 2, CLICK, tag=100 + MAX_CONTACTS - 1)
        await ledger.note(CUSTOMER, [late, COMPLAINED])
        state = await ledger.read(CUSTOMER, None)
        history = unpack_history(state.history)
        assert len(history) == MAX_CONTACTS
        assert history.table[0, TAG] == 102
        assert history.table[-2:, WHAT].tolist() == [CLICK, COMPLAINT]
        assert history.complete_since_s == 12

    with_ledger(check)
