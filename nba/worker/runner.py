"""The worker's loop: read the ledger in order, join, learn, expire, write the log.

It may be killed anywhere. Resolutions are written once by the store; every table of the log and
every snapshot of the bandit carries how far in each partition it has come; the ledger is trimmed
only behind all of them. So starting again repeats nothing and loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import msgspec
import polars as pl

from nba.bandits import OnlineLogistic
from nba.catalog.store import ControlStore
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.plans import PlanPointer, PlanRepository, parse_version
from nba.decision.recording import named_features, read_record, recorded_features
from nba.domain.catalog import Action
from nba.domain.clock import Clock
from nba.domain.customer import Event
from nba.domain.ids import DecisionId
from nba.domain.outcome import ResolutionKind
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.records import DecisionRecord, OutcomeEntry, ResolutionEntry, unpack
from nba.ledger.store import START, EntryType, LedgerEntry, LedgerStore
from nba.worker.joining import censored, correction_by, expiry_of, resolution_by
from nba.worker.learning import Learner
from nba.worker.rows import (
    RowBuffer,
    decision_rows,
    event_row,
    outcome_row,
    resolution_row,
)

BATCH = 500
"""Entries read from one partition at a time, and choices expired at a time."""

MAX_BUFFERED_ROWS = 20_000

_logger = logging.getLogger(__name__)

_TABLES = {
    EntryType.DECISION: LogTable.DECISIONS,
    EntryType.OUTCOME: LogTable.OUTCOMES,
    EntryType.RESOLUTION: LogTable.RESOLUTIONS,
    EntryType.EVENT: LogTable.EVENTS,
}


def ordinal(position: str) -> int:
    """Return a ledger position as one number, so that positions compare.

    >>> ordinal("1-0") < ordinal("1-1") < ordinal("2-0")
    True
    """
    milliseconds, _, sequence = position.partition("-")
    return (int(milliseconds) << 20) | int(sequence or 0)


def writer_of(partition: int) -> str:
    """Return the name under which a partition's progress is kept in the log."""
    return f"partition-{partition:03x}"


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
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._control = control
        self._repository = repository
        self._clock = clock
        self._source = source
        self._expiry_grace_ms = expiry_grace_ms
        self._positions = dict.fromkeys(range(ledger.partitions), START)
        self._written = {
            (table, partition): log.position(table, writer_of(partition))
            for table in LogTable
            for partition in range(ledger.partitions)
        }
        self._buffer = RowBuffer()
        self._records: dict[str, DecisionRecord] = {}
        self._learner: Learner | None = None
        self._taught = 0
        self._snapshot = 0
        self._saved: dict[int, str] = {}

    async def follow(self, plan: Plan) -> PlanPointer:
        """Teach under a plan from now on; return the pointer replicas should follow."""
        current = self._learner
        fresh = Learner(plan, None, {})
        if current is not None and current.key == fresh.key:
            self._learner = Learner(plan, current.state, current.positions)
        else:
            self._learner = await asyncio.to_thread(self._open_learner, fresh)
        if self._learner.state.updates and (current is None or current.key != fresh.key):
            self._snapshot = 0
            await self.publish_snapshot()
        pointer = PlanPointer(plan.digest, self._snapshot)
        await self._ledger.set_plan(pointer.to_bytes())
        return pointer

    def _open_learner(self, fresh: Learner) -> Learner:
        kept = self._control.latest_snapshot(fresh.key)
        if kept is not None:
            state = OnlineLogistic.from_bytes(kept.state, fresh.plan.source.bandit)
            self._snapshot, self._taught = kept.sequence, state.updates
            return Learner(fresh.plan, state, kept.positions)
        warmed = fresh.warm(self._log)
        _logger.info("bandit state %s taught %d resolutions from the log", fresh.key, warmed)
        fresh.positions = _named(self._positions)
        self._snapshot = self._taught = 0
        return fresh

    async def step(self) -> int:
        """Process what is new in the ledger once; return how many entries."""
        entries = await self._ledger.entries(self._positions, BATCH)
        if not entries:
            return 0
        outcomes = {e: unpack(e.body, OutcomeEntry) for e in entries if e.type is EntryType.OUTCOME}
        resolutions = {
            e: unpack(e.body, ResolutionEntry) for e in entries if e.type is EntryType.RESOLUTION
        }
        decided = [DecisionId(e.body.decode()) for e in entries if e.type is EntryType.DECISION]
        await self._load({*decided, *_ids(outcomes), *_ids(resolutions)})
        for entry in entries:
            if entry.type is EntryType.ERASURE:
                await self._erase(entry)
                continue
            self._note(entry, outcomes.get(entry), resolutions.get(entry))
            self._positions[entry.partition] = entry.position
        if self._learner is not None:
            self._learner.reach(_named(self._positions))
        early = await asyncio.gather(*[self._ledger.outcomes(name) for name in decided])
        for outcome in [*(o for found in early for o in found), *outcomes.values()]:
            await self._join(outcome)
        self._records.clear()
        return len(entries)

    async def expire(self) -> int:
        """Resolve choices whose horizon has passed; return how many."""
        before_ms = self._clock() - self._expiry_grace_ms
        found = await asyncio.gather(
            *[self._ledger.due(p, before_ms, BATCH) for p in range(self._ledger.partitions)]
        )
        due = [member for members in found for member in members]
        if not due:
            return 0
        await self._load({decision_id for decision_id, _ in due})
        expired = [self._expire(decision_id, choice) for decision_id, choice in due]
        done = await asyncio.gather(*expired)
        self._records.clear()
        return sum(done)

    async def flush(self) -> int:
        """Append what waits to the log and forget the ledger behind it; return rows written."""
        rows = self._buffer.size
        if rows:
            frames, self._buffer = self._buffer.frames(), RowBuffer()
            reached = {
                partition: ordinal(position)
                for partition, position in self._positions.items()
                if position != START
            }
            await asyncio.to_thread(self._append, frames, reached)
        await self._trim()
        return rows

    async def publish_snapshot(self) -> bool:
        """Publish what the bandit learned since the last snapshot, if anything."""
        learner = self._learner
        if learner is None or learner.state.updates == self._taught:
            return False
        at_ms = self._clock()
        sequence = max(at_ms, self._snapshot + 1)
        state = learner.state.to_bytes()
        await asyncio.to_thread(
            self._control.save_snapshot, sequence, learner.key, state, learner.positions, at_ms
        )
        self._snapshot, self._taught = sequence, learner.state.updates
        self._saved = dict(self._positions)
        pointer = PlanPointer(learner.plan.digest, sequence)
        await self._ledger.set_plan(pointer.to_bytes())
        return True

    @property
    def buffered_rows(self) -> int:
        """Rows not yet in the log."""
        return self._buffer.size

    async def _erase(self, entry: LedgerEntry) -> None:
        """Forget a customer in the log too, after what was buffered before it is written."""
        await self.flush()
        if entry.body:
            await asyncio.to_thread(self._log.erase, entry.body.decode())
        self._positions[entry.partition] = entry.position

    async def _load(self, decision_ids: set[DecisionId]) -> None:
        wanted = [name for name in decision_ids if name not in self._records]
        packed = await self._ledger.records(wanted)
        for name, found in zip(wanted, packed, strict=True):
            if found is not None:
                self._records[name] = read_record(found)

    def _plan_of(self, record: DecisionRecord) -> Plan:
        return self._repository.get(PlanPointer(parse_version(record.plan_version).digest))

    def _note(
        self,
        entry: LedgerEntry,
        outcome: OutcomeEntry | None,
        resolution: ResolutionEntry | None,
    ) -> None:
        """Put one entry into the log's buffer and teach the bandit from it, each once."""
        table = _TABLES[entry.type]
        fresh = ordinal(entry.position) > self._written[table, entry.partition]
        if entry.type is EntryType.DECISION and fresh:
            record = self._records.get(entry.body.decode())
            if record is not None:
                plan = self._plan_of(record)
                self._buffer.add_decision(decision_rows(record, plan, source=self._source), plan)
        elif entry.type is EntryType.EVENT and fresh:
            self._buffer.add(table, event_row(unpack(entry.body, Event)))
        elif outcome is not None and fresh:
            self._buffer.add(table, outcome_row(outcome))
        elif resolution is not None:
            if fresh:
                self._buffer.add(table, resolution_row(resolution))
            self._teach(entry, resolution)

    def _teach(self, entry: LedgerEntry, resolution: ResolutionEntry) -> None:
        learner = self._learner
        if learner is None:
            return
        learned = learner.positions.get(str(entry.partition), START)
        record = self._records.get(resolution.decision_id)
        if ordinal(entry.position) <= ordinal(learned) or record is None:
            return
        if resolution.kind not in (ResolutionKind.REWARDED, ResolutionKind.EXPIRED):
            return
        plan = self._plan_of(record)
        row = recorded_features(record)
        if plan.digest != learner.plan.digest:
            row = learner.row_of(named_features(plan.features, row))
        choice = msgspec.json.decode(record.answer)["choices"][resolution.choice]
        learner.learn(row, choice["placement"], choice["action"], resolution.label)

    async def _join(self, outcome: OutcomeEntry) -> None:
        found = self._choice(outcome.decision_id, outcome.choice)
        if found is None:
            return
        action, horizon_ms = found
        resolution = resolution_by(action, outcome, horizon_ms=horizon_ms)
        if resolution is None or await self._ledger.resolve(resolution):
            return
        existing = await self._ledger.resolution(DecisionId(outcome.decision_id), outcome.choice)
        correction = correction_by(resolution, existing) if existing else None
        if correction is not None:
            await self._ledger.resolve(correction)

    async def _expire(self, decision_id: DecisionId, choice: int) -> bool:
        found = self._choice(decision_id, choice)
        if found is None:
            return await self._ledger.resolve(censored(decision_id, choice, at_ms=self._clock()))
        action, horizon_ms = found
        expiry = expiry_of(action, decision_id, choice, horizon_ms=horizon_ms)
        return await self._ledger.resolve(expiry)

    def _choice(self, decision_id: str, choice: int) -> tuple[Action, int] | None:
        record = self._records.get(decision_id)
        if record is None:
            return None
        choices = msgspec.json.decode(record.answer)["choices"]
        if choice >= len(choices):
            return None
        slot: PlacementPlan = self._plan_of(record).placements[choices[choice]["placement"]]
        row = slot.action_ids.index(choices[choice]["action"])
        return slot.actions[row], record.at_ms + slot.horizons_ms[row]

    def _append(self, frames: Mapping[LogTable, pl.DataFrame], reached: Mapping[int, int]) -> None:
        for table, frame in frames.items():
            positions = {
                writer_of(partition): position
                for partition, position in reached.items()
                if position > self._written[table, partition]
            }
            self._log.append(table, frame, positions=positions)
            for partition, position in reached.items():
                self._written[table, partition] = position

    async def _trim(self) -> None:
        """Forget entries that the log and the saved state of the bandit are both past."""
        learner = self._learner
        unsaved = learner is not None and learner.state.updates != self._taught
        for partition, position in self._positions.items():
            before = self._saved.get(partition, START) if unsaved else position
            if before != START:
                await self._ledger.trim(partition, before)


def _named(positions: Mapping[int, str]) -> dict[str, str]:
    return {str(partition): position for partition, position in positions.items()}


def _ids(
    entries: Mapping[LedgerEntry, OutcomeEntry] | Mapping[LedgerEntry, ResolutionEntry],
) -> set[DecisionId]:
    return {DecisionId(entry.decision_id) for entry in entries.values()}
