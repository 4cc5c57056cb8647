"""Predictions of candidates come from models that never saw the customer."""

import numpy as np
import polars as pl
import pytest

from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.training.candidates import list_candidates
from nba.training.crossfit import REGULARIZED, CandidateFeatures, Learner, deal, predict_candidates
from nba.training.dataset import resolved_choices
from nba.training.encoding import recorded_inputs


def test_a_customer_is_in_one_fold_whatever_else_is_in_the_log():
    few = pl.DataFrame({"customer_id": ["a", "b", "a"]})
    more = pl.DataFrame({"customer_id": ["b", "c", "a", "d"]})
    one, other = deal(few, 5), deal(more, 5)
    assert one.of[0] == one.of[2] == other.of[2]
    assert one.of[1] == other.of[0]


def test_folds_are_of_about_the_same_size():
    folds = deal(pl.DataFrame({"customer_id": [f"c{n}" for n in range(5_000)]}), 5)
    counts = np.bincount(folds.of, minlength=5)
    assert counts.min() > 900
    assert counts.max() < 1_100


def test_few_choices_get_their_actions_means_over_the_other_folds(decision, resolution, log_of):
    chosen = [decision(n, action="shoes" if n % 2 else "no_action") for n in range(60)]
    log = log_of(chosen, [resolution(n, label=1.0) for n in range(60)])
    table = list_candidates(resolved_choices(log))
    targets = np.where(table.choices["action"] == "shoes", 6.0, 0.0)
    folds = deal(table.choices, 3)
    found = predict_candidates(table, targets, folds, Learner(inputs=(), parameters=REGULARIZED))
    for position in range(len(found)):
        known = folds.of != folds.of[table.choice[position]]
        mean = targets[known].mean()
        name = table.actions[table.action[position]]
        same = targets[known & (table.choices["action"] == name).to_numpy()]
        expected = (same.sum() + 100 * mean) / (len(same) + 100)
        assert found[position] == pytest.approx(expected)


def test_the_features_of_a_candidate_are_its_own_and_its_customers(learnable):
    table = list_candidates(resolved_choices(learnable).head(50))
    inputs = recorded_inputs(table.choices)
    assert [entry.name for entry in inputs] == ["age", "region", "action_id"]
    features = CandidateFeatures(inputs, table)
    matrix = features.of_candidates(np.arange(len(table.choice)))
    assert matrix[:, 0].tolist() == table.choices["f_age"].to_numpy()[table.choice].tolist()
    assert matrix[:, 2].tolist() == table.action.tolist()
    assert (matrix[table.logged] == features.of_chosen).all()


def test_a_cross_of_a_candidate_is_this_customers_and_not_that_of_its_last_choice(
    decision, resolution
):
    decisions = [
        decision(1, candidates=["hats", "shoes"]),
        decision(2, candidates=["hats", "shoes"], action="hats"),
    ]
    frame = pl.DataFrame(decisions, schema=dict(SCHEMAS[LogTable.DECISIONS])).with_columns(
        pl.Series("a_bought", [5.0, 2.0], pl.Float32),
        pl.Series("a_action_id", ["shoes", "hats"]),
        pl.Series("x_bought", [[3.0, 5.0], [2.0, None]], pl.List(pl.Float32)),
    )
    log = MemoryLog()
    log.append(LogTable.DECISIONS, frame)
    rows = pl.DataFrame([resolution(1), resolution(2)], schema=SCHEMAS[LogTable.RESOLUTIONS])
    log.append(LogTable.RESOLUTIONS, rows)
    table = list_candidates(resolved_choices(log))
    inputs = recorded_inputs(table.choices)
    assert [(entry.name, entry.level) for entry in inputs] == [
        ("action_id", "candidate"),
        ("bought", "candidate"),
    ]
    features = CandidateFeatures(inputs, table)
    matrix = features.of_candidates(np.arange(4))
    assert matrix[:, 0].tolist() == [0.0, 1.0, 0.0, 1.0]
    np.testing.assert_array_equal(matrix[:, 1], [3.0, 5.0, 2.0, np.nan])
    assert features.of_chosen[:, 1].tolist() == [5.0, 2.0]


def test_a_model_learns_which_action_fits_whom(learnable):
    table = list_candidates(resolved_choices(learnable))
    learner = Learner(inputs=recorded_inputs(table.choices), parameters=REGULARIZED)
    labels = table.choices["label"].to_numpy()
    found = predict_candidates(table, labels, deal(table.choices, 2), learner)
    age = table.choices["f_age"].to_numpy()[table.choice]
    shoes = table.action == table.actions.index("shoes")
    assert found[shoes & (age >= 55)].mean() == pytest.approx(0.5, abs=0.06)
    assert found[shoes & (age < 45)].mean() == pytest.approx(0.1, abs=0.06)
