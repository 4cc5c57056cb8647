"""The reference retailer's world, small, and a port that remembers what it was told."""

import asyncio
from pathlib import Path

import pytest

from nba.decision.artifact import pack_plan, unpack_plan, version_of
from nba.decision.plan import compile_plan
from nba.decision.project import load_project
from nba.domain.clock import ManualClock
from nba.simulator.service import InProcessService
from nba.simulator.world import build_world

ROOT = Path(__file__).parents[2]
START_MS = 1_741_000_000_000  # 2025-03-03


@pytest.fixture(scope="session")
def project():
    return load_project(ROOT)


@pytest.fixture(scope="session")
def artifact(project):
    return pack_plan(project, {})


@pytest.fixture(scope="session")
def plan(artifact):
    return compile_plan(unpack_plan(artifact), digest=version_of(artifact))


@pytest.fixture(scope="session")
def world(project):
    return build_world(project.catalog, seed=11, start_ms=START_MS, customers=600)


@pytest.fixture(scope="session")
def arrivals(world):
    return world.arrivals(stream=2, count=400, start_ms=START_MS, days=5.0)


@pytest.fixture(scope="session")
def make_service(artifact, plan):
    def make(arbiter, clock):
        return InProcessService(artifact, clock=clock, seed=3, arbiter=arbiter, plan=plan)

    return make


class RecordingPort:
    """Answers every request with one action; what has the same id again changes nothing."""

    def __init__(self, clock, *, action="women_new_season"):
        self.clock = clock
        self.action = action
        self.profiles = []
        self.tracked = {}
        self.asked = {}
        self.reported = {}
        self.under_way = 0
        self.most_under_way = 0

    async def put_customer(self, customer_id, body):
        """Remember the profile."""
        self.profiles.append((customer_id, body, self.clock()))

    async def events(self, batch):
        """Remember each event once."""
        for body in batch:
            self.tracked.setdefault(body["messageId"], (body, self.clock()))

    async def decide(self, request):
        """Answer with the one action."""
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        self.asked.setdefault(request["request_id"], (request, self.clock()))
        choice = {"action": self.action, "content": None}
        decision_id = f"d-{request['request_id']}"
        return {
            "decision_id": decision_id,
            "choices": [choice],
            "holdout": False,
            "fallback": False,
        }

    async def outcomes(self, batch):
        """Remember each outcome once."""
        for body in batch:
            self.reported.setdefault(body["outcome_id"], (body, self.clock()))
        return [{"outcome_id": body["outcome_id"], "status": "recorded"} for body in batch]


@pytest.fixture
def clock():
    return ManualClock(START_MS)


@pytest.fixture
def port(clock):
    return RecordingPort(clock)
