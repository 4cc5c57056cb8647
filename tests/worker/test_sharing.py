"""Many workers share the partitions: nothing is lost or repeated, and they learn what one would."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest
from shop import DAY_MS, GREEDY, PRICED, Shop, ask, write_project
from stumps import fit_stump

from nba.catalog.memory import MemoryControlStore
from nba.decision.learned import Learned, LearnedStates, pack_learned
from nba.decision.plans import PlanRepository
from nba.errors import ConflictError
from nba.ledger.claims import HELD_MS, Claims
from nba.ledger.log import LogTable
from nba.ledger.memory import MemoryLedger
from nba.ledger.memory_log import MemoryLog
from nba.ledger.positions import START, writer_of
from nba.ledger.store import EntryType
from nba.worker.pointing import state_key
from nba.worker.records import Records
from nba.worker.relearning import rebuild
from nba.worker.runner import Share, Worker
from nba.worker.teaching import Teacher

PARTITIONS = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("shop"), **GREEDY)


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project whose coats have goals, and a value that is learned."""
    return write_project(tmp_path_factory.mktemp("priced"), **GREEDY, **PRICED)


def worker_of(shop: Shop, index: int, count: int) -> Worker:
    return shop.worker(fitter=fit_stump, share=Share(index, count))


class Crew:
    """Workers that take turns at random, and crash at random."""

    def __init__(self, shop: Shop, count: int, seed: int) -> None:
        self.shop = shop
        self.count = count
        self.chance = random.Random(seed)
        self.workers: list[Worker] = []
        self.crashes = 0
        self.reported = 0

    async def start(self) -> None:
        """Start all of them."""
        self.workers = [worker_of(self.shop, n, self.count) for n in range(self.count)]
        await self.workers[0].teacher.follow(self.shop.plan)

    async def turn(self, turns: int) -> None:
        """Let one or the other do something, or crash and start again."""
        for _ in range(turns):
            index = self.chance.randrange(self.count)
            worker = self.workers[index]
            work = [worker.step, worker.step, worker.expire, worker.flush]
            if index == 0:
                work.append(worker.teacher.publish_snapshot)
            await self.chance.choice(work)()
            if self.chance.random() < 0.05:
                self.crashes += 1
                self.workers[index] = again = worker_of(self.shop, index, self.count)
                if index == 0:
                    await again.teacher.follow(self.shop.plan)

    async def settle(self) -> None:
        """Let all of them do all there is to do."""
        while any([await worker.step() for worker in self.workers]) or any(
            [await worker.expire() for worker in self.workers]
        ):
            pass
        for worker in self.workers:
            await worker.flush()
        await self.workers[0].teacher.publish_snapshot()


async def play(shop: Shop, crew: Crew, *, customers: int) -> None:
    has_goals = any(action.goals for action in shop.plan.catalog.actions)
    for number in range(customers):
        age = 20.0 + (number * 7) % 41
        await shop.put(f"c{number}", age=age)
        answer = json.loads(await shop.service().decide(ask(f"c{number}", actions=("coat",))))
        if number % 4:
            kind = "click" if age > 40.0 else "reject"
            told = {kind: float(number) if has_goals else None}
            if has_goals and number % 3 == 0:
                told |= {"complain": None, "buy": None}
            for name, value in told.items():
                outcome_id = f"{name}{number}"
                status = await shop.report(
                    answer["decision_id"], name, outcome_id=outcome_id, value=value
                )
                crew.reported += status == "recorded"
        shop.clock.advance(seconds=crew.chance.randrange(3_600))
        await crew.turn(crew.chance.randrange(6))
    await crew.settle()
    shop.clock.advance(seconds=10 * DAY_MS / 1_000)
    await crew.settle()


def kept_of(shop: Shop) -> Learned:
    """Return what was learned and saved."""
    kept = shop.control.latest_snapshot(state_key(shop.plan.source))
    assert kept is not None
    return LearnedStates(shop.control).open(kept, shop.plan.source.bandit)[0]


def state_of(shop: Shop) -> bytes:
    """Return what is kept, forests included."""
    learned = kept_of(shop)
    return pack_learned(learned, 0) + learned.actions.forests_to_bytes()


