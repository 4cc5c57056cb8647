"""Upper confidence bounds: what is unsure is tried, ties are shared."""

import numpy as np

from nba.bandits import UCB


def test_the_highest_bound_takes_all():
    """0.1 + 2 · 0.2 = 0.5 beats 0.3 + 2 · 0.05 = 0.4."""
    p = UCB(2.0).probabilities(np.array([0.3, 0.1]), updates=5, deviations=np.array([0.05, 0.2]))
    assert p.tolist() == [0.0, 1.0]


def test_bounds_that_tie_share():
    p = UCB(1.0).probabilities(
        np.array([0.5, 0.25, 0.0]), updates=5, deviations=np.array([0.0, 0.25, 0.25])
    )
    assert p.tolist() == [0.5, 0.5, 0.0]


def test_without_deviations_it_is_greedy():
    assert UCB(9.0).probabilities(np.array([0.3, 0.1]), updates=5).tolist() == [1.0, 0.0]
