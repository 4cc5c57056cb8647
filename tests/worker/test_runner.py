"""The worker on the whole service in memory: joined, expired, logged and learned, each once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from failing import Failing, FailingLedger, FailingLog
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import DAY_MS, GREEDY, NOW_MS, Shop, ask, stump, write_project

from nba.decision.recording import named_features, read_record, recorded_features
from nba.domain.decision import Mode, TakenAction
from nba.domain.ids import ActionId, CustomerId, DecisionId, PlacementId
from nba.errors import UnavailableError
from nba.ledger.log import LogTable
from nba.measurement.records import logged_data
from nba.measurement.timeline import logged_timeline
from nba.worker.pointing import state_key
from nba.worker.relearning import rebuild
from nba.worker.runner import Worker

GRACE_MS = 60_000
_COAT = (
    "horizon: 1d\n    priority: 5\n  - id: shirt",
    "horizon: 1d\n    priority: 5\n    reward_at_horizon: -0.25\n  - id: shirt",
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path, catalog=_COAT, **GREEDY), grace_ms=GRACE_MS)


async def coat(shop: Shop, customer_id: str = "anna") -> str:
    """Decide for a coat, which scores best of what is asked for, and return the decision's id."""
    await shop.put(customer_id, age=44.0, tier="gold")
    request = ask(customer_id, "web.hero", actions=("coat",), context={"device": "mobile"})
    answer = json.loads(await shop.service().decide(request))
    assert answer["choices"][0]["action"] == "coat"
    return str(answer["decision_id"])


async def work(worker: Worker) -> None:
    """Let a worker catch up and write the log."""
    while await worker.step() or await worker.expire():
        pass
    await worker.flush()


def table(shop: Shop, name: LogTable) -> list[dict[str, Any]]:
    return shop.log.scan(name).collect().to_dicts()


def resolutions(shop: Shop) -> list[tuple[str, float, float, str | None]]:
    return [
        (row["kind"], row["label"], row["reward"], row["outcome_id"])
        for row in table(shop, LogTable.RESOLUTIONS)
    ]


def test_a_decision_and_its_outcome_reach_every_table(shop: Shop) -> None:
    async def run() -> str:
        await shop.order("anna")
        decision_id = await coat(shop)
        shop.clock.advance(seconds=60)
        assert await shop.report(decision_id, "click", value=22.5) == "recorded"
        await work(shop.worker())
        return decision_id

    decision_id = asyncio.run(run())
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(decision_id)]))
    record = read_record(packed or b"")
    (row,) = table(shop, LogTable.DECISIONS)
    recorded = named_features(shop.plan.features, recorded_features(record))
    assert {name[2:]: value for name, value in row.items() if name[:2] == "f_"} == recorded
    assert recorded["orders_30d"] == 1.0
    assert (row["a_action_id"], row["a_action_value"]) == ("coat", 20.0)
    assert (row["decision_id"], row["choice"], row["action"]) == (decision_id, 0, "coat")
    (outcome,) = table(shop, LogTable.OUTCOMES)
    assert (outcome["outcome_id"], outcome["decision_id"], outcome["value"]) == (
        "o1",
        decision_id,
        22.5,
    )
    assert resolutions(shop) == [("rewarded", 1.0, 22.5, "o1")]
    (event,) = table(shop, LogTable.EVENTS)
    assert (event["customer_id"], event["name"], event["message_id"]) == ("anna", "Order", "m1")


def test_a_choice_expires_only_after_its_horizon_and_the_grace(shop: Shop) -> None:
    async def run() -> list[int]:
        await coat(shop)
        worker = shop.worker()
        found = []
        for now_ms in (0, DAY_MS, DAY_MS + GRACE_MS, DAY_MS + GRACE_MS + 1):
            shop.clock.now_ms = NOW_MS + now_ms
            await worker.step()
            found.append(await worker.expire())
            await worker.flush()
            # Nothing is ever written for a choice that still waits.
            assert len(resolutions(shop)) == 0
        await work(worker)
        return found

    assert asyncio.run(run()) == [0, 0, 0, 1]
    assert resolutions(shop) == [("expired", 0.0, -0.25, None)]
    (row,) = table(shop, LogTable.RESOLUTIONS)
    assert row["at"] == datetime.fromtimestamp((NOW_MS + DAY_MS) / 1_000, UTC)


