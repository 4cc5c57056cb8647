"""Events in the order in which they arrived, without those that nothing was kept of.

What :meth:`EventAggregation.check` refuses online is left out here, and so is a message that was
applied on the same or the previous day. Imported for :mod:`nba.features.offline` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND, SECONDS_PER_DAY
from nba.domain.ids import MAX_ID_LENGTH
from nba.errors import Fault, InputError
from nba.features.aggregation import (
    EARLIEST_MS,
    MAX_AHEAD_MS,
    Column,
    EventAggregation,
    Words,
)
from nba.features.cells import Batch
from nba.features.definitions import PropertyType
from nba.features.feature_set import FeatureSet
from nba.features.offline import PROPERTY_PREFIX
from nba.features.offline_frames import (
    CUSTOMER,
    Frame,
    Starts,
    begins_of,
    by_arrival,
    milliseconds,
    rows_of,
    starts_of,
)
from nba.features.store import SEEN_DAYS
from nba.features.values import LARGEST

_MS_PER_DAY = SECONDS_PER_DAY * MILLISECONDS_PER_SECOND
_JSON_TYPES: Mapping[PropertyType, Any] = {
    PropertyType.NUMBER: float | None,
    PropertyType.BOOL: bool | None,
    PropertyType.STRING: str | None,
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """Events of one name: their places among all, and their properties, row by row."""

    aggregation: EventAggregation
    places: NDArray[np.int64]
    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Events by customer and arrival; ``begins (n_customers + 1,)`` says which are whose."""

    begins: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    starts: Starts
    _kinds: tuple[_Kind, ...] = field(repr=False)

    @classmethod
    def of(cls, features: FeatureSet, events: Frame, customers: pl.DataFrame) -> Arrivals:
        """Return the events of some customers that were applied."""
        rows = rows_of(events, customers, ("customer_id", "name", "at", "received_at"), "events")
        kinds = {name: features.aggregation(name) for name in rows["name"].unique()}
        declared = [name for name, kind in kinds.items() if kind is not None]
        rows, received_ms = by_arrival(
            rows.filter(pl.col("name").is_in(declared)), "received_at", "events"
        )
        at_ms = milliseconds(rows, "at", "events")
        is_kept = (at_ms >= EARLIEST_MS) & (at_ms <= received_ms + MAX_AHEAD_MS)
        if "message_id" in rows.columns:
            lengths = rows["message_id"].str.len_chars().fill_null(1)
            is_kept &= lengths.is_between(1, MAX_ID_LENGTH).to_numpy()
        found: list[tuple[EventAggregation, NDArray[np.int64], Mapping[str, Column]]] = []
        names = rows["name"]
        for name, kind in kinds.items():
            if kind is not None:
                places = (names == name).arg_true().cast(pl.Int64).to_numpy()
                columns, is_right = _properties(rows[places], kind.properties)
                is_kept[places] &= is_right
                found.append((kind, places, columns))
        is_kept[is_kept] = ~_repeats(rows.filter(pl.Series(is_kept)), received_ms[is_kept])
        moved = np.cumsum(is_kept) - 1
        return cls(
            begins_of(rows.filter(pl.Series(is_kept)), customers.height),
            at_ms[is_kept],
            received_ms[is_kept],
            starts_of(rows, received_ms),
            tuple(
                _Kind(
                    kind,
                    moved[places[is_kept[places]]],
                    {name: _chosen(column, is_kept[places]) for name, column in columns.items()},
                )
                for kind, places, columns in found
            ),
        )

    def batch(self, first: int, beyond: int) -> Batch:
        """Return what events from ``first`` to before ``beyond`` move, as one batch."""
        parts = [(kind, _between(kind.places, first, beyond)) for kind in self._kinds]
        begins = np.zeros(beyond - first + 1, dtype=np.int64)
        for kind, part in parts:
            begins[kind.places[part] - first + 1] = len(kind.aggregation.slots)
        np.cumsum(begins, out=begins)
        slots = np.empty(begins[-1], dtype=np.int64)
        keys, amounts = np.empty(begins[-1], dtype=np.uint32), np.empty(begins[-1])
        for kind, part in parts:
            mine = kind.aggregation.slots
            places = kind.places[part]
            columns = {name: _chosen(column, part) for name, column in kind.columns.items()}
            moves = begins[places - first][:, None] + np.arange(len(mine))
            slots[moves] = mine
            keys[moves], amounts[moves] = kind.aggregation.compute(columns, len(places))
        return Batch(
            begins,
            slots,
            keys,
            amounts,
            self.at_ms[first:beyond] // MILLISECONDS_PER_SECOND,
            self.received_ms[first:beyond] // MILLISECONDS_PER_SECOND,
        )


