"""Cells are read or named, never guessed."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.errors import InputError
from nba.training.cells import (
    CellFaults,
    parse_bools,
    parse_choices,
    parse_days_since,
    parse_numbers,
    parse_probabilities,
    parse_times,
    translate,
)


def text(*cells):
    return pl.Series("c", cells, dtype=pl.String)


def read(parse, cells, *more):
    faults = CellFaults("f.csv")
    found = parse(cells, *more, faults)
    faults.raise_any()
    return found.to_list()


def refused(parse, cells, *more):
    with pytest.raises(InputError) as raised:
        read(parse, cells, *more)
    return [str(fault) for fault in raised.value.faults]


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_every_finite_number_reads_back_as_it_was_written(numbers):
    cells = text(*(None if number is None else repr(number) for number in numbers))
    assert read(parse_numbers, cells) == numbers


@pytest.mark.parametrize("cell", ["NaN", "inf", "-inf", "1,5", "ten", "1 2"])
def test_what_is_no_finite_number_is_named_with_row_and_column(cell):
    (fault,) = refused(parse_numbers, text("1", cell))
    assert fault.startswith(f"f.csv row 2, column 'c': found {cell!r}; a finite number")


@pytest.mark.parametrize("cell", ["0", "-0.1", "1.01", "NaN", "x", None])
def test_what_is_no_probability_of_something_that_happened_is_refused(cell):
    assert len(refused(parse_probabilities, text("0.5", cell, "1"))) == 1
    assert read(parse_probabilities, text("0.5", "1")) == [0.5, 1.0]


def test_bools_come_in_the_usual_words():
    cells = text("1", "0", "TRUE", "false", "Yes", "no", None)
    assert read(parse_bools, cells) == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, None]
    assert "row 1" in refused(parse_bools, text("2"))[0]


def test_times_are_utc_unless_they_say_otherwise():
    cells = text("2024-05-01T12:00:00+02:00", "2024-05-01", None)
    noon = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert read(parse_times, cells) == [noon, noon - timedelta(hours=10), None]


def test_times_may_have_a_pattern():
    faults = CellFaults("f.csv")
    found = parse_times(text("31.12.2023", "2023-12-31"), faults, pattern="%d.%m.%Y")
    assert found.to_list() == [datetime(2023, 12, 31, tzinfo=UTC), None]
    with pytest.raises(InputError, match=r"row 2, column 'c': found '2023-12-31'; a time as %d"):
        faults.raise_any()


def test_dates_become_days_before_the_action():
    at = pl.Series("at", [datetime(2024, 1, 3, 12, tzinfo=UTC)] * 2)
    assert read(parse_days_since, text("2024-01-01", None), at) == [2.5, None]


def test_actions_that_are_not_mapped_are_named():
    assert read(parse_choices, text("A", "B"), {"A": "shoes", "B": "hats"}) == ["shoes", "hats"]
    assert refused(parse_choices, text("A", "C", None), {"A": "shoes"}) == [
        "f.csv row 2, column 'c': found 'C'; a mapped value: 'A'",
        "f.csv row 3, column 'c': an empty cell; a mapped value: 'A'",
    ]


def test_a_map_must_know_every_text_but_not_an_empty_cell():
    assert read(translate, text("a", None), {"a": 3.0}) == ["3.0", None]
    assert "found 'b'" in refused(translate, text("b"), {"a": 3.0})[0]


def test_the_first_twenty_are_named_and_all_are_counted():
    found = refused(parse_numbers, text(*["x"] * 25))
    assert len(found) == 21
    assert found[0].startswith("f.csv row 1,")
    assert found[20].startswith("f.csv column 'c': 25 bad cells in all;")
