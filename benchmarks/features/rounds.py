"""Contenders that take turns, and what to make of their rounds."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

_AVAILABLE = os.sched_getaffinity(0)

Samples = Mapping[str, list[float]]
"""Microseconds an operation, a value a round, by contender."""


async def interleave(
    contenders: Mapping[str, Callable[[], Awaitable[float]]], rounds: int
) -> Samples:
    """Let the contenders take turns, one round that does not count first."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, measure in contenders.items():
            value = await measure()
            if turn:
                found[name].append(value)
    return found


async def each(
    operation: Callable[[], Awaitable[object]], *, at_once: int, seconds: float
) -> float:
    """Return microseconds an operation takes when so many coroutines repeat it for so long."""
    started = time.perf_counter()
    until = started + seconds

    async def repeat() -> int:
        done = 0
        while time.perf_counter() < until:
            await operation()
            done += 1
        return done

    done = sum(await asyncio.gather(*[repeat() for _ in range(at_once)]))
    return (time.perf_counter() - started) / done * 1e6


def median(samples: Samples, name: str) -> float:
    """Return the median over rounds."""
    return statistics.median(samples[name])


def ratio(samples: Samples, name: str, other: str) -> float:
    """Return the median of one contender over the median of another."""
    return median(samples, name) / median(samples, other)


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Run what starts here on these cores; processes started inside stay on them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _AVAILABLE.intersection(cores) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
