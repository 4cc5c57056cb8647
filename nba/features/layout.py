"""What a packed profile holds, and in which order: the one thing needed to read it back.

Every layout ever published is kept (in the control store, as plain data), so that a profile packed
before a change of definitions is read by name and by meaning, never by position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nba.domain.ids import hash32
from nba.features.definitions import (
    AggregateFeature,
    AggregateFunction,
    AttributeFeature,
    FeatureDefinition,
)

TILES_PER_WINDOW = 12
"""A window is counted in this many tiles; the shortest window, 1 h, has tiles of 5 minutes."""


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """One attribute; ``values`` give its codes their words where it is an enum."""

    name: str
    type: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """One windowed aggregate, known by what it computes."""

    key: str
    tile_seconds: int
    is_count: bool


@dataclass(frozen=True, slots=True)
class StoredLayout:
    """The order of what is stored; ``layout_id`` is derived from all of it.

    ``recencies`` and ``totals`` (aggregates that look back for ever) are keys of aggregates.
    """

    attributes: tuple[StoredAttribute, ...]
    recencies: tuple[str, ...]
    totals: tuple[str, ...]
    windows: tuple[StoredWindow, ...]
    layout_id: int = field(init=False)

    def __post_init__(self) -> None:
        content = json.dumps(self.to_builtins(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "layout_id", hash32(content))

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, fit for JSON and msgpack."""
        return {
            "attributes": [asdict(attribute) for attribute in self.attributes],
            "recencies": list(self.recencies),
            "totals": list(self.totals),
            "windows": [asdict(window) for window in self.windows],
        }

    @classmethod
    def from_builtins(cls, data: Mapping[str, Any]) -> StoredLayout:
        """Return the layout that :meth:`to_builtins` made plain."""
        return cls(
            attributes=tuple(
                StoredAttribute(item["name"], item["type"], tuple(item["values"]))
                for item in data["attributes"]
            ),
            recencies=tuple(data["recencies"]),
            totals=tuple(data["totals"]),
            windows=tuple(
                StoredWindow(item["key"], item["tile_seconds"], item["is_count"])
                for item in data["windows"]
            ),
        )


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """The features that are stored, each group by name, which is the order of the layout."""

    attributes: tuple[AttributeFeature, ...]
    recencies: tuple[AggregateFeature, ...]
    totals: tuple[AggregateFeature, ...]
    windows: tuple[AggregateFeature, ...]

    @classmethod
    def of(cls, definitions: Iterable[FeatureDefinition]) -> StoredFeatures:
        """Sort definitions into their groups; the order they are written in has no say."""
        by_name = sorted(definitions, key=lambda definition: definition.name)
        aggregates = [item for item in by_name if isinstance(item, AggregateFeature)]
        recencies = [item for item in aggregates if item.function is AggregateFunction.RECENCY]
        others = [item for item in aggregates if item.function is not AggregateFunction.RECENCY]
        return cls(
            attributes=tuple(item for item in by_name if isinstance(item, AttributeFeature)),
            recencies=tuple(recencies),
            totals=tuple(item for item in others if item.window is None),
            windows=tuple(item for item in others if item.window is not None),
        )

    def layout(self) -> StoredLayout:
        """Return their layout."""
        return StoredLayout(
            attributes=tuple(
                StoredAttribute(item.name, item.type.value, item.values) for item in self.attributes
            ),
            recencies=tuple(item.key() for item in self.recencies),
            totals=tuple(item.key() for item in self.totals),
            windows=tuple(
                StoredWindow(
                    item.key(),
                    (item.window_seconds() or 0) // TILES_PER_WINDOW,
                    item.function is AggregateFunction.COUNT,
                )
                for item in self.windows
            ),
        )
