"""Replicas are pointed at what was published last, whatever anybody else does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import Shop, write_project

from nba.catalog.audit import AuditEntry
from nba.catalog.publications import Publication, PublicationDraft, Source
from nba.decision.learned import pack_learned
from nba.decision.plan import new_learner
from nba.decision.plans import PlanPointer, read_pointer
from nba.errors import CorruptRecordError
from nba.ledger.memory import MemoryLedger
from nba.worker.pointing import Pointing, state_key


class Interrupted(MemoryLedger):
    """A ledger in which something happens between reading the pointer and setting it."""

    def __init__(self) -> None:
        super().__init__({})
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def set_plan(self, pointer: bytes, *, expected: bytes | None) -> bool:
        """Let something happen first, once."""
        if self.meanwhile:
            await self.meanwhile.pop()()
        return await super().set_plan(pointer, expected=expected)


@dataclass
class Place:
    """A control store, a ledger, and a worker that teaches under some publication."""

    shop: Shop
    ledger: Interrupted = field(default_factory=Interrupted)
    learned: int = 0

    def __post_init__(self) -> None:
        self.pointing = Pointing(self.ledger, self.shop.control)
        self.taught = self.latest()

    def latest(self) -> Publication:
        """Return what was published last."""
        return self.shop.control.publications(1)[0]

    async def publish(self) -> None:
        """Publish another plan, and do not point at it."""
        project = self.shop.project
        first, *others = project.policies
        described = replace(first, description=f"number {self.latest().id + 1}")
        changed = replace(project, policies=(described, *others))
        self.shop.publisher.publish(changed, note="", author="test")

    async def point(self) -> None:
        """Point at what was published last."""
        await self.pointing.at_current()

    async def follow(self) -> None:
        """Let the worker teach under what was published last."""
        self.taught = self.latest()

    async def learn(self) -> None:
        """Let the worker publish a snapshot under what it teaches."""
        self.learned += 1
        state = pack_learned(new_learner(self.shop.plan.source.bandit), 0)
        key = state_key(self.shop.plan.source)
        self.shop.control.save_snapshot(self.learned, key, state, {}, at_ms=self.learned)
        await self.pointing.at(PlanPointer(self.taught.version, self.learned, self.taught.id))

    async def pointed(self) -> PlanPointer:
        """Return where replicas are pointed."""
        return read_pointer(await self.ledger.plan() or b"")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def place(root: Path) -> Place:
    return Place(Shop(root))


def test_who_published_points_with_the_latest_snapshot_of_the_same_models(place: Place) -> None:
    async def story() -> None:
        await place.point()
        assert await place.pointed() == PlanPointer(place.latest().version, 0, 1)
        await place.learn()
        await place.learn()
        await place.publish()
        await place.point()
        assert await place.pointed() == PlanPointer(place.latest().version, 2, 2)

    asyncio.run(story())


def test_nothing_published_is_nothing_to_point_at(place: Place) -> None:
    place.shop.control = type(place.shop.control)()

    async def story() -> None:
        pointing = Pointing(place.ledger, place.shop.control)
        assert await pointing.at_current() is None
        assert await place.ledger.plan() is None

    asyncio.run(story())


def test_a_worker_that_lags_behind_does_not_point_back(place: Place) -> None:
    async def story() -> None:
        await place.point()
        await place.publish()
        await place.point()
        await place.learn()  # under publication 1
        assert await place.pointed() == PlanPointer(place.latest().version, 0, 2)
        await place.follow()
        await place.learn()
        assert await place.pointed() == PlanPointer(place.latest().version, 2, 2)

    asyncio.run(story())


def test_a_snapshot_between_reading_and_setting_the_pointer_is_not_lost(place: Place) -> None:
    async def story() -> None:
        await place.point()
        await place.publish()
        place.ledger.meanwhile = [place.learn]
        await place.point()
        assert await place.pointed() == PlanPointer(place.latest().version, 1, 2)

    asyncio.run(story())


def test_models_that_nothing_was_learned_about_start_with_the_bandit_of_nothing(
    place: Place,
) -> None:
    async def story() -> None:
        await place.point()
        await place.learn()
        bandit = replace(place.shop.project.bandit, forgetting=0.9)
        project = replace(place.shop.project, bandit=bandit)
        place.shop.publisher.publish(project, note="", author="test")
        await place.point()
        assert await place.pointed() == PlanPointer(place.latest().version, 0, 2)

    asyncio.run(story())


def test_a_plan_that_cannot_be_read_is_not_pointed_at(place: Place) -> None:
    async def story() -> None:
        await place.point()
        before = await place.pointed()
        control = place.shop.control
        control.save_plan("torn", b"torn", note="", author="test", at_ms=1)
        entry = AuditEntry(at_ms=1, actor="test", verb="publish", subject="torn", detail="")
        draft = PublicationDraft(
            version="torn", source=Source.FILES, expected=1, at_ms=1, actor="test", entries=[entry]
        )
        control.publish(draft)
        with pytest.raises(CorruptRecordError):
            await place.point()
        assert await place.pointed() == before

    asyncio.run(story())


@pytest.mark.parametrize("packed", [b"\xff", PlanPointer("0123456789", 7, 99).to_bytes()])
def test_a_pointer_of_another_control_store_holds_nobody_up(place: Place, packed: bytes) -> None:
    async def story() -> None:
        await place.ledger.set_plan(packed, expected=None)
        await place.point()
        assert await place.pointed() == PlanPointer(place.latest().version, 0, 1)

    async def of_the_worker() -> None:
        before = await place.ledger.plan()
        await place.ledger.set_plan(packed, expected=before)
        await place.learn()
        assert await place.pointed() == PlanPointer(place.latest().version, 1, 1)

    asyncio.run(story())
    asyncio.run(of_the_worker())


STEPS = st.sampled_from(["publish", "point", "follow", "learn"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(STEPS, st.lists(STEPS, max_size=2)), max_size=8))
def test_in_whatever_order_replicas_never_go_back_and_end_at_the_last(
    root: Path, steps: list[tuple[str, list[str]]]
) -> None:
    place = Place(Shop(root))

    async def story() -> None:
        await place.point()
        reached = await place.pointed()
        for step, meanwhile in steps:
            place.ledger.meanwhile = [getattr(place, name) for name in meanwhile]
            await getattr(place, step)()
            place.ledger.meanwhile = []
            now = await place.pointed()
            assert now.publication >= reached.publication
            if now.publication == reached.publication:
                assert now.snapshot >= reached.snapshot
            reached = now
        await place.point()
        end = await place.pointed()
        assert (end.publication, end.digest) == (place.latest().id, place.latest().version)

    asyncio.run(story())
