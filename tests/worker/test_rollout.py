"""A changed layout is brought in while serving: no request fails, and no value is wrong."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from shop import ask, write_project

from nba.bootstrap import Runtime, load_settings, open_log, open_runtime
from nba.decision.noting import open_profiles
from nba.decision.outcomes import OutcomeService
from nba.decision.plans import PlanPointer, PlanRepository
from nba.decision.project import load_project
from nba.decision.recording import read_record, recorded_features
from nba.decision.service import DecisionService
from nba.domain.alias import Alias
from nba.domain.customer import Event
from nba.domain.ids import CustomerId, DecisionId, OutcomeId
from nba.domain.outcome import Outcome
from nba.errors import ConflictError, DefinitionError, UnavailableError
from nba.features import ProfileService
from nba.features.rollout import Followed
from nba.ledger.claims import alone_with_layouts
from nba.models import MemoryModelRegistry
from nba.serving.follower import PlanFollower
from nba.worker import backfill
from nba.worker.main import WorkerProcess
from nba.worker.publisher import Publisher
from nba.worker.rollout import RolloutReport, RolloutRun, Stores
from tests.features.slow_store import Answer, SlowStore, agree

_EVENT = "    properties: {revenue: number}\n"
_PROPERTIES = "    properties: {revenue: number, shop: string}\n"
_ADDED = """features:
  - {name: spent, kind: aggregate, event: Order, function: sum, property: revenue, description: X.}
  - {name: spent_7d, kind: aggregate, event: Order, function: mean, property: revenue, window: 7d,
     description: X.}
  - {name: big_90d, kind: aggregate, event: Order, function: count, window: 90d,
     where: "properties.revenue > 50.0", description: X.}
  - {name: shops, kind: aggregate, event: Order, function: distinct, property: shop, limit: 3,
     window: 30d, description: X.}
  - {name: favourite, kind: aggregate, event: Order, function: top, property: shop,
     values: [north, south, east], description: X.}
  - {name: heat, kind: aggregate, event: Order, function: decayed_sum, property: revenue,
     half_life: 14d, description: X.}
  - {name: first_order, kind: aggregate, event: Order, function: since_first, description: X.}
  - {name: clicks, kind: interaction, of: click, function: count, description: X.}
