"""All features compiled: from a packed profile and a request to one row of numbers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Placement
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.customer import Consent, Event, ProfileUpdate, Scalar
from nba.domain.ids import FeatureName
from nba.errors import CorruptRecordError, DefinitionError, Fault, InputError
from nba.expressions import Level, Schema, Symbol, ValueType
from nba.features.aggregation import EventAggregation
from nba.features.candidates import CandidateTable, build_table, candidate_schema
from nba.features.definitions import (
    KINDS,
    ActionFeature,
    AggregateFeature,
    AttributeFeature,
    ContextFeature,
    EventDefinition,
    FeatureDefinition,
    FeatureType,
)
from nba.features.layout import StoredFeatures, StoredLayout
from nba.features.migration import migrate
from nba.features.profile import Profile, ProfileCodec, read_head
from nba.features.request import override
from nba.features.tiles import RowPlan, add_event, read_row
from nba.features.updates import apply_update
from nba.features.values import ValueSpec

_NOTHING: Mapping[str, Scalar] = {}
_NO_CONSENTS: Mapping[int, bool] = {}
_NO_NAMES: Mapping[int, tuple[str, str]] = {}
_NUMBER = ValueSpec(FeatureType.NUMBER)
_UNNAMED_CHANNEL = "unknown"
_VALUE_TYPES = {
    FeatureType.NUMBER: ValueType.NUMBER,
    FeatureType.DATE: ValueType.NUMBER,
    FeatureType.BOOL: ValueType.BOOL,
    FeatureType.ENUM: ValueType.STRING,
}


class CustomerView(NamedTuple):
    """One customer at one moment, as a decision sees them.

    ``features`` is ``(n_features,) float32`` in the order of :attr:`FeatureSet.names`, NaN where a
    value is missing; ``consents`` says granted or denied by consent code.
    """

    features: NDArray[np.float32]
    consents: Mapping[int, bool]
    time_zone: str | None
    locale: str | None
    guard_version: int


class FeatureSet:
    """Every declared feature and event, compiled. Immutable; no I/O.

    The row holds the attributes, the aggregates (recencies, for ever, windowed) and the context,
    each by name. It does not depend on where and in which order they were written.

    Parameters
    ----------
    definitions, events
        What was declared, already checked (:mod:`nba.features.checks`).
    previous
        Layouts published before; profiles packed under them are read by name and meaning.

    """

    def __init__(
        self,
        definitions: Iterable[FeatureDefinition],
        events: Iterable[EventDefinition],
        *,
        previous: Iterable[StoredLayout] = (),
    ) -> None:
        self.definitions = tuple(definitions)
        self.events = {event.name: event for event in events}
        stored = StoredFeatures.of(self.definitions)
        context = sorted(
            (item for item in self.definitions if isinstance(item, ContextFeature)),
            key=lambda item: item.name,
        )
        aggregates = (*stored.recencies, *stored.totals, *stored.windows)
        self._situation: tuple[AttributeFeature | AggregateFeature | ContextFeature, ...] = (
            *stored.attributes,
            *aggregates,
            *context,
        )
        self._actions = tuple(item for item in self.definitions if isinstance(item, ActionFeature))
        self.names: tuple[FeatureName, ...] = tuple(item.name for item in self._situation)
        self.categories: Mapping[str, tuple[str, ...]] = {
            item.name: item.values
            for item in self._situation
            if isinstance(item, AttributeFeature | ContextFeature) and item.values
        }
        self.layout = stored.layout()
        self.layout_id = self.layout.layout_id
        self._codec = ProfileCodec(self.layout)
        self._previous = _by_id(previous, self.layout)
        self._attributes: dict[str, tuple[int, ValueSpec]] = {
            item.name: (index, ValueSpec.of(item)) for index, item in enumerate(stored.attributes)
        }
        first_context = len(self._situation) - len(context)
        self._context: dict[str, tuple[int, ValueSpec]] = {
            item.name: (first_context + index, ValueSpec.of(item))
            for index, item in enumerate(context)
        }
        self._aggregations = {
            event.name: EventAggregation(event, aggregates) for event in self.events.values()
        }
        self._template = np.array([_missing(item) for item in self._situation], dtype=np.float32)
        self._row_plan = RowPlan(
            np.array([item.type is FeatureType.DATE for item in stored.attributes], dtype=np.bool_),
            self._template[: len(stored.attributes) + len(stored.recencies)].copy(),
            len(stored.totals),
            self._codec.windows,
        )
        self._warm()

    @property
    def previous(self) -> tuple[StoredLayout, ...]:
        """Older layouts whose profiles this set reads."""
        return tuple(codec.layout for codec in self._previous.values())

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, fit for JSON and msgpack."""
        return {
            "definitions": [msgspec.to_builtins(item) for item in self.definitions],
            "events": [msgspec.to_builtins(event) for event in self.events.values()],
            "previous": [layout.to_builtins() for layout in self.previous],
        }

    @classmethod
    def from_builtins(cls, data: Mapping[str, Any]) -> FeatureSet:
        """Return the set that :meth:`to_builtins` made plain."""
        return cls(
            [msgspec.convert(item, KINDS[item["kind"]]) for item in data["definitions"]],
            [msgspec.convert(item, EventDefinition) for item in data["events"]],
            previous=[StoredLayout.from_builtins(item) for item in data["previous"]],
        )

    def with_previous(self, layouts: Iterable[StoredLayout]) -> FeatureSet:
        """Return the same features, able to read profiles of these layouts too."""
        return FeatureSet(
            self.definitions, self.events.values(), previous=(*self.previous, *layouts)
        )

    def schema(self) -> Schema:
        """Return the symbols of the row: ``customer.<name>`` and ``request.<name>``."""
        symbols: dict[str, Symbol] = {}
        for column, item in enumerate(self._situation):
            path = f"{'request' if item.name in self._context else 'customer'}.{item.name}"
            if isinstance(item, AggregateFeature):
                symbols[path] = Symbol(path, ValueType.NUMBER, Level.SITUATION, column)
            else:
                type_ = _VALUE_TYPES[item.type]
                symbols[path] = Symbol(path, type_, Level.SITUATION, column, item.values)
        return symbols

    def read(
        self,
        profile: bytes | None,
        *,
        at_ms: int,
        context: Mapping[str, Scalar] = _NOTHING,
        attributes: Mapping[str, Scalar] = _NOTHING,
    ) -> CustomerView:
        """Return a customer's row at a moment; ``None`` is a customer never seen.

        ``attributes`` override stored ones for this once. Raises :class:`~nba.errors.InputError`
        where ``context`` or ``attributes`` hold what is not declared or does not fit, with a
        pointer to each; :class:`~nba.errors.CorruptRecordError` where the profile cannot be read.
        """
        row = self._template.copy()
        consents, time_zone, locale, guard_version = _NO_CONSENTS, None, None, 0
        if profile is not None:
            head = read_head(profile)
            if head.layout_id != self.layout_id:
                profile = self._codec.pack(
                    self._unpack(profile), now_seconds=at_ms // MILLISECONDS_PER_SECOND
                )
            end = read_row(
                profile,
                head.end,
                at_ms / MILLISECONDS_PER_SECOND,
                self._row_plan,
                row,
            )
            if end != len(profile):
                raise CorruptRecordError(f"a profile of {len(profile)} bytes is cut")
            _, _, guard_version, consents, time_zone, locale, _ = head
        if context or attributes:
            faults: list[Fault] = []
            override(row, "context", context, self._context, at_ms=at_ms, faults=faults)
            override(row, "attributes", attributes, self._attributes, at_ms=at_ms, faults=faults)
            if faults:
                raise InputError(faults)
        return CustomerView(row, consents, time_zone, locale, guard_version)

    def update(
        self, profile: bytes | None, update: ProfileUpdate, *, at_ms: int
    ) -> tuple[bytes, tuple[str, ...]]:
        """Return the profile changed, and the names of undeclared attributes that were dropped.

        Raises :class:`~nba.errors.InputError` with a pointer to every value that does not fit.
        """
        changed = self._unpack(profile)
        dropped = apply_update(changed, update, self._attributes)
        return self._codec.pack(changed, now_seconds=at_ms // MILLISECONDS_PER_SECOND), dropped

    def declares(self, event_name: str) -> bool:
        """Say whether an event is declared; others are not kept."""
        return event_name in self._aggregations

    def check(self, event: Event) -> tuple[Event, tuple[str, ...]]:
        """Return a declared event with its declared properties only, and the names of the others.

        Raises :class:`~nba.errors.InputError` where its time, its name or a property is wrong.
        """
        aggregation = self._aggregations.get(event.name)
        if aggregation is None:
            found = f"event {event.name!r} is not declared"
            raise InputError([Fault("/event", found, "declare it in features/events.yaml")])
        return aggregation.check(event)

    def apply(self, profile: bytes | None, event: Event) -> bytes:
        """Return the profile with an event added to every aggregate it moves.

        Late events land in the tile of their time; where that is older than a window, the window
        is left as it is. Raises as :meth:`check` does.
        """
        checked, _ = self.check(event)
        return self.apply_checked(profile, checked)

    def apply_checked(self, profile: bytes | None, event: Event) -> bytes:
        """Return the profile with an event added that :meth:`check` gave."""
        changed = self._unpack(profile)
        aggregation = self._aggregations[event.name]
        add_event(
            aggregation.slots,
            aggregation.amounts(event.properties),
            event.at_ms // MILLISECONDS_PER_SECOND,
            changed.sums,
            self._codec.windows,
        )
        changed.version += 1
        return self._codec.pack(
            changed, now_seconds=event.received_at_ms // MILLISECONDS_PER_SECOND
        )

    def describe(
        self,
        profile: bytes,
        *,
        at_ms: int,
        consent_names: Mapping[int, tuple[str, str]] = _NO_NAMES,
    ) -> dict[str, Any]:
        """Return what is kept of a customer, fit for JSON; aggregates as they are at ``at_ms``.

        Consents are nested by channel and purpose as ``consent_names`` gives them by code; a code
        it does not name is listed under channel ``unknown`` in hexadecimal.
        """
        kept = self._unpack(profile)
        row = zip(self._situation, self.read(profile, at_ms=at_ms).features, strict=True)
        return {
            "attributes": {
                name: spec.decode(float(kept.attributes[index]))
                for name, (index, spec) in self._attributes.items()
            },
            "consents": _named_consents(kept.consents, consent_names),
            "time_zone": kept.time_zone,
            "locale": kept.locale,
            "aggregates": {
                item.name: _NUMBER.decode(float(value))
                for item, value in row
                if isinstance(item, AggregateFeature)
            },
        }

    def candidate_schema(
        self,
        actions: Iterable[Action],
        placements: Iterable[Placement],
        *,
        terms: Iterable[str] = (),
    ) -> Schema:
        """Return the symbols of candidates: ``action.*``, ``placement.*`` and terms.

        Give it the whole catalog, so that one word has one code in every placement. ``terms`` are
        words that conditions may test although no action carries them.
        """
        return candidate_schema(self._actions, actions, placements, terms)

    def candidates(
        self, actions: Sequence[Action], placement: Placement, *, schema: Schema | None = None
    ) -> CandidateTable:
        """Return what is known of each action in a placement, its codes those of ``schema``.

        ``schema`` is :meth:`candidate_schema` of a catalog that holds them; without it, of just
        these.
        """
        if schema is None:
            schema = self.candidate_schema(actions, [placement])
        return build_table(self._actions, actions, placement, schema)

    def _unpack(self, profile: bytes | None) -> Profile:
        if profile is None:
            return self._codec.empty()
        layout_id = read_head(profile).layout_id
        if layout_id == self.layout_id:
            return self._codec.unpack(profile)
        codec = self._previous.get(layout_id)
        if codec is None:
            raise CorruptRecordError(
                f"a profile is packed under layout {layout_id:#010x}, which was never published"
            )
        return migrate(codec.unpack(profile), codec.layout, self._codec)

    def _warm(self) -> None:
        """Compile the loops now, off the request path, by one pass through each."""
        packed = self._codec.pack(self._codec.empty(), now_seconds=0)
        self.read(packed, at_ms=0)
        sums = self._unpack(packed).sums
        add_event(np.empty(0, dtype=np.int64), np.empty(0), 0, sums, self._codec.windows)


def _missing(feature: FeatureDefinition) -> float:
    """Return what the row holds where nothing is stored."""
    match feature:
        case AggregateFeature(function="count" | "sum"):
            return 0.0
        case AttributeFeature(type=FeatureType.DATE, default=default) if default is not None:
            return float(default)
        case AttributeFeature() | ContextFeature() if feature.default is not None:
            return ValueSpec.of(feature).encode(feature.default)
        case AggregateFeature(default=default) if default is not None:
            return default
    return float("nan")


def _named_consents(
    consents: Mapping[int, bool], names: Mapping[int, tuple[str, str]]
) -> dict[str, dict[str, str]]:
    named: dict[str, dict[str, str]] = {}
    for code, granted in sorted(consents.items()):
        channel, purpose = names.get(code, (_UNNAMED_CHANNEL, f"{code:08x}"))
        answer = Consent.GRANTED if granted else Consent.DENIED
        named.setdefault(channel, {})[purpose] = answer.value
    return named


def _by_id(layouts: Iterable[StoredLayout], current: StoredLayout) -> dict[int, ProfileCodec]:
    codecs: dict[int, ProfileCodec] = {}
    for layout in layouts:
        same = current if layout.layout_id == current.layout_id else None
        if layout.layout_id in codecs:
            same = codecs[layout.layout_id].layout
        if same is not None and same != layout:
            found = f"two layouts share the id {layout.layout_id:#010x}"
            raise DefinitionError([Fault("features", found, "rename any one stored feature")])
        if same is None:
            codecs[layout.layout_id] = ProfileCodec(layout)
    return codecs
