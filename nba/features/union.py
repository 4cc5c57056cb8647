"""Two sets of definitions as one: what profiles hold while one takes the place of the other.

A profile of the union has every attribute and every slot of both, so that each set reads from it
just what it would have kept by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from nba.domain.ids import FeatureName
from nba.errors import Fault
from nba.features.aggregates import AggregateFeature, AggregateFunction, InteractionFeature
from nba.features.definitions import AttributeFeature, EventDefinition
from nba.features.feature_set import FeatureSet
from nba.features.kinds import FeatureDefinition
from nba.features.layout import StoredLayout

T = TypeVar("T")

_PLACE = "features"


def conflicts(live: FeatureSet, coming: FeatureSet) -> Iterator[tuple[str, Fault]]:
    """Yield what keeps two sets from sharing a profile, each with the name it is about.

    A stored value, or a property of an event, that changes its type under the same name would be
    read as what it is not, or be lost without a word.
    """
    before = {item.name: item for item in _attributes(live)}
    for item in _attributes(coming):
        was = before.get(item.name)
        if was is not None and was.type is not item.type:
            found = f"attribute {item.name!r} was {was.type.value} and is {item.type.value}"
            yield item.name, Fault(_PLACE, found, "give it a new name")
    for event in coming.events.values():
        former = live.events.get(event.name)
        if former is None:
            continue
        for name, type_ in event.properties.items():
            known = former.properties.get(name, type_)
            if known is not type_:
                found = f"property {name!r} of event {event.name!r} was {known.value} "
                yield (
                    event.name,
                    Fault(_PLACE, f"{found}and is {type_.value}", "give it a new name"),
                )


def added_slots(live: StoredLayout, coming: StoredLayout) -> tuple[str, ...]:
    """Return the keys of the slots that only the coming layout has."""
    there = {slot.key for slot in live.slots}
    return tuple(slot.key for slot in coming.slots if slot.key not in there)


def union(live: FeatureSet, coming: FeatureSet) -> FeatureSet:
    """Return a set that keeps what both keep, and reads profiles of both.

    It is for writing: its row has no derived values, no crosses, no segments. Where they
    :func:`conflict <conflicts>`, what is coming counts.
    """
    definitions: list[FeatureDefinition] = []
    before = {item.name: item for item in _attributes(live)}
    for item in _attributes(coming):
        was = before.pop(item.name, None)
        definitions.append(item if was is None or was.type is not item.type else _both(was, item))
    definitions += before.values()
    definitions += _moved(coming, "coming")
    definitions += _moved(live, "live")
    return FeatureSet(
        definitions,
        _events(live, coming),
        previous=(*live.previous, live.layout, *coming.previous, coming.layout),
    )


def _attributes(features: FeatureSet) -> Iterator[AttributeFeature]:
    return (item for item in features.definitions if isinstance(item, AttributeFeature))


def _both(live: AttributeFeature, coming: AttributeFeature) -> AttributeFeature:
    """Return an attribute that takes the words of both; its freshness only says it is timed."""
    return replace(
        coming,
        values=_merged(live.values, coming.values),
        default=None,
        freshness=coming.freshness or live.freshness,
        tags=_merged(live.tags, coming.tags),
    )


def _moved(features: FeatureSet, prefix: str) -> Iterator[FeatureDefinition]:
    """Yield what events move, under names of its own: only slots matter, which have no names."""
    for item in features.definitions:
        is_ratio = isinstance(item, AggregateFeature) and item.function is AggregateFunction.RATIO
        if isinstance(item, AggregateFeature | InteractionFeature) and not is_ratio:
            yield replace(item, name=FeatureName(f"{prefix}.{item.name}"))


def _events(live: FeatureSet, coming: FeatureSet) -> Iterator[EventDefinition]:
    for name in _merged(live.events, coming.events):
        was, event = live.events.get(name), coming.events.get(name)
        if was is None or event is None:
            yield from (found for found in (was, event) if found is not None)
            continue
        yield replace(
            event,
            properties={**was.properties, **event.properties},
            sensitive=_merged(was.sensitive, event.sensitive),
        )


def _merged(some: Iterable[T], others: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*some, *others)))
