"""``/v1/events`` and ``/v1/customers``: what is known of customers, and what happens to them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any
from urllib.parse import quote

import msgspec

from nba.access import Permission
from nba.bodies import parse
from nba.decision.plan import Plan
from nba.decision.service import RandomBits
from nba.domain.catalog import Catalog
from nba.domain.clock import Clock, to_rfc3339
from nba.domain.consent import consent_code, standing_consents
from nba.domain.ids import CustomerId
from nba.errors import Fault, InputError, NotFoundError
from nba.features import ItemResult, ItemStatus, ProfileService, ProfileStore
from nba.features.items import Item, rejected
from nba.features.row import SEGMENT_PREFIX
from nba.features.sensitivity import sensitive_names
from nba.ingestion.segment import MAX_BATCH, as_sent, open_envelope, read_message
from nba.ledger.erasure import ErasureState
from nba.ledger.sealing import HIDDEN
from nba.serving.admission import Admission
from nba.serving.customers import CustomerRecords
from nba.serving.endpoint import Call, Handler
from nba.serving.follower import PlanFollower
from nba.serving.metrics import Metrics
from nba.serving.problems import Reply
from nba.serving.schemas import ProfileBody

_MESSAGE_BITS = 96


class EventEndpoints:
    """Handlers for events and customers."""

    def __init__(
        self,
        profiles: ProfileService,
        store: ProfileStore,
        records: CustomerRecords,
        follower: PlanFollower,
        *,
        admission: Admission,
        clock: Clock,
        random_bits: RandomBits,
        metrics: Metrics,
    ) -> None:
        self._random_bits = random_bits
        self._profiles = profiles
        self._store = store
        self._records = records
        self._follower = follower
        self._admission = admission
        self._clock = clock
        self._metrics = metrics

    def taking(self, type_: str = "") -> Handler:
        """Return the handler of a path that takes messages; ``type_`` where it is for one type."""

        async def ingest(call: Call) -> Reply:
            return await self._ingest(call.body, type_)

        return ingest

    async def _ingest(self, body: bytes, type_: str) -> Reply:
        envelope = open_envelope(body)
        results: list[ItemResult | None] = []
        good: list[Item] = []
        now_ms = self._clock()
        for index in range(len(envelope.messages)):
            try:
                item = read_message(
                    envelope,
                    index,
                    received_at_ms=now_ms,
                    fallback_id=self._fallback_id,
                    type_=type_,
                )
                good.append(item)
                results.append(None)
            except InputError as error:
                results.append(rejected(error.faults))
        with self._admission.admit(len(good)):
            taken = iter(await self._profiles.ingest(good))
        complete = [
            _as_sent(next(taken), message, type_) if result is None else result
            for result, message in zip(results, envelope.messages, strict=True)
        ]
        self._count(complete, envelope.messages, type_)
        if not envelope.batched and complete[0].status is ItemStatus.REJECTED:
            raise InputError(complete[0].faults)
        answers = [_answer(result, index) for index, result in enumerate(complete)]
        return Reply(msgspec.json.encode({"results": answers}))

    def _fallback_id(self) -> str:
        return f"{self._random_bits(_MESSAGE_BITS):x}"

    def _count(self, results: Sequence[ItemResult], messages: Sequence[Any], type_: str) -> None:
        for status, count in Counter(result.status for result in results).items():
            self._metrics.events.labels(status.value).inc(count)
        for result, message in zip(results, messages, strict=True):
            if result.status is ItemStatus.IGNORED:
                self._metrics.undeclared.labels("event").inc()
            elif result.dropped:
                kind = message.get("type") or type_
                what = "attribute" if kind in {"identify", "group"} else "property"
                self._metrics.undeclared.labels(what).inc(len(result.dropped))

    async def put(self, call: Call) -> Reply:
        """Answer ``PUT /v1/customers/{id}``."""
        update = parse(call.body, ProfileBody).to_domain(call.path["customer_id"])
        result = await self._profiles.put(update)
        return Reply(msgspec.json.encode({"status": result.status, "ignored": result.dropped}))

    async def get(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}``; the sensitive only for who may export it."""
        customer_id = await self._known(call)
        profile = await self._described(customer_id)
        if profile is None:
            raise NotFoundError(f"there is no customer {customer_id!r}")
        if Permission.EXPORT_CUSTOMERS not in call.actor.permissions:
            profile = _hidden(profile, sensitive_names(self._follower.require().features))
        return Reply(msgspec.json.encode(profile))

    async def consents(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}/consents``: what stands, and every word there was."""
        customer_id = await self._known(call)
        history = await self._records.consents(customer_id)
        if not history and await self._store.get(customer_id) is None:
            raise NotFoundError(f"there is no customer {customer_id!r}")
        consents = {"standing": standing_consents(history), "history": history}
        return Reply(msgspec.json.encode({"customer_id": customer_id, **consents}))

    async def export(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}/export``: everything kept about a customer."""
        customer_id = await self._known(call)
        profile = await self._described(customer_id)
        records = await self._records.export(customer_id)
        if profile is None and not any(records.values()):
            raise NotFoundError(f"nothing is kept about a customer {customer_id!r}")
        kept = {"customer_id": customer_id, "profile": profile, **records}
        return Reply(msgspec.json.encode(kept))

    async def timeline(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}/timeline``, newest first."""
        text = call.query.get("limit", "50")
        if not text.isdecimal() or not 1 <= int(text) <= MAX_BATCH:
            raise InputError([Fault("/limit", f"found {text!r}", f"1 to {MAX_BATCH}")])
        customer_id = await self._known(call)
        timeline = await self._records.timeline(customer_id, limit=int(text))
        return Reply(msgspec.json.encode({"customer_id": customer_id, "timeline": timeline}))

    async def delete(self, call: Call) -> Reply:
        """Answer ``DELETE /v1/customers/{id}``: forgotten online at once, then in the log."""
        customer_id = await self._known(call)
        erased = await self._records.erase(customer_id)
        self._profiles.forget()
        content = {
            "status": "pending",
            "decisions": erased,
            "erasure": f"/v1/customers/{quote(customer_id, safe='')}/erasure",
        }
        return Reply(msgspec.json.encode(content), status=202)

    async def erasure(self, call: Call) -> Reply:
        """Answer ``GET /v1/customers/{id}/erasure``: how far it has come, and the proof."""
        states = await self._records.erasure(CustomerId(call.path["customer_id"]))
        if not states:
            raise NotFoundError("no erasure was asked for under this id")
        return Reply(msgspec.json.encode(erasure_answer(states)))

    async def _known(self, call: Call) -> CustomerId:
        """Return the id under which the customer asked for goes on."""
        return await self._profiles.aliases.resolve(CustomerId(call.path["customer_id"]))

    async def _described(self, customer_id: CustomerId) -> dict[str, Any] | None:
        packed = await self._store.get(customer_id)
        if packed is None:
            return None
        plan = self._follower.require()
        names = await asyncio.to_thread(consent_names, plan)
        described = plan.features.describe(packed, at_ms=self._clock(), consent_names=names)
        return {"customer_id": customer_id, **described}


def _hidden(profile: dict[str, Any], sensitive: frozenset[str]) -> dict[str, Any]:
    """Return a profile with what is sensitive hidden, and its sensitive segments left out."""
    values = {
        part: {
            name: HIDDEN if value is not None and name in sensitive else value
            for name, value in profile[part].items()
        }
        for part in ("attributes", "aggregates")
    }
    segments = [name for name in profile["segments"] if SEGMENT_PREFIX + name not in sensitive]
    return {**profile, **values, "segments": segments}


def erasure_answer(states: Sequence[tuple[str, ErasureState]]) -> dict[str, Any]:
    """Return the erasures of one customer's ids as one; the pseudonym is that of the id asked."""
    statuses = {state.status for _, state in states}
    finished = [state.finished_at_ms for _, state in states if state.finished_at_ms is not None]
    complete = len(finished) == len(states)
    places: dict[str, list[int]] = {}
    for _, state in states:
        for place in state.searched:
            counts = places.setdefault(place.place, [0, 0, 0])
            for at, count in enumerate((place.searched, place.found, place.since)):
                counts[at] += count
    return {
        "status": next(s for s in ("remains", "pending", "done") if s in statuses),
        "pseudonym": states[0][0],
        "ids": len(states),
        "decisions": sum(state.decisions for _, state in states),
        "requested_at": to_rfc3339(min(state.requested_at_ms for _, state in states)),
        "finished_at": to_rfc3339(max(finished)) if complete else None,
        "searched": [
            {"place": place, "searched": searched, "found": found, "written_since": since}
            for place, (searched, found, since) in places.items()
        ],
    }


def consent_names(plan: Plan) -> Mapping[int, tuple[str, str]]:
    """Return channel and purpose by consent code, for all the plan's catalog has."""
    catalog: Catalog = plan.catalog
    channels = {placement.channel for placement in catalog.placements}
    purposes = {action.purpose for action in catalog.actions}
    return {consent_code(c, p): (c, p) for c, p in product(sorted(channels), sorted(purposes))}


def _as_sent(result: ItemResult, message: Any, type_: str) -> ItemResult:
    """Return a result whose faults point into the message, not into what it was read as."""
    if not result.faults:
        return result
    return replace(result, faults=tuple(as_sent(f, message, type_) for f in result.faults))


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
