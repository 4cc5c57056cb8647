"""Votes: each member's best gets its share, exactly."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import Votes
from nba.errors import InputError

vote = st.sampled_from([0.0, 0.25, 0.5]) | st.floats(-1.0, 1.0)


@settings(deadline=None)  # the first example compiles
@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(*[vote] * n), min_size=1)))
def test_shares_are_those_counted_one_member_after_another(rows):
    members = np.array(rows)
    expected = [0.0] * members.shape[1]
    for row in rows:
        winners = [index for index, score in enumerate(row) if score == max(row)]
        for index in winners:
            expected[index] += 1.0 / len(winners) / len(rows)
    p = Votes().probabilities(members.mean(axis=0), updates=3, members=members)
    assert p == pytest.approx(expected, abs=1e-12)
    assert abs(math.fsum(p) - 1.0) <= 1e-12


def test_epsilon_is_spread_over_all():
    members = [[0.1, 0.2, 0.0, 0.0], [0.3, 0.2, 0.0, 0.0]]
    p = Votes(epsilon=0.2).probabilities(np.zeros(4), updates=3, members=members)
    assert p == pytest.approx([0.45, 0.45, 0.05, 0.05])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([[0.1, 0.2, 0.3]], r"^/members: found shape \(1, 3\); at least one member's scores of 2"),
        (np.zeros((0, 2)), r"^/members: found shape \(0, 2\)"),
        ([[0.1, math.nan]], "^/members/0/1: found no finite number"),
    ],
)
def test_members_of_another_shape_or_without_a_number_are_refused(members, message):
    with pytest.raises(InputError, match=message):
        Votes().probabilities(np.zeros(2), updates=3, members=members)
