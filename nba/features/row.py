"""The row: which column means what, and how it is filled.

Attributes (a set takes a column for each value), aggregates, what crosses read (a column for each
word of the catalog, named ``cross[word]``), interactions by decision, context, derived values, and
segments; each group by name. It does not depend on where and in which order they were declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Catalog
from nba.domain.ids import FeatureName, hash32
from nba.expressions import Level, Symbol, ValueType, interpret, member_path, parse
from nba.features.aggregates import (
    DECISION,
    TILES_PER_WINDOW,
    AggregateFeature,
    AggregateFunction,
    InteractionFeature,
    Slot,
    slots_of,
)
from nba.features.aggregation import property_schema, word_key
from nba.features.definitions import (
    ActionFeature,
    AttributeFeature,
    ContextFeature,
    CrossFeature,
    DerivedFeature,
    EventDefinition,
    FeatureType,
    PropertyType,
    SegmentDefinition,
    parse_window,
)
from nba.features.interactions import (
    CONTACT_RECENCY,
    COUNT_CONTACTS,
    DECAYED_CONTACTS,
    ContactPlan,
)
from nba.features.kinds import FeatureDefinition
from nba.features.layout import freshness_seconds, sort_slots
from nba.features.readout import Readout, RowPlan
from nba.features.updates import AttributeSlot
from nba.features.values import ValueSpec
from nba.features.words import LAUNCH, codes_of, group_word, launch_day, words_of

SEGMENT_PREFIX = "segment_"
"""The column of a segment is its name after this; no feature is named so."""

_ZERO_WITHOUT_EVENTS = frozenset(
    {
        AggregateFunction.COUNT,
        AggregateFunction.SUM,
        AggregateFunction.DISTINCT,
        AggregateFunction.DECAYED_COUNT,
        AggregateFunction.DECAYED_SUM,
    }
)
_SYMBOL_TYPES = {
    FeatureType.NUMBER: ValueType.NUMBER,
    FeatureType.DATE: ValueType.NUMBER,
    FeatureType.BOOL: ValueType.BOOL,
    FeatureType.ENUM: ValueType.STRING,
}
_READOUTS = {
    AggregateFunction.MEAN: Readout.MEAN,
    AggregateFunction.RECENCY: Readout.RECENCY,
    AggregateFunction.SINCE_FIRST: Readout.SINCE_FIRST,
    AggregateFunction.RATIO: Readout.RATIO,
    AggregateFunction.TOP: Readout.TOP,
}
_CONTACT_FUNCTIONS = {
    "count": COUNT_CONTACTS,
    "recency": CONTACT_RECENCY,
    "decayed_count": DECAYED_CONTACTS,
}


class Declared(NamedTuple):
    """Definitions sorted by kind, and by name within each."""

    attributes: tuple[AttributeFeature, ...]
    values: tuple[AggregateFeature, ...]
    groups: Mapping[FeatureName, AggregateFeature]
    decisions: tuple[InteractionFeature, ...]
    crosses: tuple[CrossFeature, ...]
    launches: tuple[ActionFeature, ...]
    context: tuple[ContextFeature, ...]
    derived: tuple[DerivedFeature, ...]
    segments: tuple[SegmentDefinition, ...]

    @classmethod
    def of(
        cls, definitions: Iterable[FeatureDefinition], segments: Iterable[SegmentDefinition]
    ) -> Declared:
        """Sort definitions; ratios follow the aggregates they are of."""
        by_name = sorted(definitions, key=lambda item: item.name)
        interactions = [item for item in by_name if isinstance(item, InteractionFeature)]
        aggregates = [
            *(item for item in by_name if isinstance(item, AggregateFeature)),
            *(item.aggregate() for item in interactions if item.of != DECISION),
        ]
        return cls(
            attributes=tuple(item for item in by_name if isinstance(item, AttributeFeature)),
            values=tuple(
                sorted(
                    (item for item in aggregates if item.by is None),
                    key=lambda item: (item.function is AggregateFunction.RATIO, item.name),
                )
            ),
            groups={item.name: item for item in aggregates if item.by is not None},
            decisions=tuple(item for item in interactions if item.of == DECISION),
            crosses=tuple(item for item in by_name if isinstance(item, CrossFeature)),
            launches=tuple(
                item
                for item in by_name
                if isinstance(item, ActionFeature) and item.source == LAUNCH
            ),
            context=tuple(item for item in by_name if isinstance(item, ContextFeature)),
            derived=tuple(item for item in by_name if isinstance(item, DerivedFeature)),
            segments=tuple(sorted(segments, key=lambda item: item.name)),
        )

    def slots(self) -> tuple[Slot, ...]:
        """Return the slots that the aggregates need."""
        return sort_slots((*self.values, *self.groups.values()))


@dataclass(slots=True)
class Row:
    """The columns of a row, as they are laid out one after another.

    ``symbols`` are those conditions may use; ``hidden`` names are columns that depend on the
    catalog's words, which no log keeps; ``crosses`` give the column of each word.
    """

    names: list[str] = field(default_factory=list)
    defaults: list[float] = field(default_factory=list)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    symbols: dict[str, Symbol] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    crosses: dict[str, dict[str, int]] = field(default_factory=dict)
    attributes: dict[str, AttributeSlot] = field(default_factory=dict)
    context: dict[str, AttributeSlot] = field(default_factory=dict)

    def add(
        self, name: str, default: float, path: str, type_: ValueType, values: tuple[str, ...] = ()
    ) -> int:
        """Add a column and the symbol it is read by, and return its position."""
        column = len(self.names)
        self.names.append(name)
        self.defaults.append(default)
        if values:
            self.categories[name] = values
        self.symbols[path] = Symbol(path, type_, Level.SITUATION, column, values)
        return column

    def add_hidden(self, cross: str, word: str, default: float) -> int:
        """Add what a cross reads for a word; return its position."""
        column = len(self.names)
        name = f"{cross}[{word}]"
        self.names.append(name)
        self.defaults.append(default)
        self.hidden.add(name)
        self.crosses.setdefault(cross, {})[word] = column
        return column


class RowCompiler:
    """Lays out a row, and says how stored values and contacts fill it."""

    def __init__(
        self,
        declared: Declared,
        events: Mapping[str, EventDefinition],
        catalog: Catalog | None,
    ) -> None:
        self._declared = declared
        self._events = events
        self._catalog = catalog
        self._slots = {slot.key: i for i, slot in enumerate(declared.slots())}
        self._known: list[dict[int, None]] = [{} for _ in self._slots]
        self._readouts: list[tuple[Readout, int, int, int, int]] = []
        self._tops: list[tuple[int, int, tuple[str, ...]]] = []
        self._group_readouts: list[tuple[int, int, str]] = []
        self.row = Row()

    def compile(self) -> tuple[Row, RowPlan, ContactPlan]:
        """Return the row, and the plans of what the profile and the contact history fill."""
        attributes = self._add_attributes()
        for item in self._declared.values:
            self._add_aggregate(item)
        for cross in self._declared.crosses:
            if cross.of in self._declared.groups:
                self._add_cross(cross, self._declared.groups[cross.of])
        for launch in self._declared.launches:
            for word in self._words(LAUNCH):
                self.row.add_hidden(launch.name, word, np.nan)
                self._readouts.append((Readout.AGE, launch_day(word), 0, 0, 0))
        plan = self._row_plan(attributes)
        contacts = self._contact_plan()
        self._add_context()
        return self.row, plan, contacts

    def _add_context(self) -> None:
        for item in self._declared.context:
            spec = ValueSpec.of(item)
            default = np.nan if item.default is None else spec.encode(item.default)
            type_ = _SYMBOL_TYPES[item.type]
            column = self.row.add(item.name, default, f"request.{item.name}", type_, item.values)
            self.row.context[item.name] = AttributeSlot(column, spec)

    def _add_attributes(self) -> list[tuple[int, int, int]]:
        plan: list[tuple[int, int, int]] = []
        n_times = 0
        for item in self._declared.attributes:
            spec, first = ValueSpec.of(item), len(self.row.names)
            fresh_seconds = freshness_seconds(item)
            time = n_times if fresh_seconds else -1
            n_times += time >= 0
            self.row.attributes[item.name] = AttributeSlot(first, spec, time)
            plan += [(int(item.type is FeatureType.DATE), fresh_seconds, time)] * spec.width
            path = f"customer.{item.name}"
            if item.type is FeatureType.SET:
                for word in item.values:
                    name = member_path(item.name, word)
                    self.row.add(name, np.nan, member_path(path, word), ValueType.BOOL)
                continue
            values = item.values if item.type is FeatureType.ENUM else ()
            self.row.add(item.name, _default_of(item), path, _SYMBOL_TYPES[item.type], values)
        return plan

    def _add_aggregate(self, item: AggregateFeature) -> None:
        type_, values = value_type(item, self._events)
        default = _aggregate_default(item, values)
        self.row.add(item.name, default, f"customer.{item.name}", type_, values)
        readout = _READOUTS.get(item.function, Readout.VALUE)
        positions = [self._slots[slot.key] for slot in slots_of(item)]
        if item.function is AggregateFunction.RATIO:
            positions = [self._position(item.numerator), self._position(item.denominator)]
        if item.function is AggregateFunction.TOP:
            self._tops.append((len(self._readouts), positions[0], item.values))
            self._known[positions[0]].update(dict.fromkeys(map(word_key, item.values)))
        first, second = [*positions, 0][:2]
        self._readouts.append((readout, first, second, _read_tile_seconds(item), item.rank))

    def _words(self, source: str) -> tuple[str, ...]:
        catalog = self._catalog
        return () if catalog is None else words_of(source, catalog.actions, catalog.placements)

    def _position(self, name: FeatureName | None) -> int:
        """Return which readout an aggregate is, for a ratio of it."""
        names = [item.name for item in self._declared.values]
        return names.index(name) if name is not None else -1

    def _add_cross(self, cross: CrossFeature, of: AggregateFeature) -> None:
        (slot,) = slots_of(of)
        position = self._slots[slot.key]
        readout = Readout.GROUP
        if of.function is AggregateFunction.RECENCY:
            readout = Readout.GROUP_RECENCY
        for word in self._words(cross.source):
            self.row.add_hidden(cross.name, word, _aggregate_default(of, ()))
            self._known[position][word_key(word)] = None
            self._group_readouts.append((len(self._readouts), position, word))
            self._readouts.append((readout, 0, 0, _read_tile_seconds(of), 0))

    def _row_plan(self, attributes: list[tuple[int, int, int]]) -> RowPlan:
        known = [sorted(keys) for keys in self._known]
        begins = np.concatenate([[0], np.cumsum([len(keys) for keys in known])]).astype(np.int64)
        readouts = [list(map(int, readout)) for readout in self._readouts]
        members: list[int] = []
        for readout, slot, words in self._tops:
            readouts[readout][1:3] = [len(members), len(words)]
            members += [int(begins[slot]) + known[slot].index(word_key(word)) for word in words]
        for readout, slot, word in self._group_readouts:
            readouts[readout][1] = int(begins[slot]) + known[slot].index(word_key(word))
        stored = self._declared.slots()
        specs = [(int(s.op), s.tile_seconds, s.limit, s.half_life_seconds) for s in stored]
        return RowPlan(
            attributes=np.array(attributes, dtype=np.int64).reshape(-1, 3),
            n_times=1 + max((time for _, _, time in attributes), default=-1),
            specs=np.array(specs, dtype=np.int64).reshape(-1, 4),
            readouts=np.array(readouts, dtype=np.int64).reshape(-1, 5),
            known_begins=begins,
            known_keys=np.array([key for keys in known for key in keys], dtype=np.int64),
            members=np.array(members, dtype=np.int64),
        )

    def _contact_plan(self) -> ContactPlan:
        catalog = self._catalog
        actions = codes_of(a.id for a in catalog.actions) if catalog else codes_of(())
        placements = codes_of(p.id for p in catalog.placements) if catalog else codes_of(())
        specs: list[tuple[int, int, int]] = []
        tables: list[NDArray[np.int64]] = []
        for item in self._declared.decisions:
            tile_seconds = (item.window_seconds() or 0) // TILES_PER_WINDOW
            half_life = parse_window(item.half_life) if item.half_life else 1
            table = np.full((len(actions) + 1, len(placements) + 1), -1, dtype=np.int64)
            default = np.nan if item.function == "recency" else 0.0
            default = default if item.default is None else item.default
            columns = self._decision_columns(item, default)
            if item.by is None and item.where is None:
                table[:] = columns[""]
            else:
                self._fill(table, item, columns, actions, placements)
            specs.append((_CONTACT_FUNCTIONS[item.function], tile_seconds, half_life))
            tables.append(table)
        shape = (0, len(actions) + 1, len(placements) + 1)
        return ContactPlan(
            actions=actions,
            placements=placements,
            specs=np.array(specs, dtype=np.int64).reshape(-1, 3),
            columns=np.array(tables, dtype=np.int64) if tables else np.empty(shape, np.int64),
        )

    def _decision_columns(self, item: InteractionFeature, default: float) -> dict[str, int]:
        """Return the column of each group; of a feature without groups, that of ``""``."""
        if item.by is None:
            path = f"customer.{item.name}"
            return {"": self.row.add(item.name, default, path, ValueType.NUMBER)}
        return {
            word: self.row.add_hidden(cross.name, word, default)
            for cross in self._declared.crosses
            if cross.of == item.name
            for word in self._words(cross.source)
        }

    def _fill(
        self,
        table: NDArray[np.int64],
        item: InteractionFeature,
        columns: Mapping[str, int],
        actions: NDArray[np.int64],
        placements: NDArray[np.int64],
    ) -> None:
        """Say for each action and placement of the catalog which column a contact moves."""
        catalog = self._catalog
        if catalog is None:
            return
        event = EventDefinition(
            name=item.event_name,
            description="",
            properties=dict.fromkeys(("action", "placement", "channel"), PropertyType.STRING),
        )
        where = None if item.where is None else parse(item.where, property_schema(event))
        for action in catalog.actions:
            for placement in catalog.placements:
                said = {
                    "properties.action": action.id,
                    "properties.placement": placement.id,
                    "properties.channel": placement.channel,
                }
                if where is not None and interpret(where, said) is not True:
                    continue
                word = "" if item.by is None else group_word(item, action, placement)
                row = np.searchsorted(actions, hash32(action.id))
                column = np.searchsorted(placements, hash32(placement.id))
                table[row, column] = columns.get(word or "", -1)


def value_type(
    item: AggregateFeature, events: Mapping[str, EventDefinition]
) -> tuple[ValueType, tuple[str, ...]]:
    """Return what an aggregate's value is, and its words where it is one of some."""
    if item.function in (AggregateFunction.FIRST, AggregateFunction.LAST, AggregateFunction.TOP):
        if item.values:
            return ValueType.STRING, item.values
        event = events.get(item.event)
        if event and event.properties.get(item.property or "") is PropertyType.BOOL:
            return ValueType.BOOL, ()
    return ValueType.NUMBER, ()


def _read_tile_seconds(item: AggregateFeature) -> int:
    """Return the tiles of a window looked at only when it is read, 0 for none."""
    if item.function not in (AggregateFunction.LAST, AggregateFunction.RECENCY):
        return 0
    return (item.window_seconds() or 0) // TILES_PER_WINDOW


def _aggregate_default(item: AggregateFeature, values: Sequence[str]) -> float:
    if item.default is None:
        return 0.0 if item.function in _ZERO_WITHOUT_EVENTS else np.nan
    if isinstance(item.default, str):
        return float(values.index(item.default))
    return float(item.default)


def _default_of(item: AttributeFeature) -> float:
    if item.default is None:
        return np.nan
    if item.type is FeatureType.DATE and not isinstance(item.default, str):
        return float(item.default)
    return ValueSpec.of(item).encode(item.default)
