"""``sequence``: only after what must come before, not too soon and not too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from past import Told, packed

from nba.domain.ids import PolicyId
from nba.domain.policy import Selector
from nba.policies.kinds import SequencePolicy

NOW_S = 1_750_000_000
DAY = 86_400
CARD_AFTER_SHIRT = SequencePolicy(
    id=PolicyId("p"),
    description="d",
    applies_to=Selector(actions=("card",)),
    after=Selector(actions=("shirt",)),
    at_least=timedelta(days=2),
    within=timedelta(days=14),
)
WAITS = {"card": "sequence.not_yet"}


def said(seconds_ago, action="shirt", content=""):
    at_s = NOW_S - seconds_ago
    return Told(at_s=at_s, of="d1", action=action, placement="email.body", content=content)


@pytest.fixture
def found(guard, moment, left):
    """Return what a policy drops after a past, of which the answer made ``own`` entries."""

    def judge(policy, *past, own=0, since_s=0):
        history = packed(past, complete_since_s=since_s)
        situation = replace(moment(), history=history, answer_from=len(history) - own)
        return left(guard(policy), situation)

    return judge


@pytest.mark.parametrize(
    ("seconds_ago", "codes"),
    [
        (2 * DAY, WAITS),
        (2 * DAY + 1, {}),
        (14 * DAY - 1, {}),
        (14 * DAY, WAITS),
        (0, WAITS),
        (-DAY, WAITS),
    ],
)
def test_enough_must_have_passed_and_not_too_much(found, seconds_ago, codes):
    assert found(CARD_AFTER_SHIRT, said(seconds_ago)) == codes


def test_nothing_before_and_something_else_before_are_not_enough(found):
    assert found(CARD_AFTER_SHIRT) == WAITS
    assert found(CARD_AFTER_SHIRT, said(3 * DAY, "survey")) == WAITS
    assert found(CARD_AFTER_SHIRT, said(3 * DAY, "gone")) == WAITS


def test_an_outcome_may_be_what_it_waits_for(found):
    policy = replace(CARD_AFTER_SHIRT, outcome="click")
    contact = said(4 * DAY)
    assert found(policy, contact) == WAITS
    assert found(policy, contact, contact.came_to("click", NOW_S - 3 * DAY)) == {}
    assert found(policy, contact, contact.came_to("click", NOW_S - DAY)) == WAITS
    assert list(policy.noted_outcomes()) == ["click"]
    assert list(CARD_AFTER_SHIRT.noted_outcomes()) == []


def test_the_answers_own_contacts_do_not_come_before_it(found):
    policy = replace(CARD_AFTER_SHIRT, at_least=timedelta(0))
    assert found(policy, said(0), own=1) == WAITS
    assert found(policy, said(0)) == {}


def test_it_may_wait_for_a_content(found):
    policy = replace(CARD_AFTER_SHIRT, after=Selector(contents=("shirt.en",)))
    assert found(policy, said(3 * DAY, content="shirt.en")) == {}
    assert found(policy, said(3 * DAY, content="shirt.de")) == WAITS


def test_where_the_history_is_cut_it_is_not_known(found):
    assert found(CARD_AFTER_SHIRT, since_s=NOW_S - DAY) == {"card": "sequence.unknown"}
    assert found(CARD_AFTER_SHIRT, said(3 * DAY), since_s=NOW_S - 4 * DAY) == {}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, []),
        ({"at_least": timedelta(0)}, []),
        ({"at_least": timedelta(days=-1)}, ["at_least"]),
        ({"at_least": timedelta(days=14)}, ["at_least"]),
        ({"at_least": timedelta(days=15)}, ["at_least"]),
        ({"at_least": timedelta(0), "within": timedelta(0)}, ["within", "at_least"]),
        ({"within": timedelta(days=3_650)}, ["within"]),
        ({"outcome": ""}, ["outcome"]),
    ],
)
def test_bounds(given, fields):
    assert [problem.field for problem in replace(CARD_AFTER_SHIRT, **given).problems()] == fields


def test_sentence_says_what_it_waits_for():
    assert CARD_AFTER_SHIRT.reason(0).sentence == (
        "d (needs a contact at least 2 days ago within 14 days; "
        "what must come before it has not, or not at the right time)"
    )
