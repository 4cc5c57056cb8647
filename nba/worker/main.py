"""The worker as a process: opens the stores, and loops until told to stop.

One loop takes its share of the ledger to the log. Beside it the first of the workers has another,
which publishes and teaches. Neither waits for the other: they share only the stores.
"""

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
from nba.decision.plan import Plan
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.errors import NbaError
from nba.ledger.claims import Claims
from nba.ledger.log import DecisionLog
from nba.models import ModelRegistry
from nba.settings import Settings
from nba.worker.budgets import BudgetKeeper
from nba.worker.choosing import ChoiceWatcher, Spread
from nba.worker.erasing import Eraser
from nba.worker.fairness import FairnessCounter
from nba.worker.leading import Leader
from nba.worker.metrics import WorkerMetrics
from nba.worker.profiling import DailyProfiles
from nba.worker.records import Records
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
        self._leader: Leader | None = None
        if self._share.is_first:
            self._leader = Leader(runtime, log, registry, self._worker.teacher)
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
        loops = [self._join()]
        if self._leader is not None:
            loops.append(self._lead(self._leader))
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        if self._leader is not None:
            self._leader.stop()
        await self._guarded(self._step)
        await self._guarded(self._flush)
        if self._leader is not None:
            await self._guarded(self._worker.teacher.step)
            await self._guarded(self._worker.teacher.publish_snapshot)
        if self._profiling is not None:
            await self._profiling

    async def _join(self) -> None:
        """Take this worker's share to the log, whatever the teacher is at meanwhile."""
        chores = [
            _Chore(EXPIRE_SECONDS, self._worker.expire),
            _Chore(self._runtime.settings.flush_seconds, self._flush),
            _Chore(BANDIT_SECONDS, self._watch_choices),
        ]
        if self._leader is not None:  # what is done once, however many workers there are
            leader = self._leader
            chores += [
                _Chore(PRUNE_SECONDS, self._prune),
                _Chore(ERASE_SECONDS, self._worker.finish_erasures),
                _Chore(BUDGET_SECONDS, self._budgets.sweep),
                _Chore(FAIRNESS_SECONDS, lambda: self._judge(leader.plan)),
            ]
        await self._take_turns(self._step, chores)

    async def _lead(self, leader: Leader) -> None:
        """Publish, and teach from what all workers joined, as only the first of them does.

        To go on from a snapshot, or to begin anew after a promotion, takes up to some tens of
        seconds, in threads. Until then nobody is taught, and nothing else waits for it.
        """
        await self._guarded(leader.start)
        snapshot_seconds = 2.0
        if leader.plan is not None:
            snapshot_seconds = leader.plan.source.bandit.snapshot_seconds
        teacher = self._worker.teacher
        chores = [
            _Chore(snapshot_seconds, teacher.publish_snapshot),
            _Chore(FOLLOW_SECONDS, leader.follow_current),
            _Chore(PLAN_SECONDS, leader.follow_models),
            _Chore(BANDIT_SECONDS, teacher.adopt_saved),
            _Chore(BANDIT_SECONDS, self._watch_bandit),
            _Chore(PROFILE_SECONDS, lambda: self._profile(leader.plan)),
        ]
        await self._take_turns(teacher.step, chores)

    async def _take_turns(self, step: Callable[[], Awaitable[int]], chores: list[_Chore]) -> None:
        while not self._stop.is_set():
            self._claims.check()
            done = await self._guarded(step)
            now = asyncio.get_running_loop().time()
            for chore in chores:
                if chore.is_due(now):
                    await self._guarded(chore.work)
            if not done:
                await asyncio.sleep(self._runtime.settings.poll_seconds / 4)

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

    async def _step(self) -> int:
        if self._worker.buffered_rows > MAX_BUFFERED_ROWS:
            return await self._flush()
        done = await self._worker.join()
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

    async def _profile(self, plan: Plan | None) -> int:
        """Start profiling the features of days that are over, beside the loop: it takes long."""
        if self._profiling is not None:
            if not self._profiling.done():
                return 0
            self._profiling.result()
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

    async def _judge(self, plan: Plan | None) -> int:
        """Compare the groups of the live plan's fairness policies; return how many there are."""
        if plan is None:
            return 0
        rates = await self._fairness.judge(plan)
        self._metrics.judged(rates)
        return len(rates)

    async def _watch_choices(self) -> int:
        """Show how choices spread; return how many placements are broken."""
        spreads = self._choices.spreads()
        self._metrics.chosen(spreads)
        return sum(found.spread is Spread.BROKEN for found in spreads)

    async def _watch_bandit(self) -> int:
        """Show what the bandit learned, and how far it is behind; return that in milliseconds."""
        teacher = self._worker.teacher
        lag_ms = max(system_clock() - teacher.reached_ms, 0) if teacher.reached_ms else 0
        self._metrics.taught(teacher.learning, lag_ms / MILLISECONDS_PER_SECOND)
        return lag_ms

    async def _prune(self) -> int:
        """Forget snapshots of the bandit that no record held can have been decided with."""
        before_ms = self._runtime.clock() - self._runtime.settings.record_ttl_ms
        return await asyncio.to_thread(self._runtime.control.prune_snapshots, before_ms)


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
