"""Events through HTTP: one API process, batches of 100, the generator in another process."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
import polars as pl

from benchmarks.features.population import PROPERTIES, customers, events
from benchmarks.features.service import api, publish
from benchmarks.load import Load, load, post
from benchmarks.report import figure
from nba.domain.clock import Clock, to_rfc3339
from nba.features import FeatureSet
from nba.settings import Settings

BATCH = 100
CONNECTIONS = 8
_MOST_PER_SECOND = 25_000
_FEWEST_BATCHES = 64
_RECORDED = 'nba_events_total{status="recorded"}'


def measure(
    settings: Settings,
    features: FeatureSet,
    clock: Clock,
    *,
    customer_count: int,
    rounds: int,
    seconds: float,
) -> list[Load]:
    """Send batches round by round; every event must have been recorded, and once."""
    publish(settings, features)
    found = []
    with api(settings, core=0) as url:
        _introduce(url, customer_count)
        for turn in range(rounds + 1):
            total = max(int(_MOST_PER_SECOND * seconds), _FEWEST_BATCHES * BATCH)
            frame = events(customer_count, total / customer_count, seed=turn, now_ms=clock())
            requests = batches(frame, now_ms=clock())
            before = recorded(url)
            run = load(settings.port, requests, connections=CONNECTIONS, seconds=seconds)
            landed = recorded(url) - before
            if run.requests > len(requests):
                raise SystemExit("the generator ran out of events; raise _MOST_PER_SECOND")
            if run.failed or landed != run.requests * BATCH:
                sent = f"{run.requests} batches of {BATCH} sent"
                raise SystemExit(f"{sent}, {run.failed} failed, {landed:g} events recorded")
            if turn:
                found.append(run)
    return found


def batches(frame: pl.DataFrame, *, now_ms: int) -> list[bytes]:
    """Return requests of 100 ``track`` messages each, of events that happen now."""
    now = to_rfc3339(now_ms)
    messages = [
        {
            "type": "track",
            "userId": row["customer_id"],
            "event": row["name"],
            "messageId": row["message_id"],
            "timestamp": now,
            "properties": {name: row[name] for name in PROPERTIES if row[name] is not None},
        }
        for row in frame.iter_rows(named=True)
    ]
    return [
        post("/v1/events", msgspec.json.encode({"batch": messages[start : start + BATCH]}))
        for start in range(0, len(messages) - BATCH + 1, BATCH)
    ]


def recorded(url: str) -> float:
    """Return how many events the API says it has recorded."""
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith(_RECORDED):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def _introduce(url: str, count: int) -> None:
    """Give every customer a profile, as a service that has run for a while would have."""
    messages = [
        {"type": "identify", "userId": row.pop("customer_id"), "traits": row}
        for row in customers(count, seed=0).iter_rows(named=True)
    ]
    with httpx.Client(base_url=url) as client:
        for start in range(0, count, BATCH):
            body = {"batch": messages[start : start + BATCH]}
            client.post("/v1/events", json=body).raise_for_status()


def figures(runs: Sequence[Load], how: str) -> list[dict[str, Any]]:
    """Return the figures."""
    rate = statistics.median(run.per_second * BATCH for run in runs)
    slowest = statistics.median(run.p99_ms for run in runs)
    where = (
        f"one API process on one core, store and generator on the other, {CONNECTIONS} "
        f"connections, mixed events of customers at random; {how}"
    )
    name = f"events a second through HTTP, batches of {BATCH}"
    return [
        figure(name, rate, "1/s", where, at_least=8_000),
        figure(f"p99 of a batch of {BATCH} events", slowest, "ms", where),
    ]
