"""What is wrong with a definition, and under which key."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from nba.features.checks import event_problems, feature_problems, segment_problems
from nba.features.definitions import EventDefinition, FeatureType, PropertyType
from nba.features.kinds import FeatureDefinition


def problems(make: SimpleNamespace, feature: FeatureDefinition) -> list[tuple[str, str]]:
    events = {"buy": make.buy, "App Opened": make.opened}
    found = feature_problems(feature, events, {"product", "channel"})
    return [(problem.key, f"{problem.found}; {problem.expected}") for problem in found]


@pytest.mark.parametrize("name", ["Age", "2nd", "a-b", "naïve", "", "a" * 65, "a b"])
def test_name_must_be_snake_case(make: SimpleNamespace, name: str) -> None:
    ((key, text),) = problems(make, make.attribute(name))
    assert key == "name"
    assert text == (f"name {name!r}; snake_case is expected: a-z, 0-9, _, at most 64 characters")
    (problem,) = segment_problems(make.segment(name, "true"))
    assert (problem.key, problem.found) == ("name", f"name {name!r}")


@pytest.mark.parametrize("name", ["f_age", "a_age", "segment_age"])
def test_prefixes_of_columns_are_reserved(make: SimpleNamespace, name: str) -> None:
    ((key, text),) = problems(make, make.attribute(name))
    assert key == "name"
    assert "do not start it with f_ or a_ or" in text
    assert "segment_" in text


@pytest.mark.parametrize("name", ["in", "true", "null", "package"])
def test_words_of_cel_are_no_names(make: SimpleNamespace, name: str) -> None:
    expected = [("name", f"name {name!r} is a word of CEL; choose another name")]
    assert problems(make, make.attribute(name)) == expected
    (problem,) = segment_problems(make.segment(name, "true"))
    assert problem.key == "name"


@pytest.mark.parametrize(
    ("more", "key", "text"),
    [
        ({"type_": "enum"}, "values", "an enum without values; list its values"),
        ({"type_": "set"}, "values", "a set without values; list its values"),
        ({"type_": "enum", "values": ("a", "b", "a")}, "values", "value 'a' is listed twice"),
        ({"type_": "set", "values": ("a", "b", "a")}, "values", "value 'a' is listed twice"),
        ({"type_": "enum", "values": ("a", "")}, "values", "an empty value"),
        (
            {"type_": "set", "values": tuple(map(str, range(201)))},
            "values",
            "201 values; at most 200",
        ),
        ({"type_": "number", "values": ("a",)}, "values", "values are given for a number"),
        ({"type_": "enum", "values": ("a",), "default": "b"}, "default", "found 'b'; one of: a"),
        ({"type_": "set", "values": ("a",), "default": "a"}, "default", "a default for a set"),
        ({"type_": "number", "default": "7"}, "default", "a number is expected"),
        ({"type_": "number", "default": True}, "default", "a number is expected"),
        ({"type_": "bool", "default": 1.0}, "default", "true or false"),
        ({"type_": "date", "default": "2024-01-01"}, "default", "a number is expected"),
        ({"freshness": "90"}, "freshness", "freshness '90'; a whole number of h, d or w"),
        ({"freshness": "0d"}, "freshness", "freshness '0d'; a whole number of h, d or w"),
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
        ({"type_": "date"}, "type", "a date in the context; a number, bool or enum is expected"),
        ({"type_": "set", "values": ("a",)}, "type", "a set in the context; a number, bool"),
        ({"type_": "bool", "maximum": 1.0}, "maximum", "maximum is given for a bool"),
        ({"maximum": 5.0, "default": 6.0}, "default", "at most 5 is expected"),
    ],
)
def test_context_faults(make: SimpleNamespace, more: dict[str, Any], key: str, text: str) -> None:
    ((found_key, found),) = problems(make, make.context("x", **more))
    assert found_key == key
    assert text in found


SOURCES = "action.cost, action.days_since_launch, action.id"


@pytest.mark.parametrize(
    ("name", "source", "key", "text"),
    [
        ("x", "action.prize", "source", f"source 'action.prize'; one of {SOURCES}"),
        ("x", "action.prize", "source", "action.term:<dimension>@<depth>, action.has_term:<term>"),
        ("x", "action.term:produkt@1", "source", "'produkt' is no dimension of the taxonomy"),
        ("x", "action.term:produkt@1", "source", "one of channel, product"),
        ("x", "action.has_term:produkt:card", "source", "one of channel, product"),
        ("x", "action.has_term:product", "source", "source 'action.has_term:product'; one of"),
        ("value", "action.cost", "name", "action.value means another thing"),
        ("priority", "action.cost", "name", "action.priority means another thing"),
    ],
)
def test_action_faults(make: SimpleNamespace, name: str, source: str, key: str, text: str) -> None:
    ((found_key, found),) = problems(make, make.action(name, source))
    assert found_key == key
    assert text in found


@pytest.mark.parametrize(
    ("source", "type_", "right"),
    [
        ("action.value", "enum", "number"),
        ("action.id", "number", "enum"),
        ("action.has_term:product:card", "number", "bool"),
        ("content.variants", "bool", "number"),
    ],
)
def test_an_action_feature_is_what_its_source_gives(
    make: SimpleNamespace, source: str, type_: str, right: str
) -> None:
    feature = replace(make.action("x", source), type=FeatureType(type_))
    assert problems(make, feature) == [("type", f"{source} as a {type_}; it is a {right}")]
    assert problems(make, replace(feature, type=FeatureType(right))) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("action.value", "one of action.id, placement.channel, placement.id, action.term:"),
        ("action.has_term:product:card", "one of action.id"),
        ("action.term:produkt@1", "'produkt' is no dimension of the taxonomy; one of channel"),
    ],
)
def test_cross_faults(make: SimpleNamespace, source: str, text: str) -> None:
    ((key, found),) = problems(make, make.cross("x", "n", source))
    assert key == "source"
    assert text in found


def test_dimensions_are_looked_at_only_where_they_are_known(make: SimpleNamespace) -> None:
    for feature in (
        make.action("x", "action.term:anything@1"),
        make.cross("x", "n", "action.term:anything@1"),
        make.interaction("x", "click", by="anything@1"),
    ):
        assert list(feature_problems(feature, {}, None)) == []
        assert len(problems(make, feature)) == 1


def test_right_definitions_have_no_problems(make: SimpleNamespace) -> None:
    for feature in (
        make.attribute("tier", "enum", values=("a", "b"), default="b", freshness="90d"),
        make.attribute("likes", "set", values=("a", "b"), freshness="12h"),
        make.attribute("since", "date", default=30.0),
        make.context("basket", minimum=0.0, maximum=10.0, default=3.0),
        make.aggregate("gifts", "sum", property="amount", window="30d", where="properties.gift"),
        make.interaction("clicks", "click", by="product@2", limit=9),
        make.action("message_class", "action.message_class"),
        make.action("branch", "action.term:product@1"),
        make.action("is_card", "action.has_term:product:card"),
        make.action("age", "action.days_since_launch"),
        make.action("n_variants", "content.variants"),
        make.action("weight", "action.priority"),
        make.cross("mine", "n"),
        make.cross("line", "n", "action.term:product@2"),
        make.derived("twice", "customer.age * 2.0"),
    ):
        assert problems(make, feature) == []
    assert list(segment_problems(make.segment("young", "true"))) == []


def test_event_properties_must_be_fit_for_conditions() -> None:
    event = EventDefinition(
        name=" ",
        description="",
        properties={
            "a b": PropertyType.NUMBER,
            "in": PropertyType.STRING,
            "ok": PropertyType.BOOL,
        },
    )
    assert [(problem.key, problem.found) for problem in event_problems(event)] == [
        ("name", "the name is empty"),
        ("properties", "property 'a b' cannot be written in a condition"),
        ("properties", "property 'in' cannot be written in a condition"),
    ]


def test_events_of_the_service_and_unknown_sensitive_properties_are_refused() -> None:
    event = EventDefinition(
        name="nba.click",
        description="",
        properties={"page": PropertyType.STRING},
        sensitive=("ward", "page"),
    )
    assert [(p.key, p.found, p.expected) for p in event_problems(event)] == [
        (
            "name",
            "name 'nba.click' is of the service's own events",
            "declare an interaction to count outcomes",
        ),
        ("sensitive", "property 'ward' is not declared", "one of: page"),
    ]
