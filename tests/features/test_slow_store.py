"""The slow reference itself, against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nba.domain.customer import Event
from nba.domain.ids import CustomerId, hash32
from tests.features.slow_store import Answer, Contact, SlowStore, agree

HOUR_S = 3_600
NOW_S = 500_000 * HOUR_S
NOW_MS = NOW_S * 1_000
EVENTS = [
    {
        "name": "buy",
        "properties": {"amount": "number", "category": "string", "gift": "bool"},
    }
]
WORDS = ("home", "kids", "maison 🎁")


def aggregate(function: str, **more: Any) -> dict[str, Any]:
    return {"name": "x", "kind": "aggregate", "event": "buy", "function": function, **more}


def bought(
    second: float, *, received: float | None = None, customer: str = "anna", **properties: Any
) -> Event:
    """Return a purchase so many seconds after ``NOW_S``, received then or at another second."""
    at_ms = NOW_MS + round(second * 1_000)
    return Event(
        customer_id=CustomerId(customer),
        name="buy",
        message_id=f"{second}/{received}/{properties}",
        at_ms=at_ms,
        received_at_ms=at_ms if received is None else NOW_MS + round(received * 1_000),
        properties=properties,
    )


def value(feature: dict[str, Any], events: list[Event], second: float = 0.0) -> float:
    store = SlowStore([feature], EVENTS)
    for event in events:
        assert store.send(event)
    return store.read("anna", NOW_MS + round(second * 1_000))["x"]


AMOUNTS = [
    bought(-50, amount=4.0),
    bought(-10, amount=-1.0),
    bought(-10, amount=7.5),
    bought(-30, gift=True),
]


@pytest.mark.parametrize(
    ("function", "expected"),
    [("sum", 10.5), ("mean", 3.5), ("min", -1.0), ("max", 7.5), ("first", 4.0), ("last", 7.5)],
)
def test_functions_of_a_property_leave_out_events_without_it(function: str, expected: float):
    assert value(aggregate(function, property="amount"), AMOUNTS) == expected
    windowed = aggregate(function, property="amount", window="1d")
    assert value(windowed, AMOUNTS) == expected
    without = value(aggregate(function, property="amount"), [bought(-1)])
    assert without == 0.0 if function == "sum" else math.isnan(without)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"where": "properties.gift"}, 1.0),
        ({"where": "properties.amount > 0.0"}, 2.0),
        ({"where": "!properties.gift"}, 0.0),
        ({"where": "!has(properties.gift)"}, 3.0),
        ({}, 4.0),
    ],
)
def test_an_event_whose_condition_is_unknown_does_not_count(more: dict[str, Any], expected: float):
    assert value(aggregate("count", **more), AMOUNTS) == expected


def test_equal_seconds_keep_the_first_to_arrive_and_the_last_to_arrive():
    events = [bought(-9.1, amount=1), bought(-9.9, amount=2), bought(-9.5, amount=3)]
    assert value(aggregate("first", property="amount"), events) == 1.0
    assert value(aggregate("last", property="amount"), events) == 3.0


def test_a_window_is_twelve_whole_tiles():
    # One hour: tiles of 300 s. At NOW_S a tile begins; the oldest tile seen begins 3,300 s before.
    feature = aggregate("count", window="1h")
    assert value(feature, [bought(-3_300)]) == 1.0
    assert value(feature, [bought(-3_300.001)]) == 0.0
    assert value(feature, [bought(-3_300.001)], -0.001) == 1.0
    assert value(feature, [bought(-3_300)], 299.999) == 1.0
    assert value(feature, [bought(-3_300)], 300) == 0.0
    assert value(feature, [bought(250, received=0)], 0) == 1.0


def test_recency_is_missing_once_its_tile_leaves():
    feature = aggregate("recency", window="1h")
    assert value(feature, [bought(-3_300)], 299) == 3_599 / 86_400
    assert math.isnan(value(feature, [bought(-3_300)], 300))


def test_recency_and_time_since_the_first_are_days_and_never_negative():
    events = [bought(-86_400), bought(-3 * 86_400)]
    assert value(aggregate("recency"), events, 43_200) == 1.5
    assert value(aggregate("since_first"), events, 43_200) == 3.5
    assert value(aggregate("recency"), [bought(60, received=0)]) == 0.0
    assert math.isnan(value(aggregate("recency"), []))


def test_an_event_that_arrives_too_late_for_a_window_counts_for_ever_only():
    late = bought(-13 * 300, received=0)
    assert value(aggregate("count", window="1h"), [late], -3_000) == 0.0
    assert value(aggregate("count"), [late]) == 1.0
    in_time = bought(-12 * 300, received=0)
    assert value(aggregate("count", window="1h"), [in_time], -3_000) == 1.0


def test_decay_halves_and_an_event_ahead_counts_more_than_itself():
    events = [bought(-86_400, amount=8.0), bought(-2 * 86_400, amount=-4.0)]
    assert value(aggregate("decayed_count", half_life="1d"), events) == 0.75
    assert value(aggregate("decayed_sum", half_life="1d", property="amount"), events) == 3.0
    ahead = aggregate("decayed_count", half_life="1h")
    assert value(ahead, [bought(300, received=0)]) == pytest.approx(2 ** (1 / 12))


def test_distinct_values_are_those_whose_latest_event_is_in_the_window():
    events = [bought(-4_000, category="home"), bought(-10, category="kids")]
    events += [bought(-4_100, category="kids"), bought(-5, category="שלום"), bought(-4)]
    assert value(aggregate("distinct", property="category"), events) == 3.0
    assert value(aggregate("distinct", property="category", window="1h"), events) == 2.0
    assert value(aggregate("distinct", property="category", limit=2), events) == 2.0


def test_top_ranks_declared_values_by_count_then_by_their_order():
    events = [bought(-i, category=word) for i, word in enumerate(("kids", "home", "kids", "x"))]
    ranks = [
        value(aggregate("top", property="category", values=WORDS, rank=rank), events)
        for rank in (1, 2)
    ]
    assert ranks == [1.0, 0.0]
    assert math.isnan(value(aggregate("top", property="category", values=WORDS, rank=3), events))
    tied = aggregate("top", property="category", values=WORDS)
    assert value(tied, events[:2]) == 0.0


def test_a_ratio_is_missing_without_a_denominator():
    above = {**aggregate("sum", property="amount"), "name": "above"}
    below = {**aggregate("count"), "name": "below"}
    ratio = {
        "name": "x",
        "kind": "aggregate",
        "function": "ratio",
        "numerator": "above",
        "denominator": "below",
    }
    store = SlowStore([above, below, ratio], EVENTS)
    assert math.isnan(store.read("anna", NOW_MS)["x"])
    for event in AMOUNTS:
        store.send(event)
    assert store.read("anna", NOW_MS)["x"] == 2.625


def test_groups_beyond_the_limit_forget_the_oldest_and_start_anew():
    feature = aggregate("count", by="category", limit=2)
    store = SlowStore([feature], EVENTS)
    for second, word in ((-9, "a"), (-8, "a"), (-7, "b"), (-6, "c"), (-5, "a")):
        store.send(bought(second, category=word))
    found = {key: answer.value for key, answer in store.groups("anna", "x", NOW_MS).items()}
    assert found == {"a": 1.0, "c": 1.0}


def test_of_groups_as_old_the_larger_hash_goes():
    feature = aggregate("count", by="category", limit=1)
    store = SlowStore([feature], EVENTS)
    for word in ("home", "kids"):
        store.send(bought(-9, category=word))
    assert list(store.groups("anna", "x", NOW_MS)) == [min("home", "kids", key=hash32)]


def test_a_message_is_kept_once_a_day_and_the_day_after():
    store = SlowStore([aggregate("count")], EVENTS)
    event = bought(0)
    assert [store.send(event), store.send(event)] == [True, False]
    later = Event(
        customer_id=event.customer_id,
        name="buy",
        message_id=event.message_id,
        at_ms=event.at_ms,
        received_at_ms=event.at_ms + 2 * 86_400_000,
    )
    assert store.send(later)


@pytest.mark.parametrize(
    "event",
    [
        bought(301, received=0),
        bought(-NOW_S),
        bought(0, amount=1.1e30),
        bought(0, amount=math.nan),
        bought(0, amount=True),
        bought(0, category=1),
    ],
)
def test_what_is_wrong_is_refused(event: Event):
    assert SlowStore([], EVENTS).refuses(event)
    assert not SlowStore([], EVENTS).refuses(bought(300, received=0, amount=-1e30, more=1))


def test_attributes_are_the_latest_to_arrive_and_grow_stale():
    features = [
        {"name": "age", "kind": "attribute", "type": "number", "freshness": "1h"},
        {"name": "tier", "kind": "attribute", "type": "enum", "values": ("a", "b"), "default": "b"},
        {"name": "since", "kind": "attribute", "type": "date"},
        {"name": "likes", "kind": "attribute", "type": "set", "values": WORDS},
    ]
    store = SlowStore(features, EVENTS)
    assert store.read("anna", NOW_MS)["tier"] == 1.0
    store.update("anna", {"age": 40, "tier": "a", "likes": ["kids"], "since": "2027-01-14"}, NOW_MS)
    row = store.read("anna", NOW_MS + 3_600_000)
    assert (row["age"], row["tier"]) == (40.0, 0.0)
    assert [row[f"likes[{word}]"] for word in WORDS] == [0.0, 1.0, 0.0]
    assert row["since"] == pytest.approx(NOW_S / 86_400 + 1 / 24 - 20_832)
    stale = store.read("anna", NOW_MS + 3_600_001, attributes={"tier": "b"})
    assert math.isnan(stale["age"])
    assert stale["tier"] == 1.0


def test_derived_features_and_segments_read_what_is_before_them():
    features = [
        aggregate("count"),
        {"name": "age", "kind": "attribute", "type": "number"},
        {"name": "basket", "kind": "context", "type": "number"},
        {
            "name": "per_year",
            "kind": "derived",
            "type": "number",
            "expression": "customer.x / customer.age",
        },
    ]
    segments = [
        {"name": "keen", "condition": "customer.per_year > 0.01 || request.basket > 5.0"},
        {"name": "keener", "condition": "segment.keen && customer.x > 1.0"},
    ]
    store = SlowStore(features, EVENTS, segments)
    store.send(bought(-1))
    store.update("anna", {"age": 50}, NOW_MS)
    row = store.read("anna", NOW_MS)
    assert row["per_year"] == float(np.float32(0.02))
    assert (row["segment_keen"], row["segment_keener"]) == (1.0, 0.0)
    unknown = store.read("bert", NOW_MS)
    assert math.isnan(unknown["per_year"])
    assert math.isnan(unknown["segment_keen"])
    assert unknown["segment_keener"] == 0.0
    assert store.read("bert", NOW_MS, context={"basket": 6})["segment_keen"] == 1.0


def test_decisions_are_counted_from_the_contact_history():
    feature = {
        "name": "x",
        "kind": "interaction",
        "of": "decision",
        "function": "count",
        "window": "1h",
        "where": 'properties.channel == "email"',
    }
    history = [
        Contact(NOW_S - 10, {"action": "card", "channel": "email"}),
        Contact(NOW_S - 3_600, {"action": "card", "channel": "email"}),
        Contact(NOW_S - 5, {"action": "card", "channel": "web"}),
    ]
    store = SlowStore([feature], [])
    assert store.read("anna", NOW_MS, history=history)["x"] == 1.0


def test_merging_gives_the_events_of_both():
    store = SlowStore([aggregate("count")], EVENTS)
    for event in (bought(-2), bought(-1, customer="bert")):
        store.send(event)
    store.merge("anna", "bert")
    assert store.read("anna", NOW_MS)["x"] == 2.0
    assert store.read("bert", NOW_MS)["x"] == 0.0


def test_what_was_not_computed_before_a_change_starts_with_it():
    store = SlowStore([aggregate("count")], EVENTS)
    store.send(bought(-2))
    store.redeclare([aggregate("count"), {**aggregate("count", window="1d"), "name": "y"}])
    store.send(bought(-1))
    row = store.read("anna", NOW_MS)
    assert (row["x"], row["y"]) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (Answer(math.nan), math.nan, True),
        (Answer(math.nan), 0.0, False),
        (Answer(1.0), 1.000_000_1, True),
        (Answer(1.0), 1.000_01, False),
        (Answer(0.0), 1e-20, False),
        (Answer(0.0), -0.0, False),
        (Answer(0.0, scale=1e10), 1e-3, True),
        (Answer(1e300), math.inf, True),
    ],
)
def test_values_agree_but_for_rounding(expected: Answer, found: float, same: object):
    assert agree(expected, found) is same
