"""Words of definitions: windows, term sources, and what makes two aggregates the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nba.features.definitions import parse_term_source, parse_window


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h", 3_600), ("36h", 129_600), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_window_is_a_number_of_hours_days_or_weeks(text: str, seconds: int) -> None:
    assert parse_window(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "1.5d", "-1d", "30 d", "5m", "30D", "P30D"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no window"):
        parse_window(text)


def test_term_source_names_dimension_and_depth() -> None:
    assert parse_term_source("action.term:desired_action@2") == ("desired_action", 2)


@pytest.mark.parametrize("source", ["action.term:product", "action.term:product@0", "action.id"])
def test_other_sources_are_no_terms(source: str) -> None:
    with pytest.raises(ValueError, match="is no term"):
        parse_term_source(source)


def test_key_tells_what_is_computed_and_not_its_name(make: SimpleNamespace) -> None:
    week = make.aggregate("a", "sum", property="amount", window="7d")
    assert week.key() == make.aggregate("b", "sum", property="amount", window="1w").key()
    assert week.key() != make.aggregate("a", "sum", property="amount", window="8d").key()
    assert week.key() != make.aggregate("a", "sum", property="amount").key()
    filtered = make.aggregate("a", "sum", property="amount", window="7d", where="properties.gift")
    assert week.key() != filtered.key()
