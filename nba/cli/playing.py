"""Playing a simulated journey: against a running service over HTTP, or again in this process."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from rich.progress import Progress

from nba.bootstrap import clock_of
from nba.cli.asking import credentials
from nba.decision.arbitration import Arbiter
from nba.decision.artifact import unpack_plan, version_of
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import load_project
from nba.domain.clock import Clock, ManualClock
from nba.errors import UnavailableError
from nba.serving.supervisor import Supervisor
from nba.settings import Settings
from nba.simulator.arrivals import Arrivals
from nba.simulator.baselines import Chooser, run_baseline
from nba.simulator.http import HttpPort
from nba.simulator.journey import Journey
from nba.simulator.memory import JourneyMemory
from nba.simulator.pace import ClockPace
from nba.simulator.report import PolicyRow, summarise
from nba.simulator.service import InProcessService
from nba.simulator.world import World, build_world

LIVE_STREAM = 2
"""Number of the stream of arrivals that live play draws; histories use another."""

READY_SECONDS = 90.0
"""How long a service may take until it can decide."""

_BUCKET = re.compile(r'^nba_decision_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Played:
    """What a journey against the real service left behind."""

    world: World
    arrivals: Arrivals
    memory: JourneyMemory
    seconds: float
    service_p50_ms: float
    service_p99_ms: float


class Replays:
    """Plays one stream of arrivals in this process under other ways of choosing."""

    def __init__(self, artifact: bytes, world: World, arrivals: Arrivals, bar: Progress) -> None:
        self._artifact = artifact
        self._plan: Plan = compile_plan(unpack_plan(artifact), digest=version_of(artifact))
        self._world = world
        self._arrivals = arrivals
        self._bar = bar

    def play(self, name: str, chooser: Chooser) -> PolicyRow:
        """Play it once and sum up what it was worth."""
        progress = counted(self._bar, f"the same arrivals: {name}")
        memory = asyncio.run(
            run_baseline(
                self._world, self._arrivals, chooser, make_service=self._make, progress=progress
            )
        )
        return summarise(name, memory)

    def _make(self, arbiter: Arbiter, clock: ManualClock) -> InProcessService:
        return InProcessService(self._artifact, clock=clock, arbiter=arbiter, plan=self._plan)


async def play_over_http(
    world: World,
    *,
    url: str,
    clock: Clock,
    decisions: int,
    days: float,
    drain_days: float,
    workers: int,
    bar: Progress,
    headers: Mapping[str, str] | None = None,
) -> Played:
    """Play a journey against a running service, in the time of its clock.

    ``headers`` say who asks. Latencies of the service are not a number where it does not tell them.
    """
    limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
    async with httpx.AsyncClient(
        base_url=url, timeout=10.0, limits=limits, headers=headers
    ) as client:
        port = HttpPort(client, concurrency=workers)
        journey = Journey(world, port, pace=ClockPace(clock), workers=workers)
        task = bar.add_task("introducing the customers", total=None)
        await journey.introduce()
        bar.update(task, total=1, completed=1)
        arrivals = world.arrivals(stream=LIVE_STREAM, count=decisions, start_ms=clock(), days=days)
        started = time.perf_counter()
        progress = counted(bar, "live decisions over HTTP")
        await journey.play(arrivals, drain_days=drain_days, progress=progress)
        seconds = time.perf_counter() - started
        measured = (await client.get("/metrics")).text
    p50_ms, p99_ms = (quantile_ms(measured, share) for share in (0.5, 0.99))
    return Played(world, arrivals, journey.memory, seconds, p50_ms, p99_ms)


async def play_now(
    settings: Settings,
    url: str,
    *,
    decisions: int,
    customers: int,
    seed: int,
    workers: int,
    bar: Progress,
) -> JourneyMemory:
    """Play a journey in real time, all arrivals at once; outcomes of later never come."""
    project = load_project(settings.project_dir.resolve())
    clock = clock_of(settings)
    world = build_world(project.catalog, seed=seed, start_ms=clock(), customers=customers)
    played = await play_over_http(
        world,
        url=url,
        clock=clock,
        decisions=decisions,
        days=1e-6,
        drain_days=0.0,
        workers=workers,
        bar=bar,
        headers=credentials(settings),
    )
    return played.memory


def quantile_ms(metrics: str, share: float) -> float:
    """Return a quantile of the service's decision latency from its histogram, interpolated.

    >>> line = 'nba_decision_seconds_bucket{{le="{}"}} {}'
    >>> text = chr(10).join([line.format(0.001, 40.0), line.format(0.002, 80.0)])
    >>> quantile_ms(text, 0.75)
    1.5
    """
    found = _BUCKET.findall(metrics)
    buckets = [(float(bound), float(count)) for bound, count in found]
    if not buckets:
        return math.nan
    wanted = share * buckets[-1][1]
    lower, before = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > before:
            upper = bound if math.isfinite(bound) else lower
            return 1_000 * (lower + (upper - lower) * (wanted - before) / (count - before))
        lower, before = bound, count
    return 1_000 * lower


def wait_until_ready(url: str, supervisor: Supervisor) -> None:
    """Wait until a service can decide; :class:`UnavailableError` after 90 seconds."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        supervisor.tend()
        try:
            if httpx.get(f"{url}/readyz", timeout=1.0).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise UnavailableError(f"the service at {url} did not become ready")


def counted(bar: Progress, description: str) -> Callable[[int, int], None]:
    """Return a progress callback that shows how many of how many are done."""
    task = bar.add_task(description, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)
