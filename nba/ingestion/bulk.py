"""Files of events or customers into the feature store and the log: resumable, each row once.

A file is dealt into buckets by customer (:mod:`nba.ingestion.spool`). A bucket's rows go to the
store a customer at a time, then its events to the log, then the file's progress says so. Where that
is interrupted, the bucket is taken again: a customer's rows are remembered, by the ids of their
messages or, where the file has none, by the file's digest and their bucket, so none counts twice.
A file whose every bucket has landed is left alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec
import polars as pl

from nba.domain.clock import Clock
from nba.domain.customer import Event
from nba.errors import Fault, OverloadedError, UnavailableError
from nba.features import FeatureSet, ItemResult, ItemStatus, ProfileService
from nba.features.sensitivity import named_in, sensitive_properties
from nba.ingestion.columns import FileMapping, Kind
from nba.ingestion.progress import Progress, ProgressStore
from nba.ingestion.reading import Item, ItemReader, Wrong
from nba.ingestion.spool import Spool, Spooled, SpooledEvent, spooled
from nba.ledger.log import DecisionLog, LogTable

Told = Callable[[str, float], None]
"""Called with the stage now at work and the share of a file already done, 0 to 1."""

MAX_SHOWN = 1_000
"""Faults of one file that are kept to be shown; all are counted."""

_ROWS_PER_BUCKET = 150_000
_MAX_BUCKETS = 1_024
_ITEMS_AT_ONCE = 250
_IN_FLIGHT = 4
_HASHED_AT_ONCE = 1 << 20
_DIGEST_BYTES = 12
_MAX_RETRIES = 20


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows that go to the store together, and the name that stands for the ids they lack."""

    rows: list[Spooled]
    once: str | None


@dataclass(slots=True)
class FileReport:
    """What became of one file's rows; ``faults`` are the first of those rejected."""

    file: str
    rows: int = 0
    recorded: int = 0
    duplicate: int = 0
    ignored: int = 0
    rejected: int = 0
    undeclared: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    resumed: bool = False
    was_complete: bool = False


class BulkIngestion:
    """Takes files in.

    Parameters
    ----------
    profiles
        Applies events and updates.
    features
        The live feature set.
    log
        Where events are logged.
    progress
        Where the progress of files is kept.
    folder
        Where files are dealt into buckets meanwhile.
    clock
        When rows arrive.
    alone_with_log
        Holds others off the log while this one writes it.
    store_seconds
        How long a store that does not answer is tried again, once a second, before giving up.

    """

    def __init__(
        self,
        profiles: ProfileService,
        features: FeatureSet,
        log: DecisionLog,
        progress: ProgressStore,
        folder: Path,
        clock: Clock,
        *,
        alone_with_log: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        store_seconds: int = 30,
    ) -> None:
        self._profiles = profiles
        self._features = features
        self._log = log
        self._progress = progress
        self._folder = folder
        self._clock = clock
        self._alone_with_log = alone_with_log
        self._store_seconds = store_seconds

    async def ingest(
        self,
        path: Path,
        told: Told,
        *,
        kind: Kind | None = None,
        mapping: FileMapping | None = None,
    ) -> FileReport:
        """Take one file in, from where it was left off.

        Raises :class:`~nba.errors.DefinitionError` where it cannot be read at all, and
        :class:`~nba.errors.UnavailableError` where the store or the log is away; run it again then.
        """
        report = FileReport(path.name)
        reader = ItemReader(path, self._features, kind=kind, mapping=mapping)
        try:
            job = job_of(path, kind, mapping)
            progress = await self._progress.load(job)
            if progress is None:
                progress = Progress(buckets=_buckets(reader.rows) + 1, received_at_ms=self._clock())
                await self._progress.save(job, progress)
            else:
                report.resumed = not progress.is_complete
                report.was_complete = progress.is_complete
            if not progress.is_complete:
                spool = Spool(self._folder / job, progress.buckets - 1)
                # In a thread: a loop held up would take the store's replies for late.
                await asyncio.to_thread(self._deal, spool, reader, progress, report, told)
                await self._land(job, spool, progress, report, told)
        finally:
            reader.close()
        told("done", 1.0)
        for name in ("rows", "recorded", "duplicate", "ignored", "rejected"):
            setattr(report, name, getattr(progress, name))
        report.undeclared = dict(progress.dropped)
        return report

    def _deal(
        self,
        spool: Spool,
        reader: ItemReader,
        progress: Progress,
        report: FileReport,
        told: Told,
    ) -> None:
        if spool.is_complete:
            return
        wrong = Counter[str]()

        def rows() -> Iterator[Spooled]:
            for count, row in enumerate(reader.items(received_at_ms=progress.received_at_ms)):
                if count % _ITEMS_AT_ONCE == 0:
                    told("reading", reader.done())
                if isinstance(row, Wrong):
                    wrong["rejected"] += 1
                    _keep(report, row.number, row.faults)
                else:
                    yield spooled(*row)

        landing = spool.deal(rows())
        if progress.done == 0 and progress.started < 0:
            progress.rejected = wrong["rejected"]
            progress.rows = landing + wrong["rejected"]

    async def _land(
        self,
        job: str,
        spool: Spool,
        progress: Progress,
        report: FileReport,
        told: Told,
    ) -> None:
        while not progress.is_complete:
            told("landing", progress.done / progress.buckets)
            bucket = progress.done
            again = progress.started == bucket
            progress.started = bucket
            await self._progress.save(job, progress)
            rows = await asyncio.to_thread(spool.read, bucket)
            counts = await self._bucket(job, rows, progress, report, again=again)
            for status in ItemStatus:
                before = getattr(progress, status.value)
                setattr(progress, status.value, before + counts[status])
            progress.done += 1
            await self._progress.save(job, progress)
        spool.remove()

    async def _bucket(
        self, job: str, rows: list[Spooled], progress: Progress, report: FileReport, *, again: bool
    ) -> Counter[ItemStatus]:
        counts: Counter[ItemStatus] = Counter()
        landed: list[Event] = []
        gate = asyncio.Semaphore(_IN_FLIGHT)

        async def take(chain: list[_Batch]) -> None:
            async with gate:
                for batch in chain:
                    items = [row.item(progress.received_at_ms, job) for row in batch.rows]
                    results = await self._patiently(items, batch.once)
                    for row, item, result in zip(batch.rows, items, results, strict=True):
                        self._note(row.number, result, progress, report)
                        status = result.status
                        is_there = again and status is ItemStatus.DUPLICATE
                        if is_there and batch.once:
                            status = ItemStatus.RECORDED  # by this very file, before it broke off
                        if isinstance(item, Event) and (is_there or status is ItemStatus.RECORDED):
                            landed.append(item)
                        counts[status] += 1

        await asyncio.gather(*[take(chain) for chain in _chains(rows, job)])
        if landed:
            positions = {f"ingest:{job}": progress.done}
            async with self._alone_with_log():
                await asyncio.to_thread(
                    self._log.append, LogTable.EVENTS, self._frame(landed), positions=positions
                )
        return counts

    def _note(
        self, number: int, result: ItemResult, progress: Progress, report: FileReport
    ) -> None:
        for name in result.dropped:
            progress.dropped[name] = progress.dropped.get(name, 0) + 1
        if result.status is ItemStatus.REJECTED:
            _keep(report, number, result.faults)

    async def _patiently(self, items: Sequence[Item], once: str | None) -> list[ItemResult]:
        """Take items in; where others keep a customer busy, or the store is late, try again."""
        left_seconds = self._store_seconds
        for _ in range(_MAX_RETRIES + self._store_seconds):
            try:
                return await self._profiles.ingest(items, once=once, log_events=False)
            except OverloadedError as error:
                await asyncio.sleep(error.retry_after_seconds)
            except UnavailableError:
                if left_seconds == 0:
                    raise
                left_seconds -= 1
                await asyncio.sleep(1.0)
        return await self._profiles.ingest(items, once=once, log_events=False)

    def _frame(self, events: Sequence[Event]) -> pl.DataFrame:
        """Return the log's rows of events; what is sensitive in them is sealed."""
        sensitive = sensitive_properties(self._features)
        seal = self._log.sealer.seal_named
        properties = []
        for event in events:
            declared = self._features.events[event.name].properties
            kept = {name: value for name, value in event.properties.items() if name in declared}
            hidden = named_in(kept, sensitive.get(event.name, frozenset()))
            if hidden:
                kept = seal(event.customer_id, kept, hidden)
            properties.append(msgspec.json.encode(kept).decode())
        millis = {
            "at": [event.at_ms for event in events],
            "received_at": [event.received_at_ms for event in events],
        }
        return pl.DataFrame(
            {
                "customer_id": [event.customer_id for event in events],
                "name": [event.name for event in events],
                "message_id": [event.message_id for event in events],
                "properties": properties,
                "version": [0] * len(events),
            },
            schema_overrides={"version": pl.Int64},
        ).with_columns(
            pl.from_epoch(pl.Series(name, values, dtype=pl.Int64), "ms")
            .dt.cast_time_unit("us")
            .dt.replace_time_zone("UTC")
            .alias(name)
            for name, values in millis.items()
        )


