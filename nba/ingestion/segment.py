"""Segment's spec: ``identify``, ``track``, ``page``, ``screen``, ``group`` and ``alias``.

Messages are read one by one, so that a wrong one stops no other. ``anonymousId`` is the customer's
id where there is no ``userId``. ``page`` and ``screen`` are events of these names; ``name`` and
``category`` beside the properties become properties. A group's id becomes the attribute
``group_id`` and its trait ``x`` the attribute ``group_x``, where they are declared.

A device's clock may be wrong. Where a message, or the batch it came in, says when it was sent, its
time is taken back from when it arrived: ``received - (sentAt - timestamp)``. A message with an
``originalTimestamp`` went through that before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from nba.bodies import Identifier, Moment, decode, loose_parts, parse_value
from nba.domain.alias import Alias
from nba.domain.clock import from_datetime
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import Fault, InputError

TYPES = ("identify", "track", "page", "screen", "group", "alias")
"""The types of messages."""

MAX_BATCH = 1_000
"""Messages in one body."""

GROUP_ID = "group_id"
"""The attribute that holds the id of a customer's group."""

GROUP_PREFIX = "group_"
"""What precedes a group's trait in the name of its attribute."""

Item = Event | ProfileUpdate | Alias
"""What a message is in the words of the domain."""


class SegmentContext(msgspec.Struct):
    """The part of Segment's ``context`` that is used; the rest is accepted and left."""

    timezone: str | None = None
    locale: str | None = None


class SegmentBody(msgspec.Struct, rename="camel"):
    """A message of Segment's spec; other fields are accepted and left."""

    type: str = ""
    user_id: Identifier | None = None
    anonymous_id: Identifier | None = None
    previous_id: Identifier | None = None
    group_id: Identifier | None = None
    event: Identifier | None = None
    name: str | None = None
    category: str | None = None
    message_id: Identifier | None = None
    timestamp: Moment | None = None
    original_timestamp: Moment | None = None
    sent_at: Moment | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: SegmentContext | None = None

    def to_domain(
        self,
        *,
        received_at_ms: int,
        fallback_id: Callable[[], str],
        type_: str = "",
        sent_at: datetime | None = None,
    ) -> Item:
        """Return an event, a profile update or an alias.

        ``type_`` and ``sent_at`` are those of what the message came in, where it has none itself.
        Raises :class:`InputError` where something the type needs is missing.
        """
        match self.type or type_:
            case "track":
                if self.event is None:
                    raise _missing("/event", "name the event")
                properties = self.properties or {}
                return self._event(self.event, properties, received_at_ms, fallback_id, sent_at)
            case "page" | "screen" as name:
                properties = {**(self.properties or {}), **self._named()}
                return self._event(name, properties, received_at_ms, fallback_id, sent_at)
            case "identify":
                return self._update(_attributes(self.traits or {}))
            case "group":
                if self.group_id is None:
                    raise _missing("/groupId", "name the group")
                traits = _attributes(self.traits or {})
                named = {f"{GROUP_PREFIX}{name}": value for name, value in traits.items()}
                return self._update({**named, GROUP_ID: self.group_id})
            case "alias":
                return self._alias()
            case other:
                raise InputError([Fault("/type", f"found {other!r}"[:80], ", ".join(TYPES))])

    def _customer(self) -> CustomerId:
        customer_id = self.user_id or self.anonymous_id
        if customer_id is None:
            raise _missing("/userId", "name the customer, or give an anonymousId")
        return CustomerId(customer_id)

    def _event(
        self,
        name: str,
        properties: Mapping[str, Any],
        received_at_ms: int,
        fallback_id: Callable[[], str],
        sent_at: datetime | None,
    ) -> Event:
        return Event(
            customer_id=self._customer(),
            name=name,
            message_id=self.message_id or fallback_id(),
            at_ms=self._at_ms(received_at_ms, sent_at),
            received_at_ms=received_at_ms,
            properties=properties,
        )

    def _named(self) -> dict[str, str]:
        named = {"name": self.name, "category": self.category}
        return {field: value for field, value in named.items() if value is not None}

    def _at_ms(self, received_at_ms: int, sent_at: datetime | None) -> int:
        if self.timestamp is None:
            return received_at_ms
        at_ms = from_datetime(self.timestamp)
        sent = self.sent_at or sent_at
        if sent is None or self.original_timestamp is not None:
            return at_ms
        return received_at_ms - (from_datetime(sent) - at_ms)

    def _update(self, attributes: Mapping[str, Any]) -> ProfileUpdate:
        context = self.context
        return ProfileUpdate(
            customer_id=self._customer(),
            attributes=attributes,
            time_zone=context.timezone if context else None,
            locale=context.locale if context else None,
        )

    def _alias(self) -> Alias:
        if self.previous_id is None:
            raise _missing("/previousId", "name the customer's former id")
        if self.user_id is None:
            raise _missing("/userId", "name the id that goes on")
        return Alias(CustomerId(self.previous_id), CustomerId(self.user_id))


