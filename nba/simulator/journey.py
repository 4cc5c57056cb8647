"""The journey engine: plays arrivals against a service and reports what becomes of them.

For each arrival, in time order: what has become known by then is reported, then what the customer
just did; a decision is asked for; what follows it is scheduled for when it becomes known.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import count, islice
from time import perf_counter
from typing import Any, TypeVar

from nba.domain.catalog import Direction
from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.domain.customer import Consent
from nba.domain.ids import NO_ACTION, CustomerId
from nba.measurement.evidence import ConsentChange, TimeZoneChange
from nba.simulator.aftermath import INBOUND_CONTACT, aftermath
from nba.simulator.arrivals import Arrivals
from nba.simulator.memory import JourneyMemory, Played
from nba.simulator.pace import Pace
from nba.simulator.population import CustomerRecord
from nba.simulator.port import Body, JourneyPort
from nba.simulator.visits import visit_events
from nba.simulator.world import World

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told how many arrivals are done, and of how many."""

_BATCH = 200
_DAY_MS = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND
_WITHDRAWAL_DELAY_MS = 3_600_000


class Journey:
    """Plays a world's arrivals through a port.

    ``workers`` decisions are under way at once; with one, and a manual pace, everything happens in
    one fixed order. ``memory`` may be shared with an oracle that must know what customers were put
    through.
    """

    def __init__(
        self,
        world: World,
        port: JourneyPort,
        *,
        pace: Pace,
        memory: JourneyMemory | None = None,
        workers: int = 1,
    ) -> None:
        self.memory = JourneyMemory() if memory is None else memory
        self._world = world
        self._port = port
        self._pace = pace
        self._workers = workers
        self._due: list[tuple[int, int, str, Body]] = []
        self._sequence = count()

    async def introduce(self) -> None:
        """Make the service know all customers, and what they did before the start."""
        for records in _batches(self._world.records):
            await self._in_parallel(self._introduce_one(record) for record in records)
        for bodies in _batches(self._world.past_events(), _BATCH * self._workers):
            await self._in_parallel(self._port.events(part) for part in _batches(bodies))

    async def play(
        self,
        arrivals: Arrivals,
        *,
        drain_days: float = 0.0,
        progress: Progress | None = None,
    ) -> None:
        """Play all arrivals; then wait ``drain_days`` of virtual time for what comes later.

        What is not known by then is reported by no one, as when a real journey engine stops.
        """
        upcoming = iter(range(len(arrivals)))
        done = count(1)

        async def work() -> None:
            for index in upcoming:
                now_ms = await self._pace.until(int(arrivals.at_ms[index]))
                await self._report_due(now_ms)
                await self._play_one(arrivals, index)
                finished = next(done)
                if progress is not None:
                    progress(finished, len(arrivals))

        await self._in_parallel(work() for _ in range(self._workers))
        end_ms = self._pace.now() + round(drain_days * _DAY_MS)
        while self._due and self._due[0][0] <= end_ms:
            # The next few are awaited together: exact moments no longer matter to any decision.
            horizon_ms = heapq.nsmallest(_BATCH, self._due)[-1][0]
            await self._report_due(await self._pace.until(min(horizon_ms, end_ms)))
        await self._pace.until(end_ms)

    @property
    def unreported(self) -> int:
        """How many outcomes and events have not become known yet."""
        return len(self._due)

    async def _introduce_one(self, record: CustomerRecord) -> None:
        await self._port.put_customer(record.customer_id, record.body())
        customer_id = CustomerId(record.customer_id)
        self.memory.time_zones.append(TimeZoneChange(customer_id, 0, record.time_zone))
        for channel, purposes in record.consents.items():
            for purpose, word in purposes.items():
                change = ConsentChange(customer_id, 0, channel, purpose, Consent(word))
                self.memory.consents.append(change)

    async def _in_parallel(self, tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
        if self._workers == 1:
            for task in tasks:
                await task
            return
        try:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(task)
        except ExceptionGroup as failed:
            # The first failure cancelled the others; it is what the caller wants to know.
            raise failed.exceptions[0] from None

    async def _play_one(self, arrivals: Arrivals, index: int) -> None:
        world, memory = self._world, self.memory
        customer, placement = int(arrivals.customers[index]), int(arrivals.placements[index])
        now_ms = self._pace.now()
        happened = visit_events(world, arrivals, index, now_ms)
        if now := [body for at_ms, body in happened if at_ms <= now_ms]:
            await self._port.events(now)
        self._schedule("event", [(at_ms, body) for at_ms, body in happened if at_ms > now_ms])
        context = arrivals.context(index)
        request = {
            "customer_id": world.records[customer].customer_id,
            "placements": [{"id": world.placement(placement).id, "count": 1}],
            "context": context,
            "request_id": f"{arrivals.stream}-{index}",
        }
        started = perf_counter()
        answer = await self._port.decide(request)
        latency_ms = (perf_counter() - started) * MILLISECONDS_PER_SECOND
        at_ms = self._pace.now()
        exposure = memory.exposure(customer, at_ms=at_ms)
        choice = answer["choices"][0]
        action_id = choice["action"]
        effects = world.truth.effects(
            customer, placement, at_ms=at_ms, context=context, exposure=exposure
        )
        chosen = world.truth.action_index[action_id]
        after = aftermath(
            world,
            arrivals,
            index,
            decision_id=answer["decision_id"],
            action_id=action_id,
            content=choice["content"],
            effect=float(effects[chosen]),
            at_ms=at_ms,
            exposure=exposure,
        )
        self._schedule("outcome", after.outcomes)
        self._schedule("event", after.events)
        expected = world.truth.values_of(customer, effects)[chosen]
        self._remember(customer, placement, action_id, at_ms, lapsed=after.lapsed)
        memory.played.append(
            Played(
                arrival=index,
                decision_id=answer["decision_id"],
                customer=customer,
                placement=placement,
                at_ms=at_ms,
                exposure=exposure,
                action=action_id,
                content=choice["content"],
                expected_value=float(expected),
                accepted=after.accepted,
                value=after.value - float(world.truth.costs[chosen]),
                holdout=bool(answer["holdout"]),
                fallback=bool(answer["fallback"]),
                latency_ms=latency_ms,
            )
        )

    def _remember(
        self, customer: int, placement_index: int, action_id: str, at_ms: int, *, lapsed: bool
    ) -> None:
        if action_id == NO_ACTION:
            return
        placement = self._world.placement(placement_index)
        outbound = placement.direction is Direction.OUTBOUND
        weight = 1.0 if outbound else INBOUND_CONTACT
        self.memory.contacted(customer, at_ms=at_ms, weight=weight)
        if lapsed:
            self.memory.lapsed(customer)
            withdrawal = {
                "customer_id": self._world.records[customer].customer_id,
                "consents": {placement.channel: {"marketing": Consent.DENIED.value}},
            }
            self._schedule("profile", [(at_ms + _WITHDRAWAL_DELAY_MS, withdrawal)])

    def _schedule(self, kind: str, bodies: Iterable[tuple[int, Body]]) -> None:
        for at_ms, body in bodies:
            heapq.heappush(self._due, (at_ms, next(self._sequence), kind, body))

    async def _report_due(self, now_ms: int) -> None:
        known: dict[str, list[Body]] = {"event": [], "outcome": [], "profile": []}
        while self._due and self._due[0][0] <= now_ms:
            _, _, kind, body = heapq.heappop(self._due)
            known[kind].append(body)
        for events in _batches(known["event"]):
            await self._port.events(events)
        for outcomes in _batches(known["outcome"]):
            results = await self._port.outcomes(outcomes)
            self.memory.refused += [r for r in results if r["status"] == "rejected"]
        for profile in known["profile"]:
            await self._withdraw(profile)

    async def _withdraw(self, profile: Body) -> None:
        await self._port.put_customer(profile["customer_id"], {"consents": profile["consents"]})
        # Counted from when the service acknowledged it: from then on it must hold.
        at_ms = self._pace.now()
        for channel, purposes in profile["consents"].items():
            for purpose, word in purposes.items():
                customer_id = CustomerId(profile["customer_id"])
                change = ConsentChange(customer_id, at_ms, channel, purpose, Consent(word))
                self.memory.consents.append(change)


def _batches(items: Iterable[T], size: int = _BATCH) -> Iterator[Sequence[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
