"""The façade draws replayably, keeps bounds on what is available, and learns what it is told."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import (
    ContextualBandit,
    EpsilonGreedy,
    Estimate,
    Greedy,
    LinearModel,
    Uniform,
    draw,
    uniform,
)
from nba.errors import InputError


class Averages:
    """The plainest value model: the mean of what each action earned, whatever the situation."""

    def __init__(self, n_actions):
        self.n_actions = n_actions
        self.n_features = 1
        self.updates = 0
        self.sums = np.zeros(n_actions)
        self.counts = np.zeros(n_actions)

    def estimate(self, _x):
        """Return the means so far, 0 where there is none."""
        return Estimate(self.sums / np.maximum(self.counts, 1.0))

    def update(self, _x, action, reward, weight=1.0, _probability=1.0):
        """Count one reward."""
        self.sums[action] += weight * reward
        self.counts[action] += weight
        self.updates += 1

    def update_many(self, X, actions, rewards, weights=None, _probabilities=None):
        """Count rewards in order."""
        given = np.ones(len(actions)) if weights is None else weights
        for row in zip(X, actions, rewards, given, strict=True):
            self.update(*row)


@settings(deadline=None)  # the first example compiles
@given(
    available=st.lists(st.booleans(), min_size=4, max_size=4).filter(any),
    floor=st.floats(0.0, 0.25),
)
def test_floors_are_met_exactly_by_what_is_available_and_by_nothing_else(available, floor):
    bandit = ContextualBandit(Averages(4), Greedy(), floor=floor)
    bandit.learn([0.0], 2, 1.0)
    p = bandit.decide([0.0], np.array(available)).probabilities
    assert (p[np.array(available)] >= floor).all()
    assert p[~np.array(available)].tolist() == [0.0] * (4 - sum(available))
    assert abs(math.fsum(p) - 1.0) <= 1e-12


def test_a_ceiling_is_met_exactly():
    bandit = ContextualBandit(Averages(2), Greedy(), ceiling=0.7)
    bandit.learn([0.0], 1, 1.0)
    assert bandit.decide([0.0]).probabilities == pytest.approx([0.3, 0.7], abs=1e-15)


def test_a_round_is_drawn_by_the_seed_and_its_number():
    bandit = ContextualBandit(Averages(5), Uniform(), seed=11)
    for number in range(50):
        drawn = bandit.decide([0.0])
        assert drawn.round == number
        assert drawn.action == draw(drawn.probabilities, uniform(11, number))
        assert drawn.probability == drawn.probabilities[drawn.action] == 0.2


def test_it_learns_to_take_what_pays():
    bandit = ContextualBandit(Averages(3), EpsilonGreedy(0.1), seed=3)
    earned = 0.0
    for _ in range(500):
        action = bandit.decide([0.0]).action
        bandit.learn([0.0], action, reward=float(action == 2))
        earned += action == 2
    assert bandit.predict([[0.0]]).tolist() == [2]
    assert bandit.predict_proba([[0.0]])[0] == pytest.approx([1 / 30, 1 / 30, 0.9 + 1 / 30])
    assert earned > 400  # 467 are expected once it is known


def test_asking_for_probabilities_counts_no_round():
    bandit = ContextualBandit(Averages(2), Uniform())
    bandit.predict_proba([[0.0], [1.0]])
    assert bandit.rounds == 0


def test_partial_fit_teaches_in_order_and_returns_the_bandit():
    bandit = ContextualBandit(Averages(2), Greedy())
    assert bandit.partial_fit([[0.0], [0.0]], [0, 1], [0.2, 0.4], [1.0, 2.0]) is bandit
    assert bandit.model.sums.tolist() == [0.2, 0.8]
    assert bandit.model.updates == 2


@pytest.mark.parametrize(
    ("available", "message"),
    [
        ([False] * 3, "none of 3 actions is available"),
        ([True] * 2, r"found bool of shape \(2,\); bool of shape \(3,\) is expected"),
        ([0, 1, 2], r"found int64 of shape \(3,\)"),
    ],
)
def test_nothing_available_is_refused_with_its_reason(available, message):
    bandit = ContextualBandit(Averages(3), Uniform())
    with pytest.raises(InputError, match=message):
        bandit.decide([0.0], available)
    assert bandit.rounds == 0


@pytest.mark.parametrize(
    ("floor", "ceiling"), [(-0.1, 1.0), (0.5, 0.4), (0.0, 1.1), (math.nan, 1.0)]
)
def test_bounds_that_are_no_probabilities_are_refused(floor, ceiling):
    with pytest.raises(InputError, match=r"^/floor: found floor"):
        ContextualBandit(Averages(2), Uniform(), floor=floor, ceiling=ceiling)


def test_the_example_on_the_page_on_exploration_runs():
    page = Path(__file__).parents[2] / "docs" / "concepts" / "exploration.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(example, names)  # noqa: S102 - our own page
    assert names["drawn"].probabilities[2] == 0.0
    assert names["bandit"].model.updates == 1


def test_of_no_situation_there_are_no_probabilities_but_as_many_columns():
    bandit = ContextualBandit(LinearModel(n_actions=3, n_features=2), EpsilonGreedy())
    assert bandit.predict_proba(np.zeros((0, 2))).shape == (0, 3)
    assert bandit.predict(np.zeros((0, 2))).shape == (0,)
