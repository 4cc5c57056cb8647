"""Conditions mean what CEL means, with numbers as doubles and missing data unknown."""

import pytest

from nba.measurement.conditions import compile_condition, names_read


@pytest.mark.parametrize(
    ("source", "customer", "expected"),
    [
        ("customer.age >= 18", {"age": 18.0}, True),
        ("customer.age >= 18", {"age": 17.5}, False),
        ("customer.age == 18", {"age": 18.0}, True),
        ("customer.age >= 18", {"age": None}, None),
        ("customer.age >= 18 || customer.tier == 'gold'", {"tier": "gold"}, True),
        ("customer.age >= 18 && customer.tier == 'gold'", {"tier": "none"}, False),
        ("customer.age >= 18 && customer.tier == 'gold'", {"tier": "gold"}, None),
        ("!customer.employee", {"employee": False}, True),
        ("!customer.employee", {"employee": True}, False),
        ("customer.tier in ['18', 'x && 2']", {"tier": "18"}, True),
        ("customer.share >= 0.33", {"share": 0.33}, True),
    ],
)
def test_condition_follows_cel(source, customer, expected):
    assert compile_condition(source)({"customer": customer}) is expected


def test_names_in_quotes_are_not_read():
    source = "customer.age > 1 && request.device == 'customer.fake' && customer.age < 9"
    assert names_read(source) == (("customer", "age"), ("request", "device"))