def _buckets(rows: int) -> int:
    return min(1 + rows // _ROWS_PER_BUCKET, _MAX_BUCKETS)


def job_of(path: Path, kind: Kind | None, mapping: FileMapping | None) -> str:
    """Return what a file and how it is read are known by: a digest of both, not of its name."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as file:
        while part := file.read(_HASHED_AT_ONCE):
            digest.update(part)
    digest.update(msgspec.json.encode((kind, mapping)))
    return digest.hexdigest()


def _chains(rows: Sequence[Spooled], job: str) -> Iterator[list[_Batch]]:
    """Cut a bucket's rows into batches, a customer's together; those of a chain go in order.

    Where no row has a message id of its own, each batch has a name that stands for its ids.
    """
    has_ids = any(isinstance(row, SpooledEvent) and row.message_id for row in rows)
    name = None if has_ids else job
    batch: list[Spooled] = []
    for mine in _by_customer(rows):
        if len(mine) > _ITEMS_AT_ONCE:
            starts = range(0, len(mine), _ITEMS_AT_ONCE)
            yield [
                _Batch(mine[start : start + _ITEMS_AT_ONCE], name and f"{name}:{start}")
                for start in starts
            ]
            continue
        if len(batch) + len(mine) > _ITEMS_AT_ONCE:
            yield [_Batch(batch, name)]
            batch = []
        batch += mine
    if batch:
        yield [_Batch(batch, name)]


def _by_customer(rows: Sequence[Spooled]) -> Iterator[list[Spooled]]:
    for _, mine in groupby(rows, key=attrgetter("customer_id")):
        yield list(mine)


def _are_events(items: Sequence[Item]) -> bool:
    return all(isinstance(item, Event) for item in items)


def _keep(report: FileReport, number: int, faults: Iterable[Fault]) -> None:
    """Keep the faults of a row to be shown, each with file and line."""
    for fault in faults:
        if len(report.faults) < MAX_SHOWN:
            found = f"{fault.place[1:]}: {fault.found}" if fault.place else fault.found
            report.faults.append(Fault(f"{report.file}:{number}", found, fault.expected))
