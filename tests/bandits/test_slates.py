"""Slates replay, never repeat, and come with the chances that counting all slates gives."""

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import chance_in_slot, draw_slate
from nba.errors import InputError

distributions = (
    st.lists(st.floats(1e-6, 1.0) | st.sampled_from([0.0, 1.0]), min_size=2, max_size=5)
    .filter(lambda weights: np.count_nonzero(weights) >= 2)
    .map(lambda weights: np.array(weights) / sum(weights))
)


def chance_of(p, slate):
    """Multiply the chances of one ordered slate, slot by slot."""
    chance, left = 1.0, 1.0
    for action in slate:
        if p[action] == 0.0:
            return 0.0
        chance *= p[action] / left
        left = sum(p) - sum(p[other] for other in slate[: slate.index(action) + 1])
    return chance


@settings(deadline=None)  # the first example compiles
@given(distributions, st.integers(0, 10**6))
def test_chances_are_those_of_enumerating_every_slate(p, seed):
    slots = min(3, int(np.count_nonzero(p)))
    slate = draw_slate(p, slots, seed=seed, number=3)
    assert len(set(slate.actions)) == slots
    assert slate.joint == pytest.approx(chance_of(p, slate.actions), rel=1e-6)
    assert slate.joint == pytest.approx(slate.conditionals.prod(), rel=1e-12)
    possible = [action for action in range(len(p)) if p[action] > 0.0]
    for slot, action in enumerate(slate.actions):
        expected = sum(
            chance_of(p, other) for other in permutations(possible, slots) if other[slot] == action
        )
        assert slate.marginals[slot] == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)  # the first example compiles
@given(distributions)
def test_every_slot_is_filled_by_somebody(p):
    for slot in range(np.count_nonzero(p)):
        total = math.fsum(chance_in_slot(p, action, slot) for action in range(len(p)))
        assert total == pytest.approx(1.0, abs=1e-11)


@settings(deadline=None)  # the first example compiles
@given(distributions)
def test_with_as_many_slots_as_actions_each_is_somewhere(p):
    possible = np.count_nonzero(p)
    for action in np.flatnonzero(p).tolist():
        total = math.fsum(chance_in_slot(p, action, slot) for slot in range(possible))
        assert total == pytest.approx(1.0, abs=1e-11)


def test_slates_are_drawn_as_often_as_their_chances_say():
    """Of 6,000 draws each slate's count lies within 5 standard deviations of its expectation."""
    p = np.array([0.5, 0.3, 0.2])
    drawn = Counter(draw_slate(p, 2, seed=5, number=number).actions for number in range(6_000))
    for slate in permutations(range(3), 2):
        chance = chance_of(p, slate)
        assert abs(drawn[slate] - 6_000 * chance) < 5 * math.sqrt(6_000 * chance * (1 - chance))


def test_a_slate_replays_from_its_seed_and_round():
    p = np.full(6, 1 / 6)
    first, again, another = (draw_slate(p, 4, seed=1, number=n) for n in (8, 8, 9))
    assert first.actions == again.actions
    assert first.actions != another.actions


def test_a_rare_action_keeps_its_chance_in_a_late_slot():
    """With all others equally likely, the rare one of chance ε is second with ε · n / (n - 1)."""
    p = np.full(5, (1.0 - 1e-9) / 4)
    p[2] = 1e-9
    assert chance_in_slot(p, 2, 1) == pytest.approx(1e-9 / 0.75, rel=1e-6)
    assert chance_in_slot(p, 2, 4) == pytest.approx(1.0, abs=1e-7)


def test_ten_thousand_actions():
    p = np.full(10_000, 1e-4)
    slate = draw_slate(p, 3, seed=2, number=0)
    assert slate.marginals == pytest.approx(np.full(3, 1e-4), rel=1e-9)
    assert slate.joint == pytest.approx(1 / (10_000 * 9_999 * 9_998), rel=1e-9)


@pytest.mark.parametrize(
    ("p", "slots", "message"),
    [
        ([0.5, 0.5, 0.0], 3, "^/slots: found 3 slots and 2 actions with a probability above 0"),
        ([0.5, 0.5], 0, "^/slots: found 0 slots"),
        ([0.5, 0.47], 1, r"^/probabilities: found shape \(2,\), summing to 0.97"),
        ([1.5, -0.5], 1, r"^/probabilities: found shape"),
        ([math.nan, 1.0], 1, r"^/probabilities: found shape"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(p, slots, message):
    with pytest.raises(InputError, match=message):
        draw_slate(p, slots, seed=0, number=0)


def test_an_action_that_is_none_is_refused_and_one_without_chance_has_none():
    with pytest.raises(InputError, match=r"^/action: found 2; a whole number below 2"):
        chance_in_slot([0.5, 0.5], 2, 0)
    assert chance_in_slot([0.5, 0.5, 0.0], 2, 1) == 0.0


@pytest.mark.parametrize("least", [1e-12, 1e-16, 1e-20, 1e-100, 1e-300])
def test_chances_hold_however_small_they_are(least):
    """Second after one of two of a half each: 2ε, of which the first order is all there is."""
    p = [0.5, 0.5 - least, least]
    assert chance_in_slot(p, 2, 1) == pytest.approx(2.0 * least, rel=1e-11)
    assert chance_in_slot(p, 2, 2) == pytest.approx(1.0, rel=1e-11)
