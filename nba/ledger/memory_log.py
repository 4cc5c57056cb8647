"""The log in memory: for tests and simulations that need no files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import polars as pl

from nba.ledger.erasure import Searched
from nba.ledger.log import SCHEMAS, LogTable, is_behind, of_customer
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
        self,
        table: LogTable,
        rows: pl.DataFrame,
        *,
        positions: Mapping[str, int] | None = None,
        since: Mapping[str, int] | None = None,
    ) -> bool:
        """Append rows; see the port."""
        positions = positions or {}
        reached = {writer: self.position(table, writer) for writer in positions}
        if not is_behind(reached, positions, since):
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

    def erase(self, customer_id: str) -> list[str]:
        """Delete everything about a customer; see the port."""
        decisions = self.scan(LogTable.DECISIONS).filter(pl.col("customer_id") == customer_id)
        found = decisions.select("decision_id").unique(maintain_order=True).collect()
        ids: list[str] = found["decision_id"].to_list()
        for table, frames in self._frames.items():
            theirs = of_customer(table, customer_id, ids)
            self._frames[table] = [
                pl.concat([pl.DataFrame(schema=SCHEMAS[table]), rows], how="diagonal_relaxed")
                .filter(~theirs.fill_null(value=False))
                .select(rows.columns)
                for rows in frames
            ]
        return ids

    def search(self, customer_id: str, decision_ids: Collection[str]) -> list[Searched]:
        """Search every table; see the port."""
        found = []
        for table in LogTable:
            rows = self.scan(table).collect()
            theirs = rows.filter(of_customer(table, customer_id, decision_ids)).height
            found.append(Searched(f"log {table}", rows.height, theirs))
        return found