def test_what_still_waits_is_not_a_zero(shop: Shop) -> None:
    async def run() -> None:
        decision_id = await coat(shop)
        await shop.report(decision_id, "impression")
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        shop.clock.advance(seconds=DAY_MS / 1_000 - 1)
        await work(worker)
        assert not await worker.teacher.publish_snapshot()

    asyncio.run(run())
    assert len(table(shop, LogTable.DECISIONS)) == 1
    assert len(table(shop, LogTable.OUTCOMES)) == 1
    assert resolutions(shop) == []


def test_what_happened_in_time_but_arrived_late_corrects_the_expiry(shop: Shop) -> None:
    async def run() -> None:
        decision_id = await coat(shop)
        worker = shop.worker()
        shop.clock.advance(seconds=3 * DAY_MS / 1_000)
        await work(worker)
        in_time, too_late = NOW_MS + DAY_MS, NOW_MS + DAY_MS + 1
        await shop.report(decision_id, "click", outcome_id="late", at_ms=too_late)
        await shop.report(decision_id, "click", outcome_id="ok", at_ms=in_time)
        await shop.report(decision_id, "reject", outcome_id="no", at_ms=in_time)
        await work(worker)

    asyncio.run(run())
    assert len(table(shop, LogTable.OUTCOMES)) == 3
    assert resolutions(shop) == [
        ("expired", 0.0, -0.25, None),
        ("correction", 1.0, 20.0, "ok"),
    ]


def test_an_outcome_reported_but_not_read_counts_before_expiry(shop: Shop) -> None:
    """Expiring first looks at what was reported, however far behind the worker is."""

    async def run() -> None:
        decision_id = await coat(shop)
        await shop.report(decision_id, "click")
        shop.clock.advance(seconds=3 * DAY_MS / 1_000)
        worker = shop.worker()
        await worker.expire()
        await work(worker)

    asyncio.run(run())
    assert resolutions(shop) == [("rewarded", 1.0, 20.0, "o1")]


def test_outcomes_of_one_choice_join_in_the_order_they_happened(shop: Shop) -> None:
    async def run() -> None:
        decision_id = await coat(shop)
        shop.clock.advance(seconds=60)
        await shop.report(decision_id, "click", outcome_id="second", at_ms=NOW_MS + 2_000)
        await shop.report(decision_id, "reject", outcome_id="first", at_ms=NOW_MS + 1_000)
        await work(shop.worker())

    asyncio.run(run())
    assert resolutions(shop) == [
        ("rewarded", 0.0, 0.0, "first"),
        ("correction", 1.0, 20.0, "second"),
    ]


@pytest.mark.parametrize("between", [False, True], ids=["in one step", "in a step before"])
def test_an_outcome_that_comes_before_its_decision_joins_it(
    shop: Shop,
    tmp_path: Path,
    between: bool,  # noqa: FBT001  # a column of the table
) -> None:
    async def run() -> None:
        foreseen = await coat(Shop(tmp_path, grace_ms=GRACE_MS))
        worker = shop.worker()
        assert await shop.report(foreseen, "click") == "unmatched"
        if between:
            await work(worker)
            assert resolutions(shop) == []
        assert await coat(shop) == foreseen
        await work(worker)

    asyncio.run(run())
    assert resolutions(shop) == [("rewarded", 1.0, 20.0, "o1")]


