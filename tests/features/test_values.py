"""Values in and out of the numbers they are kept as."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.features.definitions import FeatureType
from nba.features.values import BadValueError, ValueSpec, finite_number

TIER = ValueSpec(FeatureType.ENUM, ("none", "silver", "gold"))
BOOL = ValueSpec(FeatureType.BOOL)
NUMBER = ValueSpec(FeatureType.NUMBER)
DATE = ValueSpec(FeatureType.DATE)
SET = ValueSpec(FeatureType.SET, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("spec", "value", "number"),
    [
        (TIER, "gold", 2.0),
        (BOOL, True, 1.0),
        (BOOL, False, 0.0),
        (NUMBER, 7, 7.0),
        (NUMBER, -1e30, -1e30),
        (DATE, "1970-01-02", 1.0),
        (DATE, "1969-12-31", -1.0),
        (DATE, "2024-02-29", 19_782.0),
    ],
)
def test_value_becomes_its_number(spec: ValueSpec, value: Any, number: float) -> None:
    assert spec.encode(value) == number


@pytest.mark.parametrize(
    ("spec", "value", "found", "expected"),
    [
        (TIER, "platinum", "'platinum'", "one of: none, silver, gold"),
        (TIER, 1, "1", "one of"),
        (TIER, ["gold"], "gold", "one of"),
        (BOOL, 1, "found 1", "true or false"),
        (BOOL, 0.0, "found 0.0", "true or false"),
        (BOOL, "true", "'true'", "true or false"),
        (NUMBER, "7", "'7'", "a number"),
        (NUMBER, True, "found true", "a number"),
        (NUMBER, None, "found null", "a number"),
        (NUMBER, float("nan"), "nan", "-1e+30 to 1e+30"),
        (NUMBER, float("inf"), "inf", "-1e+30 to 1e+30"),
        (NUMBER, 10**400, "beyond the range", "-1e+30 to 1e+30"),
        (DATE, "2023-02-29", "no calendar", "YYYY-MM-DD"),
        (DATE, "20240101", "'20240101'", "YYYY-MM-DD"),
        (DATE, "2024-W01-1", "2024-W01-1", "YYYY-MM-DD"),
        (DATE, "\u0662\u0660\u0662\u0664-01-01", "\u0662\u0660", "YYYY-MM-DD"),
        (DATE, 20240101, "20240101", "YYYY-MM-DD"),
    ],
)
def test_what_does_not_fit_says_what_was_found_and_what_would_be_right(
    spec: ValueSpec, value: Any, found: str, expected: str
) -> None:
    with pytest.raises(BadValueError) as caught:
        spec.encode(value)
    assert found in caught.value.found
    assert expected in caught.value.expected


def test_bounds_belong_to_the_range() -> None:
    spec = ValueSpec(FeatureType.NUMBER, minimum=0.0, maximum=10.0)
    assert (spec.encode(0), spec.encode(10)) == (0.0, 10.0)
    with pytest.raises(BadValueError, match="at least 0 is expected"):
        spec.encode(-0.001)
    with pytest.raises(BadValueError, match="at most 10 is expected"):
        spec.encode(10.5)


def test_negative_zero_becomes_zero() -> None:
    assert math.copysign(1.0, finite_number(-0.0)) == 1.0


def test_a_long_value_is_cut_in_messages() -> None:
    with pytest.raises(BadValueError) as caught:
        NUMBER.encode("x" * 10_000)
    assert len(caught.value.found) < 80


def test_decode_gives_the_value_back() -> None:
    assert TIER.decode(2.0) == "gold"
    assert BOOL.decode(1.0) is True
    assert DATE.decode(19_782.0) == "2024-02-29"
    assert NUMBER.decode(float(np.float32(19.99))) == 19.99
    assert NUMBER.decode(float("nan")) is None


@given(st.dates(min_value=date(1, 1, 1)))
def test_every_date_comes_back(day: date) -> None:
    assert DATE.decode(float(np.float32(DATE.encode(day.isoformat())))) == day.isoformat()


@given(st.floats(allow_nan=False, width=32, min_value=-(2.0**99), max_value=2.0**99))
def test_every_float32_comes_back(number: float) -> None:
    assert NUMBER.decode(NUMBER.encode(number)) == float(str(np.float32(number) + np.float32(0)))


def test_a_set_is_a_bool_for_each_value() -> None:
    assert SET.width == 3
    assert SET.encode_all(["c", "a", "c"]) == [1.0, 0.0, 1.0]
    assert SET.encode_all(()) == [0.0, 0.0, 0.0]
    assert all(math.isnan(number) for number in SET.encode_all(None))
    assert SET.decode_all([1.0, 0.0, 1.0]) == ["a", "c"]
    assert SET.decode_all([0.0, 0.0, 0.0]) == []
    assert SET.decode_all([math.nan] * 3) is None


@pytest.mark.parametrize("value", ["a", 1, {"a"}, ["d"], [["a"]], [None]])
def test_what_is_no_list_of_its_values_does_not_fit(value: Any) -> None:
    with pytest.raises(BadValueError) as caught:
        SET.encode_all(value)
    assert caught.value.expected == "a list of any of: a, b, c"


def test_a_set_has_no_one_number() -> None:
    with pytest.raises(TypeError):
        SET.encode(["a"])
    with pytest.raises(TypeError):
        SET.decode(1.0)


def test_everything_else_is_one_number() -> None:
    for spec, value, number in ((TIER, "gold", 2.0), (BOOL, True, 1.0), (NUMBER, 7, 7.0)):
        assert spec.width == 1
        assert spec.encode_all(value) == [number]
        assert spec.decode_all([number]) == value
        assert spec.decode_all(spec.encode_all(None)) is None


@given(st.sets(st.sampled_from("abc")))
def test_every_set_comes_back(held: set[str]) -> None:
    assert SET.decode_all(SET.encode_all(list(held))) == sorted(held)
