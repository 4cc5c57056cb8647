"""What one event, or a table of a million, moves: the slots of its kind, and by how much.

Online and offline run the same code: properties come as columns, conditions are compiled once and
evaluated over all rows at once, and out come moves for :mod:`nba.features.cells`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.customer import Event, Scalar
from nba.domain.ids import hash32
from nba.errors import Fault, InputError
from nba.expressions import Level, Program, Schema, Symbol, ValueType, compile_program, parse
from nba.expressions.tree import Literal, walk
from nba.features.aggregates import Op, Slot
from nba.features.definitions import EventDefinition, PropertyType
from nba.features.pointers import pointer
from nba.features.values import BadValueError, finite_number, shown

MAX_AHEAD_MS = 5 * 60 * MILLISECONDS_PER_SECOND
"""How far the time of an event may be ahead of the clock that received it."""

EARLIEST_MS = 315_532_800_000
"""1980-01-01: an earlier time is seconds taken for milliseconds, not an event."""

_OTHER_WORD = "\x00"
_VALUE_TYPES = {
    PropertyType.NUMBER: ValueType.NUMBER,
    PropertyType.BOOL: ValueType.BOOL,
    PropertyType.STRING: ValueType.STRING,
}

word_key = lru_cache(maxsize=1 << 16)(hash32)
"""The key of a word in a grouped slot; remembered, as the same words come again."""


class Words(NamedTuple):
    """A column of strings: ``codes (n,) int64`` into ``words``, -1 where missing."""

    codes: NDArray[np.int64]
    words: Sequence[str]


Column = NDArray[np.float64] | Words
"""A property of many events: numbers and bools as float64, NaN where missing, or words."""


class Moves(NamedTuple):
    """What one event moves, ready to be applied.

    ``slots`` int64 rising, ``keys`` uint32 and ``amounts`` float64, ``(n_moves,)``; NaN moves
    nothing.
    """

    slots: NDArray[np.int64]
    keys: NDArray[np.uint32]
    amounts: NDArray[np.float64]
    at_seconds: int
    received_seconds: int


def property_schema(event: EventDefinition, words: Sequence[str] = ()) -> Schema:
    """Return the symbols a ``where`` may use: ``properties.<name>``.

    Strings are open where no ``words`` are given; else they are one of these.
    """
    return {
        f"properties.{name}": Symbol(
            path=f"properties.{name}",
            type=_VALUE_TYPES[type_],
            level=Level.CANDIDATE,
            column=column,
            values=tuple(words) if type_ is PropertyType.STRING else (),
        )
        for column, (name, type_) in enumerate(event.properties.items())
    }


class EventAggregation:
    """One declared event, and the slots it moves.

    Parameters
    ----------
    event
        Its definition.
    slots
        Every stored slot in order; those of other events are passed over.

    """

    def __init__(self, event: EventDefinition, slots: Sequence[Slot]) -> None:
        self.properties = event.properties
        self._sensitive = frozenset(event.sensitive)
        mine = [(position, slot) for position, slot in enumerate(slots) if slot.event == event.name]
        self.slots: NDArray[np.int64] = np.array([position for position, _ in mine], dtype=np.int64)
        self._mine = tuple(slot for _, slot in mine)
        sources = list(dict.fromkeys(slot.where for slot in self._mine if slot.where is not None))
        self._conditions = np.array(
            [len(sources) if s.where is None else sources.index(s.where) for s in self._mine],
            dtype=np.intp,
        )
        self._valued = [(i, s) for i, s in enumerate(self._mine) if s.property is not None]
        self._grouped = [(i, s) for i, s in enumerate(self._mine) if s.by is not None]
        self._program, self._words, tested = _compile(event, sources)
        self._tested = [(i, name) for i, name in enumerate(event.properties) if name in tested]
        read = [s.property for _, s in self._valued] + [s.by for _, s in self._grouped]
        self._needed = sorted(tested.union(name for name in read if name is not None))
        self._groups = [
            None if not slot.words else frozenset(map(word_key, slot.words)) for slot in self._mine
        ]

    def check(self, event: Event) -> tuple[Event, tuple[str, ...]]:
        """Return the event with its declared properties only, and the names of the others.

        A null property is missing. Raises :class:`~nba.errors.InputError` where the time of the
        event or a declared property is wrong, with a pointer to each.
        """
        faults = list(_time_faults(event)) if _is_odd_time(event) else []
        values: dict[str, Scalar] = {}
        dropped: list[str] = []
        declared = self.properties
        for name, value in event.properties.items():
            type_ = declared.get(name)
            if type_ is None:
                dropped.append(name)
            elif value is not None:
                try:
                    values[name] = _checked(type_, value)
                except BadValueError as error:
                    place = pointer("properties", name)
                    faults.append(error.fault(place, sensitive=name in self._sensitive))
        if faults:
            raise InputError(faults)
        kept = Event(
            customer_id=event.customer_id,
            name=event.name,
            message_id=event.message_id,
            at_ms=event.at_ms,
            received_at_ms=event.received_at_ms,
            properties=values,
        )
        return kept, tuple(dropped)

    def moves(self, events: Sequence[Event]) -> list[Moves]:
        """Return the moves of checked events of this kind, in order."""
        keys, amounts = self.compute(self._columns(events), len(events))
        return [
            Moves(
                self.slots,
                keys[row],
                amounts[row],
                event.at_ms // MILLISECONDS_PER_SECOND,
                event.received_at_ms // MILLISECONDS_PER_SECOND,
            )
            for row, event in enumerate(events)
        ]

    def compute(
        self, columns: Mapping[str, Column], n: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """Return keys and amounts, ``(n, n_slots)``, of ``n`` events given by their properties.

        A condition that is unknown, and a value or word that is missing, move nothing: NaN.
        ``columns`` has every declared property that a slot or a condition reads.
        """
        keys = np.zeros((n, len(self._mine)), dtype=np.uint32)
        amounts = np.ones((n, len(self._mine)))
        for i, slot in self._valued:
            amounts[:, i] = _values(columns[slot.property or ""], slot)
        for i, slot in self._grouped:
            is_known, keys[:, i] = _keys(columns[slot.by or ""], self._groups[i])
            amounts[~is_known, i] = np.nan
        if self._program is not None:
            holds = self._holds(self._program, columns, n)
            amounts[holds[self._conditions].T != 1] = np.nan
        return keys, amounts

    def _holds(
        self, program: Program[np.int8], columns: Mapping[str, Column], n: int
    ) -> NDArray[np.int8]:
        """Return the verdict of each condition and of having none, ``(n_conditions + 1, n)``."""
        rows = np.full((n, len(self.properties)), np.nan)
        for position, name in self._tested:
            column = columns[name]
            if isinstance(column, Words):
                # A word no condition names is one other word; two are never compared (checks).
                other = float(len(self._words))
                table = np.array([*(self._words.get(word, other) for word in column.words), np.nan])
                rows[:, position] = table[column.codes]
            else:
                rows[:, position] = column
        return program.run_rows(rows)

    def _columns(self, events: Sequence[Event]) -> dict[str, Column]:
        columns: dict[str, Column] = {}
        for name in self._needed:
            if self.properties[name] is PropertyType.STRING:
                words: dict[Any, int] = {}
                found = [event.properties.get(name) for event in events]
                codes = [-1 if w is None else words.setdefault(w, len(words)) for w in found]
                columns[name] = Words(np.array(codes, dtype=np.int64), list(words))
            else:
                columns[name] = np.array(
                    [event.properties.get(name, np.nan) for event in events], dtype=np.float64
                )
        return columns


def _compile(
    event: EventDefinition, sources: Sequence[str]
) -> tuple[Program[np.int8] | None, dict[str, float], set[str]]:
    """Compile conditions over properties, and after them one that always holds.

    Returns the codes of the words they name too, and the properties they read.
    """
    if not sources:
        return None, {}, set()
    opened = [parse(text, property_schema(event)) for text in sources]
    named = {
        str(node.value)
        for expression in opened
        for node in walk(expression.root)
        if isinstance(node, Literal) and node.type is ValueType.STRING
    }
    words = sorted(named)
    schema = property_schema(event, [*words, _OTHER_WORD])
    program = compile_program([parse(text, schema) for text in (*sources, "true")])
    tested = {symbol.path.partition(".")[2] for read in opened for symbol in read.symbols}
    return program, {word: float(code) for code, word in enumerate(words)}, tested


def _values(column: Column, slot: Slot) -> NDArray[np.float64]:
    """Return what a property gives a slot: its value, its code, or 1 where it is there."""
    if isinstance(column, Words):
        codes = {word: float(code) for code, word in enumerate(slot.codes)}
        table = np.array([*(codes.get(word, np.nan) for word in column.words), np.nan])
        column = table[column.codes]
    if slot.op is Op.COUNT:
        return np.where(np.isnan(column), np.nan, 1.0)
    return column


def _keys(
    column: Column, known: frozenset[int] | None
) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    """Return which events name a group that counts, and the key of each."""
    if not isinstance(column, Words):
        raise TypeError("groups are told apart by strings")
    table = np.array([*map(word_key, column.words), 0], dtype=np.uint32)
    counts = np.array([known is None or key in known for key in table.tolist()], dtype=np.bool_)
    counts[-1] = False
    return counts[column.codes], table[column.codes]


def _is_odd_time(event: Event) -> bool:
    return event.at_ms < EARLIEST_MS or event.at_ms > event.received_at_ms + MAX_AHEAD_MS


def _time_faults(event: Event) -> Iterable[Fault]:
    if event.at_ms < EARLIEST_MS:
        yield Fault("/timestamp", "a time before 1980", "milliseconds since 1970 are expected")
    if event.at_ms > event.received_at_ms + MAX_AHEAD_MS:
        ahead_seconds = (event.at_ms - event.received_at_ms) // MILLISECONDS_PER_SECOND
        found = f"a time {ahead_seconds} s in the future"
        yield Fault("/timestamp", found, "at most 5 minutes ahead of the server's clock")


def _checked(type_: PropertyType, value: Any) -> Scalar:
    match type_:
        case PropertyType.NUMBER:
            return finite_number(value)
        case PropertyType.BOOL if isinstance(value, bool):
            return value
        case PropertyType.STRING if isinstance(value, str):
            return value
    expected = "true or false" if type_ is PropertyType.BOOL else "a string"
    raise BadValueError(f"found {shown(value)}", f"{expected} is expected")
