"""Features that events move: what may be declared, and which stored state each one needs.

An aggregate is read from one or two *slots* of a profile. A slot is named by what it computes, not
by the feature that asked for it, so that equal state is kept once, and survives a renaming.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, Literal

from nba.domain.ids import FeatureName
from nba.features.definitions import EventDefinition, Feature, PropertyType, parse_window

MIN_WINDOW_SECONDS = 3_600
MAX_WINDOW_SECONDS = 365 * 86_400

TILES_PER_WINDOW = 12
"""A window is counted in this many tiles; the shortest window, 1 h, has tiles of 5 minutes."""

MAX_GROUPS = 200
"""Most groups, distinct values or listed values one slot can hold."""

DEFAULT_DISTINCT = 50
DEFAULT_GROUPS = 64

DECISION = "decision"
"""An interaction of this kind is read from the contact history, not from the profile."""

INTERACTION_EVENT_PREFIX = "nba."
"""Interactions travel as events of this name and their kind; no one else may send such."""

_TERM_GROUP = re.compile(r"([a-z][a-z0-9_]*)@([1-9])")
_INTERACTION_PROPERTIES = ("action", "placement", "channel")


class AggregateFunction(StrEnum):
    """How events become one value; ``recency`` and ``since_first`` are in days."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    DISTINCT = "distinct"
    RECENCY = "recency"
    SINCE_FIRST = "since_first"
    TOP = "top"
    DECAYED_COUNT = "decayed_count"
    DECAYED_SUM = "decayed_sum"
    RATIO = "ratio"


