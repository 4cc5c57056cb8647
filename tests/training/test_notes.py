"""Beside rows of learners it is said how they were taught, and of what."""

import numpy as np
import pytest

from nba.bandits import Estimate
from nba.training import notes
from nba.training.asked import parse_policy
from nba.training.teaching import Taught

LINEAR = "ucb,learner=linear,reward_cap=1"


def said_of(policies, metric="label", model=None):
    asked = [parse_policy(one) for one in policies]
    taught = {
        one.said: Taught(estimate=Estimate(np.zeros(3)), updates=np.array([2_400, 2_400, 2_350]))
        for one in asked
        if one.kind == "learner"
    }
    return list(notes.on_learners(asked, taught, metric, model))


def test_what_was_taught_and_what_it_corrects_is_said_once_for_all():
    (said,) = said_of(["ucb", "greedy", "thompson"])
    assert said.startswith("ucb; thompson: ")
    assert "2,350 at least, and corrects the action's base rate" in said
    assert said_of(["greedy", "always:hats"]) == []


@pytest.mark.parametrize(("metric", "count"), [("label", 2), ("reward", 1)])
def test_where_labels_are_valued_and_rewards_learned_it_is_said(metric, count):
    said = said_of(["thompson", LINEAR], metric)
    assert len(said) == count
    if count > 1:
        assert said[1].startswith(f"{LINEAR}: what is learned is rewards")
