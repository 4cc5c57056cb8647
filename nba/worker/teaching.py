"""Teaching the bandit: one process does, from what all workers joined, in the order of the ledger.

Whoever joined a resolution, and in which turn, makes no difference to what is learned: the teacher
reads the resolutions of all partitions in one order, as far as nothing can come between them any
more. So many workers reach the state that one would, to the byte, and it can be learned again from
the log. Learning one takes microseconds, where joining and writing it takes a hundred times that,
so it is the latter that is shared out.

It may be killed anywhere: a snapshot says how far in the ledger it has learned, and nothing beyond
is forgotten there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from nba.bandits import CorrectionFitter, Learner
from nba.catalog.store import ControlStore, Snapshot
from nba.decision.learned import LearnedStates, SnapshotWriter
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer
from nba.domain.clock import Clock
from nba.ledger.log import DecisionLog
from nba.ledger.positions import START, milliseconds, ordinal
from nba.ledger.store import EntryType, LedgerStore, Reader
from nba.worker.learning import PlanLearner
from nba.worker.lessons import MAX_LESSONS, Lessons
from nba.worker.pointing import Pointing, state_key
from nba.worker.records import UNREADABLE, Records, leave_out

BATCH = 500
"""Entries of a partition looked at at a time."""

_logger = logging.getLogger(__name__)


class Teacher:
    """Learns from every resolution in the ledger, and publishes what is known as snapshots.

    Parameters
    ----------
    ledger, log, control
        The stores.
    records
        What resolved decisions looked at.
    fitter
        Fits the bandit's forests; ``None`` does without.
    alone_with_log
        Holds others off the log while this one reads it.

    Attributes
    ----------
    reached_ms
        Up to when, by the store's clock, everything in the ledger is learned; 0 at the start.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        log: DecisionLog,
        control: ControlStore,
        records: Records,
        *,
        clock: Clock,
        fitter: CorrectionFitter | None = None,
        alone_with_log: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._alone_with_log = alone_with_log
        self._control = control
        self._records = records
        self._fitter = fitter
        self._pointing = Pointing(ledger, control)
        self._publication = 0
        self._states = LearnedStates(control, fitter)
        self._snapshots = SnapshotWriter(control, clock)
        self._learner: PlanLearner | None = None
        self._positions = dict.fromkeys(range(ledger.partitions), START)
        self._saved = dict(self._positions)
        self._advanced = dict(self._positions)
        self._taught = 0
        self._changed = False
        self._snapshot = 0
        self.reached_ms = 0

    @property
    def learning(self) -> Learner | None:
        """What the bandit knows now; ``None`` before a plan is followed."""
        return None if self._learner is None else self._learner.state

    async def follow(self, plan: Plan, publication: int = 0) -> PlanPointer:
        """Teach under a plan from now on; return the pointer replicas should follow.

        They are pointed there unless something later than ``publication`` was published, which is
        to be followed next. A plan with models that nothing was learned about yet is live at once
        and believes them; what is known beyond them follows as its first snapshot.
        """
        self._publication = publication
        current = self._learner
        if current is not None and current.key == state_key(plan.source):
            self._learner = PlanLearner(plan, current.learned)
        else:
            self._learner = await self._opened(plan)
        self._changed |= bool(self._learner.start_new())
        if not await self.publish_snapshot():
            await self._point(plan, self._snapshot)
        return PlanPointer(plan.digest, self._snapshot, publication)

    async def adopt_saved(self) -> bool:
        """Go on from a snapshot that somebody else saved, such as one rebuilt from the log."""
        learner = self._learner
        if learner is None:
            return False
        latest = await asyncio.to_thread(self._control.latest_snapshot, learner.key)
        if latest is None or latest.sequence <= self._snapshots.sequence:
            return False
        self._learner = await self._opened(learner.plan)
        await self._point(learner.plan, self._snapshot)
        _logger.info("bandit snapshot %d was saved by somebody else and is adopted", self._snapshot)
        return True

    async def step(self) -> int:
        """Learn what is new in the ledger once; return how much there was, or is still to come."""
        settled = await self._ledger.settled(self._positions, EntryType.RESOLUTION, BATCH)
        learner = self._learner
        if learner is not None:
            lessons = await Lessons(learner.plan).of_entries(settled.entries, self._records)
            if lessons:  # with thousands of them, or forests to fit, that takes seconds
                await asyncio.to_thread(learner.study, lessons)
        for partition, position in self._positions.items():
            self._positions[partition] = max(position, settled.until, key=ordinal)
        self.reached_ms = milliseconds(settled.until)
        return len(settled.entries) + settled.waiting

    async def publish_snapshot(self) -> bool:
        """Publish what the bandit learned since the last snapshot, if anything.

        Where somebody else saved a later one meanwhile, learning goes on from that one.
        """
        learner = self._learner
        if learner is None or (learner.state.updates == self._taught and not self._changed):
            return False
        if await self.adopt_saved():
            return True
        updates, positions = learner.state.updates, dict(self._positions)
        named = {str(partition): position for partition, position in positions.items()}
        sequence = await asyncio.to_thread(
            self._snapshots.save, learner.key, learner.learned, named
        )
        await self._point(learner.plan, sequence)
        self._snapshot, self._taught, self._saved = sequence, updates, positions
        self._changed = False
        return True

    async def advance(self) -> None:
        """Let the ledger forget what is learned and saved; at any time, whatever is under way."""
        learner = self._learner
        unsaved = learner is not None and learner.state.updates != self._taught
        # A copy, since more may be learned while the ledger is told.
        behind = dict(self._saved if unsaved else self._positions)
        for partition, position in behind.items():
            if ordinal(position) > ordinal(self._advanced[partition]):
                await self._ledger.advance(partition, Reader.BANDIT, position)
                self._advanced[partition] = position

    async def _opened(self, plan: Plan) -> PlanLearner:
        kept = await asyncio.to_thread(self._control.latest_snapshot, state_key(plan.source))
        # Until it is open nobody is taught, so that no snapshot can point back at the plan before.
        self._learner, self._snapshot, self._taught = None, 0, 0
        if kept is not None:
            self._snapshots.pass_by(kept)
            try:
                return await self._continued(plan, kept)
            except UNREADABLE as error:
                leave_out(f"snapshot {kept.sequence}", error)
        await self._point(plan, 0)
        return await self._begun(plan)

    async def _continued(self, plan: Plan, kept: Snapshot) -> PlanLearner:
        """Go on from a snapshot: learn what came after it, and remember what came before.

        The log is read once for both. What forests are fitted to next is known only by learning
        again, of up to :data:`~nba.worker.lessons.MAX_LESSONS`: that takes most of the time.
        """
        learned, forests = self._states.open(kept, plan.source.bandit)
        came = {p: kept.positions.get(str(p), START) for p in self._positions}
        remembers = self._fitter is not None and plan.source.bandit.forests
        gathered = await Lessons(plan, self._alone_with_log).all(
            self._log,
            self._records,
            origin=learned.origin,
            taught=came,
            most=MAX_LESSONS if remembers else 0,
        )
        if remembers:
            again = PlanLearner(plan, fitter=self._fitter)
            await asyncio.to_thread(again.study, gathered.known)
            learned.actions.remember(again.state)
        learner = PlanLearner(plan, learned)
        self._snapshot, self._taught = kept.sequence, learned.updates
        self._snapshots.continue_from(kept, learned, forests)
        await asyncio.to_thread(learner.study, gathered.lessons)
        self._positions, self._saved = dict(gathered.until), came
        return learner

    async def _begun(self, plan: Plan) -> PlanLearner:
        """Begin anew, with what ledger and log have that the models were not trained on."""
        lessons = Lessons(plan, self._alone_with_log)
        gathered = await lessons.all(self._log, self._records)
        learner = PlanLearner(plan, fitter=self._fitter, origin=gathered.origin)
        taught = await asyncio.to_thread(learner.study, gathered.lessons)
        _logger.info("bandit state %s taught %d resolutions", learner.key, taught)
        self._positions = dict(gathered.until)
        return learner

    async def _point(self, plan: Plan, snapshot: int) -> None:
        await self._pointing.at(PlanPointer(plan.digest, snapshot, self._publication))
