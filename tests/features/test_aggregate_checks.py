"""What is wrong with a feature that events move, and under which key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nba.features.aggregate_checks import aggregate_problems, interaction_problems


def problems(make: SimpleNamespace, **more: Any) -> list[tuple[str, str]]:
    events = {"buy": make.buy, "App Opened": make.opened}
    found = aggregate_problems(make.aggregate("x", **more), events)
    return [(problem.key, f"{problem.found}; {problem.expected}") for problem in found]


AMOUNT = {"property": "amount"}
CATEGORY = {"property": "category"}
TOP = {"function": "top", **CATEGORY, "values": ("a", "b")}
DECAY = {"function": "decayed_count", "half_life": "1d"}


@pytest.mark.parametrize(
    ("more", "key", "text"),
    [
        ({"event": "by"}, "event", "event 'by' is not declared; declared events: App Opened, buy"),
        ({"event": ""}, "event", "no event is named; declared events: App Opened, buy"),
        # property
        (
            {"function": "sum"},
            "function",
            "a sum without a property; number properties of 'buy': a",
        ),
        ({"function": "top", "values": ("a",)}, "function", "string properties of 'buy': category"),
        ({"function": "distinct"}, "function", "a distinct without a property; string properties"),
        ({"function": "last"}, "function", "bool or number or string properties of 'buy': amount"),
        ({"function": "sum", "property": "total"}, "property", "'total' is not declared"),
        ({"function": "max", **CATEGORY}, "property", "'category' is a string; number properties"),
        ({"function": "mean", "property": "gift"}, "property", "'gift' is a bool; number"),
        ({"function": "distinct", **AMOUNT}, "property", "'amount' is a number; string prop"),
        ({"function": "count", **AMOUNT}, "property", "a property for a count; remove it, or use"),
        ({"function": "recency", **AMOUNT}, "property", "a property for a recency"),
        ({**DECAY, **AMOUNT}, "property", "a property for a decayed_count"),
        # values and rank
        ({"function": "last", **CATEGORY}, "values", "values of a string property; list them for"),
        ({"function": "first", **AMOUNT, "values": ("a",)}, "values", "values of a number prop"),
        ({"function": "top", **CATEGORY}, "values", "a top without values; list the words"),
        ({**TOP, "values": ("a", "a")}, "values", "value 'a' is listed twice; list it once"),
        ({**TOP, "values": tuple(map(str, range(201)))}, "values", "201 values; at most 200"),
        ({"values": ("a",)}, "values", "values are given for a count; remove them"),
        ({**TOP, "rank": 3}, "rank", "rank 3; 1 to 2"),
        ({**TOP, "rank": 0}, "rank", "rank 0; 1 to 2"),
        ({"rank": 2}, "rank", "a rank for a count; remove it, or use a top"),
        # limit and by
        ({"limit": 9}, "limit", "a limit for a count; remove it"),
        ({**TOP, "limit": 9}, "limit", "a limit for a top; remove it"),
        ({"function": "distinct", **CATEGORY, "limit": 201}, "limit", "limit 201; 1 to 200"),
        ({"by": "category", "limit": 0}, "limit", "limit 0; 1 to 200"),
        ({"by": "amount"}, "by", "by 'amount'; string properties of 'buy': category"),
        ({"by": "shop"}, "by", "by 'shop'; string properties of 'buy': category"),
        ({"function": "mean", **AMOUNT, "by": "category"}, "by", "a mean by 'category'; one of"),
        ({"function": "mean", **AMOUNT, "by": "category"}, "by", "max, min, recency, sum can be"),
        ({**TOP, "by": "category"}, "by", "a top by 'category'"),
        # time
        ({"window": "30 days"}, "window", "window '30 days'; 1h to 365d, as a whole number of h"),
        ({"window": "0h"}, "window", "window '0h'; 1h to 365d"),
        ({"window": "366d"}, "window", "longer or shorter than history is kept; 1h to 365d"),
        ({"function": "since_first", "window": "7d"}, "window", "it looks back for ever"),
        ({**DECAY, "window": "7d"}, "window", "a window for a decayed_count; remove it"),
        ({"function": "decayed_count"}, "half_life", "without half_life; a whole number of h, d"),
        ({**DECAY, "half_life": "0d"}, "half_life", "half_life '0d'; a whole number of h, d or w"),
        ({"half_life": "1d"}, "half_life", "half_life is given for a count; remove it"),
        # default
        ({"default": 0.0}, "default", "a default for a count; remove it: without events it is 0"),
        ({**DECAY, "default": 1.0}, "default", "a default for a decayed_count"),
        ({"function": "mean", **AMOUNT, "default": "a"}, "default", "found 'a'; a number is exp"),
        ({"function": "min", **AMOUNT, "default": 1e31}, "default", "-1e+30 to 1e+30"),
        ({**TOP, "default": "c"}, "default", "default, found 'c'; one of: a, b"),
        ({**TOP, "default": 1.0}, "default", "default, found 1.0; one of: a, b"),
        # ratio
        ({"numerator": "a"}, "numerator", "numerator is given for a count; remove it, or use a"),
        # where
        ({"where": "properties.total > 1.0"}, "where", "where, line 1, column 1: unknown name"),
        ({"where": "properties.amount == 'x'"}, "where", "where, line 1, column"),
        ({"where": "properties.amount"}, "where", "where, line 1, column"),
        ({"where": "properties.amount >"}, "where", "where, line 1, column"),
        ({"where": "customer.age > 1.0"}, "where", "where, line 1, column 1"),
        (
            {"where": "properties.category == properties.category"},
            "where",
            "compares two strings neither of which is a constant; compare a property with a const",
        ),
    ],
)
def test_aggregate_faults(make: SimpleNamespace, more: dict[str, Any], key: str, text: str) -> None:
    ((found_key, found),) = problems(make, **more)
    assert found_key == key
    assert text in found


@pytest.mark.parametrize("key", ["event", "property", "where", "window", "by"])
def test_a_ratio_takes_nothing_but_what_it_is_of(make: SimpleNamespace, key: str) -> None:
    of = {"function": "ratio", "event": "", "numerator": "a", "denominator": "b"}
    assert problems(make, **of) == []
    assert problems(make, **of, default=0.5) == []
    given = "30d" if key == "window" else "category"
    found = [text for found_key, text in problems(make, **{**of, key: given}) if found_key == key]
    assert f"{key} is given for a ratio; give it to what it is of" in found
    assert problems(make, function="ratio", event="") == [
        ("numerator", "a ratio without numerator; name an aggregate"),
        ("denominator", "a ratio without denominator; name an aggregate"),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"window": "1h"},
        {"window": "365d"},
        {"window": "52w"},
        {"window": "8760h"},
        {"function": "recency", "window": "7d", "default": 99.0},
        {"function": "mean", **AMOUNT, "default": 0.0},
        {"function": "first", **AMOUNT, "window": "1d"},
        {"function": "last", "property": "gift", "default": True},
        {"function": "last", **CATEGORY, "values": ("a", "b"), "default": "a"},
        {"function": "distinct", **CATEGORY, "limit": 200, "window": "7d"},
        {**TOP, "rank": 2, "default": "b"},
        {**DECAY, "by": "category", "limit": 200},
        {"function": "decayed_sum", **AMOUNT, "half_life": "2w"},
        {"function": "max", **AMOUNT, "by": "category", "default": 0.0},
        {"where": 'properties.category in ["a", "b"] && !properties.gift'},
    ],
)
def test_right_aggregates_have_no_problems(make: SimpleNamespace, more: dict[str, Any]) -> None:
    assert problems(make, **more) == []


def interaction(make: SimpleNamespace, of: str, **more: Any) -> list[tuple[str, str]]:
    found = interaction_problems(make.interaction("x", of, **more), {"product"})
    return [(problem.key, f"{problem.found}; {problem.expected}") for problem in found]


@pytest.mark.parametrize(
    ("of", "more", "key", "text"),
    [
        ("", {}, "of", "no kind is named; decision, or a kind of outcome"),
        ("decision", {}, "window", "decisions without a window; give one: a contact history"),
        ("decision", {"window": "366d"}, "window", "1h to 365d"),
        ("click", {"window": "5m"}, "window", "window '5m'; 1h to 365d"),
        ("click", {"function": "decayed_count"}, "half_life", "without half_life"),
        (
            "click",
            {"function": "decayed_count", "half_life": "1d", "window": "7d"},
            "window",
            "a window for a decayed_count; remove it",
        ),
        ("click", {"by": "content"}, "by", "by 'content'; action, placement, channel or <dim"),
        ("click", {"by": "produkt@1"}, "by", "'produkt' is no dimension of the taxonomy; one of p"),
        ("click", {"limit": 5}, "limit", "a limit for a count; remove it"),
        ("click", {"by": "action", "limit": 201}, "limit", "limit 201; 1 to 200"),
        ("click", {"default": 0.0}, "default", "a default for a count"),
        ("click", {"where": "properties.amount > 1.0"}, "where", "where, line 1, column 1"),
        ("click", {"where": "properties.channel == properties.action"}, "where", "two strings"),
    ],
)
def test_interaction_faults(
    make: SimpleNamespace, of: str, more: dict[str, Any], key: str, text: str
) -> None:
    ((found_key, found),) = interaction(make, of, **more)
    assert found_key == key
    assert text in found


def test_right_interactions_have_no_problems(make: SimpleNamespace) -> None:
    fading = {"function": "decayed_count", "half_life": "1d"}
    for of, more in (
        ("click", {}),
        ("click", {"by": "product@2", "limit": 9, "window": "7d"}),
        ("click", {"function": "recency", "default": 99.0}),
        ("click", fading),
        ("decision", {"window": "7d", "by": "action"}),
        ("decision", {"window": "7d", **fading}),
        ("decision", {"window": "1h", "where": 'properties.channel != "email"'}),
    ):
        assert interaction(make, of, **more) == []