def test_an_erased_customer_leaves_the_log(shop: Shop) -> None:
    async def run() -> str:
        worker = shop.worker()
        names = {}
        for customer in ("anna", "ben"):
            await shop.order(customer, f"m-{customer}")
            names[customer] = DecisionId(await coat(shop, customer))
            await shop.report(names[customer], "click", outcome_id=f"o-{customer}")
        await work(worker)
        later = DecisionId(await coat(shop))  # in the ledger, not yet in the log
        await shop.ledger.erase(CustomerId("anna"), [names["anna"], later])
        await work(worker)
        return names["ben"]

    ben = asyncio.run(run())
    assert [row["decision_id"] for row in table(shop, LogTable.DECISIONS)] == [ben]
    assert [row["decision_id"] for row in table(shop, LogTable.OUTCOMES)] == [ben]
    assert [row["decision_id"] for row in table(shop, LogTable.RESOLUTIONS)] == [ben]
    assert [row["customer_id"] for row in table(shop, LogTable.EVENTS)] == ["ben"]


def test_the_ledger_keeps_what_the_bandit_has_not_saved(shop: Shop) -> None:
    async def run() -> tuple[int, int, int]:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        for number in range(3):
            decision_id = await coat(shop, f"c{number}")
            await shop.report(decision_id, "click", outcome_id=f"o{number}")
        await work(worker)
        everything = await _held(shop)
        await worker.teacher.publish_snapshot()
        unflushed = await _held(shop)
        await worker.flush()
        return everything, unflushed, await _held(shop)

    everything, unflushed, trimmed = asyncio.run(run())
    assert everything == unflushed == 12  # three updates, decisions, outcomes and resolutions
    assert trimmed <= shop.ledger.partitions  # the last entry of each partition stays


async def _held(shop: Shop) -> int:
    return len(await shop.ledger.entries(dict.fromkeys(range(shop.ledger.partitions), "0-0"), 999))


def test_promoting_a_model_teaches_a_fresh_bandit_what_the_log_holds(shop: Shop) -> None:
    async def run() -> None:
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        for number in range(3):
            decision_id = await coat(shop, f"c{number}")
            await shop.report(decision_id, "click", outcome_id=f"o{number}")
            shop.clock.advance(seconds=DAY_MS / 1_000 / 4)
        await work(worker)
        await worker.teacher.publish_snapshot()
        assert (await shop.live()).updates == 3
        before = shop.plan.digest
        plan = shop.promote(stump(-2.0, 0.5, trained_through_ms=NOW_MS))
        pointer = await worker.teacher.follow(plan)
        live = await shop.live()
        assert live.digest == plan.digest != before
        assert live.version == pointer.version
        assert live.updates == 2

    asyncio.run(run())


def test_going_back_to_a_model_goes_on_from_what_was_learned_beside_it(shop: Shop) -> None:
    """What came meanwhile is in the log alone by then, and is learned from there."""

    async def offer(worker: Worker, number: int) -> None:
        decision_id = await coat(shop, f"c{number}")
        await shop.report(decision_id, "click", outcome_id=f"o{number}")
        await work(worker)
        await worker.teacher.publish_snapshot()
        await worker.flush()

    async def run() -> None:
        worker = shop.worker()
        first = shop.plan
        await worker.teacher.follow(first)
        await offer(worker, 1)
        second = shop.promote(stump(-2.0, 0.5, trained_through_ms=NOW_MS - 1))
        await worker.teacher.follow(second)
        await offer(worker, 2)
        await offer(worker, 3)
        assert await _held(shop) <= shop.ledger.partitions
        shop.plan = first
        await worker.teacher.follow(first)
        assert worker.teacher.learning is not None
        assert worker.teacher.learning.updates == 3
        await offer(worker, 4)
        assert (await shop.live()).digest == first.digest
        assert (await shop.live()).updates == 4

    asyncio.run(run())


@pytest.mark.parametrize("appends", range(5))
def test_what_was_half_written_before_the_first_snapshot_is_learned(
    shop: Shop, appends: int
) -> None:
    """A resolution is in the log only behind its decision, so a new worker can learn from both."""

    async def run() -> int:
        decision_id = await coat(shop)
        await shop.report(decision_id, "click")
        log = FailingLog(shop.log, Failing(appends))  # type: ignore[arg-type]
        first = shop.worker(log=log)  # type: ignore[arg-type]
        await first.teacher.follow(shop.plan)
        while await first.step():
            pass
        if appends < 4:
            with pytest.raises(UnavailableError):
                await first.flush()
        else:
            await first.flush()
        second = shop.worker()
        await second.teacher.follow(shop.plan)
        await work(second)
        await second.teacher.publish_snapshot()
        return (await shop.live()).updates

    assert asyncio.run(run()) == 1
    assert resolutions(shop) == [("rewarded", 1.0, 20.0, "o1")]


