"""Weights for a reward model that DR varies least with."""

import numpy as np
import pytest

from nba.bandits.ope import DR, MRDR, LoggedData, Target, cross_fit, deal_folds, mrdr_weights


class WeightedMeans:
    """The weighted mean reward of all rows, whatever they are."""

    def fit(self, _, rewards, sample_weight):
        """Learn."""
        self.mean = np.average(rewards, weights=sample_weight)

    def predict(self, rows):
        """Answer."""
        return np.full(len(rows), self.mean)


def test_weights_by_hand():
    data = LoggedData(np.zeros(3, dtype=int), np.zeros(3), np.array([0.5, 0.2, 1.0]))
    weights = mrdr_weights(data, Target(np.array([1.0, 0.5, 1.0])))
    assert weights.tolist() == pytest.approx([2.0, 5.0, 0.0])


def test_with_them_dr_varies_least_of_all_constant_models():
    """The variance of DR's rows, by enumeration, is least at the weighted mean of rewards."""
    logging = np.array([0.5, 0.3, 0.2])
    rates = np.array([1.0, 4.0, 2.0])
    taken = 1
    data = LoggedData(np.array([taken]), np.array([rates[taken]]), logging[[taken]])
    weight = mrdr_weights(data, Target(np.ones(1)))[0]

    def variance(q):
        # The target takes one action; a row is q + w (r - q), with r fixed.
        rows = q + np.where(np.arange(3) == taken, (rates - q) / logging, 0.0)
        return (logging * rows**2).sum() - (logging * rows).sum() ** 2

    qs = np.linspace(0, 6, 601)
    assert qs[np.argmin([variance(q) for q in qs])] == pytest.approx(4.0)
    # Per logged row the weight is that of a squared error in the variance.
    assert variance(3.0) == pytest.approx(logging[taken] * weight * (4.0 - 3.0) ** 2)


def test_it_is_dr_with_the_model_so_fitted_and_varies_less():
    rng = np.random.default_rng(1)
    n = 4_000
    logging = np.where(rng.random(n) < 0.5, 0.9, 0.1)  # a situation each, at random
    actions = (rng.random(n) >= logging).astype(int)
    probabilities = np.where(actions == 0, logging, 1 - logging)
    common = logging > 0.5
    rewards = np.where(actions == 0, np.where(common, 1.0, 5.0), 3.0) + rng.normal(0, 0.1, n)
    data = LoggedData(actions, rewards, probabilities)
    folds = deal_folds(n, count=2)
    nothing = np.empty((n, 0))
    plain = Target(np.where(actions == 0, 1.0, 0.0))
    errors = {}
    for name, weights in (("plain", plain.probabilities), ("mrdr", mrdr_weights(data, plain))):
        q = cross_fit(WeightedMeans(), data, nothing, n_actions=2, folds=folds, weights=weights)
        target = Target.from_distribution(actions, [[1.0, 0.0]], q)
        errors[name] = MRDR().terms(data, target).values.std()
        assert MRDR().terms(data, target).value == DR().terms(data, target).value
        assert MRDR().terms(data, target).value == pytest.approx(3.0, abs=0.5)
    assert errors["mrdr"] < 0.7 * errors["plain"]
