"""What there is to learn, in the one order in which everybody learns it.

A resolved choice is found in the ledger while not all are past it, and in the log for good. The
order is that of the ledger: by position, then by partition. So a state that was learned live, by
however many workers, is reached again from the log; what was imported, and never was in the
ledger, comes first, by when it resolved.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.decision.answer import said_choices
from nba.decision.learned import Origin
from nba.decision.plan import Plan
from nba.decision.recording import named_features, recorded_features
from nba.domain.ids import DecisionId, decided_at_ms
from nba.domain.outcome import ResolutionKind
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import NOWHERE, START, ordinal
from nba.ledger.records import ResolutionEntry, unpack
from nba.ledger.sealing import SEALED_COLUMN
from nba.ledger.store import EntryType, LedgerEntry, LedgerStore
from nba.worker.records import UNREADABLE, Records, leave_out
from nba.worker.rows import SITUATION_PREFIX

MAX_LESSONS = 50_000
"""Latest ones that a fresh state learns from."""

_READ_AT_ONCE = 5_000
_TAUGHT_BY = (ResolutionKind.REWARDED, ResolutionKind.EXPIRED)
_EPOCH = datetime.fromtimestamp(0, UTC)


class Place(NamedTuple):
    """Where a lesson stands in the order of learning.

    ``position`` is the ordinal of its position in the ledger, :data:`NOWHERE` and then by time
    where it never was there.
    """

    position: int
    partition: int
    at_us: int
    decision_id: str
    choice: int

    def is_within(
        self, origin: Origin, after: Mapping[int, str] | None, until: Mapping[int, str]
    ) -> bool:
        """Whether it is not before where a state began, and between positions of its partition."""
        if self.position == NOWHERE:
            return after is None and origin.position == NOWHERE and self.at_us >= origin.at_us
        begin = NOWHERE if after is None else ordinal(after[self.partition])
        end = ordinal(until[self.partition])
        return origin.position <= self.position and begin < self.position <= end

    def as_origin(self, born: int) -> Origin:
        """Return the origin of a state that learns from here on."""
        at_us = self.at_us if self.position == NOWHERE else 0
        return Origin(born=born, position=self.position, at_us=at_us)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One resolved choice: ``row`` is what the decision looked at, in the learning plan's order.

    ``label`` says whether the desired outcome came, ``reward`` what came of it, in currency.
    ``probability`` is the chance with which the action was drawn among ``candidates``, 1 where
    another system did not say. ``goals`` were met and ``missed`` were waited for in vain;
    ``amount`` is what the desired outcome was reported to bring.
    """

    place: Place
    row: NDArray[np.float32]
    placement: str
    rank: int
    action: str
    content: str | None
    label: float
    reward: float
    probability: float
    candidates: tuple[str, ...]
    goals: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    amount: float | None = None

    @property
    def decided_ms(self) -> int:
        """When the decision was made, in milliseconds since the epoch."""
        return decided_at_ms(DecisionId(self.place.decision_id))


@dataclass(frozen=True, slots=True)
class Gathered:
    """Lessons in order; ``until`` is how far they come in each partition of the ledger.

    ``known`` are, in order too, those that a state was taught before.
    """

    lessons: list[Lesson]
    origin: Origin
    until: dict[int, str]
    known: list[Lesson]