_CHORES = st.sampled_from(["order", "step", "expire", "flush", "publish_snapshot"])
_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), st.integers(0, 3)),
        st.tuples(st.just("decide"), st.integers(0, 3)),
        st.tuples(st.just("click"), st.integers(0, 9)),
        st.tuples(st.just("reject"), st.integers(0, 9)),
        st.tuples(_CHORES, st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("crash"), st.integers(0, 4)),
        st.tuples(st.just("crash"), st.integers(0, 4)),
    ),
    min_size=5,
    max_size=30,
)


class _Run:
    """One worker at a time on a shop; each crash is followed by another one."""

    def __init__(self, root: Path, *, partitions: int) -> None:
        self.shop = Shop(root, partitions=partitions, grace_ms=GRACE_MS)
        self.decided: list[str] = []
        self.reported = 0
        self.ordered = 0

    async def play(self, operations: list[tuple[str, int]]) -> None:
        shop = self.shop
        await self._started()
        # A state saved once: until then a new worker would be taught from the log instead.
        self.decided.append(await coat(shop, "first"))
        await self._do("click", 0)
        await self._settled()
        for name, number in operations:
            await self._do(name, number)
        await self._settled()
        shop.clock.advance(seconds=10 * DAY_MS / 1_000)
        await self._settled()

    async def _started(self) -> None:
        self.worker = self.shop.worker()
        await self.worker.teacher.follow(self.shop.plan)

    async def _settled(self) -> None:
        await work(self.worker)
        await self.worker.teacher.publish_snapshot()

    async def _do(self, name: str, number: int) -> None:
        shop = self.shop
        if name == "decide":
            # Whoever had two offers today is offered nothing more, which is a decision too.
            await shop.put(f"c{number}", age=20.0 + number)
            answer = await shop.decide(f"c{number}", actions=("coat",))
            self.decided.append(answer["decision_id"])
        elif name in {"click", "reject"}:
            self.reported += 1
            decision_id = self.decided[number % len(self.decided)]
            await shop.report(decision_id, name, outcome_id=f"o{self.reported:03}")
        elif name == "order":
            self.ordered += 1
            await shop.order("c0", f"m{self.ordered}")
        elif name == "wait":
            shop.clock.advance(seconds=number * 3_600)
        elif name == "crash":
            await self._crash(number)
        elif name == "publish_snapshot":
            await self.worker.teacher.publish_snapshot()
        else:
            await getattr(self.worker, name)()

    async def _crash(self, calls: int) -> None:
        """Drop the worker, and the next one too as soon as its stores refuse it something."""
        await self._crashed(calls)
        await self._started()
        await self.worker.step()

    async def _crashed(self, calls: int) -> None:
        shop, failing = self.shop, Failing(calls)
        try:
            worker = shop.worker(
                FailingLedger(shop.ledger, failing),  # type: ignore[arg-type]
                FailingLog(shop.log, failing),  # type: ignore[arg-type]
            )
            await worker.teacher.follow(shop.plan)
            await worker.step()
            await worker.flush()
        except UnavailableError:
            return

    def once(self) -> None:
        """Check that everything that happened is in the log exactly once."""
        log = self.shop.log
        decided = log.scan(LogTable.DECISIONS).collect()
        assert Counter(decided["decision_id"].to_list()) == Counter(self.decided)
        resolved = log.scan(LogTable.RESOLUTIONS).collect()
        first = resolved.filter(pl.col("kind") != "correction")
        assert Counter(first["decision_id"].to_list()) == Counter(self.decided)
        corrections = resolved.filter(pl.col("kind") == "correction")["outcome_id"].to_list()
        assert len(corrections) == len(set(corrections))
        events = log.scan(LogTable.EVENTS).collect()["message_id"].to_list()
        assert Counter(events) == Counter(f"m{n + 1}" for n in range(self.ordered))

    async def relearn(self) -> None:
        """Save what a bandit learns that is taught from the log alone."""
        shop = self.shop
        await rebuild(
            shop.control,
            shop.log,
            shop.plan,
            records=None,
            partitions=shop.ledger.partitions,
            clock=shop.clock,
            fitter=None,
        )

    def taught(self) -> bytes:
        kept = self.shop.control.latest_snapshot(state_key(self.shop.plan.source))
        assert kept is not None
        return kept.state


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("shop"), catalog=_COAT, **GREEDY)


