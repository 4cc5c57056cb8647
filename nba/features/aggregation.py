"""What one event adds to each aggregate of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.customer import Event, Scalar
from nba.errors import Fault, InputError
from nba.expressions import Expression, Level, Schema, Symbol, ValueType, interpret, parse
from nba.features.definitions import (
    AggregateFeature,
    AggregateFunction,
    EventDefinition,
    PropertyType,
)
from nba.features.pointers import pointer
from nba.features.values import BadValueError, finite_number, shown

MAX_AHEAD_MS = 5 * 60 * MILLISECONDS_PER_SECOND
"""How far the time of an event may be ahead of the clock that received it."""

EARLIEST_MS = 315_532_800_000
"""1980-01-01: an earlier time is seconds taken for milliseconds, not an event."""

_VALUE_TYPES = {
    PropertyType.NUMBER: ValueType.NUMBER,
    PropertyType.BOOL: ValueType.BOOL,
    PropertyType.STRING: ValueType.STRING,
}


def property_schema(event: EventDefinition) -> Schema:
    """Return the symbols a ``where`` may use: ``properties.<name>``, strings open."""
    return {
        f"properties.{name}": Symbol(
            path=f"properties.{name}",
            type=_VALUE_TYPES[type_],
            level=Level.SITUATION,
            column=column,
        )
        for column, (name, type_) in enumerate(event.properties.items())
    }


class EventAggregation:
    """One declared event, and the aggregates it moves.

    Parameters
    ----------
    event
        Its definition.
    aggregates
        Every stored aggregate in the order of its slot; those of other events are passed over.

    """

    def __init__(self, event: EventDefinition, aggregates: Sequence[AggregateFeature]) -> None:
        self._properties = event.properties
        mine = [(slot, item) for slot, item in enumerate(aggregates) if item.event == event.name]
        self.slots: NDArray[np.int64] = np.array([slot for slot, _ in mine], dtype=np.int64)
        sources = list(dict.fromkeys(item.where for _, item in mine if item.where is not None))
        schema = property_schema(event)
        self._conditions: tuple[Expression, ...] = tuple(parse(text, schema) for text in sources)
        self._moves = tuple(
            (
                item.property if item.function is AggregateFunction.SUM else None,
                sources.index(item.where) if item.where is not None else None,
            )
            for _, item in mine
        )

    def check(self, event: Event) -> tuple[Event, tuple[str, ...]]:
        """Return the event with its declared properties only, and the names of the others.

        A null property is missing. Raises :class:`~nba.errors.InputError` where the time of the
        event or a property is wrong.
        """
        values: dict[str, Scalar] = {}
        dropped: list[str] = []
        faults = list(_time_faults(event))
        declared = self._properties
        for name, value in event.properties.items():
            type_ = declared.get(name)
            if type_ is None:
                dropped.append(name)
            elif value is not None:
                try:
                    values[name] = _checked(type_, value)
                except BadValueError as error:
                    place = pointer("properties", name)
                    faults.append(Fault(place, error.found, error.expected))
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

    def amounts(self, properties: Mapping[str, Scalar]) -> NDArray[np.float64]:
        """Return what to add to each of ``slots``; NaN where the event does not count.

        A condition that is unknown, and a sum whose property is missing, do not count.
        """
        holds = list(self._hold(properties))
        found = [
            np.nan
            if condition is not None and not holds[condition]
            else 1.0
            if name is None
            else properties.get(name, np.nan)
            for name, condition in self._moves
        ]
        return np.array(found, dtype=np.float64)

    def _hold(self, properties: Mapping[str, Scalar]) -> Iterator[bool]:
        if self._conditions:
            values = {f"properties.{name}": value for name, value in properties.items()}
            for condition in self._conditions:
                yield interpret(condition, values) is True


def _time_faults(event: Event) -> Iterator[Fault]:
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
