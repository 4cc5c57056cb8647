"""A confidence sequence against a slow gambler, and over time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits.ope import ConfidenceSequence
from nba.bandits.ope.terms import mean_terms
from nba.errors import InputError


def gamble(values, low, high, level=0.95):
    """Say which of a grid of values an obvious gambler rules out, on either side."""
    limit = 2 / (1 - level)
    span = high - low
    seen, squares, bets = [low + 0.5 * span], span**2 / 16, []
    for t, value in enumerate(values, start=1):
        variance = squares / t
        bets.append(math.sqrt(2 * math.log(limit) / (variance * t * math.log(t + 1))))
        seen.append(value)
        squares += (value - (sum(seen) / len(seen))) ** 2
    kept = []
    for mu in np.linspace(low, high, 401)[1:-1]:
        up = down = 1.0
        out = False
        for bet, value in zip(bets, values, strict=True):
            up *= 1 + min(bet, 0.5 / (mu - low)) * (value - mu)
            down *= 1 - min(bet, 0.5 / (high - mu)) * (value - mu)
            out = out or max(up, down) >= limit
        if not out:
            kept.append(mu)
    return kept


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([0.02, 0.3, 0.9]))
def test_it_rules_out_what_a_slow_gambler_does(seed, rate):
    values = 2.0 * (np.random.default_rng(seed).random(150) < rate) - 0.5
    kept = gamble(values.tolist(), -0.5, 1.5)
    found = ConfidenceSequence(-0.5, 1.5).around(mean_terms(values), None)
    step = 2.0 / 400
    assert min(kept) - step <= found.low <= min(kept)
    assert max(kept) <= found.high <= max(kept) + step


def test_it_never_widens_and_ends_where_one_look_does():
    values = (np.random.default_rng(1).random(3_000) < 0.3).astype(float)
    interval = ConfidenceSequence(0.0, 1.0)
    low, high = interval.watch(mean_terms(values), after=[1, 10, 100, 1_000, 3_000])
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert (low[0], high[0]) == (0.0, 1.0)
    once = interval.around(mean_terms(values), None)
    assert (low[-1], high[-1]) == (once.low, once.high)
    assert once.high - once.low < 0.1


def test_over_all_time_the_truth_is_missed_at_most_as_often_as_promised():
    """The last bounds are within all before, so they miss if any did."""
    rng = np.random.default_rng(2)
    interval = ConfidenceSequence(0.0, 4.0)
    missed = 0
    for _ in range(300):
        found = interval.around(mean_terms(4.0 * (rng.random(600) < 0.1)), None)
        missed += not found.low <= 0.4 <= found.high
    assert missed <= 15


def test_customers_count_in_the_order_of_their_first_rows():
    values = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    names = np.array(["z", "a", "z", "m", "a"])
    sums, rows = ConfidenceSequence(0.0, 1.0)._customers(values, names)
    assert (sums.tolist(), rows.tolist()) == ([2.0, 1.0, 0.0], [2.0, 2.0, 1.0])


def test_more_rows_than_promised_are_refused():
    terms, names = mean_terms(np.ones(3)), np.array([1, 1, 2])
    with pytest.raises(InputError, match="/most_rows: a customer has 2 rows; 1 was promised"):
        ConfidenceSequence(0.0, 1.0, most_rows=1).around(terms, names)
    with pytest.raises(InputError, match="/after: found 0 to 3; 1 to 2 customers"):
        ConfidenceSequence(0.0, 1.0).watch(terms, names, after=[0, 3])


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (2, r"/after: found shape \(\); one axis is expected"),
        ([1.7], "/after: found float64; whole numbers of customers"),
    ],
)
def test_looks_are_after_whole_customers(after, message):
    with pytest.raises(InputError, match=message):
        ConfidenceSequence(0.0, 1.0).watch(mean_terms(np.ones(3)), after=after)


def test_without_a_look_there_is_no_bound():
    low, high = ConfidenceSequence(0.0, 1.0).watch(mean_terms(np.ones(3)), after=[])
    assert (low.tolist(), high.tolist()) == ([], [])


def test_what_the_data_chose_is_watched_by_its_reference():
    values = np.repeat([1.0, 0.0], 500)
    chosen = mean_terms(np.full(1_000, 0.1)).beside(mean_terms(values))
    interval = ConfidenceSequence(0.0, 1.0)
    found, expected = (interval.watch(one, after=[1_000]) for one in (chosen, mean_terms(values)))
    assert (found[0][0], found[1][0]) == (expected[0][0], expected[1][0])
