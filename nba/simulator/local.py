"""The journey engine's port to a service in the same process, for history and baselines.

Bodies become the domain's types here, as the HTTP layer does for a real journey engine, so that
one journey plays against either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from nba.decision.outcomes import OutcomeResult
from nba.domain.clock import Clock, from_datetime
from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.ids import CustomerId, DecisionId, OutcomeId, PlacementId
from nba.domain.outcome import Outcome
from nba.simulator.port import Body


class LocalService(Protocol):
    """What the in-process service offers; the same in meaning as the HTTP interface."""

    async def put_customer(self, update: ProfileUpdate) -> object:
        """Create or change a customer's profile."""

    async def record_events(self, events: Sequence[Event]) -> object:
        """Take events in."""

    async def decide(self, request: DecisionRequest) -> bytes:
        """Return the answer as JSON."""

    async def report(self, outcomes: Sequence[Outcome]) -> Sequence[OutcomeResult]:
        """Take outcomes in and answer each."""


class LocalPort:
    """Adapts a :class:`LocalService` to the journey's bodies; ``clock`` stamps what is received."""

    def __init__(self, service: LocalService, *, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    async def put_customer(self, customer_id: str, body: Body) -> None:
        """Create or change a customer's profile."""
        await self._service.put_customer(
            ProfileUpdate(
                customer_id=CustomerId(customer_id),
                attributes=body.get("attributes", {}),
                consents={
                    channel: {purpose: Consent(word) for purpose, word in purposes.items()}
                    for channel, purposes in body.get("consents", {}).items()
                },
                time_zone=body.get("time_zone"),
                locale=body.get("locale"),
            )
        )

    async def events(self, batch: Sequence[Body]) -> None:
        """Report what happened."""
        received_at_ms = self._clock()
        await self._service.record_events(
            [
                Event(
                    customer_id=CustomerId(body["userId"]),
                    name=body["event"],
                    message_id=body["messageId"],
                    at_ms=_milliseconds(body["timestamp"]),
                    received_at_ms=received_at_ms,
                    properties=body["properties"],
                )
                for body in batch
            ]
        )

    async def decide(self, request: Body) -> Body:
        """Ask for a decision."""
        answer = await self._service.decide(
            DecisionRequest(
                customer_id=CustomerId(request["customer_id"]),
                placements=tuple(
                    PlacementRequest(id=PlacementId(item["id"]), count=item["count"])
                    for item in request["placements"]
                ),
                context=request["context"],
                request_id=request["request_id"],
            )
        )
        decoded: Body = msgspec.json.decode(answer)
        return decoded

    async def outcomes(self, batch: Sequence[Body]) -> Sequence[Body]:
        """Report outcomes."""
        received_at_ms = self._clock()
        results = await self._service.report(
            [
                Outcome(
                    outcome_id=OutcomeId(body["outcome_id"]),
                    decision_id=DecisionId(body["decision_id"]),
                    kind=body["kind"],
                    at_ms=_milliseconds(body["at"]),
                    received_at_ms=received_at_ms,
                    choice=body["choice"],
                    value=body.get("value"),
                )
                for body in batch
            ]
        )
        return [
            {"outcome_id": result.outcome_id, "status": result.status.value} for result in results
        ]


def _milliseconds(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text))
