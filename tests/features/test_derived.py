"""Values computed from a row: in which order, and what is missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nba.expressions import ExpressionError
from nba.features import FeatureSet
from nba.features.derived import CycleError


def computed(
    make: SimpleNamespace, derived: dict[str, str], given: dict[str, float], **segments: str
) -> dict[str, float]:
    """Return derived values and segments; names that begin with ``is_`` are bool."""
    features = FeatureSet(
        [
            *(make.attribute(name) for name in ("a", "b")),
            make.attribute("tier", "enum", values=("none", "gold")),
            make.context("basket"),
            *(
                make.derived(name, text, "bool" if name.startswith("is_") else "number")
                for name, text in derived.items()
            ),
        ],
        [],
        segments=[make.segment(name, text) for name, text in segments.items()],
    )
    context = {"basket": given["basket"]} if "basket" in given else {}
    attributes = {name: value for name, value in given.items() if name != "basket"}
    row: dict[str, Any] = make.row(features, None, attributes=attributes, context=context)
    return {name: row[name] for name in row if name not in {"a", "b", "tier", "basket"}}


def test_what_is_needed_is_computed_first_whatever_the_names(make: SimpleNamespace) -> None:
    derived = {
        "d_a": "customer.d_c + 1.0",
        "d_b": "customer.a * 2.0",
        "d_c": "customer.d_b * customer.d_b",
        "is_much": "customer.d_a > 10.0 && segment.high",
    }
    row = computed(make, derived, {"a": 3}, high="customer.d_c >= 36.0", both="customer.is_much")
    assert row == {
        "d_a": 37.0,
        "d_b": 6.0,
        "d_c": 36.0,
        "is_much": 1.0,
        "segment_both": 1.0,
        "segment_high": 1.0,
    }


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("customer.a / customer.b", {"a": 6, "b": 4}, 1.5),
        ("customer.a / customer.b", {"a": 6, "b": 0}, np.nan),
        ("customer.a / customer.b", {"a": 0, "b": 0}, np.nan),
        ("customer.a / customer.b", {"a": 6}, np.nan),
        ("customer.a + request.basket", {"a": 6, "basket": 0.5}, 6.5),
        ("customer.a + request.basket", {"a": 6}, np.nan),
        ("customer.a - -customer.b", {"a": 6, "b": 1}, 7.0),
        ("customer.a > 5.0 ? customer.b : 0.0", {"a": 6, "b": 2}, 2.0),
        ("customer.a > 5.0 ? customer.b : 0.0", {"a": 5}, 0.0),
        ("customer.a > 5.0 ? customer.b : 0.0", {"b": 2}, np.nan),
        ("customer.a * customer.b", {"a": 1e30, "b": 1e30}, np.inf),
    ],
)
def test_numbers(
    make: SimpleNamespace, expression: str, given: dict[str, float], value: float
) -> None:
    np.testing.assert_equal(computed(make, {"x": expression}, given), {"x": value})


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("customer.a > 1.0 && customer.b > 1.0", {"a": 2, "b": 2}, 1.0),
        ("customer.a > 1.0 && customer.b > 1.0", {"a": 2}, np.nan),
        ("customer.a > 1.0 && customer.b > 1.0", {"a": 0}, 0.0),  # false whatever b is
        ("customer.a > 1.0 || customer.b > 1.0", {"a": 2}, 1.0),
        ('customer.tier == "gold"', {"tier": "gold"}, 1.0),
        ('customer.tier in ["gold", "none"]', {}, np.nan),
        ("customer.a / customer.b > 1.0", {"a": 2, "b": 0}, np.nan),
    ],
)
def test_bools_and_segments(
    make: SimpleNamespace, expression: str, given: dict[str, Any], value: float
) -> None:
    row = computed(make, {"is_x": expression}, given, x=expression)
    np.testing.assert_equal(row, {"is_x": value, "segment_x": value})


def test_conditions_see_the_float32_that_the_row_holds(make: SimpleNamespace) -> None:
    derived = {"third": "customer.a / 3.0", "is_equal": "customer.third * 3.0 == 1.0"}
    row = computed(make, derived, {"a": 1})
    assert row["third"] == np.float32(1 / 3)
    assert row["is_equal"] == float(float(np.float32(1 / 3)) * 3.0 == 1.0) == 0.0


def test_a_circle_is_refused(make: SimpleNamespace) -> None:
    with pytest.raises(CycleError, match=r"customer.d_a, segment.s need one another") as caught:
        computed(
            make,
            {"d_a": "segment.s ? 1.0 : 0.0", "d_b": "1.0 + customer.a"},
            {},
            s="customer.d_a > 0.0",
        )
    assert caught.value.paths == ("customer.d_a", "segment.s")
    with pytest.raises(CycleError):
        computed(make, {"d_a": "customer.d_a + 1.0"}, {})


@pytest.mark.parametrize(
    "expression", ["customer.nobody + 1.0", "customer.tier", "customer.a > 1.0", "action.value"]
)
def test_what_is_no_number_of_the_row_is_refused(make: SimpleNamespace, expression: str) -> None:
    with pytest.raises(ExpressionError):
        computed(make, {"x": expression}, {})


def test_many_stages_are_many_steps(make: SimpleNamespace) -> None:
    derived = {"d0": "customer.a + 1.0"}
    derived |= {f"d{i}": f"customer.d{i - 1} + 1.0" for i in range(1, 40)}
    assert computed(make, derived, {"a": 0})["d39"] == 40.0