@pytest.mark.parametrize(("count", "seed"), [(1, 1), (2, 2), (3, 3), (8, 4)])
def test_they_do_everything_once_and_learn_what_one_would(root: Path, count: int, seed: int):
    """To the byte: live, taught in one go from the ledger, and rebuilt from the log."""
    shop = Shop(root, partitions=PARTITIONS)
    reported, refits = asyncio.run(learned_alike(shop, count, seed))
    assert refits > 0
    assert reported > 100
    for table in (LogTable.DECISIONS, LogTable.RESOLUTIONS):
        rows = shop.log.scan(table).collect()
        assert rows.height == 160
        assert rows.select("decision_id", "choice").is_duplicated().sum() == 0
    outcomes = shop.log.scan(LogTable.OUTCOMES).collect()
    assert outcomes["outcome_id"].n_unique() == outcomes.height == reported
    places = shop.log.scan(LogTable.RESOLUTIONS).collect().select("partition", "position")
    assert places.is_duplicated().sum() == 0


def test_what_is_learned_beside_desired_outcomes_is_learned_as_by_one(priced: Path):
    shop = Shop(priced, partitions=PARTITIONS)
    asyncio.run(learned_alike(shop, 3, 5))
    learned = kept_of(shop)
    assert learned.goals.count("coat:complain") == learned.goals.count("coat:buy") > 100
    assert learned.amounts.count("coat") > 30


@pytest.mark.parametrize(
    "said",
    [
        "explorer: ucb\n  learner: linear",
        "explorer: thompson\n  learner: linear\n  sharing: hybrid\n  dimensions: [product]",
        (
            "explorer: votes\n  learner: bagged\n  members: 3\n  sharing: shared\n"
            "  dimensions: [product]"
        ),
        "explorer: cover\n  learner: cover\n  members: 3\n  sharing: hybrid",
    ],
    ids=["linear", "thompson", "bagged", "cover"],
)
def test_whatever_learns_they_learn_what_one_would(tmp_path: Path, said: str):
    """What was not taken, and the chance of what was, are in ledger and log alike."""
    change = "explorer: squarecb", f"{said}\n  reward_cap: 20"
    shop = Shop(write_project(tmp_path, **{"models/bandit": change}), partitions=PARTITIONS)
    reported, refits = asyncio.run(learned_alike(shop, 3, 7))
    assert refits == 0
    assert reported > 20


async def learned_alike(shop: Shop, count: int, seed: int) -> tuple[int, int]:
    """Let workers learn, one alone too, and rebuild: all the same. Return reports and refits."""
    kept = KeepingLedger(shop)
    crew = Crew(shop, count, seed)
    await crew.start()
    await play(shop, crew, customers=160)
    assert crew.crashes > 2
    live = state_of(shop)
    learning = crew.workers[0].teacher.learning
    assert learning is not None
    assert learning.updates == 160
    assert pack_learned(crew.workers[0].teacher._learner.learned, 0) in live  # type: ignore[union-attr]

    alone = await taught_alone(shop, kept)
    assert alone.learning is not None
    assert alone.learning.to_bytes() == learning.to_bytes()  # what it remembers too

    shop.clock.advance(seconds=60)
    done = await rebuild(
        shop.control,
        shop.log,
        shop.plan,
        records=None,
        partitions=PARTITIONS,
        clock=shop.clock,
        fitter=fit_stump,
    )
    assert done.updates == 160
    assert state_of(shop) == live
    return crew.reported, learning.refits


class KeepingLedger:
    """Remembers every resolution of a shop's ledger, whatever is forgotten there."""

    def __init__(self, shop: Shop) -> None:
        self.copy = MemoryLedger({}, partitions=PARTITIONS)
        self.copy._records = shop.ledger._records
        append = shop.ledger._append

        def keep(partition: int, kind: EntryType, body: bytes) -> None:
            append(partition, kind, body)
            self.copy._append(partition, kind, body)

        shop.ledger._append = keep  # type: ignore[method-assign]


async def taught_alone(shop: Shop, kept: KeepingLedger) -> Teacher:
    """Return one teacher that was there from the start and read a few entries at a time."""
    control = MemoryControlStore()
    shop.publisher._control.plan(shop.plan.digest)
    control._artifacts.update(shop.control._artifacts)
    records = Records(kept.copy, PlanRepository(control))
    entries, kept.copy._streams = kept.copy._streams, {p: [] for p in range(PARTITIONS)}
    last, kept.copy._written = kept.copy._written, 0
    teacher = Teacher(kept.copy, MemoryLog(), control, records, clock=shop.clock, fitter=fit_stump)
    await teacher.follow(shop.plan)
    kept.copy._streams, kept.copy._written = entries, last
    while await teacher.step():
        pass
    return teacher


def test_the_first_of_them_teaches(root: Path):
    shop = Shop(root, partitions=PARTITIONS)
    with pytest.raises(ConflictError, match="the first of the workers teaches"):
        _ = worker_of(shop, 1, 2).teacher
    with pytest.raises(ValueError, match="worker 2 is none of 2"):
        Share(2, 2)
    shares = [Share(index, 3).partitions(PARTITIONS) for index in range(3)]
    assert sorted(partition for share in shares for partition in share) == list(range(PARTITIONS))


