"""Bagged models: Poisson resamples that replay, members that disagree as the data let them."""

import math

import numpy as np
import pytest

from nba.bandits import BaggedModel, ContextualBandit, LinearModel, Votes, uniform
from nba.bandits.bagged import poisson
from nba.errors import CorruptRecordError, InputError


def observations(seed, m, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 2))
    actions = rng.integers(0, 2, m)
    return X, actions, np.where(actions == 0, X[:, 0], 0.0) + rng.normal(0.0, noise, m)


def test_copies_follow_the_poisson_distribution():
    """Of 20,000 numbers each count lies within 5 standard deviations of its expectation."""
    drawn = np.bincount([poisson(uniform(3, slot)) for slot in range(20_000)], minlength=5)
    for copies in range(5):
        chance = math.exp(-1.0) / math.factorial(copies)
        assert abs(drawn[copies] - 20_000 * chance) < 5 * math.sqrt(20_000 * chance)


def test_a_poisson_number_is_bounded():
    assert poisson(math.nextafter(1.0, 0.0)) == 12


def test_a_member_is_the_model_of_its_own_resample():
    X, actions, rewards = observations(1, 30)
    bagged = BaggedModel(LinearModel(2, 2), members=3, seed=8)
    bagged.update_many(X, actions, rewards)
    alone = LinearModel(2, 2)
    for row in range(30):
        copies = poisson(uniform(8, row * 3 + 1))
        if copies:
            alone.update(X[row], actions[row], rewards[row], float(copies))
    assert bagged.members[1].to_bytes() == alone.to_bytes()
    assert bagged.updates == 30


def test_the_estimate_is_the_members_mean_and_spread():
    X, actions, rewards = observations(2, 40)
    bagged = BaggedModel(LinearModel(2, 2), members=5)
    bagged.update_many(X, actions, rewards)
    each = np.array([member.estimate(X[0]).means for member in bagged.members])
    estimate = bagged.estimate(X[0])
    assert estimate.means == pytest.approx(each.mean(axis=0))
    assert estimate.deviations == pytest.approx(each.std(axis=0))
    assert np.array_equal(estimate.members, each)


def test_each_member_looks_out_for_change_by_itself():
    """Rewards turn at the 900th; the most that one member noticed is what is told."""
    bagged = BaggedModel(LinearModel(2, 2, change_threshold=4.0), members=5)
    X, actions, rewards = observations(2, 1_300, noise=0.1)
    rewards[900:] *= -1.0
    bagged.update_many(X[:900], actions[:900], rewards[:900])
    assert bagged.alarms == 0
    bagged.update_many(X[900:], actions[900:], rewards[900:])
    assert [member.alarms for member in bagged.members] == [1] * 5
    assert bagged.alarms == 1


def test_members_come_to_agree():
    few, many = (BaggedModel(LinearModel(2, 2), members=20, seed=1) for _ in range(2))
    few.update_many(*observations(3, 20))
    many.update_many(*observations(3, 2_000))
    x = [1.0, -1.0]
    assert many.estimate(x).deviations.max() < 0.25 * few.estimate(x).deviations.max()


def test_the_spread_of_many_members_is_what_the_linear_model_says():
    X, actions, rewards = observations(4, 400)
    bagged = BaggedModel(LinearModel(2, 2), members=60, seed=2)
    bagged.update_many(X, actions, rewards)
    alone = LinearModel(2, 2)
    alone.update_many(X, actions, rewards)
    x = [1.0, 1.0]
    assert bagged.estimate(x).deviations == pytest.approx(alone.estimate(x).deviations, rel=0.4)


def test_members_vote_on_what_is_available():
    X, actions, rewards = observations(5, 60)
    bandit = ContextualBandit(BaggedModel(LinearModel(3, 2), members=8), Votes())
    bandit.partial_fit(X, actions, rewards)
    x = np.array([0.2, 0.0])
    each = bandit.model.estimate(x).members[:, [0, 2]]
    p = bandit.probabilities(x, np.array([True, False, True]))
    assert p[1] == 0.0
    assert p[0] == (each[:, 0] > each[:, 1]).mean()


def test_bytes_come_back_to_the_last_bit_and_learning_goes_on_alike():
    X, actions, rewards = observations(6, 50)
    whole = BaggedModel(LinearModel(2, 2), members=3, seed=4)
    whole.update_many(X, actions, rewards)
    half = BaggedModel(LinearModel(2, 2), members=3, seed=4)
    half.update_many(X[:20], actions[:20], rewards[:20])
    half = BaggedModel.from_bytes(half.to_bytes())
    for row in range(20, 50):
        half.update(X[row], actions[row], rewards[row])
    assert half.to_bytes() == whole.to_bytes()


def test_an_empty_batch_teaches_nothing():
    model = BaggedModel(LinearModel(2, 2), members=2)
    model.update_many(np.zeros((0, 2)), [], [])
    assert model.updates == 0


def test_a_bad_reward_is_refused_before_any_member_learns():
    model = BaggedModel(LinearModel(2, 1), members=2)
    before = model.to_bytes()
    with pytest.raises(InputError, match=r"^/rewards/1: found 1000000000"):
        model.update_many([[0.0], [0.0]], [0, 1], [0.0, 1e9])
    assert model.to_bytes() == before


def test_no_member_and_no_state_are_refused():
    with pytest.raises(InputError, match=r"^/members: found 0"):
        BaggedModel(LinearModel(2, 1), members=0)
    with pytest.raises(CorruptRecordError, match="bagged state"):
        BaggedModel.from_bytes(b"\x80")
