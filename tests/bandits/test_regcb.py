"""RegCB: bounds follow the schedule, elimination keeps what may still be best."""

import math

import numpy as np
import pytest

from nba.bandits import RegCB

SCORES = np.array([0.6, 0.5, 0.1])
DEVIATIONS = np.array([0.0, 0.1, 0.1])


def test_the_bound_is_the_root_of_mellowness_times_the_logarithm_of_candidates_and_rounds():
    """The second passes the first where √(m log(3 t)) · 0.1 > 0.1, so where m log(3 t) > 1."""
    updates = 9
    edge = 1.0 / math.log(3 * (updates + 1))
    for mellowness, best in ((0.99 * edge, 0), (1.01 * edge, 1)):
        p = RegCB(mellowness).probabilities(SCORES, updates=updates, deviations=DEVIATIONS)
        assert p.argmax() == best
        assert p.max() == 1.0


def test_bounds_widen_with_the_rounds_where_deviations_stay():
    """At mellowness 0.2 the root passes 1 where 3 t > e⁵ = 148.4: with the 49th update."""
    for updates, best in ((48, 0), (49, 1)):
        p = RegCB(0.2).probabilities(SCORES, updates=updates, deviations=DEVIATIONS)
        assert p.argmax() == best


@pytest.mark.parametrize(
    ("deviation", "expected"),
    [(0.01, [1.0, 0.0, 0.0]), (0.2, [0.5, 0.5, 0.0]), (1.0, [1 / 3, 1 / 3, 1 / 3])],
)
def test_elimination_is_uniform_among_what_may_be_best(deviation, expected):
    """At 0.1 · log(300) the radius is .755: bounds overlap where 2 · .755 · deviation ≥ gap."""
    p = RegCB(elimination=True).probabilities(SCORES, updates=99, deviations=np.full(3, deviation))
    assert p.tolist() == expected