def test_what_another_worker_has_not_logged_yet_is_learned_in_its_place(root: Path):
    """A fresh state reads ledger and log together, in one order."""
    shop = Shop(root, partitions=PARTITIONS)

    async def main() -> None:
        crew = Crew(shop, 2, 5)
        await crew.start()
        for number in range(80):
            await shop.put(f"c{number}", age=20.0 + number % 41)
            answer = json.loads(await shop.service().decide(ask(f"c{number}", actions=("coat",))))
            kind = "click" if number % 3 else "reject"
            await shop.report(answer["decision_id"], kind, outcome_id=f"o{number}")
            await crew.workers[0].step()
            await crew.workers[1].step()
            if number == 40:
                await crew.workers[1].flush()
        while await crew.workers[0].step():
            pass
        await crew.workers[0].flush()  # the other one has half of its entries in the ledger alone
        await crew.workers[0].teacher.publish_snapshot()
        live = state_of(shop)
        learning = crew.workers[0].teacher.learning
        assert learning is not None
        logged = shop.log.scan(LogTable.RESOLUTIONS).collect()
        assert learning.updates / 2 < logged.height < learning.updates
        shop.clock.advance(seconds=60)
        again = await rebuild(
            shop.control,
            shop.log,
            shop.plan,
            records=Records(shop.ledger, shop.repository),
            partitions=PARTITIONS,
            clock=shop.clock,
            fitter=fit_stump,
        )
        assert again.updates == learning.updates
        assert state_of(shop) == live

    asyncio.run(main())


def test_the_ledger_keeps_what_either_reader_still_needs(root: Path):
    shop = Shop(root, partitions=PARTITIONS)

    async def held() -> int:
        everywhere = dict.fromkeys(range(PARTITIONS), START)
        return len(await shop.ledger.entries(everywhere, 1_000))

    async def main() -> None:
        crew = Crew(shop, 2, 6)
        await crew.start()
        for number in range(20):
            await shop.put(f"c{number}", age=30.0)
            await shop.decide(f"c{number}", actions=("coat",))
        for worker in crew.workers:
            while await worker.step():
                pass
        everything = await held()
        await crew.workers[0].flush()
        half = await held()
        assert PARTITIONS < half < everything
        await crew.workers[1].flush()
        assert await held() <= PARTITIONS  # the last entry of each partition

    asyncio.run(main())


def test_a_partition_is_one_workers_until_it_lets_go_or_dies(root: Path):
    shop = Shop(root, partitions=PARTITIONS)

    async def main() -> None:
        first, second, stop = Claims(shop.ledger), Claims(shop.ledger), asyncio.Event()
        order: list[str] = []

        async def wait() -> None:
            async with second.on(range(2), stop):
                order.append("second")

        async with first.on(range(4), stop):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.05)
            order.append("first")
        await waiting
        assert order == ["first", "second"]

        async with first.on(range(2), stop):
            first.check()
            shop.clock.advance(seconds=HELD_MS / 1_000 + 1)  # as long as it was not heard of
            assert await shop.ledger.claim(writer_of(1), "another", 60_000)
            await asyncio.sleep(1.0)
            with pytest.raises(ConflictError, match="partition-001 is another worker's now"):
                first.check()

    asyncio.run(main())


def test_a_worker_that_waits_for_a_partition_can_be_told_to_stop(root: Path):
    shop = Shop(root, partitions=PARTITIONS)

    async def main() -> None:
        stop = asyncio.Event()
        await shop.ledger.claim(writer_of(0), "another", 60_000)
        worked = False

        async def run() -> None:
            nonlocal worked
            async with Claims(shop.ledger).on(range(1), stop):
                worked = not stop.is_set()

        running = asyncio.create_task(run())
        await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(running, 5)
        assert not worked
        assert not await shop.ledger.claim(writer_of(0), "third", 1_000)

    asyncio.run(main())


def test_only_one_writes_the_log_at_a_time(root: Path):
    shop = Shop(root, partitions=PARTITIONS)

    async def main() -> None:
        inside = 0
        most = 0

        async def write(claims: Claims) -> None:
            nonlocal inside, most
            async with claims.log():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.002)
                inside -= 1

        crew = [Claims(shop.ledger) for _ in range(4)]
        await asyncio.gather(*[write(claims) for claims in crew for _ in range(5)])
        assert most == 1

    asyncio.run(main())
