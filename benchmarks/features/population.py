"""Customers with all 50 features of the ``fifty`` set, and what they did, from a seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from nba.domain.customer import Event, ProfileUpdate
from nba.domain.ids import CustomerId
from nba.features import FeatureSet

DAY_MS = 86_400_000
EVENTS = ("purchase", "visit", "email_opened", "email_clicked", "ticket")
SHARES = (0.25, 0.4, 0.15, 0.1, 0.1)
"""How often each event happens among all."""

MOVES_TEN = "purchase"
"""The event that moves ten aggregates."""

PROPERTIES = ("amount", "items", "seconds")
"""Columns of :func:`events` that are properties."""

_NUMBERS = {
    "age": (18, 90),
    "household_size": (1, 6),
    "income_band": (1, 12),
    "credit_limit": (0, 10_000),
    "balance": (-2_000, 5_000),
    "points": (0, 50_000),
    "distance_km": (0, 80),
    "satisfaction": (0, 10),
    "price_sensitivity": (-3, 0),
    "basket_size": (1, 40),
}
_FLAGS = ("has_app", "has_card", "has_children", "newsletter")
_WORDS = {
    "region": ("north", "east", "south", "west"),
    "tier": ("basic", "silver", "gold"),
    "device": ("desktop", "mobile", "tablet"),
    "payment": ("card", "invoice", "wallet"),
    "language": ("en", "de", "fr", "it"),
    "channel": ("store", "web", "app"),
}
_DATES = {"customer_since": ("2015-01-01", 3_600), "birthday": ("1945-01-01", 20_000)}
_MONEY_DECIMALS = 2


def customer_id(number: int) -> CustomerId:
    """Return an id as long as those of a real system."""
    return CustomerId(f"customer-{number:09d}")


def customers(count: int, *, seed: int) -> pl.DataFrame:
    """Return a row a customer: ``customer_id`` and all attributes, none missing."""
    rng = np.random.default_rng(seed)
    columns: dict[str, object] = {"customer_id": [customer_id(number) for number in range(count)]}
    for name, (low, high) in _NUMBERS.items():
        columns[name] = np.round(rng.uniform(low, high, count), _MONEY_DECIMALS)
    for name in _FLAGS:
        columns[name] = rng.random(count) < 0.5
    for name, words in _WORDS.items():
        columns[name] = np.array(words)[rng.integers(len(words), size=count)]
    for name, (first, days) in _DATES.items():
        moments = np.datetime64(first) + rng.integers(days, size=count).astype("timedelta64[D]")
        columns[name] = np.datetime_as_string(moments, unit="D")
    return pl.DataFrame(columns)


def events(count: int, per_customer: float, *, seed: int, now_ms: int) -> pl.DataFrame:
    """Return what happened to customers within the last year, in the order it arrived.

    Columns ``customer_id``, ``name``, ``message_id``, ``at_ms`` and the properties ``amount``,
    ``items``, ``seconds`` where the event has them.
    """
    rng = np.random.default_rng(seed)
    total = round(count * per_customer)
    who = rng.integers(count, size=total)
    what = rng.choice(len(EVENTS), total, p=SHARES)
    # Recent days see more than old ones, so that short windows are not empty.
    at_ms = now_ms - (rng.beta(0.4, 2.0, total) * 365 * DAY_MS).astype(np.int64)
    at_ms.sort()
    bought, visited = what == EVENTS.index("purchase"), what == EVENTS.index("visit")
    frame = pl.DataFrame(
        {
            "customer_id": who,
            "name": np.array(EVENTS)[what],
            "message_id": np.arange(total),
            "at_ms": at_ms,
            "amount": np.where(bought, np.round(rng.gamma(2.0, 25.0, total), 2), np.nan),
            "items": np.where(bought, rng.integers(1, 9, total), np.nan),
            "seconds": np.where(visited, rng.integers(1, 600, total), np.nan),
        }
    )
    number = pl.col("customer_id").cast(pl.String).str.zfill(9)
    return frame.with_columns(
        pl.format("customer-{}", number).alias("customer_id"),
        pl.format("m-{}-{}", pl.lit(seed), pl.col("message_id")).alias("message_id"),
        pl.col(*PROPERTIES).fill_nan(None),
    )


def as_updates(frame: pl.DataFrame) -> Iterator[ProfileUpdate]:
    """Iterate over :func:`customers` as the service takes them."""
    for row in frame.iter_rows(named=True):
        yield ProfileUpdate(customer_id=CustomerId(row.pop("customer_id")), attributes=row)


def as_events(frame: pl.DataFrame) -> Iterator[Event]:
    """Iterate over :func:`events` as the service takes them, each arriving as it happens."""
    for row in frame.iter_rows(named=True):
        yield Event(
            customer_id=CustomerId(row["customer_id"]),
            name=row["name"],
            message_id=row["message_id"],
            at_ms=row["at_ms"],
            received_at_ms=row["at_ms"],
            properties={name: row[name] for name in PROPERTIES if row[name] is not None},
        )


def packed_profiles(
    features: FeatureSet, count: int, per_customer: float, *, seed: int, now_ms: int
) -> dict[str, bytes]:
    """Return packed profiles by customer, as the service would have written them."""
    profiles: dict[str, bytes] = {}
    for update in as_updates(customers(count, seed=seed)):
        profiles[update.customer_id], _ = features.update(None, update, at_ms=now_ms)
    for event in as_events(events(count, per_customer, seed=seed, now_ms=now_ms)):
        profiles[event.customer_id] = features.apply(profiles[event.customer_id], event)
    return profiles
