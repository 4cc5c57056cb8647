"""What actions with goals resolve to, on the whole service in memory, whatever comes when."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from failing import Failing, FailingLedger, FailingLog
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import DAY_MS, GREEDY, NOW_MS, PRICED, Shop, write_project

from nba.domain.ids import CustomerId, DecisionId
from nba.errors import UnavailableError
from nba.ledger.log import LogTable
from nba.ledger.positions import START
from nba.ledger.records import OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.redis import RedisLedger
from nba.ledger.store import EntryType, Reservation, Reserved
from nba.storage import Connection, Keys
from nba.worker.runner import Worker

HOUR_MS = 3_600_000
HORIZON_HOURS = 24
WORTH = {"buy": 4.0, "complain": -16.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("shop"), **PRICED, **GREEDY)


async def coat(shop: Shop, customer_id: str = "anna") -> str:
    await shop.put(customer_id, age=44.0)
    answer = await shop.decide(customer_id, actions=("coat",))
    assert answer["choices"][0]["action"] == "coat"
    return str(answer["decision_id"])


async def work(worker: Worker) -> None:
    while await worker.step() or await worker.expire():
        pass
    await worker.flush()


def resolutions(shop: Shop) -> list[tuple[str, float, float, list[str], float | None]]:
    rows = shop.log.scan(LogTable.RESOLUTIONS).sort("position").collect()
    return rows.select("kind", "label", "reward", "goals", "amount").rows()


def test_a_choice_waits_for_its_goals_and_resolves_when_nothing_more_can_come(root: Path) -> None:
    shop = Shop(root)

    async def run() -> None:
        decision_id = await coat(shop)
        worker = shop.worker()
        for kind in ("click", "buy"):
            await shop.report(decision_id, kind, outcome_id=kind)
            await work(worker)
            assert resolutions(shop) == []
        await shop.report(decision_id, "complain", outcome_id="complain")
        await work(worker)

    asyncio.run(run())
    assert resolutions(shop) == [("rewarded", 1.0, 8.0, ["buy", "complain"], None)]


def test_a_choice_with_goals_resolves_at_its_horizon_and_is_corrected_after(root: Path) -> None:
    shop = Shop(root)

    async def run() -> None:
        decision_id = await coat(shop)
        worker = shop.worker()
        await shop.report(decision_id, "click", outcome_id="a", value=7.0)
        await shop.report(decision_id, "click", outcome_id="b", value=2.0)
        await work(worker)
        shop.clock.advance(seconds=2 * DAY_MS / 1_000)
        await work(worker)
        for name in ("c", "d"):
            await shop.report(decision_id, "complain", outcome_id=name, at_ms=NOW_MS + HOUR_MS)
        await shop.report(decision_id, "click", outcome_id="e", at_ms=NOW_MS + HOUR_MS)
        await work(worker)

    asyncio.run(run())
    assert resolutions(shop) == [
        ("rewarded", 1.0, 9.0, [], 9.0),
        ("correction", 0.0, -16.0, ["complain"], None),
        ("correction", 1.0, 20.0, [], None),
    ]


def test_of_a_choice_with_goals_that_nothing_came_of_the_default_is_learned(root: Path) -> None:
    shop = Shop(root)

    async def run() -> None:
        decision_id = await coat(shop)
        await shop.report(decision_id, "impression")
        worker = shop.worker()
        await work(worker)
        shop.clock.advance(seconds=2 * DAY_MS / 1_000)
        await work(worker)

    asyncio.run(run())
    assert resolutions(shop) == [("expired", 0.0, 0.0, [], None)]


def test_a_clock_that_goes_back_while_choices_expire_loses_no_goal(root: Path) -> None:
    shop = Shop(root)

    async def run() -> None:
        decision_id = await coat(shop)
        await shop.report(decision_id, "buy")
        shop.clock.advance(seconds=2 * DAY_MS / 1_000)
        ledger, due = shop.ledger, shop.ledger.due

        async def set_back(*about: Any) -> list[tuple[DecisionId, int]]:
            found = await due(*about)
            shop.clock.now_ms = NOW_MS
            return found

        ledger.due = set_back  # type: ignore[method-assign]
        worker = shop.worker()
        assert await worker.expire() == 1
        ledger.due = due  # type: ignore[method-assign]
        await work(worker)

    asyncio.run(run())
    assert resolutions(shop) == [("rewarded", 0.0, 4.0, ["buy"], None)]


def test_two_workers_at_once_resolve_a_choice_once_on_a_real_server(
    root: Path, valkey: str
) -> None:
    """As where one of them has lost a partition and does not know yet; and one comes too late."""
    shop = Shop(root)

    async def run() -> list[ResolutionEntry]:
        decision_id = DecisionId(await coat(shop))
        (packed,) = await shop.ledger.records([decision_id])
        assert packed is not None
        connection = Connection(valkey)
        await connection.connect()
        keys = Keys(prefix=f"t{uuid.uuid4().hex}", partitions=shop.ledger.partitions)
        about = {"record_ttl_ms": 30 * DAY_MS, "history_ttl_ms": 30 * DAY_MS}
        ledger = RedisLedger(connection, keys, **about)
        seen = await ledger.read(CustomerId("anna"), None)
        horizon_ms = NOW_MS + DAY_MS
        held = Reservation(
            decision_id=decision_id,
            customer_id=CustomerId("anna"),
            seen=seen,
            record=packed,
            history=None,
            horizons={0: horizon_ms},
            request_id=None,
        )
        assert await ledger.reserve(held) is Reserved.RECORDED

        async def report(name: str, kind: str, value: float | None = None) -> None:
            entry = OutcomeEntry(name, decision_id, 0, kind, NOW_MS + 5, NOW_MS + 6, value)
            await ledger.report([entry])

        await report("a", "click", 7.0)
        await report("b", "click", 2.0)
        await report("c", "buy")
        first, second = shop.worker(ledger), shop.worker(ledger)
        await asyncio.gather(first.step(), second.step())
        shop.clock.now_ms = horizon_ms + 2 * DAY_MS
        await report("d", "buy")
        await asyncio.gather(first.expire(), second.expire(), first.step(), second.step())
        for name in ("e", "f"):
            await report(name, "complain")
        await report("g", "click")
        await asyncio.gather(first.step(), second.step())
        await asyncio.gather(first.step(), second.step())
        everywhere = dict.fromkeys(range(ledger.partitions), START)
        entries = await ledger.entries(everywhere, 100)
        await connection.close()
        return [unpack(e.body, ResolutionEntry) for e in entries if e.type is EntryType.RESOLUTION]

    found = asyncio.run(run())
    assert (found[0].kind, found[0].reward, found[0].amount) == ("rewarded", 13.0, 9.0)
    assert (found[0].goals, found[0].missed) == (("buy",), ("complain",))
    assert {*found[0].further, found[0].outcome_id} == {"a", "b"}
    assert sorted((one.kind, one.reward) for one in found[1:]) == [
        ("correction", -16.0),
        ("correction", 20.0),
    ]


@dataclass(frozen=True)
class Report:
    """An outcome: when it happened and how much later it arrives, in hours; again, if so."""

    kind: str
    at: int
    delay: int
    value: float | None
    again: bool


_REPORTS = st.lists(
    st.builds(
        Report,
        st.sampled_from(["click", "click", "buy", "complain", "reject", "impression"]),
        st.integers(0, HORIZON_HOURS + 2),
        st.sampled_from([0, 0, 1, 12, 40]),
        st.none() | st.sampled_from([0.0, 3.0, 50.0]),
        st.booleans(),
    ),
    max_size=8,
)
_CHORES = st.lists(
    st.tuples(st.sampled_from(["step", "expire", "flush", "crash"]), st.integers(0, 4))
)


def brought(reports: list[Report]) -> float:
    """Return what a coat brought in the end, by the words of the concept."""
    in_time = [report for report in reports if report.at <= HORIZON_HOURS]
    desired = [report.value for report in in_time if report.kind == "click"]
    bought = sum(20.0 if value is None else value for value in desired)
    return bought + sum(WORTH[kind] for kind in {report.kind for report in in_time} & {*WORTH})


async def chore(shop: Shop, worker: Worker, name: str, calls: int) -> Worker:
    """Let a worker do something, or another start in its place whose stores soon refuse it."""
    if name != "crash":
        await getattr(worker, name)()
        return worker
    failing = Failing(calls)
    dying = shop.worker(FailingLedger(shop.ledger, failing), FailingLog(shop.log, failing))  # type: ignore[arg-type]
    try:
        await dying.step()
        await dying.expire()
        await dying.flush()
    except UnavailableError:
        pass
    return shop.worker()


@settings(max_examples=60, deadline=None)
@given(reports=_REPORTS, early=st.integers(0, 3), chores=_CHORES)
def test_what_a_choice_brought_is_the_same_whatever_arrives_when(
    root: Path, reports: list[Report], early: int, chores: list[tuple[str, int]]
) -> None:
    """Early, late, in any order and more than once, with workers that crash in between."""
    shop = Shop(root, partitions=1)

    async def tell(decision_id: str, number: int) -> None:
        report = reports[number]
        about = {"outcome_id": f"o{number}", "at_ms": NOW_MS + report.at * HOUR_MS}
        for _ in range(1 + report.again):
            await shop.report(decision_id, report.kind, value=report.value, **about)  # type: ignore[arg-type]

    async def run() -> None:
        foreseen = await coat(Shop(root, partitions=1))
        order = sorted(range(len(reports)), key=lambda n: reports[n].at + reports[n].delay)
        before = [n for n in order[:early] if reports[n].at == 0]
        for number in before:
            await tell(foreseen, number)
        worker = shop.worker()
        await worker.step()
        assert await coat(shop) == foreseen
        left = iter(chores)
        for number in order:
            if number in before:
                continue
            report = reports[number]
            shop.clock.now_ms = NOW_MS + (report.at + report.delay) * HOUR_MS
            await tell(foreseen, number)
            for name, calls in (next(left, ("step", 0)), next(left, ("expire", 0))):
                worker = await chore(shop, worker, name, calls)
        shop.clock.now_ms = NOW_MS + 90 * HOUR_MS
        await work(worker)

    asyncio.run(run())
    found = shop.log.scan(LogTable.RESOLUTIONS).collect()
    assert found.filter(pl.col("kind") != "correction").height == 1
    assert found["reward"].sum() == pytest.approx(brought(reports))
    label = any(one.kind == "click" and one.at <= HORIZON_HOURS for one in reports)
    assert found["label"].max() == float(label)
