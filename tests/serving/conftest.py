"""One running API for the tests of what it answers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from live_api import live_api


@pytest.fixture(scope="session")
def api(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Give a client of an API that lives for the session."""
    with (
        live_api(valkey, tmp_path_factory.mktemp("serving"), "serving") as url,
        httpx.Client(base_url=url, timeout=10.0) as client,
    ):
        yield client
