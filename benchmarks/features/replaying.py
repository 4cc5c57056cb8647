"""A public event stream, online and offline: every row at every moment must be the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.features.datasets import offer_stream, send_times
from benchmarks.features.definitions import STARBUCKS, load
from benchmarks.report import figure
from nba.domain.customer import Event
from nba.domain.ids import CustomerId
from nba.features import FeatureSet
from nba.features.offline import PREFIX, PROPERTY_PREFIX, point_in_time

RELATIVE = 1e-9
"""What the order of summation may change."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How many values were compared, and the rows and features that differ."""

    events: int
    moments: int
    values: int
    differences: int
    features: tuple[str, ...]


def events_of(stream: pl.DataFrame) -> Iterator[Event]:
    """Iterate over a stream as the service takes its events."""
    names = [name for name in stream.columns if name.startswith(PROPERTY_PREFIX)]
    times = {name: pl.col(name).dt.epoch("ms") for name in ("at", "received_at")}
    for row in stream.with_columns(**times).iter_rows(named=True):
        yield Event(
            customer_id=CustomerId(row["customer_id"]),
            name=row["name"],
            message_id=row["message_id"],
            at_ms=row["at"],
            received_at_ms=row["received_at"],
            properties={
                name.removeprefix(PROPERTY_PREFIX): row[name]
                for name in names
                if row[name] is not None
            },
        )


def online(
    features: FeatureSet, stream: pl.DataFrame, moments: pl.DataFrame
) -> NDArray[np.float32]:
    """Return the rows the service would have read, ``(n_moments, n_features)``.

    Events are applied one by one to packed profiles as they arrive, and a row is read when all that
    arrived by its moment is in.
    """
    profiles: dict[str, bytes] = {}
    waiting = events_of(stream)
    event = next(waiting, None)
    rows = np.empty((moments.height, len(features.names)), dtype=np.float32)
    asked = moments.with_row_index("row").with_columns(pl.col("at").dt.epoch("ms")).sort("at")
    for row, customer_id, at_ms in asked.iter_rows():
        while event is not None and event.received_at_ms <= at_ms:
            before = profiles.get(event.customer_id)
            profiles[event.customer_id] = features.apply(before, event)
            event = next(waiting, None)
        rows[row] = features.read(profiles.get(customer_id), at_ms=at_ms).features
    return rows


def encoded(features: FeatureSet, rows: pl.DataFrame) -> NDArray[np.float32]:
    """Return offline rows as the numbers a model is given: words as their positions."""
    columns = []
    for name in features.names:
        column = rows[f"{PREFIX}{name}"]
        words = features.categories.get(name)
        if words is not None:
            column = column.replace_strict(list(words), range(len(words)), return_dtype=pl.Float32)
        columns.append(column.cast(pl.Float32).fill_null(float("nan")).to_numpy())
    return np.column_stack(columns)


def compare(
    features: FeatureSet, left: NDArray[np.float32], right: NDArray[np.float32]
) -> tuple[int, tuple[str, ...]]:
    """Return how many values differ, and in which features."""
    same = np.isclose(left, right, rtol=RELATIVE, atol=0.0, equal_nan=True)
    wrong = (~same).sum(axis=0)
    named = tuple(n for n, count in zip(features.names, wrong, strict=True) if count)
    return int(wrong.sum()), named


def measure(people: int | None) -> Replay:
    """Replay the café's stream both ways and compare at every time an offer was sent."""
    features = load(STARBUCKS)
    stream = offer_stream(people)
    moments = send_times(stream)
    offline = encoded(features, point_in_time(features, stream, moments))
    differences, named = compare(features, online(features, stream, moments), offline)
    return Replay(stream.height, moments.height, offline.size, differences, named)


def figures(found: Replay) -> list[dict[str, Any]]:
    """Return the figures."""
    how = (
        f"{found.values:,} values: {found.events:,} events of starbucks applied one by one to "
        f"packed profiles, against nba.features.offline at {found.moments:,} send times; float32, "
        f"{RELATIVE:g} relative"
    )
    if found.features:
        how += f"; differing: {', '.join(found.features)}"
    name = "parity: differences, a replay online against offline"
    return [figure(name, float(found.differences), "values", how, at_most=0)]
