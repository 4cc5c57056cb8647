"""What an action says of itself."""

from __future__ import annotations

import pytest

from nba.domain.catalog import Action, Goal
from nba.domain.ids import ActionId


def test_what_an_action_is_worth_by_base_rates_counts_its_goals_and_its_cost() -> None:
    goals = {"click": Goal(value=0.5, base_rate=0.1), "leave": Goal(value=-15.0, base_rate=0.002)}
    card = Action(
        id=ActionId("card"), name="Card", value=50.0, base_rate=0.02, cost=0.25, goals=goals
    )
    assert card.base_worth == pytest.approx(1.0 + 0.05 - 0.03 - 0.25)


def test_every_kind_of_outcome_that_means_something_is_named_once() -> None:
    action = Action(
        id=ActionId("card"),
        name="Card",
        desired_outcome="accept",
        negative_outcomes=("reject", "leave"),
        goals={"leave": Goal(value=-15.0, base_rate=0.002)},
    )
    assert action.outcomes == {"accept", "reject", "leave"}
