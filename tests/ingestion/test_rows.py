"""Texts become what their declared type says, or stay as they are for the declaration to refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.features.definitions import FeatureType, PropertyType
from nba.ingestion.rows import _milliseconds, typed


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("12", PropertyType.NUMBER, 12.0),
        ("-0.5e3", FeatureType.NUMBER, -500.0),
        (".5", FeatureType.NUMBER, 0.5),
        ("1_000", FeatureType.NUMBER, "1_000"),
        ("1,5", FeatureType.NUMBER, "1,5"),
        ("٣", FeatureType.NUMBER, "٣"),
        ("TRUE", FeatureType.BOOL, True),
        ("0", PropertyType.BOOL, False),
        ("yes", PropertyType.BOOL, "yes"),
        ("a|b", FeatureType.SET, ("a", "b")),
        ("12", PropertyType.STRING, "12"),
        ("12", FeatureType.ENUM, "12"),
        ("12", None, "12"),
    ],
)
def test_a_text_is_read_by_its_type(text: str, type_: Any, value: Any) -> None:
    assert typed(text, type_) == value


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity"])
def test_what_is_no_finite_number_is_read_as_such_to_be_refused(text: str) -> None:
    assert not math.isfinite(typed(text, PropertyType.NUMBER))


@given(st.floats(allow_nan=False))
def test_every_number_as_written_is_read_back(number: float) -> None:
    assert typed(repr(number), PropertyType.NUMBER) == number


@pytest.mark.parametrize(
    "value",
    [1_749_988_800_000, "1749988800000", "2025-06-15T12:00:00Z", "2025-06-15T14:00:00.000+02:00"],
)
def test_a_time_is_milliseconds_or_a_text_without_an_offset_utc(value: int | str) -> None:
    assert _milliseconds(value) == 1_749_988_800_000
    assert _milliseconds("2025-06-15 12:00:00") == 1_749_988_800_000
