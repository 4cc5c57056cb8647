"""What is read from kept state: every function, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nba.domain.customer import Event
from nba.features import FeatureSet
from nba.features.readout import RowPlan, flatten

DAY_S = 86_400
NOW = 1_750_000_200
DAYS = {days: NOW - days * DAY_S for days in (0, 1, 2, 3, 8, 40)}


def story(make: SimpleNamespace) -> list[Event]:
    """Return six purchases, oldest last: as they arrive has no say but where it is said."""
    said: list[tuple[int, dict[str, Any]]] = [
        (0, {"amount": 10.0, "category": "home"}),
        (1, {"amount": 30.0, "category": "kids", "gift": True}),
        (2, {"category": "home"}),
        (3, {"amount": -5.0, "category": "garden", "gift": False}),
        (8, {"amount": 100.0, "category": "home"}),
        (40, {"amount": 7.0}),
    ]
    return [
        make.event(DAYS[days] * 1_000, received_at_ms=NOW * 1_000, **properties)
        for days, properties in said
    ]


AMOUNT = {"property": "amount"}
CATEGORY = {"property": "category"}
WEEK = {"window": "7d"}


@pytest.mark.parametrize(
    ("function", "more", "value"),
    [
        ("count", {}, 6.0),
        ("count", WEEK, 4.0),
        ("count", {"where": "properties.gift"}, 1.0),
        ("count", {"where": "!properties.gift"}, 1.0),  # unknown where the property is missing
        ("count", {"where": 'properties.category != "home"'}, 2.0),
        ("count", {"where": 'properties.category in ["home", "kids"]'}, 4.0),
        ("count", {"where": "properties.amount > 9.0", **WEEK}, 2.0),
        ("sum", AMOUNT, 142.0),
        ("sum", {**AMOUNT, **WEEK}, 35.0),
        ("sum", {**AMOUNT, "where": 'properties.category == "home"'}, 110.0),
        ("mean", AMOUNT, 142 / 5),
        ("mean", {**AMOUNT, **WEEK}, 35 / 3),
        ("mean", {**AMOUNT, "where": 'properties.category == "none"'}, np.nan),
        ("min", AMOUNT, -5.0),
        ("min", {**AMOUNT, "where": "properties.gift"}, 30.0),
        ("max", AMOUNT, 100.0),
        ("max", {**AMOUNT, **WEEK}, 30.0),
        ("first", AMOUNT, 7.0),
        ("first", {**AMOUNT, **WEEK}, -5.0),
        ("last", AMOUNT, 10.0),
        ("last", {**AMOUNT, "where": "properties.gift"}, 30.0),
        ("last", {**AMOUNT, "window": "12h", "where": "properties.gift"}, np.nan),
        ("first", {"property": "gift"}, 0.0),
        ("last", {"property": "gift"}, 1.0),
        ("last", {**CATEGORY, "values": ("kids", "home")}, 1.0),
        ("last", {**CATEGORY, "values": ("garden", "kids")}, 1.0),  # other words do not count
        ("first", {**CATEGORY, "values": ("kids", "garden")}, 1.0),
        ("first", {**CATEGORY, "values": ("shoes",)}, np.nan),
        ("distinct", CATEGORY, 3.0),
        ("distinct", {**CATEGORY, "window": "2d"}, 2.0),
        ("distinct", {**CATEGORY, "limit": 2}, 2.0),
        ("distinct", {**CATEGORY, "where": "properties.gift"}, 1.0),
        ("recency", {}, 0.0),
        ("recency", {"where": "properties.gift"}, 1.0),
        ("recency", {"where": "properties.gift", "window": "12h"}, np.nan),
        ("recency", {"where": "properties.gift", "window": "30d"}, 1.0),
        ("since_first", {}, 40.0),
        ("since_first", {"where": "properties.gift"}, 1.0),
        ("since_first", {"where": "properties.amount > 1000.0"}, np.nan),
        ("top", {**CATEGORY, "values": ("kids", "garden", "home")}, 2.0),
        # kids and garden as often: in the order in which they are listed
        ("top", {**CATEGORY, "values": ("kids", "garden", "home"), "rank": 2}, 0.0),
        ("top", {**CATEGORY, "values": ("kids", "garden", "home"), "rank": 3}, 1.0),
        ("top", {**CATEGORY, "values": ("home", "shoes"), "rank": 2}, np.nan),
        ("top", {**CATEGORY, "values": ("shoes", "kids"), **WEEK}, 1.0),
        ("decayed_count", {"half_life": "1d", "where": "properties.amount > 9.0"}, 1.50390625),
        ("decayed_sum", {**AMOUNT, "half_life": "2d", "where": "properties.gift"}, 30 * 0.5**0.5),
    ],
)
def test_value_of_each_function(
    make: SimpleNamespace, function: str, more: dict[str, Any], value: float
) -> None:
    features = FeatureSet([make.aggregate("x", function, **more)], [make.buy])
    events = story(make)
    for order in (events, events[::-1]):
        row = make.row(features, make.played(features, order), NOW * 1_000)
        np.testing.assert_allclose(row["x"], value, rtol=1e-6)


def test_nothing_seen_is_0_or_missing_or_the_default(make: SimpleNamespace) -> None:
    without: dict[str, tuple[float, dict[str, Any]]] = {
        "count": (0.0, {}),
        "sum": (0.0, AMOUNT),
        "distinct": (0.0, CATEGORY),
        "decayed_count": (0.0, {"half_life": "1d"}),
        "decayed_sum": (0.0, {**AMOUNT, "half_life": "1d"}),
        "mean": (np.nan, AMOUNT),
        "min": (np.nan, AMOUNT),
        "max": (np.nan, AMOUNT),
        "first": (np.nan, AMOUNT),
        "last": (np.nan, AMOUNT),
        "recency": (np.nan, {}),
        "since_first": (np.nan, {}),
        "top": (np.nan, {**CATEGORY, "values": ("a",)}),
    }
    aggregates = [make.aggregate(f"x_{name}", name, **more) for name, (_, more) in without.items()]
    aggregates += [
        make.aggregate("d_mean", "mean", **AMOUNT, default=3.0),
        make.aggregate("d_recency", "recency", default=999.0),
        make.aggregate("d_top", "top", **CATEGORY, values=("a", "b"), default="b"),
        make.aggregate("d_last", "last", property="gift", default=True),
        make.ratio("d_ratio", "x_count", "x_sum", default=-1.0),
        make.ratio("x_ratio", "x_count", "x_sum"),
    ]
    features = FeatureSet(aggregates, [make.buy])
    empty, _ = features.update(None, make.update(), at_ms=0)
    expected = {f"x_{name}": value for name, (value, _) in without.items()}
    expected |= {"d_mean": 3.0, "d_recency": 999.0, "d_top": 1.0, "d_last": 1.0}
    expected |= {"d_ratio": -1.0, "x_ratio": np.nan}
    for profile in (None, empty):
        np.testing.assert_equal(make.row(features, profile), expected)


def test_a_default_gives_way_to_a_value(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("x", "mean", **AMOUNT, default=3.0)], [make.buy])
    assert make.row(features, make.played(features, [make.event(amount=0)])) == {"x": 0.0}
    assert make.row(features, make.played(features, [make.event()])) == {"x": 3.0}


def test_of_one_second_last_takes_the_later_arrival_and_first_the_earlier(
    make: SimpleNamespace,
) -> None:
    features = FeatureSet(
        [
            make.aggregate("a", "first", **AMOUNT),
            make.aggregate("b", "first", **AMOUNT, window="1h"),
            make.aggregate("c", "last", **AMOUNT),
        ],
        [make.buy],
    )
    at_ms = NOW * 1_000
    events = [
        make.event(at_ms + 900, received_at_ms=at_ms, amount=1),
        make.event(at_ms + 100, received_at_ms=at_ms, amount=2),
    ]
    row = make.row(features, make.played(features, events), at_ms)
    assert row == {"a": 1.0, "b": 1.0, "c": 2.0}


def test_windowed_first_moves_on_as_the_window_does(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("x", "first", **AMOUNT, window="1h")], [make.buy])
    events = [
        make.event(
            (NOW + minute * 60) * 1_000, received_at_ms=NOW * 1_000 + 3_600_000, amount=minute
        )
        for minute in (1, 7, 31)
    ]
    profile = make.played(features, events[::-1])
    found = [
        make.row(features, profile, (NOW + minute * 60) * 1_000)["x"]
        for minute in (59, 60, 64, 65, 89, 90)
    ]
    np.testing.assert_equal(found, [1.0, 7.0, 7.0, 31.0, 31.0, np.nan])


def test_recency_is_never_negative_and_knows_milliseconds(make: SimpleNamespace) -> None:
    features = FeatureSet([make.aggregate("x", "recency")], [make.buy])
    at_ms = 20_000 * DAY_S * 1_000
    profile = features.apply(None, make.event(at_ms + 999, received_at_ms=at_ms))
    assert make.row(features, profile, at_ms - 60_000)["x"] == 0.0
    assert make.row(features, profile, at_ms + 6 * 3_600_000)["x"] == 0.25
    assert make.row(features, profile, at_ms + 500)["x"] == np.float32(0.5 / DAY_S)


def test_decay_halves_with_each_half_life_and_counts_what_is_ahead_for_more(
    make: SimpleNamespace,
) -> None:
    features = FeatureSet(
        [
            make.aggregate("n", "decayed_count", half_life="1h"),
            make.aggregate("spend", "decayed_sum", **AMOUNT, half_life="2h"),
        ],
        [make.buy],
    )
    at_ms = NOW * 1_000
    hour_ms = 3_600_000
    events = [
        make.event(at_ms, received_at_ms=at_ms, amount=8),
        make.event(at_ms - 4 * hour_ms, received_at_ms=at_ms, amount=16),  # late
        make.event(at_ms, received_at_ms=at_ms),  # no amount: counted, not summed
    ]
    profile = make.played(features, events)
    assert make.row(features, profile, at_ms) == {"n": 2.0625, "spend": 12.0}
    assert make.row(features, profile, at_ms + 2 * hour_ms) == {"n": 0.515625, "spend": 6.0}
    ahead = make.played(features, [make.event(at_ms + 300_000, received_at_ms=at_ms, amount=1)])
    row = make.row(features, ahead, at_ms)
    np.testing.assert_allclose([row["n"], row["spend"]], [2 ** (1 / 12), 2 ** (1 / 24)], rtol=1e-6)


def test_a_ratio_is_of_values_and_missing_by_0(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.aggregate("orders"),
            make.aggregate("gifts", where="properties.gift"),
            make.aggregate("spend", "sum", **AMOUNT),
            make.aggregate("cheapest", "min", **AMOUNT, default=5.0),
            make.ratio("share", "gifts", "orders"),
            make.ratio("a_basket", "spend", "orders"),
            make.ratio("by_gifts", "orders", "gifts"),
            make.ratio("of_missing", "cheapest", "orders"),
        ],
        [make.buy],
    )
    profile = make.played(features, [make.event(amount=9.0), make.event(amount=3.0)])
    row = make.row(features, profile)
    assert (row["share"], row["a_basket"], row["of_missing"]) == (0.0, 6.0, 1.5)
    assert np.isnan(row["by_gifts"])
    profile = features.apply(profile, make.event(gift=True))
    row = make.row(features, profile)
    assert (row["share"], row["by_gifts"]) == (np.float32(1 / 3), 3.0)
    row = make.row(features, make.played(features, [make.event(gift=True)]))
    assert np.isnan(row["of_missing"])  # the default stands in for a value read, not within one


def test_crosses_read_their_group_and_what_a_missing_one_is(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.aggregate("n", by="category", window="7d"),
            make.aggregate("spend", "sum", **AMOUNT, by="category"),
            make.aggregate("least", "min", **AMOUNT, by="category"),
            make.aggregate("most", "max", **AMOUNT, by="category", default=-1.0),
            make.aggregate("quiet", "recency", by="category", window="7d"),
            make.aggregate("fading", "decayed_count", half_life="1d", by="category"),
            *(make.cross(f"my_{x}", x) for x in ("n", "spend", "least", "most", "quiet", "fading")),
        ],
        [make.buy],
        catalog=make.catalog,
    )
    at_ms = NOW * 1_000
    events = [
        make.event((NOW - DAY_S) * 1_000, received_at_ms=at_ms, category="card", amount=2.0),
        make.event((NOW - 9 * DAY_S) * 1_000, received_at_ms=at_ms, category="card", amount=8.0),
        make.event(at_ms, received_at_ms=at_ms, category="home", amount=1.0),
        make.event(at_ms, received_at_ms=at_ms, amount=100.0),  # of no group
        make.event((NOW - 9 * DAY_S) * 1_000, received_at_ms=at_ms, category="receipt"),
    ]
    row = make.row(features, make.played(features, events), at_ms)

    def of(word: str) -> list[float]:
        names = ("n", "spend", "least", "most", "quiet", "fading")
        return [row[f"my_{name}[{word}]"] for name in names]

    np.testing.assert_allclose(of("card"), [1, 10, 2, 8, 1, 0.5 + 0.5**9], rtol=1e-6)
    np.testing.assert_equal(of("loan"), [0.0, 0.0, np.nan, -1.0, np.nan, 0.0])
    np.testing.assert_allclose(of("receipt"), [0, 0, np.nan, -1, np.nan, 0.5**9], rtol=1e-6)
    never = make.row(features, None, at_ms)
    assert [never[f"my_{name}[card]"] for name in ("n", "most")] == [0.0, -1.0]
    assert not {"n", "spend", "home"} & set(features.names)


def test_freshness_makes_old_attributes_missing(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.attribute("score", freshness="2d"),
            make.attribute("tier", "enum", values=("a", "b"), default="a", freshness="1d"),
            make.attribute("likes", "set", values=("x", "y"), freshness="1d"),
            make.attribute("age"),
        ],
        [],
    )
    at_ms = NOW * 1_000
    attributes = {"score": 7, "tier": "b", "likes": ["y"], "age": 40}
    profile, _ = features.update(None, make.update(attributes=attributes), at_ms=at_ms)

    def after(seconds: float) -> list[float]:
        return list(make.row(features, profile, at_ms + int(seconds * 1_000)).values())

    assert features.names == ("age", "likes[x]", "likes[y]", "score", "tier")
    assert after(0) == after(DAY_S) == [40.0, 0.0, 1.0, 7.0, 1.0]
    np.testing.assert_equal(after(DAY_S + 0.001), [40.0, np.nan, np.nan, 7.0, 0.0])
    np.testing.assert_equal(after(2 * DAY_S + 1), [40.0, np.nan, np.nan, np.nan, 0.0])
    # What was set again is fresh again; what was not, is not.
    profile, _ = features.update(
        profile, make.update(attributes={"score": 8}), at_ms=at_ms + 3 * DAY_S * 1_000
    )
    np.testing.assert_equal(after(3 * DAY_S), [40.0, np.nan, np.nan, 8.0, 0.0])
    # Asked about a time before it was set, a value is not old.
    assert after(-DAY_S)[3] == 8.0


def test_days_since_launch_grow(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.action("age", "action.days_since_launch")], [], catalog=make.catalog
    )
    noon_ms = 20_240 * DAY_S * 1_000 + DAY_S * 500  # 2025-06-01 is day 20,240
    assert features.names == ("age[2025-06-01]",)
    empty, _ = features.update(None, make.update(), at_ms=0)
    assert make.row(features, empty, noon_ms + DAY_S * 1_000) == {"age[2025-06-01]": 1.5}
    assert make.row(features, empty, noon_ms - DAY_S * 1_000) == {"age[2025-06-01]": -0.5}


def test_candidates_are_as_old_for_a_customer_never_seen(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.action("age", "action.days_since_launch")], [], catalog=make.catalog
    )
    noon_ms = 20_240 * DAY_S * 1_000 + DAY_S * 500
    assert make.row(features, None, noon_ms) == {"age[2025-06-01]": 0.5}


def test_a_plan_is_one_array_in_a_stated_order() -> None:
    def column(*values: int) -> Any:
        return np.array(values, dtype=np.int64)

    plan = RowPlan(
        attributes=column(1, 2, 3).reshape(1, 3),
        n_times=4,
        specs=column(5, 6, 7, 8).reshape(1, 4),
        readouts=column(9, 10, 11, 12, 13).reshape(1, 5),
        known_begins=column(14, 15),
        known_keys=column(16),
        members=column(17, 18),
    )
    expected = [4, 1, 1, 1, 2, 1, 2, 1, 2, 3, *range(5, 19)]
    assert flatten(plan).tolist() == expected