"""
_WINDOW = ("function: count, window: 30d", "function: count, window: 60d")
_NORTH = ("north", "south", "east", "west", "attic")


@dataclass
class Replica:
    """What an API process has."""

    follower: PlanFollower
    profiles: ProfileService
    decisions: DecisionService
    outcomes: OutcomeService


@dataclass
class Site:
    """A shop that serves, and what a slow store makes of all that was sent."""

    root: Path
    runtime: Runtime
    registry: MemoryModelRegistry
    replicas: list[Replica] = field(default_factory=list)
    slow: SlowStore | None = None
    clicks: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    compared: int = 0
    steps: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self, replicas: int = 2) -> AsyncIterator[None]:
        """Run a worker and replicas."""
        stop = asyncio.Event()
        process = WorkerProcess(self.runtime, open_log(self.runtime.settings), self.registry, stop)
        tasks = [asyncio.create_task(process.run())]
        self.replicas = [self._replica(number) for number in range(replicas)]
        tasks += [asyncio.create_task(replica.follower.run()) for replica in self.replicas]
        try:
            await until(lambda: all(r.follower.plan() for r in self.replicas))
            yield
        finally:
            stop.set()
            for task in tasks[1:]:
                task.cancel()
            await tasks[0]

    def _replica(self, number: int) -> Replica:
        runtime = self.runtime
        follower = PlanFollower(
            runtime.ledger,
            runtime.rollouts,
            PlanRepository(runtime.control),
            replica=f"replica-{number}",
            poll_seconds=0.02 * (1 + 5 * number),
            swapped=lambda _: None,
        )
        profiles, noting = open_profiles(
            runtime.profiles, follower.writing, runtime.clock, runtime.ledger, follower.plan
        )
        return Replica(
            follower,
            profiles,
            DecisionService(
                follower.plan,
                runtime.ledger,
                clock=runtime.clock,
                random_bits=runtime.random_bits,
                follow=profiles.aliases.follow,
            ),
            OutcomeService(
                runtime.ledger,
                clock=runtime.clock,
                plan=follower.plan,
                interact=profiles.interact,
                noting=noting,
            ),
        )

    def keep(self) -> tuple[str, Callable[[], None]]:
        """Keep the project's files as a plan; return its digest and what makes it current."""
        publisher = Publisher(
            self.runtime.control, self.registry, alias="champion", clock=self.runtime.clock
        )
        digest = publisher.keep(load_project(self.root), note="", author="anna").digest
        return digest, lambda: publisher.make_current(digest, note="", author="anna")

    async def bring_in(self, **more: Any) -> RolloutReport:
        """Bring the project's files in."""
        digest, make_current = self.keep()
        return await self.run().run(digest, make_current, **more)

    def run(self, told: Callable[[str, int], None] | None = None) -> RolloutRun:
        """Return a run of its own."""

        def note(step: str, done: int) -> None:
            self.steps.append(step)
            if told is not None:
                told(step, done)

        stores = Stores.of(self.runtime, open_log(self.runtime.settings))
        return RolloutRun(stores, uuid.uuid4().hex, note, follow_seconds=10.0, rest=0.0)

    async def order(self, customer: str, chance: random.Random) -> None:
        """Let a customer order something at one of the replicas."""
        self.sent += 1
        now_ms = self.runtime.clock()
        late_ms = chance.choice((0, 0, chance.randrange(40 * 86_400_000)))
        event = Event(
            customer_id=CustomerId(customer),
            name="Order",
            message_id=f"m{self.sent}",
            at_ms=now_ms - late_ms,
            received_at_ms=now_ms,
            properties={"revenue": chance.randrange(400) / 4, "shop": chance.choice(_NORTH)},
        )
        replica = chance.choice(self.replicas)
        # One that was not heard of lately, as all this shares a thread, refuses; senders try again.
        await until(lambda: _is_heard(replica.follower))
        result = await replica.profiles.track(event)
        assert result.status == "recorded"
        assert self.slow is not None
        assert self.slow.send(event)

    async def alias(self, customer: str, previous: str) -> None:
        """Make two customers one."""
        alias = Alias(CustomerId(previous), CustomerId(customer))
        (result,) = await self.replicas[0].profiles.ingest([alias])
        assert result.status == "recorded"
        assert self.slow is not None
        self.slow.merge(customer, previous)
        self.clicks[customer] = self.clicks.get(customer, 0) + self.clicks.pop(previous, 0)

    async def decide(self, customer: str, chance: random.Random, *, click: bool = False) -> int:
        """Decide, compare every aggregate with what it should be; return how many there were."""
        replica = chance.choice(self.replicas)
        answer = msgspec.json.decode(await replica.decisions.decide(ask(customer)))
        decision_id = DecisionId(answer["decision_id"])
        (packed,) = await self.runtime.ledger.records([decision_id])
        assert packed is not None
        record = read_record(packed)
        plan = self.runtime.repository.get(PlanPointer(record.plan_version.partition(".")[0]))
        row = dict(zip(plan.features.names, recorded_features(record).tolist(), strict=True))
        assert self.slow is not None
        wanted = self.slow.base(customer, record.at_ms)
        wanted["clicks"] = Answer(float(self.clicks.get(customer, 0)))
        if "clicks" not in row:
            # The same name looked back for another time before.
            wanted = {"orders_30d": self.slow.base(customer, record.at_ms)["before_30d"]}
        aggregates = [name for name in row if name in wanted and name not in {"age", "tier"}]
        for name in aggregates:
            assert agree(wanted[name], row[name]), (customer, name, wanted[name], row[name])
        self.compared += len(aggregates)
        if click and answer["choices"][0]["action"] != "no_action":
            await self._click(replica, decision_id, customer)
        return len(aggregates)

    async def _click(self, replica: Replica, decision_id: DecisionId, customer: str) -> None:
        now_ms = self.runtime.clock()
        outcome = Outcome(
            outcome_id=OutcomeId(f"o-{decision_id}"),
            decision_id=decision_id,
            kind="click",
            at_ms=now_ms,
            received_at_ms=now_ms,
        )
        (result,) = await replica.outcomes.report([outcome])
        assert result.status.value == "recorded"
        self.clicks[customer] = self.clicks.get(customer, 0) + 1


