"""Two policies side by side on the same rows."""

import numpy as np
import pytest

from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    SNIPS,
    Chosen,
    ClippedIPS,
    DRos,
    LoggedData,
    SwitchDR,
    Target,
    compare,
    diagnose,
    evaluate,
    tuned_dr_os,
    verdict,
)
from nba.bandits.ope.terms import RESTS_ON_MODEL, UNSEEN_BIAS


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


MODEL_ONLY = [DM(), SwitchDR(threshold=0.0), SwitchDR(threshold=1.9), DRos(shrinkage=0.0)]


@pytest.mark.parametrize("estimator", MODEL_ONLY, ids=repr)
def test_a_reward_model_alone_establishes_nothing(estimator):
    """The model says .4 and .2 whatever the customer, so its interval has no width at all."""
    data = log(6, 2_000, [0.2, 0.2])
    first, second = (
        Target.from_distribution(data.actions, [np.eye(2)[action]], [[0.2, 0.4]])
        for action in (1, 0)
    )
    found = compare(estimator, data, first, second)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))
    assert found.finding == "not established"
    assert found.caveats == (RESTS_ON_MODEL,)
    assert evaluate(estimator, data, first).caveats == (RESTS_ON_MODEL,)
    measured = diagnose(data, first)
    assert not verdict(measured).refused
    assert (
        "one by DR, with the same reward model, would be enough"
        in (verdict(measured, found=found).reasons[0])
    )
    assert verdict(measured, found=evaluate(estimator, data, first)).caveats == (RESTS_ON_MODEL,)
    corrected = compare(DR(), data, first, second)
    assert (corrected.finding, corrected.caveats) == ("no detectable difference", ())
    assert not verdict(measured, found=corrected).refused


@pytest.mark.parametrize(
    "estimator", [ClippedIPS(1.9), SwitchDR(threshold=1.9), DRos(shrinkage=4.0)], ids=repr
)
def test_a_bound_that_changes_weights_is_a_caveat_of_what_is_found(estimator):
    """One policy has weights of .04 and 1.96, the other of 1.2 and .8: one caveat, not two."""
    data = log(7, 500, [0.2, 0.3])
    first, second = (
        Target.from_distribution(data.actions, [[1.0 - p, p]], [[0.2, 0.2]]) for p in (0.98, 0.4)
    )
    found = compare(estimator, data, first, second)
    assert found.caveats == (UNSEEN_BIAS,)
    assert verdict(diagnose(data, first), found=found).caveats == (UNSEEN_BIAS,)


@pytest.mark.parametrize("estimator", [IPS(), SNIPS(), DR(), ClippedIPS(2.0), SwitchDR(2.0)])
def test_a_bound_that_changes_nothing_is_none(estimator):
    data = log(8, 500, [0.2, 0.3])
    assert compare(estimator, data, always(data, 1), always(data, 0)).caveats == ()


@pytest.mark.parametrize("estimator", [tuned_dr_os(), Chosen(DM(), DR())], ids=["tuned", "chosen"])
def test_what_the_data_chose_is_compared_by_the_interval_of_its_reference(estimator):
    data = log(9, 3_000, [0.2, 0.22])
    first, second = always(data, 1), always(data, 0)
    found, by_dr = (compare(one, data, first, second) for one in (estimator, DR()))
    assert found.caveats == ()
    assert found.standard_error == by_dr.standard_error
    assert found.low == min(by_dr.low, found.difference)
    assert found.high == max(by_dr.high, found.difference)
    alone = [evaluate(estimator, data, target).value for target in (first, second)]
    assert found.difference == pytest.approx(alone[0] - alone[1])