@settings(max_examples=12, deadline=None)
@given(operations=_OPERATIONS)
def test_a_worker_that_crashes_anywhere_does_everything_once(
    root: Path, operations: list[tuple[str, int]]
) -> None:
    """And its bandit ends as one that is taught from the log alone, byte for byte.

    Not as that of a worker that never crashed: after a crash more is read at once, and what is
    resolved at once may be resolved in another order, which from then on is the ledger's.
    """
    run = _Run(root, partitions=1)
    asyncio.run(run.play(operations))
    run.once()
    live = run.taught()
    asyncio.run(run.relearn())
    assert run.taught() == live


@settings(max_examples=6, deadline=None)
@given(operations=_OPERATIONS)
def test_on_several_partitions_nothing_is_lost_or_repeated(
    root: Path, operations: list[tuple[str, int]]
) -> None:
    run = _Run(root, partitions=3)
    asyncio.run(run.play(operations))
    run.once()
    assert asyncio.run(run.shop.live()).updates == len(run.decided)


def in_shadow(*taken: TakenAction, **changes: Any) -> Any:
    placements = [one.placement for one in taken]
    return ask("anna", *placements, mode=Mode.SHADOW, taken=taken, **changes)


def test_what_another_system_took_is_joined_logged_and_learned_as_what_happened(
    shop: Shop,
) -> None:
    coat = TakenAction(placement=PlacementId("web.hero"), action=ActionId("coat"), probability=0.25)
    rules = TakenAction(placement=PlacementId("web.rules"), action=ActionId("coat"))

    async def run() -> dict[str, Any]:
        await shop.put("anna", age=44.0)
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)
        answer = json.loads(await shop.service().decide(in_shadow(coat, rules)))
        for choice, outcome_id in ((0, "o1"), (0, "o1"), (1, "o2")):
            await shop.report(answer["decision_id"], outcome_id=outcome_id, choice=choice)
        await work(worker)
        assert worker.teacher.learning is not None
        # One lesson of the hero; in a placement that goes by rules there is nothing to learn.
        assert worker.teacher.learning.updates == 1
        coats = worker.teacher.learning.bind(("coat",))
        assert coats.logits(np.zeros(1), np.array([44.0, 0.0]))[0] > 0.0
        return answer

    answer = asyncio.run(run())
    hero, by_rules = table(shop, LogTable.DECISIONS)
    assert (hero["action"], hero["probability"], hero["source"]) == ("coat", 0.25, "shadow")
    assert hero["probabilities"] is None
    assert by_rules["probability"] is None
    assert hero["shadow_action"] == answer["choices"][0]["action"]
    place = hero["candidates"].index("coat")
    assert hero["shadow_probabilities"][place] == pytest.approx(hero["shadow_probability"])
    assert hero["would_have_been_dropped"] == []
    rewarded = [("rewarded", 1.0, 20.0, "o1"), ("rewarded", 1.0, 20.0, "o2")]
    assert sorted(resolutions(shop)) == rewarded
    (timeline,) = [e for e in logged_timeline(shop.log, "anna") if e["type"] == "decision"]
    assert [one["shadow_action"] for one in timeline["choices"]] == [
        one["action"] for one in answer["choices"]
    ]
    (exported,) = logged_data(shop.log, "anna").decisions
    assert exported["source"] == "shadow"
    assert exported["choices"][0]["shadow_action"] == hero["shadow_action"]
    shop.log.erase("anna")
    assert table(shop, LogTable.DECISIONS) == []
