"""What may be declared in ``features/*.yaml``: events, segments, and seven kinds of feature.

These are snapshots of what was written; :mod:`nba.features.checks` says what is wrong with them.
Aggregates, which events move, are in :mod:`nba.features.aggregates`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal

from nba.domain.ids import FeatureName

SENSITIVE = "sensitive"
"""Tag of features that no model sees unless its spec says so, and no log shows in clear."""

_SECONDS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_WINDOW = re.compile(r"([0-9]{1,6})([hdw])")
_TERM_SOURCE = re.compile(r"action\.term:([a-z][a-z0-9_]*)@([1-9])")
_TERM_FLAG = re.compile(r"action\.has_term:([a-z][a-z0-9_]*:\S+)")


class FeatureType(StrEnum):
    """What a value is; a ``date`` is given as ``YYYY-MM-DD`` and read as days since.

    A ``set`` holds any of its listed values, and is read as one bool for each.
    """

    NUMBER = "number"
    BOOL = "bool"
    ENUM = "enum"
    DATE = "date"
    SET = "set"


class PropertyType(StrEnum):
    """What a property of an event is."""

    NUMBER = "number"
    BOOL = "bool"
    STRING = "string"


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
class SegmentDefinition:
    """A named audience: the customers of whom ``condition``, in CEL, is true."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: str
    condition: str
    description: str
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What every feature says about itself."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: FeatureName
    description: str
    owner: str = ""
    unit: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_sensitive(self) -> bool:
        """Whether it is tagged :data:`SENSITIVE`."""
        return SENSITIVE in self.tags


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFeature(Feature):
    """A value kept in the customer's profile; ``default`` stands in for a missing one.

    The default of a ``date`` is a number of days, since that is what is read. A value set longer
    ago than ``freshness`` is missing.
    """

    kind: Literal["attribute"] = "attribute"
    type: FeatureType
    values: tuple[str, ...] = ()
    default: float | bool | str | None = None
    freshness: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFeature(Feature):
    """A value that comes with the request and is never kept: number, bool or enum."""

    kind: Literal["context"] = "context"
    type: FeatureType
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: float | bool | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedFeature(Feature):
    """A value computed by CEL from ``customer.*``, ``request.*`` and other derived features."""

    kind: Literal["derived"] = "derived"
    type: Literal["number", "bool"] = "number"
    expression: str


class ActionSource(StrEnum):
    """Where an action feature is taken from; terms aside, which have sources of their own.

    ``action.term:<dimension>@<depth>`` is a word, ``action.has_term:<term>`` a bool.
    """

    ACTION_ID = "action.id"
    ACTION_VALUE = "action.value"
    ACTION_COST = "action.cost"
    ACTION_PRIORITY = "action.priority"
    ACTION_MESSAGE_CLASS = "action.message_class"
    ACTION_DAYS_SINCE_LAUNCH = "action.days_since_launch"
    CONTENT_VARIANTS = "content.variants"
    PLACEMENT_ID = "placement.id"
    PLACEMENT_CHANNEL = "placement.channel"
    PLACEMENT_DIRECTION = "placement.direction"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFeature(Feature):
    """A value of each candidate, taken from the catalog; its type follows from its source."""

    kind: Literal["action"] = "action"
    source: str
    type: FeatureType | None = None

    @property
    def source_type(self) -> FeatureType:
        """What its source gives."""
        return source_type(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFeature(Feature):
    """What a grouped aggregate ``of`` the customer holds for the candidate's own group.

    ``source`` says which word of the candidate names its group: ``action.id``, ``placement.id``,
    ``placement.channel`` or ``action.term:<dimension>@<depth>``.
    """

    kind: Literal["cross"] = "cross"
    of: FeatureName
    source: str


CROSS_SOURCES = (ActionSource.ACTION_ID, ActionSource.PLACEMENT_ID, ActionSource.PLACEMENT_CHANNEL)
"""Sources a cross may use, besides terms."""

_SOURCE_TYPES: Mapping[str, FeatureType] = {
    ActionSource.ACTION_VALUE: FeatureType.NUMBER,
    ActionSource.ACTION_COST: FeatureType.NUMBER,
    ActionSource.ACTION_PRIORITY: FeatureType.NUMBER,
    ActionSource.ACTION_DAYS_SINCE_LAUNCH: FeatureType.NUMBER,
    ActionSource.CONTENT_VARIANTS: FeatureType.NUMBER,
}


def source_type(source: str) -> FeatureType:
    """Return what an action source gives: a number, a bool, or words of the catalog."""
    if _TERM_FLAG.fullmatch(source):
        return FeatureType.BOOL
    return _SOURCE_TYPES.get(source, FeatureType.ENUM)


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


def parse_term_flag(source: str) -> str | None:
    """Return the term a bool source asks for, ``None`` where it is another source.

    >>> parse_term_flag("action.has_term:product:credit")
    'product:credit'
    """
    match = _TERM_FLAG.fullmatch(source)
    return None if match is None else match[1]
