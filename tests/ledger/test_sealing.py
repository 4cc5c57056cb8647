"""Sealed values: nobody reads, swaps or tells them apart without the key."""

from __future__ import annotations

import os
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.errors import CorruptRecordError
from nba.ledger.sealing import HIDDEN, SEALED, Sealer, hide_sealed, is_sealed

SEALER = Sealer(bytes(range(32)), os.urandom)

_VALUES = st.one_of(
    st.text(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.integers(0, 2**53),
)


@settings(deadline=None)  # the first to seal loads the cipher
@given(value=_VALUES, customer=st.text(), name=st.text())
def test_what_is_sealed_opens_to_the_same(value: Any, customer: str, name: str) -> None:
    sealed = SEALER.seal(customer, name, value)
    assert is_sealed(sealed)
    assert sealed.isascii()
    assert SEALER.open(customer, name, sealed) == value


def test_a_sealed_value_shows_neither_itself_nor_its_length_nor_that_it_is_the_same() -> None:
    first, second = SEALER.seal("anna", "gender", "male"), SEALER.seal("anna", "gender", "male")
    assert "male" not in first
    assert first != second
    assert len(first) == len(SEALER.seal("anna", "gender", "female"))


@pytest.mark.parametrize(
    ("customer", "name", "sealer"),
    [
        ("boris", "gender", SEALER),
        ("anna", "tier", SEALER),
        ("anna", "gender", Sealer(bytes(32), os.urandom)),
    ],
)
def test_it_opens_for_its_customer_name_and_key_alone(
    customer: str, name: str, sealer: Sealer
) -> None:
    sealed = SEALER.seal("anna", "gender", "male")
    with pytest.raises(CorruptRecordError, match=f"'{name}' cannot be opened"):
        sealer.open(customer, name, sealed)


@pytest.mark.parametrize("damaged", ["", "AA", "é", "====", "A" * 80])
def test_a_damaged_value_is_said_to_be_one(damaged: str) -> None:
    with pytest.raises(CorruptRecordError, match="cannot be opened"):
        SEALER.open("anna", "gender", SEALED + damaged)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Sealer(bytes(16), os.urandom)


def test_a_pseudonym_is_the_same_each_time_and_needs_the_key() -> None:
    assert SEALER.pseudonym("anna") == SEALER.pseudonym("anna")
    assert SEALER.pseudonym("anna") != SEALER.pseudonym("boris")
    assert SEALER.pseudonym("anna") != Sealer(bytes(32), os.urandom).pseudonym("anna")
    assert "anna" not in SEALER.pseudonym("anna")


def test_only_what_is_named_and_there_is_sealed() -> None:
    given_ = {"age": 4.0, "gender": "male", "faith": None}
    sealed = SEALER.seal_named("anna", given_, {"gender", "faith"})
    assert sealed["age"] == 4.0
    assert sealed["faith"] is None
    assert hide_sealed(sealed) == {"age": 4.0, "gender": HIDDEN, "faith": None}
    assert SEALER.open_named("anna", sealed) == given_


def rows() -> pl.DataFrame:
    """Two customers; the last row is from before the feature was sensitive."""
    return pl.DataFrame(
        {
            "customer_id": ["anna", "boris", "anna"],
            "f_age": [1.0, 2.0, 3.0],
            "f_score": pl.Series([None, None, 0.25], dtype=pl.Float32),
            "sealed_f_score": [SEALER.seal("anna", "f_score", 0.5), None, None],
            "sealed_f_gender": [
                SEALER.seal("anna", "f_gender", "female"),
                SEALER.seal("boris", "f_gender", "male"),
                None,
            ],
            "sealed_x_liking": [SEALER.seal("anna", "x_liking", [0.5, None]), None, None],
        }
    )


def test_columns_are_opened_under_their_plain_names() -> None:
    opened = SEALER.open_columns(rows())
    assert opened.columns == ["customer_id", "f_age", "f_score", "f_gender", "x_liking"]
    assert opened["f_score"].dtype == pl.Float32
    assert opened["f_score"].to_list() == [0.5, None, 0.25]
    assert opened["f_gender"].to_list() == ["female", "male", None]
    assert opened["x_liking"].to_list() == [[0.5, None], None, None]


def test_columns_that_are_not_asked_for_are_left_out() -> None:
    opened = SEALER.open_columns(rows(), ["score"])
    assert opened.columns == ["customer_id", "f_age", "f_score"]
    assert opened["f_score"].to_list() == [0.5, None, 0.25]