class Lessons:
    """Reads lessons for a plan from the ledger and the log.

    Parameters
    ----------
    plan
        Whose features, and whose models' training says how far back there is anything to learn.
    alone_with_log
        Holds others off the log while it is read: erasing a customer removes files of it.

    """

    def __init__(
        self,
        plan: Plan,
        alone_with_log: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    ) -> None:
        self._plan = plan
        self._alone_with_log = alone_with_log
        trained = [model.trained_through_ms for _, model in plan.source.models]
        self._since = datetime.fromtimestamp(max(trained, default=0) / 1_000, UTC)

    async def of_entries(self, entries: Iterable[LedgerEntry], records: Records) -> list[Lesson]:
        """Return the lessons in entries that hold resolutions, in their order."""
        resolved: list[tuple[LedgerEntry, ResolutionEntry]] = []
        for entry in entries:
            try:
                resolution = unpack(entry.body, ResolutionEntry)
            except UNREADABLE as error:
                leave_out(f"entry {entry.position} of partition {entry.partition}", error)
                continue
            if resolution.kind in _TAUGHT_BY:
                resolved.append((entry, resolution))
        ids = dict.fromkeys(DecisionId(resolution.decision_id) for _, resolution in resolved)
        held = await records.load(list(ids))
        lessons = []
        for entry, resolution in resolved:
            record = held.get(resolution.decision_id)
            if record is None:
                continue
            try:
                plan = records.plan_of(record)
            except UNREADABLE as error:
                leave_out(f"decision {record.decision_id}", error)
                continue
            row = recorded_features(record)
            if plan.digest != self._plan.digest:
                row = row_of(self._plan, named_features(plan.features, row))
            choice = said_choices(record.answer)[resolution.choice]
            about = (resolution.at_ms * 1_000, resolution.decision_id, resolution.choice)
            place = Place(ordinal(entry.position), entry.partition, *about)
            shown = choice["placement"], choice["rank"]
            said = choice["action"], choice["content"]
            came = resolution.label, resolution.reward
            names = plan.placements[choice["placement"]].action_ids
            kept = np.frombuffer(record.draws[resolution.choice].kept, dtype="<u2").tolist()
            drawn = choice["probability"] or 1.0, tuple(names[row] for row in kept)
            goals = resolution.goals, resolution.missed
            amount = resolution.amount
            lessons.append(Lesson(place, row, *shown, *said, *came, *drawn, *goals, amount))
        return lessons

    async def all(
        self,
        log: DecisionLog,
        records: Records | None,
        *,
        origin: Origin | None = None,
        taught: Mapping[int, str] | None = None,
        until: Mapping[int, str] | None = None,
        most: int | None = MAX_LESSONS,
    ) -> Gathered:
        """Return every lesson there is, or the latest ``most``.

        They begin where a state began that had this ``origin``, without one after the data that
        the models were trained on. Of each partition of the ledger they are what stands up to
        ``until``, now where that is not given. Where a state was ``taught`` up to some position of
        each already, they are all that comes after it, and the latest ``most`` of what it knows
        come apart, out of the same reading. Without the ledger's ``records`` they are what the log
        has up to ``until``.
        """
        found: list[Lesson] = []
        limits = dict(until or {})
        after = taught if most == 0 else None
        if records is not None:
            # The ledger first: what leaves it meanwhile is in the log by then.
            entries, settled = await _entries(records.ledger, after)
            found = await self.of_entries(entries, records)
            known_to = taught or {}  # which is later where the store's clock went back meanwhile
            limits = limits or {
                partition: max(settled, known_to.get(partition, START), key=ordinal)
                for partition in range(records.ledger.partitions)
            }
        begun = origin or Origin(born=max(map(ordinal, limits.values()), default=0))
        least = NOWHERE if taught is None else min(map(ordinal, taught.values()), default=NOWHERE)
        first = begun.position if after is None else max(begun.position, least)
        last = max(map(ordinal, limits.values()), default=NOWHERE)
        async with self._alone_with_log():
            rows = await asyncio.to_thread(_resolved, log, self._since, begun.born, (first, last))
        if most is not None:
            new = 0 if taught is None else rows.filter(pl.col("position") > least).height
            rows = rows.tail(new + most + 1)  # one more tells that there is more
        logged = await asyncio.to_thread(lambda: list(self._logged(log, rows)))
        there = {lesson.place for lesson in logged}
        since_ms = self._since.timestamp() * 1_000
        beside = [
            lesson
            for lesson in found
            if lesson.place not in there
            and (begun.born < lesson.place.position or lesson.decided_ms > since_ms)
        ]
        merged = list(heapq.merge(logged, beside, key=_placed))
        lessons = [one for one in merged if one.place.is_within(begun, taught, limits)]
        if taught is not None:
            known = [one for one in merged if one.place.is_within(begun, None, taught)]
            return Gathered(lessons, begun, limits, known if most is None else _latest(known, most))
        if most is not None and len(lessons) > most:
            lessons = _latest(lessons, most)
            if origin is None:
                begun = lessons[0].place.as_origin(begun.born)
        return Gathered(lessons, begun, limits, [])

    def _logged(self, log: DecisionLog, rows: pl.DataFrame) -> Iterator[Lesson]:
        """Iterate over resolved choices as lessons."""
        if any(column.startswith(SEALED_COLUMN) for column in rows.columns):
            models = self._plan.source.models
            rows = log.sealer.open_columns(
                rows, {entry.name for _, model in models for entry in model.inputs}
            )
        for row in rows.iter_rows(named=True):
            named: dict[str, float | str | None] = {
                name: row.get(SITUATION_PREFIX + name) for name in self._plan.features.names
            }
            about = _micros(row["resolved_at"]), row["decision_id"], row["choice"]
            yield Lesson(
                Place(row["position"], row["partition"], *about),
                row_of(self._plan, named),
                row["placement"],
                row["rank"],
                row["action"],
                row["content"],
                row["label"],
                row["reward"],
                row["probability"] or 1.0,
                tuple(row["candidates"] or ()),
                tuple(row["goals"] or ()),
                tuple(row["missed"] or ()),
                row["amount"],
            )


