"""What a packed profile holds, and in which order: the one thing needed to read it back.

Every layout ever published is kept (in the control store, as plain data), so that a profile packed
before a change of definitions is read by name and by meaning, never by position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.domain.ids import hash32
from nba.errors import CorruptRecordError
from nba.features.aggregates import AggregateFeature, Slot, slots_of
from nba.features.definitions import AttributeFeature, FeatureType, parse_window

FORMAT = 2
"""Version of the packed form; part of every layout id."""


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """One attribute; ``values`` give its codes their words where it is an enum or a set.

    ``is_timed`` says that when it was set is kept too.
    """

    name: str
    type: str
    values: tuple[str, ...] = ()
    is_timed: bool = False

    @property
    def width(self) -> int:
        """How many numbers it takes: one for each value of a set, else one."""
        return len(self.values) if self.type == FeatureType.SET else 1


@dataclass(frozen=True, slots=True)
class StoredSlot:
    """One slot of aggregates, known by what it computes, and how its bytes are read."""

    key: str
    op: int
    tile_seconds: int
    limit: int
    half_life_seconds: int


@dataclass(frozen=True, slots=True)
class StoredLayout:
    """The order of what is stored; ``layout_id`` is derived from all of it."""

    attributes: tuple[StoredAttribute, ...]
    slots: tuple[StoredSlot, ...]
    layout_id: int = field(init=False)

    def __post_init__(self) -> None:
        content = json.dumps(self.to_builtins(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "layout_id", hash32(f"{FORMAT}{content}"))

    @property
    def n_numbers(self) -> int:
        """How many numbers the attributes take."""
        return sum(attribute.width for attribute in self.attributes)

    @property
    def n_times(self) -> int:
        """How many times of attributes are kept."""
        return sum(attribute.is_timed for attribute in self.attributes)

    def specs(self) -> NDArray[np.int64]:
        """Return the slots as :mod:`nba.features.cells` takes them, ``(n_slots, 4) int64``."""
        rows = [(s.op, s.tile_seconds, s.limit, s.half_life_seconds) for s in self.slots]
        return np.array(rows, dtype=np.int64).reshape(-1, 4)

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, fit for JSON and msgpack."""
        return {
            "attributes": [asdict(attribute) for attribute in self.attributes],
            "slots": [asdict(slot) for slot in self.slots],
        }

    @classmethod
    def from_builtins(cls, data: Mapping[str, Any]) -> StoredLayout:
        """Return the layout that :meth:`to_builtins` made plain.

        Raises :class:`~nba.errors.CorruptRecordError` for one of another format.
        """
        if "slots" not in data:
            raise CorruptRecordError(
                "profiles are packed in an older format: start with a new data folder, "
                "and bring customers and events in with `nba ingest`"
            )
        return cls(
            attributes=tuple(
                StoredAttribute(**{**item, "values": tuple(item["values"])})
                for item in data["attributes"]
            ),
            slots=tuple(StoredSlot(**item) for item in data["slots"]),
        )


def sort_slots(features: Iterable[AggregateFeature]) -> tuple[Slot, ...]:
    """Return the slots that features need, each once, in the order of their keys."""
    needed = {slot.key: slot for feature in features for slot in slots_of(feature)}
    return tuple(needed[key] for key in sorted(needed))


def layout_of(attributes: Iterable[AttributeFeature], slots: Iterable[Slot]) -> StoredLayout:
    """Return the layout of attributes and slots; the order of files has no say."""
    return StoredLayout(
        attributes=tuple(
            StoredAttribute(
                item.name,
                item.type.value,
                item.values,
                is_timed=item.freshness is not None,
            )
            for item in attributes
        ),
        slots=tuple(
            StoredSlot(s.key, int(s.op), s.tile_seconds, s.limit, s.half_life_seconds)
            for s in slots
        ),
    )


def freshness_seconds(feature: AttributeFeature) -> int:
    """Return after how many seconds an attribute is missing, 0 for never."""
    return 0 if feature.freshness is None else parse_window(feature.freshness)
