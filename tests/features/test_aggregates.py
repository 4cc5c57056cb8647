"""What aggregates need kept: which slots, under which keys, and the events of interactions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nba.features.aggregates import (
    AggregateFunction,
    Op,
    Slot,
    group_property,
    interaction_events,
    parse_group,
    slots_of,
    takes_value,
)
from nba.features.definitions import PropertyType


def slot(make: SimpleNamespace, function: str, **more: Any) -> Slot:
    (only,) = slots_of(make.aggregate("x", function, **more))
    return only


@pytest.mark.parametrize(
    ("function", "more", "op", "tile_seconds"),
    [
        ("count", {"window": "7d"}, Op.COUNT, 50_400),
        ("count", {}, Op.COUNT, 0),
        ("sum", {"property": "amount", "window": "1h"}, Op.SUM, 300),
        ("min", {"property": "amount", "window": "365d"}, Op.MIN, 2_628_000),
        ("max", {"property": "amount"}, Op.MAX, 0),
        ("first", {"property": "amount", "window": "1d"}, Op.FIRST, 7_200),
        ("last", {"property": "amount", "window": "1d"}, Op.LAST, 0),  # looked at when it is read
        ("recency", {"window": "1d"}, Op.LAST, 0),
        ("since_first", {}, Op.FIRST, 0),
        ("decayed_count", {"half_life": "1d"}, Op.DECAY, 0),
        ("distinct", {"property": "category", "window": "2h"}, Op.SEEN, 600),
        ("top", {"property": "category", "values": ("a", "b")}, Op.COUNT, 0),
    ],
)
def test_a_function_needs_one_slot_of_its_operation(
    make: SimpleNamespace, function: str, more: dict[str, Any], op: Op, tile_seconds: int
) -> None:
    needed = slot(make, function, **more)
    assert (needed.op, needed.tile_seconds) == (op, tile_seconds)


def test_a_mean_is_a_sum_by_how_many_had_the_property(make: SimpleNamespace) -> None:
    total, number = slots_of(make.aggregate("x", "mean", property="amount", window="1h"))
    assert (total.op, total.property, total.tile_seconds) == (Op.SUM, "amount", 300)
    assert (number.op, number.property, number.tile_seconds) == (Op.COUNT, "amount", 300)
    assert total.key != slot(make, "sum", property="amount", window="1h").key


def test_a_ratio_keeps_nothing_of_its_own(make: SimpleNamespace) -> None:
    assert slots_of(make.ratio("x", "a", "b")) == ()


def test_words_and_limits_of_what_is_told_apart(make: SimpleNamespace) -> None:
    distinct = slot(make, "distinct", property="category")
    assert (distinct.by, distinct.limit, distinct.words) == ("category", 50, ())
    assert slot(make, "distinct", property="category", limit=7).limit == 7
    top = slot(make, "top", property="category", values=("a", "b", "c"))
    assert (top.by, top.limit, top.words) == ("category", 3, ("a", "b", "c"))
    by = slot(make, "sum", property="amount", by="category")
    assert (by.by, by.limit, by.words, by.property) == ("category", 64, (), "amount")
    assert slot(make, "count", by="category", limit=9).limit == 9
    assert slot(make, "count").limit == 0


def test_the_words_of_an_end_are_kept_as_codes(make: SimpleNamespace) -> None:
    assert slot(make, "last", property="category", values=("a", "b")).codes == ("a", "b")
    assert slot(make, "first", property="amount").codes == ()


def test_key_tells_what_is_computed_and_not_its_name(make: SimpleNamespace) -> None:
    def key(name: str = "x", **more: Any) -> str:
        (only,) = slots_of(make.aggregate(name, **more))
        return only.key

    week = {"function": "sum", "property": "amount", "window": "7d"}
    assert key("a", **week) == key("b", **{**week, "window": "1w"})
    assert key("a", **week, default=None) == key("b", **week)
    others = [
        week,
        {**week, "window": "8d"},
        {**week, "window": None},
        {**week, "function": "max"},
        {**week, "where": "properties.gift"},
        {**week, "event": "App Opened"},
        {**week, "by": "category"},
        {**week, "by": "category", "limit": 63},
        {"function": "decayed_sum", "property": "amount", "half_life": "1d"},
        {"function": "decayed_sum", "property": "amount", "half_life": "2d"},
        {"function": "top", "property": "category", "values": ("a", "b")},
        {"function": "top", "property": "category", "values": ("b", "a")},
        {"function": "last", "property": "category", "values": ("a", "b")},
        {"function": "last", "property": "category", "values": ("b", "a")},
    ]
    assert len({key(**other) for other in others}) == len(others)


def test_separators_in_names_do_not_make_two_keys_one() -> None:
    one = Slot(event='a","COUNT', op=Op.COUNT)
    other = Slot(event="a", op=Op.COUNT, property='COUNT",null')
    assert one.key != other.key


def test_only_functions_of_a_value_take_one() -> None:
    valueless = {
        AggregateFunction.COUNT,
        AggregateFunction.DISTINCT,
        AggregateFunction.RECENCY,
        AggregateFunction.SINCE_FIRST,
        AggregateFunction.TOP,
        AggregateFunction.DECAYED_COUNT,
        AggregateFunction.RATIO,
    }
    assert {function for function in AggregateFunction if not takes_value(function)} == valueless


@pytest.mark.parametrize(
    ("by", "group", "property_"),
    [
        ("action", None, "action"),
        ("placement", None, "placement"),
        ("channel", None, "channel"),
        ("product@2", ("product", 2), "term_product_2"),
        ("a_b@9", ("a_b", 9), "term_a_b_9"),
    ],
)
def test_groups_of_interactions(by: str, group: tuple[str, int] | None, property_: str) -> None:
    assert parse_group(by) == group
    assert group_property(by) == property_


@pytest.mark.parametrize("by", ["", "product", "product@0", "product@10", "Product@1", "content"])
def test_other_groups_are_refused(by: str) -> None:
    with pytest.raises(ValueError, match="is no grouping"):
        parse_group(by)


def test_an_interaction_is_an_aggregate_of_the_event_of_its_outcome(make: SimpleNamespace) -> None:
    feature = make.interaction(
        "clicks", "click", window="30d", by="product@1", limit=5, where='properties.channel == "x"'
    )
    aggregate = feature.aggregate()
    assert (aggregate.event, aggregate.by, aggregate.limit) == ("nba.click", "term_product_1", 5)
    assert (aggregate.window, aggregate.where) == ("30d", 'properties.channel == "x"')


def test_each_kind_of_outcome_has_one_event_with_all_groups_asked_for(
    make: SimpleNamespace,
) -> None:
    events = interaction_events(
        (
            make.interaction("a", "click"),
            make.interaction("b", "click", by="product@1"),
            make.interaction("c", "click", by="action"),
            make.interaction("d", "decision", by="journey@1", window="1d"),
            make.interaction("e", "accept"),
        )
    )
    string = PropertyType.STRING
    usual = {"action": string, "placement": string, "channel": string}
    assert {event.name: event.properties for event in events} == {
        "nba.click": {**usual, "term_product_1": string},
        "nba.accept": usual,
    }
