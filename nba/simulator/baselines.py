"""Replay one stream of arrivals under another way of choosing, in this process.

Fatigue and contact caps depend on what was chosen before, so a policy's honest value under the
guardrails needs its own replay; on the same arrivals it meets the same luck.
"""

from __future__ import annotations

from collections.abc import Callable

from nba.decision.arbitration import Arbiter
from nba.domain.clock import ManualClock
from nba.domain.ids import ActionId
from nba.simulator.arbiters import Constant, NoAction, Oracle, Random
from nba.simulator.arrivals import Arrivals
from nba.simulator.journey import Journey, Progress
from nba.simulator.local import LocalPort, LocalService
from nba.simulator.memory import JourneyMemory
from nba.simulator.pace import ManualPace
from nba.simulator.world import World

MakeService = Callable[[Arbiter, ManualClock], LocalService]
"""Builds a fresh service that decides with an arbiter, on its own empty stores."""

Chooser = Callable[[World, JourneyMemory], Arbiter]
"""Builds an arbiter for one replay."""


def random(_world: World, _memory: JourneyMemory) -> Arbiter:
    """Choose among the candidates at random."""
    return Random()


def no_action(_world: World, _memory: JourneyMemory) -> Arbiter:
    """Never say anything."""
    return NoAction()


def oracle(world: World, memory: JourneyMemory) -> Arbiter:
    """Choose what is truly best."""
    return Oracle(world, memory)


def constant(action: ActionId) -> Chooser:
    """Choose one action wherever the guardrails allow it."""

    def choose(_world: World, _memory: JourneyMemory) -> Arbiter:
        return Constant(action)

    return choose


async def run_baseline(
    world: World,
    arrivals: Arrivals,
    chooser: Chooser,
    *,
    make_service: MakeService,
    drain_days: float = 0.0,
    progress: Progress | None = None,
) -> JourneyMemory:
    """Play the arrivals with a chooser in place of the service's own; return what came of it."""
    clock = ManualClock(world.start_ms)
    memory = JourneyMemory()
    service = make_service(chooser(world, memory), clock)
    journey = Journey(world, LocalPort(service, clock=clock), pace=ManualPace(clock), memory=memory)
    await journey.introduce()
    await journey.play(arrivals, drain_days=drain_days, progress=progress)
    return memory
