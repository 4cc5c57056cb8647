"""What is too much is refused with a time to come back, and nothing of it was taken."""

from __future__ import annotations

import asyncio

import pytest

from nba.errors import OverloadedError, UnavailableError
from nba.ledger.memory import MemoryLedger
from nba.ledger.store import Reader
from nba.serving.admission import BACKLOG_RETRY_SECONDS, RETRY_SECONDS, Admission
from nba.serving.metrics import Metrics


def admission(ledger: MemoryLedger, metrics: Metrics) -> Admission:
    return Admission(ledger, metrics, max_in_flight=10, max_backlog=3, poll_seconds=0.01)


def gauge(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


def test_items_are_let_in_up_to_the_bound_and_again_once_some_are_done() -> None:
    metrics = Metrics()
    gate = admission(MemoryLedger({}), metrics)
    with gate.admit(6):
        with gate.admit(4):
            assert gauge(metrics, "nba_items_in_flight") == 10
            with pytest.raises(OverloadedError, match="NBA_MAX_ITEMS_IN_FLIGHT") as caught:
                gate.admit(1).__enter__()
            assert caught.value.retry_after_seconds == RETRY_SECONDS
        with gate.admit(4):
            pass
    assert gauge(metrics, "nba_items_in_flight") == 0


def test_a_request_larger_than_the_bound_is_let_in_alone() -> None:
    gate = admission(MemoryLedger({}), Metrics())
    with gate.admit(11), pytest.raises(OverloadedError):
        gate.admit(1).__enter__()


def test_what_fails_is_no_longer_on_its_way() -> None:
    metrics = Metrics()
    gate = admission(MemoryLedger({}), metrics)
    with pytest.raises(UnavailableError), gate.admit(10):
        raise UnavailableError("the store cannot be reached")
    assert gauge(metrics, "nba_items_in_flight") == 0


def test_nothing_is_let_in_while_the_log_lags_behind() -> None:
    ledger, metrics = MemoryLedger({}), Metrics()
    gate = admission(ledger, metrics)
    for number in range(4):
        ledger.append_entry(number % 2, "e", b"")
    with gate.admit(1):  # not looked at yet
        pass
    asyncio.run(gate.look())
    assert gauge(metrics, "nba_ledger_backlog") == 4
    with pytest.raises(OverloadedError, match="NBA_MAX_LEDGER_BACKLOG") as caught:
        gate.admit(1).__enter__()
    assert caught.value.retry_after_seconds == BACKLOG_RETRY_SECONDS
    for reader in Reader:
        asyncio.run(ledger.advance(0, reader, "3-0"))
    asyncio.run(gate.look())
    with gate.admit(1):
        pass


class Away(MemoryLedger):
    """A ledger that cannot be reached."""

    async def backlog(self) -> int:
        """Raise."""
        raise UnavailableError("the store cannot be reached")


def test_a_ledger_that_is_away_changes_nothing_and_does_not_end_the_watch() -> None:
    async def main() -> None:
        gate = admission(Away({}), Metrics())
        watch = asyncio.create_task(gate.run())
        await asyncio.sleep(0.03)
        assert not watch.done()
        watch.cancel()
        with gate.admit(1):
            pass

    asyncio.run(main())
