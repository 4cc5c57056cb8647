"""Models that learned apart are, merged, the one that learned everything."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import LinearModel, merge
from nba.errors import ConflictError

SHARINGS = st.sampled_from(["per_action", "shared", "hybrid"])


def model_of(sharing, **parameters):
    return LinearModel(3, 2, sharing=sharing, action_features=[[0.0], [1.0], [0.5]], **parameters)


@settings(deadline=None, max_examples=40)  # the first example compiles
@given(SHARINGS, st.integers(0, 10**6), st.integers(2, 120), st.floats(0.0, 1.0))
def test_merged_they_are_the_model_trained_on_both_to_a_billionth(sharing, seed, m, share):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 2)) * [1.0, 20.0] + [0.0, 50.0]
    actions = rng.integers(0, 3, m)
    rewards = rng.random(m) + 0.1 * X[:, 0]
    weights = rng.choice([0.5, 1.0, 2.0], m)
    mine = rng.random(m) < share
    parts = [model_of(sharing), model_of(sharing)]
    for model, rows in zip(parts, (mine, ~mine), strict=True):
        model.update_many(X[rows], actions[rows], rewards[rows], weights[rows])
    whole = model_of(sharing)
    whole.update_many(X, actions, rewards, weights)
    whole.settle()
    before = [model.to_bytes() for model in parts]
    merged = merge(*parts)
    assert merged.updates == whole.updates == m
    for x in X[:5]:
        ours, expected = merged.estimate(x), whole.estimate(x)
        assert abs(ours.means - expected.means).max() <= 1e-9
        assert abs(ours.deviations - expected.deviations).max() <= 1e-9
    assert [model.to_bytes() for model in parts] == before


def test_learning_goes_on_after_a_merge():
    model = merge(model_of("per_action"), model_of("per_action"))
    model.update([0.0, 1.0], 1, 0.5)
    assert model.updates == 1


def test_models_of_different_kinds_are_refused():
    with pytest.raises(ConflictError, match="differ in their parameters"):
        merge(model_of("per_action"), model_of("hybrid"))


def test_models_that_look_out_for_change_are_refused():
    with pytest.raises(ConflictError, match="look out for change"):
        merge(model_of("hybrid", change_threshold=4.0), model_of("hybrid", change_threshold=4.0))


def test_models_that_forget_are_refused():
    with pytest.raises(ConflictError, match=r"forget by 0\.9"):
        merge(model_of("hybrid", forgetting=0.9), model_of("hybrid", forgetting=0.9))


def test_models_whose_actions_started_elsewhere_than_at_the_prior_are_not_merged():
    first, second = LinearModel(2, 1), LinearModel(2, 1)
    second.update([1.0], 0, 1.0)
    second.inherit(1, [0])
    with pytest.raises(ConflictError, match="started where its kin had got to"):
        merge(first, second)


def test_models_that_missed_a_feature_at_times_are_refused():
    """It counted as its mean so far, and that depends on the order."""
    whole, without = model_of("per_action"), model_of("per_action")
    n_features = whole.n_features
    whole.update([0.5] * n_features, 0, 1.0)
    without.update([0.5] * (n_features - 1) + [math.nan], 0, 1.0)
    for pair in ((whole, without), (without, whole)):
        with pytest.raises(ConflictError, match="a feature was missing at times"):
            merge(*pair)