def row_of(plan: Plan, named: Mapping[str, float | str | None]) -> NDArray[np.float32]:
    """Return named feature values as a row of a plan; what it does not have is missing."""
    features = plan.features
    values = np.full(len(features.names), np.nan, dtype=np.float32)
    for position, name in enumerate(features.names):
        value = named.get(name)
        if isinstance(value, str):
            categories = features.categories.get(name, ())
            values[position] = categories.index(value) if value in categories else np.nan
        elif isinstance(value, int | float):
            values[position] = value
    return values


async def _entries(
    ledger: LedgerStore, after: Mapping[int, str] | None
) -> tuple[list[LedgerEntry], str]:
    """Return every resolution that the ledger holds, and up to where they are all there are."""
    positions = dict.fromkeys(range(ledger.partitions), START) if after is None else dict(after)
    found: list[LedgerEntry] = []
    while True:
        settled = await ledger.settled(positions, EntryType.RESOLUTION, _READ_AT_ONCE)
        found += settled.entries
        if settled.complete:
            return found, settled.until
        positions = {p: max(at, settled.until, key=ordinal) for p, at in positions.items()}


def _latest(lessons: list[Lesson], most: int) -> list[Lesson]:
    return lessons[max(0, len(lessons) - most) :]


def _placed(lesson: Lesson) -> Place:
    return lesson.place


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _resolved(
    log: DecisionLog, since: datetime, born: int, between: tuple[int, int]
) -> pl.DataFrame:
    """Return choices decided after training or resolved since a state began, in order."""
    resolutions = (
        log.scan(LogTable.RESOLUTIONS)
        .filter(pl.col("kind").is_in([kind.value for kind in _TAUGHT_BY]))
        .select(
            "decision_id",
            "choice",
            "label",
            "reward",
            "goals",
            "missed",
            "amount",
            pl.col("position").fill_null(NOWHERE),
            pl.col("partition").fill_null(0),
            resolved_at="at",
        )
        .filter(pl.col("position").is_between(*between))
    )
    return (
        log.scan(LogTable.DECISIONS)
        .join(resolutions, on=["decision_id", "choice"])
        .filter((pl.col("at") > since) | (pl.col("position") > born))
        .sort("position", "partition", "resolved_at", "decision_id", "choice")
        .collect()
    )
