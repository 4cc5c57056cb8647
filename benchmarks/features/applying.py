"""Applying one event that moves ten aggregates, beside a bare SET of as many bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

from benchmarks.features.population import MOVES_TEN
from benchmarks.features.rounds import Samples, each, interleave, median, ratio
from benchmarks.report import figure
from nba.domain.clock import Clock
from nba.domain.customer import Event
from nba.domain.ids import CustomerId
from nba.features import FeatureSet, ItemStatus, ProfileService
from nba.features.redis import RedisProfileStore
from nba.storage import Connection, Keys

AT_ONCE = 64
OURS, BARE = "nba track", "bare SET"


class Writer:
    """Our way of applying an event and a bare write, over customers at random."""

    def __init__(
        self,
        connection: Connection,
        features: FeatureSet,
        customer_ids: Sequence[str],
        clock: Clock,
        *,
        profile: bytes,
        seed: int,
    ) -> None:
        self._service = ProfileService(
            RedisProfileStore(connection, Keys(), clock), lambda: features, clock
        )
        self._connection = connection
        self._clock = clock
        self._ids = [CustomerId(one) for one in customer_ids]
        self._bare = [f"bare:{one}" for one in customer_ids]
        self._profile = profile
        self._random = random.Random(seed)
        self._numbers = count()

    async def track(self) -> None:
        """Apply one event through the service; it is durable and visible when this returns."""
        now_ms = self._clock()
        event = Event(
            customer_id=self._random.choice(self._ids),
            name=MOVES_TEN,
            message_id=f"track-{next(self._numbers)}",
            at_ms=now_ms,
            received_at_ms=now_ms,
            properties={"amount": 12.5, "items": 2.0},
        )
        result = await self._service.track(event)
        if result.status is not ItemStatus.RECORDED:
            raise SystemExit(f"an event was not recorded but {result}")

    async def bare(self) -> object:
        """Set a key to as many bytes."""
        return await self._connection.execute("SET", self._random.choice(self._bare), self._profile)


async def measure(writer: Writer, *, rounds: int, seconds: float) -> Samples:
    """Let both take turns; microseconds a write by contender."""
    contenders = {
        f"{name}, {at_once}": partial(each, operation, at_once=at_once, seconds=seconds)
        for at_once in (1, AT_ONCE)
        for name, operation in ((OURS, writer.track), (BARE, writer.bare))
    }
    return await interleave(contenders, rounds)


def figures(samples: Samples, how: str) -> list[dict[str, Any]]:
    """Return the figures."""
    told = [
        figure(
            "apply an event moving 10 aggregates: nba / bare SET",
            ratio(samples, f"{OURS}, 1", f"{BARE}, 1"),
            "ratio",
            f"one after the other, through ProfileService.track; {how}",
            at_most=3,
        ),
        figure(
            f"the same, {AT_ONCE} at once",
            ratio(samples, f"{OURS}, {AT_ONCE}", f"{BARE}, {AT_ONCE}"),
            "ratio",
            how,
        ),
    ]
    return told + [figure(f"{name} at once", median(samples, name), "µs", how) for name in samples]
