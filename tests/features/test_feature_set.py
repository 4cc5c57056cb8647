"""The compiled set: rows as decisions read them, equal to a slow count over all events."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.consent import consent_code
from nba.domain.customer import Event
from nba.errors import CorruptRecordError, DefinitionError, InputError
from nba.expressions import Level, Symbol, ValueType, compile_program, parse
from nba.features import FeatureSet, StoredLayout
from nba.features.definitions import AggregateFeature

DAY_MS = 86_400_000


def row(features: FeatureSet, profile: bytes | None, at_ms: int, **more: Any) -> dict[str, float]:
    view = features.read(profile, at_ms=at_ms, **more)
    assert view.features.dtype == np.float32
    return dict(zip(features.names, view.features.tolist(), strict=True))


def test_a_customer_never_seen_has_bought_nothing(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("none", "gold"), default="gold"),
            make.attribute("since", "date", default=30.0),
            make.aggregate("orders"),
            make.aggregate("orders_7d", window="7d"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("quiet", "recency"),
            make.aggregate("quiet_or_long", "recency", default=999.0),
            make.context("basket"),
        ],
        [make.buy],
    )
    view = features.read(None, at_ms=make.now_ms)
    assert (view.consents, view.time_zone, view.locale, view.guard_version) == ({}, None, None, 0)
    nan = np.nan
    np.testing.assert_array_equal(view.features, [nan, 30, 1, nan, 999, 0, 0, 0, nan])
    assert features.names == (
        "age",
        "since",
        "tier",
        "quiet",
        "quiet_or_long",
        "orders",
        "spend",
        "orders_7d",
        "basket",
    )
    empty, _ = features.update(None, make.update(), at_ms=make.now_ms)
    np.testing.assert_array_equal(features.read(empty, at_ms=make.now_ms).features, view.features)


def test_reading_a_view_does_not_change_the_next_one(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [])
    features.read(None, at_ms=0).features[0] = 7.0
    assert np.isnan(features.read(None, at_ms=0).features[0])


def test_inline_attributes_override_for_this_once_only(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age"), make.attribute("score", default=1.0)], [])
    profile, _ = features.update(
        None, make.update(attributes={"age": 40, "score": 2}), at_ms=make.now_ms
    )
    given_inline = row(features, profile, make.now_ms, attributes={"age": 20})
    assert given_inline == {"age": 20.0, "score": 2.0}
    assert row(features, profile, make.now_ms) == {"age": 40.0, "score": 2.0}


def test_dates_and_recency_grow_with_time(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.attribute("since", "date"), make.aggregate("quiet", "recency")], [make.buy]
    )
    at_ms = 20_000 * DAY_MS
    profile, _ = features.update(None, make.update(attributes={"since": "2024-10-05"}), at_ms=at_ms)
    profile = features.apply(profile, make.event(at_ms, received_at_ms=at_ms))
    assert row(features, profile, at_ms + 6 * 3_600_000) == {"since": -0.75, "quiet": 0.25}
    assert row(features, profile, at_ms - 60_000)["quiet"] == 0.0  # never negative


def test_late_events_do_not_make_the_last_one_older(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("quiet", "recency")], [make.buy])
    profile = features.apply(None, make.event(make.now_ms - DAY_MS))
    profile = features.apply(profile, make.event(make.now_ms - 9 * DAY_MS))
    assert row(features, profile, make.now_ms) == {"quiet": 1.0}


def test_events_raise_the_version_but_not_the_guard_version(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("orders")], [make.buy])
    profile, _ = features.update(
        None, make.update(consents={"sms": {"service": make.denied}}), at_ms=make.now_ms
    )
    again = features.apply(profile, make.event())
    assert (profile[4:12], again[4:12]) == (b"\1\0\0\0\1\0\0\0", b"\2\0\0\0\1\0\0\0")


def test_an_undeclared_event_is_refused(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("orders")], [make.buy])
    assert features.declares("buy")
    assert not features.declares("Buy")
    with pytest.raises(InputError, match="/event: event 'Buy' is not declared"):
        features.apply(None, make.event(name="Buy"))


def test_schema_names_the_columns_that_conditions_read(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("tier", "enum", values=("none", "gold")),
            make.attribute("since", "date"),
            make.aggregate("orders_30d", window="30d"),
            make.context("urgent", "bool"),
            make.action("branch", "action.term:product@1"),
        ],
        [make.buy],
    )
    schema = features.schema()
    assert schema == {
        "customer.since": Symbol("customer.since", ValueType.NUMBER, Level.SITUATION, 0),
        "customer.tier": Symbol(
            "customer.tier", ValueType.STRING, Level.SITUATION, 1, ("none", "gold")
        ),
        "customer.orders_30d": Symbol("customer.orders_30d", ValueType.NUMBER, Level.SITUATION, 2),
        "request.urgent": Symbol("request.urgent", ValueType.BOOL, Level.SITUATION, 3),
    }
    profile, _ = features.update(None, make.update(attributes={"tier": "gold"}), at_ms=make.now_ms)
    profile = features.apply(profile, make.event())
    view = features.read(profile, at_ms=make.now_ms, context={"urgent": True})
    condition = 'customer.tier == "gold" && customer.orders_30d >= 1.0 && request.urgent'
    program = compile_program([parse(condition, schema)])
    assert program.run(view.features.astype(np.float64), np.zeros((1, 0))).tolist() == [[1]]


def test_describe_gives_what_is_kept_in_words(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.attribute("since", "date"),
            make.aggregate("orders_7d", window="7d"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("gift_quiet", "recency", where="properties.gift"),
            make.context("basket"),
        ],
        [make.buy],
    )
    profile, _ = features.update(
        None,
        make.update(
            attributes={"age": 19.99, "since": "2021-05-06"},
            consents={"email": {"marketing": make.granted}, "sms": {"service": make.denied}},
            time_zone="Africa/Lagos",
            locale="yo-NG",
        ),
        at_ms=make.now_ms,
    )
    profile = features.apply(profile, make.event(amount=12.3))
    sms = consent_code("sms", "service")
    names = {consent_code("email", "marketing"): ("email", "marketing")}
    assert features.describe(profile, at_ms=make.now_ms, consent_names=names) == {
        "attributes": {"age": 19.99, "since": "2021-05-06"},
        "consents": {"email": {"marketing": "granted"}, "unknown": {f"{sms:08x}": "denied"}},
        "time_zone": "Africa/Lagos",
        "locale": "yo-NG",
        "aggregates": {"gift_quiet": None, "spend": 12.3, "orders_7d": 1.0},
    }
    later = features.describe(profile, at_ms=make.now_ms + 8 * DAY_MS)
    assert later["aggregates"]["orders_7d"] == 0.0


def test_a_profile_cut_anywhere_is_never_read(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age"),
            make.aggregate("quiet", "recency"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("spend_7d", "sum", property="amount", window="7d"),
            make.aggregate("orders_7d", window="7d"),
        ],
        [make.buy],
    )
    profile, _ = features.update(
        None,
        make.update(time_zone="Asia/Tokyo", locale="ja", consents={"a": {"b": make.granted}}),
        at_ms=make.now_ms,
    )
    profile = features.apply(profile, make.event(amount=3.5))
    for size in range(len(profile)):
        with pytest.raises(CorruptRecordError):
            features.read(profile[:size], at_ms=make.now_ms)
    with pytest.raises(CorruptRecordError):
        features.read(profile + b"\0", at_ms=make.now_ms)


def test_two_layouts_under_one_id_are_refused(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [])
    false = StoredLayout((), (), (), ())
    object.__setattr__(false, "layout_id", features.layout_id)
    with pytest.raises(DefinitionError, match="two layouts share the id"):
        features.with_previous([false])


def test_plain_data_gives_the_same_set_back(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("age", default=1.0, unit="years", tags=("personal",)),
            make.attribute("tier", "enum", values=("a", "b"), default="b"),
            make.aggregate("gifts_7d", window="7d", where="properties.gift"),
            make.context("urgent", "bool", default=True),
            make.context("basket", minimum=1.0),
            make.action("branch", "action.term:product@1"),
        ],
        [make.buy, make.opened],
    )
    again = FeatureSet.from_builtins(features.to_builtins())
    assert again.definitions == features.definitions
    assert again.events == features.events
    assert again.layout_id == features.layout_id
    assert again.names == features.names
    profile = again.apply(None, make.event(gift=True))
    assert profile == features.apply(None, make.event(gift=True))
    assert row(again, profile, make.now_ms)["gifts_7d"] == 1.0


CONDITIONS: dict[str, Any] = {
    "properties.gift": lambda p: p.get("gift") is True,
    "properties.amount > 100.0": lambda p: "amount" in p and p["amount"] > 100.0,
    'properties.category == "maison 🎁"': lambda p: p.get("category") == "maison 🎁",
    'properties.gift || properties.category != "שלום"': lambda p: (
        p.get("gift") is True or ("category" in p and p["category"] != "שלום")
    ),
}

windows = st.sampled_from([None, "1h", "5h", "1d", "7d", "52w", "365d"])
functions = st.sampled_from(["count", "sum", "recency"])
conditions = st.sampled_from([None, *CONDITIONS])
kinds = st.lists(
    st.tuples(functions, windows, conditions, st.sampled_from(["buy", "App Opened"])),
    min_size=1,
    max_size=8,
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.integers(-4_000, 4_000).map(lambda amount: amount / 4),
        "gift": st.booleans(),
        "category": st.sampled_from(["maison 🎁", "שלום", ""]),
    },
)


def slow_value(feature: AggregateFeature, events: list[Event], at_ms: int) -> float:
    """Return the value as documented, by looking at every event."""
    matching = [
        event
        for event in events
        if event.name == feature.event
        and (feature.where is None or CONDITIONS[feature.where](event.properties))
    ]
    if feature.function == "recency":
        last = max((event.at_ms // 1_000 for event in matching), default=None)
        return np.nan if last is None else max(at_ms / 1_000 - last, 0.0) / 86_400
    window_seconds = feature.window_seconds()
    if window_seconds is not None:
        tile_ms = window_seconds * 1_000 // 12
        matching = [event for event in matching if event.at_ms // tile_ms > at_ms // tile_ms - 12]
    if feature.function == "count":
        return len(matching)
    return sum(event.properties.get("amount", 0.0) for event in matching)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Any], list[tuple[int, int, str, dict[str, Any]]], int]:
    """Draw aggregates, events (time, reception, name, properties), and when to ask."""
    wanted = draw(kinds)
    now_ms = 1_750_000_000_000 + draw(st.integers(0, DAY_MS))
    spans = [3_600_000, 5 * 3_600_000, DAY_MS, 7 * DAY_MS, 365 * DAY_MS]
    events = []
    for _ in range(draw(st.integers(0, 20))):
        received_ms = now_ms - draw(st.integers(0, 400_000))
        if draw(st.booleans()):
            tile_ms = draw(st.sampled_from(spans)) // 12
            edge = (now_ms // tile_ms - draw(st.integers(0, 13))) * tile_ms
            at_ms = edge + draw(st.sampled_from([-1_000, -1, 0, 1]))
        else:
            at_ms = now_ms - draw(st.integers(-300_000, 2 * draw(st.sampled_from(spans))))
        at_ms = min(at_ms, received_ms + 300_000)
        name = draw(st.sampled_from(["buy", "App Opened"]))
        events.append((at_ms, received_ms, name, draw(properties) if name == "buy" else {}))
    return wanted, events, now_ms


@settings(deadline=None, max_examples=150)
@given(histories(), st.randoms(use_true_random=False), st.integers(0, 40))
def test_online_equals_a_slow_count_whatever_the_order(
    make: SimpleNamespace,
    history: tuple[list[Any], list[tuple[int, int, str, dict[str, Any]]], int],
    shuffler: random.Random,
    later_hours: int,
) -> None:
    wanted, drawn, now_ms = history
    aggregates = []
    for index, (function, window, where, event_name) in enumerate(wanted):
        more: dict[str, Any] = {"event": event_name, "window": window}
        if event_name == "buy":
            more["where"] = where
        if function == "recency":
            more["window"] = None
        if function == "sum":
            if event_name != "buy":
                continue
            more["property"] = "amount"
        aggregates.append(make.aggregate(f"x{index}", function, **more))
    features = FeatureSet(aggregates, [make.buy, make.opened])
    events = [
        make.event(at_ms, received_at_ms=received_ms, name=name, **given_properties)
        for at_ms, received_ms, name, given_properties in drawn
    ]
    profile = None
    for event in shuffler.sample(events, len(events)):
        profile = features.apply(profile, event)
    for asked_ms in (now_ms, now_ms + later_hours * 3_600_000):
        found = row(features, profile, asked_ms)
        for aggregate in aggregates:
            expected = np.float32(slow_value(aggregate, events, asked_ms))
            np.testing.assert_array_equal(np.float32(found[aggregate.name]), expected)
