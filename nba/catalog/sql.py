"""Control store in a SQL database: SQLite by default, PostgreSQL for several machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select

from nba.catalog.audit_sql import SqlAuditStore
from nba.catalog.changes_sql import SqlChangeStore
from nba.catalog.database import Database
from nba.catalog.publications_sql import SqlObjectStore
from nba.catalog.store import PlanRow, Snapshot
from nba.catalog.tables import layouts, plans, snapshots
from nba.errors import ConflictError


class SqlControlStore(SqlAuditStore, SqlChangeStore, SqlObjectStore):
    """Keeps everything in tables; safe to use from several threads and processes.

    Every call raises :class:`~nba.errors.UnavailableError` where the database does not answer.
    """

    @classmethod
    def create(cls, url: str) -> SqlControlStore:
        """Open a database by its SQLAlchemy URL; see :meth:`Database.create`."""
        return cls(Database.create(url))

    def save_plan(
        self, version: str, artifact: bytes, *, note: str, author: str, at_ms: int
    ) -> None:
        """Save a plan."""
        conflict = f"plan {version} is already saved with another artifact"
        with self.database.write(conflict) as connection:
            held = connection.scalar(select(plans.c.artifact).where(plans.c.version == version))
            if held is None:
                row = insert(plans).values(version=version, artifact=artifact, note=note)
                connection.execute(row.values(author=author, at_ms=at_ms))
            elif held != artifact:
                raise ConflictError(conflict)

    def plan(self, version: str) -> bytes | None:
        """Return a plan's artifact."""
        with self.database.read() as connection:
            query = select(plans.c.artifact).where(plans.c.version == version)
            return connection.scalar(query)

    def plans(self, limit: int) -> list[PlanRow]:
        """Return the latest plans, newest first."""
        length = func.length(plans.c.artifact).label("bytes")
        columns = (plans.c.version, plans.c.note, plans.c.author, plans.c.at_ms, length)
        query = select(*columns).order_by(plans.c.id.desc()).limit(limit)
        with self.database.read() as connection:
            return [PlanRow(**row) for row in connection.execute(query).mappings()]

    def save_layout(self, layout_id: int, data: bytes) -> None:
        """Save a layout."""
        conflict = f"layout {layout_id} is already saved with other data"
        with self.database.write(conflict) as connection:
            held = connection.scalar(select(layouts.c.data).where(layouts.c.layout_id == layout_id))
            if held is None:
                connection.execute(insert(layouts).values(layout_id=layout_id, data=data))
            elif held != data:
                raise ConflictError(conflict)

    def layouts(self) -> dict[int, bytes]:
        """Return every layout ever saved, by id."""
        with self.database.read() as connection:
            rows = connection.execute(select(layouts.c.layout_id, layouts.c.data))
            return {row.layout_id: row.data for row in rows}

    def save_snapshot(
        self, sequence: int, key: str, state: bytes, positions: Mapping[str, str], at_ms: int
    ) -> None:
        """Save a learner's state."""
        conflict = f"snapshot {sequence} is already saved with another state"
        snapshot = Snapshot(
            sequence=sequence, key=key, state=state, positions=dict(positions), at_ms=at_ms
        )
        with self.database.write(conflict) as connection:
            held = _one_snapshot(
                connection, select(snapshots).where(snapshots.c.sequence == sequence)
            )
            if held is None:
                row = insert(snapshots).values(sequence=sequence, key=key, state=state)
                connection.execute(row.values(positions=snapshot.positions, at_ms=at_ms))
            elif (held.key, held.state, held.positions) != (key, state, snapshot.positions):
                raise ConflictError(conflict)

    def snapshot(self, sequence: int) -> Snapshot | None:
        """Return one snapshot."""
        with self.database.read() as connection:
            return _one_snapshot(
                connection, select(snapshots).where(snapshots.c.sequence == sequence)
            )

    def latest_snapshot(self, key: str) -> Snapshot | None:
        """Return the snapshot of a key with the highest sequence."""
        query = select(snapshots).where(snapshots.c.key == key)
        with self.database.read() as connection:
            return _one_snapshot(connection, query.order_by(snapshots.c.sequence.desc()).limit(1))

    def prune_snapshots(self, keep_since_ms: int) -> int:
        """Drop old snapshots, but of each key never the one that was the latest at that time."""
        old = snapshots.c.at_ms < keep_since_ms
        latest = select(func.max(snapshots.c.sequence)).where(old).group_by(snapshots.c.key)
        with self.database.write() as connection:
            result = connection.execute(
                delete(snapshots).where(old, snapshots.c.sequence.not_in(latest))
            )
            return int(result.rowcount)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()


def _one_snapshot(connection: Connection, query: Select[Any]) -> Snapshot | None:
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Snapshot(**row)
