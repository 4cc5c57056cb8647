"""Erasing from the logs, and the search that proves it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from shop import Shop, write_project

from nba.domain.ids import CustomerId, DecisionId
from nba.ledger.erasure import ErasureState
from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.worker.erasing import Eraser, files_in, holds_any
from nba.worker.runner import Worker

ANNA = CustomerId("anna-to-be-erased")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path / "shop"))


def worker_of(shop: Shop, *logs: MemoryLog, folders: tuple[Path, ...] = ()) -> Worker:
    eraser = Eraser(shop.ledger, lambda: [shop.log, *logs], clock=shop.clock, folders=folders)
    return Worker(
        *(shop.ledger, shop.log, shop.control, shop.repository), clock=shop.clock, eraser=eraser
    )


async def work(worker: Worker) -> None:
    while await worker.step():
        pass
    await worker.flush()


async def proof(shop: Shop) -> ErasureState:
    state = await shop.ledger.erasures.state(shop.log.sealer.pseudonym(ANNA))
    assert state is not None
    return state


def test_the_proof_names_every_place_and_the_customer_by_pseudonym_alone(
    shop: Shop, tmp_path: Path
) -> None:
    async def run() -> ErasureState:
        worker = worker_of(shop, folders=(tmp_path / "shop",))
        await shop.put(ANNA, age=44.0)
        decision = (await shop.decide(ANNA))["decision_id"]
        await work(worker)
        shop.clock.advance(seconds=5)
        await shop.ledger.erasures.note(
            shop.log.sealer.pseudonym(ANNA), ErasureState(shop.clock(), 1)
        )
        await shop.store.erase(ANNA)
        await shop.ledger.erase(ANNA, [DecisionId(decision)])
        shop.clock.advance(seconds=5)
        await work(worker)
        assert (await proof(shop)).status == "pending"
        assert await worker.finish_erasures() == 1
        assert await worker.finish_erasures() == 0
        return await proof(shop)

    state = asyncio.run(run())
    assert state.status == "done"
    assert state.decisions == 1
    assert (state.searched_at_ms or 0) - state.requested_at_ms == 5_000
    assert {place.found for place in state.searched} == {0}
    searched = {place.place: place.searched for place in state.searched}
    assert searched["ledger"] > 0
    assert searched["files of shop"] == len(list(files_in(tmp_path / "shop")))
    assert {f"log {table}" for table in LogTable} <= searched.keys()
    assert ANNA not in str(state)


def test_what_was_decided_in_the_moment_before_is_forgotten_online_too(shop: Shop) -> None:
    """The API did not know of it when it erased the customer."""

    async def run() -> list[bytes | None]:
        worker = worker_of(shop)
        await shop.put(ANNA, age=44.0)
        decision = DecisionId((await shop.decide(ANNA))["decision_id"])
        await work(worker)
        await shop.ledger.erase(ANNA, [])
        await work(worker)
        return await shop.ledger.records([decision])

    assert asyncio.run(run()) == [None]


def test_every_dataset_is_erased_from(shop: Shop) -> None:
    archive = MemoryLog()

    async def run() -> ErasureState:
        await shop.put(ANNA, age=44.0)
        await shop.decide(ANNA)
        await work(shop.worker())
        for table in (LogTable.DECISIONS, LogTable.UPDATES):
            archive.append(table, shop.log.scan(table).collect())
        await shop.store.erase(ANNA)
        await shop.ledger.erase(ANNA, [])
        await work(worker_of(shop, archive))
        return await proof(shop)

    assert asyncio.run(run()).status == "pending"
    for table in (LogTable.DECISIONS, LogTable.UPDATES):
        assert archive.scan(table).collect().is_empty()


def test_what_the_search_still_finds_is_said_and_never_called_done(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kept.txt").write_text(f"the name is {ANNA}")

    async def run() -> ErasureState:
        worker = worker_of(shop, folders=(tmp_path / "kept.txt",))
        await shop.ledger.erase(ANNA, [])
        await work(worker)
        await worker.finish_erasures()
        return await proof(shop)

    assert asyncio.run(run()).status == "remains"
    assert "1 left in files of kept.txt" in caplog.text
    assert ANNA not in caplog.text


def test_an_id_that_chance_would_find_is_not_looked_for_in_bytes(
    shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "kept.txt").write_text("7 of 7")

    async def run() -> tuple[str, ...]:
        worker = worker_of(shop, folders=(tmp_path / "kept.txt",))
        await shop.ledger.erase(CustomerId("7"), [])
        await work(worker)
        state = await shop.ledger.erasures.state(shop.log.sealer.pseudonym("7"))
        assert state is not None
        return tuple(place.place for place in state.searched)

    assert "files of kept.txt" not in asyncio.run(run())


def test_a_needle_across_two_chunks_is_found(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * ((1 << 20) - 4) + b"needle" + b"x" * 10)
    assert holds_any(file, [b"absent", b"needle"])
    assert not holds_any(file, [b"needles"])
    assert not holds_any(tmp_path / "gone", [b"needle"])
    assert list(files_in(tmp_path / "gone")) == []
