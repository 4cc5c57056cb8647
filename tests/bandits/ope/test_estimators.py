"""Every estimator: by hand, in agreement with each other, and against reference figures."""

import numpy as np
import pytest

from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    MRDR,
    SNDR,
    SNIPS,
    ClippedIPS,
    DRos,
    Estimator,
    LoggedData,
    SwitchDR,
    Target,
    diagnose,
    evaluate,
    tuned_clipped_ips,
    tuned_dr_os,
    tuned_switch_dr,
    verdict,
)
from nba.errors import InputError

ESTIMATORS: list[Estimator] = [
    IPS(),
    ClippedIPS(),
    SNIPS(),
    DM(),
    DR(),
    SNDR(),
    SwitchDR(),
    DRos(),
    MRDR(),
    tuned_clipped_ips(),
    tuned_switch_dr(),
    tuned_dr_os(),
]
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.name)

DATA = LoggedData(np.array([0, 1, 1, 0]), np.array([1.0, 0.0, 2.0, 3.0]), np.full(4, 0.5))
TARGET = Target.from_distribution(DATA.actions, [[0.8, 0.2]], [[2.0, 1.0]])


@pytest.mark.parametrize(
    ("estimator", "value"),
    [
        # weights 1.6 for action 0 and 0.4 for action 1; q of the target is 1.8 everywhere
        (IPS(), (1.6 + 0.8 + 4.8) / 4),
        (ClippedIPS(clip=1.0), (1.0 + 0.8 + 3.0) / 4),
        (SNIPS(), (1.6 + 0.8 + 4.8) / 4.0),
        (DM(), 1.8),
        (DR(), 1.8 + (1.6 * -1 + 0.4 * -1 + 0.4 * 1 + 1.6 * 1) / 4),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_four_rows_by_hand(estimator, value):
    estimate = evaluate(estimator, DATA, TARGET)
    assert estimate.value == pytest.approx(value, abs=1e-12)
    assert estimate.name == estimator.name
    assert estimate.n == 4
    assert estimate.max_weight == pytest.approx(1.6)
    assert estimate.effective_sample_size == pytest.approx(4.0**2 / (2 * 1.6**2 + 2 * 0.4**2))


THREE = LoggedData(np.array([0, 1, 0]), np.array([1.0, 0.0, 4.0]), np.full(3, 0.5))


@pytest.mark.parametrize(
    ("estimator", "correction"),
    [
        # weights 1.6, 0.4, 1.6 and residuals -1, -1, 2, on 1.8 of the direct method
        (DR(), (-1.6 - 0.4 + 3.2) / 3),
        (SNDR(), (-1.6 - 0.4 + 3.2) / 3.6),
        (SwitchDR(threshold=1.0), -0.4 / 3),
        (SwitchDR(threshold=0.4), -0.4 / 3),
        (DRos(shrinkage=2.56), (-0.8 - 0.4 / 1.0625 + 1.6) / 3),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_three_rows_by_hand(estimator, correction):
    target = Target.from_distribution(THREE.actions, [[0.8, 0.2]], [[2.0, 1.0]])
    assert evaluate(estimator, THREE, target).value == pytest.approx(1.8 + correction, abs=1e-12)


@pytest.mark.parametrize("bound", [0.0, np.inf])
def test_at_its_ends_shrinking_is_the_direct_method_and_dr(bound):
    data, target, _ = simulated(seed=21, n=500)
    end = evaluate(DM() if bound == 0.0 else DR(), data, target).value
    for estimator in (SwitchDR(threshold=bound), DRos(shrinkage=bound)):
        assert evaluate(estimator, data, target).value == pytest.approx(end, abs=1e-12)


@pytest.mark.parametrize("bound", [-1.0, np.nan])
def test_a_bound_below_nothing_is_refused(bound):
    with pytest.raises(InputError, match="0 or more"):
        SwitchDR(threshold=bound)
    with pytest.raises(InputError, match="0 or more"):
        DRos(shrinkage=bound)
    with pytest.raises(InputError, match=r"/clip: clip .*; 0 or more; inf is IPS"):
        ClippedIPS(clip=bound)
    with pytest.raises(InputError, match="/clip"):
        evaluate(tuned_clipped_ips([1.0, bound]), DATA, TARGET)


def simulated(seed, n):
    """Draw a log over 3 actions with known rates, and a target with the true reward model."""
    rng = np.random.default_rng(seed)
    side = rng.integers(0, 2, n)
    logging = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    target = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
    rates = np.array([[0.2, 0.5, 0.6], [0.4, 0.1, 0.3]])
    actions = (rng.random(n)[:, None] > logging[side].cumsum(axis=1)).sum(axis=1)
    rewards = (rng.random(n) < rates[side, actions]).astype(float)
    truth = float((target * rates).sum(axis=1).mean())
    data = LoggedData(actions, rewards, logging[side, actions])
    return data, Target.from_distribution(actions, target[side], rates[side]), truth


@every_estimator
def test_the_true_value_lies_within_the_interval(estimator):
    data, target, truth = simulated(seed=11, n=20_000)
    estimate = evaluate(estimator, data, target)
    assert estimate.low < truth < estimate.high
    assert abs(estimate.value - truth) < 0.02
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low == pytest.approx(3.92 * estimate.standard_error, rel=0.15)


@every_estimator
def test_the_same_seed_gives_the_same_estimate_to_the_last_bit(estimator):
    data, target, _ = simulated(seed=12, n=500)
    assert evaluate(estimator, data, target) == evaluate(estimator, data, target)
    other = evaluate(estimator, data, target, seed=1)
    assert other.value == evaluate(estimator, data, target).value
    assert other.low != evaluate(estimator, data, target).low


@pytest.mark.parametrize("estimator", [IPS(), SNIPS(), DR()], ids=lambda each: each.name)
def test_the_logging_policy_is_worth_what_it_earned(estimator):
    data, _, _ = simulated(seed=13, n=2_000)
    logging = Target(data.probabilities, np.zeros(len(data)), np.zeros(len(data)))
    estimate = evaluate(estimator, data, logging)
    assert estimate.value == pytest.approx(data.rewards.mean())
    assert estimate.effective_sample_size == pytest.approx(2_000)


def test_the_interval_is_that_of_a_mean_where_weights_are_one():
    data, _, _ = simulated(seed=14, n=2_000)
    estimate = evaluate(IPS(), data, Target(data.probabilities), replicates=2_000)
    assert estimate.standard_error == pytest.approx(data.rewards.std() / np.sqrt(2_000), rel=0.06)


def test_rows_of_one_customer_count_once_in_the_interval():
    """Each row logged four times under one customer leaves value and interval as they were."""
    data, target, _ = simulated(seed=15, n=1_000)
    repeated = LoggedData(
        np.repeat(data.actions, 4),
        np.repeat(data.rewards, 4),
        np.repeat(data.probabilities, 4),
        np.repeat(np.arange(1_000), 4),
    )
    once = evaluate(SNIPS(), data, target)
    four = evaluate(SNIPS(), repeated, Target(np.repeat(target.probabilities, 4)))
    assert four.value == pytest.approx(once.value)
    assert (four.low, four.high) == pytest.approx((once.low, once.high))


def test_a_target_the_log_never_follows_has_no_self_normalized_value():
    estimate = evaluate(SNIPS(), DATA, Target(np.zeros(4)))
    assert np.isnan([estimate.value, estimate.standard_error, estimate.low, estimate.high]).all()
    assert estimate.effective_sample_size == 0.0


def test_a_reward_of_a_billion_is_an_answer_with_an_interval_to_match():
    data = LoggedData(DATA.actions, np.array([1.0, 0.0, 2.0, 1e9]), DATA.probabilities)
    estimate = evaluate(IPS(), data, TARGET)
    assert estimate.value == pytest.approx((1.6 + 0.8 + 1.6e9) / 4)
    assert estimate.high - estimate.low > estimate.value


@pytest.mark.datasets
@pytest.mark.parametrize(
    ("campaign", "values", "effective", "carried"),
    [
        ("all", (0.0023596395, 0.0023337139, 0.0041999481, 0.0022890298), 340.4, True),
        ("men", (0.0030086263, 0.0031894232, 0.0058937297, 0.0032486630), 655.7, True),
        ("women", (0.0074375775, 0.0023730461, 0.0043200668, 0.0006927463), 2.08, False),
    ],
)
def test_open_bandit_uniform_policy_from_thompson_logs(
    datasets, campaign, values, effective, carried
):
    """Reference figures for the uniform policy over all items, positions ignored.

    The reward model is q(item) = (clicks + 100 · mean) / (n + 100) on the same rows.
    """
    pl = pytest.importorskip("polars")
    log = pl.read_csv(
        datasets / "obd" / "bts" / campaign / f"{campaign}.csv.gz",
        columns=["item_id", "click", "propensity_score"],
    )
    items, clicks = log["item_id"].to_numpy(), log["click"].to_numpy().astype(float)
    data = LoggedData(items, clicks, log["propensity_score"].to_numpy())
    shown = np.bincount(items)
    q = (np.bincount(items, weights=clicks) + 100 * clicks.mean()) / (shown + 100)
    target = Target.from_distribution(items, np.full((1, len(shown)), 1 / len(shown)), q[None])
    for estimator, value in zip((IPS(), SNIPS(), DM(), DR()), values, strict=True):
        estimate = evaluate(estimator, data, target, replicates=20)
        assert estimate.value == pytest.approx(value, abs=1e-9)
        assert estimate.effective_sample_size == pytest.approx(effective, rel=2e-3)
    assert verdict(diagnose(data, target)).refused is not carried
