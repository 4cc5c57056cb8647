"""How much a correction is believed follows what it turns out to be worth."""

import numpy as np
import pytest

from nba.bandits.stacking import PRIOR_VARIANCE, PRIOR_WEIGHTS, Stacker
from nba.errors import CorruptRecordError


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def taught(worth, n=3_000):
    """Return a stacker after labels of logit + worth · correction."""
    rng = np.random.default_rng(2)
    stacker = Stacker()
    for _ in range(n):
        logit, correction = rng.normal(), rng.normal()
        label = float(rng.random() < sigmoid(logit + worth * correction))
        stacker.learn(logit, correction, label, 1.0)
    return stacker


def test_at_first_most_of_a_correction_is_believed():
    stacker = Stacker()
    assert stacker.combine_one(2.0, -1.0) == pytest.approx(2.0 - 0.7)
    combined = stacker.combine(np.array([2.0, 0.0]), np.array([-1.0, 3.0]))
    assert combined == pytest.approx([1.3, 2.1])


@pytest.mark.parametrize("worth", [0.0, 1.0, 1.5])
def test_it_comes_to_believe_a_correction_as_far_as_it_is_worth_it(worth):
    bias, of_logit, of_correction = taught(worth).weights
    assert bias == pytest.approx(0.0, abs=0.15)
    assert of_logit == pytest.approx(1.0, abs=0.15)
    assert of_correction == pytest.approx(worth, abs=0.15)


def test_one_label_moves_it_by_one_newton_step():
    """Against the same step in matrices, on the posterior of a Gaussian prior."""
    stacker = Stacker()
    stacker.learn(0.5, 2.0, 1.0, 3.0)
    x, w = np.array([1.0, 0.5, 2.0]), np.array(PRIOR_WEIGHTS)
    p = sigmoid(w @ x)
    precision = np.eye(3) / PRIOR_VARIANCE + 3.0 * p * (1.0 - p) * np.outer(x, x)
    assert stacker.covariance == pytest.approx(np.linalg.inv(precision), abs=1e-12)
    step = np.linalg.solve(precision, x * 3.0 * (1.0 - p))
    assert stacker.weights == pytest.approx(w + step, abs=1e-12)


def test_a_copy_is_not_reached_by_later_labels():
    stacker = Stacker()
    copy = stacker.copy()
    stacker.learn(0.0, 1.0, 1.0, 1.0)
    assert copy.weights.tolist() == list(PRIOR_WEIGHTS)
    assert copy.covariance.tolist() == np.diag([PRIOR_VARIANCE] * 3).tolist()


def test_extreme_logits_leave_numbers():
    stacker = Stacker()
    for _ in range(100):
        stacker.learn(1e3, -1e3, 1.0, 1e6)
        stacker.learn(-1e3, 1e3, 1.0, 1e6)
    assert np.isfinite(stacker.weights).all()
    assert np.isfinite(stacker.covariance).all()


def test_it_comes_back_to_the_last_bit():
    stacker = taught(0.5, n=50)
    again = Stacker.from_parts(stacker.to_parts())
    assert np.array_equal(again.weights, stacker.weights)
    assert np.array_equal(again.covariance, stacker.covariance)


@pytest.mark.parametrize("parts", [(b"123", bytes(72)), (bytes(24), bytes(64))])
def test_other_bytes_are_refused(parts):
    with pytest.raises(CorruptRecordError, match="stacker cannot be read"):
        Stacker.from_parts(parts)
