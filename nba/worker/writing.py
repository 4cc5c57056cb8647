"""Writing the log: rows wait in a buffer and are appended in batches, each row exactly once.

What is sensitive is sealed before it waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from nba.decision.plan import Plan
from nba.domain.customer import EventEntry, UpdateEntry
from nba.features.sensitivity import sensitive_names
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import START, ordinal, position_at, writer_of
from nba.ledger.store import LedgerEntry
from nba.worker.rows import RowBuffer, event_row, sealed_features, update_row


@dataclass(frozen=True, slots=True)
class _Append:
    """One append, fixed: where it fails it is repeated as it is, so the log can tell it again."""

    table: LogTable
    rows: pl.DataFrame
    positions: Mapping[str, int]
    reached: Mapping[int, int]


class LogWriter:
    """Keeps rows until :meth:`flush`, and knows which ledger entries the log has already.

    Parameters
    ----------
    log
        Keeps for each table and partition how far it was written.
    partitions
        The partitions of the ledger whose entries it writes, and nobody else.

    """

    def __init__(self, log: DecisionLog, partitions: Collection[int]) -> None:
        self._log = log
        self._written = {
            (table, partition): log.position(table, writer_of(partition))
            for table in LogTable
            for partition in partitions
        }
        self._buffer = RowBuffer()
        self._appends: deque[_Append] = deque()

    @property
    def buffered_rows(self) -> int:
        """Rows not yet in the log."""
        return self._buffer.size + sum(append.rows.height for append in self._appends)

    def lacks(self, table: LogTable, entry: LedgerEntry) -> bool:
        """Whether the log does not have the row of an entry from an earlier run."""
        return ordinal(entry.position) > self._written[table, entry.partition]

    def add(self, table: LogTable, row: Mapping[str, Any]) -> None:
        """Add a row of a table that nothing sensitive is in."""
        self._buffer.add(table, dict(row))

    def add_decision(self, rows: list[dict[str, Any]], plan: Plan) -> None:
        """Add the rows of a decision made under a plan."""
        names = sensitive_names(plan.features)
        if names:
            rows = [sealed_features(row, names, self._log.sealer) for row in rows]
        self._buffer.add_decision(rows, plan)

    def add_event(self, event: EventEntry) -> None:
        """Add the row of an event."""
        if event.sensitive:
            seal = self._log.sealer.seal_named
            sealed = seal(event.customer_id, event.properties, event.sensitive)
            event = replace(event, properties=sealed)
        self._buffer.add(LogTable.EVENTS, event_row(event))

    def add_update(self, update: UpdateEntry) -> None:
        """Add the row of a profile update."""
        if update.sensitive:
            seal = self._log.sealer.seal_named
            sealed = seal(update.customer_id, update.attributes, update.sensitive)
            update = replace(update, attributes=sealed)
        self._buffer.add(LogTable.UPDATES, update_row(update))

    def written(self, table: LogTable, partition: int) -> str:
        """Return the position up to which a table has a partition's entries."""
        return position_at(self._written[table, partition])

    async def flush(self, positions: Mapping[int, str]) -> int:
        """Append what waits, read up to ``positions``; return how many rows.

        What fails stays and is appended first by the next call. Raises
        :class:`~nba.errors.ConflictError` where somebody else writes these partitions.
        """
        rows = 0
        while self._appends or self._buffer.size:
            if not self._appends:
                self._seal(positions)
            rows += await self._append(self._appends[0])
            self._appends.popleft()
        return rows

    def _seal(self, positions: Mapping[int, str]) -> None:
        reached = {p: ordinal(position) for p, position in positions.items() if position != START}
        frames = self._buffer.frames()
        self._buffer = RowBuffer()
        for table, rows in frames.items():
            news = {p: at for p, at in reached.items() if at > self._written[table, p]}
            progress = {writer_of(partition): at for partition, at in news.items()}
            self._appends.append(_Append(table, rows, progress, news))

    async def _append(self, append: _Append) -> int:
        since = {writer_of(p): self._written[append.table, p] for p in append.reached}
        await asyncio.to_thread(
            self._log.append, append.table, append.rows, positions=append.positions, since=since
        )
        self._written.update({(append.table, p): at for p, at in append.reached.items()})
        return append.rows.height
