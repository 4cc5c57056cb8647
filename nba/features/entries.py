"""What the ledger is told of accepted events and profile updates."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from nba.domain.customer import Event, EventEntry, ProfileUpdate, UpdateEntry
from nba.features.feature_set import FeatureSet
from nba.features.sensitivity import named_in, sensitive_names, sensitive_properties
from nba.features.store import EVENT_ENTRY, UPDATE_ENTRY, LogEntry

_encode = msgspec.msgpack.Encoder().encode
_NONE: frozenset[str] = frozenset()


def event_entry(features: FeatureSet, event: Event, *, version: int) -> LogEntry:
    """Return the entry of an event; ``version`` is the profile's after it."""
    sensitive = sensitive_properties(features).get(event.name, _NONE)
    entry = EventEntry(
        customer_id=event.customer_id,
        name=event.name,
        message_id=event.message_id,
        at_ms=event.at_ms,
        received_at_ms=event.received_at_ms,
        properties=event.properties,
        version=version,
        sensitive=named_in(event.properties, sensitive),
    )
    return EVENT_ENTRY, _encode(entry)


def update_entry(
    features: FeatureSet,
    update: ProfileUpdate,
    *,
    undeclared: Collection[str],
    received_at_ms: int,
    version: int,
) -> LogEntry:
    """Return the entry of a profile update, without its undeclared attributes."""
    kept = {name: value for name, value in update.attributes.items() if name not in undeclared}
    entry = UpdateEntry(
        customer_id=update.customer_id,
        attributes=kept,
        consents=update.consents,
        audiences=update.audiences,
        time_zone=update.time_zone,
        locale=update.locale,
        source=update.source,
        received_at_ms=received_at_ms,
        version=version,
        sensitive=named_in(kept, sensitive_names(features)),
    )
    return UPDATE_ENTRY, _encode(entry)
