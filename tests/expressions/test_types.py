"""Types and the error of expressions."""

from __future__ import annotations

from nba.expressions import ExpressionError, member_path


def test_error_says_where_what_and_what_would_be_right() -> None:
    error = ExpressionError(14, "unknown name x", "did you mean y?")
    assert str(error) == "column 14: unknown name x; did you mean y?"
    assert isinstance(error, ValueError)


def test_error_names_the_line_only_beyond_the_first() -> None:
    error = ExpressionError(3, "a map is refused", "write a list", line=2)
    assert str(error) == "line 2, column 3: a map is refused; write a list"


def test_word_of_a_set_has_a_path_of_its_own() -> None:
    assert member_path("action.terms", "product:credit") == "action.terms[product:credit]"
