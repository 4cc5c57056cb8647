"""What is wrong with a definition, and under which key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nba.features.checks import event_problems, feature_problems
from nba.features.definitions import EventDefinition, FeatureDefinition, PropertyType


def problems(make: SimpleNamespace, feature: FeatureDefinition) -> list[tuple[str, str]]:
    events = {"buy": make.buy, "App Opened": make.opened}
    found = feature_problems(feature, events, {"product", "channel"})
    return [(problem.key, f"{problem.found}; {problem.expected}") for problem in found]


@pytest.mark.parametrize("name", ["Age", "2nd", "a-b", "naïve", "", "a" * 65, "a b"])
def test_name_must_be_snake_case(make: SimpleNamespace, name: str) -> None:
    ((key, text),) = problems(make, make.attribute(name))
    assert key == "name"
    assert "snake_case" in text


@pytest.mark.parametrize("name", ["f_age", "a_age"])
def test_prefixes_of_log_columns_are_reserved(make: SimpleNamespace, name: str) -> None:
    ((key, text),) = problems(make, make.attribute(name))
    assert key == "name"
    assert "do not start it with f_ or a_" in text


def test_words_of_cel_are_no_names(make: SimpleNamespace) -> None:
    ((key, text),) = problems(make, make.attribute("in"))
    assert (key, "word of CEL" in text) == ("name", True)


@pytest.mark.parametrize(
    ("more", "key", "text"),
    [
        ({"type_": "enum"}, "values", "an enum without values"),
        ({"type_": "enum", "values": ("a", "b", "a")}, "values", "'a' is listed twice"),
        ({"type_": "enum", "values": ("a", "")}, "values", "an empty value"),
        ({"type_": "number", "values": ("a",)}, "values", "values are given for a number"),
        ({"type_": "enum", "values": ("a",), "default": "b"}, "default", "one of: a"),
        ({"type_": "number", "default": "7"}, "default", "a number is expected"),
        ({"type_": "number", "default": True}, "default", "a number is expected"),
        ({"type_": "bool", "default": 1.0}, "default", "true or false"),
        ({"type_": "date", "default": "2024-01-01"}, "default", "a number is expected"),
    ],
)
def test_attribute_faults(make: SimpleNamespace, more: dict[str, Any], key: str, text: str) -> None:
    ((found_key, found),) = problems(make, make.attribute("x", **more))
    assert found_key == key
    assert text in found


@pytest.mark.parametrize(
    ("more", "key", "text"),
    [
        ({"minimum": 2.0, "maximum": 1.0}, "minimum", "minimum 2 is above maximum 1"),
        ({"type_": "date"}, "type", "a number of days"),
        ({"type_": "bool", "maximum": 1.0}, "maximum", "maximum is given for a bool"),
        ({"maximum": 5.0, "default": 6.0}, "default", "at most 5 is expected"),
    ],
)
def test_context_faults(make: SimpleNamespace, more: dict[str, Any], key: str, text: str) -> None:
    ((found_key, found),) = problems(make, make.context("x", **more))
    assert found_key == key
    assert text in found


@pytest.mark.parametrize(
    ("more", "key", "text"),
    [
        ({"event": "by"}, "event", "declared events: App Opened, buy"),
        ({"function": "sum"}, "function", "number properties of 'buy': amount"),
        ({"function": "sum", "property": "total"}, "property", "'total' is not declared"),
        ({"function": "sum", "property": "category"}, "property", "'category' is a string"),
        ({"function": "count", "property": "amount"}, "property", "a property for a count"),
        ({"function": "recency", "window": "7d"}, "window", "looks back for ever"),
        ({"window": "30 days"}, "window", "1h to 365d"),
        ({"window": "0h"}, "window", "1h to 365d"),
        ({"window": "366d"}, "window", "1h to 365d"),
        ({"function": "count", "default": 0.0}, "default", "without events it is 0"),
        ({"where": "properties.total > 1.0"}, "where", "properties.total"),
        ({"where": "properties.amount == 'x'"}, "where", "column"),
        ({"where": "properties.amount"}, "where", "column"),
        ({"where": "properties.amount >"}, "where", "column"),
    ],
)
def test_aggregate_faults(make: SimpleNamespace, more: dict[str, Any], key: str, text: str) -> None:
    ((found_key, found),) = problems(make, make.aggregate("x", **more))
    assert found_key == key
    assert text in found


@pytest.mark.parametrize("window", ["1h", "365d", "52w", "8760h"])
def test_windows_from_an_hour_to_a_year_are_right(make: SimpleNamespace, window: str) -> None:
    assert problems(make, make.aggregate("x", window=window)) == []


@pytest.mark.parametrize(
    ("name", "source", "key", "text"),
    [
        ("x", "action.prize", "source", "action.term:<dimension>@<depth>"),
        ("x", "action.term:produkt@1", "source", "one of channel, product"),
        ("value", "action.cost", "name", "action.value means another thing"),
    ],
)
def test_action_faults(make: SimpleNamespace, name: str, source: str, key: str, text: str) -> None:
    ((found_key, found),) = problems(make, make.action(name, source))
    assert found_key == key
    assert text in found


def test_right_definitions_have_no_problems(make: SimpleNamespace) -> None:
    for feature in (
        make.attribute("tier", "enum", values=("a", "b"), default="b"),
        make.attribute("since", "date", default=30.0),
        make.context("basket", minimum=0.0, maximum=10.0, default=3.0),
        make.aggregate("gifts", "sum", property="amount", window="30d", where="properties.gift"),
        make.aggregate("quiet", "recency", default=999.0),
        make.action("message_class", "action.message_class"),
        make.action("branch", "action.term:product@1"),
    ):
        assert problems(make, feature) == []


def test_event_properties_must_be_fit_for_conditions() -> None:
    event = EventDefinition(
        name=" ", description="", properties={"a b": PropertyType.NUMBER, "ok": PropertyType.BOOL}
    )
    assert [problem.key for problem in event_problems(event)] == ["name", "properties"]
