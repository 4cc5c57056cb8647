"""The worker's loop: read its share of the ledger in order, join, expire, write the log; and teach.

It may be killed anywhere. Resolutions are written once by the store; every table of the log carries
how far in each partition it has come; the ledger is forgotten only behind that and behind what the
bandit has saved. So starting again repeats nothing and loses nothing.

A step joins before it takes note, and takes note without waiting for anything: where a store fails
in between, the same entries are simply read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from nba.bandits import CorrectionFitter
from nba.catalog.store import ControlStore
from nba.decision.plans import PlanRepository
from nba.domain.clock import Clock
from nba.domain.customer import EventEntry, UpdateEntry
from nba.domain.ids import DecisionId
from nba.errors import ConflictError
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import START, milliseconds, ordinal
from nba.ledger.records import OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import EntryType, LedgerEntry, LedgerStore, Reader
from nba.worker.erasing import Eraser
from nba.worker.records import UNREADABLE, Held, Records, leave_out
from nba.worker.resolving import Resolver
from nba.worker.rows import decision_rows, outcome_row, resolution_row
from nba.worker.teaching import Teacher
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


@dataclass(frozen=True, slots=True)
class Share:
    """What one of ``count`` workers does: every ``count``-th partition, from its ``index`` on.

    The first one also teaches. :class:`ValueError` where the index is not among them.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"worker {self.index} is none of {self.count}, numbered from 0")

    @property
    def is_first(self) -> bool:
        """Whether this worker does what one alone must."""
        return self.index == 0

    def partitions(self, among: int) -> range:
        """Return its partitions among so many."""
        return range(self.index, among, self.count)


WHOLE = Share()


class Worker:
    """Processes a share of the ledger.

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
    share
        Which partitions; the first share teaches from all of them.
    alone_with_log
        Holds others off the log while this one writes it, or reads it to teach.

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
        share: Share = WHOLE,
        alone_with_log: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        partitions = share.partitions(ledger.partitions)
        self._ledger = ledger
        self._eraser = eraser or Eraser(ledger, lambda: [log], clock=clock)
        self._watchers = watchers
        self._source = source
        self._alone_with_log = alone_with_log
        self._records = records = Records(ledger, repository)
        self._resolver = Resolver(
            ledger, records, partitions=partitions, clock=clock, grace_ms=expiry_grace_ms
        )
        self._positions = dict.fromkeys(partitions, START)
        self._writer = LogWriter(log, partitions)
        self._teacher: Teacher | None = None
        if share.is_first:
            self._teacher = Teacher(
                ledger,
                log,
                control,
                records,
                clock=clock,
                fitter=fitter,
                alone_with_log=alone_with_log,
            )
        self.oldest_read_ms: int | None = None

    @property
    def teacher(self) -> Teacher:
        """What teaches the bandit; :class:`ConflictError` where another worker does."""
        if self._teacher is None:
            raise ConflictError("the first of the workers teaches the bandit, and this is another")
        return self._teacher

    async def step(self) -> int:
        """Process what is new in the ledger once, then teach; return how much there was."""
        return await self.join() + (0 if self._teacher is None else await self._teacher.step())

    async def join(self) -> int:
        """Process what is new in the ledger once; return how much there was.

        The teacher may be at work meanwhile: of the ledger and the log both take what is there.
        """
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
            self._positions[entry.partition] = entry.position
        return len(entries)

    async def expire(self) -> int:
        """Resolve choices whose horizon has passed; return how many there were."""
        return await self._resolver.expire(BATCH)

    async def finish_erasures(self) -> int:
        """Go one step further with erasures that only wait for the store's files."""
        return await self._eraser.finish()

    async def flush(self) -> int:
        """Append what waits to the log and forget the ledger behind it; return rows written."""
        rows = 0
        if self._writer.buffered_rows:
            async with self._alone_with_log():
                rows = await self._writer.flush(self._positions)
        await self._trim()
        return rows

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
            async with self._alone_with_log():
                await self._eraser.erase(entry)

    def _note(self, entry: LedgerEntry, batch: _Batch) -> None:
        """Put one entry into the log's buffer, once."""
        table = _TABLES[entry.type]
        try:
            if self._writer.lacks(table, entry):
                self._write(table, entry, batch)
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
            place = entry.partition, ordinal(entry.position)
            self._writer.add(table, resolution_row(batch.resolutions[entry], *place))

    async def _trim(self) -> None:
        """Let the ledger forget what is in the log, and what the bandit has saved."""
        for partition, position in self._positions.items():
            if position != START:
                await self._ledger.advance(partition, Reader.LOG, position)
        if self._teacher is not None:
            await self._teacher.advance()


def _named(entry: LedgerEntry) -> str:
    return f"entry {entry.position} of partition {entry.partition}"
