"""Every key and function has a meaning, and what functions are said to take is what is accepted."""

from __future__ import annotations

from dataclasses import fields

import pytest

from nba.features.aggregate_checks import aggregate_problems
from nba.features.aggregates import AggregateFeature, AggregateFunction
from nba.features.definitions import EventDefinition, PropertyType, SegmentDefinition
from nba.features.kinds import KINDS
from nba.features.meanings import COMMON, EVENT_KEYS, FUNCTIONS, KEYS, SEGMENT_KEYS

EVENTS = {
    "Order": EventDefinition(
        name="Order",
        description="",
        properties={"amount": PropertyType.NUMBER, "word": PropertyType.STRING},
    )
}
WORDED = {AggregateFunction.DISTINCT, AggregateFunction.TOP}
GIVEN = {
    "event": "Order",
    "property": "amount",
    "where": "properties.amount > 1.0",
    "window": "30d",
    "half_life": "7d",
    "values": ("a", "b"),
    "rank": 2,
    "limit": 20,
    "by": "word",
    "numerator": "orders",
    "denominator": "visits",
    "default": 1.0,
}


def feature(function: AggregateFunction, *keys: str) -> AggregateFeature:
    given = {key: GIVEN[key] for key in keys}
    is_worded = function in WORDED or "values" in keys
    if "property" in given and is_worded:
        given["property"] = "word"
    if "default" in given and is_worded:
        given["default"] = "a"
    return AggregateFeature(name="x", description="", function=function, **given)


def is_right(one: AggregateFeature) -> bool:
    return not list(aggregate_problems(one, EVENTS))


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_a_kind_has_a_meaning_and_no_other(kind):
    assert {*COMMON, *KEYS[kind]} == {field.name for field in fields(KINDS[kind])}


def test_every_key_of_events_and_segments_has_a_meaning_and_no_other():
    assert set(EVENT_KEYS) == {field.name for field in fields(EventDefinition)}
    assert set(SEGMENT_KEYS) == {field.name for field in fields(SegmentDefinition)}


def test_every_function_has_a_meaning():
    assert set(FUNCTIONS) == set(AggregateFunction)


@pytest.mark.parametrize("function", AggregateFunction)
def test_what_a_function_needs_is_enough_and_none_of_it_can_be_left_out(function):
    needs = FUNCTIONS[function].needs
    assert is_right(feature(function, *needs))
    for key in needs:
        assert not is_right(feature(function, *(other for other in needs if other != key))), key


@pytest.mark.parametrize("function", AggregateFunction)
def test_a_function_takes_what_is_said_and_nothing_else(function):
    meaning = FUNCTIONS[function]
    for key in GIVEN.keys() - set(meaning.needs):
        with_it = {*meaning.needs, key}
        if key == "limit" and function is not AggregateFunction.DISTINCT:
            with_it.add("by")
        assert is_right(feature(function, *with_it)) == (key in meaning.takes), key
