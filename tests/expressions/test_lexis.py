"""Checks on the bare text."""

from __future__ import annotations

import time

import pytest

from nba.expressions.lexis import MAX_LENGTH, check_text, string_value
from nba.expressions.types import ExpressionError


def _refusal(source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as refused:
        check_text(source)
    return refused.value


def test_longest_text_is_accepted_and_one_more_character_is_not() -> None:
    check_text("1" * MAX_LENGTH)
    assert _refusal("1" * (MAX_LENGTH + 1)).found == "an expression of 4,097 characters"


@pytest.mark.parametrize("source", ["", "  \n "])
def test_empty_text_is_refused(source: str) -> None:
    assert _refusal(source).found == "an empty expression"


def test_brackets_may_nest_32_deep_and_no_deeper() -> None:
    check_text("(" * 32 + "true" + ")" * 32)
    assert _refusal("(" * 33 + "true" + ")" * 33).column == 33
    check_text("[]" * 1_000)


def test_brackets_inside_strings_do_not_nest() -> None:
    check_text('"' + "(" * 100 + '" == "x"')


@pytest.mark.parametrize(
    ("source", "column", "found"),
    [
        ('x == "abc', 6, "a string that is not closed on its line"),
        ('x == "a\nb"', 6, "a string that is not closed on its line"),
        ('x == """a"""', 6, "a triple-quoted string"),
        ('x == r"a"', 6, "a word right before a string"),
        ('x == "a\\d"', 8, "escape \\d"),
        ('x == "a\\', 8, "escape \\"),
    ],
)
def test_strings_outside_the_subset_are_refused_in_place(
    source: str, column: int, found: str
) -> None:
    error = _refusal(source)
    assert (error.column, error.found) == (column, found)


def test_other_quote_may_stand_inside_a_string() -> None:
    check_text("""x == "it's" || y == 'say "yes"'""")


def test_unclosed_string_full_of_escapes_is_refused_at_once() -> None:
    started = time.perf_counter()
    _refusal('x == "' + "\\n" * 2_000)
    assert time.perf_counter() - started < 1.0


def test_escapes_are_resolved() -> None:
    assert string_value(r'"a\"b\\c\td"') == 'a"b\\c\td'
