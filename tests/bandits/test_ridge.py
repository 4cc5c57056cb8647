"""Stacks of ridge regressions: the inverse kept is the inverse, packed and after any update."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits.ridge import RidgeStack, lengthen, pack, taken, times, unpack


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


@settings(deadline=None, max_examples=20)  # the first example compiles
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 3))
def test_regressions_and_inputs_that_come_later_are_as_if_they_had_been_there(seed, d, more):
    """Inputs added are 0 in all that was seen before; what is added has seen nothing."""
    rng = np.random.default_rng(seed)
    small, large = RidgeStack(1, np.full(d, 2.0)), RidgeStack(3, np.full(d + more, 2.0))
    for turn in range(10):
        x, reward = rng.normal(size=d), float(rng.normal())
        small.observe(0, x, reward, 1.5, 1.0, turn)
        large.observe(0, np.concatenate([x, np.zeros(more)]), reward, 1.5, 1.0, turn)
    small.widen(np.full(d + more, 2.0))
    small.grow(3)
    for turn in range(10):
        x, reward = rng.normal(size=d + more), float(rng.normal())
        for stack in (small, large):
            stack.observe(turn % 3, x, reward, 1.0, 1.0, turn)
    for name in RidgeStack.PARTS:
        assert getattr(small, name) == pytest.approx(getattr(large, name), abs=1e-12)


def test_what_is_reset_has_seen_nothing_and_the_others_keep_what_they_saw():
    stack, fresh = RidgeStack(3, np.full(2, 0.5)), RidgeStack(3, np.full(2, 0.5))
    for row in range(3):
        stack.observe(row, np.array([1.0, 2.0]), 3.0, 1.0, 1.0, 0)
    kept = stack.inverse[1].tolist()
    stack.reset(np.array([0, 2]))
    for name in RidgeStack.PARTS:
        assert getattr(stack, name)[[0, 2]].tolist() == getattr(fresh, name)[[0, 2]].tolist()
    assert stack.inverse[1].tolist() == kept
    assert stack.counts.tolist() == [0.0, 1.0, 0.0]


def test_several_regressions_see_what_each_would_alone():
    together, alone = RidgeStack(3, np.full(2, 1.0)), RidgeStack(3, np.full(2, 1.0))
    for turn, x in enumerate(np.random.default_rng(3).normal(size=(9, 2))):
        together.see(np.array([0, 2]), x, 1.5, 0.9, turn)
        for row in (0, 2):
            alone.see(np.array([row]), x, 1.5, 0.9, turn)
    for name in RidgeStack.PARTS:
        assert np.array_equal(getattr(together, name), getattr(alone, name))
    assert together.counts[1] == 0.0


def test_adding_rows_one_at_a_time_copies_each_a_few_times_at_most():
    """Room doubles: of 1,000 additions only some ten make a new array."""
    array, made = np.zeros((0, 2)), 0
    for n in range(1, 1_001):
        before = array.base
        array = lengthen(array, n)
        made += array.base is not before
        array[-1] = n
    assert array[:, 0].tolist() == list(range(1, 1_001))
    assert made <= 11


def test_rows_taken_are_copies_and_one_that_is_not_known_is_as_given():
    array = np.arange(6.0).reshape(3, 2)
    found = taken(array, np.array([2, -1, 0]), np.array([7.0, 8.0]))
    assert found.tolist() == [[4.0, 5.0], [7.0, 8.0], [0.0, 1.0]]
    assert taken(np.zeros((0, 2)), np.array([-1]), np.ones(2)).tolist() == [[1.0, 1.0]]
    found[:] = 0.0
    assert array[2].tolist() == [4.0, 5.0]


def test_what_is_shrunk_counts_for_no_more_than_a_share_of_the_prior():
    """Nine observations beside a prior of 2 keep .5 · 2/11 each, one beside it .5 · 2/3."""
    stack, scaled = RidgeStack(3, np.full(2, 2.0)), RidgeStack(3, np.full(2, 2.0))
    for turn, x in enumerate(np.random.default_rng(4).normal(size=(10, 2))):
        row = int(turn == 9)
        stack.observe(row, x, 3.0, 1.0, 1.0, turn)
        scaled.observe(row, x, 3.0, (1.0 / 3.0) if row else (1.0 / 11.0), 1.0, turn)
    assert stack.shrink(0.5).tolist() == pytest.approx([1 / 11, 1 / 3, 0.5])
    for name in RidgeStack.PARTS:
        assert getattr(stack, name) == pytest.approx(getattr(scaled, name), abs=1e-12)
    assert (stack.counts <= 0.5 * 2.0).all()
