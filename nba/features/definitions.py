"""What may be declared in ``features/*.yaml``: events, and four kinds of feature.

These are snapshots of what was written; :mod:`nba.features.checks` says what is wrong with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal

from nba.domain.ids import FeatureName

MIN_WINDOW_SECONDS = 3_600
MAX_WINDOW_SECONDS = 365 * 86_400

_SECONDS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_WINDOW = re.compile(r"(\d{1,6})([hdw])")
_TERM_SOURCE = re.compile(r"action\.term:([a-z][a-z0-9_]*)@([1-9])")


class FeatureType(StrEnum):
    """What a value is; ``date`` is given as ``YYYY-MM-DD`` and read as days since."""

    NUMBER = "number"
    BOOL = "bool"
    ENUM = "enum"
    DATE = "date"


class PropertyType(StrEnum):
    """What a property of an event is."""

    NUMBER = "number"
    BOOL = "bool"
    STRING = "string"


class AggregateFunction(StrEnum):
    """How events become one number; ``recency`` is days since the last one."""

    COUNT = "count"
    SUM = "sum"
    RECENCY = "recency"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDefinition:
    """An event that is accepted, and the types of its properties; others are dropped.

    Properties listed as ``sensitive`` are kept, but no log shows them in clear.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: str
    description: str
    properties: Mapping[str, PropertyType] = field(default_factory=dict)
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What every feature says about itself."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: FeatureName
    description: str
    owner: str = ""
    unit: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFeature(Feature):
    """A value kept in the customer's profile; ``default`` stands in for a missing one.

    The default of a ``date`` is a number of days, since that is what is read.
    """

    kind: Literal["attribute"] = "attribute"
    type: FeatureType
    values: tuple[str, ...] = ()
    default: float | bool | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateFeature(Feature):
    """A number computed from the customer's events; without ``window`` it looks back for ever.

    ``where`` is a CEL condition over ``properties.<name>``; an event for which it is unknown,
    because a property is missing, does not count. ``default`` is for ``recency`` only: a count or
    sum is 0 for a customer never seen, so never missing.
    """

    kind: Literal["aggregate"] = "aggregate"
    type: Literal["number"] = "number"
    event: str
    function: AggregateFunction
    property: str | None = None
    window: str | None = None
    where: str | None = None
    default: float | None = None

    def window_seconds(self) -> int | None:
        """Length of the window; ``None`` where it looks back for ever."""
        return None if self.window is None else parse_window(self.window)

    def key(self) -> str:
        """Say what it computes, whatever it is called: equal keys mean equal stored state."""
        parts = (self.event, self.function.value, self.property, self.window_seconds(), self.where)
        return "|".join("" if part is None else str(part) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFeature(Feature):
    """A value that comes with the request and is never kept; any type but ``date``."""

    kind: Literal["context"] = "context"
    type: FeatureType
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: float | bool | str | None = None


class ActionSource(StrEnum):
    """Where an action feature is taken from, ``action.term:<dimension>@<depth>`` aside."""

    ACTION_ID = "action.id"
    ACTION_VALUE = "action.value"
    ACTION_COST = "action.cost"
    ACTION_MESSAGE_CLASS = "action.message_class"
    PLACEMENT_ID = "placement.id"
    PLACEMENT_CHANNEL = "placement.channel"
    PLACEMENT_DIRECTION = "placement.direction"


NUMBER_SOURCES = frozenset({ActionSource.ACTION_VALUE, ActionSource.ACTION_COST})
"""Sources that are numbers; all others are enumerated by the catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFeature(Feature):
    """A value of each candidate, taken from the catalog; its type follows from its source."""

    kind: Literal["action"] = "action"
    source: str
    type: FeatureType | None = None


FeatureDefinition = AttributeFeature | AggregateFeature | ContextFeature | ActionFeature

KINDS: Mapping[str, type[FeatureDefinition]] = {
    "attribute": AttributeFeature,
    "aggregate": AggregateFeature,
    "context": ContextFeature,
    "action": ActionFeature,
}
"""Definition class by ``kind``."""


def parse_window(text: str) -> int:
    """Return the seconds in a window; :class:`ValueError` where it is not a number and h, d or w.

    >>> parse_window("30d")
    2592000
    """
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no window")
    return int(match[1]) * _SECONDS[match[2]]


def parse_term_source(source: str) -> tuple[str, int]:
    """Return dimension and depth; :class:`ValueError` where the source is not a term.

    >>> parse_term_source("action.term:product@2")
    ('product', 2)
    """
    match = _TERM_SOURCE.fullmatch(source)
    if match is None:
        raise ValueError(f"{source!r} is no term")
    return match[1], int(match[2])
