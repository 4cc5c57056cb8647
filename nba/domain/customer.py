"""Customers and what happens to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nba.domain.ids import CustomerId

Scalar = str | float | bool

AttributeValue = Scalar | tuple[str, ...]
"""What an attribute may be given as; a set of words comes as many."""

API_SOURCE = "api"
"""Source of a profile update that names no other."""

ALIAS_SOURCE = "alias:"
"""What the source of an update begins with that merged another customer; their id follows."""


class Consent(StrEnum):
    """A customer's word on one channel and purpose; unknown is neither."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileUpdate:
    """A change to a customer's profile; what is absent stays as it was, ``None`` clears.

    ``consents`` maps ``channel`` to ``purpose`` to consent; ``source`` says where it is from.
    ``audiences`` says of uploaded lists whether the customer is on them from now on.
    """

    customer_id: CustomerId
    attributes: Mapping[str, AttributeValue | None] = field(default_factory=dict)
    consents: Mapping[str, Mapping[str, Consent]] = field(default_factory=dict)
    audiences: Mapping[str, bool] = field(default_factory=dict)
    time_zone: str | None = None
    locale: str | None = None
    source: str = API_SOURCE


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEntry(ProfileUpdate):
    """An accepted profile update as it travels in the ledger, with what is declared only.

    ``version`` is the profile's after it; ``sensitive`` names the attributes no log shows in clear.
    """

    received_at_ms: int
    version: int = 0
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something the customer did or that happened to them (``track`` in Segment's spec)."""

    customer_id: CustomerId
    name: str
    message_id: str
    at_ms: int
    received_at_ms: int
    properties: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry(Event):
    """An accepted event as it travels in the ledger.

    ``version`` is the profile's after it, 0 where that is not known; ``sensitive`` names the
    properties no log shows in clear.
    """

    version: int = 0
    sensitive: tuple[str, ...] = ()
