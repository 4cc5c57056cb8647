"""What is sensitive in a feature set: no log shows it in clear, no model sees it unasked.

A feature is sensitive where it is tagged so, and where it is computed from anything sensitive: a
derived feature or segment from its inputs, an aggregate from the properties it reads, a ratio or
cross from its aggregates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from nba.features.aggregates import AggregateFeature
from nba.features.definitions import CrossFeature, DerivedFeature
from nba.features.feature_set import FeatureSet
from nba.features.kinds import FeatureDefinition
from nba.features.row import SEGMENT_PREFIX

_READS = re.compile(r"\b(?:customer\.|request\.|(segment\.))([A-Za-z_]\w*)")
_READS_PROPERTY = re.compile(r"\bproperties\.([A-Za-z_]\w*)")
_NONE: frozenset[str] = frozenset()

# A set that nothing else holds is let go of: whoever waits for that waits for nobody here.
_names: WeakKeyDictionary[FeatureSet, frozenset[str]] = WeakKeyDictionary()
_properties: WeakKeyDictionary[FeatureSet, Mapping[str, frozenset[str]]] = WeakKeyDictionary()


def sensitive_names(features: FeatureSet) -> frozenset[str]:
    """Return the names of sensitive features, and of segments as they are in a row."""
    found = _names.get(features)
    if found is None:
        found = _names[features] = _closure(features)
    return found


def sensitive_properties(features: FeatureSet) -> Mapping[str, frozenset[str]]:
    """Return the sensitive properties of each event that has any."""
    found = _properties.get(features)
    if found is None:
        found = _properties[features] = {
            name: frozenset(event.sensitive)
            for name, event in features.events.items()
            if event.sensitive
        }
    return found


def is_sensitive(column: str, names: frozenset[str]) -> bool:
    """Say whether a column is of a sensitive feature; a set or cross has one for each word.

    >>> is_sensitive("faith[none]", frozenset({"faith"}))
    True
    """
    return column in names or column.partition("[")[0] in names


def named_in(given: Iterable[str], names: frozenset[str]) -> tuple[str, ...]:
    """Return which of the names given are among ``names``, in order."""
    return tuple(name for name in given if name in names) if names else ()


def _closure(features: FeatureSet) -> frozenset[str]:
    hidden = sensitive_properties(features)
    found: set[str] = set()
    needs: dict[str, frozenset[str]] = {}
    for item in features.definitions:
        needs[item.name] = frozenset(_inputs(item))
        if item.is_sensitive or _properties_of(item) & hidden.get(_event_of(item), _NONE):
            found.add(item.name)
    for segment in features.segments:
        needs[SEGMENT_PREFIX + segment.name] = frozenset(_read(segment.condition))
    while more := {name for name, read in needs.items() if read & found} - found:
        found |= more
    return frozenset(found)


def _inputs(item: FeatureDefinition) -> Iterator[str]:
    match item:
        case DerivedFeature():
            yield from _read(item.expression)
        case CrossFeature():
            yield item.of
        case AggregateFeature():
            yield from (name for name in (item.numerator, item.denominator) if name)


def _read(condition: str) -> Iterator[str]:
    """Iterate over the features a condition reads; what is in quotes may be taken for one too."""
    for match in _READS.finditer(condition):
        yield (SEGMENT_PREFIX if match[1] else "") + match[2]


def _event_of(item: FeatureDefinition) -> str:
    return item.event if isinstance(item, AggregateFeature) else ""


def _properties_of(item: FeatureDefinition) -> frozenset[str]:
    if not isinstance(item, AggregateFeature):
        return _NONE
    read = _READS_PROPERTY.findall(item.where or "")
    return frozenset(name for name in (item.property, item.by, *read) if name)
