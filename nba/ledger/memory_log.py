"""The log in memory: for tests and simulations that need no files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import polars as pl

from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.sealing import KEY_BYTES, Sealer


class MemoryLog:
    """A :class:`~nba.ledger.log.DecisionLog` that lives as long as its process.

    Without a ``sealer`` it has one whose key anybody knows: there is no file to protect.
    """

    def __init__(self, sealer: Sealer | None = None) -> None:
        self.sealer = sealer or Sealer(bytes(KEY_BYTES), bytes)
        self._frames: dict[LogTable, list[pl.DataFrame]] = defaultdict(list)
        self._positions: dict[tuple[LogTable, str], int] = {}

    def append(
        self, table: LogTable, rows: pl.DataFrame, *, positions: Mapping[str, int] | None = None
    ) -> bool:
        """Append rows; see the port."""
        positions = positions or {}
        if positions and all(self.position(table, w) >= at for w, at in positions.items()):
            return False
        self._frames[table].append(rows)
        self._positions.update({(table, writer): at for writer, at in positions.items()})
        return True

    def position(self, table: LogTable, writer: str) -> int:
        """Return how far a writer has come."""
        return self._positions.get((table, writer), -1)

    def scan(self, table: LogTable) -> pl.LazyFrame:
        """Return a table lazily."""
        empty = pl.DataFrame(schema=SCHEMAS[table])
        return pl.concat([empty, *self._frames[table]], how="diagonal_relaxed").lazy()

    def erase(self, customer_id: str) -> None:
        """Delete everything about a customer."""
        decisions = self.scan(LogTable.DECISIONS).filter(pl.col("customer_id") == customer_id)
        ids = decisions.select("decision_id").unique().collect()["decision_id"]
        for table, frames in self._frames.items():
            keys = {"customer_id": [customer_id], "decision_id": ids.to_list()}
            key = next((key for key in keys if key in SCHEMAS[table]), None)
            if key is not None:
                gone = keys[key]
                self._frames[table] = [rows.filter(~pl.col(key).is_in(gone)) for rows in frames]
