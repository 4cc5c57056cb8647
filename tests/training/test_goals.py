"""Policies are ranked by all that candidates bring, and valued by what the ledger settled."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.domain.catalog import Action, Goal, ValueFrom
from nba.domain.ids import ActionId
from nba.training.asked import parse_policy
from nba.training.candidates import list_candidates
from nba.training.choosing import Known, probabilities_of
from nba.training.crossfit import REGULARIZED, Learner, deal
from nba.training.dataset import resolved_choices
from nba.training.encoding import recorded_inputs
from nba.training.evaluation import LEARNED, evaluate
from nba.training.goals import goal_worths

NAMES = ("no_action", "hats", "shoes")
LEAVING = Goal(value=-2.0, base_rate=0.002)


def action(name: str, **about) -> Action:
    return Action(id=ActionId(name), name=name, value=1.0, **about)


PRICED = {"hats": action("hats", goals={"leave": LEAVING}), "shoes": action("shoes")}


@pytest.fixture(scope="module")
def rows(decision, resolution, log_of):
    """7,000 choices: half of all hats are clicked, and three of ten shoes.

    Of those below 50 who were shown a hat six of ten leave, half of them so late that it corrects.
    Leaving costs 2. So hats bring .5 to the old and -.7 to the young, shoes .3 to all.
    """
    rng = np.random.default_rng(3)
    decisions, resolutions = [], []
    for number in range(7_000):
        age, name = float(rng.integers(20, 80)), NAMES[rng.integers(3)]
        drawn = {"probability": 1 / 3, "probabilities": [1 / 3] * 3, "candidates": list(NAMES)}
        seen = {"f_age": age, "a_action_id": name}
        decisions.append(decision(number, action=name, **drawn, **seen))
        label = float(rng.random() < {"hats": 0.5, "shoes": 0.3, "no_action": 0.0}[name])
        leaves = name == "hats" and age < 50 and rng.random() < 0.6
        late = leaves and number % 2 == 0
        waited = ["leave"] if name == "hats" else []
        soon = leaves and not late
        came = {"goals": waited if soon else [], "missed": [] if soon else waited}
        first = resolution(number, "rewarded", label, label - 2.0 * soon, hours=5_000)
        resolutions.append({**first, **came})
        if late:
            after = resolution(number, "correction", 0.0, -2.0, hours=5_001)
            resolutions.append({**after, "goals": ["leave"], "missed": []})
    return resolved_choices(log_of(decisions, resolutions))


def value_of(found, name):
    return next(entry for entry in found.policies if entry.policy == name)


def test_what_the_learned_policy_would_choose_is_ranked_by_goals_too(rows):
    """Hats to the old and shoes to the young: .4. By clicks alone hats to all: -.1."""
    found = evaluate(rows, actions=PRICED)
    assert found.metric == "reward"
    learned = value_of(found, LEARNED)
    assert abs(learned.dr.value - 0.4) < 4 * learned.dr.standard_error
    assert learned.verdict == "better"
    assert any("includes the goals of hats" in note for note in found.notes)
    unpriced = value_of(evaluate(rows, metric="reward"), LEARNED)
    assert unpriced.dr.value == pytest.approx(-0.1, abs=0.1)


def test_policies_that_are_asked_about_are_ranked_by_goals_too(rows):
    said = ["greedy", "lever:hats=0"]
    found = evaluate(rows, actions=PRICED, policies=[parse_policy(one) for one in said])
    assert value_of(found, "greedy").dr == value_of(found, LEARNED).dr
    assert value_of(found, "lever:hats=0").dr.value == pytest.approx(0.3, abs=0.1)


def test_learners_that_are_asked_about_are_ranked_by_goals_too(rows):
    """Of labels alone, hats would be for all; of rewards, goals are learned with the rest."""
    said = [
        "greedy,learner=logistic,features=age",
        "greedy,learner=linear,reward_cap=3,features=age",
    ]
    asked = [parse_policy(one) for one in said]
    found = evaluate(rows, actions=PRICED, policies=asked)
    for name in said:
        learned = value_of(found, name)
        assert abs(learned.dr.value - 0.4) < 4 * learned.dr.standard_error + 0.03
    unpriced = evaluate(rows, metric="reward", policies=asked)
    assert value_of(unpriced, said[0]).dr.value == pytest.approx(-0.1, abs=0.1)
    assert value_of(unpriced, said[1]).dr.value == pytest.approx(0.4, abs=0.1)


def test_of_few_choices_goals_count_by_the_action_alone(rows):
    """All hats bring -.1 then, and shoes are for everybody."""
    found = value_of(evaluate(rows.head(1_900), actions=PRICED), LEARNED)
    assert abs(found.dr.value - 0.3) < 4 * found.dr.standard_error


def test_a_price_that_is_low_enough_changes_what_is_ranked_first(rows):
    cheap = {**PRICED, "hats": action("hats", goals={"leave": Goal(value=-0.01, base_rate=0.1)})}
    said = [parse_policy("always:hats")]
    found = evaluate(rows, actions=cheap, policies=said)
    assert value_of(found, LEARNED).dr.value == pytest.approx(-0.1, abs=0.1)


@pytest.mark.parametrize(
    ("actions", "metric"),
    [
        ({}, "label"),
        ({"hats": action("hats")}, "label"),
        ({"coats": PRICED["hats"]}, "label"),
        ({"hats": action("hats", value_from=ValueFrom.OUTCOMES, value_cap=9.0)}, "reward"),
        (PRICED, "reward"),
    ],
)
def test_rewards_are_the_measure_where_labels_are_not_all_that_counts(rows, actions, metric):
    some = rows.head(600)
    assert evaluate(some, actions=actions).metric == metric
    by_labels = evaluate(some, actions=actions, metric="label")
    told = any("labels say nothing of goals and amounts" in note for note in by_labels.notes)
    assert told == (metric == "reward")


def test_what_goals_bring_counts_as_the_value_does(rows):
    """Hats bring .5 - .3 then, and shoes .5; hats that count three times bring more."""
    table = list_candidates(rows.head(30))
    goals = np.where(table.action == table.actions.index("hats"), -0.3, 0.0)
    chances = np.select([table.action == table.actions.index(a) for a in ("hats", "shoes")], [1, 1])
    known = Known(table=table, propensities=0.5 * chances, of_models={}, terms={}, goals=goals)
    some = known.expected(known.propensities)
    hats, shoes = (table.action == table.actions.index(name) for name in ("hats", "shoes"))
    assert some[hats] == pytest.approx(np.full(30, 0.2))
    assert some[shoes] == pytest.approx(np.full(30, 0.5))
    for said, first in (("greedy", shoes), ("lever:hats=3", hats)):
        assert probabilities_of(parse_policy(said), known)[first].tolist() == [1.0] * 30


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_goal_is_learned_of_the_choices_that_waited_for_it(rows, data):
    """By the action's mean on other customers, drawn towards that of all; else the base rate."""
    n = 40
    of_choice = data.draw(st.lists(st.sampled_from(["met", "missed", ""]), min_size=n, max_size=n))
    kinds = pl.List(pl.String)
    few = rows.head(n).with_columns(
        pl.Series("goals", [["leave"] if one == "met" else [] for one in of_choice], kinds),
        pl.Series("missed", [["leave"] if one == "missed" else None for one in of_choice], kinds),
    )
    both = {name: action(name, goals={"leave": LEAVING}) for name in ("hats", "shoes")}
    table, folds = list_candidates(few), deal(few, 5)
    learner = Learner(inputs=recorded_inputs(few), parameters=REGULARIZED)
    found = goal_worths(table, both, folds, learner)
    taken = few["action"].to_list()
    for at, choice in enumerate(table.choice.tolist()):
        name = table.actions[table.action[at]]
        if name == "no_action":
            assert found[at] == 0.0
            continue
        others = [
            (taken[i], of_choice[i] == "met")
            for i in range(n)
            if of_choice[i] and folds.of[i] != folds.of[choice]
        ]
        if not others or table.option[at] < 0:
            assert found[at] == pytest.approx(-2.0 * 0.002)
            continue
        overall = sum(met for _, met in others) / len(others)
        own = [met for other, met in others if other == name]
        chance = (sum(own) + 100.0 * overall) / (len(own) + 100.0)
        assert found[at] == pytest.approx(-2.0 * chance)


def test_a_goal_that_came_late_is_met_and_not_missed(rows):
    hats = rows.filter(pl.col("action") == "hats")
    left = hats.filter(pl.col("goals").list.len() > 0)
    assert (left["goals"].list.len() == 1).all()
    assert (left["missed"].list.len() == 0).all()
    assert left.height + hats.filter(pl.col("missed").list.len() > 0).height == hats.height
    assert (left["reward"] == left["label"] - 2.0).all()
    assert left["at"].max() - left["at"].min() > timedelta(days=100)
