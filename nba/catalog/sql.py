"""Control store in a SQL database: SQLite by default, PostgreSQL where there are several machines.

SQLite runs in write-ahead mode, so that readers never wait for a writer, and every transaction
that writes takes the write lock when it begins: one that began by reading could not get it later
without failing (https://www.sqlite.org/isolation.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from nba.catalog.migrations import migrate
from nba.catalog.store import AuditRow, PlanRow, Snapshot
from nba.catalog.tables import audit_log, layouts, plans, publications, snapshots
from nba.errors import ConflictError, NotFoundError, UnavailableError

_BUSY_TIMEOUT_MS = 15_000
_WRITES = {"nba_writes": True}


class SqlControlStore:
    """Keeps everything in tables; safe to use from several threads and processes.

    Every call raises :class:`~nba.errors.UnavailableError` where the database does not answer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**_WRITES)

    @classmethod
    def create(cls, url: str) -> SqlControlStore:
        """Open a database by its SQLAlchemy URL and bring its tables up to date.

        A SQLite file, and the folder it is in, are made where they do not exist.
        """
        target = make_url(url)
        is_sqlite = target.get_backend_name() == "sqlite"
        if is_sqlite and target.database:
            Path(target.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(target, pool_pre_ping=not is_sqlite)
        if is_sqlite:
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        with _answering(), engine.execution_options(**_WRITES).begin() as connection:
            migrate(connection)
        return cls(engine)

    @contextmanager
    def _write(self, conflict: str = "") -> Iterator[Connection]:
        """Open a transaction that writes; a key taken meanwhile raises with ``conflict``."""
        try:
            with _answering(), self._writer.begin() as connection:
                yield connection
        except IntegrityError as error:
            if not conflict:
                raise
            raise ConflictError(conflict) from error

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """Open a transaction that reads."""
        with _answering(), self._engine.connect() as connection:
            yield connection

    def save_plan(
        self, version: str, artifact: bytes, *, note: str, author: str, at_ms: int
    ) -> None:
        """Save a plan."""
        conflict = f"plan {version} is already saved with another artifact"
        with self._write(conflict) as connection:
            held = connection.scalar(select(plans.c.artifact).where(plans.c.version == version))
            if held is None:
                row = insert(plans).values(version=version, artifact=artifact, note=note)
                connection.execute(row.values(author=author, at_ms=at_ms))
            elif held != artifact:
                raise ConflictError(conflict)

    def plan(self, version: str) -> bytes | None:
        """Return a plan's artifact."""
        with self._read() as connection:
            query = select(plans.c.artifact).where(plans.c.version == version)
            return connection.scalar(query)

    def plans(self, limit: int) -> list[PlanRow]:
        """Return the latest plans, newest first."""
        length = func.length(plans.c.artifact).label("bytes")
        columns = (plans.c.version, plans.c.note, plans.c.author, plans.c.at_ms, length)
        query = select(*columns).order_by(plans.c.id.desc()).limit(limit)
        with self._read() as connection:
            return [PlanRow(**row) for row in connection.execute(query).mappings()]

    def set_current(self, version: str, at_ms: int) -> None:
        """Make a saved plan the live one."""
        with self._write() as connection:
            if not connection.scalar(select(func.count()).where(plans.c.version == version)):
                raise NotFoundError(f"plan {version} is not saved")
            connection.execute(insert(publications).values(version=version, at_ms=at_ms))

    def current(self) -> str | None:
        """Return the version of the live plan."""
        query = select(publications.c.version).order_by(publications.c.id.desc()).limit(1)
        with self._read() as connection:
            return connection.scalar(query)

    def save_layout(self, layout_id: int, data: bytes) -> None:
        """Save a layout."""
        conflict = f"layout {layout_id} is already saved with other data"
        with self._write(conflict) as connection:
            held = connection.scalar(select(layouts.c.data).where(layouts.c.layout_id == layout_id))
            if held is None:
                connection.execute(insert(layouts).values(layout_id=layout_id, data=data))
            elif held != data:
                raise ConflictError(conflict)

    def layouts(self) -> dict[int, bytes]:
        """Return every layout ever saved, by id."""
        with self._read() as connection:
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
        with self._write(conflict) as connection:
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
        with self._read() as connection:
            return _one_snapshot(
                connection, select(snapshots).where(snapshots.c.sequence == sequence)
            )

    def latest_snapshot(self, key: str) -> Snapshot | None:
        """Return the snapshot of a key with the highest sequence."""
        query = select(snapshots).where(snapshots.c.key == key)
        with self._read() as connection:
            return _one_snapshot(connection, query.order_by(snapshots.c.sequence.desc()).limit(1))

    def prune_snapshots(self, keep_since_ms: int) -> int:
        """Drop old snapshots, but never the latest of a key."""
        latest = select(func.max(snapshots.c.sequence)).group_by(snapshots.c.key)
        with self._write() as connection:
            old = snapshots.c.at_ms < keep_since_ms
            result = connection.execute(
                delete(snapshots).where(old, snapshots.c.sequence.not_in(latest))
            )
            return int(result.rowcount)

    def audit(self, at_ms: int, actor: str, verb: str, subject: str, detail: str) -> None:
        """Append to the audit trail."""
        row = insert(audit_log).values(at_ms=at_ms, actor=actor, verb=verb)
        with self._write() as connection:
            connection.execute(row.values(subject=subject, detail=detail))

    def audit_log(self, limit: int) -> list[AuditRow]:
        """Return the latest entries of the audit trail, newest first."""
        log = audit_log.c
        query = select(log.at_ms, log.actor, log.verb, log.subject, log.detail)
        query = query.order_by(log.id.desc()).limit(limit)
        with self._read() as connection:
            return [AuditRow(**row) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the database's errors into ours, but for a key that is taken."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise UnavailableError(f"the control store does not answer: {error}") from error


def _one_snapshot(connection: Connection, query: Select[Any]) -> Snapshot | None:
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Snapshot(**row)


def _configure_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not the driver
    for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "journal_mode = WAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("nba_writes", False)
    connection.execute(text("BEGIN IMMEDIATE" if writes else "BEGIN"))
