"""Every explorer keeps the promises of the protocol; then what each of them promises alone."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import (
    UCB,
    Cover,
    EpsilonGreedy,
    Explorer,
    Greedy,
    RegCB,
    Softmax,
    SquareCB,
    Thompson,
    Uniform,
    Votes,
    project,
)
from nba.errors import InputError

EXPLORERS: list[Explorer] = [
    Cover(),
    Cover(uniform=0.0),
    EpsilonGreedy(),
    Greedy(),
    RegCB(),
    RegCB(elimination=True),
    Softmax(),
    SquareCB(),
    SquareCB(gamma=1e-3),
    SquareCB(doubt=0.0),
    Thompson(),
    UCB(),
    Uniform(),
    Votes(),
    Votes(epsilon=0.1),
]

every_explorer = pytest.mark.parametrize("explorer", EXPLORERS, ids=repr)
scores_of_candidates = st.lists(
    st.floats(-10.0, 10.0) | st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=30
).map(np.array)
updates_so_far = st.integers(0, 10**9)


@st.composite
def scores_and_deviations(draw):
    """Draw scores of 1 to 30 candidates and how sure each is, some of them certain."""
    scores = draw(scores_of_candidates)
    deviation = st.floats(0.0, 5.0) | st.sampled_from([0.0, 0.1])
    return scores, np.array(draw(st.lists(deviation, min_size=len(scores), max_size=len(scores))))


@pytest.mark.parametrize(
    ("kind", "constants", "place"),
    [
        (EpsilonGreedy, {"epsilon": 2.0}, "/epsilon: found 2.0"),
        (EpsilonGreedy, {"epsilon": -0.5}, "/epsilon: found -0.5"),
        (EpsilonGreedy, {"epsilon": math.nan}, "/epsilon: found nan"),
        (Softmax, {"temperature": 0.0}, "/temperature: found 0.0"),
        (Softmax, {"temperature": -1.0}, "/temperature: found -1.0"),
        (Softmax, {"temperature": math.nan}, "/temperature: found nan"),
        (SquareCB, {"gamma": -10.0}, "/gamma: found -10.0"),
        (SquareCB, {"gamma": math.nan}, "/gamma: found nan"),
        (SquareCB, {"gamma_exponent": 1.5}, "/gamma_exponent: found 1.5"),
        (SquareCB, {"doubt": -1.0}, "/doubt: found -1.0"),
        (Thompson, {"deviation_scale": math.nan}, "/deviation_scale: found nan"),
        (Thompson, {"deviation_scale": -1.0}, "/deviation_scale: found -1.0"),
        (RegCB, {"mellowness": -1.0}, "/mellowness: found -1.0"),
        (UCB, {"alpha": -1.0}, "/alpha: found -1.0"),
        (UCB, {"alpha": math.inf}, "/alpha: found inf"),
        (Votes, {"epsilon": 2.0}, "/epsilon: found 2.0"),
        (Cover, {"uniform": math.nan}, "/uniform: found nan"),
    ],
)
def test_constants_that_would_give_no_probabilities_are_refused(kind, constants, place):
    with pytest.raises(InputError, match=re.escape(place)):
        kind(**constants)


@pytest.mark.parametrize("explorer", [SquareCB(), RegCB(), Cover()], ids=repr)
def test_fewer_updates_than_none_are_refused(explorer):
    with pytest.raises(InputError, match=r"^/updates: found -5"):
        explorer.probabilities(np.array([0.5, 0.3]), updates=-5)


@every_explorer
@settings(deadline=None, max_examples=40)  # the first example compiles
@given(scores=scores_of_candidates, updates=updates_so_far)
def test_probabilities_sum_to_one_and_none_is_negative(explorer, scores, updates):
    p = explorer.probabilities(scores, updates=updates)
    assert p.dtype == np.float64
    assert p.shape == scores.shape
    assert (p >= 0.0).all()
    assert abs(math.fsum(p) - 1.0) <= 1e-12


@every_explorer
@settings(deadline=None, max_examples=40)  # the first example compiles
@given(scores=scores_of_candidates, updates=updates_so_far)
def test_a_higher_score_is_never_less_probable(explorer, scores, updates):
    p = explorer.probabilities(scores, updates=updates)
    assert (np.diff(p[np.argsort(scores)]) >= -1e-12).all()


@every_explorer
@settings(deadline=None, max_examples=40)  # the first example compiles
@given(scores=scores_of_candidates, updates=updates_so_far)
def test_equal_scores_are_equally_probable(explorer, scores, updates):
    p = explorer.probabilities(np.concatenate([scores, scores]), updates=updates)
    assert np.array_equal(p[: len(scores)], p[len(scores) :])


@every_explorer
@settings(deadline=None, max_examples=40)  # the first example compiles
@given(known=scores_and_deviations(), updates=updates_so_far)
def test_deviations_leave_a_distribution_that_is_equal_for_equals(explorer, known, updates):
    scores, deviations = (np.tile(array, 2) for array in known)
    p = explorer.probabilities(scores, updates=updates, deviations=deviations)
    assert (p >= 0.0).all()
    assert abs(math.fsum(p) - 1.0) <= 1e-12
    assert np.array_equal(p[: len(p) // 2], p[len(p) // 2 :])


@every_explorer
@given(known=scores_and_deviations(), updates=updates_so_far)
@settings(deadline=None, max_examples=20)  # the first example compiles
def test_deviations_count_only_where_an_explorer_says_so(explorer, known, updates):
    if explorer.uses_deviations:
        return
    scores, deviations = known
    p = explorer.probabilities(scores, updates=updates, deviations=deviations)
    assert np.array_equal(p, explorer.probabilities(scores, updates=updates))


@every_explorer
@settings(deadline=None, max_examples=40)  # the first example compiles
@given(scores=scores_of_candidates, updates=updates_so_far, order=st.randoms())
def test_the_order_of_candidates_does_not_matter(explorer, scores, updates, order):
    permutation = np.array(order.sample(range(len(scores)), len(scores)))
    p = explorer.probabilities(scores, updates=updates)
    q = explorer.probabilities(scores[permutation], updates=updates)
    assert np.allclose(q, p[permutation], rtol=0.0, atol=1e-14)


@every_explorer
def test_one_candidate_is_certain(explorer):
    assert explorer.probabilities(np.array([0.3]), updates=7).tolist() == [1.0]


@every_explorer
def test_all_candidates_tied_are_uniform(explorer):
    p = explorer.probabilities(np.full(7, 0.25), updates=1_000)
    assert np.allclose(p, 1 / 7, rtol=0.0, atol=1e-15)


@every_explorer
def test_ten_thousand_candidates(explorer):
    scores = np.linspace(0.0, 1.0, 10_000)
    p = explorer.probabilities(scores, updates=50_000)
    assert abs(math.fsum(p) - 1.0) <= 1e-12
    assert p.argmax() == 9_999 or p.max() == p.min()


@every_explorer
def test_ten_thousand_candidates_that_are_unsure(explorer):
    scores = np.linspace(0.0, 1.0, 10_000)
    p = explorer.probabilities(scores, updates=50_000, deviations=np.full(10_000, 0.05))
    assert abs(math.fsum(p) - 1.0) <= 1e-12
    assert p.argmax() == 9_999 or p.max() == p.min() or explorer == RegCB(elimination=True)


@every_explorer
@settings(deadline=None, max_examples=40)  # the first example compiles
@given(known=scores_and_deviations(), floor=st.floats(0.0, 0.03), ceiling=st.floats(0.5, 1.0))
def test_bounds_are_met_exactly_after_projection(explorer, known, floor, ceiling):
    scores, deviations = (np.tile(array, 2) for array in known)
    p = explorer.probabilities(scores, updates=10, deviations=deviations)
    floors = np.full(len(p), min(floor, 0.9 / len(p)))
    q = project(p, floors, np.full(len(p), ceiling))
    assert (floors <= q).all()
    assert (q <= ceiling).all()
    assert abs(math.fsum(q) - 1.0) <= 1e-12


@every_explorer
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1])
def test_a_deviation_that_is_none_is_refused_by_its_place(explorer, wrong):
    if not explorer.uses_deviations:
        return
    with pytest.raises(InputError, match=r"^/deviations/1: found .* a finite number of at least 0"):
        explorer.probabilities(np.array([0.1, 0.2]), updates=1, deviations=np.array([0.1, wrong]))


@every_explorer
def test_another_number_of_deviations_is_refused(explorer):
    if not explorer.uses_deviations:
        return
    with pytest.raises(InputError, match=r"^/deviations: found shape \(3,\); one for each of 2"):
        explorer.probabilities(np.array([0.1, 0.2]), updates=1, deviations=np.zeros(3))


@every_explorer
def test_scores_as_far_apart_as_floats_go(explorer):
    for deviations in (None, np.array([1.7e308, 1.7e308])):
        scores = np.array([-1.7e308, 1.7e308])
        p = explorer.probabilities(scores, updates=10**9, deviations=deviations)
        assert abs(math.fsum(p) - 1.0) <= 1e-12


@every_explorer
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused_by_its_place(explorer, wrong):
    with pytest.raises(InputError, match=r"^/scores/1: found (nan|inf|-inf); a finite number"):
        explorer.probabilities(np.array([0.1, wrong]), updates=1)


@every_explorer
@pytest.mark.parametrize("scores", [np.empty(0), np.zeros((2, 2))])
def test_no_candidate_or_another_shape_is_refused(explorer, scores):
    with pytest.raises(InputError, match=r"^/scores: found shape .*at least one candidate"):
        explorer.probabilities(scores, updates=1)


def test_squarecb_weighs_by_inverse_gap_with_its_schedule():
    """At t = 4 gamma is 10 · √4 = 20: the others get 1 / (3 + 20 · gap), the best the rest."""
    p = SquareCB(gamma=10.0).probabilities(np.array([0.2, 0.6, 0.5]), updates=3)
    assert p == pytest.approx([1 / 11, 1 - 1 / 11 - 1 / 5, 1 / 5], abs=1e-15)


def test_squarecb_shares_the_rest_between_those_tied_for_best():
    p = SquareCB(gamma=10.0).probabilities(np.array([0.6, 0.2, 0.6]), updates=3)
    assert p == pytest.approx([5 / 11, 1 / 11, 5 / 11], abs=1e-15)


def test_squarecb_holds_a_gap_against_half_a_deviation():
    """A gap of .4 beside a deviation of .8 counts half: .2; one of .1 beside .4 a fifth: .02."""
    scores, deviations = np.array([0.2, 0.6, 0.5]), np.array([0.8, 9.0, 0.4])
    p = SquareCB(gamma=10.0).probabilities(scores, updates=3, deviations=deviations)
    others = 1 / (3 + 20 * 0.2), 1 / (3 + 20 * 0.02)
    assert p == pytest.approx([others[0], 1 - sum(others), others[1]], abs=1e-15)


def test_squarecb_never_makes_a_candidate_rarer_for_being_unsure():
    scores = np.array([0.2, 0.6, 0.5])
    chances = [
        SquareCB().probabilities(scores, updates=99, deviations=np.array([0.1, 0.1, unsure]))[2]
        for unsure in (0.0, 0.01, 0.1, 1.0, 1e300)
    ]
    assert chances == sorted(chances)
    assert chances[-1] == pytest.approx(1 / 3)


def test_squarecb_explores_less_as_updates_grow():
    scores = np.array([0.1, 0.2])
    worse = [SquareCB().probabilities(scores, updates=updates)[0] for updates in (0, 100, 10_000)]
    assert worse == pytest.approx([1 / 32, 1 / (2 + 30 * math.sqrt(101)), 1 / (2 + 30 * 100.005)])


def test_squarecb_without_gap_to_exploit_is_uniform():
    assert SquareCB(gamma=0.0).probabilities(np.array([0.9, 0.1]), updates=5).tolist() == [0.5, 0.5]


def test_epsilon_greedy_spreads_epsilon_over_all():
    p = EpsilonGreedy(epsilon=0.2).probabilities(np.array([0.1, 0.9, 0.9, 0.2]), updates=9)
    assert p == pytest.approx([0.05, 0.45, 0.45, 0.05])


def test_softmax_follows_the_temperature():
    p = Softmax(temperature=0.5).probabilities(np.array([0.0, 0.5 * math.log(3)]), updates=0)
    assert p == pytest.approx([0.25, 0.75])
