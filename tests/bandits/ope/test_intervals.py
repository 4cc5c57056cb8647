"""Every interval: it covers, it keeps customers whole, and it says when it cannot be given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits.ope import (
    DR,
    IPS,
    SNIPS,
    Bootstrap,
    ConfidenceSequence,
    EmpiricalBernstein,
    LoggedData,
    Target,
    compare,
    evaluate,
    row_bounds,
)
from nba.errors import InputError

INTERVALS = [Bootstrap(), EmpiricalBernstein(0.0, 4.0), ConfidenceSequence(0.0, 4.0)]
every_interval = pytest.mark.parametrize(
    "interval", INTERVALS, ids=lambda each: type(each).__name__
)


def log(seed, n, *, customers=None):
    """Draw from two actions at one half each; action 1 pays .4 of the time, action 0 .2."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 2, n)
    rewards = (rng.random(n) < np.array([0.2, 0.4])[actions]).astype(float)
    data = LoggedData(actions, rewards, np.full(n, 0.5), customers)
    return data, Target.from_distribution(actions, [[0.0, 1.0]], [[0.3, 0.3]])


@every_interval
def test_the_truth_lies_within(interval):
    data, target = log(1, 4_000)
    found = evaluate(IPS(), data, target, interval=interval)
    assert found.low < 0.4 < found.high
    assert found.low < found.value < found.high
    assert found.standard_error == pytest.approx(np.sqrt(0.4 * 2 - 0.16) / np.sqrt(4_000), rel=0.1)


@every_interval
def test_four_times_the_customers_give_about_half_the_width(interval):
    few, many = (evaluate(IPS(), *log(2, n), interval=interval) for n in (4_000, 16_000))
    assert (many.high - many.low) / (few.high - few.low) == pytest.approx(0.5, abs=0.12)


@every_interval
def test_rows_that_a_customer_repeats_narrow_nothing(interval):
    data, target = log(3, 1_000)
    once = evaluate(IPS(), data, target, interval=interval)
    repeated = LoggedData(
        np.repeat(data.actions, 3),
        np.repeat(data.rewards, 3),
        np.repeat(data.probabilities, 3),
        np.repeat(np.arange(1_000), 3),
    )
    thrice = evaluate(
        IPS(), repeated, Target(np.repeat(target.probabilities, 3)), interval=interval
    )
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=1e-9)


@every_interval
def test_a_difference_is_found_where_there_is_one(interval):
    data, target = log(4, 30_000)
    other = Target.from_distribution(data.actions, [[1.0, 0.0]], [[0.3, 0.3]])
    if not isinstance(interval, Bootstrap):
        interval = type(interval)(-2.0, 2.0)
    found = compare(IPS(), data, target, other, interval=interval)
    assert found.finding == "better"
    assert found.low < 0.2 < found.high


def test_certainty_costs_width():
    """At one look the bootstrap is narrowest, always-valid bounds widest."""
    widths = [
        found.high - found.low
        for found in (evaluate(IPS(), *log(5, 4_000), interval=each) for each in INTERVALS)
    ]
    assert widths[0] < widths[1]
    assert widths[0] < widths[2]


@pytest.mark.parametrize("interval", INTERVALS[1:], ids=lambda each: type(each).__name__)
def test_bounds_are_of_means_within_what_was_promised(interval):
    data, target = log(6, 500)
    with pytest.raises(InputError, match="it divides by a sum of weights"):
        evaluate(SNIPS(), data, target, interval=interval)
    with pytest.raises(InputError, match=r"rows lie outside.*0 to 1 was promised"):
        evaluate(IPS(), data, target, interval=type(interval)(0.0, 1.0))
    with pytest.raises(InputError, match="low must be below high"):
        evaluate(IPS(), data, target, interval=type(interval)(1.0, 1.0))
    low, high = row_bounds(0.0, 1.0, 2.0, doubly_robust=True)
    assert (low, high) == (-2.0, 3.0)
    found = evaluate(DR(), data, target, interval=type(interval)(low, high))
    assert low <= found.low < found.high <= high


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan])
def test_a_level_that_is_none_is_refused(level):
    for make in (Bootstrap, lambda level: EmpiricalBernstein(0.0, 1.0, level=level)):
        with pytest.raises(InputError, match="/level"):
            make(level=level)
    with pytest.raises(InputError, match="/replicates"):
        Bootstrap(replicates=1)


@every_interval
def test_a_higher_level_is_wider(interval):
    data, target = log(7, 2_000)
    bounds = {} if isinstance(interval, Bootstrap) else {"low": 0.0, "high": 4.0}
    wide, narrow = (
        evaluate(IPS(), data, target, interval=type(interval)(**bounds, level=level))
        for level in (0.99, 0.8)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("rewards", "weight", "message"),
    [((1.0, 1.0), 2.0, "/low_reward"), ((0.0, 1.0), -1.0, "/largest_weight")],
)
def test_row_bounds_need_an_order_and_a_weight(rewards, weight, message):
    with pytest.raises(InputError, match=message):
        row_bounds(*rewards, weight)


@given(
    st.floats(-5, 5),
    st.floats(0.1, 5),
    st.floats(0, 50),
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=20),
)
def test_no_row_of_any_log_lies_beyond_its_bounds(low, span, largest, shares):
    r, w, q, planned = np.array(shares).T
    rewards, expected = low + span * r, low + span * q
    weights = largest * w
    bounds = row_bounds(low, low + span, largest)
    assert (weights * rewards >= bounds[0] - 1e-9).all()
    assert (weights * rewards <= bounds[1] + 1e-9).all()
    bounds = row_bounds(low, low + span, largest, doubly_robust=True)
    rows = low + span * planned + weights * (rewards - expected)
    assert (rows >= bounds[0] - 1e-9).all()
    assert (rows <= bounds[1] + 1e-9).all()
