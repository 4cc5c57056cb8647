"""``rotation``: what it is; whose turn it is, tests/policies/test_looking_back.py judges."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from nba.domain.ids import PolicyId
from nba.policies.kinds import Rotation
from nba.policies.kinds.rotation import Turn

MONTHLY = Rotation(id=PolicyId("p"), description="d", window=timedelta(days=30))


def test_it_is_about_contents_whatever_it_selects():
    assert MONTHLY.is_about_contents


def test_actions_are_never_rotated(guard, moment, left):
    contacts = [(60, "card", "email.body"), (120, "shirt", "email.body")]
    assert left(guard(MONTHLY), moment(contacts=contacts)) == {}


@pytest.mark.parametrize(
    ("days", "fields"), [(30, []), (365, []), (0, ["window"]), (3_650, ["window"])]
)
def test_bounds(days, fields):
    policy = replace(MONTHLY, window=timedelta(days=days))
    assert [problem.field for problem in policy.problems()] == fields


def test_sentence_says_whose_turn_it_is():
    often = replace(MONTHLY, by=Turn.FEWEST)
    assert MONTHLY.reason(0).sentence.startswith("d (the one shown longest ago in 30 days; ")
    assert often.reason(0).sentence.startswith("d (the one shown least often in 30 days; ")
