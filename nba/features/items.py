"""Items that come in, what may be wrong with each, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nba.domain.alias import Alias
from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import MAX_ID_LENGTH
from nba.errors import Fault, InputError
from nba.features.feature_set import FeatureSet
from nba.features.pointers import pointer
from nba.features.values import shown

Item = Event | ProfileUpdate | Alias


class Undeclared(StrEnum):
    """What becomes of events, properties and attributes that no file declares."""

    DROP = "drop"
    REFUSE = "refuse"


class ItemStatus(StrEnum):
    """What became of an item; ``ignored`` is an event that is not declared."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an item, what was wrong with it, and the undeclared names left out of it."""

    status: ItemStatus
    faults: tuple[Fault, ...] = ()
    dropped: tuple[str, ...] = ()


RECORDED = ItemResult(ItemStatus.RECORDED)
"""Recorded, and nothing more to say about it."""

DUPLICATE = ItemResult(ItemStatus.DUPLICATE)
"""Applied before."""

_IGNORED = ItemResult(ItemStatus.IGNORED)


def rejected(faults: list[Fault] | tuple[Fault, ...]) -> ItemResult:
    """Return what becomes of an item with faults."""
    return ItemResult(ItemStatus.REJECTED, tuple(faults))


def check_event(
    features: FeatureSet, event: Event, undeclared: Undeclared, *, own: bool = False
) -> tuple[Event | None, ItemResult]:
    """Return an event with what is declared only, or ``None`` and what becomes of it.

    Only the service's ``own`` events may be interactions, which no file declares.
    """
    faults = id_faults("customer_id", event.customer_id)
    faults += id_faults("message_id", event.message_id)
    if faults:
        return None, rejected(faults)
    if not (features.declares(event.name) or (own and features.aggregation(event.name))):
        return None, _unknown(event, undeclared)
    try:
        checked, dropped = features.check(event)
    except InputError as error:
        return None, rejected(error.faults)
    if dropped and undeclared is Undeclared.REFUSE:
        return None, rejected(undeclared_faults("properties", dropped))
    return checked, ItemResult(ItemStatus.RECORDED, dropped=dropped) if dropped else RECORDED


def _unknown(event: Event, undeclared: Undeclared) -> ItemResult:
    if undeclared is Undeclared.DROP:
        return _IGNORED
    found = f"event {shown(event.name)} is not declared"
    return rejected([Fault("/event", found, "declare it in features/events.yaml")])


def check_update(item: Item) -> tuple[ProfileUpdate | None, ItemResult]:
    """Return a profile update as it is, or ``None`` and what becomes of it."""
    if not isinstance(item, ProfileUpdate):
        raise TypeError(f"{type(item).__name__} is no profile update")
    faults = id_faults("customer_id", item.customer_id)
    return (None, rejected(faults)) if faults else (item, RECORDED)


def undeclared_faults(place: str, names: tuple[str, ...]) -> list[Fault]:
    """Return a fault for each name that is not declared."""
    return [
        Fault(pointer(place, name), "it is not declared", "declare it in features/, or leave it")
        for name in names
    ]


def id_faults(place: str, identifier: str) -> list[Fault]:
    """Return what is wrong with an id, if anything."""
    if 0 < len(identifier) <= MAX_ID_LENGTH:
        if identifier.isascii():
            return []
        try:
            identifier.encode()
        except UnicodeEncodeError:
            expected = "text that UTF-8 can hold is expected"
            return [Fault(f"/{place}", f"found {shown(identifier)}", expected)]
        return []
    found = f"an id of {len(identifier)} characters"
    return [Fault(f"/{place}", found, f"1 to {MAX_ID_LENGTH} characters are expected")]
