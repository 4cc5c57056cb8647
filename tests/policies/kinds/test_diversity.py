"""``diversity``: at most so many of a branch in an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from past import Told, packed

from nba.domain.catalog import Action
from nba.domain.ids import ActionId, PolicyId, Term
from nba.domain.policy import Selector
from nba.policies.kinds import Diversity

NOW_S = 1_750_000_000
ONE = Diversity(id=PolicyId("p"), description="d", dimension="product")
FULL = "diversity.branch_full"


def said(action, placement="web.hero"):
    return Told(at_s=NOW_S, of="d1", action=action, placement=placement)


@pytest.fixture
def found(guard, moment, left):
    """Return what a policy drops after a past, of which the answer made ``own`` entries."""

    def judge(policy, *past, own):
        history = packed(past)
        situation = replace(moment(), history=history, answer_from=len(history) - own)
        return left(guard(policy), situation)

    return judge


def test_a_branch_is_full_with_what_the_answer_said_in_any_placement(found):
    assert found(ONE, said("notice"), own=1) == {"card": FULL}
    assert found(ONE, said("shirt"), own=1) == {"shirt": FULL}
    assert found(replace(ONE, limit=2), said("shirt"), own=1) == {}
    assert found(replace(ONE, limit=2), said("shirt"), said("shirt"), own=2) == {"shirt": FULL}


def test_earlier_answers_do_not_count(found):
    assert found(ONE, said("shirt"), own=0) == {}
    assert found(ONE, said("shirt"), said("card"), own=1) == {"card": FULL}


def test_only_what_is_selected_counts(found):
    policy = replace(ONE, applies_to=Selector(channels=("email",)))
    assert found(policy, said("shirt"), own=1) == {}
    assert found(policy, said("shirt", "email.body"), own=1) == {"shirt": FULL}


def test_an_action_is_in_the_branch_of_each_of_its_terms():
    terms = ("product:credit/card/gold", "product:club", "season:spring")
    action = Action(id=ActionId("a"), name="a", terms=tuple(Term(term) for term in terms))
    assert ONE.branches_of(action) == {"credit", "club"}
    assert replace(ONE, depth=2).branches_of(action) == {"credit/card", "club"}
    assert replace(ONE, dimension="channel").branches_of(action) == set()


@pytest.mark.parametrize(
    ("given", "fields"),
    [({}, []), ({"limit": 0}, ["limit"]), ({"limit": -1}, ["limit"]), ({"depth": 0}, ["depth"])],
)
def test_bounds(given, fields):
    assert [problem.field for problem in replace(ONE, **given).problems()] == fields


def test_sentence_says_how_many_of_what():
    assert ONE.reason(0).sentence.startswith("d (at most 1 of a product at depth 1; ")
