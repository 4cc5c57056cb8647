"""A replica follows the pointer, and keeps its last good plan through whatever goes wrong."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nba.catalog.memory import MemoryControlStore
from nba.decision.learned import pack_learned
from nba.decision.plan import Plan, new_learner
from nba.decision.plans import PlanPointer, PlanRepository
from nba.decision.project import Project, load_project
from nba.errors import CorruptRecordError, NotFoundError, UnavailableError
from nba.features.rollout_memory import MemoryRolloutStore
from nba.ledger.memory import MemoryLedger
from nba.serving.follower import PlanFollower
from nba.worker.publisher import Publisher

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Setting:
    """A follower and what it follows; ``swapped`` holds the digests it made live."""

    project: Project
    control: MemoryControlStore = field(default_factory=MemoryControlStore)
    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger({}))
    swapped: list[str] = field(default_factory=list)
    broken: bool = False
    rollouts: MemoryRolloutStore = field(default_factory=lambda: MemoryRolloutStore({}, lambda: 1))
    warmed: Callable[[], object] = bool

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.control, None, alias="live", clock=lambda: 1)
        self.follower = self.replica()

    def replica(self) -> PlanFollower:
        """Return one more replica that has not looked yet."""
        repository = PlanRepository(self.control)
        return PlanFollower(
            self.ledger,
            self.rollouts,
            repository,
            replica="a",
            poll_seconds=0.001,
            swapped=self.warm,
        )

    def warm(self, plan: Plan) -> None:
        """Note that a plan is about to go live."""
        if self.broken:
            raise RuntimeError("it cannot decide")
        self.swapped.append(plan.digest)
        self.warmed()

    def publish(self, *, without: int = 0) -> str:
        """Publish the project without its last few policies; return the plan's digest."""
        kept = self.project.policies[: len(self.project.policies) - without]
        project = replace(self.project, policies=kept)
        return self.publisher.publish(project, note="", author="tests").digest

    def point(self, pointer: bytes) -> None:
        """Set the pointer."""
        asyncio.run(self.set_pointer(pointer))

    async def set_pointer(self, pointer: bytes) -> None:
        """Set the pointer, whatever it was."""
        assert await self.ledger.set_plan(pointer, expected=await self.ledger.plan())

    def follow(self) -> bool:
        """Look once."""
        return asyncio.run(self.follower.follow())


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


@pytest.fixture
def setting(project: Project) -> Setting:
    return Setting(project)


def test_before_a_plan_there_is_none(setting: Setting) -> None:
    assert setting.follow() is False
    assert setting.follower.plan() is None
    with pytest.raises(UnavailableError, match="no plan"):
        setting.follower.require()


def test_it_follows_the_pointer_and_swaps_once_for_each(setting: Setting) -> None:
    first, second = setting.publish(), setting.publish(without=1)
    assert first != second
    setting.point(PlanPointer(first).to_bytes())
    assert (setting.follow(), setting.follow()) == (True, False)
    assert setting.follower.require().version == f"{first}.0"
    setting.point(PlanPointer(second).to_bytes())
    assert (setting.follow(), setting.follow()) == (True, False)
    assert setting.follower.require().version == f"{second}.0"
    setting.point(PlanPointer(first).to_bytes())
    assert setting.follow() is True
    assert setting.swapped == [first, second, first]


def test_a_new_snapshot_of_the_same_plan_is_a_new_version(setting: Setting) -> None:
    digest = setting.publish()
    setting.point(PlanPointer(digest).to_bytes())
    setting.follow()
    state = pack_learned(new_learner(setting.follower.require().source.bandit), 0)
    setting.control.save_snapshot(7, "key", state, positions={}, at_ms=1)
    setting.point(PlanPointer(digest, 7).to_bytes())
    assert setting.follow() is True
    assert setting.follower.require().version == f"{digest}.7"
    setting.point(PlanPointer(digest, 8).to_bytes())
    with pytest.raises(NotFoundError):
        setting.follow()
    assert setting.follower.require().version == f"{digest}.7"


def test_a_later_publication_of_what_is_followed_is_nothing_new(setting: Setting) -> None:
    digest = setting.publish()
    setting.point(PlanPointer(digest, 0, 1).to_bytes())
    assert setting.follow() is True
    setting.point(PlanPointer(digest, 0, 3).to_bytes())
    assert setting.follow() is False
    assert setting.swapped == [digest]


