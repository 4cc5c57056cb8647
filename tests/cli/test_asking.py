"""``nba decide``, ``explain`` and ``replay`` against a running service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


def test_a_decision_is_asked_for_explained_and_replayed(nba: Run, url: str) -> None:
    asked = ("decide", "ann", "app.inbox", "--count", 2, "--url", url, "--json")
    answer = nba(*asked, "--context", "device=mobile").json
    assert answer["customer_id"] == "ann"
    assert 1 <= len(answer["choices"]) <= 2
    explained = nba("explain", answer["decision_id"], "--url", url, "--json").json
    assert explained["answer"] == answer
    replayed = nba("replay", answer["decision_id"], "--url", url, "--json").json
    assert replayed["decision_id"] == answer["decision_id"]
    assert replayed["identical"] is True


def test_they_tell_people_the_same(nba: Run, url: str) -> None:
    told = nba("decide", "bob", "web.home.hero", "--url", url)
    assert told.status == 0
    decision = told.out.split()[1].rstrip(",")
    explained = nba("explain", decision, "--url", url)
    assert "replayed to the byte: yes" in " ".join(explained.out.split())
    assert "no_action" in explained.out
    assert "identical" in nba("replay", decision, "--url", url).out


def test_an_explanation_says_what_else_may_come_of_an_action(nba: Run, url: str) -> None:
    told = nba("decide", "cid", "email.body", "--url", url, "--json").json
    explained = nba("explain", told["decision_id"], "--url", url)
    said = " ".join(explained.out.split())
    assert "goals of club_double_points: unsubscribe 0.0020 worth -15.00" in said
    assert said.count("goals of") == 1


def test_a_dry_run_is_not_kept(nba: Run, url: str) -> None:
    answer = nba("decide", "dry", "web.home.hero", "--dry-run", "--url", url, "--json").json
    assert answer["mode"] == "dry_run"
    ran = nba("explain", answer["decision_id"], "--url", url)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: there is no decision")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("web.nowhere",), "/placements/0/id: placement 'web.nowhere' is unknown"),
        (("web.home.hero", "--count", 9), "/placements/0/count: count is 9"),
        (("web.home.hero", "--context", "moon=full"), "/context/moon: not declared"),
        (("web.home.hero", "--context", "moon"), "--context: found 'moon'"),
    ],
)
def test_what_was_asked_wrongly_is_said(
    nba: Run, url: str, words: tuple[object, ...], said: str
) -> None:
    ran = nba("decide", "eve", *words, "--url", url)
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err


def test_where_nothing_answers_it_says_what_to_start(nba: Run) -> None:
    ran = nba("decide", "ann", "web.home.hero", "--url", "http://127.0.0.1:1")
    assert ran.status == 1
    assert "no service answers at http://127.0.0.1:1" in ran.err
    assert "nba up" in ran.err
