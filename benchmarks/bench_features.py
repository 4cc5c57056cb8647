"""The feature store's figures: reads, writes, scale, offline rows and parity, in one run.

What is compared takes turns, so that a slow minute of the machine falls on all; ratios are of
medians over rounds. Feast is installed into an environment of its own under ``benchmarks/.peers``.

``--only`` runs some of the parts, ``--quick`` a small version of those that need neither Feast nor
a process of the service; neither overwrites the results of a full run. ``BENCH_CUSTOMERS`` scales
the million customers down.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import parity
from benchmarks.features import api, applying, offline, reading, replaying, scale
from benchmarks.features.datasets import MissingDatasetError
from benchmarks.features.definitions import FIFTY, load
from benchmarks.features.population import packed_profiles
from benchmarks.features.rounds import Samples, on_cores
from benchmarks.features.service import settings_for
from benchmarks.peer_process import PeerFailedError, PeerProcess, install, peer_process
from benchmarks.report import figure, write
from nba.bootstrap import system_clock
from nba.features import FeatureSet
from nba.storage import Connection, Keys
from nba.storage.valkey import start_valkey

Figures = list[dict[str, Any]]

CLIENT_CORE, STORE_CORE = 0, 1
HTTP_PORT = 18_090
_SEED = 1


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    customers: int = 10_000
    many_customers: int = 1_000_000
    events_per_customer: float = 12.0
    many_events_per_customer: float = 4.0
    rounds: int = 7
    seconds: float = 1.0
    http_seconds: float = 10.0
    offline_rounds: int = 3
    households: int | None = None
    people: int | None = None
    cases: int = 10_000


FULL = Size()
QUICK = Size(
    customers=100,
    rounds=1,
    seconds=0.02,
    offline_rounds=1,
    households=3,
    people=20,
    cases=3,
)


@contextmanager
def store(folder: Path) -> Iterator[str]:
    """Run a server on the second core and everything else here on the first; gives its URL."""
    with on_cores(STORE_CORE):
        server = start_valkey(folder / "valkey")
    try:
        with on_cores(CLIENT_CORE):
            yield f"redis://127.0.0.1:{server.port}"
    finally:
        server.stop()


def filled(size: Size) -> tuple[FeatureSet, dict[str, bytes], int]:
    """Return the 50 features, packed profiles by customer, and when these were made."""
    features, now_ms = load(FIFTY), system_clock()
    each = size.events_per_customer
    return (
        features,
        packed_profiles(features, size.customers, each, seed=_SEED, now_ms=now_ms),
        now_ms,
    )


@asynccontextmanager
async def connected(url: str, profiles: Mapping[str, bytes]) -> AsyncIterator[Connection]:
    """Connect to a server and put the profiles where the service keeps them."""
    keys = Keys()
    connection = Connection(url)
    await connection.connect()
    try:
        for customer_id, packed in profiles.items():
            await connection.execute("SET", keys.profile(customer_id), packed)
        yield connection
    finally:
        await connection.close()


def told(size: Size) -> str:
    """Say how ratios were measured."""
    return (
        f"{size.customers:,} customers, clients on one core, the same server on the other; ratio "
        f"of medians of {size.rounds} interleaved rounds of {size.seconds:g} s"
    )


def read(size: Size, with_feast: bool, folder: Path) -> Figures:
    """Measure reads beside a bare GET and Feast, on one server."""
    features, profiles, now_ms = filled(size)
    ids = list(profiles)

    async def run(url: str, feast: PeerProcess | None) -> tuple[Samples, list[str]]:
        async with connected(url, profiles) as connection:
            reader = reading.Reader(connection, features, ids, system_clock, seed=_SEED)
            return await reading.measure(
                reader, feast, ids, rounds=size.rounds, seconds=size.seconds
            )

    with ExitStack() as stack:
        url = stack.enter_context(store(folder))
        feast, versions = None, ""
        if with_feast:
            feast = stack.enter_context(peer_process("feast", PEER_CORES=str(CLIENT_CORE)))
            found = reading.introduce(features, profiles, feast, folder, url=url, at_ms=now_ms)
            versions = f"; Feast {found['feast']}, redis-py {found['redis']}"
        samples, variants = uvloop.run(run(url, feast))
    return reading.figures(samples, variants, told(size) + versions)


def apply(size: Size, _with_feast: bool, folder: Path) -> Figures:
    """Measure writes beside a bare SET."""
    features, profiles, _ = filled(size)
    ids = list(profiles)

    async def run(url: str) -> Samples:
        async with connected(url, profiles) as connection:
            writer = applying.Writer(
                connection, features, ids, system_clock, profile=profiles[ids[0]], seed=_SEED
            )
            return await applying.measure(writer, rounds=size.rounds, seconds=size.seconds)

    with store(folder) as url:
        return applying.figures(uvloop.run(run(url)), told(size))


def http(size: Size, _with_feast: bool, folder: Path) -> Figures:
    """Measure events through HTTP."""
    with on_cores(STORE_CORE):
        server = start_valkey(folder / "valkey")
        try:
            settings = settings_for(folder, f"redis://127.0.0.1:{server.port}", port=HTTP_PORT)
            runs = api.measure(
                settings,
                load(FIFTY),
                system_clock,
                customer_count=size.customers,
                rounds=size.offline_rounds,
                seconds=size.http_seconds,
            )
        finally:
            server.stop()
    how = f"median of {size.offline_rounds} rounds of {size.http_seconds:g} s"
    return api.figures(runs, how)


def million(size: Size, _with_feast: bool, folder: Path) -> Figures:
    """Measure loading, keeping and reading many customers."""
    found = scale.measure(
        folder,
        load(FIFTY),
        system_clock,
        customer_count=size.many_customers,
        few_count=min(size.customers, size.many_customers),
        per_customer=size.many_events_per_customer,
        rounds=size.rounds,
        seconds=size.seconds,
    )
    how = f"ratio of medians of {size.rounds} interleaved rounds of {size.seconds:g} s"
    return scale.figures(found, how)


def receipts(size: Size, with_feast: bool, folder: Path) -> Figures:
    """Measure offline rows beside Feast's join."""
    found = offline.measure(
        folder, with_feast, rounds=size.offline_rounds, households=size.households
    )
    return offline.figures(found)


