"""Fixtures shared by all tests: real servers, and the public datasets where they are present."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nba.storage.valkey import start_valkey

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Valkey server that lives for the session."""
    server = start_valkey(tmp_path_factory.mktemp("valkey"))
    yield f"redis://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Folder of the public datasets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("NBA_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip(f"no datasets at NBA_DATASETS ({folder.name})")
    return folder
