"""What the ledger holds of events, aliases and outcomes: of all there is, what the log may lack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.records import OutcomeEntry

_SAME = ("customer_id", "version", "message_id")


@dataclass(slots=True)
class Tail:
    """What the ledger holds, some of which is in the log too.

    ``versions`` are those that anything here led to; of whoever is ``erased``, the log's rows are
    of the past.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    aliases: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[OutcomeEntry] = field(default_factory=list)
    versions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    erased: set[str] = field(default_factory=set)

    def forget(self, customer_id: str) -> None:
        """Forget what came before somebody was erased."""
        self.erased.add(customer_id)
        for rows in (self.events, self.aliases):
            rows[:] = [row for row in rows if row["customer_id"] != customer_id]


def frame(table: LogTable, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame of a table."""
    return pl.DataFrame(rows, schema=SCHEMAS[table])


def with_tail(
    table: LogTable,
    logged: pl.DataFrame,
    rows: Sequence[dict[str, Any]],
    erased: Collection[str],
) -> pl.DataFrame:
    """Return rows of the log, without those of whoever is erased, and then those of the ledger."""
    kept = logged.select(SCHEMAS[table].names()).cast(SCHEMAS[table])
    kept = kept.filter(~pl.col("customer_id").is_in(list(erased)))
    return pl.concat([kept, frame(table, rows)])


def once(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of events without repeats; what was imported has no version to tell them by."""
    imported = pl.col("version").fill_null(0) == 0
    told = rows.filter(~imported).unique(_SAME, maintain_order=True)
    return pl.concat([rows.filter(imported), told])
