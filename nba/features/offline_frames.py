"""Frames in: the rows of some customers, their times, and the order in which they arrived.

Imported for :mod:`nba.features.offline` alone, since polars is heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.customer import ALIAS_SOURCE
from nba.domain.history import ACTION, AT_S, PLACEMENT, Entry
from nba.domain.ids import NO_ACTION, hash32
from nba.errors import Fault, InputError

Frame = pl.DataFrame | pl.LazyFrame

Starts = Mapping[int, list[int]]
"""When a customer's profile was begun, or begun anew after it was gone: epoch milliseconds."""

CUSTOMER = "_customer"
"""Column of a customer's number among those asked about."""

ORDER = "_order"
"""Column of a row's place in the frame it came in."""


def with_former_ids(customers: pl.Series, updates: Frame) -> pl.DataFrame:
    """Return customers, and after them everybody they took over, however indirectly, numbered."""
    made = updates.lazy().filter(pl.col("source").str.starts_with(ALIAS_SOURCE))
    pairs = made.select("customer_id", pl.col("source").str.strip_prefix(ALIAS_SOURCE)).collect()
    former: dict[str, list[str]] = {}
    for customer, previous in pairs.iter_rows():
        former.setdefault(customer, []).append(previous)
    names: dict[str, None] = dict.fromkeys(customers)
    ahead = [name for name in names if name in former]
    while ahead:
        for previous in former.get(ahead.pop(), ()):
            if previous not in names:
                names[previous] = None
                ahead.append(previous)
    schema = {"customer_id": pl.String(), CUSTOMER: pl.Int64()}
    return pl.DataFrame({"customer_id": list(names), CUSTOMER: range(len(names))}, schema=schema)


def rows_of(
    frame: Frame, customers: pl.DataFrame, required: Sequence[str], what: str
) -> pl.DataFrame:
    """Return the rows of ``customers``, which numbers them, each with its number and its place.

    Raises :class:`~nba.errors.InputError` where a column is absent.
    """
    lazy = frame.lazy()
    names = lazy.collect_schema().names()
    there = f"there are: {', '.join(names)}"
    faults = [
        Fault(f"{what}/{name}", "no such column", there) for name in required if name not in names
    ]
    if faults:
        raise InputError(faults)
    numbered = lazy.with_row_index(ORDER)
    return numbered.join(customers.lazy(), on="customer_id", how="inner").collect()


def milliseconds(frame: pl.DataFrame, name: str, what: str) -> NDArray[np.int64]:
    """Return a column of times as epoch milliseconds, rounded down."""
    column = frame[name]
    if column.null_count():
        raise InputError([Fault(f"{what}/{name}", "a time is null", "a time in every row")])
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.epoch("us") // MILLISECONDS_PER_SECOND
    elif not column.dtype.is_integer():
        found = f"a column of {column.dtype}"
        raise InputError([Fault(f"{what}/{name}", found, "datetimes or epoch milliseconds")])
    return column.cast(pl.Int64).to_numpy()


def by_arrival(frame: pl.DataFrame, time: str, what: str) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return rows by customer, arrival, version and place; and the arrivals, in milliseconds."""
    received = milliseconds(frame, time, what)
    version = pl.col("version").fill_null(0) if "version" in frame.columns else pl.lit(0)
    order = frame.select(CUSTOMER, pl.Series("received", received), version.alias("version"), ORDER)
    sorted_by = pl.arg_sort_by(CUSTOMER, "received", "version", ORDER)
    places = order.select(sorted_by).to_series().to_numpy()
    return frame[places], received[places]


def starts_of(rows: pl.DataFrame, received_ms: NDArray[np.int64]) -> Starts:
    """Return when profiles were begun: an entry after which the version is 1 found none."""
    if "version" not in rows.columns:
        return {}
    is_first = (rows["version"] == 1).fill_null(value=False).to_numpy()
    starts: dict[int, list[int]] = {}
    for customer, at_ms in zip(
        rows[CUSTOMER].to_numpy()[is_first].tolist(), received_ms[is_first].tolist(), strict=True
    ):
        starts.setdefault(customer, []).append(at_ms)
    return starts


def begins_of(frame: pl.DataFrame, n_customers: int) -> NDArray[np.int64]:
    """Return where each customer's rows begin, ``(n_customers + 1,)``, in rows by customer."""
    numbers = frame[CUSTOMER].to_numpy()
    return np.searchsorted(numbers, np.arange(n_customers + 1)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Decisions by customer and time; ``table (n, 6) uint32`` as a contact history has them."""

    begins: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    table: NDArray[np.uint32]

    @classmethod
    def of(cls, decisions: Frame, customers: pl.DataFrame) -> Contacts:
        """Return the contacts that decisions made; saying nothing is none."""
        required = ("customer_id", "at", "action", "placement")
        rows = rows_of(decisions, customers, required, "decisions")
        rows, at_ms = by_arrival(rows.filter(pl.col("action") != NO_ACTION), "at", "decisions")
        table = np.zeros((rows.height, len(Entry._fields)), dtype=np.uint32)
        table[:, AT_S] = at_ms // MILLISECONDS_PER_SECOND
        table[:, ACTION] = _hashes(rows["action"])
        table[:, PLACEMENT] = _hashes(rows["placement"])
        return cls(begins_of(rows, customers.height), at_ms, table)


def _hashes(words: pl.Series) -> NDArray[np.int64]:
    codes = {word: hash32(word) for word in words.unique()}
    return words.replace_strict(codes, return_dtype=pl.Int64).to_numpy()


@dataclass(frozen=True, slots=True)
class Updates:
    """Profile updates by customer and arrival, as the log has them."""

    begins: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    sources: list[str]
    attributes: list[str | None]
    starts: Starts

    @classmethod
    def of(cls, updates: Frame, customers: pl.DataFrame) -> Updates:
        """Return the updates of some customers."""
        required = ("customer_id", "received_at", "source", "attributes")
        rows = rows_of(updates, customers, required, "updates")
        rows, received_ms = by_arrival(rows, "received_at", "updates")
        return cls(
            begins_of(rows, customers.height),
            received_ms,
            rows["source"].to_list(),
            rows["attributes"].to_list(),
            starts_of(rows, received_ms),
        )
