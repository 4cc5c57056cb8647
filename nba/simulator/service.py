"""The whole service in this process, on memory: for history, baselines, and tests of learning.

The same pipeline, the same worker; only the stores are in memory and time is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba.bandits import CorrectionFitter
from nba.catalog.memory import MemoryControlStore
from nba.decision.arbitration import Arbiter
from nba.decision.artifact import unpack_plan, version_of
from nba.decision.budgeting import Shared, Spending, read_shared
from nba.decision.noting import open_profiles
from nba.decision.outcomes import OutcomeResult, OutcomeService
from nba.decision.plan import Plan, compile_plan
from nba.decision.plans import PlanRepository, read_pointer
from nba.decision.service import DecisionService
from nba.domain.clock import Clock
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.decision import DecisionRequest
from nba.domain.outcome import Outcome
from nba.features import MemoryProfileStore
from nba.ledger.budgets_memory import MemoryBudgets
from nba.ledger.log import DecisionLog
from nba.ledger.memory import MemoryLedger
from nba.ledger.memory_log import MemoryLog
from nba.ledger.shared_memory import MemoryShared
from nba.worker.budgets import BudgetKeeper
from nba.worker.fairness import FairnessCounter
from nba.worker.records import Records
from nba.worker.runner import BATCH, Worker

_WORK_EVERY = 200


class InProcessService:
    """Decides, takes outcomes in and learns, all in one process and one thread.

    Parameters
    ----------
    artifact
        The plan to decide under.
    arbiter
        Replaces the plan's arbitration; with one, nothing is learned.
    log
        Where decisions and outcomes are written; ``None`` keeps no log and does no joining.
    source
        Written into the log with each decision.
    seed
        Of everything drawn.
    fitter
        Fits the bandit's forests; ``None`` does without.

    """

    def __init__(
        self,
        artifact: bytes,
        *,
        clock: Clock,
        arbiter: Arbiter | None = None,
        log: DecisionLog | None = None,
        source: str = "history",
        seed: int = 0,
        plan: Plan | None = None,
        fitter: CorrectionFitter | None = None,
    ) -> None:
        digest = version_of(artifact)
        self._plan = plan or compile_plan(unpack_plan(artifact), digest=digest)
        self._learns = arbiter is None
        self._rng = np.random.default_rng(seed)
        profiles: dict[str, bytes] = {}
        self._ledger = MemoryLedger(profiles)
        store = MemoryProfileStore(
            profiles, self._ledger.append_entry, clock, histories=self._ledger.histories
        )
        self._profiles, noting = open_profiles(
            store, lambda: self._plan.features, clock, self._ledger, lambda: self._plan
        )
        self._outcomes = OutcomeService(
            self._ledger,
            clock=clock,
            plan=lambda: self._plan,
            interact=self._profiles.interact,
            noting=noting,
        )
        self._clock = clock
        self._budgets = MemoryBudgets(clock)
        self._tallies = MemoryShared(partitions=self._ledger.partitions)
        self._shared: Shared = {}
        self._spending = Spending(self._budgets, lambda _code, _state: None)
        self._decisions = DecisionService(
            lambda: self._plan,
            self._ledger,
            clock=clock,
            random_bits=self._random_bits,
            arbiter=arbiter,
            shared=lambda: self._shared,
            spending=self._spending,
        )
        control = MemoryControlStore()
        control.save_plan(digest, artifact, note="", author=source, at_ms=clock())
        self._repository = PlanRepository(control)
        records = Records(self._ledger, self._repository)
        self._keeper = BudgetKeeper(self._budgets, records, clock=clock)
        self._fairness = FairnessCounter(self._tallies, records, clock=clock)
        self._worker: Worker | None = None
        if log is not None or self._learns:
            self._worker = Worker(
                self._ledger,
                log if log is not None else MemoryLog(),
                control,
                self._repository,
                clock=clock,
                source=source,
                watchers=(self._keeper, self._fairness),
                fitter=fitter,
            )
        self._decided = 0

    async def put_customer(self, update: ProfileUpdate) -> object:
        """Create or change a customer's profile."""
        return await self._profiles.put(update)

    async def record_events(self, events: Sequence[Event]) -> object:
        """Take events in."""
        return await self._profiles.ingest(events)

    async def decide(self, request: DecisionRequest) -> bytes:
        """Return the answer as JSON."""
        self._decided += 1
        if self._decided % _WORK_EVERY == 0:
            await self.work()
        self._shared = await read_shared(
            self._plan.source, self._budgets, self._tallies, self._clock()
        )
        answer = await self._decisions.decide(request)
        await self._spending.finish()
        return answer

    async def report(self, outcomes: Sequence[Outcome]) -> Sequence[OutcomeResult]:
        """Take outcomes in and answer each."""
        return await self._outcomes.report(outcomes)

    async def work(self) -> None:
        """Let the worker catch up: join, expire, learn; the plan follows what it learned."""
        if self._worker is None:
            return
        if self._learns and self._decided == _WORK_EVERY:
            await self._worker.teacher.follow(self._plan)
        while await self._worker.step() or await self._worker.expire() >= BATCH:
            pass
        await self._keeper.sweep()
        await self._fairness.judge(self._plan)
        if self._learns and await self._worker.teacher.publish_snapshot():
            pointer = read_pointer(await self._ledger.plan() or b"")
            self._plan = self._repository.get(pointer)

    async def finish(self) -> None:
        """Join and expire what is due now, and write the log."""
        await self.work()
        if self._worker is not None:
            while await self._worker.step() or await self._worker.expire():
                pass
            await self._worker.flush()

    def _random_bits(self, count: int) -> int:
        return int(self._rng.integers(0, 1 << count, dtype=np.int64, endpoint=False))
