"""A million customers: loaded from Parquet, their bytes online, and whether reads got slower."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import redis
import uvloop

from benchmarks.features.population import as_events, as_updates, customer_id, customers, events
from benchmarks.features.rounds import Samples, each, interleave, median, on_cores, ratio
from benchmarks.features.service import publish, settings_for
from benchmarks.report import figure
from nba.bootstrap import environment
from nba.domain.clock import Clock
from nba.features import FeatureSet
from nba.features.redis import RedisProfileStore
from nba.settings import Settings
from nba.storage import Connection, Keys
from nba.storage.valkey import start_valkey

AT_ONCE = 64
MANY, FEW = "many", "few"
_SAMPLE = 10_000
_SERVER = "valkey"
_FULL_EVENTS = 5_000
_TAIL = 1_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one load took, and what it left: bytes a customer of profiles, keys and index."""

    customers: int
    events: int
    seconds: float
    online_bytes: float
    packed_bytes: float


@dataclass(frozen=True, slots=True)
class Scale:
    """Both loads, and microseconds a read by number of customers."""

    many: Loaded
    few: Loaded
    samples: Samples
    fullest_bytes: int


def write_parquet(folder: Path, count: int, per_customer: float, *, now_ms: int) -> list[Path]:
    """Write who the customers are and what they did, as files to be ingested."""
    people, happened = folder / "customers.parquet", folder / "events.parquet"
    customers(count, seed=1).write_parquet(people)
    frame = events(count, per_customer, seed=1, now_ms=now_ms)
    at = pl.from_epoch("at_ms", "ms").dt.replace_time_zone("UTC")
    frame.with_columns(at=at).drop("at_ms").write_parquet(happened)
    return [people, happened]


def ingest(settings: Settings, files: Sequence[Path]) -> float:
    """Load files as a user would; return seconds from start to end of the command."""
    command = [sys.executable, "-m", "nba", "ingest", "--json", *map(str, files)]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"nba ingest failed: {(done.stderr or done.stdout)[-_TAIL:]}")
    return time.perf_counter() - started


@contextmanager
def loaded(
    folder: Path, features: FeatureSet, count: int, per_customer: float, *, now_ms: int
) -> Iterator[tuple[Settings, Loaded]]:
    """Run a server with so many customers ingested into it."""
    folder.mkdir()
    files = write_parquet(folder, count, per_customer, now_ms=now_ms)
    server = start_valkey(folder / _SERVER)
    try:
        settings = settings_for(folder, f"redis://127.0.0.1:{server.port}")
        publish(settings, features)
        with redis.from_url(settings.redis_url or "") as store:
            before = store.info("memory")["used_memory"]
            seconds = ingest(settings, files)
            online, packed = _bytes_online(store, before, count)
        yield settings, Loaded(count, round(count * per_customer), seconds, online, packed)
    finally:
        server.stop()


def _bytes_online(store: Any, before: int, count: int) -> tuple[float, float]:
    """Return bytes a customer: all the server holds but ledger and message ids; and of profiles.

    Ledger entries wait there for the worker only, and message ids for two days.
    """
    keys = Keys()
    pipeline = store.pipeline(transaction=False)
    for number in random.Random(0).sample(range(count), min(_SAMPLE, count)):
        pipeline.strlen(keys.profile(customer_id(number)))
    lengths = pipeline.execute()
    if not all(lengths):
        raise SystemExit(f"{lengths.count(0)} of {len(lengths)} sampled customers did not land")
    profiles = keys.profile("x").rsplit("}", 1)[1][:-1]
    passing = [
        key
        for key in store.scan_iter(count=10_000)
        if not key.partition(b"}")[2].startswith(profiles.encode())
    ]
    held = sum(store.memory_usage(key, samples=0) or 0 for key in passing)
    used = store.info("memory")["used_memory"] - before - held
    return used / count, sum(lengths) / len(lengths)


