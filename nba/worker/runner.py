"""The worker's loop: read the ledger in order, join, learn, expire, write the log.

It may be killed anywhere. Resolutions are written once by the store; every table of the log and
every snapshot of the bandit carries how far in each partition it has come; the ledger is trimmed
only behind all of them. So starting again repeats nothing and loses nothing.

A step joins before it takes note, and takes note without waiting for anything: where a store fails
in between, the same entries are simply read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nba.bandits import CorrectionFitter, HybridLearner
from nba.catalog.store import ControlStore
from nba.decision.answer import said_choices
from nba.decision.learned import LearnedStates, SnapshotWriter
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository
from nba.decision.recording import named_features, recorded_features
from nba.domain.clock import Clock
from nba.domain.customer import EventEntry, UpdateEntry
from nba.domain.ids import DecisionId
from nba.domain.outcome import ResolutionKind
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import START, milliseconds, ordinal
from nba.ledger.records import OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import EntryType, LedgerEntry, LedgerStore
from nba.worker.erasing import Eraser
from nba.worker.learning import Learner
from nba.worker.pointing import Pointing
from nba.worker.records import UNREADABLE, Held, Records, leave_out
from nba.worker.resolving import Resolver
from nba.worker.rows import decision_rows, outcome_row, resolution_row
from nba.worker.writing import LogWriter

BATCH = 500
"""Entries read from one partition at a time, and choices expired at a time."""

MAX_BUFFERED_ROWS = 20_000

_logger = logging.getLogger(__name__)

_TABLES = {
    EntryType.DECISION: LogTable.DECISIONS,
    EntryType.OUTCOME: LogTable.OUTCOMES,
    EntryType.RESOLUTION: LogTable.RESOLUTIONS,
    EntryType.EVENT: LogTable.EVENTS,
    EntryType.UPDATE: LogTable.UPDATES,
}


@dataclass(slots=True)
class _Batch:
    """Entries read at once, unpacked, with the records they are about."""

    entries: list[LedgerEntry]
    outcomes: dict[LedgerEntry, OutcomeEntry] = field(default_factory=dict)
    resolutions: dict[LedgerEntry, ResolutionEntry] = field(default_factory=dict)
    decided: list[DecisionId] = field(default_factory=list)
    held: Held = field(default_factory=dict)


class Watcher(Protocol):
    """Takes note of what the ledger says; may be told the same again after a restart."""

    async def take(
        self, entries: Sequence[LedgerEntry], outcomes: Sequence[OutcomeEntry], held: Held
    ) -> None:
        """Take note of entries, the outcomes in them and before, and the records at hand."""
        ...


class Worker:
    """Processes the ledger of all partitions.

    Parameters
    ----------
    ledger, log, control
        The stores.
    repository
        Plans by version, to read what a decision looked at.
    clock
        Decides what is due.
    source
        Written into the log with each decision (``live``, ``history``).
    expiry_grace_ms
        How long after its horizon a choice still waits for what is on its way.
    eraser
        Erases customers; by default from ``log`` alone.
    watchers
        Told of every batch, once it is joined.
    fitter
        Fits the bandit's forests; ``None`` does without.

    Attributes
    ----------
    oldest_read_ms
        When the oldest entry of the last step was written to the ledger; ``None`` for no entries.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        log: DecisionLog,
        control: ControlStore,
        repository: PlanRepository,
        *,
        clock: Clock,
        source: str = "live",
        expiry_grace_ms: int = 60_000,
        eraser: Eraser | None = None,
        watchers: Sequence[Watcher] = (),
        fitter: CorrectionFitter | None = None,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._control = control
        self._clock = clock
        self._eraser = eraser or Eraser(ledger, lambda: [log], clock=clock)
        self._watchers = watchers
        self._source = source
        self._records = Records(ledger, repository)
        self._resolver = Resolver(ledger, self._records, clock=clock, grace_ms=expiry_grace_ms)
        self._positions = dict.fromkeys(range(ledger.partitions), START)
        self._writer = LogWriter(log, ledger.partitions)
        self._pointing = Pointing(ledger, control)
        self._publication = 0
        self._fitter = fitter
        self._states = LearnedStates(control, fitter)
        self._snapshots = SnapshotWriter(control, clock)
        self._learner: Learner | None = None
        self._taught = 0
        self._changed = False
        self._snapshot = 0
        self._saved: Mapping[str, str] = {}
        self.oldest_read_ms: int | None = None

    async def follow(self, plan: Plan, publication: int = 0) -> PlanPointer:
        """Teach under a plan from now on; return the pointer replicas should follow.

        They are pointed there unless something later than ``publication`` was published, which is
        to be followed next. A plan with models that nothing was learned about yet is live at once
        and believes them; what the log knows beyond them follows as its first snapshot.
        """
        self._publication = publication
        current = self._learner
        fresh = Learner(plan, None, {}, self._fitter)
        if current is not None and current.key == fresh.key:
            self._learner = Learner(plan, current.learned, current.positions)
        else:
            self._learner = await self._opened(fresh)
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
        fresh = Learner(learner.plan, None, {}, self._fitter)
        self._learner = await self._opened(fresh)
        await self._point(learner.plan, self._snapshot)
        _logger.info("bandit snapshot %d was saved by somebody else and is adopted", self._snapshot)
        return True

    async def _opened(self, fresh: Learner) -> Learner:
        kept = await asyncio.to_thread(self._control.latest_snapshot, fresh.key)
        # Until it is open nobody is taught, so that no snapshot can point back at the plan before.
        self._learner, self._snapshot, self._taught, self._saved = None, 0, 0, {}
        if kept is not None:
            self._snapshots.pass_by(kept)
            try:
                learned, forests = self._states.open(kept, fresh.plan.source.bandit)
            except UNREADABLE as error:
                leave_out(f"snapshot {kept.sequence}", error)
            else:
                self._snapshot, self._taught = kept.sequence, learned.updates
                self._snapshots.continue_from(kept, learned, forests)
                self._saved = kept.positions
                if self._fitter is not None and fresh.plan.source.bandit.forests:
                    await asyncio.to_thread(fresh.warm, self._log)
                    learned.actions.remember(fresh.state)
                self._go_back(kept.positions)
                return Learner(fresh.plan, learned, kept.positions)
        await self._point(fresh.plan, 0)
        await self.flush()
        warmed = await asyncio.to_thread(fresh.warm, self._log)
        await asyncio.to_thread(fresh.state.refit_if_due)
        _logger.info("bandit state %s taught %d resolutions from the log", fresh.key, warmed)
        for partition, position in self._positions.items():
            logged = self._writer.written(LogTable.RESOLUTIONS, partition)
            fresh.reach(partition, max(position, logged, key=ordinal))
        return fresh

    def _go_back(self, positions: Mapping[str, str]) -> None:
        """Read again what a snapshot has not learned; nothing else takes note of it twice."""
        for partition, position in self._positions.items():
            learned = positions.get(str(partition), START)
            self._positions[partition] = min(position, learned, key=ordinal)

    async def _point(self, plan: Plan, snapshot: int) -> None:
        await self._pointing.at(PlanPointer(plan.digest, snapshot, self._publication))

    async def step(self) -> int:
        """Process what is new in the ledger once; return how many entries."""
        entries = await self._ledger.entries(self._positions, BATCH)
        written = (milliseconds(entry.position) for entry in entries)
        self.oldest_read_ms = min(written, default=None)
        if not entries:
            return 0
        batch = await self._read(entries)
        early = await self._records.reported(batch.decided)
        outcomes = [*early, *batch.outcomes.values()]
        await self._resolver.join(outcomes, batch.held)
        for watcher in self._watchers:
            await watcher.take(entries, outcomes, batch.held)
        for entry in entries:
            if entry.type is EntryType.ERASURE:
                await self._erase(entry)
            else:
                self._note(entry, batch)
                await self._refit()
            self._positions[entry.partition] = entry.position
            if self._learner is not None:
                self._learner.reach(entry.partition, entry.position)
        return len(entries)

    async def _refit(self) -> None:
        """Fit the bandit's forests where that is due; nothing is learned meanwhile."""
        learner = self._learner
        if learner is not None and learner.state.refit_due:
            await asyncio.to_thread(learner.state.refit)

    async def expire(self) -> int:
        """Resolve choices whose horizon has passed; return how many there were."""
        return await self._resolver.expire(BATCH)

    async def finish_erasures(self) -> int:
        """Go one step further with erasures that only wait for the store's files."""
        return await self._eraser.finish()

    async def flush(self) -> int:
        """Append what waits to the log and forget the ledger behind it; return rows written."""
        rows = await self._writer.flush(self._positions)
        await self._trim()
        return rows

    async def publish_snapshot(self) -> bool:
        """Publish what the bandit learned since the last snapshot, if anything.

        Where somebody else saved a later one meanwhile, learning goes on from that one.
        """
        learner = self._learner
        if learner is None or (learner.state.updates == self._taught and not self._changed):
            return False
        if await self.adopt_saved():
            return True
        updates, positions = learner.state.updates, dict(learner.positions)
        sequence = await asyncio.to_thread(
            self._snapshots.save, learner.key, learner.learned, positions
        )
        await self._point(learner.plan, sequence)
        self._snapshot, self._taught, self._saved = sequence, updates, positions
        self._changed = False
        return True

    @property
    def learning(self) -> HybridLearner | None:
        """What the bandit knows now; ``None`` before a plan is followed."""
        return None if self._learner is None else self._learner.state

    @property
    def buffered_rows(self) -> int:
        """Rows not yet in the log."""
        return self._writer.buffered_rows

    async def _read(self, entries: list[LedgerEntry]) -> _Batch:
        batch = _Batch(entries)
        for entry in entries:
            try:
                if entry.type is EntryType.OUTCOME:
                    batch.outcomes[entry] = unpack(entry.body, OutcomeEntry)
                elif entry.type is EntryType.RESOLUTION:
                    batch.resolutions[entry] = unpack(entry.body, ResolutionEntry)
                elif entry.type is EntryType.DECISION:
                    batch.decided.append(DecisionId(entry.body.decode()))
            except UNREADABLE as error:
                leave_out(_named(entry), error)
        outcomes = (found.decision_id for found in batch.outcomes.values())
        resolutions = (found.decision_id for found in batch.resolutions.values())
        ids = dict.fromkeys([*batch.decided, *map(DecisionId, (*outcomes, *resolutions))])
        batch.held = await self._records.load(list(ids))
        return batch

    async def _erase(self, entry: LedgerEntry) -> None:
        """Forget a customer in the log too, after what was buffered before it is written."""
        await self.flush()
        if entry.body:
            await self._eraser.erase(entry)

    def _note(self, entry: LedgerEntry, batch: _Batch) -> None:
        """Put one entry into the log's buffer and teach the bandit from it, each once."""
        table = _TABLES[entry.type]
        try:
            if self._writer.lacks(table, entry):
                self._write(table, entry, batch)
            if entry in batch.resolutions:
                self._teach(entry, batch.resolutions[entry], batch.held)
        except UNREADABLE as error:
            leave_out(_named(entry), error)

    def _write(self, table: LogTable, entry: LedgerEntry, batch: _Batch) -> None:
        if entry.type is EntryType.DECISION:
            record = batch.held.get(entry.body.decode())
            if record is not None:
                plan = self._records.plan_of(record)
                rows = decision_rows(record, plan, source=self._source)
                self._writer.add_decision(rows, plan)
        elif entry.type is EntryType.EVENT:
            self._writer.add_event(unpack(entry.body, EventEntry))
        elif entry.type is EntryType.UPDATE:
            self._writer.add_update(unpack(entry.body, UpdateEntry))
        elif entry in batch.outcomes:
            self._writer.add(table, outcome_row(batch.outcomes[entry]))
        elif entry in batch.resolutions:
            self._writer.add(table, resolution_row(batch.resolutions[entry]))

    def _teach(self, entry: LedgerEntry, resolution: ResolutionEntry, held: Held) -> None:
        learner = self._learner
        record = held.get(resolution.decision_id)
        if learner is None or record is None or learner.knows(entry.partition, entry.position):
            return
        if resolution.kind not in (ResolutionKind.REWARDED, ResolutionKind.EXPIRED):
            return
        plan = self._records.plan_of(record)
        row = recorded_features(record)
        if plan.digest != learner.plan.digest:
            row = learner.row_of(named_features(plan.features, row))
        choice = said_choices(record.answer)[resolution.choice]
        about = choice["placement"], choice["action"], resolution.label, choice["content"]
        learner.learn(row, *about)

    async def _trim(self) -> None:
        """Forget entries that the log and the saved state of the bandit are both past."""
        learner = self._learner
        unsaved = learner is not None and learner.state.updates != self._taught
        for partition, position in self._positions.items():
            before = self._saved.get(str(partition), START) if unsaved else position
            if before != START:
                await self._ledger.trim(partition, before)


def _named(entry: LedgerEntry) -> str:
    return f"entry {entry.position} of partition {entry.partition}"
