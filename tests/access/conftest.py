"""Keys, a clock that is set by hand, and chance that is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hand_clock import HandClock

from nba.access.memory import MemoryKeyStore
from nba.access.service import KeyService


def counted() -> Callable[[int], bytes]:
    """Return bytes that differ from call to call and are the same from run to run."""
    calls = iter(range(1, 1 << 20))
    return lambda count: next(calls).to_bytes(count, "big")


@pytest.fixture
def clock() -> HandClock:
    """Noon, until it is set to something else."""
    return HandClock()


@pytest.fixture
def store() -> MemoryKeyStore:
    """No keys yet."""
    return MemoryKeyStore()


@pytest.fixture
def service(store: MemoryKeyStore, clock: HandClock) -> KeyService:
    """Return what makes keys."""
    return KeyService(store, clock, counted())
