"""Columns become the numbers a model sees, and the same ones whether from log or data frame."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import DefinitionError
from nba.models.propensity import ModelInput
from nba.models.spec import ModelSpec
from nba.training.encoding import encode_plain, encode_rows, model_inputs, recorded_inputs

ROWS = pl.DataFrame(
    {
        "decision_id": ["d1", "d2", "d3"],
        "f_age": pl.Series([41.0, None, 33.5], dtype=pl.Float32),
        "f_region": ["south", None, "north"],
        "a_action_id": ["shoes", "hats", "shoes"],
    }
)
INPUTS = (
    ModelInput("age", "situation"),
    ModelInput("region", "situation", ("north", "south")),
    ModelInput("action_id", "candidate", ("hats", "shoes")),
)


def spec(**changes):
    given_keys = {"customer_features": ("age", "region"), "candidate_features": ("action_id",)}
    return ModelSpec(name="m", description="", owner="", card="c", **(given_keys | changes))


def test_inputs_follow_the_spec_with_sorted_categories():
    assert model_inputs(spec(), ROWS) == INPUTS


def test_a_feature_never_recorded_is_named_with_the_nearest_there_is():
    with pytest.raises(DefinitionError) as raised:
        model_inputs(spec(customer_features=("ages", "zzz"), candidate_features=()), ROWS)
    assert [str(fault) for fault in raised.value.faults] == [
        "model 'm': the log has no situation feature 'ages'; did you mean 'age'?",
        "model 'm': the log has no situation feature 'zzz'; it has age, region",
    ]


def test_text_becomes_its_category_and_missing_becomes_nan():
    expected = [[41.0, 1.0, 1.0], [np.nan, np.nan, 0.0], [33.5, 0.0, 1.0]]
    found = encode_rows(INPUTS, ROWS)
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


def test_plain_columns_encode_alike_and_absent_ones_are_missing():
    plain = ROWS.select(pl.col("f_age").alias("age"), pl.col("a_action_id").alias("action_id"))
    found = encode_plain(INPUTS, plain)
    np.testing.assert_array_equal(found[:, [0, 2]], encode_rows(INPUTS, ROWS)[:, [0, 2]])
    assert np.isnan(found[:, 1]).all()


def test_everything_recorded_can_be_taken():
    assert recorded_inputs(ROWS) == INPUTS


@given(
    st.lists(st.none() | st.sampled_from("abcde")),
    st.lists(st.sampled_from("abcde"), unique=True),
)
def test_codes_are_positions_among_categories(texts, categories):
    entry = ModelInput("x", "situation", tuple(categories))
    frame = pl.DataFrame({"x": pl.Series(texts, dtype=pl.String)})
    slow = [float(categories.index(t)) if t in categories else np.nan for t in texts]
    np.testing.assert_array_equal(encode_plain([entry], frame)[:, 0], slow)
