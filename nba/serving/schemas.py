"""The bodies the API takes: parsed and typed by msgspec, then turned into words of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from nba.domain.clock import from_datetime
from nba.domain.customer import Consent, Event, ProfileUpdate, Scalar
from nba.domain.decision import DecisionRequest, Mode, PlacementRequest
from nba.domain.ids import (
    MAX_ID_LENGTH,
    CustomerId,
    DecisionId,
    OutcomeId,
    PlacementId,
)
from nba.domain.outcome import Outcome
from nba.errors import Fault, InputError
from nba.serving.pointers import fault_of, pointer_to

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Amount = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]

MAX_BATCH = 1_000
"""Outcomes or events in one request."""

T = TypeVar("T")


class PlacementBody(msgspec.Struct, forbid_unknown_fields=True):
    """A slot to fill."""

    id: Identifier
    count: int = 1


class DecisionBody(msgspec.Struct, forbid_unknown_fields=True):
    """``POST /v1/decisions``."""

    customer_id: Identifier
    placements: Annotated[list[PlacementBody], msgspec.Meta(min_length=1, max_length=16)]
    context: dict[str, str | float | bool] = {}
    attributes: dict[str, str | float | bool] = {}
    actions: list[Identifier] = []
    terms: list[Identifier] = []
    locale: Identifier | None = None
    request_id: Identifier | None = None
    mode: Mode = Mode.LIVE

    def to_domain(self) -> DecisionRequest:
        """Return the request as the domain has it."""
        return DecisionRequest(
            customer_id=CustomerId(self.customer_id),
            placements=tuple(
                PlacementRequest(id=PlacementId(p.id), count=p.count) for p in self.placements
            ),
            context=self.context,
            attributes=self.attributes,
            actions=tuple(self.actions),
            terms=tuple(self.terms),
            locale=self.locale,
            request_id=self.request_id,
            mode=self.mode,
        )


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True):
    """One outcome; ``at`` defaults to when it is received."""

    outcome_id: Identifier
    decision_id: Identifier
    kind: Identifier
    at: Moment | None = None
    choice: Annotated[int, msgspec.Meta(ge=0, le=1_023)] = 0
    value: Amount | None = None

    def to_domain(self, *, received_at_ms: int) -> Outcome:
        """Return the outcome as the domain has it."""
        return Outcome(
            outcome_id=OutcomeId(self.outcome_id),
            decision_id=DecisionId(self.decision_id),
            kind=self.kind,
            at_ms=from_datetime(self.at) if self.at else received_at_ms,
            received_at_ms=received_at_ms,
            choice=self.choice,
            value=self.value,
        )


class ProfileBody(msgspec.Struct, forbid_unknown_fields=True):
    """``PUT /v1/customers/{id}``: what is absent stays, ``null`` clears."""

    attributes: dict[str, str | float | bool | None] = {}
    consents: dict[str, dict[str, Consent]] = {}
    time_zone: Identifier | None = None
    locale: Identifier | None = None

    def to_domain(self, customer_id: str) -> ProfileUpdate:
        """Return the update as the domain has it."""
        return ProfileUpdate(
            customer_id=CustomerId(customer_id),
            attributes=self.attributes,
            consents=self.consents,
            time_zone=self.time_zone,
            locale=self.locale,
        )


class SegmentContext(msgspec.Struct):
    """The part of Segment's ``context`` that is used; the rest is accepted and left."""

    timezone: str | None = None
    locale: str | None = None


class SegmentBody(msgspec.Struct, rename="camel"):
    """A message of Segment's spec: ``track`` or ``identify``; other fields are accepted."""

    type: str
    user_id: Identifier
    event: Identifier | None = None
    message_id: Identifier | None = None
    timestamp: Moment | None = None
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: SegmentContext | None = None

    def to_domain(self, *, received_at_ms: int, fallback_id: str) -> Event | ProfileUpdate:
        """Return an event or a profile update; :class:`InputError` for another type."""
        if self.type == "identify":
            return ProfileUpdate(
                customer_id=CustomerId(self.user_id),
                attributes=_scalars(self.traits, "/traits", nullable=True),
                time_zone=self.context.timezone if self.context else None,
                locale=self.context.locale if self.context else None,
            )
        if self.type != "track":
            raise InputError([Fault("/type", f"found {self.type!r}", "track or identify")])
        if self.event is None:
            raise InputError([Fault("/event", "it is missing", "name the event")])
        named = _scalars(self.properties, "/properties", nullable=False)
        return Event(
            customer_id=CustomerId(self.user_id),
            name=self.event,
            message_id=self.message_id or fallback_id,
            at_ms=from_datetime(self.timestamp) if self.timestamp else received_at_ms,
            received_at_ms=received_at_ms,
            properties={name: value for name, value in named.items() if value is not None},
        )


def _scalars(
    given: Mapping[str, object], place: str, *, nullable: bool
) -> dict[str, Scalar | None]:
    found: dict[str, Scalar | None] = {}
    for name, value in given.items():
        if value is None and nullable:
            found[name] = None
        elif isinstance(value, bool | str):
            found[name] = value
        elif isinstance(value, int | float):
            found[name] = _number(value, pointer_to(place, name))
    return found


def _number(value: float, place: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        found = "an integer beyond the range"
        raise InputError([Fault(place, found, "a smaller number is expected")]) from error


_decoders: dict[type, msgspec.json.Decoder[object]] = {}


def parse(body: bytes, kind: type[T]) -> T:
    """Parse a JSON body; :class:`InputError` with a JSON pointer where it is wrong."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(body)  # type: ignore[return-value]  # the decoder is of this kind
    except msgspec.ValidationError as error:
        raise InputError([fault_of(error, body, kind)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError([Fault("", f"not JSON: {error}", "send valid JSON")]) from error


def parse_value(value: object, kind: type[T]) -> T:
    """Type a decoded value; :class:`InputError` with a JSON pointer within it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError([fault_of(error, msgspec.json.encode(value), kind)]) from error
