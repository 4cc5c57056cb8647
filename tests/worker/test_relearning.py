"""Learning again: from the log to the byte, some actions from nothing, and the worker goes on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from shop import DAY_MS, GREEDY, KIN, PRICED, Shop, ask, lesson, write_project
from stumps import fit_stump

from nba.bandits import HybridLearner, OnlineLogistic
from nba.decision.learned import Learned, LearnedStates, SnapshotWriter, forests_key
from nba.decision.project import load_project
from nba.domain.ids import DecisionId
from nba.errors import InputError, NotFoundError
from nba.ledger.log import LogTable
from nba.ledger.memory_log import MemoryLog
from nba.worker.learning import PlanLearner
from nba.worker.lessons import row_of
from nba.worker.pointing import state_key
from nba.worker.records import Records
from nba.worker.relearning import Relearned, rebuild, reset
from nba.worker.runner import Worker

ROUNDS = 100


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_project(tmp_path, **GREEDY), partitions=1)


def started(shop: Shop) -> Worker:
    return shop.worker(fitter=fit_stump)


async def play(shop: Shop, worker: Worker, first: int, rounds: int) -> None:
    """Offer coats; whoever is above forty clicks."""
    for number in range(first, first + rounds):
        age = 20.0 + (number * 7) % 41
        customer = f"c{number}"
        await shop.put(customer, age=age)
        answer = json.loads(await shop.service().decide(ask(customer, actions=("coat",))))
        if answer["choices"][0]["action"] == "coat":
            kind = "click" if age > 40.0 else "reject"
            await shop.report(answer["decision_id"], kind, outcome_id=f"o{number}")
        shop.clock.advance(seconds=60)
        while await worker.step():
            pass
    await worker.flush()
    await worker.teacher.publish_snapshot()


def latest(shop: Shop) -> tuple[HybridLearner, int]:
    kept = shop.control.latest_snapshot(state_key(shop.plan.source))
    assert kept is not None
    learned, number = LearnedStates(shop.control).open(kept, shop.plan.source.bandit)
    return learned.actions, number


def contents_of(shop: Shop) -> OnlineLogistic:
    kept = shop.control.latest_snapshot(state_key(shop.plan.source))
    assert kept is not None
    return LearnedStates(shop.control).open(kept, shop.plan.source.bandit)[0].contents


async def relearned(shop: Shop) -> Relearned:
    return await rebuild(
        shop.control,
        shop.log,
        shop.plan,
        records=Records(shop.ledger, shop.repository),
        partitions=shop.ledger.partitions,
        clock=shop.clock,
        fitter=fit_stump,
    )


def test_forests_are_fitted_saved_once_and_decide(shop: Shop) -> None:
    """Those above forty score higher for it, by the record's own plan version and in replay."""

    async def run() -> None:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, ROUNDS)
        await play(shop, worker, ROUNDS, 5)

    asyncio.run(run())
    state, number = latest(shop)
    assert state.refits > 0
    assert set(state.forests) == {"coat"}
    assert number == shop.control.latest_snapshot(forests_key(state_key(shop.plan.source))).sequence
    plan = asyncio.run(shop.live())
    slot = plan.placements["web.hero"]
    at = slot.action_ids.index("coat")
    young, old = (
        slot.learner.logits(slot.prior_logits, np.array([age, 0.0]))[at] for age in (25.0, 55.0)
    )
    assert old > young + 1.0
    answer = asyncio.run(shop.decide("late", actions=("coat",)))
    (packed,) = asyncio.run(shop.ledger.records([DecisionId(answer["decision_id"])]))
    assert packed is not None
    assert answer["plan_version"] == plan.version


def test_a_restarted_worker_knows_its_forests_and_what_they_were_fitted_to(shop: Shop) -> None:
    """And then goes on as one that never stopped."""

    async def run(*, restart: bool) -> bytes:
        one = Shop(shop.project.root, partitions=1)
        worker = started(one)
        await worker.teacher.follow(one.plan)
        await play(one, worker, 0, ROUNDS)
        if restart:
            worker = started(one)
            await worker.teacher.follow(one.plan)
        await play(one, worker, ROUNDS, ROUNDS)
        state = worker.teacher.learning
        assert state is not None
        return state.to_bytes()

    assert asyncio.run(run(restart=True)) == asyncio.run(run(restart=False))