def random_parity(size: Size, _with_feast: bool, _folder: Path) -> Figures:
    """Count differences in random cases."""
    found = parity.run(size.cases, _SEED)
    how = f"{found.values:,} values, {found.events:,} events, online against a slow reference"
    name = f"parity: differences in {found.cases:,} random cases"
    return [figure(name, float(found.differences), "values", how, at_most=0)]


def replay(size: Size, _with_feast: bool, _folder: Path) -> Figures:
    """Count differences in a replay of a public stream."""
    return replaying.figures(replaying.measure(size.people))


PARTS: dict[str, Callable[[Size, bool, Path], Figures]] = {
    "read": read,
    "apply": apply,
    "http": http,
    "million": million,
    "offline": receipts,
    "parity": random_parity,
    "replay": replay,
}
NEED_FEAST = ("read", "offline")
NEED_PROCESSES = ("http", "million")


def measure(size: Size, parts: list[str], with_feast: bool) -> Figures:
    """Run parts in turn; what cannot run here is told and left out."""
    found: Figures = []
    for name in parts:
        print(f"measuring: {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            try:
                found += PARTS[name](size, with_feast, Path(folder))
            except MissingDatasetError as error:
                print(f"skipped: {name}: {error}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=FULL.rounds)
    parser.add_argument("--seconds", type=float, default=FULL.seconds)
    given = parser.parse_args()
    if given.quick:
        write(
            "features_quick", measure(QUICK, [n for n in PARTS if n not in NEED_PROCESSES], False)
        )
        return
    parts = given.only or list(PARTS)
    many = int(os.environ.get("BENCH_CUSTOMERS", FULL.many_customers))
    size = Size(many_customers=many, rounds=given.rounds, seconds=given.seconds)
    with_feast = False
    if set(parts) & set(NEED_FEAST):
        try:
            install("feast")
            with_feast = True
        except PeerFailedError as error:
            print(f"skipped: {error}")
    whole = parts == list(PARTS) and many == FULL.many_customers
    write("features" if whole else "features_partial", measure(size, parts, with_feast))


if __name__ == "__main__":
    main()
