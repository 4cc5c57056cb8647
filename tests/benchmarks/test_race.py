"""The race, scaled down: replicas in one process on a real store, counted again by the script.

And the script itself: it finds what it is there to find.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from pathlib import Path
from typing import Any

import pytest

from benchmarks.race.project import PLACEMENTS, forbidden, write_project
from benchmarks.race.recount import Recount, check, follow
from nba.bootstrap import RandomBits, system_clock
from nba.catalog.memory import MemoryControlStore
from nba.decision.budgeting import Spending
from nba.decision.plan import Plan
from nba.decision.plans import PlanRepository
from nba.decision.project import load_project
from nba.decision.service import DecisionService
from nba.domain.clock import Clock
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.ids import CustomerId, PlacementId
from nba.errors import OverloadedError
from nba.ledger.budgets_redis import RedisBudgets
from nba.ledger.memory_log import MemoryLog
from nba.ledger.records import OutcomeEntry
from nba.ledger.redis import RedisLedger
from nba.ledger.shared_redis import RedisShared
from nba.serving.shared import SharedView
from nba.storage import Connection, Keys
from nba.worker.budgets import BudgetKeeper
from nba.worker.publisher import Publisher
from nba.worker.records import Records
from nba.worker.runner import Worker

HOUR_MS = 3_600_000
DECISIONS = 300


class Replica:
    """One deciding process, but for being one."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self.ledger = RedisLedger(connection, keys, record_ttl_ms=HOUR_MS, history_ttl_ms=HOUR_MS)
        self.plan: Plan | None = None
        budgets = RedisBudgets(connection, keys)
        self.view = SharedView(
            budgets, RedisShared(connection, keys), clock=system_clock, poll_seconds=0.05
        )
        self.spending = Spending(budgets, self.view.note)
        self.service = DecisionService(
            lambda: self.plan,
            self.ledger,
            clock=system_clock,
            random_bits=RandomBits(),
            shared=self.view,
            spending=self.spending,
        )

    async def follow(self, plan: Plan) -> None:
        """Go live with a plan, as a follower does."""
        await self.view.look(plan)
        self.plan = plan

    async def decide(self, request: DecisionRequest) -> bytes:
        """Decide, patiently."""
        while True:
            try:
                return await self.service.decide(request)
            except OverloadedError:
                await asyncio.sleep(0.01)


