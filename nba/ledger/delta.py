"""The log as Delta tables, on disk or on object storage.

A commit names what it deleted and may keep a column's extremes, so only times have statistics, and
erasing a customer removes the commits before it too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError

from nba.domain.customer import ALIAS_SOURCE
from nba.errors import UnavailableError
from nba.ledger.erasure import Searched
from nba.ledger.log import SCHEMAS, LogTable, is_behind, of_customer
from nba.ledger.sealing import Sealer

_COMPACT_EVERY = 50
_FORGETTING = {
    "delta.logRetentionDuration": "interval 0 days",
    "delta.deletedFileRetentionDuration": "interval 0 days",
}
"""What lets a checkpoint forget commits, and files that were deleted, at once."""

_TIMES = {LogTable.UPDATES: "received_at"}
"""The column with statistics, where it is not ``at``."""


class DeltaLog:
    """A :class:`~nba.ledger.log.DecisionLog` of one dataset: a folder with a table each.

    Every call raises :class:`~nba.errors.UnavailableError` where the storage refuses it.

    Parameters
    ----------
    root
        Folder or object-storage URL of the dataset.
    storage_options
        Passed to the object store (credentials, endpoint).
    sealer
        Seals and opens sensitive values; may be absent where nobody asks for them.

    """

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        sealer: Sealer | None = None,
    ) -> None:
        self._root = str(root).rstrip("/")
        self._options = dict(storage_options or {})
        self._sealer = sealer
        self._appended: dict[LogTable, int] = {}

    @property
    def sealer(self) -> Sealer:
        """What seals and opens the sensitive values in it."""
        if self._sealer is None:
            raise UnavailableError(
                "the log has sensitive values and no key to seal them with; set NBA_SEALING_KEY"
            )
        return self._sealer

    def append(
        self,
        table: LogTable,
        rows: pl.DataFrame,
        *,
        positions: Mapping[str, int] | None = None,
        since: Mapping[str, int] | None = None,
    ) -> bool:
        """Append rows in one commit; see the port."""
        positions = positions or {}
        delta = self._open(table)
        reached = {writer: _reached(delta, writer) for writer in positions}
        if not is_behind(reached, positions, since):
            return False
        with _answering():
            # Written to the table as it was read: who commits for a writer meanwhile is found out.
            self._write(delta or self._uri(table), table, rows, positions)
            self._compact_now_and_then(table)
        return True

    def _write(
        self,
        target: DeltaTable | str,
        table: LogTable,
        rows: pl.DataFrame,
        positions: Mapping[str, int],
    ) -> None:
        typed = rows.cast({name: kind for name, kind in SCHEMAS[table].items() if name in rows})
        transactions = [Transaction(app_id=w, version=at) for w, at in positions.items()]
        write_deltalake(
            target,
            typed.to_arrow(),
            mode="append",
            schema_mode="merge",
            configuration={
                "delta.dataSkippingStatsColumns": _TIMES.get(table, "at"),
                **_FORGETTING,
            },
            commit_properties=CommitProperties(app_transactions=transactions),
            storage_options=self._options,
        )

    def position(self, table: LogTable, writer: str) -> int:
        """Return how far a writer has come."""
        return _reached(self._open(table), writer)

    def scan(self, table: LogTable) -> pl.LazyFrame:
        """Return a table lazily."""
        delta = self._open(table)
        if delta is None:
            return pl.LazyFrame(schema=SCHEMAS[table])
        frame = pl.scan_delta(delta)
        there = frame.collect_schema()
        # A table begun before a column was thought of has it as missing.
        later = {name: kind for name, kind in SCHEMAS[table].items() if name not in there}
        return frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in later.items())

    def erase(self, customer_id: str) -> list[str]:
        """Delete everything about a customer, and the files that still held it."""
        with _answering():
            decisions = self.scan(LogTable.DECISIONS).filter(pl.col("customer_id") == customer_id)
            ids: list[str] = (
                decisions.select("decision_id").unique().collect().to_series().to_list()
            )
            # Decisions go last: erasing again after a crash needs their ids.
            for table in sorted(LogTable, key=lambda table: table is LogTable.DECISIONS):
                self._delete(table, customer_id, ids)
        return ids

    def _delete(self, table: LogTable, customer_id: str, decision_ids: Collection[str]) -> None:
        delta = self._open(table)
        if delta is None or not {"customer_id", "decision_id"} & set(SCHEMAS[table]):
            return
        theirs = self.scan(table).filter(of_customer(table, customer_id, decision_ids))
        if theirs.select(pl.len()).collect().item():
            delta.delete(_predicate(table, customer_id, decision_ids))
        elif not _unreferenced(delta):
            return
        if _FORGETTING.items() - delta.metadata().configuration.items():
            delta.alter.set_table_properties(dict(_FORGETTING))
        delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
        delta.create_checkpoint()
        delta.cleanup_metadata()

    def search(self, customer_id: str, decision_ids: Collection[str]) -> list[Searched]:
        """Search every table, and look for files that no table refers to any more."""
        found = []
        for table in LogTable:
            delta = self._open(table)
            if delta is None:
                continue
            with _answering():
                theirs = of_customer(table, customer_id, decision_ids).sum()
                rows, hits = self.scan(table).select(pl.len(), theirs).collect().row(0)
                left = len(_unreferenced(delta))
            place = f"{self._root.rpartition('/')[2]}/{table}"
            found.append(Searched(f"log {place}", rows, hits or 0))
            found.append(Searched(f"files left behind in log {place}", left, left))
        return found

    def _uri(self, table: LogTable) -> str:
        return f"{self._root}/{table.value}"

    def _open(self, table: LogTable) -> DeltaTable | None:
        uri = self._uri(table)
        with _answering():
            if not DeltaTable.is_deltatable(uri, self._options):
                return None
            return DeltaTable(uri, storage_options=self._options)

    def _compact_now_and_then(self, table: LogTable) -> None:
        self._appended[table] = self._appended.get(table, 0) + 1
        if self._appended[table] % _COMPACT_EVERY:
            return
        delta = DeltaTable(self._uri(table), storage_options=self._options)
        delta.optimize.compact()
        delta.create_checkpoint()


def _reached(delta: DeltaTable | None, writer: str) -> int:
    version = None if delta is None else delta.transaction_version(writer)
    return -1 if version is None else int(version)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the storage's errors into ours."""
    try:
        yield
    except (DeltaError, OSError) as error:
        raise UnavailableError(f"the log does not answer: {error}") from error


def moment(at_ms: int) -> datetime:
    """Return milliseconds since the epoch as the log keeps time: UTC, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)


def _predicate(table: LogTable, customer_id: str, decision_ids: Collection[str]) -> str:
    """Return :func:`~nba.ledger.log.of_customer` as SQL."""
    parts = []
    if "customer_id" in SCHEMAS[table]:
        parts.append(f"customer_id = {_quoted(customer_id)}")
    if "decision_id" in SCHEMAS[table] and decision_ids:
        parts.append(f"decision_id IN ({', '.join(map(_quoted, decision_ids))})")
    if table is LogTable.UPDATES:
        parts.append(f"source = {_quoted(ALIAS_SOURCE + customer_id)}")
    return " OR ".join(parts)


def _unreferenced(delta: DeltaTable) -> list[str]:
    """Return the files in a table's folder that it does not refer to."""
    found: list[str] = delta.vacuum(
        retention_hours=0, dry_run=True, enforce_retention_duration=False, full=True
    )
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