def _is_heard(follower: PlanFollower) -> bool:
    try:
        follower.writing()
    except UnavailableError:
        return False
    return True


async def until(check: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def changed(root: Path) -> None:
    """Change the project's features: more of them, and one that looks back for longer."""
    write_project(root, features=(_EVENT, _PROPERTIES))
    path = root / "features/features.yaml"
    text = path.read_text().replace("features:\n", _ADDED, 1).replace(*_WINDOW)
    path.write_text(text)


def documents(root: Path) -> SlowStore:
    """Return the slow store of the changed project, which keeps what it kept before too."""
    data = yaml.safe_load((root / "features/features.yaml").read_text())
    orders = next(item for item in data["features"] if item["name"] == "orders_30d")
    before = {**orders, "name": "before_30d", "window": "30d"}
    kept = [item for item in data["features"] if item["kind"] == "aggregate"]
    return SlowStore([*kept, before], data["events"])


@pytest.fixture
def at_site(
    tmp_path: Path, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Site], Awaitable[None]]], None]:
    """Run a check at a site of its own."""
    monkeypatch.setattr(backfill, "CUSTOMERS_AT_ONCE", 5)

    def run(check: Callable[[Site], Awaitable[None]]) -> None:
        async def main() -> None:
            root = write_project(tmp_path / "project", features=(_EVENT, _PROPERTIES))
            changed(tmp_path / "changed")
            settings = load_settings(
                project_dir=root,
                data_dir=tmp_path / "data",
                redis_url=valkey,
                key_prefix=f"ro*{uuid.uuid4().hex}",
                poll_seconds=0.02,
                flush_seconds=0.05,
            )
            async with open_runtime(settings) as runtime:
                site = Site(root, runtime, MemoryModelRegistry())
                site.slow = documents(tmp_path / "changed")
                await check(site)

        asyncio.run(main())

    return run


def test_under_load_no_request_fails_and_no_value_is_wrong(at_site):
    async def check(site: Site) -> None:
        customers = [f"c{number}" for number in range(24)]
        chance = random.Random(7)
        stop = asyncio.Event()

        async def load(mine: list[str], seed: int) -> None:
            chance = random.Random(seed)
            while not stop.is_set():
                customer = chance.choice(mine)
                if chance.random() < 0.7:
                    await site.order(customer, chance)
                else:
                    await site.decide(customer, chance, click=chance.random() < 0.5)
                await asyncio.sleep(0.01)

        async with site.serving():
            for customer in customers * 6:
                await site.order(customer, chance)
            for customer in customers:
                await site.decide(customer, chance, click=True)
            await site.alias("c0", "c1")
            tasks = [asyncio.create_task(load(customers[2 + i : 20 : 3], i)) for i in range(3)]
            changed(site.root)
            digest, make_current = site.keep()
            begun = asyncio.Event()

            def told(step: str, done: int) -> None:
                if step == "backfill" and done >= 10:
                    begun.set()

            killed = asyncio.create_task(site.run(told).run(digest, make_current))
            await begun.wait()
            await site.alias("c20", "c21")
            killed.cancel()
            await asyncio.gather(killed, return_exceptions=True)
            compared = [await site.decide(customer, chance) for customer in ("c0", "c20")]
            assert compared == [1, 1]  # what is live reads what it always did

            ahead = asyncio.create_task(site.run().run(digest, make_current))
            await asyncio.sleep(0.1)
            await site.alias("c22", "c23")
            report = await ahead
            assert report.backfill is not None
            assert report.backfill.since is not None
            await asyncio.sleep(0.2)
            stop.set()
            await asyncio.gather(*tasks)
            for customer in [*customers[2:21], "c0", "c22"]:
                assert await site.decide(customer, chance) == 9
            assert await site.runtime.rollouts.rollout() is None
            live = [replica.follower.require() for replica in site.replicas]
            assert {plan.digest for plan in live} == {digest}
            assert {plan.writing.layout_id for plan in live} == {live[0].features.layout_id}

    at_site(check)


