"""Stacks of ridge regressions: the inverse kept is the inverse, packed and after any update."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits.ridge import RidgeStack, pack, times, unpack


def symmetric(seed, n, d):
    half = np.random.default_rng(seed).normal(size=(n, d, d))
    return half + np.swapaxes(half, 1, 2)


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 7))
def test_packing_is_undone_by_unpacking(seed, n, d):
    matrices = symmetric(seed, n, d)
    assert pack(matrices).shape == (n, d * (d + 1) // 2)
    assert np.array_equal(unpack(pack(matrices)), matrices)


@settings(deadline=None, max_examples=30)  # the first example compiles
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.3, 1.0, 20.0]))
def test_the_inverse_kept_up_to_date_is_that_of_the_precision(seed, d, ridge):
    rng = np.random.default_rng(seed)
    stack = RidgeStack(2, np.full(d, ridge))
    rows = rng.normal(size=(25, d))
    for turn, x in enumerate(rows):
        stack.observe(1, x, float(rng.normal()), 2.0, 1.0, turn)
    expected = np.linalg.inv(2.0 * rows.T @ rows + ridge * np.eye(d))
    assert unpack(stack.inverse[1]) == pytest.approx(expected, rel=1e-7, abs=1e-10)
    assert unpack(stack.inverse[0]) == pytest.approx(np.eye(d) / ridge)
    x = rng.normal(size=d)
    product = np.zeros(d)
    times(stack.inverse[1], x, product)
    assert product == pytest.approx(expected @ x, rel=1e-7, abs=1e-10)


@settings(deadline=None, max_examples=30)  # the first example compiles
@given(st.integers(0, 10**6))
def test_the_residual_is_the_least_penalized_sum_of_squares(seed):
    rng = np.random.default_rng(seed)
    X, rewards, prior = rng.normal(size=(12, 3)), rng.normal(size=12), rng.normal(size=3)
    stack = RidgeStack(1, np.full(3, 2.0))
    for turn in range(12):
        stack.observe(0, X[turn], rewards[turn], 1.0, 1.0, turn)
    weights = stack.weights(0, 2.0 * prior)
    gram = X.T @ X + 2.0 * np.eye(3)
    assert weights == pytest.approx(np.linalg.solve(gram, X.T @ rewards + 2.0 * prior), rel=1e-7)
    penalized = ((rewards - X @ weights) ** 2).sum() + 2.0 * ((weights - prior) ** 2).sum()
    assert stack.residual(0, 2.0 * prior) == pytest.approx(penalized, rel=1e-7)
