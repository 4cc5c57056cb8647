"""A SQL database: how it is opened, its tables brought up to date, and its transactions begun.

SQLite runs in write-ahead mode, so that readers never wait for a writer, and every transaction
that writes takes the write lock when it begins: one that began by reading could not get it later
without failing (https://www.sqlite.org/isolation.html). On a server a transaction that writes takes
an advisory lock when it begins, so that there too one writer follows another: the audit trail is
one chain, and what a writer has checked still holds when it writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from nba.catalog.migrations import migrate
from nba.errors import ConflictError, UnavailableError

_BUSY_TIMEOUT_MS = 15_000
_WRITES = {"nba_writes": True}
_WRITE_LOCK = 7_130_002


class Database:
    """What the stores kept in one SQL database share; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**_WRITES)

    @classmethod
    def create(cls, url: str) -> Database:
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
        event.listen(engine, "begin", _begin_sqlite if is_sqlite else _begin_server)
        with _answering(), engine.execution_options(**_WRITES).begin() as connection:
            migrate(connection)
        return cls(engine)

    @contextmanager
    def write(self, conflict: str = "") -> Iterator[Connection]:
        """Open a transaction that writes; a key taken meanwhile raises with ``conflict``."""
        try:
            with _answering(), self._writer.begin() as connection:
                yield connection
        except IntegrityError as error:
            if not conflict:
                raise
            raise ConflictError(conflict) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that reads."""
        with _answering(), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


class OnDatabase:
    """A store, or a part of one, that is kept in a database."""

    def __init__(self, database: Database) -> None:
        self.database = database


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the database's errors into ours, but for a key that is taken."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise UnavailableError(f"the control store does not answer: {error}") from error


def _configure_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not the driver
    for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "journal_mode = WAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.execute(text("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN"))


def _begin_server(connection: Connection) -> None:
    if _writes(connection):
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})"))


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("nba_writes", False))
