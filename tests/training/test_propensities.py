"""A log without action probabilities, whose choices depended on what was recorded."""

import numpy as np
import polars as pl
import pytest

from nba.errors import EvaluationRefusedError
from nba.training.dataset import resolved_choices
from nba.training.evaluation import evaluate

ACTIONS = ["no_action", "hats", "shoes"]


@pytest.fixture(scope="module")
def confounded(decision, resolution, log_of):
    """3,000 choices: northerners get shoes .8 of the time and buy anyway; shoes add .1."""
    rng = np.random.default_rng(4)
    decisions, resolutions = [], []
    for number in range(3_000):
        is_north = bool(rng.random() < 0.5)
        chances = [0.1, 0.1, 0.8] if is_north else [0.45, 0.45, 0.1]
        action = ACTIONS[rng.choice(3, p=chances)]
        rate = (0.5 if is_north else 0.1) + 0.1 * (action == "shoes")
        age = None if number % 7 == 0 else float(rng.integers(20, 80))
        decisions.append(
            decision(
                number,
                action=action,
                probability=float("nan"),
                candidates=ACTIONS,
                probabilities=[float("nan")] * 3,
                f_region="north" if is_north else "south",
                f_age=age,
                a_action_id=action,
            )
        )
        resolutions.append(resolution(number, "rewarded", float(rng.random() < rate), 1.0))
    return resolved_choices(log_of(decisions, resolutions))


def test_missing_probabilities_are_refused_with_what_to_do(confounded):
    with pytest.raises(EvaluationRefusedError, match="3,000 of 3,000 are missing, first at row 0"):
        evaluate(confounded)


def test_estimates_undo_what_the_choice_depended_on_and_are_said_in_every_verdict(confounded):
    found = evaluate(confounded, estimate_probabilities=True, every_constant=True)
    by_name = {entry.policy: entry for entry in found.policies}
    shoes = by_name["always shoes"]
    raw = confounded.filter(pl.col("action") == "shoes")["label"].mean()
    assert raw > 0.5
    for estimate in (shoes.ips, shoes.snips, shoes.dr):
        assert abs(estimate.value - 0.4) < 4 * estimate.standard_error
        assert estimate.probabilities_estimated
    assert all(
        entry.refused or entry.verdict.endswith(", if the estimated probabilities are right")
        for entry in found.policies
    )
    assert any("estimated by logistic regression" in note for note in found.notes)


def test_an_action_that_only_one_customer_got_is_refused_by_count(confounded):
    rare = confounded.head(600).with_columns(
        pl.when(pl.int_range(pl.len()) == 5)
        .then(pl.lit("boots"))
        .otherwise("action")
        .alias("action"),
        pl.lit([*ACTIONS, "boots"]).alias("candidates"),
    )
    with pytest.raises(EvaluationRefusedError, match="1 of 600 are 0 or below, first at row 5"):
        evaluate(rare, estimate_probabilities=True)
