"""A million customers: loaded from Parquet, their bytes online, and whether reads got slower."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import redis
import uvloop

from benchmarks.features.population import customer_ids, customers, events
from benchmarks.features.reading import Reader
from benchmarks.features.rounds import Samples, each, interleave, median, on_cores, ratio
from benchmarks.features.service import publish, settings_for
from benchmarks.report import figure
from nba.bootstrap import environment
from nba.domain.clock import Clock
from nba.features import FeatureSet
from nba.settings import Settings
from nba.storage import Connection, Keys
from nba.storage.valkey import start_valkey

AT_ONCE = 64
MANY, FEW = "many", "few"
_SAMPLE = 10_000
_CHUNK = 100_000


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
    command = [sys.executable, "-m", "nba", "ingest", *map(str, files)]
    started = time.perf_counter()
    subprocess.run(command, env=environment(settings), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


@contextmanager
def loaded(
    folder: Path, features: FeatureSet, count: int, per_customer: float, *, now_ms: int
) -> Iterator[tuple[Settings, Loaded]]:
    """Run a server with so many customers ingested into it."""
    folder.mkdir()
    files = write_parquet(folder, count, per_customer, now_ms=now_ms)
    server = start_valkey(folder / "valkey")
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
    sample = random.Random(0).sample(customer_ids(count), min(_SAMPLE, count))
    pipeline = store.pipeline(transaction=False)
    for customer_id in sample:
        pipeline.strlen(keys.profile(customer_id))
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
    urls: dict[str, tuple[str, int]],
    clock: Clock,
    rounds: int,
    seconds: float,
) -> Samples:
    contenders: dict[str, Any] = {}
    connections = []
    for name, (url, count) in urls.items():
        connection = Connection(url)
        await connection.connect()
        connections.append(connection)
        reader = Reader(connection, features, customer_ids(count), clock, seed=2)
        for at_once in (AT_ONCE, 1):
            contenders[f"{name}, {at_once}"] = partial(
                each, reader.row, at_once=at_once, seconds=seconds
            )
    try:
        return await interleave(contenders, rounds)
    finally:
        for connection in connections:
            await connection.close()


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
        urls = {
            MANY: (many.redis_url or "", customer_count),
            FEW: (few.redis_url or "", few_count),
        }
        with on_cores(0):
            samples = uvloop.run(_read(features, urls, clock, rounds, seconds))
    return Scale(big, small, samples)


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
