"""A worker whose store fails for a while goes on by itself, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import DAY_MS, GREEDY, Shop, ask, write_project

from nba.errors import UnavailableError
from nba.ledger.log import LogTable
from nba.ledger.positions import START
from nba.ledger.store import EntryType


class Flaky:
    """Anything whose calls fail where the script says so."""

    def __init__(self, inner: Any, fails: Callable[[], bool], names: set[str]) -> None:
        self._inner = inner
        self._fails = fails
        self._names = names

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        if name not in self._names:
            return attribute
        if asyncio.iscoroutinefunction(attribute):

            async def call(*arguments: Any, **named: Any) -> Any:
                if self._fails():
                    raise UnavailableError(f"{name} failed")
                return await attribute(*arguments, **named)

            return call

        def plain(*arguments: Any, **named: Any) -> Any:
            if self._fails():
                raise UnavailableError(f"{name} failed")
            return attribute(*arguments, **named)

        return plain


READS = {"entries", "settled", "records", "outcomes", "resolution", "due"}
WRITES = {"resolve", "advance", "set_plan"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("shop"), **GREEDY)


async def play(shop: Shop, worker: Any, *, customers: int = 6) -> list[str]:
    """Decide, report and work in turns; a call of the worker that fails is simply repeated."""

    async def tried(work: Callable[[], Any]) -> Any:
        try:
            return await work()
        except UnavailableError:
            return None

    decided = []
    for number in range(customers):
        answer = msgspec.json.decode(
            await shop.service().decide(ask(f"c{number}", "web.hero", actions=("coat",)))
        )
        decided.append(answer["decision_id"])
        kind = ("click", "reject", "impression")[number % 3]
        await shop.report(decided[-1], kind, outcome_id=f"o{number}")
        shop.clock.advance(seconds=3_600)
        for work in (worker.step, worker.expire, worker.flush, worker.teacher.publish_snapshot):
            await tried(work)
    shop.clock.advance(seconds=3 * DAY_MS / 1_000)
    quiet = 0
    while quiet < 4:
        before = await shop.ledger.entries(dict.fromkeys(range(4), START), 10_000)
        results = [
            await tried(work)
            for work in (worker.step, worker.expire, worker.flush, worker.teacher.publish_snapshot)
        ]
        after = await shop.ledger.entries(dict.fromkeys(range(4), START), 10_000)
        settled = before == after and not worker.buffered_rows and None not in results
        quiet = quiet + 1 if settled and not results[0] and not results[1] else 0
    return decided


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.05, 0.5))
def test_one_worker_survives_any_failures_of_its_stores(root: Path, seed: int, share: float):
    """The final log is that of a run without failures, row by row."""
    import random

    shop, quiet = Shop(root), Shop(root)
    chance = random.Random(seed)
    budget = [40]

    def fails() -> bool:
        budget[0] -= 1
        return budget[0] > 0 and chance.random() < share

    ledger = Flaky(shop.ledger, fails, READS | WRITES)
    log = Flaky(shop.log, fails, {"append"})

    async def main() -> None:
        worker = shop.worker(ledger, log)
        while True:
            try:
                await worker.teacher.follow(shop.plan)
                break
            except UnavailableError:
                continue
        await play(shop, worker)
        steady = quiet.worker()
        await steady.teacher.follow(quiet.plan)
        await play(quiet, steady)

    asyncio.run(main())
    for table in (LogTable.DECISIONS, LogTable.OUTCOMES):
        rows = [
            sorted(s.log.scan(table).collect().rows(named=True), key=str) for s in (shop, quiet)
        ]
        assert rows[0] == rows[1]
    labels = [final_labels(s) for s in (shop, quiet)]
    assert labels[0] == labels[1]
    resolved = shop.log.scan(LogTable.RESOLUTIONS).collect()
    firsts = resolved.filter(pl.col("kind") != "correction")
    assert firsts.select("decision_id", "choice").is_duplicated().sum() == 0
    learned = [asyncio.run(s.live()).updates for s in (shop, quiet)]
    assert learned[0] == learned[1] == firsts.height


def final_labels(shop: Shop) -> Counter[tuple[str, float]]:
    resolved = shop.log.scan(LogTable.RESOLUTIONS).collect()
    last = resolved.group_by("decision_id").agg(pl.col("label").max())
    return Counter(last.iter_rows())


def test_an_outcome_is_joined_although_the_store_failed_when_it_was_read(root: Path):
    shop = Shop(root)
    failing = [False]
    ledger = Flaky(shop.ledger, lambda: failing[0], {"resolve"})

    async def main() -> None:
        worker = shop.worker(ledger)
        await worker.teacher.follow(shop.plan)
        answer = await shop.service().decide(ask("anna", "web.hero", actions=("coat",)))
        decision_id = msgspec.json.decode(answer)["decision_id"]
        await shop.report(decision_id, "click")
        failing[0] = True
        with pytest.raises(UnavailableError):
            await worker.step()
        failing[0] = False
        while await worker.step():
            pass
        await worker.flush()
        rows = shop.log.scan(LogTable.RESOLUTIONS).collect().rows(named=True)
        assert [(row["decision_id"], row["kind"], row["label"]) for row in rows] == [
            (decision_id, "rewarded", 1.0)
        ]
        assert shop.log.scan(LogTable.DECISIONS).collect().height == 1

    asyncio.run(main())


def test_what_cannot_be_read_is_left_out_and_holds_up_nothing(root: Path, caplog):
    shop = Shop(root)

    async def main() -> None:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        lost = await shop.decide("lost")
        kept = await shop.decide("kept")
        shop.ledger._records[lost["decision_id"]] = b"\xc1 damaged"
        shop.ledger._append(1, EntryType.OUTCOME, b"\xc1 damaged")
        shop.clock.advance(seconds=9 * DAY_MS / 1_000)
        while await worker.step() or await worker.expire():
            pass
        await worker.flush()
        decided = shop.log.scan(LogTable.DECISIONS).collect()["decision_id"].to_list()
        assert decided == [kept["decision_id"]]
        rows = shop.log.scan(LogTable.RESOLUTIONS).collect().rows(named=True)
        kinds = {row["decision_id"]: row["kind"] for row in rows}
        assert kinds == {lost["decision_id"]: "censored", kept["decision_id"]: "expired"}

    asyncio.run(main())
    told = [record.message for record in caplog.records if "left out" in record.message]
    assert any("decision" in message for message in told)
    assert any("entry" in message for message in told)


def test_a_plan_that_is_gone_censors_its_decisions(root: Path):
    shop = Shop(root)

    async def main() -> None:
        worker = shop.worker()
        answer = await shop.decide()
        shop.control._artifacts.clear()
        shop.repository._bases.clear()
        shop.clock.advance(seconds=9 * DAY_MS / 1_000)
        while await worker.step() or await worker.expire():
            pass
        await worker.flush()
        (row,) = shop.log.scan(LogTable.RESOLUTIONS).collect().rows(named=True)
        assert (row["decision_id"], row["kind"]) == (answer["decision_id"], "censored")

    asyncio.run(main())


def test_a_restarted_worker_goes_live_with_what_was_learned(root: Path):
    """And not with a bandit that has seen nothing, until it learns something new."""
    shop = Shop(root)

    async def main() -> None:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        answer = await shop.decide()
        await shop.report(answer["decision_id"], "convert")
        shop.clock.advance(seconds=9 * DAY_MS / 1_000)
        while await worker.step() or await worker.expire():
            pass
        await worker.teacher.publish_snapshot()
        before = (await shop.live()).version
        again = shop.worker()
        await again.teacher.follow(shop.plan)
        assert (await shop.live()).version == before
        assert (await shop.live()).updates == 1

    asyncio.run(main())


def test_a_damaged_snapshot_is_left_out_and_the_log_teaches_anew(root: Path):
    shop = Shop(root)

    async def main() -> None:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        await shop.decide()
        shop.clock.advance(seconds=9 * DAY_MS / 1_000)
        while await worker.step() or await worker.expire():
            pass
        await worker.flush()
        await worker.teacher.publish_snapshot()
        (sequence,) = shop.control._snapshots
        kept = shop.control._snapshots[sequence]
        shop.control._snapshots[sequence] = type(kept)(
            sequence=kept.sequence,
            key=kept.key,
            state=b"damaged",
            positions=kept.positions,
            at_ms=kept.at_ms,
        )
        shop.clock.advance(seconds=1)
        again = shop.worker()
        await again.teacher.follow(shop.plan)
        assert (await shop.live()).updates == 1

    asyncio.run(main())
