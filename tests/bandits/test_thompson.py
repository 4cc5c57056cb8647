"""Thompson sampling's probabilities are those of the integral, to the error they state."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr, ndtr

from nba.bandits import Thompson

STATED_ERROR = 1e-6


def by_brute_force(means, deviations, steps=4_001):
    """Integrate each candidate's chance over its own score on a fine, even grid."""
    z, width = np.linspace(-9.0, 9.0, steps, retstep=True)
    chances = []
    for i, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
        x = mean + deviation * z
        logarithm = -0.5 * z * z
        for j, other in enumerate(means):
            if j == i:
                continue
            if deviations[j] > 0.0:
                logarithm = logarithm + log_ndtr((x - other) / deviations[j])
            else:
                logarithm = np.where(x > other, logarithm, -np.inf)
        chances.append(np.exp(logarithm).sum() * width / math.sqrt(2.0 * math.pi))
    return np.array(chances)


def by_panels(means, deviations):
    """Integrate all over the highest score, on panels of half a deviation of every candidate."""
    varying = deviations > 0.0
    fixed = means[~varying].max(initial=-np.inf)
    mu, sigma = means[varying], deviations[varying]
    edges = np.unique(np.add.outer(np.arange(-9.0, 9.25, 0.5), mu / sigma) * sigma)
    edges = np.unique(np.append(edges[edges > fixed], fixed if np.isfinite(fixed) else []))
    nodes, weights = np.polynomial.legendre.leggauss(30)
    chances = np.zeros(len(means))
    for low, high in pairwise(edges):
        x = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        z = (x[:, None] - mu) / sigma
        logarithm = log_ndtr(z)
        others = logarithm.sum(axis=1)[:, None] - logarithm
        density = np.exp(others - 0.5 * z * z) / (sigma * math.sqrt(2.0 * math.pi))
        chances[varying] += 0.5 * (high - low) * (weights @ density)
    tied = ~varying & (means == fixed)
    chances[tied] = np.exp(log_ndtr((fixed - mu) / sigma).sum()) / max(tied.sum(), 1)
    return chances


@pytest.mark.parametrize("seed", range(40))
def test_they_hold_over_scales_eight_orders_apart_with_some_certain(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 30)
    means = np.round(rng.normal(size=n) * rng.choice([0.0, 1e-6, 1e-3, 1.0]), rng.choice([2, 9]))
    deviations = 10.0 ** rng.uniform(rng.choice([-8.0, -4.0, -1.0]), 0.5, n)
    deviations[1:][rng.random(n - 1) < rng.choice([0.0, 0.2])] = 0.0
    expected = by_panels(means, deviations)
    assert abs(chances_of(means, deviations) - expected).max() <= STATED_ERROR


def chances_of(means, deviations):
    return Thompson().probabilities(np.array(means), updates=0, deviations=np.array(deviations))


@settings(deadline=None, max_examples=25)  # the first example compiles
@given(
    st.lists(
        st.tuples(st.floats(-3.0, 3.0), st.floats(0.02, 2.0) | st.sampled_from([0.05, 1.0])),
        min_size=2,
        max_size=8,
    )
)
def test_they_are_those_of_brute_force_integration(candidates):
    means, deviations = zip(*candidates, strict=True)
    expected = by_brute_force(means, deviations)
    assert abs(chances_of(means, deviations) - expected).max() <= STATED_ERROR


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("spread", [0.0, 0.1, 1.0])
def test_they_are_those_of_brute_force_integration_with_many_candidates(n, spread):
    rng = np.random.default_rng(n)
    means = rng.normal(0.0, 0.3, n)
    deviations = 0.2 * np.exp(rng.normal(0.0, spread, n))
    few = np.argsort(means + 2.0 * deviations)[-5:]
    ours = chances_of(means, deviations)
    z, width = np.linspace(-9.0, 9.0, 6_001, retstep=True)
    for i in few:
        x = means[i] + deviations[i] * z
        others = np.delete(np.arange(n), i)
        logarithm = log_ndtr((x[:, None] - means[others]) / deviations[others]).sum(axis=1)
        expected = np.exp(logarithm - 0.5 * z * z).sum() * width / math.sqrt(2.0 * math.pi)
        assert abs(ours[i] - expected) <= STATED_ERROR


@settings(deadline=None)  # the first example compiles
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 3), st.floats(1e-3, 3))
def test_of_two_it_is_the_normal_distribution_of_their_difference(a, b, first, second):
    expected = ndtr((a - b) / math.hypot(first, second))
    assert chances_of([a, b], [first, second])[0] == pytest.approx(expected, abs=STATED_ERROR)


def test_ten_thousand_equals_are_uniform():
    p = chances_of(np.zeros(10_000), np.ones(10_000))
    assert p == pytest.approx(np.full(10_000, 1e-4), rel=1e-9)


def test_one_ahead_of_ten_thousand_is_the_best_by_the_integral_over_their_maximum():
    """P = ∫ φ(x - 4) Φ(x)^9999 dx."""
    means = np.zeros(10_000)
    means[7] = 4.0
    x, width = np.linspace(-5.0, 15.0, 100_001, retstep=True)
    integrand = np.exp(-0.5 * (x - 4.0) ** 2 + 9_999 * log_ndtr(x))
    expected = integrand.sum() * width / math.sqrt(2.0 * math.pi)
    assert chances_of(means, np.ones(10_000))[7] == pytest.approx(expected, abs=STATED_ERROR)


@pytest.mark.parametrize("narrow", [1e-3, 1e-6, 1e-12, 1e-15, 1e-100, 1e-300, 5e-324])
def test_scores_of_very_different_sureness_keep_their_chances(narrow):
    """Two almost fixed at 0.5 beat a wide one at 0 with chance Φ(0.5), and share it equally."""
    p = chances_of([0.5, 0.5, 0.0], [narrow, narrow, 1.0])
    assert p == pytest.approx([ndtr(0.5) / 2, ndtr(0.5) / 2, 1 - ndtr(0.5)], abs=1e-3)
    assert p[0] == p[1]
    if narrow <= 1e-12:
        assert p[2] == pytest.approx(1 - ndtr(0.5), abs=STATED_ERROR)


def test_a_score_without_deviation_is_best_where_all_others_fall_below_it():
    """Both others lie below 0.3 with chance Φ(0.3)²; a fixed one below 0.3 never is best."""
    p = chances_of([0.3, 0.0, 0.0, 0.2], [0.0, 1.0, 1.0, 0.0])
    best = ndtr(0.3) ** 2
    assert p == pytest.approx([best, (1 - best) / 2, (1 - best) / 2, 0.0], abs=STATED_ERROR)


def test_scale_widens_the_deviations():
    scores, deviations = np.array([0.1, 0.0]), np.array([0.1, 0.1])
    p = Thompson(deviation_scale=2.0).probabilities(scores, updates=0, deviations=deviations)
    assert p.tolist() == chances_of(scores, 2.0 * deviations).tolist()


@pytest.mark.parametrize("large", [1e150, 1e300, 1.7e308])
def test_numbers_near_the_largest_keep_their_chances(large):
    p = chances_of([large, 0.0], [large, large])
    assert p[0] == pytest.approx(ndtr(1 / math.sqrt(2.0)), abs=STATED_ERROR)
