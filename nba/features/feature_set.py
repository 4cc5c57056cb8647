"""All features compiled: from a packed profile and a request to one row of numbers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.domain.audience import NO_AUDIENCES, Audiences
from nba.domain.catalog import Action, Catalog, Placement
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.customer import AttributeValue, Consent, Event, ProfileUpdate, Scalar
from nba.domain.history import ContactHistory
from nba.domain.ids import CustomerId, FeatureName
from nba.errors import CorruptRecordError, DefinitionError, Fault, InputError
from nba.expressions import Schema, ValueType
from nba.features.aggregates import (
    INTERACTION_EVENT_PREFIX,
    InteractionFeature,
    group_property,
    interaction_events,
)
from nba.features.aggregation import EventAggregation, Moves
from nba.features.candidates import CandidateTable, build_table, candidate_schema
from nba.features.cells import Batch, apply_batch, merge_slots, slot_ends
from nba.features.definitions import (
    ActionFeature,
    EventDefinition,
    FeatureType,
    SegmentDefinition,
)
from nba.features.derived import Derivation
from nba.features.interactions import read_contacts
from nba.features.kinds import KINDS, FeatureDefinition
from nba.features.layout import StoredLayout, layout_of
from nba.features.migration import Translation
from nba.features.profile import Profile, ProfileCodec, cut, layout_id_of, read_head
from nba.features.readout import flatten, read_row
from nba.features.request import override
from nba.features.row import Declared, Row, RowCompiler
from nba.features.updates import apply_update
from nba.features.values import ValueSpec
from nba.features.words import LAUNCH, gather, group_word

_NOTHING: Mapping[str, Scalar] = {}
_NO_NAMES: Mapping[int, tuple[str, str]] = {}
_UNNAMED_CHANNEL = "unknown"


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
    """Every declared feature, event and segment, compiled. Immutable; no I/O.

    Parameters
    ----------
    definitions, events, segments
        What was declared, already checked (:mod:`nba.features.checks`).
    previous
        Layouts published before; profiles packed under them are read by name and meaning.
    catalog
        Gives crosses and interactions their words; without it they have none.

    """

    def __init__(
        self,
        definitions: Iterable[FeatureDefinition],
        events: Iterable[EventDefinition],
        *,
        segments: Iterable[SegmentDefinition] = (),
        previous: Iterable[StoredLayout] = (),
        catalog: Catalog | None = None,
    ) -> None:
        self.definitions = tuple(definitions)
        self.events = {event.name: event for event in events}
        self.segments = tuple(segments)
        self._catalog = catalog
        self.audiences = NO_AUDIENCES if catalog is None else Audiences.of(catalog.taxonomy)
        declared = Declared.of(self.definitions, self.segments)
        self._declared = declared
        accepted = self._accepted_events()
        self._slots = declared.slots()
        self.layout = layout_of(declared.attributes, self._slots)
        self.layout_id = self.layout.layout_id
        self._codec = ProfileCodec(self.layout)
        self._nobody = self._codec.pack(self._codec.empty())
        self._previous = _by_id(previous, self.layout)
        self._row, row_plan, self._contact_plan = RowCompiler(declared, accepted, catalog).compile()
        self._flat_plan = flatten(row_plan)
        self._derivation = Derivation(self._row, declared.derived, declared.segments)
        self._actions = tuple(item for item in self.definitions if isinstance(item, ActionFeature))
        self.names: tuple[FeatureName, ...] = tuple(map(FeatureName, self._row.names))
        self.categories: Mapping[str, tuple[str, ...]] = self._row.categories
        self.hidden: frozenset[str] = frozenset(self._row.hidden)
        self._specs = _specs(self._row)
        self._template = np.array(self._row.defaults, dtype=np.float32)
        self._aggregations = {
            event.name: EventAggregation(event, self._slots) for event in accepted.values()
        }
        self._warm()

    @property
    def previous(self) -> tuple[StoredLayout, ...]:
        """Older layouts whose profiles this set reads."""
        return tuple(translation.old for translation in self._previous.values())

    @property
    def candidate_names(self) -> tuple[FeatureName, ...]:
        """Names of the features that candidates have, crosses among them."""
        return tuple(item.name for item in (*self._actions, *self._declared.crosses))

    @property
    def contact_seconds(self) -> int:
        """How far back a contact history is looked at."""
        windows = [item.window_seconds() or 0 for item in self._declared.decisions]
        return max(windows, default=0)

    def to_builtins(self) -> dict[str, Any]:
        """Return plain data, fit for JSON and msgpack."""
        return {
            "definitions": [msgspec.to_builtins(item) for item in self.definitions],
            "events": [msgspec.to_builtins(event) for event in self.events.values()],
            "segments": [msgspec.to_builtins(segment) for segment in self.segments],
            "previous": [layout.to_builtins() for layout in self.previous],
        }

    @classmethod
    def from_builtins(
        cls, data: Mapping[str, Any], *, catalog: Catalog | None = None
    ) -> FeatureSet:
        """Return the set that :meth:`to_builtins` made plain."""
        return cls(
            [msgspec.convert(item, KINDS[item["kind"]]) for item in data["definitions"]],
            [msgspec.convert(item, EventDefinition) for item in data["events"]],
            segments=[msgspec.convert(item, SegmentDefinition) for item in data["segments"]],
            previous=[StoredLayout.from_builtins(item) for item in data["previous"]],
            catalog=catalog,
        )

    def with_previous(self, layouts: Iterable[StoredLayout]) -> FeatureSet:
        """Return the same features, able to read profiles of these layouts too; another object."""
        layouts = list(layouts)
        known = (self.layout, *self.previous)
        if all(layout in known for layout in layouts):
            return copy(self)
        return FeatureSet(
            self.definitions,
            self.events.values(),
            segments=self.segments,
            previous=(*self.previous, *layouts),
            catalog=self._catalog,
        )

    def for_catalog(self, catalog: Catalog) -> FeatureSet:
        """Return the same features, with the words of a catalog for crosses and interactions."""
        return FeatureSet(
            self.definitions,
            self.events.values(),
            segments=self.segments,
            previous=self.previous,
            catalog=catalog,
        )

    def schema(self) -> Schema:
        """Return the symbols of the row: ``customer.*``, ``request.*`` and ``segment.*``."""
        return dict(self._row.symbols)

    def read(
        self,
        profile: bytes | None,
        *,
        at_ms: int,
        context: Mapping[str, Scalar] = _NOTHING,
        attributes: Mapping[str, AttributeValue] = _NOTHING,
        history: ContactHistory | None = None,
    ) -> CustomerView:
        """Return a customer's row at a moment; ``None`` is a customer never seen.

        ``attributes`` override stored ones for this once; ``history`` gives the interactions by
        decision. Raises :class:`~nba.errors.InputError` where ``context`` or ``attributes`` hold
        what is not declared or does not fit, with a pointer to each;
        :class:`~nba.errors.CorruptRecordError` where the profile cannot be read.
        """
        row = self._template.copy()
        now_seconds = at_ms / MILLISECONDS_PER_SECOND
        profile = self._own(profile)
        _, _, guard_version, consents, time_zone, locale, _ = read_head(profile)
        if read_row(profile, now_seconds, self._flat_plan, row) != len(profile):
            raise cut(profile)
        if history is not None:
            read_contacts(history, now_seconds, self._contact_plan, row)
        if context or attributes:
            faults: list[Fault] = []
            override(row, "context", context, self._row.context, at_ms=at_ms, faults=faults)
            override(
                row, "attributes", attributes, self._row.attributes, at_ms=at_ms, faults=faults
            )
            if faults:
                raise InputError(faults)
        self._derivation.fill(row)
        return CustomerView(row, consents, time_zone, locale, guard_version)

    def derive(self, row: NDArray[np.float32]) -> None:
        """Set the derived features and segments of a row, ``(n_features,)``, from its others."""
        self._derivation.fill(row)

    def update(
        self, profile: bytes | None, update: ProfileUpdate, *, at_ms: int
    ) -> tuple[bytes, tuple[str, ...]]:
        """Return the profile changed, and the names of undeclared attributes that were dropped.

        Raises :class:`~nba.errors.InputError` with a pointer to every value that does not fit.
        """
        changed = self._unpack(profile)
        at_seconds = at_ms // MILLISECONDS_PER_SECOND
        dropped = apply_update(
            changed,
            update,
            self._row.attributes,
            at_seconds=at_seconds,
            audiences=self.audiences,
        )
        return self._codec.pack(changed), dropped

    def declares(self, event_name: str) -> bool:
        """Say whether an event is declared; others are not kept."""
        return event_name in self.events

    def check(self, event: Event) -> tuple[Event, tuple[str, ...]]:
        """Return a declared event with its declared properties only, and the names of the others.

        Raises :class:`~nba.errors.InputError` where its time, its name or a property is wrong.
        """
        aggregation = self._aggregations.get(event.name)
        if aggregation is None:
            found = f"event {event.name!r} is not declared"
            raise InputError([Fault("/event", found, "declare it in features/events.yaml")])
        return aggregation.check(event)

    def interaction(
        self,
        kind: str,
        action: Action,
        placement: Placement,
        *,
        customer_id: CustomerId,
        message_id: str,
        at_ms: int,
        received_at_ms: int,
    ) -> Event | None:
        """Return the event that takes an outcome to the profile; ``None`` where no feature asks."""
        aggregation = self._aggregations.get(INTERACTION_EVENT_PREFIX + kind)
        if aggregation is None:
            return None
        said: dict[str, Scalar] = {
            "action": action.id,
            "placement": placement.id,
            "channel": placement.channel,
        }
        for feature in self.definitions:
            if isinstance(feature, InteractionFeature) and feature.of == kind and feature.by:
                word = group_word(feature, action, placement)
                if word is not None:
                    said[group_property(feature.by)] = word
        return Event(
            customer_id=customer_id,
            name=INTERACTION_EVENT_PREFIX + kind,
            message_id=message_id,
            at_ms=at_ms,
            received_at_ms=received_at_ms,
            properties=said,
        )

    @property
    def counts_interactions(self) -> bool:
        """Whether any feature counts outcomes."""
        return len(self._aggregations) > len(self.events)

    def aggregation(self, event_name: str) -> EventAggregation | None:
        """Return how events of a name move slots; ``None`` where it is not declared."""
        return self._aggregations.get(event_name)

    def moves(self, events: Sequence[Event]) -> list[Moves]:
        """Return what checked events move, in order; each name's are computed together."""
        found: list[Moves | None] = [None] * len(events)
        by_name: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            by_name.setdefault(event.name, []).append(position)
        for name, positions in by_name.items():
            moves = self._aggregations[name].moves([events[i] for i in positions])
            for position, move in zip(positions, moves, strict=True):
                found[position] = move
        return [move for move in found if move is not None]

    def apply_moves(self, profile: bytes | None, moves: Sequence[Moves]) -> bytes:
        """Return one customer's profile with events applied, in order.

        Late events land in the tile of their time; where that is older than a window, the window
        is left as it is. The version rises by one for each event.
        """
        profile = self._own(profile)
        changed = apply_batch(profile, self._codec.fixed_bytes, self._codec.specs, batch_of(moves))
        if not len(changed):
            raise cut(profile)
        packed: bytes = changed.tobytes()
        return packed

    def apply(self, profile: bytes | None, event: Event) -> bytes:
        """Check one event and return the profile with it; raises as :meth:`check` does."""
        checked, _ = self.check(event)
        return self.apply_moves(profile, self.moves([checked]))

    def slots(self, profile: bytes | None) -> dict[str, bytes]:
        """Return the packed state of each slot by its key."""
        packed = self._unpack(profile).slots
        ends = [0, *slot_ends(packed, 0, self._codec.specs).tolist()]
        if ends[-1] != len(packed):
            raise cut(packed)
        pairs = zip(self.layout.slots, ends, ends[1:], strict=False)
        return {slot.key: packed[begin:end] for slot, begin, end in pairs}

    def with_slots(self, profile: bytes, slots: Mapping[str, bytes]) -> bytes:
        """Return a profile with the state of some slots replaced.

        Its version stays: nothing happened to the customer, and the log has no entry for it.
        """
        changed = self._unpack(profile)
        states = {**self.slots(profile), **slots}
        changed.slots = b"".join(states[slot.key] for slot in self.layout.slots)
        return self._codec.pack(changed)

    def merge(self, profile: bytes | None, other: bytes | None, *, at_ms: int) -> bytes:
        """Return two customers' profiles as one.

        Events of both count. A consent denied by either is denied, and lists that either is on
        are theirs; attributes, time zone and locale are ``profile``'s, where it has them, else
        ``other``'s.
        """
        mine, theirs = self._unpack(profile), self._unpack(other)
        guard = (dict(mine.consents), mine.time_zone)
        missing = np.isnan(mine.attributes)
        mine.attributes[missing] = theirs.attributes[missing]
        for slot in self._row.attributes.values():
            if slot.time >= 0 and missing[slot.numbers].all():
                mine.times[slot.time] = theirs.times[slot.time]
        for code, granted in theirs.consents.items():
            mine.consents[code] = mine.consents.get(code, True) and granted
        mine.time_zone = mine.time_zone or theirs.time_zone
        mine.locale = mine.locale or theirs.locale
        merged = merge_slots(
            mine.slots,
            0,
            theirs.slots,
            0,
            self._codec.specs,
            at_ms // MILLISECONDS_PER_SECOND,
        )
        if len(self._slots) and not len(merged):
            raise cut(mine.slots)
        mine.slots = merged.tobytes()
        mine.version += 1
        mine.guard_version = max(mine.guard_version, theirs.guard_version)
        if guard != (mine.consents, mine.time_zone):
            mine.guard_version += 1
        return self._codec.pack(mine)

    def describe(
        self,
        profile: bytes,
        *,
        at_ms: int,
        consent_names: Mapping[int, tuple[str, str]] = _NO_NAMES,
    ) -> dict[str, Any]:
        """Return what is kept of a customer, fit for JSON; aggregates as they are at ``at_ms``.

        Consents are nested by channel and purpose as ``consent_names`` gives them by code; a code
        it does not name is listed under channel ``unknown`` in hexadecimal, as is an uploaded list
        that the catalog no longer has; ``audiences`` names the others that the customer is on.
        """
        kept = self._unpack(profile)
        lists = {code for codes in self.audiences.codes.values() for code in codes}
        consents = {code: word for code, word in kept.consents.items() if code not in lists}
        row = self.read(profile, at_ms=at_ms).features
        return {
            "attributes": {
                name: slot.spec.decode_all(kept.attributes[slot.numbers].tolist())
                for name, slot in self._row.attributes.items()
            },
            "consents": _named_consents(consents, consent_names),
            "time_zone": kept.time_zone,
            "locale": kept.locale,
            "aggregates": {
                item.name: self.decode(item.name, row) for item in self._declared.values
            },
            "segments": [
                segment.name
                for segment in self._declared.segments
                if row[self._row.symbols[f"segment.{segment.name}"].column] == 1.0
            ],
            "audiences": self.audiences.on(kept.consents),
        }

    def decode(self, name: str, row: NDArray[np.float32]) -> float | bool | str | None:
        """Return a feature of a row as it is written: a word, true or false, a number, or None."""
        column = self._row.names.index(name)
        return self._specs[column].decode(float(row[column]))

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
        sources = {item.name: item.source for item in self._declared.crosses}
        sources |= {item.name: LAUNCH for item in self._declared.launches}
        return build_table(
            self._actions,
            actions,
            placement,
            schema,
            contents=() if self._catalog is None else self._catalog.contents,
            crosses={
                name: gather(self._row.crosses.get(name, {}), source, actions, placement)
                for name, source in sources.items()
            },
        )

    def _accepted_events(self) -> dict[str, EventDefinition]:
        interactions = tuple(
            item for item in self.definitions if isinstance(item, InteractionFeature)
        )
        return {**self.events, **{e.name: e for e in interaction_events(interactions)}}

    def _unpack(self, profile: bytes | None) -> Profile:
        return self._codec.unpack(self._own(profile))

    def _own(self, profile: bytes | None) -> bytes:
        """Return a profile under this layout; that of a customer never seen holds nothing."""
        if profile is None:
            return self._nobody
        layout_id = layout_id_of(profile)
        if layout_id == self.layout_id:
            return profile
        translation = self._previous.get(layout_id)
        if translation is None:
            raise CorruptRecordError(
                f"a profile is packed under layout {layout_id:#010x}, which was never published"
            )
        return translation.apply(profile)

    def _warm(self) -> None:
        """Compile the loops now, off the request path, by one pass through each."""
        packed = self.apply_moves(None, [])
        self.read(packed, at_ms=0)
        for translation in self._previous.values():
            codec = ProfileCodec(translation.old)
            self.read(codec.pack(codec.empty()), at_ms=0)