def test_replicas_write_both_layouts_only_between_the_steps(at_site):
    async def check(site: Site) -> None:
        async with site.serving():
            await site.order("anna", random.Random(1))
            changed(site.root)
            report = await site.bring_in()
            assert report.backfill is not None
            assert (report.backfill.customers, report.backfill.written) == (1, 1)
            assert list(dict.fromkeys(site.steps)) == [
                "read",
                "write",
                "backfill",
                "swap",
                "settle",
            ]
            followed = set((await site.runtime.rollouts.replicas()).values())
            assert followed == {Followed(report.digest)}
            await site.decide("anna", random.Random(1))
            await site.order("anna", random.Random(1))
            await site.decide("anna", random.Random(1))

    at_site(check)


def test_without_backfill_what_is_new_starts_empty(at_site):
    async def check(site: Site) -> None:
        async with site.serving():
            await site.order("anna", random.Random(1))
            changed(site.root)
            report = await site.bring_in(backfill=False)
            assert report.backfill is None
            assert len(report.added) == 10
            plan = site.replicas[0].follower.require()
            profile = await site.runtime.profiles.get(CustomerId("anna"))
            view = plan.features.read(profile, at_ms=site.runtime.clock())
            row = dict(zip(plan.features.names, view.features.tolist(), strict=True))
            assert (row["spent"], row["shops"], row["orders_30d"]) == (0.0, 0.0, 0.0)

    at_site(check)


def test_a_type_that_changes_is_refused_before_anything_happens(at_site):
    async def check(site: Site) -> None:
        async with site.serving():
            write_project(
                site.root,
                features=(
                    "name: age, kind: attribute, type: number",
                    ("name: age, kind: attribute, type: bool"),
                ),
                policies=("condition: customer.age >= 18", "condition: customer.age"),
            )
            with pytest.raises(DefinitionError, match="'age' was number and is bool"):
                await site.bring_in()
            assert site.steps == []
            assert await site.runtime.rollouts.rollout() is None

    at_site(check)


def test_a_replica_that_does_not_follow_holds_it_up_and_is_named(at_site):
    async def check(site: Site) -> None:
        async with site.serving(1):
            await site.runtime.rollouts.beat("stuck", Followed("old"))
            changed(site.root)
            digest, make_current = site.keep()
            run = site.run()
            run.follow_seconds = 0.5
            with pytest.raises(UnavailableError, match=r"1 of 2 replicas .*stuck"):
                await run.run(digest, make_current)
            assert site.runtime.control.current() != digest
            await site.order("anna", random.Random(1))
            assert await site.decide("anna", random.Random(1)) == 1
            await site.runtime.rollouts.leave("stuck")
            await site.bring_in()
            assert await site.decide("anna", random.Random(1)) == 9

    at_site(check)


def test_only_one_is_at_work_at_a_time(at_site):
    async def check(site: Site) -> None:
        async with site.serving(1):
            async with alone_with_layouts(site.runtime.ledger, "another"):
                with pytest.raises(ConflictError, match="on its way in"):
                    await site.bring_in()
            await site.bring_in()

    at_site(check)
