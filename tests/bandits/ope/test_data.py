"""What off-policy evaluation is given is checked before anything is divided."""

import math

import numpy as np
import pytest

from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    SNIPS,
    LoggedData,
    Target,
    diagnose,
    evaluate,
    importance_weights,
    verdict,
)
from nba.errors import EvaluationRefusedError, InputError

ACTIONS = np.array([0, 2, 1])
REWARDS = np.array([0.0, 1.0, 0.5])
HALVES = np.full(3, 0.5)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([0.5, 0.0, 0.0], "2 of 3 are 0 or below, first at row 1"),
        ([0.5, 0.5, math.nan], "1 of 3 are missing, first at row 2"),
        ([0.5, 1e-120, 0.5], "1 of 3 are below 1e-100, first at row 1"),
        ([1.5, 0.5, -0.1], "1 of 3 are 0 or below, first at row 2; 1 of 3 are above 1, first at"),
    ],
)
def test_probabilities_that_cannot_be_divided_by_are_refused_with_count_and_row(
    probabilities, message
):
    with pytest.raises(EvaluationRefusedError, match=message) as refused:
        LoggedData(ACTIONS, REWARDS, np.array(probabilities))
    assert "leave out rows that were not drawn at random" in str(refused.value)


@pytest.mark.datasets
def test_a_log_with_probabilities_of_zero_is_refused_as_a_whole(datasets):
    """The interaction history holds 53,889 rows with a logged probability of 0."""
    pl = pytest.importorskip("polars")
    log = pl.read_csv(datasets / "nba_pega" / "interaction_history.csv.gz", infer_schema=False)
    probabilities = log["pyPropensity"].cast(pl.Float64).to_numpy()
    n = len(log)
    with pytest.raises(EvaluationRefusedError, match="53,889 of 127,123 are 0 or below"):
        LoggedData(np.zeros(n, dtype=int), np.zeros(n), probabilities)


@pytest.mark.parametrize(
    ("actions", "rewards", "clusters", "message"),
    [
        ([0, -1, 1], REWARDS, None, r"/actions/1: 1 of 3 rows are wrong.*an index from 0"),
        ([0.0, 1.0, 2.0], REWARDS, None, "/actions: found float64; integers from 0"),
        ([], [], None, r"/actions: found shape \(0,\)"),
        (ACTIONS, [0.0, math.nan, math.inf], None, "/rewards/1: 2 of 3 rows are wrong.*holds nan"),
        (ACTIONS, [0.0, 1e31, 1.0], None, "/rewards/1: 1 of 3 rows are wrong.*within ±1e30"),
        (ACTIONS, [0.0], None, r"/rewards: found shape \(1,\); \(3,\) is expected"),
        (ACTIONS, ["no", "yes", "no"], None, "/rewards: not all are numbers"),
        (ACTIONS, REWARDS, ["a", None, None], "/clusters/1: 2 of 3 rows have none; every row need"),
        (ACTIONS, REWARDS, [7, None, 8], "/clusters/1: 1 of 3 rows have none"),
        (ACTIONS, REWARDS, ["a", "b", math.nan], "/clusters/2: 1 of 3 rows have none"),
        (ACTIONS, REWARDS, [math.nan] * 3, "/clusters/0: 3 of 3 rows have none"),
        (ACTIONS, REWARDS, np.array(["a", 1, 2], dtype=object), "/clusters: they cannot be told"),
        (ACTIONS, REWARDS, ["a"], r"/clusters: found shape \(1,\); \(3,\) is expected"),
    ],
)
def test_a_log_that_cannot_be_read_is_refused_by_its_place(actions, rewards, clusters, message):
    with pytest.raises(InputError, match=message):
        LoggedData(np.array(actions), np.array(rewards), HALVES[: len(actions)], clusters)


def test_weights_are_target_over_logged_probability():
    data = LoggedData(ACTIONS, REWARDS, np.array([0.5, 0.2, 1.0]))
    assert importance_weights(data, Target(np.array([1.0, 0.1, 0.0]))).tolist() == [2.0, 0.5, 0.0]