@pytest.mark.parametrize("pointer", [b"", b"\xff", b"\x93\x01\x02\x03", b"plan"])
def test_a_pointer_that_is_none_leaves_the_last_good_plan(setting: Setting, pointer: bytes) -> None:
    digest = setting.publish()
    setting.point(PlanPointer(digest).to_bytes())
    setting.follow()
    setting.point(pointer)
    with pytest.raises(CorruptRecordError):
        setting.follow()
    assert setting.follower.require().digest == digest


def test_a_plan_the_store_does_not_have_yet_is_tried_again(setting: Setting) -> None:
    first = setting.publish()
    setting.point(PlanPointer(first).to_bytes())
    setting.follow()
    elsewhere = Setting(setting.project)
    late = elsewhere.publish(without=1)
    setting.point(PlanPointer(late).to_bytes())
    for _ in range(2):
        with pytest.raises(NotFoundError):
            setting.follow()
    assert setting.follower.require().digest == first
    assert setting.publish(without=1) == late
    assert setting.follow() is True
    assert setting.follower.require().digest == late


def test_an_artifact_that_cannot_be_read_is_tried_once(setting: Setting) -> None:
    first = setting.publish()
    setting.point(PlanPointer(first).to_bytes())
    setting.follow()
    setting.control.save_plan("torn", b"\xc1", note="", author="tests", at_ms=1)
    setting.point(PlanPointer("torn").to_bytes())
    with pytest.raises(CorruptRecordError):
        setting.follow()
    assert setting.follow() is False
    assert setting.follower.require().digest == first
    setting.point(PlanPointer(setting.publish(without=1)).to_bytes())
    assert setting.follow() is True


def test_a_plan_that_cannot_decide_never_goes_live(setting: Setting) -> None:
    first, second = setting.publish(), setting.publish(without=1)
    setting.point(PlanPointer(first).to_bytes())
    setting.follow()
    setting.broken = True
    setting.point(PlanPointer(second).to_bytes())
    with pytest.raises(RuntimeError):
        setting.follow()
    assert setting.follower.require().digest == first


def test_it_goes_on_following_after_an_error(setting: Setting) -> None:
    digest = setting.publish()

    async def run() -> None:
        live = asyncio.Event()
        loop = asyncio.get_running_loop()
        setting.warmed = lambda: loop.call_soon_threadsafe(live.set)
        await setting.set_pointer(b"\xff")
        await setting.follower.start()
        assert setting.follower.plan() is None
        task = asyncio.create_task(setting.follower.run())
        await asyncio.sleep(0.01)
        await setting.set_pointer(PlanPointer(digest).to_bytes())
        async with asyncio.timeout(10):
            await live.wait()
            while setting.follower.plan() is None:  # noqa: ASYNC110  # it is live a moment later
                await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    assert setting.follower.require().digest == digest


def said(setting: Setting) -> str:
    """Return the plan that the replica said it follows; empty while it has not let go."""
    return asyncio.run(setting.rollouts.replicas())["a"].digest


def test_it_says_what_it_follows_once_nothing_holds_what_was_before(setting: Setting) -> None:
    first, second = setting.publish(), setting.publish(without=1)
    setting.point(PlanPointer(first).to_bytes())
    setting.follow()
    assert said(setting) == first
    under_way = setting.follower.require().features
    setting.point(PlanPointer(second).to_bytes())
    assert setting.follow() is True
    assert setting.follower.require().digest == second
    assert said(setting) == ""
    del under_way
    assert setting.follow() is False
    assert said(setting) == second


def test_what_only_a_cycle_holds_is_searched_for_later_and_ever_more_rarely(
    setting: Setting,
) -> None:
    first, second = setting.publish(), setting.publish(without=1)
    setting.point(PlanPointer(first).to_bytes())
    setting.follow()
    cycle: list[object] = [setting.follower.require().features]
    cycle.append(cycle)
    kept = cycle[0]
    setting.point(PlanPointer(second).to_bytes())
    gc.disable()
    try:
        setting.follow()
        del cycle
        setting.follower._collect_at = 0.0  # a second later, while it is still held
        setting.follow()
        assert said(setting) == ""
        assert setting.follower._patience_seconds == 2.0
        del kept
        setting.follower._collect_at = 0.0
        setting.follow()
        assert said(setting) == second
    finally:
        gc.enable()
        gc.unfreeze()
