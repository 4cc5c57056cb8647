"""Spans of time: when two hold together, and when one holds as long as another."""

from __future__ import annotations

import pytest

from nba.control.lint.finding import listed
from nba.control.lint.subject import Span


@pytest.mark.parametrize(
    ("one", "other", "overlaps", "covers"),
    [
        (Span(None, None), Span(None, None), True, True),
        (Span(None, None), Span(1, 2), True, True),
        (Span(1, 2), Span(None, None), True, False),
        (Span(1, 5), Span(5, 9), False, False),
        (Span(1, 6), Span(5, 9), True, False),
        (Span(1, 9), Span(2, 9), True, True),
        (Span(None, 5), Span(2, None), True, False),
    ],
)
def test_spans_overlap_and_cover(one: Span, other: Span, *, overlaps: bool, covers: bool) -> None:
    assert one.overlaps(other) is overlaps
    assert other.overlaps(one) is overlaps
    assert one.covers(other) is covers


def test_a_span_is_over_at_its_end() -> None:
    assert [Span(1, 5).over(at_ms) for at_ms in (4, 5)] == [False, True]
    assert not Span(1, None).over(10**12)


def test_many_names_are_counted() -> None:
    assert listed(["a"]) == "a"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
