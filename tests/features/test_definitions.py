"""Words of definitions: windows, sources of candidates, and what these give."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nba.features.definitions import (
    ActionSource,
    FeatureType,
    parse_term_flag,
    parse_term_source,
    parse_window,
    source_type,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h", 3_600), ("36h", 129_600), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_window_is_a_number_of_hours_days_or_weeks(text: str, seconds: int) -> None:
    assert parse_window(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "d", "1.5d", "-1d", "30 d", "5m", "30D", "P30D", "٣d", "9999999d"]
)
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no window"):
        parse_window(text)


def test_term_source_names_dimension_and_depth() -> None:
    assert parse_term_source("action.term:product@2") == ("product", 2)


@pytest.mark.parametrize(
    "source", ["action.term:product", "action.term:Product@1", "action.term:product@0", "action.id"]
)
def test_other_sources_are_no_terms(source: str) -> None:
    with pytest.raises(ValueError, match="is no term"):
        parse_term_source(source)


@pytest.mark.parametrize(
    ("source", "term"),
    [
        ("action.has_term:product:credit", "product:credit"),
        ("action.has_term:product:credit/card", "product:credit/card"),
        ("action.has_term:product", None),
        ("action.has_term:product:", None),
        ("action.has_term:Product:credit", None),
        ("action.has_term:product:a b", None),
        ("action.term:product@1", None),
    ],
)
def test_a_flag_names_a_term(source: str, term: str | None) -> None:
    assert parse_term_flag(source) == term


def test_sources_say_what_they_give() -> None:
    given = {source: source_type(source) for source in ActionSource}
    numbers = {
        "action.value",
        "action.cost",
        "action.priority",
        "action.days_since_launch",
        "content.variants",
    }
    assert {source for source, type_ in given.items() if type_ is FeatureType.NUMBER} == numbers
    assert {type_ for source, type_ in given.items() if source not in numbers} == {FeatureType.ENUM}
    assert source_type("action.term:product@1") is FeatureType.ENUM
    assert source_type("action.has_term:product:credit") is FeatureType.BOOL


def test_a_tag_makes_a_feature_sensitive(make: SimpleNamespace) -> None:
    assert make.attribute("faith", tags=("personal", "sensitive")).is_sensitive
    assert not make.attribute("age", tags=("personal",)).is_sensitive