class Op(IntEnum):
    """What a slot keeps of each tile, or of all time; :mod:`nba.features.cells` gives the form."""

    COUNT = 0
    SUM = 1
    MIN = 2
    MAX = 3
    FIRST = 4
    LAST = 5
    DECAY = 6
    SEEN = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateFeature(Feature):
    """A value computed from the customer's events; without ``window`` it looks back for ever.

    ``where`` is a CEL condition over ``properties.<name>``; an event for which it is unknown,
    because a property is missing, does not count. ``by`` keeps it for each word of a property
    apart: it is then no value of the customer, but what a cross reads.
    """

    kind: Literal["aggregate"] = "aggregate"
    event: str = ""
    function: AggregateFunction
    property: str | None = None
    where: str | None = None
    window: str | None = None
    half_life: str | None = None
    values: tuple[str, ...] = ()
    rank: int = 1
    limit: int | None = None
    by: str | None = None
    numerator: FeatureName | None = None
    denominator: FeatureName | None = None
    default: float | bool | str | None = None

    def window_seconds(self) -> int | None:
        """Length of the window; ``None`` where it looks back for ever."""
        return None if self.window is None else parse_window(self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionFeature(Feature):
    """A value computed from the ledger: decisions, or outcomes of a kind, of the customer.

    ``where`` is over ``properties.action``, ``.placement`` and ``.channel``; ``by`` is one of
    those, or a term of the action, ``<dimension>@<depth>``.
    """

    kind: Literal["interaction"] = "interaction"
    of: str
    function: Literal["count", "recency", "decayed_count"] = "count"
    where: str | None = None
    window: str | None = None
    half_life: str | None = None
    by: str | None = None
    limit: int | None = None
    default: float | None = None

    @property
    def event_name(self) -> str:
        """Name of the event that it counts."""
        return INTERACTION_EVENT_PREFIX + self.of

    def window_seconds(self) -> int | None:
        """Length of the window; ``None`` where it looks back for ever."""
        return None if self.window is None else parse_window(self.window)

    def aggregate(self) -> AggregateFeature:
        """Return the aggregate of interaction events that it is."""
        return AggregateFeature(
            name=self.name,
            description=self.description,
            owner=self.owner,
            unit=self.unit,
            tags=self.tags,
            event=self.event_name,
            function=AggregateFunction(self.function),
            where=self.where,
            window=self.window,
            half_life=self.half_life,
            by=None if self.by is None else group_property(self.by),
            limit=self.limit,
            default=self.default,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """State one aggregate reads; ``tile_seconds`` is 0 where it looks back for ever.

    ``limit`` is 0 for a single value, else the most groups kept, told apart by the words of ``by``
    (only by those in ``words``, where given). ``codes`` are the strings that ``property`` may
    take, where it is kept as their positions. ``divided`` sets the sum of a mean apart from one
    declared for itself, which may know events from before the mean's count began.
    """

    event: str
    op: Op
    property: str | None = None
    where: str | None = None
    tile_seconds: int = 0
    half_life_seconds: int = 0
    by: str | None = None
    limit: int = 0
    words: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    divided: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        parts: list[object] = [self.event, self.op.name, self.property, self.where]
        parts += [self.tile_seconds, self.half_life_seconds, self.by, self.limit]
        parts += [self.words, self.codes, self.divided]
        object.__setattr__(self, "key", json.dumps(parts, separators=(",", ":")))


def slots_of(feature: AggregateFeature) -> tuple[Slot, ...]:
    """Return the slots a value is read from: none for a ratio, two for a mean, else one."""
    match feature.function:
        case AggregateFunction.RATIO:
            return ()
        case AggregateFunction.MEAN:
            total = replace(_slot(feature, Op.SUM), divided=True)
            return total, _slot(feature, Op.COUNT, counts_property=True)
    return (_slot(feature, _OPS[feature.function]),)


_OPS: Mapping[AggregateFunction, Op] = {
    AggregateFunction.COUNT: Op.COUNT,
    AggregateFunction.SUM: Op.SUM,
    AggregateFunction.MIN: Op.MIN,
    AggregateFunction.MAX: Op.MAX,
    AggregateFunction.FIRST: Op.FIRST,
    AggregateFunction.LAST: Op.LAST,
    AggregateFunction.DISTINCT: Op.SEEN,
    AggregateFunction.RECENCY: Op.LAST,
    AggregateFunction.SINCE_FIRST: Op.FIRST,
    AggregateFunction.TOP: Op.COUNT,
    AggregateFunction.DECAYED_COUNT: Op.DECAY,
    AggregateFunction.DECAYED_SUM: Op.DECAY,
}
_VALUED = frozenset(
    {
        AggregateFunction.SUM,
        AggregateFunction.MEAN,
        AggregateFunction.MIN,
        AggregateFunction.MAX,
        AggregateFunction.FIRST,
        AggregateFunction.LAST,
        AggregateFunction.DECAYED_SUM,
    }
)
"""Functions of a property's value; others only need the event to have happened."""


def takes_value(function: AggregateFunction) -> bool:
    """Say whether a function is of a property's value."""
    return function in _VALUED


def _slot(feature: AggregateFeature, op: Op, *, counts_property: bool = False) -> Slot:
    function = feature.function
    more: dict[str, Any] = {}
    if takes_value(function) or counts_property:
        more["property"] = feature.property
    if function in (AggregateFunction.DISTINCT, AggregateFunction.TOP):
        more["by"] = feature.property
        more["limit"] = feature.limit or len(feature.values) or DEFAULT_DISTINCT
        more["words"] = feature.values
    elif feature.by is not None:
        more["by"] = feature.by
        more["limit"] = feature.limit or DEFAULT_GROUPS
    if function in (AggregateFunction.FIRST, AggregateFunction.LAST):
        more["codes"] = feature.values
    # The latest event is known for ever at no cost; a window is looked at when it is read.
    window = feature.window_seconds()
    if window is not None and op is not Op.LAST:
        more["tile_seconds"] = window // TILES_PER_WINDOW
    if feature.half_life is not None:
        more["half_life_seconds"] = parse_window(feature.half_life)
    return Slot(event=feature.event, op=op, where=feature.where, **more)


def group_property(by: str) -> str:
    """Return the property of interaction events that holds the word of a grouping.

    >>> group_property("product@2")
    'term_product_2'
    """
    match = _TERM_GROUP.fullmatch(by)
    return by if match is None else f"term_{match[1]}_{match[2]}"


def parse_group(by: str) -> tuple[str, int] | None:
    """Return dimension and depth of a grouping by term; ``None`` for one by id or channel.

    Raises :class:`ValueError` where it is neither.
    """
    if by in _INTERACTION_PROPERTIES:
        return None
    match = _TERM_GROUP.fullmatch(by)
    if match is None:
        raise ValueError(f"{by!r} is no grouping")
    return match[1], int(match[2])


def interaction_events(features: tuple[InteractionFeature, ...]) -> tuple[EventDefinition, ...]:
    """Return the events that carry interactions to the profile: one for each kind of outcome."""
    properties: dict[str, dict[str, PropertyType]] = {}
    for feature in features:
        if feature.of == DECISION:
            continue
        mine = properties.setdefault(
            feature.event_name, dict.fromkeys(_INTERACTION_PROPERTIES, PropertyType.STRING)
        )
        if feature.by is not None:
            mine[group_property(feature.by)] = PropertyType.STRING
    return tuple(
        EventDefinition(name=name, description="An outcome of a decision.", properties=found)
        for name, found in properties.items()
    )
