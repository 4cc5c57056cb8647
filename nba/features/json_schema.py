"""JSON Schema (2020-12) of ``features/*.yaml``, so that editors complete and check what is written.

It comes from the definition classes through pydantic, which also reads them. It says less than
:mod:`nba.features.checks`, which sees all files at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, TypeAdapter

from nba.features.aggregates import (
    DECISION,
    MAX_GROUPS,
    AggregateFeature,
    AggregateFunction,
    InteractionFeature,
)
from nba.features.definitions import (
    CROSS_SOURCES,
    ActionSource,
    EventDefinition,
    SegmentDefinition,
)
from nba.features.kinds import KINDS, FeatureDefinition
from nba.features.meanings import COMMON, EVENT_KEYS, FUNCTIONS, KEYS, SEGMENT_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SPAN = r"^[0-9]{1,6}[hdw]$"
_NAME = r"^[a-z][a-z0-9_]{0,63}$"
_TERM = r"^action\.term:[a-z][a-z0-9_]*@[1-9]$"
_TERM_FLAG = r"^action\.has_term:[a-z][a-z0-9_]*:\S+$"
_GROUP = r"^[a-z][a-z0-9_]*@[1-9]$"
_WORDS = {"uniqueItems": True, "items": {"type": "string", "minLength": 1}}
_LIMIT = {"minimum": 1, "maximum": MAX_GROUPS}

_NARROWED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "attribute": {"values": _WORDS, "freshness": {"pattern": _SPAN}},
    "aggregate": {
        "window": {"pattern": _SPAN},
        "half_life": {"pattern": _SPAN},
        "limit": _LIMIT,
        "rank": {**_LIMIT},
        "values": {**_WORDS, "maxItems": MAX_GROUPS},
    },
    "interaction": {
        "window": {"pattern": _SPAN},
        "half_life": {"pattern": _SPAN},
        "limit": _LIMIT,
        "by": {"anyOf": [{"enum": ["action", "placement", "channel"]}, {"pattern": _GROUP}]},
        "of": {"minLength": 1},
    },
    "context": {"type": {"enum": ["number", "bool", "enum"]}, "values": _WORDS},
    "action": {
        "source": {
            "anyOf": [
                {"enum": [source.value for source in ActionSource]},
                {"pattern": _TERM},
                {"pattern": _TERM_FLAG},
            ]
        }
    },
    "cross": {
        "source": {
            "anyOf": [{"enum": [source.value for source in CROSS_SOURCES]}, {"pattern": _TERM}]
        }
    },
}
"""What a key may hold, beyond its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """Features, events and segments; which file holds which does not matter."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    features: list[Annotated[FeatureDefinition, Discriminator("kind")]] | None = None
    events: list[EventDefinition] | None = None
    segments: list[SegmentDefinition] | None = None


def features_schema() -> dict[str, Any]:
    """Return the schema of one file."""
    made = TypeAdapter(_File).json_schema()
    made.pop("title")
    definitions: dict[str, dict[str, Any]] = made["$defs"]
    for kind, feature in KINDS.items():
        definition = definitions[feature.__name__]
        definition["required"] = ["kind", *definition.get("required", ())]
        _describe(definition, {**COMMON, **KEYS[kind]})
        for key, narrowed in {"name": {"pattern": _NAME}, **_NARROWED.get(kind, {})}.items():
            _narrow(definition["properties"], key, narrowed)
    _describe(definitions[EventDefinition.__name__], EVENT_KEYS)
    segment = definitions[SegmentDefinition.__name__]
    _describe(segment, SEGMENT_KEYS)
    _narrow(segment["properties"], "name", {"pattern": _NAME})
    definitions[AggregateFeature.__name__]["allOf"] = list(_function_rules())
    definitions[InteractionFeature.__name__]["allOf"] = [
        _rule("of", DECISION, {"required": ["window"]}),
        _rule("function", AggregateFunction.DECAYED_COUNT.value, {"required": ["half_life"]}),
    ]
    for definition in (made, *definitions.values()):
        _tidy(definition)
    return {"$schema": DIALECT, "title": "features/*.yaml", **made}


def _describe(definition: dict[str, Any], meanings: Mapping[str, str]) -> None:
    """Give each key its meaning."""
    keys: dict[str, dict[str, Any]] = definition["properties"]
    for name, key in keys.items():
        # Older editors pass over what is beside a reference.
        reference = {"allOf": [{"$ref": key.pop("$ref")}]} if "$ref" in key else {}
        keys[name] = {**reference, **key, "description": meanings[name]}


def _narrow(keys: dict[str, Any], name: str, more: Mapping[str, Any]) -> None:
    """Add to what a key may hold; what may be null too stays so."""
    key = keys[name]
    branches = [branch for branch in key.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1:
        branches[0].update(more)
    else:
        key.update(more)


def _function_rules() -> Iterator[dict[str, Any]]:
    """Iterate over what each function of an aggregate needs, and what it does not take."""
    choices = {key for meaning in FUNCTIONS.values() for key in (*meaning.needs, *meaning.takes)}
    for function, meaning in FUNCTIONS.items():
        left_out = sorted(choices.difference(meaning.needs, meaning.takes))
        then = {"required": [*meaning.needs], "properties": dict.fromkeys(left_out, False)}
        yield _rule("function", function.value, then)


def _rule(key: str, value: str, then: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds where a key has a value."""
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _tidy(definition: dict[str, Any]) -> None:
    """Leave out pydantic's titles, and the markup of docstrings."""
    definition.pop("title", None)
    for key in definition.get("properties", {}).values():
        key.pop("title", None)
    if "description" in definition:
        text = re.sub(r":\w+:`~?([^`]+)`|``([^`]+)``", r"`\1\2`", definition["description"])
        definition["description"] = " ".join(text.split())
