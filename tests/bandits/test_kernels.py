"""The learner's arithmetic keeps its covariance a covariance, whatever it is fed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import BanditSettings, OnlineLogistic, kernels

finite = st.floats(-1e100, 1e100)
observations = st.lists(
    st.tuples(
        finite | st.floats(-10, 10),
        st.tuples(*[finite | st.floats(-3, 3) | st.just(float("nan"))] * 3),
        st.floats(0.0, 1.0) | st.sampled_from([0.0, 1.0]),
        st.floats(1e-6, 1e6) | st.just(1.0),
    ),
    min_size=1,
    max_size=60,
)


def scaled_eigenvalues(learner):
    """Return the eigenvalues of Σ in units of the prior's standard deviations."""
    deviation = np.sqrt(learner._prior_variance)
    covariance = learner._covariance[0]
    assert np.array_equal(covariance, covariance.T)
    return np.linalg.eigvalsh(covariance / np.outer(deviation, deviation))


@settings(deadline=None)  # the first example compiles
@given(observations, st.sampled_from([1.0, 0.99, 0.5, 1e-3]), st.sampled_from([1.0, 1e-6, 1e6]))
def test_the_covariance_stays_positive_and_within_the_prior(rows, forgetting, bias):
    learner = OnlineLogistic(
        BanditSettings(features=("a", "b", "c"), forgetting=forgetting, prior_precision_bias=bias)
    )
    logits, z, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    learner.update_many(["x"] * len(rows), logits, z, labels, weights)
    eigenvalues = scaled_eigenvalues(learner)
    assert eigenvalues.min() > 0.0
    assert np.isfinite(learner._mean).all()
    diagonal = np.diag(learner._covariance[0])
    # One part in 10⁹ is rounding, not inflation.
    assert (diagonal <= learner._prior_variance * (1 + 1e-9)).all()


@pytest.mark.parametrize("weight", [1.0, 1e6])
def test_a_million_equal_labels_neither_overflow_nor_make_it_singular(weight):
    """The same input a million times leaves all but one direction at the prior."""
    learner = OnlineLogistic(BanditSettings(features=("a",), forgetting=1.0))
    n = 1_000_000
    z = np.full((n, 1), 3.0)
    z[::2] = -3.0
    learner.update_many(["x"] * n, np.full(n, 2.0), z, np.ones(n), np.full(n, weight))
    eigenvalues = scaled_eigenvalues(learner)
    assert 0.0 < eigenvalues.min() < eigenvalues.max() <= 1.0 + 1e-9
    (logit,) = learner.bind(["x"]).logits(np.array([2.0]), [3.0])
    # A certain event is believed in as far as a million sightings allow, and no further.
    assert 5.0 < logit < 40.0


@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weight", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("variance", [0.0, 1e-9, 1.0, 1e9])
@pytest.mark.parametrize("activation", [-700.0, -1.0, 0.0, 30.0])
def test_the_step_is_the_root_of_the_modes_equation(activation, variance, label, weight):
    """At the mode, t is weight (label - sigmoid(a + v t)): checked by the sign on either side."""
    t = kernels._mode(activation, variance, label, weight)

    def excess(at):
        return at - weight * (label - kernels._sigmoid(activation + variance * at))

    slack = 1e-9 * (weight + 1e-9)
    assert weight * (label - 1.0) <= t <= weight * label
    assert excess(t - slack) <= 0.0 <= excess(t + slack)


def test_standardization_is_that_of_all_values_seen():
    values = np.array([3.0, 5.0, np.nan, -1.0, 9.0])
    scaling = np.zeros((3, 1))
    for value in values:
        last = kernels._standardize(scaling, 0, value)
    known = values[~np.isnan(values)]
    assert scaling[0, 0] == 4
    assert scaling[1, 0] == pytest.approx(4.0)
    assert kernels.inverse_deviation(scaling, 0) == pytest.approx(1 / known.std())
    assert last == pytest.approx((9.0 - 4.0) / known.std())
