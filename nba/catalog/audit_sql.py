"""The audit trail in a table; rows are appended by one writer after another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, insert, select

from nba.catalog.audit import AuditBreak, AuditEntry, AuditRow, chained, verify
from nba.catalog.database import OnDatabase
from nba.catalog.tables import audit_log

_READ_AT_ONCE = 1_000


class SqlAuditStore(OnDatabase):
    """Appends to the trail and reads it."""

    def audit(self, entry: AuditEntry) -> AuditRow:
        """Append to the audit trail."""
        with self.database.write() as connection:
            (row,) = append(connection, [entry])
        return row

    def audit_log(self, limit: int, *, before: int | None = None) -> list[AuditRow]:
        """Return the latest rows, newest first; those before a sequence where one is given."""
        query = select(audit_log).order_by(audit_log.c.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(audit_log.c.sequence < before)
        with self.database.read() as connection:
            return [AuditRow(**row) for row in connection.execute(query).mappings()]

    def verify_audit(self) -> AuditBreak | None:
        """Recompute the chain from its beginning; return the first row that breaks it."""
        query = select(audit_log).order_by(audit_log.c.sequence)
        query = query.execution_options(yield_per=_READ_AT_ONCE)
        # Where a row breaks the chain the others are left unread, so the cursor is closed by us.
        with self.database.read() as connection, connection.execute(query) as result:
            return verify(AuditRow(**row) for row in result.mappings())


def append(connection: Connection, entries: Iterable[AuditEntry]) -> list[AuditRow]:
    """Append entries within the caller's transaction, which must be one that writes."""
    query = select(audit_log).order_by(audit_log.c.sequence.desc()).limit(1)
    held = connection.execute(query).mappings().one_or_none()
    last = None if held is None else AuditRow(**held)
    rows = []
    for entry in entries:
        last = chained(entry, last)
        rows.append(last)
    if rows:
        connection.execute(insert(audit_log), [asdict(row) for row in rows])
    return rows
