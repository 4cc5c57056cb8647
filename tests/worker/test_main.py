"""The worker as it runs: what it publishes and follows, and that nothing it meets stops it."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest
from shop import NOW_MS, ask, stump, write_project
from stumps import fit_stump

from nba.bandits import CorrectionFitter
from nba.bandits.memory import Remembered
from nba.bandits.trees import CorrectionForest
from nba.bootstrap import Runtime, load_settings, open_log, open_runtime, system_clock
from nba.catalog.publications import PublicationDraft, Source
from nba.decision.learned import LearnedStates
from nba.decision.plans import PlanPointer, read_pointer
from nba.decision.project import load_project
from nba.decision.service import DecisionService
from nba.errors import UnavailableError
from nba.ledger.log import LogTable
from nba.ledger.records import OutcomeEntry
from nba.ledger.store import Written
from nba.models import MemoryModelRegistry
from nba.worker.main import WorkerProcess
from nba.worker.pointing import state_key
from nba.worker.publisher import ROLLBACK, Publisher


class Registry(MemoryModelRegistry):
    """A registry that may be away."""

    away = False

    def alias_version(self, name: str, alias: str) -> str | None:
        """Answer, unless it is away."""
        if self.away:
            raise UnavailableError("the registry is away")
        return super().alias_version(name, alias)


@dataclass
class Site:
    """A project, a store and a registry, and processes that come and go."""

    root: Path
    url: str
    registry: Registry
    runtime: Runtime

    @asynccontextmanager
    async def worker(self, fitter: CorrectionFitter = fit_stump) -> AsyncIterator[None]:
        """Run a worker process; it ends without an error."""
        stop = asyncio.Event()
        log = open_log(self.runtime.settings)
        process = WorkerProcess(self.runtime, log, self.registry, stop, fitter=fitter)
        task = asyncio.create_task(process.run())
        try:
            yield
        finally:
            stop.set()
            await task

    async def live(self) -> PlanPointer | None:
        """Return what replicas follow."""
        packed = await self.runtime.ledger.plan()
        return None if packed is None else read_pointer(packed)

    async def forget_pointer(self) -> None:
        """Let replicas follow nothing, so that what goes live is seen."""
        await self.runtime.connection.execute("DEL", self.runtime.ledger._keys.plan)

    async def goes_live(self, is_it: Callable[[PlanPointer], bool]) -> PlanPointer:
        """Wait until replicas follow such a plan."""
        found: list[PlanPointer] = []

        async def check() -> bool:
            pointer = await self.live()
            if pointer is not None and is_it(pointer):
                found.append(pointer)
            return bool(found)

        await until(check)
        return found[0]

    def publisher(self) -> Publisher:
        """Return a publisher, as the command line has it."""
        return Publisher(self.runtime.control, self.registry, alias="champion", clock=system_clock)

    def promote(self, low: float, high: float) -> None:
        """Register a model and move the alias to it."""
        model = stump(low, high)
        version = self.registry.register(model)
        self.registry.set_alias(model.name, "champion", version)


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def at_site(tmp_path: Path, valkey: str) -> Callable[[Callable[[Site], Awaitable[None]]], None]:
    """Run a check at a site of its own."""

    def run(check: Callable[[Site], Awaitable[None]]) -> None:
        async def main() -> None:
            settings = load_settings(
                project_dir=write_project(tmp_path / "project"),
                data_dir=tmp_path / "data",
                redis_url=valkey,
                key_prefix=uuid.uuid4().hex,
                poll_seconds=0.02,
                flush_seconds=0.05,
                expiry_grace_seconds=0.0,
            )
            async with open_runtime(settings) as runtime:
                await check(Site(settings.project_dir, valkey, Registry(), runtime))

        asyncio.run(main())

    return run


def test_at_its_start_it_publishes_the_projects_files(at_site):
    async def check(site: Site) -> None:
        async with site.worker():
            pointer = await site.goes_live(lambda _: True)
        assert site.runtime.control.current() == pointer.digest
        (row,) = site.runtime.control.audit_log(10)
        assert (row.actor, row.verb, row.subject) == ("worker", "publish", pointer.digest)

    at_site(check)


def test_started_again_on_the_same_files_it_publishes_nothing_new(at_site):
    async def check(site: Site) -> None:
        for _ in range(2):
            async with site.worker():
                await site.goes_live(lambda _: True)
        assert len(site.runtime.control.audit_log(10)) == 1

    at_site(check)


def test_a_promoted_model_goes_live_within_two_seconds(at_site):
    async def check(site: Site) -> None:
        async with site.worker():
            first = await site.goes_live(lambda _: True)
            site.promote(-2.0, -1.0)
            started = time.monotonic()
            second = await site.goes_live(lambda pointer: pointer.digest != first.digest)
            assert time.monotonic() - started < 2.0
        plan = site.runtime.repository.get(second)
        assert dict(plan.source.model_versions) == {"conversion": "1"}

    at_site(check)


def test_faulty_files_leave_the_last_plan_live(at_site, caplog):
    async def check(site: Site) -> None:
        async with site.worker():
            good = await site.goes_live(lambda _: True)
        write_project(site.root, policies=("customer.age", "customer.aeg"))
        await site.forget_pointer()
        async with site.worker():
            await site.goes_live(lambda pointer: pointer == good)
        assert "policies/policies.yaml:6" in caplog.text
        assert site.runtime.control.current() == good.digest

    at_site(check)


def test_with_faulty_files_and_no_plan_it_waits_for_one_to_be_published(at_site):
    async def check(site: Site) -> None:
        good = load_project(site.root)
        write_project(site.root, policies=("customer.age", "customer.aeg"))
        async with site.worker():
            await asyncio.sleep(0.1)
            assert await site.live() is None
            plan = site.publisher().publish(good, note="", author="anna")
            assert (await site.goes_live(lambda _: True)).digest == plan.digest

    at_site(check)


def test_without_its_registry_the_last_plan_goes_on_and_the_models_follow_later(at_site):
    async def check(site: Site) -> None:
        site.promote(-2.0, -1.0)
        async with site.worker():
            first = await site.goes_live(lambda _: True)
        site.registry.away = True
        site.promote(-3.0, -1.0)
        await site.forget_pointer()
        async with site.worker():
            assert await site.goes_live(lambda _: True) == first
            site.registry.away = False
            second = await site.goes_live(lambda pointer: pointer.digest != first.digest)
        versions = site.runtime.repository.get(second).source.model_versions
        assert dict(versions) == {"conversion": "2"}

    at_site(check)


def test_a_rollback_is_followed_and_survives_a_restart(at_site):
    async def check(site: Site) -> None:
        async with site.worker():
            first = await site.goes_live(lambda _: True)
        write_project(site.root, policies=("limit: 2", "limit: 3"))
        async with site.worker():
            second = await site.goes_live(lambda pointer: pointer.digest != first.digest)
            site.publisher().make_current(first.digest, note="", author="anna", verb=ROLLBACK)
            await site.goes_live(lambda pointer: pointer.digest == first.digest)
        await site.forget_pointer()
        async with site.worker():
            await site.goes_live(lambda pointer: pointer.digest == first.digest)
            site.publisher().publish(load_project(site.root), note="", author="anna")
            await site.goes_live(lambda pointer: pointer.digest == second.digest)

    at_site(check)


def test_a_plan_that_cannot_be_read_is_refused_and_work_goes_on(at_site, caplog):
    async def check(site: Site) -> None:
        control = site.runtime.control
        async with site.worker():
            good = await site.goes_live(lambda _: True)
            control.save_plan("0123456789", b"damaged", note="", author="x", at_ms=NOW_MS)
            (latest,) = control.publications(1)
            draft = PublicationDraft(
                version="0123456789",
                source=Source.CHANGE,
                expected=latest.id,
                at_ms=NOW_MS,
                actor="x",
                entries=(),
            )
            control.publish(draft)
            await until(lambda: said(caplog, "plan 0123456789 is refused"))
            assert await site.live() == good
            answer = await decide(site)
            await until(lambda: logged(site, LogTable.DECISIONS, answer["decision_id"]))

    at_site(check)


async def said(caplog, text: str) -> bool:
    return text in caplog.text


async def logged(site: Site, table: LogTable, decision_id: str) -> bool:
    frame = open_log(site.runtime.settings).scan(table).collect()
    return decision_id in frame["decision_id"].to_list()


async def decide(site: Site, customer: str = "anna", **changes: Any) -> dict:
    plan = site.runtime.repository.get(await site.live())
    service = DecisionService(
        lambda: plan,
        site.runtime.ledger,
        clock=site.runtime.clock,
        random_bits=site.runtime.random_bits,
    )
    return msgspec.json.decode(await service.decide(ask(customer, "web.hero", **changes)))


def test_what_was_decided_is_in_the_log_and_when_stopped_nothing_is_left_in_memory(at_site):
    async def check(site: Site) -> None:
        async with site.worker():
            await site.goes_live(lambda _: True)
            first = await decide(site)
            await until(lambda: logged(site, LogTable.DECISIONS, first["decision_id"]))
            last = await decide(site)
        assert await logged(site, LogTable.DECISIONS, last["decision_id"])

    at_site(check)


async def resolve(site: Site, number: int) -> str:
    """Let a customer answer a coat; return the decision, or nothing where there was no coat."""
    age = {"age": 20.0 + number % 41}
    answer = await decide(site, f"c{number}", actions=("coat",), attributes=age)
    if answer["choices"][0]["action"] != "coat":
        return ""
    entry = OutcomeEntry(
        outcome_id=f"o{number}",
        decision_id=answer["decision_id"],
        choice=0,
        kind="click" if number % 2 else "reject",
        at_ms=system_clock(),
        received_at_ms=system_clock(),
        value=None,
    )
    assert await site.runtime.ledger.report([entry]) == [Written.RECORDED]
    return str(answer["decision_id"])


async def has_learned(site: Site, count: int) -> bool:
    key = state_key(site.runtime.repository.get(await site.live()).source)
    kept = site.runtime.control.latest_snapshot(key)
    return kept is not None and LearnedStates(site.runtime.control).open(kept)[0].updates == count


def test_a_restarted_worker_joins_while_its_teacher_catches_up(at_site):
    """And then the bandit learns what was joined meanwhile."""
    entered, free = threading.Event(), threading.Event()

    def fit_when_free(rows: Remembered) -> CorrectionForest:
        entered.set()
        free.wait(60.0)
        return fit_stump(rows)

    async def check(site: Site) -> None:
        async with site.worker():
            await site.goes_live(lambda _: True)
            answered = [name for number in range(150) if (name := await resolve(site, number))]
            await until(lambda: has_learned(site, len(answered)), 30.0)
        live = await site.live()
        async with site.worker(fit_when_free):
            try:
                await until(lambda: asyncio.to_thread(entered.wait, 0.1))
                late = [name for number in range(150, 160) if (name := await resolve(site, number))]
                assert late
                await until(lambda: logged(site, LogTable.RESOLUTIONS, late[-1]))
                assert await site.live() == live
                assert await has_learned(site, len(answered))
            finally:
                free.set()
            await until(lambda: has_learned(site, len(answered) + len(late)))

    at_site(check)


def test_snapshots_that_no_held_record_needs_are_forgotten(at_site):
    async def check(site: Site) -> None:
        control = site.runtime.control
        for sequence in (1, 2, 3):
            control.save_snapshot(sequence, "key", b"", {}, sequence)
        async with site.worker():

            async def pruned() -> bool:
                return control.snapshot(1) is None

            await until(pruned)
        assert control.snapshot(3) is not None, "the latest of its key stays"

    at_site(check)


def test_features_are_profiled_and_shown_to_prometheus(
    at_site: Callable[[Callable[[Site], Awaitable[None]]], None],
) -> None:
    """A decision of two days ago, logged by a worker since gone, is profiled by the next one."""

    async def check(site: Site) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = site.runtime.settings.model_copy(update={"worker_metrics_port": port})
        site.runtime = replace(site.runtime, settings=settings)
        log = open_log(settings)
        ago = datetime.now(UTC) - timedelta(days=2)
        decided = pl.DataFrame({"decision_id": ["d"], "choice": [0], "at": [ago], "f_age": [30.0]})
        log.append(LogTable.DECISIONS, decided)
        async with site.worker(), httpx.AsyncClient() as client:

            async def is_shown() -> bool:
                try:
                    told = await client.get(f"http://127.0.0.1:{port}/metrics")
                except httpx.TransportError:
                    return False
                lag = re.search(r"^nba_bandit_lag_seconds (\S+)$", told.text, re.MULTILINE)
                keeps_up = lag is not None and 0.0 < float(lag[1]) < 30.0
                return keeps_up and 'nba_feature_null_rate{feature="age"} 0.0' in told.text

            await until(is_shown)
        profiles = log.scan(LogTable.FEATURE_PROFILES).collect()
        assert profiles["day"].to_list() == [ago.date()]
        assert profiles["mean"].to_list() == [30.0]

    at_site(check)
