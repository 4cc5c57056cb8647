"""One row of a file in the words of the domain: texts by their declared type, times, names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nba.domain.clock import from_datetime
from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import Fault, InputError
from nba.features import AttributeFeature, FeatureSet
from nba.features.definitions import FeatureType, PropertyType
from nba.features.values import shown
from nba.ingestion.columns import Columns, Kind, Role

SET_SEPARATOR = "|"
"""Between the words of a set in one cell of text."""

SOURCE = "import"
"""Source of profile updates that come from files."""

_NUMBER = re.compile(
    r"[-+]?((\d+\.?\d*|\.\d+)(e[-+]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_BOOLS = {"true": True, "false": False, "1": True, "0": False}
_TEXT = "a text is expected"
_TIME = "a time such as 2025-06-15T12:00:00Z, or milliseconds since 1970, is expected"


class RowReader:
    """Reads rows of one file.

    Parameters
    ----------
    columns
        What each column is.
    features
        Says of which type a text is.
    is_text
        Whether every cell is text (CSV), to be read by the declared type; an empty one is missing.

    """

    def __init__(self, columns: Columns, features: FeatureSet, *, is_text: bool) -> None:
        self._columns = columns
        self._is_text = is_text
        self._properties: Mapping[str, Mapping[str, PropertyType]] = {
            event.name: event.properties for event in features.events.values()
        }
        self._attributes: Mapping[str, FeatureType] = {
            str(item.name): item.type
            for item in features.definitions
            if isinstance(item, AttributeFeature)
        }

    def read(self, cells: Sequence[Any], *, received_at_ms: int) -> Event | ProfileUpdate:
        """Return what a row says; an event's message id is empty where the file has none.

        Raises :class:`~nba.errors.InputError` with a pointer to each column that is wrong.
        """
        if self._columns.kind is Kind.CUSTOMERS:
            return self._update(cells)
        name = self._event_name(cells)
        types: Mapping[str, Any] = self._properties.get(name, {})
        at_ms = _milliseconds(self._cell(cells, Role.TIMESTAMP))
        message_id = self._cell(cells, Role.MESSAGE_ID)
        return Event(
            customer_id=self._customer(cells),
            name=name,
            message_id="" if message_id is None else str(message_id),
            at_ms=at_ms,
            received_at_ms=received_at_ms,
            properties=self._values(cells, types),
        )

    def _update(self, cells: Sequence[Any]) -> ProfileUpdate:
        consents: dict[str, dict[str, Consent]] = {}
        for position, channel, purpose in self._columns.consents:
            word = cells[position]
            if word is not None and word != "":
                place = f"consents.{channel}.{purpose}"
                consents.setdefault(channel, {})[purpose] = _consent(word, place)
        return ProfileUpdate(
            customer_id=self._customer(cells),
            attributes=self._values(cells, self._attributes),
            consents=consents,
            audiences={
                name: _membership(cells[position], f"audiences.{name}")
                for position, name in self._columns.audiences
                if cells[position] is not None and cells[position] != ""
            },
            time_zone=self._word(cells, Role.TIME_ZONE),
            locale=self._word(cells, Role.LOCALE),
            source=SOURCE,
        )

    def _values(self, cells: Sequence[Any], types: Mapping[str, Any]) -> dict[str, Any]:
        if not self._is_text:
            pairs = [(name, cells[position]) for position, name in self._columns.data]
            return {name: value for name, value in pairs if value is not None}
        return {
            name: typed(cells[position], types.get(name))
            for position, name in self._columns.data
            if cells[position] != ""
        }

    def _cell(self, cells: Sequence[Any], role: Role) -> Any:
        position = self._columns.roles.get(role)
        value = None if position is None else cells[position]
        return None if value == "" else value

    def _word(self, cells: Sequence[Any], role: Role) -> str | None:
        value = self._cell(cells, role)
        if value is None or isinstance(value, str):
            return value
        raise _wrong(role.value, value, _TEXT)

    def _event_name(self, cells: Sequence[Any]) -> str:
        if self._columns.event is not None and Role.EVENT not in self._columns.roles:
            return self._columns.event
        name = self._cell(cells, Role.EVENT)
        if isinstance(name, str):
            return name
        raise _wrong("event", name, "the name of an event is expected")

    def _customer(self, cells: Sequence[Any]) -> CustomerId:
        customer_id = self._cell(cells, Role.CUSTOMER_ID)
        if isinstance(customer_id, int) and not isinstance(customer_id, bool):
            return CustomerId(str(customer_id))
        if isinstance(customer_id, str):
            return CustomerId(customer_id)
        raise _wrong("customer_id", customer_id, _TEXT)


def typed(text: str, type_: FeatureType | PropertyType | None) -> Any:
    """Return what a text says as a type; the text itself where it says no such thing.

    >>> typed("12.50", PropertyType.NUMBER), typed("true", PropertyType.BOOL)
    (12.5, True)
    >>> typed("a|b", FeatureType.SET), typed("dear", PropertyType.NUMBER)
    (('a', 'b'), 'dear')
    """
    if type_ is None:
        return text
    if type_.value == FeatureType.NUMBER.value:
        return float(text) if _NUMBER.fullmatch(text) else text
    if type_.value == FeatureType.BOOL.value:
        return _BOOLS.get(text.lower(), text)
    if type_ is FeatureType.SET:
        return tuple(text.split(SET_SEPARATOR))
    return text


def _milliseconds(value: Any) -> int:
    match value:
        case bool() | None:
            pass
        case int():
            return value
        case str() if value.isdecimal() and value.isascii():
            return int(value)
        case str():
            try:
                moment = datetime.fromisoformat(value)
                return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
            except (ValueError, OverflowError) as error:
                raise _wrong("timestamp", value, _TIME) from error
    raise _wrong("timestamp", value, _TIME)


def _consent(word: Any, place: str) -> Consent:
    if isinstance(word, bool):
        return Consent.GRANTED if word else Consent.DENIED
    try:
        return Consent(word)
    except ValueError as error:
        raise _wrong(place, word, f"one of: {', '.join(Consent)}") from error


def _membership(word: Any, place: str) -> bool:
    found = _BOOLS.get(word.lower()) if isinstance(word, str) else word
    if isinstance(found, bool):
        return found
    raise _wrong(place, word, "true or false is expected")


def _wrong(column: str, value: Any, expected: str) -> InputError:
    found = "it is missing" if value is None else f"found {shown(value)}"
    return InputError([Fault(f"/{column}", found, expected)])
