"""The words that name a candidate's group."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nba.domain.ids import hash32
from nba.features.words import codes_of, gather, group_word, launch_day, word_of, words_of


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("action.id", "card"),
        ("action.message_class", "promotional"),
        ("action.days_since_launch", "2025-06-01"),
        ("action.term:product@1", "credit"),
        ("action.term:product@3", "credit/card/gold"),
        ("action.term:product@9", "credit/card/gold"),
        ("action.term:channel@1", None),
        ("placement.id", "web.home"),
        ("placement.channel", "web"),
        ("placement.direction", "inbound"),
    ],
)
def test_word_of_a_candidate(make: SimpleNamespace, source: str, word: str | None) -> None:
    assert word_of(source, make.card, make.web) == word


def test_an_action_never_launched_and_no_placement_have_no_word(make: SimpleNamespace) -> None:
    assert word_of("action.days_since_launch", make.loan, make.web) is None
    assert word_of("placement.id", make.card, None) is None


def test_all_words_of_a_catalog_are_sorted(make: SimpleNamespace) -> None:
    actions, placements = make.catalog.actions, make.catalog.placements

    def words(source: str) -> tuple[str, ...]:
        return words_of(source, actions, placements)

    assert words("action.id") == ("card", "loan", "no_action", "receipt")
    assert words("action.term:product@2") == ("credit/card", "credit/loan", "service")
    assert words("placement.channel") == ("email", "web")
    assert words("action.days_since_launch") == ("2025-06-01",)
    assert words("action.term:mood@1") == ()


def test_a_launch_is_on_a_day() -> None:
    assert launch_day("1970-01-02") == 1
    assert launch_day("2024-02-29") == 19_782


def test_each_candidate_finds_its_column(make: SimpleNamespace) -> None:
    columns = {"credit": 7, "service": 4}
    actions = [make.nothing, make.receipt, make.card, make.loan]
    found = gather(columns, "action.term:product@1", actions, make.web)
    assert found.tolist() == [-1, 4, 7, 7]
    assert gather({"email": 3}, "placement.channel", actions, make.web).tolist() == [-1] * 4


def test_group_of_an_interaction(make: SimpleNamespace) -> None:
    def group(by: str) -> str | None:
        feature = make.interaction("x", "click", by=by)
        return group_word(feature, make.card, make.email)

    assert [group(by) for by in ("action", "placement", "channel")] == [
        "card",
        "email.body",
        "email",
    ]
    assert (group("product@2"), group("mood@1")) == ("credit/card", None)


def test_codes_are_sorted_hashes() -> None:
    codes = codes_of(["b", "a", "c"])
    assert codes.tolist() == sorted(map(hash32, "abc"))
    assert codes_of([]).tolist() == []