async def _read(
    features: FeatureSet,
    servers: Mapping[str, tuple[str, int]],
    clock: Clock,
    *,
    rounds: int,
    seconds: float,
) -> Samples:
    """Read customers at random from each server in turn."""
    contenders: dict[str, Any] = {}
    connections = []
    for name, (url, count) in servers.items():
        connection = Connection(url)
        await connection.connect()
        connections.append(connection)
        row = _row_reader(RedisProfileStore(connection, Keys(), clock), features, count, clock)
        for at_once in (AT_ONCE, 1):
            contenders[f"{name}, {at_once}"] = partial(each, row, at_once=at_once, seconds=seconds)
    try:
        return await interleave(contenders, rounds)
    finally:
        for connection in connections:
            await connection.close()


def _row_reader(
    store: RedisProfileStore, features: FeatureSet, count: int, clock: Clock
) -> Callable[[], Awaitable[object]]:
    """Return how one customer at random is read.

    Its id is made when it is asked for: a list of a million of them would slow the client, which
    is not what is compared.
    """
    draw = random.Random(2)

    async def row() -> object:
        profile = await store.get(customer_id(draw.randrange(count)))
        return features.read(profile, at_ms=clock()).features

    return row


def _pin(data_dir: Path) -> None:
    """Put a server on the second core."""
    pid = int((data_dir / "server.pid").read_text())
    os.sched_setaffinity(pid, os.sched_getaffinity(pid).intersection({1}) or {0})


def fullest_bytes(features: FeatureSet, *, now_ms: int) -> int:
    """Return the bytes of the packed profile of a customer with something in every tile."""
    (update,) = as_updates(customers(1, seed=1))
    packed, _ = features.update(None, update, at_ms=now_ms)
    for event in as_events(events(1, _FULL_EVENTS, seed=1, now_ms=now_ms)):
        packed = features.apply(packed, event)
    return len(packed)


def measure(
    folder: Path,
    features: FeatureSet,
    clock: Clock,
    *,
    customer_count: int,
    few_count: int,
    per_customer: float,
    rounds: int,
    seconds: float,
) -> Scale:
    """Load many and few customers into a server each, and read from both in turn."""
    now_ms = clock()
    with (
        loaded(folder / FEW, features, few_count, per_customer, now_ms=now_ms) as (few, small),
        loaded(folder / MANY, features, customer_count, per_customer, now_ms=now_ms) as (many, big),
    ):
        for name in (MANY, FEW):
            _pin(folder / name / _SERVER)
        servers = {
            MANY: (many.redis_url or "", customer_count),
            FEW: (few.redis_url or "", few_count),
        }
        with on_cores(0):
            samples = uvloop.run(_read(features, servers, clock, rounds=rounds, seconds=seconds))
    return Scale(big, small, samples, fullest_bytes(features, now_ms=now_ms))


def figures(found: Scale, how: str) -> list[dict[str, Any]]:
    """Return the figures."""
    many, few = found.many, found.few
    what = f"{many.customers:,} customers with 50 features, {many.events:,} events"
    return [
        figure(
            "online bytes a customer",
            many.online_bytes,
            "bytes",
            f"{what}: growth of the server's used_memory, ledger and message ids left out",
            at_most=1_500,
        ),
        figure("packed profile", many.packed_bytes, "bytes", f"{what}: mean STRLEN"),
        figure(
            "packed profile with every tile full",
            float(found.fullest_bytes),
            "bytes",
            f"one customer with {_FULL_EVENTS:,} events",
        ),
        figure(
            "load from Parquet",
            many.seconds,
            "s",
            f"{what}: `nba ingest`, start to end, with its server on the same two cores",
            at_most=600,
        ),
        figure(
            f"reads with {many.customers:,} / with {few.customers:,} customers, {AT_ONCE} at once",
            ratio(found.samples, f"{MANY}, {AT_ONCE}", f"{FEW}, {AT_ONCE}"),
            "ratio",
            how,
            at_most=1.2,
        ),
        figure(
            f"reads with {many.customers:,} / with {few.customers:,} customers, one at a time",
            ratio(found.samples, f"{MANY}, 1", f"{FEW}, 1"),
            "ratio",
            how,
        ),
        figure(f"read of {many.customers:,}", median(found.samples, f"{MANY}, 1"), "µs", how),
    ]
