"""All that is known of what happened to some customers: the log, and what the log lacks yet.

What is not in the log is in the ledger: entries leave it only once they are in the log. So whoever
reads a profile, then the ledger, then the log, has everything that led to that profile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime

import msgspec
import polars as pl

from nba.decision.plan import Plan
from nba.domain.customer import ALIAS_SOURCE, EventEntry, UpdateEntry
from nba.features.aggregates import INTERACTION_EVENT_PREFIX
from nba.features.backfill import former_ids
from nba.ledger.log import DecisionLog, LogTable
from nba.ledger.positions import START
from nba.ledger.records import OutcomeEntry, unpack
from nba.ledger.sealing import SEALED
from nba.ledger.store import EntryType, LedgerStore
from nba.worker.reported import Reported
from nba.worker.rows import event_row, update_row
from nba.worker.tail import Tail, once, with_tail

_ENTRIES_AT_ONCE = 2_000


class Past:
    """Reads what happened, as far as it moves what a plan newly keeps.

    Parameters
    ----------
    ledger, log
        The stores.
    plan
        The plan that is coming; says which interactions an outcome is.
    names
        Names of the events wanted.
    until_ms
        Outcomes reported later reach profiles as events; those before did so only where a feature
        counted them then.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        log: DecisionLog,
        plan: Plan,
        names: Collection[str],
        *,
        until_ms: int,
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._names = list(names)
        kinds = [
            name.removeprefix(INTERACTION_EVENT_PREFIX)
            for name in names
            if name.startswith(INTERACTION_EVENT_PREFIX)
        ]
        self._reported = Reported(ledger, log, plan, kinds, until_ms=until_ms)

    async def tail(self) -> Tail:
        """Return what the ledger holds."""
        tail = Tail()
        positions = dict.fromkeys(range(self._ledger.partitions), START)
        while positions:
            entries = await self._ledger.entries(positions, _ENTRIES_AT_ONCE)
            for entry in entries:
                positions[entry.partition] = entry.position
                self._note(tail, entry.type, entry.body)
            going_on = {entry.partition for entry in entries}
            positions = {p: at for p, at in positions.items() if p in going_on}
        return tail

    def _note(self, tail: Tail, kind: EntryType, body: bytes) -> None:
        if kind is EntryType.EVENT:
            event = unpack(body, EventEntry)
            tail.versions[event.customer_id].add(event.version)
            if event.name in self._names:
                tail.events.append(event_row(event))
        elif kind is EntryType.UPDATE:
            update = unpack(body, UpdateEntry)
            tail.versions[update.customer_id].add(update.version)
            if update.source.startswith(ALIAS_SOURCE):
                tail.aliases.append(update_row(update))
        elif kind is EntryType.OUTCOME and self._reported.kinds:
            tail.outcomes.append(unpack(body, OutcomeEntry))
        elif kind is EntryType.ERASURE:
            tail.forget(body.decode())

    async def aliases(self, tail: Tail) -> pl.DataFrame:
        """Return the rows of all aliases ever made, each once."""
        return await asyncio.to_thread(self._aliases, tail)

    def _aliases(self, tail: Tail) -> pl.DataFrame:
        is_alias = pl.col("source").str.starts_with(ALIAS_SOURCE)
        logged = self._log.scan(LogTable.UPDATES).filter(is_alias).collect()
        rows = with_tail(LogTable.UPDATES, logged, tail.aliases, tail.erased)
        return rows.unique(["customer_id", "version", "source"], maintain_order=True)

    async def of(
        self, customers: Collection[str], tail: Tail, aliases: pl.DataFrame
    ) -> pl.DataFrame:
        """Return the rows of events of customers and of whoever they took over, each once."""
        ids = list({*customers, *former_ids(aliases, customers)})
        rows = await asyncio.to_thread(self._of, ids, tail)
        if not self._reported.kinds:
            return rows
        return await self._reported.joined(rows, ids, tail)

    def _of(self, ids: list[str], tail: Tail) -> pl.DataFrame:
        is_wanted = pl.col("customer_id").is_in(ids) & pl.col("name").is_in(self._names)
        logged = self._log.scan(LogTable.EVENTS).filter(is_wanted).collect()
        rows = with_tail(LogTable.EVENTS, self._opened(logged), tail.events, tail.erased)
        return once(rows.filter(pl.col("customer_id").is_in(ids)))

    def begins(self) -> datetime | None:
        """Return when the first of the events wanted was received."""
        rows = self._log.scan(LogTable.EVENTS).filter(pl.col("name").is_in(self._names))
        first: datetime | None = rows.select(pl.col("received_at").min()).collect().item()
        return first

    def _opened(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows of events with what is sealed in them opened."""
        is_sealed = rows["properties"].str.contains(SEALED, literal=True).fill_null(value=False)
        if not is_sealed.any():
            return rows
        sealer = self._log.sealer
        said = [
            msgspec.json.encode(sealer.open_named(customer, msgspec.json.decode(text))).decode()
            if sealed
            else text
            for customer, text, sealed in zip(
                rows["customer_id"], rows["properties"], is_sealed, strict=True
            )
        ]
        return rows.with_columns(pl.Series("properties", said, dtype=pl.String))
