"""The logistic value model: the online learner's answers, a prior at the base rate, exact bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import BanditSettings, LogisticModel, OnlineLogistic
from nba.errors import CorruptRecordError, InputError


def observations(seed, m):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 2))
    actions = rng.integers(0, 3, m)
    chances = 1.0 / (1.0 + np.exp(1.0 - X[:, 0] * (actions - 1)))
    return X, actions, (rng.random(m) < chances).astype(float)


@settings(deadline=None, max_examples=20)  # the first example compiles
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([1.0, 0.95]))
def test_it_is_the_online_learner_told_the_mean_reward_so_far(seed, m, forgetting):
    X, actions, rewards = observations(seed, m)
    model = LogisticModel(3, 2, base_rate=0.2, forgetting=forgetting)
    learner = OnlineLogistic(BanditSettings(features=("a", "b"), forgetting=forgetting))
    model.update_many(X, actions, rewards)
    earned = 2.0
    for row in range(m):
        rate = earned / (10.0 + row)
        learner.update(str(actions[row]), math.log(rate / (1 - rate)), X[row], rewards[row])
        earned += rewards[row]
    rate = earned / (10.0 + m)
    bound = learner.bind(["0", "1", "2"])
    base = np.full(3, math.log(rate / (1 - rate)))
    expected = 1.0 / (1.0 + np.exp(-bound.logits(base, X[0])))
    estimate = model.estimate(X[0])
    assert estimate.means == pytest.approx(expected, rel=1e-9)
    slope = expected * (1.0 - expected)
    deviations = slope * np.sqrt(bound.variances(base, X[0]))
    assert estimate.deviations == pytest.approx(deviations, rel=1e-9)


def test_it_learns_what_each_action_is_good_for():
    model = LogisticModel(3, 2)
    model.update_many(*observations(1, 3_000))
    x = np.array([1.5, 0.0])
    truth = 1.0 / (1.0 + np.exp(1.0 - x[0] * np.array([-1.0, 0.0, 1.0])))
    assert model.estimate(x).means == pytest.approx(truth, abs=0.06)


def test_an_action_never_seen_is_at_the_mean_of_all_rewards():
    """Ten at 0.1 and forty of which ten succeed make 11 in 50."""
    model = LogisticModel(2, 1)
    model.update_many(np.zeros((40, 1)), np.zeros(40, dtype=int), [1.0, 0.0, 0.0, 0.0] * 10)
    assert model.estimate([0.0]).means[1] == pytest.approx(0.22)


@pytest.mark.parametrize("forgetting", [1.0, 0.97])
def test_the_same_observations_give_the_same_bytes_also_through_bytes(forgetting):
    X, actions, rewards = observations(2, 50)
    whole, half = (LogisticModel(3, 2, forgetting=forgetting) for _ in range(2))
    whole.update_many(X, actions, rewards)
    half.update_many(X[:20], actions[:20], rewards[:20])
    half = LogisticModel.from_bytes(half.to_bytes())
    for row in range(20, 50):
        half.update(X[row], actions[row], rewards[row])
    assert half.to_bytes() == whole.to_bytes()
    assert np.array_equal(half.estimate(X[0]).means, whole.estimate(X[0]).means)


@pytest.mark.parametrize("reward", [-0.1, 1.1, math.nan, 1e9])
def test_a_reward_that_is_no_success_is_refused_and_nothing_is_learned(reward):
    model = LogisticModel(2, 1)
    before = model.to_bytes()
    with pytest.raises(InputError, match=r"^/rewards/0: found"):
        model.update([0.0], 0, reward)
    assert model.to_bytes() == before


@pytest.mark.parametrize(
    "parameters", [{"base_rate": 0.0}, {"precision": -1.0}, {"forgetting": 0.0}]
)
def test_parameters_out_of_range_are_refused_by_name(parameters):
    (name,) = parameters
    with pytest.raises(InputError, match=f"^/{name}: found {parameters[name]}"):
        LogisticModel(2, 1, **parameters)


def test_bytes_of_another_model_are_refused():
    with pytest.raises(CorruptRecordError, match="logistic state"):
        LogisticModel.from_bytes(b"\x80")
