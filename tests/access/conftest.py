"""Keys, a clock that is set by hand, and chance that is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nba.access.memory import MemoryKeyStore
from nba.access.service import KeyService
from nba.domain.clock import ManualClock


def counted() -> Callable[[int], bytes]:
    """Return bytes that differ from call to call and are the same from run to run."""
    calls = iter(range(1, 1 << 20))
    return lambda count: next(calls).to_bytes(count, "big")


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that moves only when told to."""
    return ManualClock()


@pytest.fixture
def store() -> MemoryKeyStore:
    """No keys yet."""
    return MemoryKeyStore()


@pytest.fixture
def service(store: MemoryKeyStore, clock: ManualClock) -> KeyService:
    """Return what makes keys."""
    return KeyService(store, clock, counted())
