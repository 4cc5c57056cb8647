"""A spec that makes no sense is refused, every fault at once."""

import pytest

from nba.errors import InputError
from nba.models import ModelSpec

GOOD = {
    "name": "accept",
    "description": "Chance of a conversion.",
    "owner": "data science",
    "card": "models/accept.md",
    "customer_features": ("age",),
}


def test_the_least_a_spec_says_fills_in_the_rest():
    spec = ModelSpec(**GOOD)
    assert (spec.outcome, spec.calibration, spec.alias) == ("convert", "logistic", "champion")
    assert (spec.min_rows, spec.min_positives) == (1000, 50)


def test_every_field_out_of_range_is_named():
    with pytest.raises(InputError) as caught:
        ModelSpec(
            **GOOD
            | {
                "name": " ",
                "customer_features": ("age", "age", "visits"),
                "candidate_features": ("value", "visits"),
                "min_rows": 0,
                "min_positives": -1,
                "parameters": {"num_leaves": 7, "objective": 1, "leaves": 3},
            }
        )
    assert [(fault.place, fault.found) for fault in caught.value.faults] == [
        ("/name", "found no text"),
        ("/min_rows", "found 0"),
        ("/min_positives", "found -1"),
        ("/customer_features/1", "'age' is named twice"),
        ("/candidate_features/1", "'visits' is named twice"),
        ("/parameters/leaves", "not a parameter that may be set"),
        ("/parameters/objective", "not a parameter that may be set"),
    ]


def test_a_model_of_no_features_is_refused():
    with pytest.raises(InputError, match="no features are named; name at least one"):
        ModelSpec(**GOOD | {"customer_features": ()})


def test_a_sensitive_feature_is_one_the_model_has():
    spec = ModelSpec(
        **GOOD | {"candidate_features": ("value",), "sensitive_features": ("age", "value")}
    )
    assert spec.sensitive_features == ("age", "value")
    assert ModelSpec(**GOOD).sensitive_features == ()
    with pytest.raises(InputError) as caught:
        ModelSpec(**GOOD | {"sensitive_features": ("age", "income")})
    assert [(fault.place, fault.found) for fault in caught.value.faults] == [
        ("/sensitive_features/1", "'income' is no feature of this model"),
    ]