def batch_of(moves: Sequence[Moves]) -> Batch:
    """Return the moves of several events as one batch, in order."""
    if len(moves) == 1:  # most often, and each array made costs as much as the kernel
        slots, keys, amounts, at_seconds, received_seconds = moves[0]
        times = np.array((0, len(slots), at_seconds, received_seconds))
        return Batch(times[:2], slots, keys, amounts, times[2:3], times[3:])
    slots = np.concatenate([np.empty(0, np.int64), *(move.slots for move in moves)])
    keys = np.concatenate([np.empty(0, np.uint32), *(move.keys for move in moves)])
    amounts = np.concatenate([np.empty(0), *(move.amounts for move in moves)])
    return Batch(
        np.cumsum([0, *(len(move.slots) for move in moves)], dtype=np.int64),
        slots,
        keys,
        amounts,
        np.array([move.at_seconds for move in moves], dtype=np.int64),
        np.array([move.received_seconds for move in moves], dtype=np.int64),
    )


def _specs(row: Row) -> list[ValueSpec]:
    """Return what the value in each column is."""
    specs = [ValueSpec(FeatureType.NUMBER)] * len(row.names)
    for symbol in row.symbols.values():
        if symbol.type is ValueType.BOOL:
            specs[symbol.column] = ValueSpec(FeatureType.BOOL)
        elif symbol.type is ValueType.STRING:
            specs[symbol.column] = ValueSpec(FeatureType.ENUM, symbol.values)
    return specs


def _named_consents(
    consents: Mapping[int, bool], names: Mapping[int, tuple[str, str]]
) -> dict[str, dict[str, str]]:
    named: dict[str, dict[str, str]] = {}
    for code, granted in sorted(consents.items()):
        channel, purpose = names.get(code, (_UNNAMED_CHANNEL, f"{code:08x}"))
        answer = Consent.GRANTED if granted else Consent.DENIED
        named.setdefault(channel, {})[purpose] = answer.value
    return named


def _by_id(layouts: Iterable[StoredLayout], current: StoredLayout) -> dict[int, Translation]:
    found: dict[int, Translation] = {}
    for layout in layouts:
        same = current if layout.layout_id == current.layout_id else None
        if layout.layout_id in found:
            same = found[layout.layout_id].old
        if same is not None and same != layout:
            collision = f"two layouts share the id {layout.layout_id:#010x}"
            raise DefinitionError([Fault("features", collision, "rename any one stored feature")])
        if same is None:
            found[layout.layout_id] = Translation(layout, current)
    return found