class Arena:
    """Four replicas, a worker, and clients that ask twice and report outcomes."""

    def __init__(self, connections: list[Connection], keys: Keys) -> None:
        self.replicas = [Replica(connection, keys) for connection in connections]
        self.ledger = self.replicas[0].ledger
        self.budgets = RedisBudgets(connections[0], keys)
        self.control = MemoryControlStore()
        self.repository = PlanRepository(self.control)
        self.chance = random.Random(5)
        self.worker = Worker(
            self.ledger,
            MemoryLog(),
            self.control,
            self.repository,
            clock=system_clock,
            watchers=(self.keeper(system_clock),),
        )

    def keeper(self, clock: Clock) -> BudgetKeeper:
        """Return what ends the grants by a clock."""
        return BudgetKeeper(self.budgets, Records(self.ledger, self.repository), clock=clock)

    async def race(self, plans: list[Plan]) -> None:
        """Decide on all replicas at once while the plans take turns, then end what is held."""
        for replica in self.replicas:
            await replica.follow(plans[0])
        working = asyncio.create_task(self._work())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._swap(plans))
            for first in range(16):
                group.create_task(self._client(first))
        working.cancel()
        while await self.worker.step():
            pass
        for replica in self.replicas:
            await replica.spending.finish()
        await self.keeper(lambda: system_clock() + HOUR_MS).sweep()

    async def _work(self) -> None:
        while True:
            await self.worker.step()
            await asyncio.sleep(0.01)

    async def _swap(self, plans: list[Plan]) -> None:
        for turn in range(40):
            await asyncio.sleep(0.02)
            await self.replicas[turn % 4].follow(plans[turn // 4 % 2])

    async def _client(self, first: int) -> None:
        for number in range(first, DECISIONS, 16):
            await self._ask(number)

    async def _ask(self, number: int) -> None:
        place = PlacementId(self.chance.choice(PLACEMENTS))
        request = DecisionRequest(
            customer_id=CustomerId(f"c{self.chance.randrange(12)}"),
            placements=(PlacementRequest(id=place, count=2),),
            request_id=f"r{number}",
        )
        asked = self.chance.sample(self.replicas, self.chance.choice([1, 1, 2]))
        answers = await asyncio.gather(*[replica.decide(request) for replica in asked])
        assert len(set(answers)) == 1
        decided = json.loads(answers[0])
        for choice, chosen in enumerate(decided["choices"]):
            if chosen["action"] != "no_action" and self.chance.random() < 0.6:
                await self._report(decided["decision_id"], choice)

    async def _report(self, decision_id: str, choice: int) -> None:
        kind, now = self.chance.choice(["delivered", "bounced"]), system_clock()
        name = f"{decision_id}{choice}"
        entry = OutcomeEntry(name, decision_id, choice, kind, now, now, None)
        await self.ledger.report([entry])


async def run_race(url: str, keys: Keys, root: Path) -> dict[str, dict[str, Any]]:
    """Race, and return what every version may say."""
    connections = [Connection(url, timeout_seconds=30.0) for _ in range(4)]
    for connection in connections:
        await connection.connect()
    arena = Arena(connections, keys)
    publisher = Publisher(arena.control, None, alias="live", clock=system_clock)
    roots = [write_project(root / f"v{number}", number) for number in range(2)]
    plans = [publisher.publish(load_project(r), note="", author="test") for r in roots]
    await arena.race(plans)
    for connection in connections:
        await connection.close()
    return {
        plan.digest: {"number": number, "forbidden": forbidden(number)}
        for number, plan in enumerate(plans)
    }


def test_no_cap_and_no_budget_is_exceeded_and_no_answer_mixes_two_versions(valkey, tmp_path):
    keys = Keys(partitions=4, prefix=f"t{uuid.uuid4().hex}")
    versions = asyncio.run(run_race(valkey, keys, tmp_path))
    (tmp_path / "stop").touch()
    events, told = tmp_path / "events.jsonl", tmp_path / "versions.json"
    follow(valkey, keys.prefix, 4, events, tmp_path / "stop")
    told.write_text(json.dumps(versions))
    found = check(valkey, keys.prefix, tmp_path / "v0", events, told)
    assert found["decisions"] == DECISIONS
    assert found["decided_twice"] == found["mixed_answers"] == 0
    assert set(found["cap_violations"].values()) == {0}
    for budget in found["budgets"].values():
        assert budget["overspent"] == budget["counters_that_differ"] == 0
        assert budget["fullest_period"] <= budget["limit"]
    assert found["contacts"] > 20


def decision(number: int, at_ms: int, action: str = "card", **more: Any) -> dict[str, Any]:
    return {
        "stream": "s",
        "ms": at_ms,
        "sequence": 0,
        "type": "decision",
        "decision_id": f"d{number}",
        "customer_id": "anna",
        "at_ms": at_ms,
        "plan": "p",
        "choices": [{"action": action, "placement": "web.side", "slots": {"title": "version 1"}}],
        **more,
    }


def outcome(number: int, at_ms: int, kind: str) -> dict[str, Any]:
    return {
        "stream": "s",
        "ms": at_ms,
        "sequence": 0,
        "type": "outcome",
        "outcome_id": f"o{number}{kind}",
        "decision_id": f"d{number}",
        "choice": 0,
        "kind": kind,
        "at_ms": at_ms,
        "received_at_ms": at_ms,
        "value": None,
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path, 1)


def test_the_script_finds_a_cap_that_leaked(root):
    within = [decision(1, 1_000), decision(2, 120_999)]
    assert Recount(within, root).cap_violations()["one_of_each"] == 1
    after = [decision(1, 1_000), decision(2, 121_000)]
    assert Recount(after, root).cap_violations()["one_of_each"] == 0


def test_the_script_knows_what_was_released_and_when(root):
    coats = [decision(n, 1_000 * n, "coat") for n in (1, 2, 3)]
    assert Recount(coats, root).cap_violations()["two_shown"] == 1
    released = [*coats, outcome(1, 2_500, "bounced")]
    assert Recount(released, root).cap_violations()["two_shown"] == 0
    too_late = [*coats, outcome(1, 3_500, "bounced")]
    assert Recount(too_late, root).cap_violations()["two_shown"] == 1
    shown = [*coats, outcome(1, 1_500, "delivered"), outcome(1, 2_500, "bounced")]
    assert Recount(shown, root).cap_violations()["two_shown"] == 1


def test_the_script_finds_a_budget_overspent_by_a_cent(root):
    trips = [decision(n, n, "trip", customer_id=f"c{n}") for n in range(39)]
    report = Recount(trips, root).budget_report()["money"]
    assert (report["overspent"], report["fullest_period"], report["limit"]) == (0, 3_939, 3_999)
    more = [decision(100 + n, 130 + n, "card", customer_id=f"d{n}") for n in range(9)]
    report = Recount([*trips, *more], root).budget_report()["money"]
    assert (report["overspent"], report["fullest_period"]) == (1, 4_002)
    moved = [replaced(line, at_ms=60_000) for line in more]
    assert Recount([*trips, *moved], root).budget_report()["money"]["overspent"] == 0


def replaced(line: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**line, **changes}


def test_the_script_knows_what_a_budget_got_back(root):
    coats = [decision(n, 10, "coat") for n in (1, 2, 3)]
    ended = [outcome(1, 20, "delivered"), outcome(1, 30, "bounced"), outcome(2, 20, "bounced")]
    report = Recount([*coats, *ended], root).budget_report()["coats"]
    # One delivered; one bounced; one not heard of within two seconds.
    assert report["periods"] == {"0": 1}


def test_the_script_finds_an_answer_of_two_versions(root):
    versions = {"p": {"number": 1, "forbidden": ["coat"]}}
    assert Recount([decision(1, 1)], root).mixed_answers(versions) == 0
    assert Recount([decision(1, 1, "coat")], root).mixed_answers(versions) == 1
    other = {"p": {"number": 2, "forbidden": []}}
    assert Recount([decision(1, 1)], root).mixed_answers(other) == 1
