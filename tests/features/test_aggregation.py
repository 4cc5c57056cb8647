"""What one event adds, and which events are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nba.domain.ids import hash32
from nba.errors import InputError
from nba.features.aggregates import slots_of
from nba.features.aggregation import MAX_AHEAD_MS, EventAggregation, Words, property_schema
from nba.features.definitions import EventDefinition, PropertyType

AMOUNT = {"property": "amount"}
CATEGORY = {"property": "category"}


def aggregation(make: SimpleNamespace, *features: Any) -> EventAggregation:
    """Return the aggregation of purchases by features of one slot each, in their order."""
    slots = []
    for feature in features:
        slots += slots_of(feature)
    return EventAggregation(make.buy, slots)


@pytest.fixture
def buying(make: SimpleNamespace) -> EventAggregation:
    return aggregation(
        make,
        make.aggregate("quiet", "recency"),
        make.aggregate("opens", event="App Opened"),
        make.aggregate("orders"),
        make.aggregate("spend", "sum", **AMOUNT),
        make.aggregate("gifts", where="properties.gift"),
        make.aggregate("big", "sum", **AMOUNT, where="properties.amount > 10.0"),
        make.aggregate("home", where='properties.category == "home"'),
    )


def amounts(make: SimpleNamespace, buying: EventAggregation, **said: Any) -> list[float]:
    (moves,) = buying.moves([make.event(**said)])
    return moves.amounts.tolist()


def test_only_its_own_aggregates_are_moved(buying: EventAggregation) -> None:
    assert buying.slots.tolist() == [0, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("properties", "moved"),
    [
        ({"amount": 12.5, "gift": True, "category": "home"}, [1, 1, 12.5, 1, 12.5, 1]),
        ({"amount": 10.0, "gift": False, "category": "kids"}, [1, 1, 10, None, None, None]),
        ({}, [1, 1, None, None, None, None]),
        ({"category": "home"}, [1, 1, None, None, None, 1]),
    ],
)
def test_unknown_conditions_and_missing_properties_move_nothing(
    make: SimpleNamespace,
    buying: EventAggregation,
    properties: dict[str, Any],
    moved: list[float | None],
) -> None:
    expected = [np.nan if amount is None else amount for amount in moved]
    np.testing.assert_array_equal(amounts(make, buying, **properties), expected)


def test_many_events_move_as_each_does_alone(
    make: SimpleNamespace, buying: EventAggregation
) -> None:
    events = [
        make.event(amount=amount, gift=gift, category=word, received_at_ms=make.now_ms + i)
        for i, (amount, gift, word) in enumerate(
            [(12.5, True, "home"), (10.0, False, "kids"), (99.0, True, "ho me"), (1.0, True, "")]
        )
    ]
    for alone, together in zip(
        (buying.moves([event])[0] for event in events), buying.moves(events), strict=True
    ):
        np.testing.assert_array_equal(alone.amounts, together.amounts)
        np.testing.assert_array_equal(alone.keys, together.keys)
        assert alone[3:] == together[3:]


def test_groups_are_told_apart_by_the_hash_of_their_word(make: SimpleNamespace) -> None:
    buying = aggregation(
        make,
        make.aggregate("by", "sum", **AMOUNT, by="category"),
        make.aggregate("kinds", "distinct", **CATEGORY),
        make.aggregate("top", "top", **CATEGORY, values=("home", "kids")),
        make.aggregate("gifts", by="category", where="properties.gift"),
    )
    nan = np.nan
    for said, expected in (
        ({"category": "home", "amount": 3.0, "gift": True}, [3, 1, 1, 1]),
        ({"category": "שלום", "amount": 3.0, "gift": False}, [3, 1, nan, nan]),  # not listed
        ({"category": "", "gift": True}, [nan, 1, nan, 1]),  # an empty word is a word
        ({"amount": 3.0, "gift": True}, [nan, nan, nan, nan]),
    ):
        (moves,) = buying.moves([make.event(**said)])
        np.testing.assert_array_equal(moves.amounts, expected)
        if "category" in said:
            assert set(moves.keys.tolist()) == {hash32(said["category"])}
    assert moves.keys.dtype == np.uint32


def test_ends_of_words_are_codes_and_other_words_do_not_count(make: SimpleNamespace) -> None:
    buying = aggregation(
        make,
        make.aggregate("l", "last", **CATEGORY, values=("home", "kids")),
        make.aggregate("f", "first", property="gift"),
    )
    nan = np.nan
    for said, expected in (
        ({"category": "kids", "gift": True}, [1, 1]),
        ({"category": "home", "gift": False}, [0, 0]),
        ({"category": "garden"}, [nan, nan]),
    ):
        np.testing.assert_array_equal(amounts(make, buying, **said), expected)


def test_a_mean_counts_those_that_have_the_property(make: SimpleNamespace) -> None:
    buying = aggregation(make, make.aggregate("mean", "mean", **AMOUNT))
    assert amounts(make, buying, amount=7.5) == [7.5, 1.0]
    np.testing.assert_array_equal(amounts(make, buying), [np.nan, np.nan])


@pytest.mark.parametrize(
    ("where", "counts"),
    [
        ('properties.category == "home"', ["home"]),
        ('properties.category != "home"', ["kids", "", "étage"]),
        ('properties.category in ["kids", "étage"]', ["kids", "étage"]),
        ('!(properties.category in ["kids", "home"])', ["", "étage"]),
        ('properties.category == "" || properties.category == "home"', ["home", ""]),
    ],
)
def test_conditions_over_words(make: SimpleNamespace, where: str, counts: list[str]) -> None:
    buying = aggregation(make, make.aggregate("x", where=where))
    words = ["home", "kids", "", "étage"]
    moves = buying.moves([make.event(category=word) for word in words])
    held = [word for word, move in zip(words, moves, strict=True) if move.amounts[0] == 1.0]
    assert held == counts
    assert np.isnan(amounts(make, buying)).all()  # without the property it is unknown


def test_a_table_of_columns_is_computed_at_once(
    make: SimpleNamespace, buying: EventAggregation
) -> None:
    columns = {
        "amount": np.array([12.5, np.nan, 4.0]),
        "gift": np.array([1.0, 0.0, np.nan]),
        "category": Words(np.array([0, -1, 1]), ["home", "kids"]),
    }
    keys, found = buying.compute(columns, 3)
    nan = np.nan
    np.testing.assert_array_equal(
        found,
        [[1, 1, 12.5, 1, 12.5, 1], [1, 1, nan, nan, nan, nan], [1, 1, 4, nan, nan, nan]],
    )
    assert keys.tolist() == np.zeros((3, 6)).tolist()
    empty = {"amount": np.empty(0), "gift": np.empty(0), "category": Words(np.empty(0, int), [])}
    assert buying.compute(empty, 0)[1].shape == (0, 6)


def test_groups_are_of_strings_only(make: SimpleNamespace) -> None:
    buying = aggregation(make, make.aggregate("x", by="category"))
    with pytest.raises(TypeError, match="told apart by strings"):
        buying.compute({"category": np.zeros(1)}, 1)


def test_symbols_of_conditions_are_the_properties(make: SimpleNamespace) -> None:
    schema = property_schema(make.buy, ["a", "b"])
    assert list(schema) == ["properties.amount", "properties.category", "properties.gift"]
    assert schema["properties.category"].values == ("a", "b")
    assert schema["properties.amount"].values == ()


def test_undeclared_properties_are_left_out_and_null_ones_are_missing(
    buying: EventAggregation, make: SimpleNamespace
) -> None:
    event, dropped = buying.check(make.event(amount=3, category=None, coupon="X", **{"a/b": 1}))
    assert event.properties == {"amount": 3.0}
    assert dropped == ("coupon", "a/b")


def test_negative_zero_is_zero(buying: EventAggregation, make: SimpleNamespace) -> None:
    event, _ = buying.check(make.event(amount=-0.0))
    assert str(event.properties["amount"]) == "0.0"


def test_every_wrong_property_is_named(buying: EventAggregation, make: SimpleNamespace) -> None:
    with pytest.raises(InputError) as caught:
        buying.check(make.event(amount="3", category=3, gift=0))
    assert [(fault.place, fault.expected) for fault in caught.value.faults] == [
        ("/properties/amount", "a number is expected"),
        ("/properties/category", "a string is expected"),
        ("/properties/gift", "true or false is expected"),
    ]


def test_a_property_with_a_slash_is_named_by_its_pointer(make: SimpleNamespace) -> None:
    event = EventDefinition(name="odd", description="", properties={"a/b": PropertyType.NUMBER})
    with pytest.raises(InputError, match=r"^/properties/a~1b: "):
        EventAggregation(event, []).check(make.event(name="odd", **{"a/b": "x"}))


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
