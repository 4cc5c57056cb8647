"""Virtual time: pushed by hand, or followed."""

import asyncio

from nba.domain.clock import ManualClock
from nba.simulator.pace import ClockPace, ManualPace


def test_a_manual_pace_moves_the_clock_and_never_back():
    clock = ManualClock(1_000)
    pace = ManualPace(clock)
    assert asyncio.run(pace.until(1_500)) == 1_500
    assert asyncio.run(pace.until(1_200)) == 1_500
    assert pace.now() == clock() == 1_500


def test_a_clock_is_waited_for_only_while_it_is_early():
    clock = ManualClock(1_000)
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        clock.now_ms += 300

    pace = ClockPace(clock, sleep=sleep)
    assert asyncio.run(pace.until(1_500)) == 1_600
    assert len(waits) == 2
    assert asyncio.run(pace.until(1_200)) == 1_600
    assert len(waits) == 2
    assert pace.now() == 1_600
