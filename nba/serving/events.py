"""``/v1/events`` and ``/v1/customers``: what is known of customers, and what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import msgspec

from nba.decision.plan import Plan
from nba.decision.service import RandomBits
from nba.domain.catalog import Catalog
from nba.domain.clock import Clock
from nba.domain.consent import consent_code
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import Fault, InputError, NotFoundError
from nba.features import ItemResult, ItemStatus, ProfileService, ProfileStore
from nba.serving.customers import CustomerRecords
from nba.serving.endpoint import Call
from nba.serving.follower import PlanFollower
from nba.serving.metrics import Metrics
from nba.serving.problems import Reply
from nba.serving.schemas import MAX_BATCH, ProfileBody, SegmentBody, parse, parse_value

_MESSAGE_BITS = 96
_SEGMENT_PLACES = {
    "customer_id": "userId",
    "message_id": "messageId",
    "attributes": "traits",
    "time_zone": "context/timezone",
    "locale": "context/locale",
}
"""Where a message has what the domain knows by another name."""


class EventEndpoints:
    """Handlers for events and customers."""

    def __init__(
        self,
        profiles: ProfileService,
        store: ProfileStore,
        records: CustomerRecords,
        follower: PlanFollower,
        *,
        clock: Clock,
        random_bits: RandomBits,
        metrics: Metrics,
    ) -> None:
        self._random_bits = random_bits
        self._profiles = profiles
        self._store = store
        self._records = records
        self._follower = follower
        self._clock = clock
        self._metrics = metrics

    async def ingest(self, call: Call) -> Reply:
        """Answer ``POST /v1/events``: one Segment message or a batch, each with its result."""
        body = parse(call.body, dict[str, Any])
        messages = _messages(body)
        results: list[ItemResult | None] = []
        good: list[Event | ProfileUpdate] = []
        now_ms = self._clock()
        for message in messages:
            try:
                typed = parse_value(message, SegmentBody)
                fallback = f"{self._random_bits(_MESSAGE_BITS):x}"
                good.append(typed.to_domain(received_at_ms=now_ms, fallback_id=fallback))
                results.append(None)
            except InputError as error:
                results.append(ItemResult(ItemStatus.REJECTED, error.faults))
        taken = iter(await self._profiles.ingest(good))
        complete = [result if result is not None else _as_sent(next(taken)) for result in results]
        for result in complete:
            self._metrics.events.labels(result.status.value).inc()
        if "batch" not in body and complete[0].status is ItemStatus.REJECTED:
            raise InputError(complete[0].faults)
        answers = [_answer(result, index) for index, result in enumerate(complete)]
        return Reply(msgspec.json.encode({"results": answers}))

    async def put(self, call: Call) -> Reply:
        """Answer ``PUT /v1/customers/{id}``."""
        update = parse(call.body, ProfileBody).to_domain(call.path["customer_id"])
        result = await self._profiles.put(update)
        return Reply(msgspec.json.encode({"status": result.status, "ignored": result.dropped}))

    async def get(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}``."""
        customer_id = CustomerId(call.path["customer_id"])
        profile = await self._described(customer_id)
        if profile is None:
            raise NotFoundError(f"there is no customer {customer_id!r}")
        return Reply(msgspec.json.encode(profile))

    async def export(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}/export``: everything kept about a customer."""
        customer_id = CustomerId(call.path["customer_id"])
        profile = await self._described(customer_id)
        timeline = await self._records.timeline(customer_id, limit=None)
        if profile is None and not timeline:
            raise NotFoundError(f"nothing is kept about a customer {customer_id!r}")
        return Reply(msgspec.json.encode({"profile": profile, "timeline": timeline}))

    async def timeline(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}/timeline``, newest first."""
        text = call.query.get("limit", "50")
        if not text.isdecimal() or not 1 <= int(text) <= MAX_BATCH:
            raise InputError([Fault("/limit", f"found {text!r}", f"1 to {MAX_BATCH}")])
        customer_id = CustomerId(call.path["customer_id"])
        timeline = await self._records.timeline(customer_id, limit=int(text))
        return Reply(msgspec.json.encode({"customer_id": customer_id, "timeline": timeline}))

    async def delete(self, call: Call) -> Reply:
        """Answer ``DELETE /v1/customers/{id}``: forgotten online at once, then in the log."""
        customer_id = CustomerId(call.path["customer_id"])
        erased = await self._records.erase(customer_id)
        content = {"status": "erased", "log": "erased by the worker", "decisions": erased}
        return Reply(msgspec.json.encode(content), status=202)

    async def _described(self, customer_id: CustomerId) -> dict[str, Any] | None:
        packed = await self._store.get(customer_id)
        if packed is None:
            return None
        plan = self._follower.require()
        names = await asyncio.to_thread(consent_names, plan)
        described = plan.features.describe(packed, at_ms=self._clock(), consent_names=names)
        return {"customer_id": customer_id, **described}


def consent_names(plan: Plan) -> Mapping[int, tuple[str, str]]:
    """Return channel and purpose by consent code, for all the plan's catalog has."""
    catalog: Catalog = plan.catalog
    channels = {placement.channel for placement in catalog.placements}
    purposes = {action.purpose for action in catalog.actions}
    return {consent_code(c, p): (c, p) for c, p in product(sorted(channels), sorted(purposes))}


def _messages(body: Mapping[str, Any]) -> list[Any]:
    if "batch" not in body:
        return [body]
    messages = body["batch"]
    if not isinstance(messages, list) or not messages:
        raise InputError([Fault("/batch", f"found {messages!r}"[:80], "a list of messages")])
    if len(messages) > MAX_BATCH:
        raise InputError([Fault("/batch", f"{len(messages)} items", f"at most {MAX_BATCH}")])
    return messages


def _as_sent(result: ItemResult) -> ItemResult:
    """Return a result whose faults point into the message, not into what it was read as."""
    faults = []
    for fault in result.faults:
        name, *rest = fault.place.removeprefix("/").split("/")
        place = "/" + "/".join([_SEGMENT_PLACES.get(name, name), *rest])
        faults.append(replace(fault, place=place))
    return replace(result, faults=tuple(faults))


def _answer(result: ItemResult, index: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": result.status.value}
    if result.dropped:
        answer["ignored"] = result.dropped
    if result.faults:
        answer["errors"] = [
            {
                "pointer": f"/batch/{index}{fault.place}",
                "found": fault.found,
                "expected": fault.expected,
            }
            for fault in result.faults
        ]
    return answer
