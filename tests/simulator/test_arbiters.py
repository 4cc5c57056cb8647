"""Each way of choosing gives the probabilities it stands for."""

import numpy as np
import pytest

from nba.decision.arbitration import ArbiterInput
from nba.simulator.arbiters import Constant, NoAction, Oracle, Random
from nba.simulator.memory import JourneyMemory
from nba.simulator.truth import Exposure

ACTIONS = ("no_action", "women_new_season", "garden_opening", "kids_bundle", "club_join")


def asked(actions=ACTIONS, customer="c000003"):
    return ArbiterInput(
        actions=actions,
        placement="email.body",
        customer_id=customer,
        at_ms=1_741_000_000_000,
        context={"daypart": "morning"},
        scores=np.zeros(len(actions)),
    )


def test_random_shares_equally():
    assert Random()(asked()).tolist() == pytest.approx([0.2] * 5)


def test_constant_falls_back_to_no_action():
    assert Constant("kids_bundle")(asked()).tolist() == [0, 0, 0, 1, 0]
    assert Constant("sofa_styling")(asked()).tolist() == [1, 0, 0, 0, 0]
    assert NoAction()(asked()).tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("customer", range(0, 60, 7))
def test_oracle_takes_the_truly_best_candidate(world, customer):
    memory = JourneyMemory()
    memory.contacted(customer, at_ms=1_741_000_000_000, weight=1.0)
    question = asked(customer=world.records[customer].customer_id)
    chosen = ACTIONS[int(Oracle(world, memory)(question).argmax())]
    values = {
        action: world.truth.expected_value(
            customer,
            action,
            placement="email.body",
            content=None,
            at_ms=question.at_ms,
            context=question.context,
            exposure=Exposure(contacts=1.0),
        )
        for action in ACTIONS
    }
    assert chosen == max(values, key=values.__getitem__)


def test_oracle_says_nothing_to_the_exhausted(world):
    """After many lapses no offer is worth more than what is bought anyway."""
    memory = JourneyMemory()
    for _ in range(12):
        memory.lapsed(3)
    assert Oracle(world, memory)(asked()).tolist() == [1, 0, 0, 0, 0]
