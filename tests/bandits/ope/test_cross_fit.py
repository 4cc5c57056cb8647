"""Reward models see neither the rows nor the customers they are asked about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

from nba.bandits.ope import LoggedData, action_means, cross_fit, deal_folds
from nba.errors import InputError


class Seen:
    """Remembers the largest first feature it was fitted on, and answers with it."""

    def fit(self, rows, _):
        """Learn."""
        self.largest = rows[:, 0].max()

    def predict(self, rows):
        """Answer."""
        return np.full(len(rows), self.largest)


def log(seed, n, k=3):
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, k, n)
    return LoggedData(actions, rng.random(n), np.full(n, 1 / k))


@given(st.integers(1, 60), st.integers(2, 6), st.integers(0, 1_000))
def test_folds_keep_customers_whole_and_are_alike_in_size(customers, count, seed):
    rng = np.random.default_rng(seed)
    names = np.concatenate([np.arange(customers), rng.integers(0, customers, 2 * customers)])
    if count > customers:
        with pytest.raises(InputError, match=f"found {count} folds; 2 to {customers}"):
            deal_folds(len(names), names, count=count)
        return
    folds = deal_folds(len(names), names, count=count, seed=seed)
    by_customer = [set(folds[names == name]) for name in range(customers)]
    assert all(len(found) == 1 for found in by_customer)
    sizes = np.bincount([found.pop() for found in by_customer], minlength=count)
    assert sizes.max() - sizes.min() <= 1


def test_a_row_without_a_customer_is_in_no_fold():
    with pytest.raises(InputError, match="/clusters/1: 1 of 3 rows have none"):
        deal_folds(3, ["a", None, "b"], count=2)
    with pytest.raises(InputError, match=r"/clusters: found shape \(2,\); \(3,\) is expected"):
        deal_folds(3, ["a", "b"], count=2)


def test_each_row_is_asked_of_a_model_that_saw_the_other_folds_only():
    data = log(1, 12)
    folds = deal_folds(12, count=3, seed=4)
    numbers = np.arange(12.0)[:, None]
    q = cross_fit(Seen(), data, numbers, n_actions=3, folds=folds)
    for row in range(12):
        assert (q[row] == np.arange(12)[folds != folds[row]].max()).all()


def test_each_position_has_a_model_of_its_own():
    data = log(2, 40)
    folds, positions = np.arange(40) % 2, np.arange(40) // 20
    q = cross_fit(
        Seen(), data, np.arange(40.0)[:, None], n_actions=3, folds=folds, positions=positions
    )
    assert q[:, 0].tolist() == [19.0, 18.0] * 10 + [39.0, 38.0] * 10


@settings(max_examples=10)
@given(st.integers(0, 1_000))
def test_it_is_the_obvious_loop(seed):
    data = log(seed, 60)
    rng = np.random.default_rng(seed)
    situations, described = rng.normal(size=(60, 2)), rng.normal(size=(3, 2))
    folds = deal_folds(60, count=3, seed=seed)
    weights = rng.random(60) + 0.1
    q = cross_fit(
        LinearRegression(),
        data,
        situations,
        n_actions=3,
        folds=folds,
        action_features=described,
        weights=weights,
    )
    for row in rng.integers(0, 60, 5):
        known = [other for other in range(60) if folds[other] != folds[row]]
        matrix = [[*situations[other], *described[data.actions[other]]] for other in known]
        fitted = LinearRegression().fit(matrix, data.rewards[known], weights[known])
        for action in range(3):
            expected = fitted.predict([[*situations[row], *described[action]]])[0]
            assert q[row, action] == pytest.approx(expected, abs=1e-9)


def test_a_model_of_chances_is_asked_for_the_chance_of_one():
    rng = np.random.default_rng(3)
    n = 600
    actions = rng.integers(0, 2, n)
    rewards = (rng.random(n) < np.array([0.2, 0.7])[actions]).astype(float)
    data = LoggedData(actions, rewards, np.full(n, 0.5))
    folds = deal_folds(n, count=3)
    q = cross_fit(LogisticRegression(), data, np.empty((n, 0)), n_actions=2, folds=folds)
    assert q.mean(axis=0) == pytest.approx([0.2, 0.7], abs=0.06)
    with pytest.raises(InputError, match="a model of chances needs rewards of 0 and 1"):
        cross_fit(LogisticRegression(), log(4, n), np.empty((n, 0)), n_actions=3, folds=folds)


def test_where_all_rewards_are_alike_that_is_what_is_expected():
    data = LoggedData(np.array([0, 1, 0, 1]), np.zeros(4), np.full(4, 0.5))
    folds = np.array([0, 0, 1, 1])
    q = cross_fit(LogisticRegression(), data, np.ones((4, 1)), n_actions=2, folds=folds)
    assert q.tolist() == [[0.0, 0.0]] * 4


def test_where_no_row_has_weight_all_count_alike():
    data = log(5, 8)
    rows = np.arange(8.0)[:, None]
    folds = np.arange(8) % 2
    plain = cross_fit(LinearRegression(), data, rows, n_actions=3, folds=folds)
    none = cross_fit(LinearRegression(), data, rows, n_actions=3, folds=folds, weights=np.zeros(8))
    assert none == pytest.approx(plain)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"situations": np.ones(6)}, r"/situations: found shape \(6,\)"),
        ({"action_features": np.ones((2, 2))}, r"/action_features: found shape \(2, 2\)"),
        ({"n_actions": 2}, "/actions/.*below 2 is expected"),
        ({"folds": np.zeros(6, dtype=int)}, "/folds: fold 0 at position 0 has no other rows"),
        ({"positions": np.arange(6)}, "/folds: fold . at position 0 has no other rows"),
        ({"folds": [0, 1, 0, 1, 0, np.nan]}, "/folds/5: 1 of 6 rows are wrong"),
        ({"weights": np.ones(3)}, "/weights"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    data = LoggedData(np.array([0, 1, 2, 0, 1, 2]), np.arange(6.0), np.full(6, 0.5))
    given_ = {"situations": np.ones((6, 1)), "n_actions": 3, "folds": np.arange(6) % 2, **changed}
    with pytest.raises(InputError, match=message):
        cross_fit(LinearRegression(), data, **given_)


def test_means_by_action_are_drawn_towards_the_mean_of_all_and_may_be_of_other_folds():
    data = LoggedData(np.array([0, 0, 1, 1]), np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, 0.5))
    assert action_means(data, n_actions=3, prior_rows=2.0)[0] == pytest.approx(
        [(1 + 1.5) / 4, (2 + 1.5) / 4, 0.75]
    )
    folded = action_means(data, n_actions=2, folds=np.array([0, 1, 0, 1]), prior_rows=0.5)
    # Fold 0 is told of rows 1 and 3: 0 of action 0, 1 of action 1, mean 1/2.
    assert folded[0] == pytest.approx([0.25 / 1.5, 1.25 / 1.5])
    assert folded[1] == pytest.approx([1.5 / 1.5, 1.5 / 1.5])
    with pytest.raises(InputError, match="below 1 is expected"):
        action_means(data, n_actions=1)


def test_an_action_without_rows_has_the_mean_of_all_whatever_the_prior():
    data = LoggedData(np.array([0, 0, 1]), np.array([1.0, 0.0, 2.0]), np.full(3, 0.5))
    assert action_means(data, n_actions=3, prior_rows=0.0).tolist() == [[0.5, 2.0, 1.0]]
    assert action_means(data, n_actions=3, prior_rows=5.0)[0, 2] == pytest.approx(1.0)
    folded = action_means(data, n_actions=2, folds=[0, 0, 1], prior_rows=0.0)
    assert folded.tolist() == [[2.0, 2.0], [2.0, 2.0], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prior_rows": -1.0}, "/prior_rows: found -1; a number from 0"),
        ({"prior_rows": np.nan}, "/prior_rows: found nan"),
        ({"prior_rows": np.inf}, "/prior_rows: found inf"),
        ({"folds": np.zeros(3)}, "/folds: fold 0 has no other rows; two folds and more"),
        ({"folds": [0, 1]}, r"/folds: found shape \(2,\); \(3,\) is expected"),
        ({"folds": [0.0, 1.0, np.nan]}, "/folds/2: 1 of 3 rows are wrong"),
    ],
)
def test_means_that_cannot_be_taken_are_refused(changed, message):
    data = LoggedData(np.array([0, 0, 1]), np.array([1.0, 0.0, 2.0]), np.full(3, 0.5))
    with pytest.raises(InputError, match=message):
        action_means(data, n_actions=2, **changed)