def test_the_largest_rewards_over_the_smallest_probabilities_are_still_numbers():
    actions = np.arange(400) % 2
    data = LoggedData(actions, np.full(400, 1e30), np.where(actions == 0, 1e-100, 1.0))
    target = Target(np.full(400, 0.5), np.full(400, 1e30), np.full(400, -1e30))
    for estimator in (IPS(), SNIPS(), DR()):
        found = evaluate(estimator, data, target)
        assert np.isfinite([found.value, found.standard_error, found.low, found.high]).all()
    assert verdict(diagnose(data, target)).refused


def test_a_target_of_another_length_is_refused():
    data = LoggedData(ACTIONS, REWARDS, HALVES)
    with pytest.raises(InputError, match="found 2 rows; 3 are expected"):
        importance_weights(data, Target(np.array([1.0, 0.1])))


def test_a_target_is_built_from_its_probabilities_of_all_actions():
    distribution = np.array([[0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    q = np.array([[1.0, 2.0, 3.0]])
    target = Target.from_distribution(ACTIONS, distribution, q)
    assert target.probabilities.tolist() == [0.2, 0.5, 0.0]
    assert target.q_logged.tolist() == [1.0, 3.0, 2.0]
    assert target.q_target == pytest.approx([2.3, 2.5, 1.0])


def test_a_target_that_ignores_the_situation_has_one_row():
    target = Target.from_distribution(ACTIONS, [[0.2, 0.3, 0.5]], [[1.0, 2.0, 3.0]])
    assert target.probabilities.tolist() == [0.2, 0.5, 0.3]
    assert target.q_target == pytest.approx([2.3, 2.3, 2.3])


@pytest.mark.parametrize(
    ("distribution", "q", "message"),
    [
        ([[0.2, 0.3, 0.47]], None, "/target/distribution/0: 1 of 1 rows are wrong.*sum to 1"),
        ([[0.5, 0.5]], None, "found actions 0 to 2; 0 to 1 are expected"),
        ([[-0.5, 0.5, 1.0]], None, "/target/distribution/0/0: 1 are wrong, the first is -0.5"),
        (
            [[0.2, 0.3, 0.5], [1.2, 0.3, -0.5], [-0.1, 1.1, 0.0]],
            None,
            "/target/distribution/1/2: 2 are wrong, the first is -0.5; a number from 0 to 1",
        ),
        ([[math.nan, 0.5, 0.5]], None, "/target/distribution/0/0: 1 are wrong, the first is nan"),
        ([["all", "or", "none"]], None, "/target/distribution: not all are numbers"),
        ([[0.5, 0.5], [1.0]], None, "/target/distribution: not all are numbers"),
        ([0.2, 0.3, 0.5], None, r"/target/distribution: found shape \(3,\)"),
        ([[0.2, 0.3, 0.5]], [[1.0, 2.0]], "/target/q: found 2 actions; 3 are expected"),
        ([[0.2, 0.3, 0.5]], [[1.0, 2.0, math.nan]], "/target/q_logged/1: 1 of 3 rows are wrong"),
    ],
)
def test_a_distribution_that_is_none_is_refused(distribution, q, message):
    with pytest.raises(InputError, match=message):
        Target.from_distribution(ACTIONS, distribution, q)


def test_a_target_is_built_from_lists_as_a_log_is():
    found = Target.from_distribution(ACTIONS.tolist(), [[0.2, 0.3, 0.5]])
    assert found.probabilities.tolist() == [0.2, 0.5, 0.3]


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0.0, 1.7, 2.0], "/actions: found float64; integers from 0"),
        (["a", "b"], "/actions: not all are numbers"),
        ([0, -1, 2], "/actions/1: 1 of 3 rows are wrong, the first holds -1.0"),
        ([], r"/actions: found shape \(0,\); one axis with at least one row"),
        ([[0, 1]], r"/actions: found shape \(1, 2\); one axis"),
    ],
)
def test_actions_that_are_none_are_refused(actions, message):
    with pytest.raises(InputError, match=message):
        Target.from_distribution(actions, [[0.2, 0.3, 0.5]])


def test_half_a_reward_model_is_refused():
    with pytest.raises(InputError, match="found one of q_logged, q_target; give both"):
        Target(HALVES, q_logged=HALVES)


def test_an_estimator_that_needs_a_reward_model_says_so():
    data = LoggedData(ACTIONS, REWARDS, HALVES)
    with pytest.raises(InputError, match="no reward model; this estimator needs q_logged"):
        evaluate(DM(), data, Target(HALVES))
