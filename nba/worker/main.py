"""The worker as a process: opens the stores, keeps the plan live, and loops until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable

from nba.bandits import CorrectionFitter
from nba.bootstrap import (
    Runtime,
    embedded_files,
    open_archives,
    open_log,
    open_registry,
    open_runtime,
    system_clock,
)
from nba.catalog.publications import Publication
from nba.decision.changes import change_faults
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer
from nba.decision.project import Project, load_project
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.errors import CorruptRecordError, DefinitionError, NbaError
from nba.features import FeatureSet
from nba.ledger.claims import Claims
from nba.ledger.log import DecisionLog
from nba.models import ModelRegistry
from nba.settings import Settings
from nba.worker.budgets import BudgetKeeper
from nba.worker.choosing import ChoiceWatcher, Spread
from nba.worker.erasing import Eraser
from nba.worker.fairness import FairnessCounter
from nba.worker.metrics import WorkerMetrics
from nba.worker.pointing import Pointing
from nba.worker.profiling import DailyProfiles
from nba.worker.publisher import Publisher
from nba.worker.records import Records
from nba.worker.rollout import RolloutRun, Stores
from nba.worker.runner import MAX_BUFFERED_ROWS, Share, Worker

EXPIRE_SECONDS = 1.0
FOLLOW_SECONDS = 0.1
PLAN_SECONDS = 0.5
PRUNE_SECONDS = 3_600.0
ERASE_SECONDS = 0.5
PROFILE_SECONDS = 60.0
BUDGET_SECONDS = 1.0
FAIRNESS_SECONDS = 2.0
BANDIT_SECONDS = 2.0

AUTHOR = "worker"
"""Who publishes, for the audit trail."""

_logger = logging.getLogger(__name__)


async def run_worker(settings: Settings, fitter: CorrectionFitter | None = None) -> None:
    """Work until SIGTERM or SIGINT; what is in memory is written before returning.

    ``fitter`` fits the bandit's forests; without one it learns online alone.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_runtime(settings) as runtime:
        # Only the first of the workers publishes.
        registry = _registry_if_installed(settings) if settings.worker_index == 0 else None
        log = open_log(settings)
        await WorkerProcess(runtime, log, registry, stop, fitter=fitter).run()