@dataclass(frozen=True, slots=True)
class Envelope:
    """The messages of a body as decoded, and what it says about all of them.

    ``plain`` where it is known to be strict JSON.
    """

    messages: list[Any]
    batched: bool
    plain: bool
    sent_at: datetime | None = None


def open_envelope(body: bytes) -> Envelope:
    """Return the messages of a body: one message, or a ``batch`` of them.

    Raises :class:`InputError` where it is not JSON, or no message can be told from another.
    """
    content, plain = decode(body)
    if not isinstance(content, dict):
        raise InputError([Fault("", f"found {content!r}"[:80], "an object is expected")])
    if "batch" not in content:
        return Envelope([content], batched=False, plain=plain)
    messages = content["batch"]
    if not isinstance(messages, list) or not messages:
        raise InputError([Fault("/batch", f"found {messages!r}"[:80], "a list of messages")])
    if len(messages) > MAX_BATCH:
        raise InputError([Fault("/batch", f"{len(messages)} items", f"at most {MAX_BATCH}")])
    head = {"sentAt": content.get("sentAt")}
    sent_at = parse_value(head, _BatchHead).sent_at
    return Envelope(messages, batched=True, plain=plain, sent_at=sent_at)


class _BatchHead(msgspec.Struct, rename="camel"):
    sent_at: Moment | None = None


def read_message(
    envelope: Envelope,
    index: int,
    *,
    received_at_ms: int,
    fallback_id: Callable[[], str],
    type_: str = "",
) -> Item:
    """Return a message in the words of the domain; :class:`InputError` where it is wrong.

    ``fallback_id`` is called for the id of a message that has none, ``type_`` is the type of one
    that names none.
    """
    message = envelope.messages[index]
    if not envelope.plain and (faults := loose_parts(message)):
        raise InputError(faults)
    return parse_value(message, SegmentBody).to_domain(
        received_at_ms=received_at_ms,
        fallback_id=fallback_id,
        type_=type_,
        sent_at=envelope.sent_at,
    )


def as_sent(fault: Fault, message: Mapping[str, Any], type_: str = "") -> Fault:
    """Return a fault that points into the message, not into what it was read as."""
    name, *rest = fault.place.removeprefix("/").split("/")
    is_group = (message.get("type") or type_) == "group"
    if name == "customer_id":
        place = "/userId" if message.get("userId") else "/anonymousId"
    elif name == "attributes" and rest and is_group:
        trait = rest[0].removeprefix(GROUP_PREFIX)
        place = "/groupId" if rest[0] == GROUP_ID else f"/traits/{trait}"
    else:
        place = "/" + "/".join([_PLACES.get(name, name), *rest])
    return replace(fault, place=place)


_PLACES = {
    "message_id": "messageId",
    "attributes": "traits",
    "time_zone": "context/timezone",
    "locale": "context/locale",
    "previous_id": "previousId",
}
"""Where a message has what the domain knows by another name."""


def _attributes(traits: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in traits.items()
    }


def _missing(place: str, advice: str) -> InputError:
    return InputError([Fault(place, "it is missing", advice)])
