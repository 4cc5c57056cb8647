"""The default learner on plain arrays: starts at the base rate, refuses what it cannot use."""

import numpy as np
import pytest

from nba.bandits import BanditSettings, ContextualBandit, HybridModel, SquareCB
from nba.errors import InputError
from nba.training.corrections import fit_correction


def world(n, seed=1):
    """Two actions: the first succeeds where the features agree in sign, the second elsewhere."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    agree = X[:, 0] * X[:, 1] > 0.0
    return X, np.stack([agree, ~agree], axis=1).astype(float)


def played(model, n=400):
    X, rewards = world(n)
    bandit = ContextualBandit(model, SquareCB(), seed=3)
    earned = []
    for x, reward in zip(X, rewards, strict=True):
        action = bandit.decide(x).action
        bandit.learn(x, action, reward[action])
        earned.append(reward[action])
    return np.array(earned)


@pytest.mark.parametrize("base_rate", [0.006, 0.5, 0.9])
def test_before_anything_is_known_every_action_is_at_the_base_rate(base_rate):
    estimate = HybridModel(3, 2, base_rate=base_rate).estimate([4.0, np.nan])
    assert estimate.means == pytest.approx(np.full(3, base_rate), rel=1e-12)
    assert (estimate.deviations > 0.0).all()


def test_forests_learn_what_is_linear_in_nothing():
    """The sign of a product: online alone one choice in two stays wrong."""
    with_forests, alone = played(HybridModel(2, 2, fit_correction)), played(HybridModel(2, 2))
    assert with_forests[200:].mean() > 0.8
    assert alone[200:].mean() < 0.7


def test_many_at_once_are_learned_as_one_by_one():
    X, rewards = world(80)
    actions = np.arange(80) % 2
    one, many = HybridModel(2, 2, fit_correction), HybridModel(2, 2, fit_correction)
    for x, action, reward in zip(X, actions, rewards[np.arange(80), actions], strict=True):
        one.update(x, int(action), float(reward))
    many.update_many(X, actions, rewards[np.arange(80), actions])
    assert one.updates == many.updates == 80
    assert one.learner.to_bytes() == many.learner.to_bytes()
    assert np.array_equal(one.estimate(X[0]).means, many.estimate(X[0]).means)


def test_what_it_knows_live_is_what_a_fresh_binding_knows():
    """After every update, refits and a change of the world included."""
    model = HybridModel(2, 2, fit_correction)
    X, rewards = world(700)
    rewards[600:] = 1.0 - rewards[600:]
    probe = np.array([0.3, -1.2])
    for number, x in enumerate(X):
        action = number % 2
        model.update(x, action, rewards[number, action])
        if number % 7 == 0 or number > 600:
            fresh = model.learner.bind(["0", "1"]).estimate(np.zeros(2), probe)
            live = model._bound.estimate(np.zeros(2), probe)
            assert np.array_equal(live[0], fresh[0])
            assert np.array_equal(live[1], fresh[1])
    assert model.learner.alarms == 1


def test_ten_thousand_actions_are_scored_at_once():
    model = HybridModel(10_000, 2, base_rate=0.1)
    model.update([1.0, 2.0], 9_999, 1.0)
    means = model.estimate([1.0, 2.0]).means
    assert means.shape == (10_000,)
    assert np.argmax(means) == 9_999
    assert means[:-1] == pytest.approx(np.full(9_999, 0.1))


def test_situations_without_features_are_situations():
    model = HybridModel(2, 0, fit_correction)
    for number in range(100):
        model.update([], number % 2, float(number % 2 == 0 or number % 4 == 1))
    means = model.estimate([]).means
    assert means[0] > 0.9
    assert means[1] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("x", "action", "reward", "weight", "place"),
    [
        ([1.0], 0, 1.0, 1.0, "/z"),
        ([1.0, np.inf], 0, 1.0, 1.0, "/z/0/1"),
        ([1.0, 2.0], 2, 1.0, 1.0, "/action"),
        ([1.0, 2.0], -1, 1.0, 1.0, "/action"),
        ([1.0, 2.0], 0, np.nan, 1.0, "/label/0"),
        ([1.0, 2.0], 0, 1e9, 1.0, "/label/0"),
        ([1.0, 2.0], 0, 1.0, 0.0, "/weight/0"),
        ([1.0, 2.0], 0, 1.0, np.nan, "/weight/0"),
    ],
)
def test_what_cannot_be_learned_is_refused_and_nothing_learned(x, action, reward, weight, place):
    model = HybridModel(2, 2)
    model.update([1.0, 2.0], 0, 1.0)
    before = model.learner.to_bytes()
    with pytest.raises(InputError) as error:
        model.update(x, action, reward, weight)
    assert [fault.place for fault in error.value.faults] == [place]
    with pytest.raises(InputError, match=r"^/probability: found 1.1"):
        model.update([1.0, 2.0], 0, 1.0, probability=1.1)
    assert model.learner.to_bytes() == before


@pytest.mark.parametrize(
    ("actions", "rewards", "place"),
    [
        ([0, 2], [1.0, 1.0], "/actions/1"),
        ([0, 0.5], [1.0, 1.0], "/actions/1"),
        ([0, 1], [1.0, 1e9], "/rewards/1"),
        ([0, 1], [1.0, 2.0], "/label/1"),
        ([0, 1], [1.0], "/rewards"),
    ],
)
def test_of_many_none_is_learned_where_one_cannot(actions, rewards, place):
    model = HybridModel(2, 2)
    before = model.learner.to_bytes()
    with pytest.raises(InputError) as error:
        model.update_many([[1.0, 2.0], [3.0, 4.0]], actions, rewards)
    assert place in [fault.place for fault in error.value.faults]
    assert model.learner.to_bytes() == before


def test_a_situation_of_another_shape_is_refused():
    with pytest.raises(InputError, match="/z"):
        HybridModel(2, 2).estimate([1.0])


@pytest.mark.parametrize(
    ("n_actions", "n_features", "base_rate", "place"),
    [
        (0, 2, 0.5, "/n_actions: found 0"),
        (2, -1, 0.5, "/n_features: found -1"),
        (2, 2, 0.0, "/base_rate: found 0"),
        (2, 2, 1.0, "/base_rate: found 1"),
    ],
)
def test_numbers_out_of_range_are_refused(n_actions, n_features, base_rate, place):
    with pytest.raises(InputError, match=place):
        HybridModel(n_actions, n_features, base_rate=base_rate)


def test_the_settings_given_are_kept_but_for_the_features():
    model = HybridModel(2, 3, settings=BanditSettings(features=("age",), forgetting=0.5))
    assert model.learner.settings.features == ("x0", "x1", "x2")
    assert model.learner.settings.forgetting == 0.5