class WorkerProcess:
    """Everything the worker does, in turns, until ``stop`` is set.

    Parameters
    ----------
    log
        Where rows are written.
    registry
        Where models come from; ``None`` decides on priors.
    fitter
        Fits the bandit's forests; without one it learns online alone.

    """

    def __init__(
        self,
        runtime: Runtime,
        log: DecisionLog,
        registry: ModelRegistry | None,
        stop: asyncio.Event,
        *,
        fitter: CorrectionFitter | None = None,
    ) -> None:
        settings = runtime.settings
        self._share = Share(settings.worker_index, settings.worker_count)
        self._claims = Claims(runtime.ledger)
        self._runtime = runtime
        self._stop = stop
        records = Records(runtime.ledger, runtime.repository)
        self._budgets = BudgetKeeper(runtime.budgets, records, clock=runtime.clock)
        self._fairness = FairnessCounter(runtime.shared, records, clock=runtime.clock)
        self._choices = ChoiceWatcher()
        self._worker = Worker(
            runtime.ledger,
            log,
            runtime.control,
            runtime.repository,
            clock=runtime.clock,
            expiry_grace_ms=round(settings.expiry_grace_seconds * 1_000),
            eraser=Eraser(
                runtime.ledger,
                lambda: [log, *open_archives(settings)],
                folders=embedded_files(settings),
                clock=runtime.clock,
            ),
            watchers=(self._budgets, self._fairness, self._choices),
            fitter=fitter,
            share=self._share,
            alone_with_log=self._claims.log,
        )
        self._publisher = Publisher(
            runtime.control,
            registry,
            alias=settings.model_alias,
            clock=runtime.clock,
            four_eyes=settings.four_eyes,
            repository=runtime.repository,
        )
        self._pointing = Pointing(runtime.ledger, runtime.control)
        self._plan: Plan | None = None
        self._followed: Publication | None = None
        self._refused: Publication | None = None
        self._stores = Stores.of(runtime, log)
        self._bringing: asyncio.Task[None] | None = None
        self._metrics = WorkerMetrics()
        self._profiles = DailyProfiles(log, runtime.clock)
        self._profiling: asyncio.Task[int | None] | None = None

    async def run(self) -> None:
        """Work until told to stop; what is in memory is written before returning.

        Raises :class:`~nba.errors.ConflictError` where another worker has taken a partition over.
        """
        settings = self._runtime.settings
        if settings.worker_metrics_port:
            self._metrics.serve(settings.host, settings.worker_metrics_port)
        async with self._claims.on(self._share.partitions(settings.partitions), self._stop):
            if not self._stop.is_set():
                await self._work()

    async def _work(self) -> None:
        settings = self._runtime.settings
        chores = [
            _Chore(EXPIRE_SECONDS, self._worker.expire),
            _Chore(settings.flush_seconds, self._flush),
            _Chore(BANDIT_SECONDS, self._watch_bandit),
        ]
        if self._share.is_first:
            await self._guarded(self._start)
            chores += self._chores_of_one()
        while not self._stop.is_set():
            self._claims.check()
            done = 0
            if self._worker.buffered_rows <= MAX_BUFFERED_ROWS:
                done = await self._guarded(self._step) or 0
            else:
                await self._guarded(self._flush)
            now = asyncio.get_running_loop().time()
            for chore in chores:
                if chore.is_due(now):
                    await self._guarded(chore.work)
            if not done:
                await asyncio.sleep(settings.poll_seconds / 4)
        if self._bringing is not None:
            self._bringing.cancel()  # whoever publishes next goes on from there
        await self._guarded(self._step)
        await self._guarded(self._flush)
        if self._share.is_first:
            await self._guarded(self._worker.teacher.publish_snapshot)
        if self._profiling is not None:
            await self._profiling

    def _chores_of_one(self) -> list[_Chore]:
        """Return what is done once, however many workers there are."""
        snapshot_seconds = 2.0
        if self._plan is not None:
            snapshot_seconds = self._plan.source.bandit.snapshot_seconds
        teacher = self._worker.teacher
        return [
            _Chore(snapshot_seconds, teacher.publish_snapshot),
            _Chore(FOLLOW_SECONDS, self._follow_current),
            _Chore(PLAN_SECONDS, self._follow_models),
            _Chore(PRUNE_SECONDS, self._prune),
            _Chore(ERASE_SECONDS, self._worker.finish_erasures),
            _Chore(PROFILE_SECONDS, self._profile),
            _Chore(BUDGET_SECONDS, self._budgets.sweep),
            _Chore(FAIRNESS_SECONDS, self._judge),
            _Chore(BANDIT_SECONDS, teacher.adopt_saved),
        ]

    async def _guarded(self, work: Callable[[], Awaitable[int]]) -> int | None:
        """Do some work; what a store refused is said and tried again, as nothing was lost by it.

        Anything else is a fault of ours, after which nothing in memory can be trusted: it ends the
        process, and the next one goes on from what the stores hold.
        """
        try:
            return await work()
        except NbaError as error:
            _logger.warning("%s; trying again", error)
            self._metrics.refused()
            await asyncio.sleep(self._runtime.settings.poll_seconds)
            return None

    async def _start(self) -> bool:
        """Publish the project's files where nothing else has changed what is live since them.

        After a change set or a rollback only an explicit publication or promotion does.
        """
        if await asyncio.to_thread(self._publisher.files_lead):
            try:
                root = self._runtime.settings.project_dir
                project = await asyncio.to_thread(load_project, root)
                return await self._publish(project, "start of the worker")
            except NbaError as error:
                _logger.error("the project is not published; the last plan stays live:\n%s", error)  # noqa: TRY400  # faults are for people, a traceback is not
        return await self._follow_current()

    async def _follow_models(self) -> bool:
        """Publish what is live with a model that was promoted; return whether the plan changed."""
        if self._plan is None or not (self._bringing is None or self._bringing.done()):
            return False
        if not await asyncio.to_thread(self._publisher.models_moved, self._plan.source.specs):
            return False
        note = "a model was promoted"
        await asyncio.to_thread(lambda: self._publisher.promote(note=note, author=AUTHOR))
        return await self._follow_current()

    async def _follow_current(self) -> bool:
        """Teach under what was published last; replicas are pointed there before it is compiled."""
        latest = next(iter(await asyncio.to_thread(self._runtime.control.publications, 1)), None)
        if latest is None or latest in (self._followed, self._refused):
            return False
        try:
            await self._pointing.at_current()
            pointer = PlanPointer(latest.version)
            plan = await asyncio.to_thread(self._runtime.repository.get, pointer)
        except (CorruptRecordError, DefinitionError) as error:
            _logger.error("plan %s is refused; the last one stays live: %s", latest.version, error)  # noqa: TRY400  # faults are for people, a traceback is not
            self._refused = latest
            return False
        await asyncio.to_thread(self._publisher.follow, plan)
        pointer = await self._worker.teacher.follow(plan, latest.id)
        self._plan, self._followed = plan, latest
        versions = dict(plan.source.model_versions)
        _logger.info("plan %s is live, models %s", pointer.version, versions)
        return True

    async def _publish(self, project: Project, note: str) -> bool:
        """Publish a project; where profiles change with it, step by step and beside the loop."""
        current = await asyncio.to_thread(self._live_features)
        if current is not None:
            if faults := change_faults(project, current):
                raise DefinitionError(faults)
            if current.layout_id != project.features.layout_id:
                self._bringing = asyncio.create_task(self._bring_in(project, note))
                return await self._follow_current()
        await asyncio.to_thread(lambda: self._publisher.publish(project, note=note, author=AUTHOR))
        return await self._follow_current()

    def _live_features(self) -> FeatureSet | None:
        current = self._runtime.control.current()
        if current is None:
            return None
        try:
            return self._runtime.repository.get(PlanPointer(current)).features
        except CorruptRecordError:
            return None

    async def _bring_in(self, project: Project, note: str) -> None:
        publisher = self._publisher
        try:
            plan = await asyncio.to_thread(
                lambda: publisher.keep(project, note=note, author=AUTHOR)
            )
            run = RolloutRun(self._stores, AUTHOR, _told)
            await run.run(
                plan.digest,
                lambda: publisher.make_current(plan.digest, note=note, author=AUTHOR),
            )
        except NbaError as error:
            _logger.error("the project is not brought in; `nba publish` tries again: %s", error)  # noqa: TRY400  # the error says all

    async def _step(self) -> int:
        done = await self._worker.step()
        oldest_ms = self._worker.oldest_read_ms
        lag_ms = 0 if oldest_ms is None else max(system_clock() - oldest_ms, 0)
        self._metrics.stepped(done, lag_ms / MILLISECONDS_PER_SECOND)
        self._metrics.buffered(self._worker.buffered_rows)
        return done

    async def _flush(self) -> int:
        started = time.perf_counter()
        rows = await self._worker.flush()
        self._metrics.flushed(rows, time.perf_counter() - started)
        return rows

    async def _profile(self) -> int:
        """Start profiling the features of days that are over, beside the loop: it takes long."""
        if self._profiling is not None:
            if not self._profiling.done():
                return 0
            self._profiling.result()
        plan = self._plan
        if plan is not None:
            self._profiling = asyncio.create_task(self._guarded(lambda: self._profiled(plan)))
        return 1

    async def _profiled(self, plan: Plan) -> int:
        measured = await asyncio.to_thread(self._profiles.measure, plan)
        if not measured:
            return 0
        async with self._claims.log():
            report = await asyncio.to_thread(self._profiles.write, measured)
        if report is not None:
            self._metrics.profiled(report)
        return 0 if report is None else len(report.features)

    async def _judge(self) -> int:
        """Compare the groups of the live plan's fairness policies; return how many there are."""
        if self._plan is None:
            return 0
        rates = await self._fairness.judge(self._plan)
        self._metrics.judged(rates)
        return len(rates)

    async def _watch_bandit(self) -> int:
        """Show what the bandit learns and how choices spread; return how many are broken."""
        spreads = self._choices.spreads()
        self._metrics.chosen(spreads)
        if self._share.is_first:
            teacher = self._worker.teacher
            lag_ms = max(system_clock() - teacher.reached_ms, 0) if teacher.reached_ms else 0
            self._metrics.taught(teacher.learning, lag_ms / MILLISECONDS_PER_SECOND)
        return sum(found.spread is Spread.BROKEN for found in spreads)

    async def _prune(self) -> int:
        """Forget snapshots of the bandit that no record held can have been decided with."""
        before_ms = self._runtime.clock() - self._runtime.settings.record_ttl_ms
        return await asyncio.to_thread(self._runtime.control.prune_snapshots, before_ms)


def _told(step: str, done: int) -> None:
    _logger.info("a changed layout is brought in: %s %s", step, done or "")


class _Chore:
    """Something to do every so often."""

    def __init__(self, every_seconds: float, work: Callable[[], Awaitable[int]]) -> None:
        self._every_seconds = every_seconds
        self._next = 0.0
        self.work = work

    def is_due(self, now: float) -> bool:
        if now < self._next:
            return False
        self._next = now + self._every_seconds
        return True


def _registry_if_installed(settings: Settings) -> ModelRegistry | None:
    try:
        return open_registry(settings)
    except ImportError:
        _logger.warning("mlflow is not installed (extra `train`): deciding on priors")
        return None
