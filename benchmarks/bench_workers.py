"""Outcomes joined a second by one worker and by two that share the partitions.

``make bench-workers`` (ARGS="--rounds 3 --outcomes 6000"). Real processes on a real store, as in
production. In every turn the decisions are in the log already and the workers stand still while
outcomes are reported; what is timed is from their going on until every choice has resolved.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import polars as pl

from benchmarks.report import figure, write
from nba.bootstrap import Runtime, environment, load_settings, open_log, open_runtime, system_clock
from nba.decision.plan import Plan
from nba.decision.plans import read_pointer
from nba.decision.service import DecisionService
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.ids import NO_ACTION, CustomerId, PlacementId
from nba.ledger.log import LogTable
from nba.ledger.positions import writer_of
from nba.ledger.records import OutcomeEntry
from nba.settings import Settings
from nba.storage.valkey import start_valkey

COUNTS = (1, 2)
_PLACEMENT = PlacementId("web.home.hero")
_READY_SECONDS = 300.0
_REPORTED_AT_ONCE = 500


class Crew:
    """Workers as processes of their own, that share the partitions."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._processes = []
        for index in range(count):
            given = {"worker_index": index, "worker_count": count}
            about = environment(settings.model_copy(update=given))
            command = [sys.executable, "-m", "nba", "worker"]
            self._processes.append(subprocess.Popen(command, env=about))

    def signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send_signal(number)

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(120)


async def until(check: Callable[[], Awaitable[bool]], rest: float = 0.02) -> None:
    """Wait until something is so; the benchmark ends where it never is."""
    deadline = time.monotonic() + _READY_SECONDS
    while not await check():
        if time.monotonic() > deadline:
            raise SystemExit(f"{check.__name__}: not within {_READY_SECONDS:g} s")
        await asyncio.sleep(rest)


async def waiting(runtime: Runtime) -> int:
    """Return how many choices wait for an outcome."""
    names = map(runtime.keys.pending, range(runtime.ledger.partitions))
    counts = await asyncio.gather(*[runtime.connection.execute("ZCARD", name) for name in names])
    return sum(counts)


async def live_plan(runtime: Runtime) -> Plan:
    """Return the plan that the first worker has published, as soon as it has."""

    async def published() -> bool:
        return await runtime.ledger.plan() is not None

    await until(published)
    return runtime.repository.get(read_pointer(await runtime.ledger.plan() or b""))


async def decide(runtime: Runtime, plan: Plan, wanted: int) -> list[OutcomeEntry]:
    """Decide for new customers until so many choices wait; return what each desires."""
    service = DecisionService(
        lambda: plan, runtime.ledger, clock=runtime.clock, random_bits=runtime.random_bits
    )
    actions = {a.id: a for a in plan.catalog.actions if a.id != NO_ACTION and not a.goals}
    found: list[OutcomeEntry] = []
    asked = 0
    while len(found) < wanted:
        customer = CustomerId(f"customer-{asked}")
        placements = (PlacementRequest(id=_PLACEMENT, count=1),)
        request = DecisionRequest(customer_id=customer, placements=placements)
        answer = msgspec.json.decode(await service.decide(request))
        asked += 1
        action = actions.get(answer["choices"][0]["action"])
        if action is not None and action.desired_outcome is not None:
            now = system_clock()
            about = answer["decision_id"], 0, action.desired_outcome, now, now, None
            found.append(OutcomeEntry(f"outcome-{asked}", *about))
        elif asked > 20 * wanted:
            raise SystemExit(f"of {asked} decisions only {len(found)} can come to an outcome")
    return found


async def turn(settings: Settings, count: int, outcomes: int) -> float:
    """Return the outcomes joined a second by so many workers."""
    crew = Crew(settings, count)
    try:
        async with open_runtime(settings) as runtime:
            plan = await live_plan(runtime)
            log = open_log(settings)
            claims = [runtime.keys.claim(writer_of(p)) for p in range(settings.partitions)]

            async def all_held() -> bool:
                return await runtime.connection.execute("EXISTS", *claims) == len(claims)

            await until(all_held)
            reports = await decide(runtime, plan, outcomes)
            ids = {entry.decision_id for entry in reports}

            async def decisions_logged() -> bool:
                logged = log.scan(LogTable.DECISIONS).select(pl.col("decision_id")).collect()
                return ids <= set(logged["decision_id"].to_list())

            await until(decisions_logged, 0.5)
            crew.signal(signal.SIGSTOP)
            rest = await waiting(runtime) - len(reports)
            for first in range(0, len(reports), _REPORTED_AT_ONCE):
                await runtime.ledger.report(reports[first : first + _REPORTED_AT_ONCE])

            async def all_joined() -> bool:
                return await waiting(runtime) <= rest

            started = time.perf_counter()
            crew.signal(signal.SIGCONT)
            await until(all_joined)
            return len(reports) / (time.perf_counter() - started)
    finally:
        crew.signal(signal.SIGCONT)
        crew.stop()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--outcomes", type=int, default=6_000)
    given = arguments.parse_args()
    found: dict[int, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = start_valkey(folder / "valkey")
        try:
            for number in range(given.rounds):
                for count in COUNTS:
                    settings = load_settings(
                        data_dir=folder / f"{number}-{count}",
                        redis_url=f"redis://127.0.0.1:{server.port}",
                        key_prefix=f"workers-{number}-{count}",
                        log_level="warning",
                    )
                    found[count].append(asyncio.run(turn(settings, count, given.outcomes)))
                    print(f"round {number + 1}, workers {count}: {found[count][-1]:.0f} a second")
        finally:
            server.stop()
    how = (
        f"median of {given.rounds} interleaved rounds of {given.outcomes:,} outcomes, each of a "
        f"decision in the log; {os.cpu_count()} cores, which workers and store share, bound it: "
        "one worker keeps one core busy, two and the store ask for more than there are; "
        f"load average at the end {os.getloadavg()[0]:.1f}"
    )
    figures = [
        figure(f"outcomes joined a second, workers: {count}", statistics.median(runs), "1/s", how)
        for count, runs in found.items()
    ]
    pairs = zip(found[2], found[1], strict=True)
    ratio = statistics.median(two / one for two, one in pairs)
    figures.append(figure("two workers / one", ratio, "ratio", how))
    write("workers", figures)


if __name__ == "__main__":
    main()
