"""Action probabilities estimated where none were logged, and said to be so to the end."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from nba.bandits.ope import (
    IPS,
    LoggedData,
    Target,
    deal_folds,
    diagnose,
    estimate_probabilities,
    evaluate,
    verdict,
)
from nba.errors import EvaluationRefusedError, InputError


def confounded(n, seed):
    """Give those with x > 0, who earn more anyway, action 1 more often; it adds .2."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    logits = np.hstack([np.zeros((n, 1)), 1.5 * x, -0.5 + 0.5 * x])
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    actions = (rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    rates = np.where(x[:, 0] > 0, 0.5, 0.1) + np.array([0.0, 0.2, 0.1])[actions]
    return x, chances, actions, (rng.random(n) < rates).astype(float)


def test_estimates_come_near_what_was_used_and_undo_the_confounding():
    x, chances, actions, rewards = confounded(6_000, 1)
    folds = deal_folds(len(x), count=3)
    found = estimate_probabilities(LogisticRegression(), actions, x, n_actions=3, folds=folds)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(x)))
    assert np.abs(found - chances).mean() < 0.02
    data = LoggedData(actions, rewards, found[np.arange(len(x)), actions], estimated=True)
    value = evaluate(IPS(), data, Target.from_distribution(actions, [[0.0, 1.0, 0.0]]))
    assert value.value == pytest.approx(0.5, abs=0.04)
    assert rewards[actions == 1].mean() > 0.58
    assert value.probabilities_estimated
    found_verdict = verdict(diagnose(data, Target.from_distribution(actions, [[0.0, 1.0, 0.0]])))
    assert not found_verdict.refused
    assert "estimated, not recorded" in found_verdict.caveats[0]


def test_recorded_probabilities_have_no_caveat():
    data = LoggedData(np.zeros(3, dtype=int), np.zeros(3), np.ones(3))
    assert verdict(diagnose(data, Target(np.ones(3)))).caveats == ()


def test_a_fold_is_not_told_of_itself():
    actions = np.array([0, 0, 0, 1])
    folds = np.array([0, 0, 1, 1])
    found = estimate_probabilities(
        LogisticRegression(), actions, np.ones((4, 1)), n_actions=2, folds=folds
    )
    # The first fold took action 0 alone, so the second is told that nothing else is ever done.
    assert found[2:].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert found[0] == pytest.approx([0.5, 0.5], abs=1e-6)
    with pytest.raises(EvaluationRefusedError, match="1 of 4 are 0 or below, first at row 3"):
        LoggedData(actions, np.zeros(4), found[np.arange(4), actions])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_actions": 2}, "/actions/2: 1 of 4 rows are wrong, the first holds 2.*below 2"),
        ({"actions": [0, 1, 0.5, 1]}, "/actions: found float64; integers from 0"),
        ({"folds": [0, 1]}, r"/folds: found shape \(2,\)"),
        ({"situations": [[1.0], [2.0], [np.nan], [1.0]]}, "/situations/2/0: 1 are wrong.*nan"),
        ({"situations": [["a"], ["b"], ["c"], ["d"]]}, "/situations: not all are numbers"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(changed, message):
    fields = {
        "actions": [0, 1, 2, 1],
        "situations": np.ones((4, 1)),
        "n_actions": 3,
        "folds": [0, 0, 1, 1],
        **changed,
    }
    with pytest.raises(InputError, match=message):
        estimate_probabilities(LogisticRegression(), **fields)


def test_gaps_are_the_classifiers_to_read():
    x, _, actions, _ = confounded(600, 2)
    x[::7] = np.nan
    folds = deal_folds(len(x), count=2)
    found = estimate_probabilities(
        HistGradientBoostingClassifier(max_iter=5), actions, x, n_actions=3, folds=folds
    )
    assert found.sum(axis=1) == pytest.approx(np.ones(len(x)))


def test_another_fault_of_a_classifier_is_left_as_it_is():
    with pytest.raises(ValueError, match="C' parameter"):
        estimate_probabilities(
            LogisticRegression(C=-1.0),
            [0, 1, 0, 1],
            np.ones((4, 1)),
            n_actions=2,
            folds=[0, 0, 1, 1],
        )


def test_what_does_not_fit_is_named():
    actions = np.array([0, 1])
    with pytest.raises(InputError, match="/situations"):
        estimate_probabilities(
            LogisticRegression(), actions, np.ones(2), n_actions=2, folds=np.arange(2)
        )
    with pytest.raises(InputError, match="fold 0 has no other rows"):
        estimate_probabilities(
            LogisticRegression(), actions, np.ones((2, 1)), n_actions=2, folds=np.zeros(2, int)
        )
