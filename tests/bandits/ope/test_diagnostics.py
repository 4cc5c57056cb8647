"""The verdict refuses what the log cannot carry and says what would be enough."""

import numpy as np
import pytest

from nba.bandits.ope import Diagnostics, LoggedData, Target, Thresholds, diagnose, verdict
from nba.errors import EvaluationRefusedError

GOOD = Diagnostics(
    n=10_000,
    clusters=9_000,
    effective_sample_size=900.0,
    overlap=0.5,
    max_weight=12.0,
    max_weight_share=0.004,
    zero_weight_share=0.0,
    mean_weight=1.01,
    mean_weight_z=0.4,
)


def changed(**fields):
    return Diagnostics(**{name: fields.get(name, getattr(GOOD, name)) for name in GOOD.__slots__})


def test_four_rows_by_hand():
    data = LoggedData(np.zeros(4, dtype=int), np.zeros(4), np.array([0.5, 0.5, 0.25, 1.0]))
    found = diagnose(data, Target(np.array([0.5, 0.0, 0.5, 0.5])))  # weights 1, 0, 2, 0.5
    assert found.n == found.clusters == 4
    assert found.effective_sample_size == pytest.approx(3.5**2 / 5.25)
    assert found.overlap == pytest.approx((1 + 0 + 1 + 0.5) / 4)
    assert (found.max_weight, found.max_weight_share) == pytest.approx((2.0, 2 / 3.5))
    assert found.zero_weight_share == 0.25
    assert found.mean_weight == pytest.approx(0.875)
    # sum of w - 1 is -0.5; its deviations from their mean -0.125 have squares summing to 2.1875
    assert found.mean_weight_z == pytest.approx(-0.5 / np.sqrt(2.1875))


def test_the_logging_policy_itself_covers_everything():
    probabilities = np.random.default_rng(1).uniform(0.01, 1.0, 500)
    data = LoggedData(np.zeros(500, dtype=int), np.zeros(500), probabilities)
    found = diagnose(data, Target(probabilities))
    assert found.effective_sample_size == pytest.approx(500)
    assert (found.overlap, found.max_weight, found.mean_weight_z) == (1.0, 1.0, 0.0)
    assert not verdict(found).refused


def logged(seed, n, *, claimed):
    """Draw from (.7, .3); log what is claimed instead; the target is (.4, .6)."""
    actions = (np.random.default_rng(seed).random(n) < 0.3).astype(int)
    data = LoggedData(actions, np.zeros(n), np.array(claimed)[actions])
    return diagnose(data, Target.from_distribution(actions, [[0.4, 0.6]]))


def test_probabilities_really_used_have_a_mean_weight_of_one():
    assert abs(logged(2, 5_000, claimed=[0.7, 0.3]).mean_weight_z) < 3.0


def test_probabilities_not_those_used_are_found_out():
    found = logged(2, 5_000, claimed=[0.5, 0.5])
    assert found.mean_weight == pytest.approx(0.7 * 0.8 + 0.3 * 1.2, abs=0.02)
    (reason,) = verdict(found).reasons
    assert "not those the actions were drawn with" in reason


def test_customers_widen_the_standard_error_of_the_mean_weight():
    data = LoggedData(np.zeros(4, dtype=int), np.zeros(4), np.array([0.5, 0.5, 0.8, 0.8]))
    target = Target(np.array([1.0, 1.0, 0.4, 0.4]))  # weights 2, 2, .5, .5
    alone = diagnose(data, target)
    paired = diagnose(
        LoggedData(data.actions, data.rewards, data.probabilities, [1, 1, 2, 2]), target
    )
    assert alone.mean_weight_z == pytest.approx(1.0 / np.sqrt(4 * 0.75**2))
    assert paired.clusters == 2
    assert paired.mean_weight_z == pytest.approx(1.0 / np.sqrt(2 * 1.5**2))


def test_enough_is_enough():
    assert verdict(GOOD).reasons == ()
    verdict(GOOD).require()


