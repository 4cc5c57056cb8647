"""What one event adds, and which events are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nba.errors import InputError
from nba.features.aggregation import MAX_AHEAD_MS, EventAggregation


@pytest.fixture
def buying(make: SimpleNamespace) -> EventAggregation:
    return EventAggregation(
        make.buy,
        [
            make.aggregate("quiet", "recency"),
            make.aggregate("opens", event="App Opened"),
            make.aggregate("orders"),
            make.aggregate("spend", "sum", property="amount"),
            make.aggregate("gifts", where="properties.gift"),
            make.aggregate("big", "sum", property="amount", where="properties.amount > 10.0"),
            make.aggregate("home", where='properties.category == "home"'),
        ],
    )


def test_only_its_own_aggregates_are_moved(buying: EventAggregation) -> None:
    assert buying.slots.tolist() == [0, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("properties", "amounts"),
    [
        ({"amount": 12.5, "gift": True, "category": "home"}, [1, 1, 12.5, 1, 12.5, 1]),
        ({"amount": 10.0, "gift": False, "category": "kids"}, [1, 1, 10, None, None, None]),
        ({}, [1, 1, None, None, None, None]),
        ({"category": "home"}, [1, 1, None, None, None, 1]),
    ],
)
def test_unknown_conditions_and_missing_properties_do_not_count(
    buying: EventAggregation, properties: dict[str, Any], amounts: list[float | None]
) -> None:
    expected = [np.nan if amount is None else amount for amount in amounts]
    np.testing.assert_array_equal(buying.amounts(properties), expected)


def test_undeclared_properties_are_left_out_and_null_ones_are_missing(
    buying: EventAggregation, make: SimpleNamespace
) -> None:
    event, dropped = buying.check(make.event(amount=3, category=None, coupon="X", **{"a/b": 1}))
    assert event.properties == {"amount": 3.0}
    assert dropped == ("coupon", "a/b")


def test_every_wrong_property_is_named(buying: EventAggregation, make: SimpleNamespace) -> None:
    with pytest.raises(InputError) as caught:
        buying.check(make.event(amount="3", category=3, gift=0))
    assert [(fault.place, fault.expected) for fault in caught.value.faults] == [
        ("/properties/amount", "a number is expected"),
        ("/properties/category", "a string is expected"),
        ("/properties/gift", "true or false is expected"),
    ]


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf"), 1e31, 10**400])
def test_amounts_must_be_finite(
    buying: EventAggregation, make: SimpleNamespace, amount: float
) -> None:
    with pytest.raises(InputError, match="/properties/amount"):
        buying.check(make.event(amount=amount))


def test_five_minutes_ahead_is_the_limit(buying: EventAggregation, make: SimpleNamespace) -> None:
    buying.check(make.event(make.now_ms + MAX_AHEAD_MS))
    with pytest.raises(InputError, match="/timestamp: a time 300 s in the future"):
        buying.check(make.event(make.now_ms + MAX_AHEAD_MS + 1))
    with pytest.raises(InputError, match="/timestamp"):
        buying.check(make.event(4_102_444_800_000))  # 2100-01-01


def test_seconds_taken_for_milliseconds_are_refused(
    buying: EventAggregation, make: SimpleNamespace
) -> None:
    with pytest.raises(InputError, match="a time before 1980; milliseconds since 1970"):
        buying.check(make.event(make.now_ms // 1_000))