class CountingLog(MemoryLog):
    """Counts how often each table is read."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: Counter[LogTable] = Counter()

    def scan(self, table: LogTable) -> pl.LazyFrame:
        """Return a table."""
        self.scans[table] += 1
        return super().scan(table)


def test_a_restarted_teacher_reads_the_log_once(tmp_path: Path) -> None:
    """For what its forests were fitted to, and for what came after the snapshot."""
    log = CountingLog()
    shop = Shop(write_project(tmp_path, **GREEDY), partitions=1, log=log)

    async def run() -> None:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, ROUNDS)
        answer = json.loads(await shop.service().decide(ask("late", actions=("coat",))))
        await shop.report(answer["decision_id"], "click", outcome_id="late")
        while await worker.step():
            pass
        await worker.flush()  # the last one is in the log, and in no snapshot
        live = worker.teacher.learning
        assert live is not None
        again = started(shop)
        log.scans.clear()
        await again.teacher.follow(shop.plan)
        assert log.scans == {LogTable.DECISIONS: 1, LogTable.RESOLUTIONS: 1}
        assert again.teacher.learning is not None
        assert again.teacher.learning.to_bytes() == live.to_bytes()

    asyncio.run(run())


def test_rebuilding_twice_gives_the_same_bytes_and_the_worker_goes_on_from_them(
    shop: Shop,
) -> None:
    async def run() -> None:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, ROUNDS)
        taught = worker.teacher.learning
        assert taught is not None
        done = await relearned(shop)
        first, _ = latest(shop)
        again = await relearned(shop)
        second, _ = latest(shop)
        assert first.to_bytes() == second.to_bytes()
        assert again.snapshot > done.snapshot
        assert done.updates == taught.updates
        assert first.online.to_bytes() == taught.online.to_bytes()
        assert await worker.teacher.adopt_saved()
        assert not await worker.teacher.adopt_saved()
        assert (await shop.live()).snapshot == again.snapshot
        await play(shop, worker, ROUNDS, 3)
        assert worker.teacher.learning is not None
        assert worker.teacher.learning.updates > taught.updates

    asyncio.run(run())


def test_what_was_not_in_the_log_yet_is_learned_after_a_rebuild(shop: Shop) -> None:
    async def run() -> None:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, 3)
        answer = await shop.decide("late", actions=("coat",))
        await shop.report(answer["decision_id"], "click", outcome_id="late")
        while await worker.step():
            pass  # learned, and not yet written
        learned = worker.teacher.learning.updates if worker.teacher.learning else 0
        shop.clock.advance(seconds=60)
        await relearned(shop)
        assert not await worker.teacher.publish_snapshot() or worker.teacher.learning is not None
        while await worker.step():
            pass
        assert worker.teacher.learning is not None
        assert worker.teacher.learning.updates == learned

    asyncio.run(run())


def test_a_reset_forgets_what_is_named_and_nothing_else(shop: Shop) -> None:
    async def run() -> None:
        worker = started(shop)
        await worker.teacher.follow(shop.plan)
        await play(shop, worker, 0, ROUNDS)
        before, _ = latest(shop)
        assert before.online.count("coat") > 0
        shop.clock.advance(seconds=DAY_MS / 1_000)
        done = reset(shop.control, shop.plan, terms=("product:fashion",), clock=shop.clock)
        assert set(done.actions) == {"coat", "shirt"}
        after, _ = latest(shop)
        assert after.online.count("coat") == 0
        assert not after.forests
        assert await worker.teacher.adopt_saved()

    asyncio.run(run())


@pytest.mark.parametrize("warm", [True, False])
def test_a_reset_of_an_action_forgets_its_contents_too(shop: Shop, *, warm: bool) -> None:
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0})
    for _ in range(20):
        learner.learn(lesson(row, "web.hero", "shirt", 1.0, "shirt.en.a"))
    writer = SnapshotWriter(shop.control, shop.clock)
    writer.save(learner.key, learner.learned, {})
    assert contents_of(shop).count("shirt.en.a") > 0
    reset(shop.control, shop.plan, actions=("coat",), warm=warm, clock=shop.clock)
    assert contents_of(shop).to_bytes() == learner.learned.contents.to_bytes()
    reset(shop.control, shop.plan, actions=("shirt",), warm=warm, clock=shop.clock)
    after = contents_of(shop)
    assert after.count("shirt.en.a") == 0
    assert after.mean("shirt.en.a").tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_reset_of_an_action_forgets_its_goals_and_amounts_too(tmp_path: Path) -> None:
    shop = Shop(write_project(tmp_path, **PRICED))
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0})
    learner.learn(lesson(row, "web.hero", "coat", 1.0, goals=("complain",), amount=50.0))
    SnapshotWriter(shop.control, shop.clock).save(learner.key, learner.learned, {})

    def kept() -> Learned:
        found = shop.control.latest_snapshot(state_key(shop.plan.source))
        assert found is not None
        return LearnedStates(shop.control).open(found, shop.plan.source.bandit)[0]

    reset(shop.control, shop.plan, actions=("shirt",), clock=shop.clock)
    assert (kept().goals.count("coat:complain"), kept().amounts.count("coat")) == (1.0, 1.0)
    reset(shop.control, shop.plan, actions=("coat",), clock=shop.clock)
    assert (kept().goals.count("coat:complain"), kept().amounts.count("coat")) == (0.0, 0.0)


@pytest.mark.parametrize("warm", [True, False])
def test_goals_and_amounts_start_again_where_their_kin_have_got_to(
    tmp_path: Path, *, warm: bool
) -> None:
    """Or, cold, at what is declared; and the worker goes on from there with the next lesson."""
    shop = Shop(write_project(tmp_path, **KIN))
    learner = PlanLearner(shop.plan)
    row = row_of(learner.plan, {"age": 30.0})
    complaint = {"goals": ("complain",), "missed": ("buy",), "amount": 50.0}
    for action in ["coat"] * 50 + ["shirt"] * 20:
        learner.learn(lesson(row, "web.hero", action, 1.0, **complaint))
    coat = learner.learned.goals.learned(["coat:complain"])[0]
    n = learner.learned.goals.count("coat:complain")
    brings = learner.learned.amounts.mean("coat", 20.0)
    SnapshotWriter(shop.control, shop.clock).save(learner.key, learner.learned, {})
    reset(shop.control, shop.plan, actions=("shirt",), warm=warm, clock=shop.clock)
    found = shop.control.latest_snapshot(state_key(shop.plan.source))
    assert found is not None
    kept = LearnedStates(shop.control).open(found, shop.plan.source.bandit)[0]
    share = n / (n + 50.0) if warm else 0.0
    shirt = kept.goals.learned(["shirt:complain"])[0]
    np.testing.assert_allclose(shirt, share * coat, rtol=1e-12, atol=1e-15)
    value = 8.0 * (1.0 + share * (brings / 20.0 - 1.0))
    named = {action.id: action for action in shop.plan.catalog.actions}
    assert shop.plan.beside(kept).value(named["shirt"]) == pytest.approx(value)
    PlanLearner(shop.plan, kept).learn(lesson(row, "web.hero", "shirt", 1.0, amount=value))
    assert kept.amounts.mean("shirt", 8.0) == pytest.approx(value)
    assert (kept.goals.count("shirt:complain"), kept.amounts.count("shirt")) == (0.0, 1.0)


def test_what_a_new_action_took_over_from_its_kin_is_reached_again_from_the_log(
    tmp_path: Path,
) -> None:
    """Coats are complained of; then shirts have a price too, and are shown."""

    async def run() -> None:
        shop = Shop(write_project(tmp_path / "a", **PRICED, **GREEDY), partitions=1)
        worker = shop.worker()
        await worker.teacher.follow(shop.plan)

        async def show(action: str, first: int, rounds: int) -> None:
            for number in range(first, first + rounds):
                answer = await shop.decide(f"c{number}", actions=(action,))
                if answer["choices"][0]["action"] == action:
                    said = answer["decision_id"]
                    await shop.report(said, "click", outcome_id=f"o{number}", value=50.0)
                    await shop.report(said, "complain", outcome_id=f"p{number}")
                shop.clock.advance(seconds=2 * DAY_MS / 1_000)
                while await worker.step() or await worker.expire():
                    pass
            await worker.flush()
            await worker.teacher.publish_snapshot()

        await show("coat", 0, 30)
        shop.project = load_project(write_project(tmp_path / "b", **KIN, **GREEDY))
        plan = shop.publish()
        await worker.teacher.follow(plan)
        await show("shirt", 30, 5)
        found = shop.control.latest_snapshot(state_key(plan.source))
        assert found is not None
        live = LearnedStates(shop.control).open(found, plan.source.bandit)[0]
        await relearned(shop)
        found = shop.control.latest_snapshot(state_key(plan.source))
        assert found is not None
        again = LearnedStates(shop.control).open(found, plan.source.bandit)[0]
        assert 0.0 < live.goals.count("shirt:complain") <= 5.0
        assert again.goals.to_bytes() == live.goals.to_bytes()
        assert again.amounts.to_bytes() == live.amounts.to_bytes()
        n = live.amounts.count("shirt")
        from_declared = (10.0 * 8.0 + n * 40.0) / (10.0 + n)
        assert live.amounts.mean("shirt", 8.0) > from_declared + 0.5

    asyncio.run(run())


def test_what_cannot_be_reset_is_said(shop: Shop) -> None:
    with pytest.raises(NotFoundError, match="nothing has been learned"):
        reset(shop.control, shop.plan, actions=("coat",), clock=shop.clock)
    with pytest.raises(InputError, match="there is no action 'cape'"):
        reset(shop.control, shop.plan, actions=("cape",), clock=shop.clock)
    with pytest.raises(InputError, match="no action carries such a term"):
        reset(shop.control, shop.plan, terms=("product:boats",), clock=shop.clock)