def test_too_small_an_effective_sample_says_how_many_rows_would_do():
    """50 of 10,000 rows count and 200 are needed: four times as many rows."""
    found = verdict(changed(effective_sample_size=50.0))
    (reason,) = found.reasons
    assert "the effective sample is 50 of 10,000 rows and 200 are needed" in reason
    assert "about 40,000 rows logged this way would be enough" in reason
    with pytest.raises(EvaluationRefusedError, match="about 40,000 rows"):
        found.require()


def test_one_row_that_outweighs_the_others_is_refused():
    (reason,) = verdict(changed(max_weight_share=0.31, max_weight=21_739.1)).reasons
    assert reason.startswith("one row carries 31% of all weight and 10% is the most allowed")
    assert "its weight is 21,739" in reason


def test_a_mean_weight_far_from_one_is_refused_and_the_other_faults_are_named_with_it():
    found = verdict(changed(mean_weight=0.6, mean_weight_z=-9.0, effective_sample_size=1.0))
    assert [reason[:20] for reason in found.reasons] == [
        "the effective sample",
        "the mean weight is 0",
    ]
    assert "9.0 standard errors from 1" in found.reasons[1]


def test_thresholds_can_be_set():
    assert not verdict(changed(effective_sample_size=50.0), Thresholds(40.0)).refused


def test_a_target_that_never_follows_the_log_is_refused():
    data = LoggedData(np.zeros(3, dtype=int), np.zeros(3), np.full(3, 0.5))
    found = diagnose(data, Target(np.zeros(3)))
    assert (found.effective_sample_size, found.zero_weight_share, found.overlap) == (0.0, 1.0, 0.0)
    assert verdict(found).reasons[0].startswith("the target never takes a logged action")


def test_what_the_target_does_that_was_never_logged_is_measured_and_refused():
    actions = np.array([0, 1] * 500)
    data = LoggedData(actions, np.zeros(1_000), np.full(1_000, 0.5))
    found = diagnose(data, Target.from_distribution(actions, [[0.5, 0.3, 0.15, 0.05]]))
    assert found.never_logged_share == pytest.approx(0.2)
    reasons = verdict(found).reasons
    assert reasons[-1].startswith("20% of what the target does was never logged and 5% is the most")
    assert np.isnan(diagnose(data, Target(np.full(1_000, 0.5))).never_logged_share)
    little = diagnose(data, Target.from_distribution(actions, [[0.5, 0.47, 0.03]]))
    assert not verdict(little, Thresholds(mean_weight_z=np.inf)).refused


def test_a_single_candidate_is_its_own_log():
    """One action at probability 1: nothing to weigh, nothing refused but too few rows."""
    data = LoggedData(np.zeros(300, dtype=int), np.ones(300), np.ones(300))
    found = diagnose(data, Target.from_distribution(data.actions, [[1.0]]))
    assert (found.effective_sample_size, found.max_weight, found.mean_weight_z) == (300.0, 1.0, 0.0)
    assert not verdict(found).refused


def test_few_customers_are_refused_however_many_rows_they_have():
    (reason,) = verdict(changed(clusters=29)).reasons
    assert reason.startswith("the rows are of 29 customers and 30 are needed")
    assert not verdict(changed(clusters=30)).refused
    assert not verdict(changed(clusters=29), Thresholds(customers=2)).refused


def test_how_far_the_mean_weight_of_one_customer_lies_from_one_is_not_known():
    """One customer does not tell how customers vary, so no distance is in standard errors."""
    data = LoggedData(np.array([0, 1] * 200), np.ones(400), np.full(400, 0.5), np.zeros(400, int))
    found = diagnose(data, Target(np.full(400, 0.3)))
    assert (found.clusters, found.mean_weight) == (1, pytest.approx(0.6))
    assert np.isnan(found.mean_weight_z)
    assert [reason[:18] for reason in verdict(found).reasons] == ["the rows are of 1 "]
