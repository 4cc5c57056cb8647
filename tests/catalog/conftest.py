"""Every control store, empty: in memory, on SQLite, on a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_stores import empty

from nba.catalog.memory import MemoryControlStore
from nba.catalog.sql import SqlControlStore
from nba.catalog.store import ControlStore


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of every kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/control/store.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def sql_store(request: pytest.FixtureRequest) -> SqlControlStore:
    """Give a control store on every kind of database, empty."""
    opened: SqlControlStore = request.getfixturevalue(f"{request.param}_control")
    return empty(opened)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> ControlStore:
    """Every adapter, empty."""
    if request.param == "memory":
        return MemoryControlStore()
    opened: SqlControlStore = request.getfixturevalue(f"{request.param}_control")
    return empty(opened)
