"""What was probably meant."""

from __future__ import annotations

from nba.policies.suggestions import nearest


def test_near_word_is_suggested() -> None:
    assert nearest("promotinal", ["mandatory", "promotional"]) == "did you mean promotional?"


def test_known_words_are_listed_where_none_is_near() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", []) == "known: none"


def test_long_lists_are_cut() -> None:
    assert nearest("zzz", [f"a{n:02}" for n in range(12)]).endswith("a09 and 2 more")
