"""A history to learn from: random choices under the guardrails, over many virtual days."""

from __future__ import annotations

from nba.simulator.arrivals import Arrivals
from nba.simulator.baselines import MakeService, random, run_baseline
from nba.simulator.journey import Progress
from nba.simulator.memory import JourneyMemory
from nba.simulator.world import World

HISTORY_STREAM = 1
"""Number of the stream of arrivals that a history plays; live play uses others."""

_DRAIN_DAYS = 31.0


def history_arrivals(world: World, *, decisions: int = 20_000, days: float = 60.0) -> Arrivals:
    """Draw the arrivals of a history, from the world's start on."""
    return world.arrivals(
        stream=HISTORY_STREAM, count=decisions, start_ms=world.start_ms, days=days
    )


async def run_history(
    world: World,
    arrivals: Arrivals,
    *,
    make_service: MakeService,
    progress: Progress | None = None,
) -> JourneyMemory:
    """Play a history with random choices; the service built writes its own log.

    Afterwards 31 more days pass without arrivals, so that every horizon has been reached.
    """
    return await run_baseline(
        world,
        arrivals,
        random,
        make_service=make_service,
        drain_days=_DRAIN_DAYS,
        progress=progress,
    )
