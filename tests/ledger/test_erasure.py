"""One contract for erasing from every ledger: in memory, and on a real Valkey server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from nba.domain.customer import EventEntry
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.history import EMPTY_HISTORY
from nba.domain.ids import CustomerId, DecisionId, PlacementId, new_decision_id, partition_of
from nba.ledger.erasure import ErasureState, Searched
from nba.ledger.memory import MemoryLedger
from nba.ledger.positions import START
from nba.ledger.records import FORMAT, DecisionRecord, OutcomeEntry, pack
from nba.ledger.redis import RedisLedger
from nba.ledger.store import EntryType, LedgerStore, Reservation
from nba.storage import Connection, Keys
from nba.storage.valkey import start_valkey

ANNA = CustomerId("anna")
DAY_MS = 86_400_000


@dataclass
class Opened:
    """A ledger, and what adds an event to it as the profile store does."""

    ledger: LedgerStore
    add_event: Callable[[str], Awaitable[None]]
    partition: int

    async def decide(self, number: int, customer_id: str = ANNA) -> DecisionId:
        """Record a decision that answered a request."""
        name = CustomerId(customer_id)
        decision_id = new_decision_id(self.partition, 1_700_000_000_000, number)
        request = DecisionRequest(
            customer_id=name,
            placements=(PlacementRequest(id=PlacementId("web")),),
            request_id=f"r{number}",
        )
        record = DecisionRecord(
            *(FORMAT, decision_id, name, 0, 0, "p.0", pack(request), b""),
            *({}, None, None, b"", {}, (), b"{}"),
        )
        reservation = Reservation(
            decision_id=decision_id,
            customer_id=name,
            seen=await self.ledger.read(name, None),
            record=pack(record),
            history=EMPTY_HISTORY.extended([(5, 6, 7)], keep_since_s=0).packed,
            horizons={0: DAY_MS},
            request_id=f"r{number}",
        )
        await self.ledger.reserve(reservation)
        await self.ledger.report([OutcomeEntry(f"o{number}", decision_id, 0, "click", 1, 1, None)])
        return decision_id

    async def erase(self, *decision_ids: DecisionId) -> str:
        """Erase Anna online; return the position of the erasure."""
        await self.ledger.erase(ANNA, decision_ids)
        entries = await self.ledger.entries({self.partition: START}, 100)
        return next(e.position for e in entries if e.type is EntryType.ERASURE and e.body)

    async def search(self, position: str, *ids: DecisionId) -> dict[str, Searched]:
        """Search for Anna."""
        places = await self.ledger.erasures.search(ANNA, ids, position)
        return {place.place: place for place in places}


def event(customer_id: str, text: str = "") -> bytes:
    entry = EventEntry(
        customer_id=CustomerId(customer_id),
        name="Order",
        message_id=text or "m",
        at_ms=0,
        received_at_ms=0,
    )
    return msgspec.msgpack.encode(entry)


async def on_memory(check: Callable[[Opened], Awaitable[None]]) -> None:
    ledger = MemoryLedger({})
    partition = partition_of(ANNA, ledger.partitions)

    async def add_event(customer_id: str) -> None:
        ledger.append_entry(partition, "e", event(customer_id))

    await check(Opened(ledger, add_event, partition))


async def on_redis(url: str, check: Callable[[Opened], Awaitable[None]], prefix: str = "") -> None:
    connection = Connection(url)
    await connection.connect()
    keys = Keys(prefix=prefix or f"t{uuid.uuid4().hex}[*]")
    ledger = RedisLedger(connection, keys, record_ttl_ms=DAY_MS, history_ttl_ms=DAY_MS)
    partition = keys.partition_of(ANNA)

    async def add_event(customer_id: str) -> None:
        await connection.execute(
            "XADD", keys.ledger(partition), "*", "t", "e", "b", event(customer_id, customer_id)
        )

    try:
        await check(Opened(ledger, add_event, partition))
    finally:
        await connection.close()


@pytest.fixture(params=["memory", "redis"])
def with_ledger(
    request: pytest.FixtureRequest, valkey: str
) -> Callable[[Callable[[Opened], Awaitable[None]]], None]:
    def run(check: Callable[[Opened], Awaitable[None]]) -> None:
        asyncio.run(on_memory(check) if request.param == "memory" else on_redis(valkey, check))

    return run


def test_the_search_finds_what_is_there_and_nothing_once_it_is_erased(with_ledger) -> None:
    async def check(opened: Opened) -> None:
        mine = await opened.decide(1)
        other = await opened.decide(2, "annabel")
        await opened.add_event(ANNA)
        end = "9999999999999-0"
        before = await opened.search(end, mine)
        assert (before["keys"].found, before["keys"].since) == (2, 0)  # history and request
        assert before["decision records and outcomes"].found >= 1
        assert before["choices waiting"].found == 1
        assert before["ledger"].found == 3  # decision, outcome, event
        position = await opened.erase(mine)
        after = await opened.search(position, mine)
        assert {place.found for place in after.values()} == {0}
        assert {place.since for place in after.values()} == {0}
        assert after["ledger"].searched >= 3
        assert await opened.ledger.records([other]) != [None]
        assert len(await opened.ledger.due(opened.partition, 2 * DAY_MS, 9)) == 1

    with_ledger(check)


def test_a_decision_forgotten_takes_the_answer_to_its_request_along(with_ledger) -> None:
    async def check(opened: Opened) -> None:
        mine = await opened.decide(1)
        await opened.ledger.erasures.forget([mine, DecisionId("no-decision-id")])
        state = await opened.ledger.read(ANNA, "r1")
        assert state.answered is None
        assert state.history is not None, "only the decision was to be forgotten"
        assert await opened.ledger.outcomes(mine) == []
        assert await opened.ledger.due(opened.partition, 2 * DAY_MS, 9) == []

    with_ledger(check)


def test_who_comes_back_is_counted_apart(with_ledger) -> None:
    async def check(opened: Opened) -> None:
        mine = await opened.decide(1)
        position = await opened.erase(mine)
        await opened.decide(2)
        await opened.add_event(ANNA)
        found = await opened.search(position, mine)
        assert {place.found for place in found.values()} == {0}
        assert found["keys"].since == 2
        assert found["ledger"].since == 2  # the decision and the event

    with_ledger(check)


def test_what_was_noted_is_told_and_what_was_dropped_is_cleared(with_ledger) -> None:
    async def check(opened: Opened) -> None:
        erasures = opened.ledger.erasures
        assert await erasures.state("p1") is None
        state = ErasureState(5, 1, ("p2",), (Searched("keys", 9, 0, 1),), 6)
        await erasures.note("p1", state)
        assert await erasures.state("p1") == state
        position = await opened.erase(await opened.decide(1))
        await erasures.drop(opened.partition, position, "p1")
        entries = await opened.ledger.entries({opened.partition: START}, 100)
        assert not [entry for entry in entries if entry.body]
        cleared: list[str] = []
        while not cleared:
            cleared += await erasures.clear()
        assert cleared == ["p1"]
        assert await erasures.clear() == []

    with_ledger(check)


def test_entries_that_stay_keep_their_positions_when_the_ledger_is_written_anew(
    with_ledger,
) -> None:
    async def check(opened: Opened) -> None:
        erasures = opened.ledger.erasures
        await opened.add_event("boris")
        position = await opened.erase()
        await opened.add_event("carla")
        partition = {opened.partition: START}
        before = [e for e in await opened.ledger.entries(partition, 9) if e.position != position]
        await erasures.drop(opened.partition, position, "p1")
        while not await erasures.clear():
            pass
        after = [e for e in await opened.ledger.entries(partition, 9) if e.body]
        assert after == before
        await opened.add_event("dora")
        (last,) = await opened.ledger.entries({opened.partition: after[-1].position}, 9)
        assert b"dora" in last.body

    with_ledger(check)


def test_positions_go_on_rising_after_a_ledger_was_emptied(valkey: str) -> None:
    async def check(opened: Opened) -> None:
        position = await opened.erase()
        await opened.ledger.erasures.drop(opened.partition, position, "p1")
        while not await opened.ledger.erasures.clear():
            pass
        assert await opened.ledger.entries({opened.partition: START}, 9) == []
        await opened.add_event("boris")
        (entry,) = await opened.ledger.entries({opened.partition: position}, 9)
        assert b"boris" in entry.body

    asyncio.run(on_redis(valkey, check))


def test_no_byte_is_left_in_the_servers_memory_or_file(tmp_path: Path) -> None:
    """Deleting from the middle of a stream leaves its bytes there, and in the append-only file."""
    server = start_valkey(tmp_path)
    needle = b"zebulon-to-be-erased"

    def files_with_it() -> list[str]:
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        return [file.name for file in files if needle in file.read_bytes()]

    async def check(opened: Opened) -> None:
        keys = Keys(prefix="mine")
        connection = opened.ledger.erasures._connection  # type: ignore[attr-defined]
        for name in ("boris", needle.decode(), "carla"):
            await opened.add_event(name)
        assert files_with_it()
        entries = await opened.ledger.entries({opened.partition: START}, 9)
        (theirs,) = [entry.position for entry in entries if needle in entry.body]
        await connection.execute("XDEL", keys.ledger(opened.partition), theirs)
        dumped = await connection.execute("DUMP", keys.ledger(opened.partition))
        assert needle in dumped, "this is why the ledger is written anew"
        position = await opened.erase()
        await opened.ledger.erasures.drop(opened.partition, position, "p1")
        while not await opened.ledger.erasures.clear():
            pass
        assert needle not in await connection.execute("DUMP", keys.ledger(opened.partition))
        assert len(await opened.ledger.entries({opened.partition: START}, 9)) == 2

    try:
        asyncio.run(on_redis(f"redis://127.0.0.1:{server.port}", check, "mine"))
        assert files_with_it() == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("finished_at_ms", "found", "status"),
    [(None, 0, "pending"), (7, 0, "done"), (None, 1, "remains"), (7, 1, "remains")],
)
def test_an_erasure_is_done_only_when_nothing_was_found(
    finished_at_ms: int | None, found: int, status: str
) -> None:
    searched = (Searched("keys", 9, 0), Searched("ledger", 3, found))
    state = ErasureState(1, 0, searched=searched, finished_at_ms=finished_at_ms)
    assert state.status == status