def _between(places: NDArray[np.int64], first: int, beyond: int) -> slice:
    low, high = np.searchsorted(places, (first, beyond)).tolist()
    return slice(low, high)


def _chosen(column: Column, part: slice | NDArray[np.bool_]) -> Column:
    return Words(column.codes[part], column.words) if isinstance(column, Words) else column[part]


def _properties(
    rows: pl.DataFrame, declared: Mapping[str, PropertyType]
) -> tuple[dict[str, Column], NDArray[np.bool_]]:
    """Return the declared properties of events of one name, and which events have them right."""
    columns: dict[str, Column] = {}
    is_right = np.ones(rows.height, dtype=np.bool_)
    loose = {
        name: type_
        for name, type_ in declared.items()
        if PROPERTY_PREFIX + name not in rows.columns
    }
    values, is_decoded = _decoded(rows, loose)
    is_right &= is_decoded
    for name, type_ in declared.items():
        column = values[name] if name in loose else _typed(rows[PROPERTY_PREFIX + name], type_)
        if type_ is PropertyType.STRING:
            columns[name] = _words(column)
            continue
        numbers = column.cast(pl.Float64)
        if type_ is PropertyType.NUMBER:
            is_right &= (numbers.is_null() | (numbers.abs() <= LARGEST)).to_numpy()  # NaN is more
        columns[name] = numbers.fill_null(np.nan).to_numpy() + 0.0  # -0.0 becomes 0.0
    return columns, is_right


def _decoded(
    rows: pl.DataFrame, declared: Mapping[str, PropertyType]
) -> tuple[dict[str, pl.Series], NDArray[np.bool_]]:
    """Decode JSON properties; an event whose declared ones are of a wrong type is not right."""
    is_right = np.ones(rows.height, dtype=np.bool_)
    if not declared or "properties" not in rows.columns:
        nothing = {name: pl.Series([None] * rows.height, dtype=pl.Null) for name in declared}
        return nothing, is_right
    fields = [(f"p{i}", _JSON_TYPES[type_], None) for i, type_ in enumerate(declared.values())]
    said = dict(zip((field[0] for field in fields), declared, strict=True))
    kind = msgspec.defstruct("Properties", fields, rename=said, gc=False)
    decoder, nothing_said = msgspec.json.Decoder(kind), kind()
    found = []
    for place, text in enumerate(rows["properties"]):
        try:
            found.append(nothing_said if text is None else decoder.decode(text))
        except msgspec.MsgspecError:
            is_right[place] = False
            found.append(nothing_said)
    types = {
        PropertyType.NUMBER: pl.Float64(),
        PropertyType.BOOL: pl.Boolean(),
        PropertyType.STRING: pl.String(),
    }
    columns = {
        name: pl.Series([getattr(item, attribute) for item in found], dtype=types[declared[name]])
        for attribute, name in said.items()
    }
    return columns, is_right


def _typed(column: pl.Series, type_: PropertyType) -> pl.Series:
    """Return a column given apart; :class:`InputError` where its type cannot be."""
    kind = column.dtype
    fits = {
        PropertyType.NUMBER: kind.is_numeric(),
        PropertyType.BOOL: kind == pl.Boolean,
        PropertyType.STRING: kind in (pl.String, pl.Categorical, pl.Enum),
    }
    if not fits[type_] and kind != pl.Null:
        expected = f"a column of {type_.value}s"
        raise InputError([Fault(f"events/{column.name}", f"a column of {kind}", expected)])
    return column


def _words(column: pl.Series) -> Words:
    column = column.cast(pl.String)
    words = column.drop_nulls().unique().to_list()
    codes = {word: code for code, word in enumerate(words)}
    if not codes:
        return Words(np.full(len(column), -1, dtype=np.int64), [])
    found = column.replace_strict(codes, default=-1, return_dtype=pl.Int64)
    return Words(found.fill_null(-1).to_numpy(), words)


def _repeats(rows: pl.DataFrame, received_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which events repeat a message that was applied on their day or the one before."""
    is_repeat = np.zeros(rows.height, dtype=np.bool_)
    if "message_id" not in rows.columns:
        return is_repeat
    ids = rows.select(CUSTOMER, "message_id")
    candidates = (ids.is_duplicated() & ids["message_id"].is_not_null()).arg_true()
    applied: dict[tuple[object, ...], int] = {}
    places: Iterable[int] = candidates.to_list()
    for place, message in zip(places, ids[candidates].iter_rows(), strict=True):
        day = int(received_ms[place]) // _MS_PER_DAY
        if day - applied.get(message, day - SEEN_DAYS) < SEEN_DAYS:
            is_repeat[place] = True
        else:
            applied[message] = day
    return is_repeat
