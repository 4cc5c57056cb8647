"""Two policies side by side on the same rows."""

import numpy as np
import pytest

from nba.bandits.ope import DR, IPS, SNIPS, LoggedData, Target, compare, evaluate


def log(seed, n, rates, clusters=None):
    """Draw from two actions at one half each, with reward rates that differ."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 2, n)
    rewards = (rng.random(n) < np.array(rates)[actions]).astype(float)
    return LoggedData(actions, rewards, np.full(n, 0.5), clusters)


def always(data, action):
    return Target.from_distribution(data.actions, [np.eye(2)[action]], [[0.2, 0.2]])


@pytest.mark.parametrize("estimator", [IPS(), SNIPS(), DR()], ids=lambda each: each.name)
def test_a_better_policy_is_found_better_and_the_other_way_round(estimator):
    data = log(1, 5_000, [0.2, 0.3])
    first, second = always(data, 1), always(data, 0)
    found = compare(estimator, data, first, second)
    assert found.finding == "better"
    assert found.low < 0.1 < found.high
    values = [evaluate(estimator, data, target).value for target in (first, second)]
    assert found.difference == pytest.approx(values[0] - values[1])
    other_way = compare(estimator, data, second, first)
    assert other_way.finding == "worse"
    assert (other_way.low, other_way.high) == pytest.approx((-found.high, -found.low))


def test_what_makes_no_difference_is_not_found_to_make_one():
    data = log(2, 5_000, [0.25, 0.25])
    assert compare(SNIPS(), data, always(data, 1), always(data, 0)).finding == (
        "no detectable difference"
    )


def test_a_policy_does_not_differ_from_itself():
    data = log(3, 200, [0.2, 0.3])
    found = compare(DR(), data, always(data, 1), always(data, 1))
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.finding == "no detectable difference"


def test_policies_with_much_in_common_are_told_apart_by_pairing():
    """Two policies that differ by .1 of probability: paired, the interval is far narrower."""
    data = log(4, 5_000, [0.2, 0.3])
    first, second = (
        Target.from_distribution(data.actions, [[1 - share, share]]) for share in (0.6, 0.5)
    )
    found = compare(IPS(), data, first, second)
    apart = np.hypot(*(evaluate(IPS(), data, target).standard_error for target in (first, second)))
    assert found.standard_error < 0.25 * apart


def test_without_any_weight_nothing_is_detected():
    data = log(5, 50, [0.2, 0.3])
    found = compare(SNIPS(), data, Target(np.zeros(50)), always(data, 0))
    assert np.isnan(found.difference)
    assert found.finding == "no detectable difference"
