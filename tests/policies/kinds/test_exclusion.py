"""``exclusion``: of several only one, in an answer and in a window."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from past import Told, packed

from nba.domain.ids import PolicyId
from nba.domain.policy import Selector
from nba.policies.kinds import Exclusion

NOW_S = 1_750_000_000
DAY = 86_400
IN_ANSWER = Exclusion(
    id=PolicyId("p"), description="d", applies_to=Selector(actions=("card", "shirt"))
)
IN_WEEK = replace(IN_ANSWER, window=timedelta(days=7))
OTHER = "exclusion.other_said"


def said(action, seconds_ago, placement="web.hero"):
    return Told(at_s=NOW_S - seconds_ago, of="d1", action=action, placement=placement)


@pytest.fixture
def found(guard, moment, left):
    """Return what a policy drops after a past, of which the answer made ``own`` entries."""

    def judge(policy, *past, own=0, since_s=0):
        history = packed(past, complete_since_s=since_s)
        situation = replace(moment(), history=history, answer_from=len(history) - own)
        return left(guard(policy), situation)

    return judge


def test_what_was_said_may_be_said_again_and_the_others_not(found):
    assert found(IN_WEEK, said("shirt", DAY)) == {"card": OTHER}
    assert found(IN_WEEK, said("shirt", DAY), said("shirt", 2 * DAY)) == {"card": OTHER}
    assert found(IN_WEEK, said("shirt", 7 * DAY)) == {"card": OTHER}
    assert found(IN_WEEK, said("shirt", 7 * DAY + 1)) == {}
    assert found(IN_WEEK, said("survey", DAY)) == {}


def test_after_two_of_them_neither_is_said(found):
    assert found(IN_WEEK, said("shirt", DAY), said("card", DAY)) == {"card": OTHER, "shirt": OTHER}


def test_without_a_window_only_the_answer_counts(found):
    assert found(IN_ANSWER, said("shirt", 60)) == {}
    assert found(IN_ANSWER, said("shirt", 0), own=1) == {"card": OTHER}
    assert found(IN_ANSWER, said("shirt", 0), since_s=NOW_S) == {}


def test_what_the_catalog_no_longer_knows_was_another(found):
    assert found(IN_WEEK, said("gone", DAY)) == {"card": OTHER, "shirt": OTHER}


def test_a_contact_of_the_future_counts(found):
    assert found(IN_WEEK, said("shirt", -3_600)) == {"card": OTHER}


def test_where_the_history_is_cut_nothing_is_said(found):
    unknown = dict.fromkeys(["card", "shirt"], "exclusion.unknown")
    assert found(IN_WEEK, since_s=NOW_S - 7 * DAY + 1) == unknown
    assert found(IN_WEEK, since_s=NOW_S - 7 * DAY) == {}
    assert found(IN_WEEK, said("shirt", DAY), since_s=NOW_S - DAY) == {
        "card": OTHER,
        "shirt": "exclusion.unknown",
    }


@pytest.mark.parametrize(
    ("window", "fields"),
    [
        (None, []),
        (timedelta(minutes=1), []),
        (timedelta(0), ["window"]),
        (timedelta(days=3_650), ["window"]),
    ],
)
def test_bounds(window, fields):
    policy = replace(IN_ANSWER, window=window)
    assert [problem.field for problem in policy.problems()] == fields


def test_sentence_says_where():
    assert IN_ANSWER.reason(0).sentence.startswith("d (only one in an answer; ")
    assert IN_WEEK.reason(0).sentence.startswith("d (only one in 7 days; ")
